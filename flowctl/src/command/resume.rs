//! `flowctl resume`, `answer` and `cancel`: what is said to a run that is not here any more.

use super::drive::{Drive, From, Shown, bound_of, end};
use crate::cli::{AnswerArgs, CancelArgs, Format, InDoubt, ResumeArgs};
use crate::failure::Failure;
use crate::render;
use crate::wire::{self, Wanted};
use flow_engine::check::{CheckedFlow, check_again};
use flow_engine::journal::{Event, Record, Reuse, RunStarted, Store};
use flow_engine::report::Report;
use flow_engine::run::ports::Question;
use flow_engine::run::{Cancel, Command, Prices, RunState};
use flow_engine::value::Value;
use std::process::ExitCode;

/// A run as the store has it, with the flow it began with.
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) flow: CheckedFlow,
    pub(crate) records: Vec<Record>,
}

impl Kept {
    /// Reads a run; `prefix` is the beginning of its id.
    pub(crate) fn open(store: &Store, prefix: &str) -> Result<Self, Failure> {
        let id = store
            .find(prefix)
            .map_err(|error| Failure::usage(error.0).hint("`flowctl runs` lists the runs of this folder"))?;
        let (records, _) = store.read(&id).map_err(|error| wire::told(&error))?;
        let Some(Event::RunStarted(start)) = records.first().map(|record| &record.event) else {
            return Err(Failure::environment(format!("the journal of `{id}` does not begin with its beginning")));
        };
        let flow = check_again(&start.bundle).flow.ok_or_else(|| {
            Failure::environment(format!("this flowctl does not read the flow of `{id}`, which {} began", start.engine))
        })?;
        Ok(Self { id, flow, records })
    }

    /// How it began.
    pub(crate) fn start(&self) -> &RunStarted {
        match &self.records[0].event {
            Event::RunStarted(start) => start,
            _ => unreachable!("internal error: `open` looked at it"),
        }
    }

    /// What it came to so far.
    pub(crate) fn report(&self) -> Report {
        Report::of(&self.records)
    }

