//! The journal on disk: what it keeps, what breaks it, and what it costs in commits and bytes.

use crate::harness::{Ran, go_on, jobs};
use crate::run_properties::Chance;
use crate::world::{flow, play, ports, scripted};
use flow_engine::check::flow::CheckedFlow;
use flow_engine::journal::{Batch, Durability, Error, Event, Found, Journal, Record, Reuse, Store};
use flow_engine::report::Report;
use flow_engine::run::ports::Ports;
use flow_engine::run::{Around, Cancel, Given, Options, RunState, Undriven, prepare, resume, run};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

fn store(folder: &TempDir) -> Store {
    Store::open(folder.path(), Durability::Normal).expect("a folder of our own can be written")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}

/// Runs a flow in the store; the id of the run and its report.
fn stored(store: &Store, reuse: Reuse, flow: &CheckedFlow, ports: &Ports, options: &Options) -> (String, Report) {
    let mut journal = store.begin(reuse, None).expect("a run begins");
    let given = prepare(flow, &Given::default()).expect("the flow needs nothing");
    let (cancel, observe) = (Cancel::default(), &mut |_: &Record, _: &RunState<'_>| {});
    let around = Around { ports, options, cancel: &cancel, journal: &mut journal, observe };
    let report = runtime().block_on(run(flow, &given, around)).expect("the journal is kept");
    (journal.id().to_owned(), report)
}

const SMALL: &str = "flow: small
nodes:
  a: { each: { in: [1, 2, 3], as: i }, prompt: { user: 'q {{ i }}' } }
  l: { loop: { max: 3, state: { xs: $a }, next: { xs: '$( state.xs + [p] )' } }, nodes: { p: { prompt: { user: '{{ state.xs }}' } } } }
outputs: { xs: $l.state.xs }";

fn answering() -> Ports {
    ports(scripted("[{ at: 'a*', reply: first }, { reply: second }]"))
}

#[test]
fn what_is_read_back_is_what_was_written() {
    let folder = TempDir::new().expect("a folder");
    let store = store(&folder);
    let flow = flow(SMALL);
    let in_memory = play(&flow, &answering(), &jobs(1));
    let (id, report) = stored(&store, Reuse::Nothing, &flow, &answering(), &jobs(1));
    let (records, _) = store.read(&id).expect("it is read");
    let events = |records: &[Record]| records.iter().map(|record| record.event.clone()).collect::<Vec<_>>();
    assert_eq!(events(&records), events(&in_memory.records));
    assert_eq!(Report::of(&records), report);
    let listed = store.runs().expect("they are listed");
    let one = &listed[0];
    assert_eq!(
        (listed.len(), &one.id, one.flow.as_str(), one.calls, one.outcome),
        (1, &id, "small", 6, report.outcome)
    );
    assert_eq!(store.find(&id[..4]).as_ref(), Ok(&id));
    assert!(store.find("~").is_err_and(|error| error.0.contains("there is no run `~`")));
}

#[test]
fn answers_of_earlier_runs_are_found_and_a_fork_takes_those_it_is_given_alone() {
    let folder = TempDir::new().expect("a folder");
    let store = store(&folder);
    let flow = flow(SMALL);
    let (first, report) = stored(&store, Reuse::Cache, &flow, &answering(), &jobs(2));
    assert_eq!((report.spend.calls, report.spend.cached), (6, 0));
    let silent = ports(scripted("[]"));
    let (_, again) = stored(&store, Reuse::Cache, &flow, &silent, &jobs(2));
    assert_eq!((again.spend.calls, again.spend.cached, &again.outputs), (0, 6, &report.outputs));
    let (_, fresh) = stored(&store, Reuse::Nothing, &flow, &answering(), &jobs(2));
    assert_eq!((fresh.spend.calls, fresh.spend.cached), (6, 0));
    let (records, _) = store.read(&first).expect("it is read");
    let mut shared = HashMap::new();
    let mut keys = HashMap::new();
    for record in &records {
        match &record.event {
            Event::CallSent { path, key, .. } if path.starts_with('a') => drop(keys.insert(path.clone(), *key)),
            Event::CallSettled { path, response, cost, .. } if keys.contains_key(path) => {
                shared.insert(path.clone(), (keys[path], Found::Call { response: response.clone(), cost: *cost }));
            }
            _ => {}
        }
    }
    let (_, forked) = stored(&store, Reuse::Only(shared), &flow, &answering(), &jobs(2));
    assert_eq!((forked.spend.calls, forked.spend.cached), (3, 3));
}

/// A journal that dies with its process after some writes: no more is kept, and nothing is told.
struct Dying<J> {
    journal: J,
    left: usize,
}

impl<J: Journal> Journal for Dying<J> {
    fn append<'a>(&'a mut self, batch: Batch<'a>) -> futures::future::BoxFuture<'a, Result<(), Error>> {
        if self.left == 0 {
            return Box::pin(async { Err(Error("killed".to_owned())) });
        }
        self.left -= 1;
        self.journal.append(batch)
    }
}

#[test]
fn a_run_that_is_killed_at_every_write_is_finished_by_as_many_processes() {
    let folder = TempDir::new().expect("a folder");
    let flow = flow(crate::resume::NESTED);
    let world = ports(Arc::new(Chance(3)));
    let options = Options { jobs: 3, ..jobs(3) };
    let whole = play(&flow, &world, &options);
    // Every process opens the store anew, makes one write, and dies.
    let given = prepare(&flow, &Given::default()).expect("the flow needs nothing");
    let (cancel, mut observe) = (Cancel::default(), |_: &Record, _: &RunState<'_>| {});
    let mut id = String::new();
    let mut ended = None;
    for process in 0..2000 {
        let store = store(&folder);
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let clock = clock.expect("a runtime");
        let driven = if process == 0 {
            let journal = store.begin(Reuse::Nothing, None).expect("a run begins");
            id = journal.id().to_owned();
            let journal = &mut Dying { journal, left: 1 };
            let around = Around { ports: &world, options: &options, cancel: &cancel, journal, observe: &mut observe };
            clock.block_on(run(&flow, &given, around))
        } else {
            let (records, away) = store.read(&id).expect("it is read");
            let journal = store.take_up(&id, &records, Reuse::Nothing).expect("nobody drives it");
            // One write goes on from where the last process was, one is new.
            let journal = &mut Dying { journal, left: 2 };
            let around = Around { ports: &world, options: &options, cancel: &cancel, journal, observe: &mut observe };
            clock.block_on(resume(&flow, &records, away, around))
        };
        match driven {
            Ok(report) => {
                ended = Some(report);
                break;
            }
            Err(error) => assert_eq!(error, Undriven::Journal(Error("killed".to_owned()))),
        }
    }
    let report = ended.expect("it ends");
    assert_eq!((report.outcome, &report.outputs), (whole.report.outcome, &whole.report.outputs));
}

#[test]
fn a_run_is_driven_by_one_process_at_a_time() {
    let folder = TempDir::new().expect("a folder");
    let (one, other) = (store(&folder), store(&folder));
    let (id, _) = stored(&one, Reuse::Nothing, &flow(SMALL), &answering(), &jobs(1));
    let (records, _) = one.read(&id).expect("it is read");
    let held = one.take_up(&id, &records, Reuse::Nothing).expect("nobody drives it");
    let refused = other.take_up(&id, &records, Reuse::Nothing).map(|_| ());
    assert!(refused.is_err_and(|error| error.0 == format!("another process drives `{id}`")));
    assert!(other.runs().expect("they are listed")[0].alive);
    drop(held);
    assert!(!other.runs().expect("they are listed")[0].alive);
    other.take_up(&id, &records, Reuse::Nothing).expect("it is free again");
}

/// The file of a store, closed, with what was in its log.
fn closed(folder: &TempDir) -> (String, Ran, std::path::PathBuf) {
    let flow = flow(SMALL);
    let (id, _) = stored(&store(folder), Reuse::Nothing, &flow, &answering(), &jobs(1));
    (id, play(&flow, &answering(), &jobs(1)), folder.path().join("flow.db"))
}

#[test]
fn a_torn_end_of_the_log_loses_the_last_writes_and_the_run_goes_on() {
    let folder = TempDir::new().expect("a folder");
    let flow = flow(SMALL);
    let opened = store(&folder);
    let (id, _) = stored(&opened, Reuse::Nothing, &flow, &answering(), &jobs(1));
    // As a power cut leaves it: the log is there, its last page is not whole.
    let copy = TempDir::new().expect("a folder");
    fs::create_dir(copy.path().join("leases")).expect("a folder");
    for file in ["flow.db", "flow.db-wal"] {
        fs::copy(folder.path().join(file), copy.path().join(file)).expect("the file is there");
    }
    let log = fs::File::options().write(true).open(copy.path().join("flow.db-wal")).expect("the log is there");
    log.set_len(log.metadata().expect("it has a length").len() - 1000).expect("it is cut");
    let torn = store(&copy);
    let (records, _) = torn.read(&id).expect("what is left is whole");
    let whole = play(&flow, &answering(), &jobs(1));
    assert!(records.len() < whole.records.len(), "something is lost");
    let ran = go_on(&flow, &records, Duration::ZERO, &answering(), &jobs(1)).expect("it goes on");
    assert_eq!(ran.report.outputs, whole.report.outputs);
}

#[test]
fn a_file_that_is_cut_off_or_no_database_is_an_error_that_says_so() {
    let folder = TempDir::new().expect("a folder");
    let (id, _, file) = closed(&folder);
    let bytes = fs::read(&file).expect("the file is there");
    for left in [bytes.len() / 2, 5000, 100, 1] {
        fs::write(&file, &bytes[..left]).expect("it is cut");
        let told = Store::open(folder.path(), Durability::Normal).and_then(|store| store.read(&id).map(|_| ()));
        assert!(told.is_err(), "cut to {left} bytes");
    }
    fs::write(&file, "a letter to somebody, long enough to be none of ours, and then some more of it, and more")
        .expect("written");
    let told = Store::open(folder.path(), Durability::Normal).map(|_| ());
    assert!(told.is_err_and(|error| error.0.contains("its file is broken")));
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let folder = TempDir::new().expect("a folder");
    let (_, _, file) = closed(&folder);
    // The version stands at byte 60 of the file, by SQLite's file format.
    let mut bytes = fs::read(&file).expect("the file is there");
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    fs::write(&file, bytes).expect("written");
    let told = Store::open(folder.path(), Durability::Normal).map(|_| ());
    assert!(told.is_err_and(|error| error.0.contains("newer flowctl")));
}

#[test]
fn a_store_of_the_first_version_is_read() {
    let folder = TempDir::new().expect("a folder");
    fs::create_dir(folder.path().join("leases")).expect("a folder");
    let first = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store/v1.db");
    if std::env::var_os("UPDATE").is_some() && !first.exists() {
        let folder = TempDir::new().expect("a folder");
        let (_, _, file) = closed(&folder);
        fs::create_dir_all(first.parent().expect("it has one")).expect("a folder");
        fs::copy(file, &first).expect("copied");
    }
    fs::copy(first, folder.path().join("flow.db")).expect("the fixture is there");
    let store = store(&folder);
    let listed = store.runs().expect("they are listed");
    assert_eq!((listed.len(), listed[0].flow.as_str()), (1, "small"));
    let (records, _) = store.read(&listed[0].id).expect("it is read");
    let Event::RunStarted(start) = &records[0].event else { panic!("a run starts") };
    // The flow it began with still checks, and its journal still folds.
    let flow = flow_engine::check::check_again(&start.bundle).flow.expect("it checks");
    let ran = go_on(&flow, &records[..records.len() / 2], Duration::ZERO, &answering(), &jobs(1)).expect("it goes on");
    assert_eq!(ran.report.outputs, Report::of(&records).outputs);
}

#[test]
fn runs_that_nobody_touched_are_swept_with_all_that_was_theirs_alone() {
    let folder = TempDir::new().expect("a folder");
    let store = store(&folder);
    let flow = flow(SMALL);
    let (old, _) = stored(&store, Reuse::Cache, &flow, &answering(), &jobs(1));
    std::thread::sleep(Duration::from_millis(5));
    let (young, report) = stored(&store, Reuse::Cache, &flow, &ports(scripted("[]")), &jobs(1));
    let youngest = store.runs().expect("they are listed").remove(0);
    assert_eq!(youngest.id, young);
    let swept = store.sweep(youngest.began_ms).expect("nothing runs");
    assert_eq!((swept.runs, swept.answers), (1, 6));
    assert!(store.read(&old).is_err());
    let (records, _) = store.read(&young).expect("what it needs is still there");
    assert_eq!(Report::of(&records).outputs, report.outputs);
    let held = store.take_up(&young, &records, Reuse::Nothing).expect("nobody drives it");
    assert!(store.sweep(u64::MAX >> 1).is_err_and(|error| error.0.contains("is running")));
    drop(held);
    assert_eq!(store.sweep(u64::MAX >> 1).map(|swept| swept.runs), Ok(1));
}

#[test]
fn a_thousand_calls_at_once_share_their_commits() {
    let folder = TempDir::new().expect("a folder");
    let store = Store::open(folder.path(), Durability::Strict).expect("a folder of our own can be written");
    let fan = flow(
        "flow: fan\nnodes: { a: { each: { in: '$( range(1000) )', as: i }, prompt: { user: '{{ i }}' } } }\noutputs: { n: '$( a | length )' }",
    );
    let (_, report) = stored(&store, Reuse::Nothing, &fan, &ports(scripted("[{ reply: x }]")), &jobs(1000));
    assert_eq!(report.spend.calls, 1000);
    assert!(store.commits() <= 40, "{} commits", store.commits());
}

#[test]
fn a_chat_of_a_hundred_calls_stays_small() {
    let folder = TempDir::new().expect("a folder");
    let store = store(&folder);
    // Each call sends all that was said before: 100 calls of 600 to 120,000 bytes, 6 MB in all.
    let text = format!(
        "flow: chat\nnodes:\n  l:\n    loop: {{ max: 100, state: {{ n: 0 }} }}\n    nodes: {{ say: {{ prompt: {{ user: 'turn {{{{ pass.n }}}}: {}', thread: t }} }} }}\n",
        "a question of some length, ".repeat(22)
    );
    let answer = format!("[{{ reply: '{}' }}]", "an answer of the same kind. ".repeat(21));
    let (_, report) = stored(&store, Reuse::Nothing, &flow(&text), &ports(scripted(&answer)), &jobs(1));
    assert_eq!(report.spend.calls, 100);
    drop(store);
    let bytes: u64 = ["flow.db", "flow.db-wal"]
        .iter()
        .filter_map(|file| fs::metadata(folder.path().join(file)).ok())
        .map(|about| about.len())
        .sum();
    assert!(bytes < 2_000_000, "{bytes} bytes");
}
