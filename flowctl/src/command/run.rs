//! `flowctl run`.

use crate::cli::{Format, RunArgs};
use crate::failure::{Failure, Kind};
use crate::input::{self, Given as Written};
use crate::render::{self, Progress};
use crate::wire::{self, Answers};
use flow_engine::check::CheckedFlow;
use flow_engine::journal::Memory;
use flow_engine::plan::bound::{Bound, Known, bound};
use flow_engine::report::Report;
use flow_engine::run::{self, Cancel, ErrorName, Given, Options, Outcome, Prepared, RunError};
use flow_engine::spec::types::Field;
use flow_engine::value::Value;
use serde_json::{Map, json};
use std::process::ExitCode;

/// Calls and programs at work at once, unless told otherwise: enough for the fan-outs of the shipped flows, few enough for
/// a provider's first tier.
const JOBS: usize = 16;

/// Runs a flow.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let config = wire::config()?;
    let flow = super::check::open(&args.flow)?;
    if let Some(output) = &args.output
        && flow.flows[flow.root].outputs.iter().all(|(name, _)| name != output)
    {
        let known: Vec<&str> = flow.flows[flow.root].outputs.iter().map(|(n, _)| n.as_str()).collect();
        return Err(Failure::usage(format!("the flow has no output `{output}`"))
            .hint(format!("its outputs: {}", known.join(", "))));
    }
    let replay = args.replay.as_deref().map(wire::cassette).transpose()?;
    let mut models = wire::models(&config, &flow, &args.models)?;
    if let (Some(cassette), true) = (&replay, args.models.is_empty()) {
        models.every = cassette.only_model().map(str::to_owned);
    }
    let options =
        Options { jobs: args.jobs.or(config.defaults.jobs).unwrap_or(JOBS), models, prices: wire::prices(&config) };
    let prepared = given(&flow, &args.given, args.seed)?.and_then(|given| run::prepare(&flow, &given));
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Ok(end(args, &flow, &Report::refused(&flow.flows[flow.root].name, error), None)),
    };
    let bounds = bound_of(&flow, &prepared);
    let (ports, answers) = wire::ports(&config, &flow, args.record.is_some(), replay, args.offline);
    let cancel = Cancel::default();
    let mut progress = Progress::new(bounds.most.as_ref().and_then(|most| most.number()));
    let mut journal = Memory::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::environment(format!("can't start: {e}")))?;
    let report = runtime.block_on(async {
        tokio::spawn(stop_on_signal(cancel.clone()));
        run::run(&flow, &prepared, &ports, &options, &cancel, &mut journal, &mut |record, _| progress.show(record))
            .await
    });
    // A guest that was told to stop does so within a tick; nothing else is waited for.
    runtime.shutdown_background();
    progress.end();
    let report = report.map_err(|e| Failure::environment(e.to_string()))?;
    match (&answers, &args.record) {
        (Answers::Recorded(recorder), Some(path)) => wire::write_whole(path, &recorder.cassette().to_text())?,
        (Answers::Replayed(replay), _) => {
            if let Some(how) = replay.divergence() {
                render::note(format_args!("the run differs from its recording: {how}"));
            }
        }
        (Answers::Providers | Answers::Recorded(_), _) => {}
    }
    Ok(end(args, &flow, &report, Some(&bounds)))
}

/// The bound of calls, for these inputs and params.
pub(crate) fn bound_of(flow: &CheckedFlow, prepared: &Prepared) -> Bound {
    let none = Map::new();
    let params = prepared.params.as_object().unwrap_or(&none);
    bound(flow, Known { inputs: prepared.inputs.as_object(), params })
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

/// Ctrl-C once ends the run in order; twice, at once; a third time, without asking.
async fn stop_on_signal(cancel: Cancel) {
    for said in ["stopping: attempts at work may end; again to drop them", "stopping now"] {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
        render::note(said);
        cancel.ask();
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(i32::from(Kind::Cancelled.code()));
    }
}

fn end(args: &RunArgs, flow: &CheckedFlow, report: &Report, bounds: Option<&Bound>) -> ExitCode {
    let kind = match report.outcome {
        Some(Outcome::Accepted) => None,
        Some(Outcome::NotAccepted) => Some(Kind::Ended),
        Some(Outcome::Budget) => Some(Kind::Budget),
        Some(Outcome::Cancelled) => Some(Kind::Cancelled),
        Some(Outcome::Failed) | None => Some(report.error.as_ref().map_or(Kind::Ended, |e| Kind::of(e.name))),
    };
    let exit = kind.map_or(0, Kind::code);
    match (&args.output, args.format) {
        (Some(name), _) => {
            let value = report.outputs.as_ref().and_then(|o| o.get(name)).unwrap_or(&Value::Null);
            match value {
                Value::String(text) if text.ends_with('\n') => render::out_raw(text),
                Value::String(text) => render::out_raw(&format!("{text}\n")),
                Value::Null => {}
                other => render::out_raw(&format!("{other:#}\n")),
            }
            render::note(render::summary(report));
        }
        (None, Format::Json) => render::out(json_of(flow, report, bounds, exit)),
        (None, Format::Human) => {
            render::note(render::summary(report));
            if let Some(outputs) = &report.outputs {
                render::out_raw(&serde_yaml::to_string(&**outputs).expect("internal error: outputs are plain data"));
            }
        }
    }
    ExitCode::from(exit)
}

fn json_of(flow: &CheckedFlow, report: &Report, bounds: Option<&Bound>, exit: u8) -> Value {
    let calls = bounds.map(|b| json!({ "min": b.fewest.number(), "max": b.most.as_ref().and_then(|m| m.number()) }));
    json!({
        "run": null,
        "flow": flow.flows[flow.root].name,
        "outcome": report.outcome,
        "exit": exit,
        "error": report.error,
        "outputs": report.outputs,
        "spend": report.spend,
        "bounds": { "calls": calls },
        "nodes": report.nodes,
    })
}
