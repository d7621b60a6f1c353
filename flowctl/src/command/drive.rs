//! What all commands share that drive a run: its ports, its progress, signals, and how its end is told.

use super::asked_to_end;
use crate::cli::{Ending, Format, Sync};
use crate::failure::{Failure, Kind};
use crate::render::{self, Progress};
use crate::wire::{self, Answers, Desk, Wanted};
use flow_engine::check::CheckedFlow;
use flow_engine::check::flow::Cache;
use flow_engine::journal::{Durability, Journal, Record, Store, StoredRun};
use flow_engine::plan::bound::{Bound, Known, bound};
use flow_engine::report::Report;
use flow_engine::run::ports::Ports;
use flow_engine::run::{self, Around, Cancel, Models, Options, Outcome, Prepared, Recorded, RunState};
use flow_engine::spec::config::Config;
use flow_engine::value::Value;
use serde_json::{Map, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Calls and programs at work at once, unless told otherwise: enough for the fan-outs of the shipped flows, few enough for
/// a provider's first tier.
const JOBS: usize = 16;

/// Where a run begins.
pub(crate) enum From<'a> {
    /// At its beginning.
    Start(&'a Prepared),
    /// After these records, and so long after the last of them.
    After(&'a [Record], Duration),
}

/// A run that is to be driven.
pub(crate) struct Drive<'a> {
    pub(crate) config: &'a Config,
    pub(crate) flow: &'a CheckedFlow,
    pub(crate) models: Models,
    pub(crate) jobs: Option<usize>,
    pub(crate) offline: bool,
    pub(crate) bounds: Bound,
    /// Asks it to end.
    pub(crate) cancel: Cancel,
    /// Which part it takes in the cache.
    pub(crate) cache: Cache,
}

/// How the end of a run is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// Just this output.
    pub(crate) output: Option<&'a str>,
    pub(crate) format: Format,
}

impl<'a> Shown<'a> {
    /// As the command line says.
    pub(crate) fn of(ending: &'a Ending) -> Self {
        Self { output: ending.output.as_deref(), format: ending.format }
    }
}

impl std::convert::From<Sync> for Durability {
    fn from(sync: Sync) -> Self {
        match sync {
            Sync::Normal => Self::Normal,
            Sync::Money => Self::Money,
            Sync::Strict => Self::Strict,
        }
    }
}

impl Drive<'_> {
    /// Drives a run of the store to its end, or until it only waits for people.
    pub(crate) fn stored(
        self,
        store: &Store,
        mut run: StoredRun,
        mut answers: Wanted,
        from: From<'_>,
    ) -> Result<(Report, Answers), Failure> {
        let answered = match &mut answers {
            Wanted::Shared(recorded) => std::mem::take(recorded),
            Wanted::Given | Wanted::Recorded | Wanted::Replayed(_) => Recorded::default(),
        };
        let people = Arc::new(Desk::new(store.clone(), run.id().to_owned(), answered));
        let (ports, answers) = wire::ports(self.config, self.flow, answers, people, self.offline);
        let (id, leave) = (run.id().to_owned(), !wire::attached());
        let listen = listen(store.clone(), id.clone());
        let report = self.with(&ports, &mut run, leave, from, listen);
        Ok((report.map_err(|failure| failure.hint(format!("`flowctl resume {id}` goes on with it")))?, answers))
    }

    /// Drives a run with these ports. `listen` ends it when another process says so.
    pub(crate) fn with(
        self,
        ports: &Ports,
        journal: &mut dyn Journal,
        leave: bool,
        from: From<'_>,
        listen: impl AsyncFnOnce(Cancel) + Send + 'static,
    ) -> Result<Report, Failure> {
        let Self { config, flow, models, jobs, bounds, cancel, cache, .. } = self;
        let options = Options {
            jobs: jobs.or(config.defaults.jobs).unwrap_or(JOBS),
            models,
            prices: wire::prices(config),
            sandbox: flow_sandbox::identity(),
            cache,
            leave,
        };
        let mut progress = Progress::new(bounds.most.as_ref().and_then(|most| most.number()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|e| Failure::environment(format!("can't start: {e}")))?;
        let report = runtime.block_on(async {
            tokio::spawn(stop_on_signal(cancel.clone()));
            let observe = &mut |record: &Record, _: &RunState<'_>| progress.show(record);
            let around = Around { ports, options: &options, cancel: &cancel, journal, observe };
            let driven = async {
                match from {
                    From::Start(given) => run::run(flow, given, around).await,
                    From::After(records, away) => run::resume(flow, records, away, around).await,
                }
            };
            tokio::select! {
                report = driven => report,
                () = async { listen(cancel.clone()).await; std::future::pending().await } => unreachable!(),
            }
        });
        // A guest that was told to stop does so within a tick; nothing else is waited for.
        runtime.shutdown_background();
        progress.end();
        report.map_err(|e| Failure::environment(e.to_string()))
    }
}