    /// The state after its last record, for a look at it.
    fn look<T>(&self, look: impl FnOnce(&RunState<'_>) -> T) -> Result<T, Failure> {
        let prices = Prices::default();
        let mut state = RunState::new(&self.flow, &prices);
        for record in &self.records {
            state.apply(&record.event).map_err(|error| Failure::environment(format!("`{}`: {error}", self.id)))?;
        }
        Ok(look(&state))
    }

    fn question(&self, path: &str) -> Result<Option<Question>, Failure> {
        self.look(|state| match state.command(path) {
            Some(Command::Ask(question)) => Some((*question).clone()),
            _ => None,
        })
    }
}

/// Goes on with a run.
pub(crate) fn resume(args: &ResumeArgs) -> Result<ExitCode, Failure> {
    let store = wire::store(args.ending.durability.into())?;
    let kept = Kept::open(&store, &args.run)?;
    if args.in_doubt == InDoubt::Fail {
        let doubtful = kept.look(|state| state.in_doubt())?;
        if !doubtful.is_empty() {
            let paths: Vec<String> = doubtful.into_iter().map(|(path, _)| format!("`{path}`")).collect();
            return Err(Failure::environment(format!(
                "nobody knows whether {} {} answered: the process ended while it was asked",
                paths.join(", "),
                if paths.len() == 1 { "was" } else { "were" },
            ))
            .hint(format!("`flowctl resume {}` sends it again, and counts both", kept.id)));
        }
    }
    let shown = Shown::of(&args.ending);
    go_on(&store, &kept, shown, (args.jobs, args.ending.offline), Cancel::default())
}

fn go_on(
    store: &Store,
    kept: &Kept,
    shown: Shown<'_>,
    (jobs, offline): (Option<usize>, bool),
    cancel: Cancel,
) -> Result<ExitCode, Failure> {
    let (start, flow) = (kept.start(), &kept.flow);
    let bounds = bound_of(flow, &start.inputs, &start.params);
    if kept.report().outcome.is_some() {
        return Ok(end(shown, Some(&kept.id), flow, &kept.report(), Some(&bounds)));
    }
    let config = wire::config()?;
    let run = store.take_up(&kept.id, &kept.records, Reuse::of(start.cache)).map_err(|error| wire::told(&error))?;
    // Another process may have driven it between the reading and the lease.
    let (records, away) = store.read(&kept.id).map_err(|error| wire::told(&error))?;
    let drive = Drive {
        config: &config,
        flow,
        models: start.models.clone(),
        jobs: jobs.or(Some(start.jobs)),
        offline,
        bounds: bounds.clone(),
        cancel,
        cache: start.cache,
    };
    let (report, _) = drive.stored(store, run, Wanted::Given, From::After(&records, away))?;
    Ok(end(shown, Some(&kept.id), flow, &report, Some(&bounds)))
}

/// Answers a question of a run, and goes on with it.
pub(crate) fn answer(args: &AnswerArgs) -> Result<ExitCode, Failure> {
    let store = wire::store(args.ending.durability.into())?;
    let kept = Kept::open(&store, &args.run)?;
    let Some(question) = kept.question(&args.path)? else {
        let waiting = kept.report().waiting;
        let failure = Failure::usage(format!("`{}` of `{}` asks nothing", args.path, kept.id));
        return Err(match waiting.first() {
            Some(one) => failure.hint(format!("`{}` does: {}", one.path, one.question)),
            None => failure.hint("the run waits for nobody"),
        });
    };
    let value = match &args.value {
        Some(text) => wire::read_answer(&question, text),
        // Whoever sits at the terminal is asked there.
        None if wire::attached() => {
            return go_on(&store, &kept, Shown::of(&args.ending), (None, args.ending.offline), Cancel::default());
        }
        None => Err("it is missing".to_owned()),
    };
    let value = value.map_err(|why| {
        Failure::usage(format!("the answer does not fit: {why}"))
            .hint(render::question(&question))
            .hint(format!("give it with `--value`, as {}", question.returns))
    })?;
    store.say(&kept.id, &args.path, &value).map_err(|error| wire::told(&error))?;
    driven_or(&store, &kept, || {
        let shown = Shown::of(&args.ending);
        go_on(&store, &kept, shown, (None, args.ending.offline), Cancel::default())
    })
}

/// Ends a run.
pub(crate) fn cancel(args: &CancelArgs) -> Result<ExitCode, Failure> {
    let store = wire::store(Default::default())?;
    let kept = Kept::open(&store, &args.run)?;
    if let Some(outcome) = kept.report().outcome {
        return Err(Failure::usage(format!("`{}` has ended: {}", kept.id, outcome.as_str())));
    }
    store.say(&kept.id, "", &Value::Bool(true)).map_err(|error| wire::told(&error))?;
    driven_or(&store, &kept, || {
        let cancel = Cancel::default();
        // What was at work when its process ended is at work no more: there is nothing to wait for.
        cancel.ask();
        cancel.ask();
        go_on(&store, &kept, Shown { output: None, format: Format::Human }, (None, true), cancel)
            .map(|_| ExitCode::SUCCESS)
    })
}

/// Does what is to be done about a run that no process drives; one that does hears it by itself. A process that is about
/// to leave is waited for.
fn driven_or(
    store: &Store,
    kept: &Kept,
    otherwise: impl FnOnce() -> Result<ExitCode, Failure>,
) -> Result<ExitCode, Failure> {
    const LEAVING: u32 = 5;
    for _ in 0..LEAVING {
        match store.take_up(&kept.id, &[], Reuse::Nothing) {
            Ok(lease) => {
                drop(lease);
                return otherwise();
            }
            Err(_) => std::thread::sleep(wire::LISTEN),
        }
    }
    render::note(format_args!("`{}` is driven by another process, which hears it", kept.id));
    Ok(ExitCode::SUCCESS)
}
