//! Two runs side by side: what they came to, where they part, and what each cost.

use super::{LoopReport, NodeOutcome, NodeReport, Report, Spend};
use crate::journal::{Event, Record};
use crate::run::{ErrorName, Outcome, RunError};
use crate::value::{Difference, Value, difference};
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// What differs between two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// The flows' hashes, when they differ.
    pub flow: Option<Pair<String>>,
    /// The inputs that differ, each with the first place.
    pub inputs: Vec<Differing>,
    /// The params that differ.
    pub params: Vec<Differing>,
    /// The outcomes, when they differ.
    pub outcome: Option<Pair<Option<Outcome>>>,
    /// The errors, when they differ.
    pub error: Option<Pair<Option<RunError>>>,
    /// The outputs that differ, each with the first place.
    pub outputs: Vec<Differing>,
    /// Loops that made other passes, or left by another door.
    pub loops: Vec<LoopDiff>,
    /// Nodes that differ in value, outcome, calls or cost, or are in one run only.
    pub nodes: Vec<NodeDiff>,
    /// What each cost.
    pub spend: Pair<Spend>,
}

/// One of each run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair<T> {
    /// Of the first.
    pub a: T,
    /// Of the second.
    pub b: T,
}

/// A named value that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Differing {
    /// Its name.
    pub name: String,
    /// The first place in it.
    #[serde(flatten)]
    pub first: Difference,
}

/// A loop in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoopDiff {
    /// Its path.
    pub path: String,
    /// In the first run, if it ended there.
    pub a: Option<LoopReport>,
    /// In the second.
    pub b: Option<LoopReport>,
}

/// A node in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeDiff {
    /// Its path.
    pub path: String,
    /// In the first run, if it is there.
    pub a: Option<NodeReport>,
    /// In the second.
    pub b: Option<NodeReport>,
    /// The first place where its values differ, when both have one.
    pub value: Option<Difference>,
}

impl Diff {
    /// What differs between the runs of these records.
    pub fn of(a: &[Record], b: &[Record]) -> Self {
        let reports = Pair { a: Report::of(a), b: Report::of(b) };
        let starts = Pair { a: start(a), b: start(b) };
        let given = |of: fn(&Begun) -> &Value| fields(of(&starts.a), of(&starts.b));
        let outputs = |report: &Report| report.outputs.clone().unwrap_or_default();
        Self {
            flow: unequal(starts.a.hash.clone(), starts.b.hash.clone()),
            inputs: given(|begun| &begun.inputs),
            params: given(|begun| &begun.params),
            outcome: unequal(reports.a.outcome, reports.b.outcome),
            error: unequal(reports.a.error.clone(), reports.b.error.clone()),
            outputs: fields(&outputs(&reports.a), &outputs(&reports.b)),
            loops: loops(&reports),
            nodes: nodes(&reports, &values(a), &values(b)),
            spend: Pair { a: reports.a.spend, b: reports.b.spend },
        }
    }

    /// Whether the runs came to the same in the same way, whatever it cost.
    pub fn is_same(&self) -> bool {
        self.outcome.is_none()
            && self.error.is_none()
            && self.outputs.is_empty()
            && self.loops.is_empty()
            && self.nodes.iter().all(|node| node.a.is_some() && node.b.is_some() && node.value.is_none())
    }
}

/// Where a run that was made again is not the same: the first node, in the order in which they ended, that ended otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parting {
    /// The node; empty for the run itself.
    pub path: String,
    /// What differs of how it ended; none when it did not end again.
    pub difference: Option<Difference>,
}

/// Finds where the second run parts from the first, or tells how many nodes ended the same. What a cancellation ended is
/// no end of its own.
pub fn parting(first: &[Record], again: &[Record]) -> Result<usize, Parting> {
    let ends: HashMap<&str, Value> = again.iter().filter_map(|record| end(&record.event)).collect();
    let mut same = 0;
    for (path, end) in first.iter().filter_map(|record| end(&record.event)) {
        let difference = match ends.get(path) {
            Some(other) => difference(&end, other),
            None => return Err(Parting { path: path.to_owned(), difference: None }),
        };
        if difference.is_some() {
            return Err(Parting { path: path.to_owned(), difference });
        }
        same += usize::from(!path.is_empty());
    }
    Ok(same)
}

