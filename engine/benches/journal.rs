//! What it costs to keep runs on the disk: beside a loop that writes one row a step into bare SQLite, in the same process, on
//! the same disk, turn by turn. Prints a table; each figure is the best and the median of several rounds.
//!
//! A step that is pure costs no write of its own, for it follows from those before it; so every chain and loop is measured
//! twice, once as it is and once with a model call, answered at once, in each step.

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use flow_engine::check::check;
use flow_engine::check::flow::CheckedFlow;
use flow_engine::journal::{Durability, Journal, Memory, Record, Reuse, Store};
use flow_engine::model::scripted::{HashingEmbedder, ScriptedPeople};
use flow_engine::report::Report;
use flow_engine::run::ports::{CallError, CallSite, ExecuteJob, Executor, Model, Ports, Request, Response};
use flow_engine::run::{Around, Cancel, Given, Models, Options, Prepared, RunState, prepare, resume, run};
use futures::future::{BoxFuture, FutureExt, join_all, ready};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A model that answers `1` after a time.
struct After(Duration);

impl Model for After {
    fn ask<'a>(
        &'a self,
        _site: &'a CallSite,
        _request: &'a Request,
        _on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        let answer =
            Response { text: "1".to_owned(), truncated: false, usage: None, schema_enforced: true, model: None };
        if self.0.is_zero() {
            return ready(Ok(answer)).boxed();
        }
        async move {
            tokio::time::sleep(self.0).await;
            Ok(answer)
        }
        .boxed()
    }
}

struct NoSandbox;

impl Executor for NoSandbox {
    fn execute<'a>(&'a self, _job: &'a ExecuteJob) -> BoxFuture<'a, Result<Value, String>> {
        ready(Err("there is no sandbox".to_owned())).boxed()
    }

    fn rule<'a>(&'a self, _module: &'a [u8], _value: &'a Value) -> BoxFuture<'a, Result<Result<(), String>, String>> {
        ready(Err("there is no sandbox".to_owned())).boxed()
    }
}

fn flow(text: &str) -> CheckedFlow {
    let checked = check(&BTreeMap::<String, String>::new(), "flow.yaml", text.to_owned());
    checked.flow.unwrap_or_else(|| panic!("{:?}", checked.found))
}

/// A chain of so many steps: pure, or a call each.
fn chain(steps: usize, calls: bool) -> CheckedFlow {
    let mut text = "flow: chain\nnodes:\n  n0: { let: 1 }\n".to_owned();
    for n in 1..=steps {
        let before = n - 1;
        let _ = if calls {
            writeln!(text, "  n{n}: {{ prompt: {{ user: '{{{{ n{before} }}}}' }} }}")
        } else {
            writeln!(text, "  n{n}: {{ let: $( n{before} + 1 ) }}")
        };
    }
    flow(&text)
}

/// A loop of a thousand passes that carries a kilobyte: pure, or with a call each.
fn looping(calls: bool) -> CheckedFlow {
    let step = if calls { "prompt: { user: '{{ state.text }} {{ pass.n }}' }" } else { "let: $( state.i + 1 )" };
    flow(&format!(
        "flow: loop\nnodes:\n  l:\n    loop: {{ max: 1000, state: {{ i: 0, text: '{}' }}, next: {{ i: $( state.i + 1 ) }} }}\n    nodes: {{ step: {{ {step} }} }}\n",
        "x".repeat(1024)
    ))
}

fn world(after: Duration) -> Ports {
    Ports {
        model: Arc::new(After(after)),
        executor: Arc::new(NoSandbox),
        people: Arc::new(ScriptedPeople::default()),
        embedder: Arc::new(HashingEmbedder),
    }
}

fn options(jobs: usize) -> Options {
    let models = Models { fallback: Some("test/instant".to_owned()), ..Models::default() };
    Options { jobs, models, ..Options::default() }
}

