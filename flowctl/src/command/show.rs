//! `flowctl show`.

use super::resume::Kept;
use super::runs::Listed;
use crate::cli::{Format, ShowArgs};
use crate::failure::Failure;
use crate::render;
use crate::wire;
use flow_engine::diag::nearest;
use flow_engine::journal::{Event, Found, Record};
use flow_engine::report::{NodeReport, Report, is_within, node_of};
use flow_engine::run::ports::{Request, Response};
use flow_engine::run::{Cost, ErrorName, Given, RunError, prepare_params};
use flow_engine::value::Value;
use serde::Serialize;
use serde_json::{Map, json};
use std::process::ExitCode;
use std::sync::Arc;

/// One place of a run.
#[derive(Serialize)]
pub(crate) struct Part {
    /// Its path, as it was asked for.
    pub(crate) path: String,
    /// The node or item.
    pub(crate) node: Option<NodeReport>,
    /// Nodes in it.
    pub(crate) inside: Vec<NodeReport>,
    /// Its value.
    pub(crate) value: Option<Arc<Value>>,
    /// Why it failed, or what was caught.
    pub(crate) error: Option<RunError>,
    /// Its calls.
    pub(crate) calls: Vec<Call>,
    /// What a person is asked.
    pub(crate) question: Option<String>,
}

/// A call: what was sent, and what came of it.
#[derive(Serialize)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) request: Option<Arc<Request>>,
    pub(crate) response: Option<Arc<Response>>,
    /// Whether an answer of before stood in.
    pub(crate) recalled: bool,
    /// What it cost; of an answer of before, what it cost then.
    pub(crate) cost: Cost,
    /// From the first attempt to the answer.
    pub(crate) ms: u64,
    /// Attempts on the wire.
    pub(crate) attempts: u32,
    /// The attempts that failed.
    pub(crate) failed: Vec<Attempt>,
    #[serde(skip)]
    began_ms: u64,
}

/// An attempt that failed.
#[derive(Serialize)]
pub(crate) struct Attempt {
    pub(crate) name: ErrorName,
    pub(crate) message: String,
}

/// Shows a run, or a place in it.
pub(crate) fn show(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let store = wire::store(Default::default())?;
    let kept = Kept::open(&store, &args.run)?;
    let report = kept.report();
    match &args.path {
        Some(path) => {
            let part = part(&kept, &report, path)?;
            match args.format {
                Format::Json => render::out(json!(part)),
                Format::Human => render::out_raw(&render::part(&part)),
            }
        }
        None => {
            let listed = Listed::one(&store, &kept.id)?;
            let start = kept.start();
            match args.format {
                Format::Json => render::out(json!({
                    "run": listed.json(), "inputs": start.inputs, "params": start.params, "seed": start.seed,
                    "models": start.models, "report": report,
                })),
                Format::Human => {
                    render::out_raw(&render::run(&listed, &start.inputs, &set_params(&kept), &report));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The params that are not at their defaults.
fn set_params(kept: &Kept) -> Map<String, Value> {
    let defaults = prepare_params(&kept.flow, &Given::default()).unwrap_or_default();
    let mut params = kept.start().params.as_object().cloned().unwrap_or_default();
    params.retain(|name, value| defaults.get(name) != Some(value));
    params
}

fn part(kept: &Kept, report: &Report, path: &str) -> Result<Part, Failure> {
    let of_node = node_of(path);
    let node = report.nodes.iter().find(|node| node.path == of_node).cloned();
    let inside: Vec<NodeReport> =
        report.nodes.iter().filter(|node| node.path != path && is_within(&node.path, path)).cloned().collect();
    let mut calls = Vec::new();
    let (mut value, mut error) = (None, None);
    for record in &kept.records {
        take_call(record, path, &mut calls);
        match &record.event {
            Event::NodeDone { path: own, value: its, caught, .. } if own == of_node => {
                (value, error) = (Some(Arc::clone(its)), caught.clone());
            }
            Event::NodeFailed { path: own, error: why, .. }
            | Event::NodeSkipped { path: own, error: Some(why), .. }
                if own == of_node =>
            {
                error = Some(why.clone());
            }
            _ => {}
        }
    }
    let asks = report.waiting.iter().find(|one| one.path == path);
    if node.is_none() && inside.is_empty() && calls.is_empty() {
        return Err(unknown_place(&kept.id, report, path));
    }
    // A call that is asked for by its marks is shown alone.
    let whole = path == of_node;
    if !whole && calls.is_empty() {
        return Err(unknown_place(&kept.id, report, path));
    }
    Ok(Part {
        path: path.to_owned(),
        node,
        inside,
        value: value.filter(|_| whole),
        error,
        calls,
        question: asks.map(|one| one.question.clone()),
    })
}

/// Takes in what a record says of the calls of a path.
fn take_call(record: &Record, wanted: &str, calls: &mut Vec<Call>) {
    let is_meant = |path: &str| path == wanted || node_of(path) == wanted;
    let new = |path: &String, request: Option<&Arc<Request>>| Call {
        path: path.clone(),
        request: request.cloned(),
        response: None,
        recalled: false,
        cost: Cost::default(),
        ms: 0,
        attempts: 0,
        failed: Vec::new(),
        began_ms: record.at_ms,
    };
    match &record.event {
        Event::CallSent { path, attempt, request, .. } if is_meant(path) => {
            if *attempt == 1 {
                calls.push(new(path, Some(request)));
            }
            if let Some(call) = last(calls, path) {
                call.attempts = *attempt;
            }
        }
        Event::CallSettled { path, response, cost, .. } => {
            if let Some(call) = last(calls, path) {
                call.response = Some(Arc::clone(response));
                call.cost = *cost;
                call.ms = record.at_ms - call.began_ms;
            }
        }
        Event::CallFailed { path, name, message, .. } => {
            if let Some(call) = last(calls, path) {
                call.failed.push(Attempt { name: *name, message: message.clone() });
                call.ms = record.at_ms - call.began_ms;
            }
        }
        Event::CacheHit { path, request, found: Found::Call { response, cost }, .. } if is_meant(path) => {
            let response = Some(Arc::clone(response));
            calls.push(Call { response, recalled: true, cost: *cost, ..new(path, request.as_ref()) });
        }
        _ => {}
    }
}

fn last<'c>(calls: &'c mut [Call], path: &str) -> Option<&'c mut Call> {
    calls.iter_mut().rev().find(|call| call.path == path)
}

/// A place that a run does not have.
pub(crate) fn unknown_place(id: &str, report: &Report, path: &str) -> Failure {
    let known = report.nodes.iter().map(|node| node.path.as_str()).chain(report.calls.iter().map(String::as_str));
    let failure = Failure::usage(format!("`{id}` has no `{path}`"));
    match nearest(path, known) {
        Some(near) => failure.hint(format!("a similar path is there: `{near}`")),
        None => failure.hint(format!("`flowctl show {id}` lists its paths")),
    }
}
