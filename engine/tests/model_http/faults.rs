//! Hundreds of runs on a server that fails in every way that servers do.

use super::runs::{at_once, flow, play};
use super::{events, provider};
use flow_engine::journal::Event;
use flow_engine::model::{HttpModel, Kind, Limited, Provider, Timeouts};
use flow_engine::run::ports::Model;
use flow_engine::run::{ErrorName, Options, Outcome};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Each call depends on the one before, so that an answer that is lost, doubled or mixed up changes what comes out.
const FLOW: &str = r#"
flow: t
inputs: { run: integer }
models: { m: { use: [p/one, p/two] } }
defaults: { prompt: { model: m, repair: 2, returns: { n: integer }, retry: { times: 3, backoff: 1ms..5ms } } }
nodes:
  first: { prompt: { user: "{{ inputs.run }}:first" } }
  many:
    each: { in: [1, 2, 3, 4], as: i }
    prompt: { user: "{{ inputs.run }}:item {{ i }} {{ first.n }}" }
  more:
    loop: { max: 3, state: { n: $( many | sum(attribute="n") ) }, next: { n: $step.n } }
    nodes: { step: { prompt: { user: "{{ inputs.run }}:step {{ state.n }}" } } }
outputs: { n: $more.state.n }
"#;

/// A server that answers by what it is asked, and fails by what it is asked and how often it was asked it.
#[derive(Default)]
struct Server {
    /// Failures of a hundred requests, in percent of what the table below says.
    harm: u64,
    asked: Mutex<BTreeMap<String, u64>>,
    /// The answers that went out whole: of which run each is. Its place stands in the answer as the name of the model.
    sent: Mutex<Vec<u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    Status(&'static str),
    Drop,
    Half,
    Junk,
    Cut,
    Slow,
    Hang,
}

/// Faults, and how many of a thousand requests have them.
const FAULTS: [(Fault, u64); 9] = [
    (Fault::Status("429 Too Many Requests\r\nretry-after-ms: 3"), 50),
    (Fault::Status("500 Internal Server Error"), 30),
    (Fault::Status("529 Overloaded\r\nretry-after: 0"), 10),
    (Fault::Drop, 30),
    (Fault::Half, 20),
    (Fault::Junk, 50),
    (Fault::Cut, 30),
    (Fault::Slow, 20),
    (Fault::Hang, 1),
];

fn hash(text: &str) -> u64 {
    // FNV-1a: the same everywhere and for ever.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Server {
    async fn start(harm: u64) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = Arc::new(Self { harm, ..Self::default() });
        let serving = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let server = Arc::clone(&serving);
                // Ends when either side closes the connection.
                tokio::spawn(async move { server.serve(BufReader::new(connection)).await });
            }
        });
        (server, format!("http://{address}"))
    }

    async fn serve(&self, mut connection: BufReader<TcpStream>) -> Option<()> {
        loop {
            let body = read_request(&mut connection).await?;
            let times = {
                let mut asked = self.asked.lock().expect("no panic");
                let times = asked.entry(body.to_string()).or_default();
                *times += 1;
                *times
            };
            let mut draw = hash(&format!("{body} {times}")) % 1000 * 100;
            let fault = FAULTS.iter().find(|(_, share)| {
                let hit = draw < share * self.harm;
                draw = draw.saturating_sub(share * self.harm);
                hit
            });
            self.answer(&mut connection, &body, fault.map_or(Fault::None, |(fault, _)| *fault)).await?;
        }
    }

    /// Answers a request; none when the connection is to be closed.
    async fn answer(&self, connection: &mut BufReader<TcpStream>, body: &Value, fault: Fault) -> Option<()> {
        match fault {
            Fault::Drop => return None,
            Fault::Hang => {
                // Says nothing until the other side has enough of it.
                connection.read_u8().await.ok()?;
                return None;
            }
            Fault::Slow => tokio::time::sleep(Duration::from_millis(30)).await,
            Fault::None | Fault::Status(_) | Fault::Half | Fault::Junk | Fault::Cut => {}
        }
        if let Fault::Status(status) = fault {
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
            return connection.write_all(head.as_bytes()).await.ok();
        }
        // What it means lies behind the colon, and is the same for all runs; re-asks ask the same.
        let (run, asked) = body["messages"][0]["content"].as_str()?.lines().next()?.split_once(':')?;
        let text = match fault {
            Fault::Junk => "I would rather not say { a number".to_owned(),
            _ => json!({ "n": hash(asked) % 1000 }).to_string(),
        };
        let number = {
            let mut sent = self.sent.lock().expect("no panic");
            let number = sent.len() as u64;
            if fault != Fault::Half {
                sent.push(run.parse().ok()?);
            }
            number
        };
        let reason = if fault == Fault::Cut { "length" } else { "stop" };
        let piece = |delta: Value, reason: Option<&str>| json!({ "model": format!("{number}"), "choices": [{ "delta": delta, "finish_reason": reason }] });
        let (a, b) = text.split_at(text.len() / 2);
        let said = [piece(json!({ "content": a }), None), piece(json!({ "content": b }), Some(reason))];
        let said = events(&said) + "data: [DONE]\n\n";
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", said.len());
        if fault == Fault::Half {
            let half = &said[..said.find("\n\n").expect("an event ends") + 2];
            connection.write_all((head + half).as_bytes()).await.ok()?;
            return None;
        }
        connection.write_all((head + &said).as_bytes()).await.ok()
    }
}