async fn drive(flow: &CheckedFlow, given: &Prepared, ports: &Ports, jobs: usize, journal: &mut dyn Journal) -> Report {
    let (options, cancel, observe) = (options(jobs), Cancel::default(), &mut |_: &Record, _: &RunState<'_>| {});
    let around = Around { ports, options: &options, cancel: &cancel, journal, observe };
    run(flow, given, around).await.expect("the journal is kept")
}

/// Best and median of some rounds, in milliseconds.
#[derive(Clone, Copy)]
struct Times(f64, f64);

impl Times {
    fn of(mut rounds: Vec<f64>) -> Self {
        rounds.sort_by(f64::total_cmp);
        Self(rounds[0], rounds[rounds.len() / 2])
    }
}

fn ms(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1e3
}

/// One row a step, each in a transaction of its own: the least that keeping steps can cost.
fn bare(steps: usize, body: &str, sync: &str) -> f64 {
    let folder = TempDir::new_in(disk()).expect("a folder");
    let db = Connection::open(folder.path().join("bare.db")).expect("a database");
    db.pragma_update(None, "journal_mode", "wal").expect("wal");
    db.pragma_update(None, "synchronous", sync).expect("sync");
    db.execute_batch("create table step (run integer, n integer, body text)").expect("a table");
    ms(|| {
        for n in 0..steps {
            let mut insert = db.prepare_cached("insert into step values (?, ?, ?)").expect("prepared");
            insert.execute(rusqlite::params![1, n as i64, body]).expect("written");
        }
    })
}

/// Ours and bare SQLite, turn by turn.
fn beside(runtime: &Runtime, name: &str, flow: &CheckedFlow, (steps, body): (usize, &str), rounds: usize) {
    let given = prepare(flow, &Given::default()).expect("the flow needs nothing");
    let ports = world(Duration::ZERO);
    let mut taken: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds {
        taken[0].push(bare(steps, body, "normal"));
        taken[1].push(bare(steps, body, "full"));
        taken[2].push(ms(|| drop(runtime.block_on(drive(flow, &given, &ports, 1, &mut Memory::default())))));
        for (slot, durability) in [(3, Durability::Normal), (4, Durability::Strict)] {
            let folder = TempDir::new_in(disk()).expect("a folder");
            let store = Store::open(folder.path(), durability).expect("a store");
            let mut journal = store.begin(Reuse::Nothing, None).expect("a run");
            taken[slot].push(ms(|| drop(runtime.block_on(drive(flow, &given, &ports, 1, &mut journal)))));
        }
    }
    let [normal, full, memory, ours, strict] = taken.map(Times::of);
    println!(
        "| {name} | {:.2} ({:.2}) | {:.2} ({:.2}) | {:.2} ({:.2}) | **{:.2}x** | {:.1} ({:.1}) | {:.1} ({:.1}) |",
        memory.0,
        memory.1,
        normal.0,
        normal.1,
        ours.0,
        ours.1,
        ours.0 / normal.0,
        full.0,
        full.1,
        strict.0,
        strict.1
    );
}

/// The disk that the target folder is on: `/tmp` may be memory.
fn disk() -> &'static str {
    env!("CARGO_TARGET_TMPDIR")
}

fn fan_out(runtime: &Runtime, durability: Durability) {
    let fan =
        flow("flow: fan\nnodes: { a: { each: { in: '$( range(1000) )', as: i }, prompt: { user: '{{ i }}' } } }\n");
    let given = prepare(&fan, &Given::default()).expect("the flow needs nothing");
    let folder = TempDir::new_in(disk()).expect("a folder");
    let store = Store::open(folder.path(), durability).expect("a store");
    let mut journal = store.begin(Reuse::Nothing, None).expect("a run");
    let taken = ms(|| drop(runtime.block_on(drive(&fan, &given, &world(Duration::ZERO), 1000, &mut journal))));
    println!("fan-out of 1,000 calls at {durability:?}: {taken:.1} ms, {} commits", store.commits());
}

/// A thousand runs at once, each of ten calls that take 50 ms: 500 ms are ideal.
fn many_runs(runtime: &Runtime, durability: Option<Durability>) {
    let flow = Arc::new(chain(10, true));
    let given = Arc::new(prepare(&flow, &Given::default()).expect("the flow needs nothing"));
    let ports = world(Duration::from_millis(50));
    let rounds = (0..5).map(|_| {
        let folder = TempDir::new_in(disk()).expect("a folder");
        let store = durability.map(|durability| Store::open(folder.path(), durability).expect("a store"));
        let journal = |_| -> Box<dyn Journal> {
            match &store {
                Some(store) => Box::new(store.begin(Reuse::Nothing, None).expect("a run")),
                None => Box::new(Memory::default()),
            }
        };
        let journals: Vec<_> = (0..1000).map(journal).collect();
        ms(|| {
            runtime.block_on(async {
                let runs = journals.into_iter().map(|mut journal| {
                    let (flow, given, ports) = (Arc::clone(&flow), Arc::clone(&given), ports.clone());
                    tokio::spawn(async move { drop(drive(&flow, &given, &ports, 1, &mut *journal).await) })
                });
                join_all(runs).await;
            });
        })
    });
    let Times(best, median) = Times::of(rounds.collect());
    let kept = durability.map_or_else(|| "in memory".to_owned(), |durability| format!("at {durability:?}"));
    println!("1,000 runs of ten calls of 50 ms {kept}: {best:.0} ms ({median:.0}), {:.2}x of the ideal", best / 500.0);
}

