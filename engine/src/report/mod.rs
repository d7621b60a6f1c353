//! What a run came to: a fold of its events. A live run, a finished one and a crashed one are told by the same fold; what
//! has not ended has no outcome.

mod diff;

pub use diff::{Diff, Differing, LoopDiff, NodeDiff, Pair, Parting, parting};

use crate::journal::{Event, Exit, Found, Record};
use crate::run::{Cost, Outcome, RunError};
use crate::value::Value;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// What a run came to so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The flow's name.
    pub flow: String,
    /// How it ended; none while it has not.
    pub outcome: Option<Outcome>,
    /// Why it failed.
    pub error: Option<RunError>,
    /// What it hands out.
    pub outputs: Option<Arc<Value>>,
    /// What it cost.
    pub spend: Spend,
    /// Node instances and items, in the order in which they began.
    pub nodes: Vec<NodeReport>,
    /// Loops that ended, in order.
    pub loops: Vec<LoopReport>,
    /// Passes that left no trace, in order.
    pub discarded: Vec<String>,
    /// Nodes that were skipped, in order.
    pub skipped: Vec<String>,
    /// Calls, in the order in which they were sent.
    pub calls: Vec<String>,
    /// People that are waited for, in the order in which they were asked.
    pub waiting: Vec<Waiting>,
    /// Whether a budget refused or ended anything.
    pub budget_spent: bool,
    #[serde(skip)]
    index: HashMap<String, usize>,
    #[serde(skip)]
    cost: Cost,
    #[serde(skip)]
    saved: Cost,
    #[serde(skip)]
    unpriced: bool,
}

/// What a run cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Spend {
    /// Answers asked for.
    pub calls: u64,
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Tokens answered.
    pub completion_tokens: u64,
    /// Money; none when a model had no price.
    pub usd: Option<f64>,
    /// Answers of before that stood in for calls, programs and embeddings.
    pub cached: u64,
    /// Money that those calls cost before.
    pub saved_usd: f64,
    /// Calls whose answers were lost with a process; their cost is estimated, and they were sent again.
    pub lost: u64,
    /// Time on the wall.
    pub wall_ms: u64,
}

/// A person that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The node that asks.
    pub path: String,
    /// The question.
    pub question: String,
}

/// One node instance, or one item of an `each`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeReport {
    /// Its path.
    pub path: String,
    /// Its verb; `loop` for a loop.
    pub verb: String,
    /// Attempts on the wire of its own calls.
    pub attempts: u64,
    /// Its own calls.
    pub calls: u64,
    /// Answers of before that stood in for its own calls and works.
    pub cached: u64,
    /// Tokens of its own calls, sent and answered.
    pub tokens: u64,
    /// Money for its own calls, as far as prices are known.
    pub usd: f64,
    /// From its begin to its end, or to the last event.
    pub ms: u64,
    /// How it ended.
    pub outcome: NodeOutcome,
    #[serde(skip)]
    began_ms: u64,
    #[serde(skip)]
    cost: Cost,
}

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeOutcome {
    /// It has not.
    Unfinished,
    /// With its value.
    Done,
    /// With an error that became a value.
    Caught,
    /// With an error.
    Failed,
    /// It was skipped.
    Skipped,
}

/// A loop that ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoopReport {
    /// Its path.
    pub path: String,
    /// How it ended.
    pub exit: Exit,
    /// Passes made.
    pub passes: u64,
}

impl Report {
    /// The report of a run that did not begin.
    pub fn refused(flow: &str, error: RunError) -> Self {
        let outcome = Some(Outcome::of_error(error.name));
        Self { flow: flow.to_owned(), outcome, error: Some(error), ..Self::default() }
    }