/// How a node ended, or with no path the run.
fn end(event: &Event) -> Option<(&str, Value)> {
    let cancelled = |error: &RunError| error.name == ErrorName::Cancelled;
    Some(match event {
        Event::NodeDone { path, value, caught, .. } => (path, json!({ "value": value, "caught": caught })),
        Event::NodeFailed { path, error, .. } if !cancelled(error) => (path, json!({ "error": error })),
        Event::NodeSkipped { path, error, .. } => (path, json!({ "skipped": error })),
        Event::RunDone { outcome, outputs, error } if *outcome != Outcome::Cancelled => {
            ("", json!({ "outcome": outcome, "outputs": outputs, "error": error }))
        }
        _ => return None,
    })
}

#[derive(Default)]
struct Begun {
    hash: String,
    inputs: Arc<Value>,
    params: Arc<Value>,
}

fn start(records: &[Record]) -> Begun {
    let begun = records.iter().find_map(|record| match &record.event {
        Event::RunStarted(start) => Some(Begun {
            hash: start.hash.clone(),
            inputs: Arc::clone(&start.inputs),
            params: Arc::clone(&start.params),
        }),
        _ => None,
    });
    begun.unwrap_or_default()
}

fn unequal<T: PartialEq>(a: T, b: T) -> Option<Pair<T>> {
    (a != b).then_some(Pair { a, b })
}

/// The fields of two records that differ.
fn fields(a: &Value, b: &Value) -> Vec<Differing> {
    let of = |value: &Value, name: &str| value.get(name).cloned();
    let names = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
    both::<String>(names(a), names(b))
        .into_iter()
        .filter_map(|name| {
            let first = match (of(a, &name), of(b, &name)) {
                (Some(a), Some(b)) => difference(&a, &b)?,
                (a, b) => Difference { at: String::new(), a, b },
            };
            Some(Differing { name, first })
        })
        .collect()
}

/// What stands in either list, once, in order.
fn both<T: Eq + Hash + Clone>(a: Vec<T>, b: Vec<T>) -> Vec<T> {
    let mut seen = std::collections::HashSet::new();
    a.into_iter().chain(b).filter(|one| seen.insert(one.clone())).collect()
}

fn loops(reports: &Pair<Report>) -> Vec<LoopDiff> {
    let by_path = |report: &Report| -> HashMap<String, LoopReport> {
        report.loops.iter().map(|one| (one.path.clone(), one.clone())).collect()
    };
    let paths = |report: &Report| report.loops.iter().map(|one| one.path.clone()).collect();
    let (a, b) = (by_path(&reports.a), by_path(&reports.b));
    both::<String>(paths(&reports.a), paths(&reports.b))
        .into_iter()
        .map(|path| LoopDiff { a: a.get(&path).cloned(), b: b.get(&path).cloned(), path })
        .filter(|one| one.a != one.b)
        .collect()
}

type Values = HashMap<String, Arc<Value>>;

fn values(records: &[Record]) -> Values {
    let done = records.iter().filter_map(|record| match &record.event {
        Event::NodeDone { path, value, .. } => Some((path.clone(), Arc::clone(value))),
        _ => None,
    });
    done.collect()
}

fn nodes(reports: &Pair<Report>, values_a: &Values, values_b: &Values) -> Vec<NodeDiff> {
    let by_path = |report: &Report| -> HashMap<String, NodeReport> {
        report.nodes.iter().map(|node| (node.path.clone(), node.clone())).collect()
    };
    let paths = |report: &Report| report.nodes.iter().map(|node| node.path.clone()).collect();
    let (a, b) = (by_path(&reports.a), by_path(&reports.b));
    // What makes a node another one; how long it took and whether it was asked or remembered does not.
    let seen = |node: &NodeReport| -> (NodeOutcome, u64, u64, u64, u64) {
        (node.outcome, node.calls, node.attempts, node.tokens, node.cost.nano_usd)
    };
    both::<String>(paths(&reports.a), paths(&reports.b))
        .into_iter()
        .filter_map(|path| {
            let value = match (values_a.get(&path), values_b.get(&path)) {
                (Some(a), Some(b)) => difference(a, b),
                _ => None,
            };
            let (a, b) = (a.get(&path).cloned(), b.get(&path).cloned());
            let differs = value.is_some() || a.as_ref().map(seen) != b.as_ref().map(seen);
            differs.then_some(NodeDiff { path, a, b, value })
        })
        .collect()
}
