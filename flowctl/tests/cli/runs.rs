//! What is done with runs that are kept: listed, shown, explained, compared, forked, replayed, exported, swept.

use crate::{Ended, end, flowctl, root};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;

/// A flow whose nodes read an input, a param, each other, a prompt file, and what a person says.
const FLOW: &str = r#"
flow: essay
inputs: { topic: string }
params: { tone: string = plain, points: integer 1..5 = 2 }
models: { writer: { use: [openai/small], price: { in: 1, out: 2 } } }
defaults: { prompt: { model: writer } }
nodes:
  reflect:
    prompt:
      user: |
        Goals of a text about {{ inputs.topic }}.
        At most {{ params.points }}.
      returns: { goals: [string] }
  facts: { prompt: { user: "Facts about {{ inputs.topic }}" } }
  draft: { prompt: { file: prompts/draft.md } }
  polish:
    loop: { max: 2, state: { text: $draft }, next: { text: $edit } }
    nodes:
      edit: { prompt: { user: "Make it {{ params.tone }}: {{ state.text }}" } }
outputs: { text: $polish.state.text }
"#;

const DRAFT: &str =
    "Write about {{ inputs.topic }}.\n\nIts goals:\n{{ reflect.goals | bullets }}\nFacts: {{ facts }}\n";

/// A folder with a flow, its runs, and a provider that answers the same to the same.
struct Desk {
    folder: tempfile::TempDir,
    url: String,
}

impl Desk {
    fn of(flow: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/v1", listener.local_addr().expect("its address"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || while serve(&stream).is_some() {});
            }
        });
        let desk = Self { folder, url };
        fs::create_dir(desk.folder.path().join("prompts")).expect("a folder of prompts");
        desk.write("prompts/draft.md", DRAFT);
        desk.write("flow.yaml", flow);
        desk
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.folder.path().join(path), text).expect("the file is written");
    }

    /// Runs `flowctl`, whose arguments hold no spaces, in the folder.
    fn call(&self, arguments: &str) -> Ended {
        let mut command = flowctl();
        command.current_dir(self.folder.path()).env("FLOWCTL_RUNS", self.folder.path().join("runs"));
        command.env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", &self.url).stdin(Stdio::null());
        end(command.args(arguments.split_whitespace()))
    }

    /// Runs the flow, and gives the run's id.
    fn run(&self, more: &str) -> String {
        let ended = self.call(&format!("run flow.yaml --format json {more}")).with(0);
        ended.json()["run"].as_str().expect("a run is kept").to_owned()
    }

    /// What `why` says, in a sentence and by name.
    fn why(&self, run: &str, node: &str) -> (String, String) {
        let json = self.call(&format!("why {run} {node} --format json")).with(0).json();
        let text = |key: &str| json[key].as_str().expect("a text").to_owned();
        (text("what"), text("says"))
    }
}