    /// The report of some records.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut report = Self::default();
        for record in records {
            report.take_in(record);
        }
        report
    }

    /// Takes one more record in.
    pub fn take_in(&mut self, record: &Record) {
        let now = record.at_ms;
        self.spend.wall_ms = now;
        match &record.event {
            Event::RunStarted(start) => {
                self.flow.clone_from(&start.flow);
                self.spend.usd = Some(0.0);
            }
            Event::CallSent { path, reserved, .. } => {
                let first = reserved.calls > 0;
                if first {
                    self.calls.push(path.clone());
                    self.spend.calls += 1;
                }
                let node = self.node(node_of(path), "prompt", now);
                node.attempts += 1;
                node.calls += u64::from(first);
            }
            Event::CallSettled { path, cost, priced, .. } => {
                self.node(node_of(path), "prompt", now).pay(*cost);
                self.cost += *cost;
                self.unpriced |= !priced;
                self.spend.prompt_tokens = self.cost.prompt_tokens;
                self.spend.completion_tokens = self.cost.completion_tokens;
                self.spend.usd = (!self.unpriced).then(|| self.cost.usd());
            }
            Event::CallLost { path, cost } => {
                self.node(node_of(path), "prompt", now).pay(*cost);
                self.cost += *cost;
                self.spend.lost += 1;
                self.spend.prompt_tokens = self.cost.prompt_tokens;
                self.spend.completion_tokens = self.cost.completion_tokens;
                self.spend.usd = self.spend.usd.map(|_| self.cost.usd());
            }
            Event::CacheHit { path, found, .. } => {
                self.saved += found.saved();
                self.spend.cached += 1;
                self.spend.saved_usd = self.saved.usd();
                let verb = if matches!(found, Found::Call { .. }) { "prompt" } else { "execute" };
                self.node(node_of(path), verb, now).cached += 1;
            }
            Event::Asked { path, question, .. } => {
                self.waiting.push(Waiting { path: path.clone(), question: question.clone() });
            }
            Event::Answered { path, .. } | Event::WorkFailed { path, .. } => {
                self.waiting.retain(|one| one.path != *path);
            }
            Event::BudgetExhausted { .. } | Event::TimerFired { budget: true, .. } => self.budget_spent = true,
            Event::NodeStarted { path, verb, .. } => {
                self.node(path, verb, now);
            }
            // Items that ask nothing may be a million, and there is nothing to tell of them.
            Event::NodeDone { path, verb, .. }
                if path.ends_with(']') && matches!(verb.as_str(), "let" | "validate") => {}
            Event::NodeDone { path, verb, caught, .. } => {
                let outcome = if caught.is_some() { NodeOutcome::Caught } else { NodeOutcome::Done };
                self.ended(path, verb, now, outcome);
            }
            Event::NodeFailed { path, verb, .. } => self.ended(path, verb, now, NodeOutcome::Failed),
            Event::NodeSkipped { path, verb, .. } => {
                self.skipped.push(path.clone());
                self.ended(path, verb, now, NodeOutcome::Skipped);
            }
            Event::PassDiscarded { path, .. } => self.discarded.push(path.clone()),
            Event::LoopEnded { path, exit, passes } => {
                self.loops.push(LoopReport { path: path.clone(), exit: *exit, passes: *passes });
            }
            Event::RunDone { outcome, outputs, error } => {
                self.outcome = Some(*outcome);
                self.outputs.clone_from(outputs);
                self.error.clone_from(error);
                self.waiting.clear();
                for node in self.nodes.iter_mut().filter(|node| node.outcome == NodeOutcome::Unfinished) {
                    node.ms = now - node.began_ms;
                }
            }
            Event::CallFailed { .. }
            | Event::WorkStarted { .. }
            | Event::WorkDone { .. }
            | Event::Resumed { .. }
            | Event::Stepped
            | Event::AnswerMended { .. }
            | Event::TimerSet { .. }
            | Event::TimerFired { budget: false, .. }
            | Event::Cancelled { .. }
            | Event::PassAccepted { .. } => {}
        }
    }

    fn ended(&mut self, path: &str, verb: &str, now: u64, outcome: NodeOutcome) {
        let node = self.node(path, verb, now);
        node.ms = now - node.began_ms;
        node.outcome = outcome;
        // An item is first heard of by a call, which may be a judge's.
        if node.verb != verb {
            verb.clone_into(&mut node.verb);
        }
    }

    /// The node of that path, which begins now when it has not begun.
    fn node(&mut self, path: &str, verb: &str, now: u64) -> &mut NodeReport {
        let index = match self.index.get(path) {
            Some(index) => *index,
            None => {
                self.nodes.push(NodeReport {
                    path: path.to_owned(),
                    verb: verb.to_owned(),
                    attempts: 0,
                    calls: 0,
                    cached: 0,
                    tokens: 0,
                    usd: 0.0,
                    ms: 0,
                    outcome: NodeOutcome::Unfinished,
                    began_ms: now,
                    cost: Cost::default(),
                });
                self.index.insert(path.to_owned(), self.nodes.len() - 1);
                self.nodes.len() - 1
            }
        };
        &mut self.nodes[index]
    }
}

impl NodeReport {
    fn pay(&mut self, cost: Cost) {
        self.cost += cost;
        (self.tokens, self.usd) = (self.cost.tokens(), self.cost.usd());
    }
}

/// The node or item that a call is of: its path without marks.
pub fn node_of(call: &str) -> &str {
    let last = call.rfind('/').map_or(0, |slash| slash + 1);
    call[last..].find(['@', '^', '~', '!']).map_or(call, |mark| &call[..last + mark])
}

/// Whether a path is the place, or something in it: a call, a pass, an item, or a node below.
pub fn is_within(path: &str, place: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '#', '[', '@', '^', '~', '!']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_its_calls_passes_items_and_what_is_below() {
        for within in ["work", "work#2", "work#2/fix~1", "work[0]", "work@2^2", "work/a"] {
            assert!(is_within(within, "work"), "{within}");
        }
        for outside in ["works", "a/work", "wor", "work2#1"] {
            assert!(!is_within(outside, "work"), "{outside}");
        }
        assert!(!is_within("work#12/a", "work#1"));
    }

    #[test]
    fn marks_of_calls_are_no_part_of_a_node() {
        assert_eq!(node_of("hidden[4]/mend/work#2/fix@2^2~1!1"), "hidden[4]/mend/work#2/fix");
        assert_eq!(node_of("a[1]~1"), "a[1]");
        assert_eq!(node_of("a"), "a");
    }
}
