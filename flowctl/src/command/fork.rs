//! `flowctl fork`.

use super::drive::{Drive, From, Shown, bound_of, end, has_output};
use super::resume::Kept;
use super::show::unknown_place;
use crate::cli::{ForkArgs, Given as Written};
use crate::failure::Failure;
use crate::render;
use crate::wire::{self, Wanted};
use flow_engine::check::CheckedFlow;
use flow_engine::check::flow::Cache;
use flow_engine::journal::{Event, Found, Key, Record, Reuse};
use flow_engine::report::{Report, is_within};
use flow_engine::run::{self, Cancel, Given, Prepared, Recorded, RunError};
use flow_engine::value::Value;
use std::collections::HashMap;
use std::process::ExitCode;

/// Begins a run that is given the answers of another one up to a place, as long as they are asked for by the same.
pub(crate) fn fork(args: &ForkArgs) -> Result<ExitCode, Failure> {
    let config = wire::config()?;
    let store = wire::store(args.ending.durability.into())?;
    let parent = Kept::open(&store, &args.run)?;
    let (answers, people) = before(&parent, &args.at)?;
    let known = answers.len();
    let edited = args.flow.as_deref().map(super::check::open).transpose()?;
    let flow = edited.as_ref().unwrap_or(&parent.flow);
    has_output(flow, &args.ending)?;
    let shown = Shown::of(&args.ending);
    let prepared = match given(&parent, flow, &args.sets)? {
        Ok(prepared) => prepared,
        Err(error) => {
            return Ok(end(shown, None, flow, &Report::refused(&flow.flows[flow.root].name, error), None));
        }
    };
    let models = match args.models.as_slice() {
        [] => parent.start().models.clone(),
        given => wire::models(&config, flow, given)?,
    };
    let bounds = bound_of(flow, &prepared.inputs, &prepared.params);
    let stored = store.begin(Reuse::Only(answers), Some(parent.id.clone())).map_err(|error| wire::told(&error))?;
    let id = stored.id().to_owned();
    let drive = Drive {
        config: &config,
        flow,
        models,
        jobs: args.jobs.or(Some(parent.start().jobs)),
        offline: args.ending.offline,
        bounds: bounds.clone(),
        cancel: Cancel::default(),
        cache: Cache::Refresh,
    };
    let (report, _) = drive.stored(&store, stored, Wanted::Shared(people), From::Start(&prepared))?;
    if report.calls.is_empty() && report.nodes.is_empty() {
        // It was refused before it began.
        return Ok(end(shown, None, flow, &report, Some(&bounds)));
    }
    let (records, _) = store.read(&id).map_err(|error| wire::told(&error))?;
    let anew = first_asked(&records).map_or_else(
        || "nothing was asked anew".to_owned(),
        |path| format!("`{path}` was the first that was asked anew"),
    );
    render::note(format_args!("{} of {known} answers of `{}` shared; {anew}", report.spend.cached, parent.id));
    Ok(end(shown, Some(&id), flow, &report, Some(&bounds)))
}

/// Answers by path, each with what it is found by.
type Shared = HashMap<String, (Key, Found)>;

/// What was answered in a run before a place, by models and programs, and by people.
fn before(parent: &Kept, at: &str) -> Result<(Shared, Recorded), Failure> {
    let report = parent.report();
    if !report.nodes.iter().map(|node| &node.path).chain(&report.calls).any(|path| is_within(path, at)) {
        return Err(unknown_place(&parent.id, &report, at));
    }
    let records = run::records_before(&parent.records, at);
    let broken = |error: run::Diverged| Failure::environment(format!("`{}`: {error}", parent.id));
    let answers = run::good_answers(&parent.flow, records).map_err(broken)?;
    let people = Recorded::of(&parent.flow, records).map_err(broken)?;
    if answers.is_empty() {
        return Err(Failure::usage(format!(
            "`{}` was given no answer before `{at}`: there is nothing to share",
            parent.id
        ))
        .hint("`flowctl run` begins a run of its own"));
    }
    Ok((answers, people))
}

/// The inputs and params of the run, with those set over them. A param that was left at its default is left at the
/// default that the flow has now.
fn given(parent: &Kept, flow: &CheckedFlow, sets: &[String]) -> Result<Result<Prepared, RunError>, Failure> {
    let start = parent.start();
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let defaults =
        run::prepare_params(&parent.flow, &Given::default()).map(|params| fields(&params)).unwrap_or_default();
    let mut params = fields(&start.params);
    params.retain(|name, value| defaults.get(name) != Some(value));
    let written = Written { inputs: Vec::new(), sets: sets.to_vec(), preset: None };
    let set = match super::run::given(flow, &written, start.seed)? {
        Ok(set) => set,
        Err(error) => return Ok(Err(error)),
    };
    params.extend(set.params);
    let given = Given { inputs: fields(&start.inputs), params, preset: None, seed: start.seed };
    Ok(run::prepare(flow, &given))
}

fn first_asked(records: &[Record]) -> Option<&str> {
    records.iter().find_map(|record| match &record.event {
        Event::CallSent { path, .. } | Event::WorkStarted { path, .. } => Some(path.as_str()),
        _ => None,
    })
}