/// Answers one request, by what its last message asks; none when the connection is over.
fn serve(mut stream: &TcpStream) -> Option<()> {
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
    let asked = request["messages"].as_array()?.last()?["content"].as_str()?;
    let said = match asked.split_once(' ')? {
        ("Goals", rest) => json!({ "goals": ["be clear", format!("say all of {} words", rest.len())] }).to_string(),
        // It breaks the type of the question, and mends that when it is told so.
        ("Count", _) => "none".to_owned(),
        ("Cut", rest) => {
            let answer = json!({ "choices": [{ "message": { "content": rest }, "finish_reason": "length" }] });
            return answer_with(&mut stream, &answer);
        }
        _ if request["messages"].as_array()?.len() == 3 => "3".to_owned(),
        (word, _) => format!("{word} {:08x}", asked.bytes().fold(7u32, |h, b| h.wrapping_mul(31) ^ u32::from(b))),
    };
    let answer = json!({
        "choices": [{ "message": { "role": "assistant", "content": said }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 1000, "completion_tokens": 500 },
    });
    answer_with(&mut stream, &answer)
}

fn answer_with(stream: &mut impl Write, answer: &Value) -> Option<()> {
    let answer = answer.to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
    stream.write_all((head + &answer).as_bytes()).ok()
}

fn ids(list: &Value) -> Vec<&str> {
    list["runs"].as_array().expect("runs").iter().filter_map(|run| run["id"].as_str()).collect()
}

#[test]
fn runs_are_listed_youngest_first_with_what_they_came_to_and_cost() {
    let desk = Desk::of(FLOW);
    assert_eq!(desk.call("runs --format json").with(0).json(), json!({ "runs": [] }));
    let (first, second) = (desk.run("--input topic=tea"), desk.run("--input topic=tea"));
    let list = desk.call("runs --format json").with(0).json();
    assert_eq!(ids(&list), [second.as_str(), first.as_str()]);
    let (new, old) = (&list["runs"][0], &list["runs"][1]);
    assert_eq!((&old["flow"], &old["state"], &old["calls"]), (&json!("essay"), &json!("accepted"), &json!(5)));
    // Five calls of 1000 tokens at 1 and 500 at 2 USD a million.
    assert_eq!((&old["usd"], &new["usd"], &new["calls"]), (&json!(0.01), &json!(0.0), &json!(0)));
    let began = old["began"].as_str().expect("a time");
    assert!(began.len() == 20 && began.starts_with("20") && began.ends_with('Z'), "{began}");
    let human = desk.call("runs").with(0).stdout;
    assert!(human.lines().nth(1).is_some_and(|line| line.starts_with(&second) && line.contains(" ago")), "{human}");
}

#[test]
fn a_run_that_waits_for_a_person_says_so_and_shows_the_question() {
    let desk =
        Desk::of("flow: ask\nnodes:\n  ok: { human: { ask: Is it good?, returns: boolean } }\noutputs: { ok: $ok }\n");
    let run = desk.run("");
    assert_eq!(desk.call("runs --format json").with(0).json()["runs"][0]["state"], "waiting");
    let shown = desk.call(&format!("show {run}")).with(0).stdout;
    assert!(shown.contains("Is it good?") && shown.contains(&format!("flowctl answer {run} 'ok'")), "{shown}");
    desk.call(&format!("answer {run} ok --value true")).with(0);
    // A person's answer is replayed like any other.
    assert_eq!(desk.call(&format!("replay {run}")).with(0).stdout, "the same: 1 node, 0 calls\n");
    assert_eq!(desk.call("runs --format json").with(0).json()["runs"][0]["state"], "accepted");
}

#[test]
fn a_run_without_the_cache_and_a_fork_stay_so_when_they_go_on() {
    let desk = Desk::of(
        "flow: ask\ninputs: { topic: string }\nmodels: { m: { use: [openai/small] } }\nnodes:\n  idea: { prompt: { user: About ideas, model: m } }\n  ok: { after: [idea], human: { ask: Is it good?, returns: boolean } }\n  text: { after: [ok], prompt: { user: 'About {{ inputs.topic }}', model: m } }\noutputs: { text: $text }\n",
    );
    let goes_on = |run: &str| {
        let ended = desk.call(&format!("answer {run} ok --value true --format json")).with(0).json();
        (ended["spend"]["calls"].clone(), ended["spend"]["cached"].clone())
    };
    let first = desk.run("--input topic=bees");
    assert_eq!(goes_on(&first), (json!(2), json!(0)));
    // The same again is found; a run that takes nothing of before asks, and so does a fork from its place
    // on, though another process goes on with them.
    assert_eq!(goes_on(&desk.run("--input topic=bees")), (json!(0), json!(2)));
    assert_eq!(goes_on(&desk.run("--input topic=bees --no-cache")), (json!(2), json!(0)));
    desk.call(&format!("fork {first} --at ok")).with(0);
    let listed = desk.call("runs --format json").with(0).json();
    let fork = listed["runs"][0]["id"].as_str().expect("the fork has an id");
    assert_eq!(goes_on(fork), (json!(1), json!(1)));
}

#[test]
fn a_run_is_shown_as_a_tree_and_a_call_as_a_conversation() {
    let desk = Desk::of(FLOW);
    let run = desk.run("--input topic=tea --set tone=merry");
    let shown = desk.call(&format!("show {}", &run[..4])).with(0).stdout;
    for part in
        ["essay", "topic: \"tea\"", "tone: \"merry\"", "2 passes (done)", "5 calls", "0.0100 USD", "text: \"Make "]
    {
        assert!(shown.contains(part), "no `{part}`:\n{shown}");
    }
    assert!(!shown.contains("points"), "a param at its default says nothing:\n{shown}");
    let order: Vec<usize> =
        ["  reflect", "  polish", "    #1", "      edit", "    #2"].iter().filter_map(|row| shown.find(row)).collect();
    assert!(order.len() == 5 && order.is_sorted(), "{order:?}\n{shown}");

    let call = desk.call(&format!("show {run} draft")).with(0).stdout;
    for part in ["openai/small", "Write about tea.", "- be clear", "answer:", "1500 tokens"] {
        assert!(call.contains(part), "no `{part}`:\n{call}");
    }
    let json = desk.call(&format!("show {run} polish#2/edit --format json")).with(0).json();
    let text = json["calls"][0]["request"]["messages"][0]["text"].as_str().expect("a message");
    assert!(text.starts_with("Make it merry: Make "), "{text}");
    assert_eq!(json["value"], json["calls"][0]["response"]["text"]);
    let wrong = desk.call(&format!("show {run} reflct")).with(2);
    assert!(wrong.stderr.contains("`reflect`"), "{}", wrong.stderr);
}

#[test]
fn why_names_the_first_thing_that_differs() {
    let desk = Desk::of(FLOW);
    let first = desk.run("--input topic=tea");
    let (what, says) = desk.why(&first, "draft");
    assert!(what == "first" && says.contains("no earlier run"), "{says}");

    let again = desk.run("--input topic=tea");
    assert_eq!(desk.why(&again, "draft").0, "recalled");

    desk.write("prompts/draft.md", &DRAFT.replace("Facts:", "The facts:"));
    let edited = desk.run("--input topic=tea");
    assert_eq!(desk.why(&edited, "draft"), ("template".to_owned(), "`prompts/draft.md` line 5 changed".to_owned()));
    assert_eq!(desk.why(&edited, "reflect").0, "recalled");

    desk.write("flow.yaml", &FLOW.replace("At most", "No more than"));
    let inline = desk.run("--input topic=tea");
    let line = 1 + FLOW.lines().position(|line| line.contains("At most")).expect("the line is there");
    assert_eq!(desk.why(&inline, "reflect").1, format!("`flow.yaml` line {line} changed"));
    // What reads the answer names the part of it that is another one.
    let (what, says) = desk.why(&inline, "draft");
    assert!(what == "value" && says.starts_with("`reflect.goals[1]` differs"), "{says}");

    let toned = desk.run("--input topic=tea --set tone=merry");
    assert!(desk.why(&toned, "polish").1.starts_with("`params.tone` differs: \"merry\", and was \"plain\""));
    let hot = desk.run("--input topic=tea --set tone=merry -m openai/large");
    assert_eq!(
        desk.why(&hot, "facts"),
        ("model".to_owned(), "the model is `openai/large`, and was `openai/small`".into())
    );
    desk.write("flow.yaml", &FLOW.replace("model: writer }", "model: writer, temperature: 0.5 }"));
    let warm = desk.run("--input topic=tea --set tone=merry -m openai/large");
    assert!(desk.why(&warm, "facts").1.starts_with("`temperature` differs: 0.5, and was null"));
    desk.write("flow.yaml", &FLOW.replace("goals: [string]", "goals: \"[string] 1..9\""));
    let typed = desk.run("--input topic=tea");
    let against = desk.call(&format!("why {typed} reflect --against {first} --format json")).with(0).json();
    assert_eq!((&against["what"], &against["against"]), (&json!("schema"), &json!(first)));

    let wrong = desk.call(&format!("why {first} polsh")).with(2);
    assert!(wrong.stderr.contains("`polish`"), "{}", wrong.stderr);
}

#[test]
fn why_tells_what_the_cache_had_to_do_with_it() {
    let flow = "flow: t\nmodels: { m: { use: [openai/small] } }\ndefaults: { prompt: { model: m } }\nnodes:\n  \
                fresh: { cache: off, prompt: { user: One two } }\n  cut: { on_error: skip, prompt: { user: Cut it } }\n  \
                plain: { prompt: { user: Three four } }\n  pure: { let: $plain }\noutputs: { a: $fresh, b: $cut, c: $pure }\n";
    let desk = Desk::of(flow);
    desk.run("");
    let again = desk.run("");
    assert_eq!(
        desk.why(&again, "fresh"),
        ("cache".to_owned(), "nothing differs: `cache: off` asks it each time".into())
    );
    let (what, says) = desk.why(&again, "cut");
    assert!(what == "not_kept" && says.contains("cut off"), "{says}");
    assert_eq!(desk.why(&again, "plain").0, "recalled");
    let alone = desk.run("--no-cache");
    let (what, says) = desk.why(&alone, "plain");
    assert!(what == "cache" && says.contains("--no-cache"), "{says}");
    assert!(desk.call(&format!("why {again} pure")).with(2).stderr.contains("it is a `let`"));
}

#[test]
fn two_runs_are_compared_in_what_they_came_to_and_cost() {
    let desk = Desk::of(FLOW);
    let (tea, toned) = (desk.run("--input topic=tea"), desk.run("--input topic=tea --set tone=merry"));
    let json = desk.call(&format!("diff {tea} {toned} --format json")).with(0).json();
    assert_eq!(json["same"], false);
    let found = &json["differences"];
    assert_eq!(found["params"], json!([{ "name": "tone", "at": "", "a": "plain", "b": "merry" }]));
    assert_eq!((&found["inputs"], &found["outcome"], &found["loops"]), (&json!([]), &Value::Null, &json!([])));
    assert_eq!(found["outputs"][0]["name"], "text");
    let paths: Vec<&str> =
        found["nodes"].as_array().expect("nodes").iter().filter_map(|n| n["path"].as_str()).collect();
    assert!(paths.contains(&"polish#2/edit") && paths.contains(&"reflect"), "{paths:?}");
    assert_eq!(found["spend"]["a"]["calls"], 5);
    assert_eq!((&found["spend"]["b"]["calls"], &found["spend"]["b"]["cached"]), (&json!(2), &json!(3)));

    let more = FLOW
        .replace("max: 2", "max: 3")
        .replace("outputs: { text", "  extra: { let: $facts }\noutputs: { extra: $extra, text");
    desk.write("flow.yaml", &more);
    let third = desk.run("--input topic=tea");
    let human = desk.call(&format!("diff {tea} {third}")).with(0).stdout;
    for part in [
        "polish: 2 passes (done) → 3 passes (done)",
        "polish#3/edit: only in b",
        "extra: only in b",
        "the flows differ",
    ] {
        assert!(human.contains(part), "no `{part}`:\n{human}");
    }
    let same = desk.call(&format!("diff {tea} {tea} --format json")).with(0).json();
    assert_eq!(same["same"], true);
}

#[test]
fn a_fork_shares_what_came_before_a_place_and_asks_the_rest_anew() {
    let desk = Desk::of(FLOW);
    let parent = desk.run("--input topic=tea");
    let forked = desk.call(&format!("fork {parent} --at polish#2 --set tone=merry --format json")).with(0);
    // The first pass reads the tone as well, so it is not what was answered before.
    assert!(forked.stderr.contains(&format!("3 of 4 answers of `{parent}` shared")), "{}", forked.stderr);
    assert!(forked.stderr.contains("`polish#1/edit` was the first that was asked anew"), "{}", forked.stderr);
    let json = forked.json();
    assert_eq!((&json["spend"]["cached"], &json["spend"]["calls"]), (&json!(3), &json!(2)));
    assert_eq!(desk.call("runs --format json").with(0).json()["runs"][0]["parent"], json!(parent));
    // With nothing changed, the place is asked anew although the cache would know it.
    let plain = desk.call(&format!("fork {parent} --at polish#2 --format json")).with(0).json();
    assert_eq!((&plain["spend"]["cached"], &plain["spend"]["calls"]), (&json!(4), &json!(1)));

    desk.write("edited.yaml", &FLOW.replace("Facts about", "Five facts about"));
    let edited = desk.call(&format!("fork {parent} --at polish --flow edited.yaml --format json")).with(0);
    assert!(
        edited.stderr.contains("1 of 3 answers") && edited.stderr.contains("`facts` was the first"),
        "{}",
        edited.stderr
    );

    let refused = |arguments: &str, says: &str| {
        let ended = desk.call(arguments).with(2);
        assert!(ended.stderr.contains(says), "`{arguments}`:\n{}", ended.stderr);
    };
    refused(&format!("fork {parent} --at polsh"), "`polish`");
    refused(&format!("fork {parent} --at reflect"), "nothing to share");
    refused(&format!("fork {parent} --at polish --set tonne=x"), "`tone`");
    refused(&format!("fork {parent} --at polish -o txt"), "its outputs: text");
    refused("fork nosuchrun --at polish", "flowctl runs");
}

#[test]
fn a_fork_is_given_answers_that_had_to_be_sent_back_and_what_people_said() {
    let flow = "flow: t\nmodels: { m: { use: [openai/small] } }\ndefaults: { prompt: { model: m } }\nnodes:\n  \
                count: { prompt: { user: Count them, returns: integer, repair: 1 } }\n  \
                ok: { human: { ask: \"Is {{ count }} right?\", returns: boolean } }\n  \
                last: { when: ok, prompt: { user: \"Last {{ count }}\" } }\noutputs: { last: $last }\n";
    let desk = Desk::of(flow);
    let run = desk.run("");
    let ended = desk.call(&format!("answer {run} ok --value true --format json")).with(0).json();
    assert_eq!(ended["spend"]["calls"], 3, "{ended}");
    let forked = desk.call(&format!("fork {run} --at last --format json")).with(0).json();
    assert_eq!((&forked["state"], &forked["spend"]["calls"]), (&json!("ended"), &json!(1)), "{forked}");
    assert_eq!(forked["outputs"], ended["outputs"]);
    for id in [run.as_str(), forked["run"].as_str().expect("it is kept")] {
        desk.call(&format!("replay {id}")).with(0);
    }
}

#[test]
fn a_replay_is_the_same_offline_with_the_real_sandbox() {
    let runs = tempfile::tempdir().expect("a folder");
    let call = |arguments: &str| end(flowctl().env("FLOWCTL_RUNS", runs.path()).args(arguments.split_whitespace()));
    let flow = "run flows/AlphaCodium.yaml --input problem=@examples/oddecho --format json";
    let recorded = root().join("examples/oddecho/answers.json");
    let first = call(&format!("{flow} --replay examples/oddecho/answers.json")).with(0).json();
    let id = first["run"].as_str().expect("it is kept");
    let replayed = call(&format!("replay {id}")).with(0);
    let calls = first["spend"]["calls"].as_u64().expect("a number");
    assert!(replayed.stdout.ends_with(&format!("nodes, {calls} calls\n")), "{}", replayed.stdout);

    // What is exported is what was recorded, and a run of it is the same.
    let exported = runs.path().join("answers.json");
    call(&format!("export {id} --answers {}", exported.display())).with(0);
    assert_eq!(text(&exported), text(&recorded));
    let second = call(&format!("{flow} --replay {}", exported.display())).with(0).json();
    assert_eq!(second["outputs"], first["outputs"]);
    let other = second["run"].as_str().expect("it is kept");
    assert_eq!(call(&format!("diff {id} {other} --format json")).with(0).json()["same"], true);

    let lines = call(&format!("export {id}")).with(0).stdout;
    let records: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a record a line")).collect();
    assert!(records.iter().enumerate().all(|(nth, record)| record["seq"] == nth as u64));
    assert_eq!(
        (&records[0]["event"], &records[records.len() - 1]["event"]),
        (&json!("run_started"), &json!("run_done"))
    );
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("the file is there")
}

#[test]
fn what_nobody_touched_for_long_is_swept() {
    let desk = Desk::of(FLOW);
    let run = desk.run("--input topic=tea");
    assert!(desk.call("gc --keep soon").with(2).stderr.contains("30d"));
    assert!(desk.call("gc --keep 30d").with(0).stdout.starts_with("0 of 1 runs"));
    let swept = desk.call("gc --keep 0s").with(0).stdout;
    assert!(swept.contains(&run) && swept.contains("1 of 1 runs and 5 cached answers are gone"), "{swept}");
    desk.call(&format!("show {run}")).with(2);
    assert_eq!(desk.run("--input topic=tea").len(), run.len());
    let spent = desk.call("runs --format json").with(0).json();
    assert_eq!(spent["runs"][0]["calls"], 5, "what was swept is asked again");
}
