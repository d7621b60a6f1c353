//! A run in a world whose answers are known, on a clock that does not wait.

use flow_engine::check::flow::CheckedFlow;
use flow_engine::journal::{Batch, Error, Event, Found, Journal, Key, Memory, Record};
use flow_engine::report::Report;
use flow_engine::run::ports::Ports;
use flow_engine::run::{Around, Cancel, Given, Models, Options, Prepared, RunState, Undriven, prepare, resume, run};
use futures::future::BoxFuture;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

/// What came of a run, and all that was recorded.
pub(crate) struct Ran {
    pub(crate) report: Report,
    pub(crate) records: Vec<Record>,
    /// How many records each write had.
    pub(crate) writes: Vec<usize>,
}

/// A journal in memory that knows its writes.
#[derive(Default)]
pub(crate) struct Kept {
    memory: Memory,
    writes: Vec<usize>,
    /// Answers of before.
    pub(crate) known: BTreeMap<Key, Found>,
    /// Answers for runs to come.
    pub(crate) kept: BTreeMap<Key, Found>,
}

impl Journal for Kept {
    fn append<'a>(&'a mut self, batch: Batch<'a>) -> BoxFuture<'a, Result<(), Error>> {
        self.writes.push(batch.records.len());
        self.kept.extend(batch.kept.iter().cloned());
        self.memory.append(batch)
    }

    fn find(&mut self, _path: &str, key: Key) -> Result<Option<Found>, Error> {
        Ok(self.known.get(&key).cloned())
    }
}

impl Kept {
    /// What came of the run that was kept.
    pub(crate) fn ran(self, report: Result<Report, Undriven>) -> Ran {
        let records = self.memory.records().to_vec();
        Ran { report: report.expect("memory does not fail"), records, writes: self.writes }
    }
}

impl Ran {
    /// How it ended.
    pub(crate) fn outcome(&self) -> &str {
        self.report.outcome.map_or("none", |outcome| outcome.as_str())
    }

    /// What a node came to.
    pub(crate) fn value(&self, path: &str) -> Option<&Value> {
        self.records.iter().find_map(|record| match &record.event {
            Event::NodeDone { path: at, value, .. } if at == path => Some(&**value),
            _ => None,
        })
    }
}

/// So many jobs, and a model where a flow names none.
pub(crate) fn jobs(jobs: usize) -> Options {
    let models = Models { fallback: Some("test/scripted".to_owned()), ..Models::default() };
    Options { jobs, models, ..Options::default() }
}

/// Waits for a future on a clock that jumps over every wait.
pub(crate) fn paused<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// The fields of a record; none of anything else.
pub(crate) fn record(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Runs a flow to its end.
pub(crate) fn play_given(
    flow: &CheckedFlow,
    given: &Given,
    ports: &Ports,
    options: &Options,
    observe: &mut (dyn FnMut(&Record, &RunState<'_>) + Send),
) -> Ran {
    let given = match prepare(flow, given) {
        Ok(given) => given,
        Err(error) => return Kept::default().ran(Ok(Report::refused("", error))),
    };
    let mut journal = Kept::default();
    let report = paused(drive(flow, &given, ports, options, &Cancel::default(), &mut journal, observe));
    journal.ran(report)
}

/// Runs a flow in this journal.
pub(crate) async fn drive(
    flow: &CheckedFlow,
    given: &Prepared,
    ports: &Ports,
    options: &Options,
    cancel: &Cancel,
    journal: &mut Kept,
    observe: &mut (dyn FnMut(&Record, &RunState<'_>) + Send),
) -> Result<Report, Undriven> {
    run(flow, given, Around { ports, options, cancel, journal, observe }).await
}

/// Goes on with a run that was cut off after these records.
pub(crate) fn go_on(
    flow: &CheckedFlow,
    records: &[Record],
    away: Duration,
    ports: &Ports,
    options: &Options,
) -> Result<Ran, Undriven> {
    let (mut journal, cancel) = (Kept::default(), Cancel::default());
    let observe = &mut |_: &Record, _: &RunState<'_>| {};
    let around = Around { ports, options, cancel: &cancel, journal: &mut journal, observe };
    let report = paused(resume(flow, records, away, around))?;
    Ok(journal.ran(Ok(report)))
}