/// The time from a journal of ten thousand events to the next call.
fn resumed(runtime: &Runtime) {
    // Four events a pass: sent, settled, the node, the pass. The last ones are cut off.
    let flow = chain(3340, true);
    let given = prepare(&flow, &Given::default()).expect("the flow needs nothing");
    let folder = TempDir::new_in(disk()).expect("a folder");
    let store = Store::open(folder.path(), Durability::Normal).expect("a store");
    let mut journal = store.begin(Reuse::Nothing, None).expect("a run");
    drop(runtime.block_on(drive(&flow, &given, &world(Duration::ZERO), 1, &mut journal)));
    let id = journal.id().to_owned();
    drop(journal);
    let (mut read, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let begun = Instant::now();
        let (mut records, away) = store.read(&id).expect("it is read");
        read.push(begun.elapsed().as_secs_f64() * 1e3);
        records.truncate(records.iter().rposition(|record| record.seq < 10_000).map_or(0, |last| last + 1));
        let (options, cancel, observe) = (options(1), Cancel::default(), &mut |_: &Record, _: &RunState<'_>| {});
        // The first write of the resumed run ends it: that is when it would go on.
        let mut journal = Once(false);
        let ports = world(Duration::ZERO);
        let around = Around { ports: &ports, options: &options, cancel: &cancel, journal: &mut journal, observe };
        let ended = runtime.block_on(resume(&flow, &records, away, around));
        assert!(ended.is_err() && journal.0, "it went on");
        whole.push(begun.elapsed().as_secs_f64() * 1e3);
        assert_eq!(records.len(), 10_000);
    }
    let (read, whole) = (Times::of(read), Times::of(whole));
    println!(
        "resume of 10,000 events: {:.1} ms ({:.1}), {:.1} ({:.1}) of them reading",
        whole.0, whole.1, read.0, read.1
    );
}

/// A journal that refuses to be written, and knows that it was asked.
struct Once(bool);

impl Journal for Once {
    fn append<'a>(
        &'a mut self,
        _batch: flow_engine::journal::Batch<'a>,
    ) -> BoxFuture<'a, Result<(), flow_engine::journal::Error>> {
        self.0 = true;
        ready(Err(flow_engine::journal::Error("enough".to_owned()))).boxed()
    }
}

/// Without arguments all of it; `cargo bench --bench journal -- runs` just the thousand runs.
fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |part: &str| only.as_ref().is_none_or(|only| only == part);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    if wanted("steps") {
        steps(&runtime);
    }
    if wanted("runs") {
        many_runs(&runtime, None);
    }
    for durability in [Durability::Normal, Durability::Strict] {
        if wanted("fan") {
            fan_out(&runtime, durability);
        }
        if wanted("runs") {
            many_runs(&runtime, Some(durability));
        }
    }
    if wanted("resume") {
        resumed(&runtime);
    }
}

fn steps(runtime: &Runtime) {
    println!("milliseconds: best (median)\n");
    println!("| workload | in memory | bare NORMAL | ours NORMAL | ratio | bare FULL | ours strict |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let number = json!(1).to_string();
    let kilobyte = "x".repeat(1024);
    beside(runtime, "chain of 100, pure", &chain(100, false), (100, &number), 9);
    beside(runtime, "chain of 100 calls", &chain(100, true), (100, &number), 9);
    beside(runtime, "loop of 1,000 with 1 KB, pure", &looping(false), (1000, &kilobyte), 5);
    beside(runtime, "loop of 1,000 calls with 1 KB", &looping(true), (1000, &kilobyte), 5);
    println!();
}
