//! Processes that are killed for real, at any moment, with a server that counts what it is asked.

use crate::{end, flowctl, root};
use flow_engine::journal::{Durability, Event, Store};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A provider that answers as a recording does, after a moment, and counts each conversation.
struct Provider {
    url: String,
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

impl Provider {
    fn of(recording: &Path) -> Self {
        let text = fs::read_to_string(recording).expect("the recording is there");
        let cassette: Value = serde_json::from_str(&text).expect("it is JSON");
        let whole = |text: &Value| match text {
            Value::Array(lines) => lines.iter().map(|l| l.as_str().unwrap_or_default()).collect::<Vec<_>>().join("\n"),
            text => text.as_str().unwrap_or_default().to_owned(),
        };
        let entries = cassette["entries"].as_object().expect("calls by path").values();
        let answers: HashMap<String, Value> = entries
            .map(|entry| {
                let messages = entry["request"]["messages"].as_array().expect("a conversation").iter();
                let conversation: Vec<String> = messages.map(|message| whole(&message["text"])).collect();
                let usage = &entry["response"]["usage"];
                let answer = json!({
                    "choices": [{ "message": { "role": "assistant", "content": whole(&entry["response"]["text"]) }, "finish_reason": "stop" }],
                    "usage": usage,
                    "model": "sim",
                });
                (conversation.join("\0"), answer)
            })
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/v1", listener.local_addr().expect("its address"));
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let (answers, counts) = (Arc::new(answers), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, counts) = (Arc::clone(&answers), Arc::clone(&counts));
                std::thread::spawn(move || while serve(&stream, &answers, &counts).is_some() {});
            }
        });
        Self { url, asked }
    }

    fn requests(&self) -> usize {
        self.asked.lock().expect("nobody panicked").values().sum()
    }
}

/// Answers one request; none when the connection is over.
fn serve(
    mut stream: &TcpStream,
    answers: &HashMap<String, Value>,
    asked: &Mutex<HashMap<String, usize>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request: Value = serde_json::from_slice(&body).ok()?;
    let texts: Vec<&str> = request["messages"].as_array()?.iter().filter_map(|m| m["content"].as_str()).collect();
    let conversation = texts.join("\0");
    // A schema may stand after the question, where the recording has none.
    let known = answers.iter().find(|(recorded, _)| conversation.starts_with(recorded.trim_end()));
    let (_, answer) = known.unwrap_or_else(|| panic!("asked what was never asked: {conversation}"));
    *asked.lock().ok()?.entry(conversation).or_default() += 1;
    std::thread::sleep(Duration::from_millis(40));
    let answer = answer.to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
    stream.write_all((head + &answer).as_bytes()).ok()
}

/// Moments to be killed at, in milliseconds: spread, and the same each time.
fn moments() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(12345u64), |x| {
        Some(x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407))
    })
    .map(|x| 30 + (x >> 33) % 400)
}

#[test]
fn a_run_that_is_killed_again_and_again_loses_nothing_and_pays_nothing_twice() {
    let example = root().join("examples/trulstrubbel");
    let replayed = end(flowctl()
        .args(["run", "flows/AlphaCodium.yaml", "--input", "problem=@examples/trulstrubbel", "--format", "json"])
        .args(["--replay", "examples/trulstrubbel/answers.json"]))
    .with(0)
    .json();
    let provider = Provider::of(&example.join("answers.json"));
    let runs = tempfile::tempdir().expect("a folder");
    let command = |arguments: &[&str]| -> Command {
        let mut command = flowctl();
        command.env("FLOWCTL_RUNS", runs.path()).env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", &provider.url);
        command.args(arguments).args(["--format", "json", "--durability", "normal"]);
        command
    };
    let first = ["run", "flows/AlphaCodium.yaml", "--input", "problem=@examples/trulstrubbel", "-m", "openai/sim"];
    let mut id: Option<String> = None;
    let mut ended = None;
    for moment in moments().take(14) {
        let mut process = match &id {
            None => command(&first),
            Some(id) => command(&["resume", id]),
        };
        let mut process = process.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("flowctl starts");
        std::thread::sleep(Duration::from_millis(moment));
        if let Some(status) = process.try_wait().expect("it is ours") {
            ended = Some(status);
        }
        // SIGKILL, on Unix: nothing is caught, flushed or said.
        process.kill().expect("it is ours");
        process.wait().expect("it is ours");
        let store = Store::open(runs.path(), Durability::Normal).expect("the runs can be opened after every kill");
        id = store.runs().expect("they are listed").first().map(|run| run.id.clone());
        if ended.is_some() {
            break;
        }
    }
    let id = id.expect("a run that was killed after its beginning is there");
    let json = end(&mut command(&["resume", &id])).with(0).json();
    assert_eq!(json["outputs"], replayed["outputs"]);
    let store = Store::open(runs.path(), Durability::Normal).expect("the runs are there");
    let (records, _) = store.read(&id).expect("it is read");
    let mut settled: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut sent, mut lost) = (0, 0);
    for record in &records {
        match &record.event {
            Event::CallSent { .. } => sent += 1,
            Event::CallLost { .. } => lost += 1,
            Event::CallSettled { path, .. } => *settled.entry(path).or_default() += 1,
            _ => {}
        }
    }
    assert!(settled.values().all(|answers| *answers == 1), "{settled:?}");
    assert_eq!((sent, json["spend"]["lost"].as_u64()), (settled.len() + lost, Some(lost as u64)));
    // What the provider was asked more often than it was heard are the calls that are said to be lost.
    let requests = provider.requests();
    assert!((settled.len()..=sent).contains(&requests), "{requests} requests, {sent} sent, {} settled", settled.len());
}
