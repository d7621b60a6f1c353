//! `flowctl run`.

use super::drive::{Drive, From, Shown, bound_of, end, has_output};
use crate::cli::RunArgs;
use crate::failure::Failure;
use crate::input::{self, Given as Written};
use crate::render;
use crate::wire::{self, Answers, Wanted};
use flow_engine::check::CheckedFlow;
use flow_engine::check::flow::Cache;
use flow_engine::journal::{Durability, Reuse};
use flow_engine::report::Report;
use flow_engine::run::{self, Cancel, ErrorName, Given, RunError};
use flow_engine::spec::types::Field;
use flow_engine::value::Value;
use serde_json::Map;
use std::process::ExitCode;

/// Runs a flow.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let config = wire::config()?;
    let flow = super::check::open(&args.flow)?;
    has_output(&flow, &args.ending)?;
    let replay = args.replay.as_deref().map(wire::cassette).transpose()?;
    let mut models = wire::models(&config, &flow, &args.models)?;
    if let (Some(cassette), true) = (&replay, args.models.is_empty()) {
        models.every = cassette.only_model().map(str::to_owned);
    }
    let shown = Shown::of(&args.ending);
    let refused = |error| Ok(end(shown, None, &flow, &Report::refused(&flow.flows[flow.root].name, error), None));
    let prepared = match given(&flow, &args.given, args.seed)?.and_then(|given| run::prepare(&flow, &given)) {
        Ok(prepared) => prepared,
        Err(error) => return refused(error),
    };
    // A recording is of all calls and answers all of them; what was answered before is no part of it.
    let cache = if replay.is_some() || args.record.is_some() || args.no_cache { Cache::Off } else { Cache::Auto };
    let (answers, durability) = match (replay, &args.record) {
        (Some(cassette), _) => (Wanted::Replayed(cassette), Durability::Normal),
        (None, Some(_)) => (Wanted::Recorded, args.ending.durability.into()),
        (None, None) => (Wanted::Given, args.ending.durability.into()),
    };
    let bounds = bound_of(&flow, &prepared.inputs, &prepared.params);
    let store = wire::store(durability)?;
    let stored = store.begin(Reuse::of(cache), None).map_err(|error| wire::told(&error))?;
    let id = stored.id().to_owned();
    let drive = Drive {
        config: &config,
        flow: &flow,
        models,
        jobs: args.jobs,
        offline: args.ending.offline,
        bounds: bounds.clone(),
        cancel: Cancel::default(),
        cache,
    };
    let (report, answers) = drive.stored(&store, stored, answers, From::Start(&prepared))?;
    match (&answers, &args.record) {
        (Answers::Recorded(recorder), Some(path)) => wire::write_whole(path, &recorder.cassette().to_text())?,
        (Answers::Replayed(replay), _) => {
            if let Some(how) = replay.divergence() {
                render::note(format_args!("the run differs from its recording: {how}"));
            }
        }
        (Answers::Providers | Answers::Recorded(_), _) => {}
    }
    // A run that was refused was not begun, and is not kept.
    let kept = store.find(&id).is_ok().then_some(id.as_str());
    Ok(end(shown, kept, &flow, &report, Some(&bounds)))
}

/// What the command line gives for inputs and params, read by their types.
pub(crate) fn given(
    flow: &CheckedFlow,
    written: &crate::cli::Given,
    seed: u64,
) -> Result<Result<Given, RunError>, Failure> {
    let def = &flow.flows[flow.root];
    let mut wrong = Vec::new();
    let mut read = |what: &str, fields: &[Field], (name, value): (String, Written), into: &mut Map<String, Value>| {
        let value = match (value, fields.iter().find(|f| f.name == name)) {
            (Written::Value(value), _) => value,
            (Written::Text(text), None) => Value::String(text),
            (Written::Text(text), Some(field)) => match field.ty.accept_text(&text) {
                Ok(value) => value,
                Err(issues) => {
                    wrong.extend(issues.iter().map(|issue| format!("{what} `{name}`: {}", issue.message)));
                    return;
                }
            },
        };
        into.insert(name, value);
    };
    let mut given = Given { preset: written.preset.clone(), seed, ..Given::default() };
    for one in &written.inputs {
        read("input", &def.inputs, input::input(one)?, &mut given.inputs);
    }
    for one in &written.sets {
        read("param", &flow.files[def.file].params, input::set(one)?, &mut given.params);
    }
    if wrong.is_empty() {
        return Ok(Ok(given));
    }
    Ok(Err(RunError { name: ErrorName::BadInput, message: wrong.join("; "), at: String::new() }))
}