async fn read_request(connection: &mut BufReader<TcpStream>) -> Option<Value> {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if connection.read_line(&mut line).await.ok()? <= 2 {
            break;
        }
        if let Some(told) = line.to_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}

/// How a run ended, what came out, and the numbers of the answers in its journal.
struct Ended {
    run: u64,
    outcome: Option<Outcome>,
    error: Option<ErrorName>,
    output: Value,
    settled: Vec<usize>,
}

async fn run_all(url: &str, runs: u64) -> Vec<Ended> {
    // Long enough that only a server that hangs is silent for so long, on a busy machine too.
    let timeouts = Timeouts { first_byte: Some(Duration::from_secs(2)), ..Timeouts::default() };
    let http = HttpModel::new([Provider { timeouts, ..provider(Kind::OpenAi, url) }]);
    let model: Arc<dyn Model> = Arc::new(Limited::new(Arc::new(http), at_once(16)));
    let (flow, options) = (flow(FLOW), Options { jobs: 4, ..Options::default() });
    let play = |run: u64| {
        let (flow, options, model) = (&flow, &options, Arc::clone(&model));
        async move {
            let (report, events) = play(flow, model, options, Some(("run", run.into()))).await;
            let settled = events.iter().filter_map(|event| match event {
                Event::CallSettled { response, .. } => response.model.as_ref()?.parse().ok(),
                _ => None,
            });
            let output = report.outputs.as_ref().map(|outputs| outputs["n"].clone()).unwrap_or_default();
            let settled = settled.collect();
            Ended { run, outcome: report.outcome, error: report.error.map(|error| error.name), output, settled }
        }
    };
    stream::iter((0..runs).map(play)).buffer_unordered(12).collect().await
}

#[tokio::test]
async fn whatever_a_server_does_runs_end_with_a_name_and_lose_no_answer() {
    let (_, url) = Server::start(0).await;
    let calm = run_all(&url, 1).await.remove(0);
    assert_eq!((calm.outcome, calm.settled.len()), (Some(Outcome::Accepted), 8));
    // As often as servers fail, and three times as often.
    for (harm, count, least) in [(100, 200, 190), (300, 100, 50)] {
        let (server, url) = Server::start(harm).await;
        let runs = tokio::time::timeout(Duration::from_secs(300), run_all(&url, count)).await.expect("no run hangs");
        let sent = server.sent.lock().expect("no panic").clone();
        let mut accepted = 0;
        for Ended { run, outcome, error, output, mut settled } in runs {
            settled.sort_unstable();
            assert!(settled.windows(2).all(|pair| pair[0] < pair[1]), "an answer counts twice in run {run}");
            let own: Vec<usize> = (0..sent.len()).filter(|number| sent[*number] == run).collect();
            match outcome {
                Some(Outcome::Accepted) => {
                    accepted += 1;
                    assert_eq!(output, calm.output, "run {run} came to something else than without faults");
                    assert_eq!(settled, own, "an answer that was paid for is not in the journal of run {run}");
                }
                // What was at work beside the node that failed was dropped.
                Some(Outcome::Failed) => {
                    assert!(error.is_some_and(ErrorName::falls_back), "{error:?}");
                    assert!(settled.iter().all(|number| own.contains(number)), "run {run}");
                }
                Some(Outcome::NotAccepted | Outcome::Budget | Outcome::Cancelled) | None => panic!("{outcome:?}"),
            }
        }
        assert!(accepted >= least, "{accepted} of {count} runs ended well at {harm} %");
    }
}