/// Finds a wrong `-o` before anything is asked.
pub(crate) fn has_output(flow: &CheckedFlow, ending: &Ending) -> Result<(), Failure> {
    let outputs = &flow.flows[flow.root].outputs;
    match &ending.output {
        Some(output) if outputs.iter().all(|(name, _)| name != output) => {
            let known: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
            Err(Failure::usage(format!("the flow has no output `{output}`"))
                .hint(format!("its outputs: {}", known.join(", "))))
        }
        _ => Ok(()),
    }
}

/// Ends a run when another process asks for it.
fn listen(store: Store, id: String) -> impl AsyncFnOnce(Cancel) + Send + 'static {
    async move |cancel: Cancel| loop {
        tokio::time::sleep(wire::LISTEN).await;
        if matches!(store.heard(&id, ""), Ok(Some(_))) {
            cancel.ask();
            return;
        }
    }
}

/// The bound of calls, for these inputs and params.
pub(crate) fn bound_of(flow: &CheckedFlow, inputs: &Value, params: &Value) -> Bound {
    let none = Map::new();
    bound(flow, Known { inputs: inputs.as_object(), params: params.as_object().unwrap_or(&none) })
}

/// Ctrl-C, or the end that a system asks for, ends the run in order; twice, at once; a third time, without asking.
async fn stop_on_signal(cancel: Cancel) {
    for said in ["stopping: attempts at work may end; again to drop them", "stopping now"] {
        if asked_to_end().await.is_err() {
            return;
        }
        render::note(said);
        cancel.ask();
    }
    if asked_to_end().await.is_ok() {
        std::process::exit(i32::from(Kind::Cancelled.code()));
    }
}

/// Tells how a run ended, or what it waits for, and says so by the exit code. `id` is none of a run that is not kept.
pub(crate) fn end(
    shown: Shown<'_>,
    id: Option<&str>,
    flow: &CheckedFlow,
    report: &Report,
    bounds: Option<&Bound>,
) -> ExitCode {
    let kind = match report.outcome {
        Some(Outcome::Accepted) => None,
        Some(Outcome::NotAccepted) => Some(Kind::Ended),
        Some(Outcome::Budget) => Some(Kind::Budget),
        Some(Outcome::Cancelled) => Some(Kind::Cancelled),
        None if !report.waiting.is_empty() => None,
        Some(Outcome::Failed) | None => Some(report.error.as_ref().map_or(Kind::Ended, |e| Kind::of(e.name))),
    };
    let exit = kind.map_or(0, Kind::code);
    let told = || {
        let run = id.map(|id| format!(" · run {id}")).unwrap_or_default();
        let summary = render::summary(report);
        let (first, rest) = summary.split_once('\n').unwrap_or((&summary, ""));
        render::note(format_args!("{first}{run}"));
        if !rest.is_empty() {
            render::note(rest);
        }
        waiting(id, report);
    };
    match (shown.output, shown.format) {
        (Some(name), _) => {
            let value = report.outputs.as_ref().and_then(|o| o.get(name)).unwrap_or(&Value::Null);
            match value {
                Value::String(text) if text.ends_with('\n') => render::out_raw(text),
                Value::String(text) => render::out_raw(&format!("{text}\n")),
                Value::Null => {}
                other => render::out_raw(&format!("{other:#}\n")),
            }
            told();
        }
        (None, Format::Json) => {
            render::out(json_of(id, flow, report, bounds, exit));
            waiting(id, report);
        }
        (None, Format::Human) => {
            told();
            if let Some(outputs) = &report.outputs {
                render::out_raw(&serde_yaml::to_string(&**outputs).expect("internal error: outputs are plain data"));
            }
        }
    }
    ExitCode::from(exit)
}

/// Says what is asked of people, and the command to answer with.
fn waiting(id: Option<&str>, report: &Report) {
    for one in &report.waiting {
        let id = id.unwrap_or("RUN");
        render::note(format_args!(
            "`{}` asks: {}\n  flowctl answer {id} '{}' --value …",
            one.path, one.question, one.path
        ));
    }
}

fn json_of(id: Option<&str>, flow: &CheckedFlow, report: &Report, bounds: Option<&Bound>, exit: u8) -> Value {
    let calls = bounds.map(|b| json!({ "min": b.fewest.number(), "max": b.most.as_ref().and_then(|m| m.number()) }));
    json!({
        "run": id,
        "flow": flow.flows[flow.root].name,
        "state": if report.waiting.is_empty() { "ended" } else { "waiting" },
        "outcome": report.outcome,
        "exit": exit,
        "error": report.error,
        "outputs": report.outputs,
        "waiting": report.waiting,
        "spend": report.spend,
        "bounds": { "calls": calls },
        "nodes": report.nodes,
    })
}
