//! The one vocabulary of a run, for disk, screen and tests.
//!
//! *Facts* come from the world, *intentions* are written before their effect, and both are what the state of a run is
//! folded from. *Consequences* follow from them: they are written for readers, and checked, not applied, when a journal is
//! folded again. An event is never edited: a field is added with a default, or a variant.

use super::cache::{Found, Key};
use crate::run::ports::{Request, Response};
use crate::run::{Cost, ErrorName, Outcome, RunError};
use crate::source::Bundle;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The version of the vocabulary that this engine writes.
pub const VERSION: u32 = 1;

/// An event, its place in the run, and when it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From 0, without gaps.
    pub seq: u64,
    /// Milliseconds that the run was driven for until then.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// One recorded fact about a run. Paths are instance paths; those of calls carry their marks (`@ ^ ~ !`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Fact: the run began with this.
    RunStarted(Box<RunStarted>),
    /// Intention: a call is reserved against every budget around it, and sent.
    CallSent {
        /// The call.
        path: String,
        /// Attempt on the wire, from 1.
        attempt: u32,
        /// What is sent.
        request: Arc<Request>,
        /// The most that it may cost; nothing when this is another attempt at a call that reserved it before.
        reserved: Cost,
        /// What its answer is found again by.
        key: Key,
    },
    /// Fact: a call was answered.
    CallSettled {
        /// The call.
        path: String,
        /// The answer.
        response: Arc<Response>,
        /// What it cost; estimated where the provider does not count.
        cost: Cost,
        /// False when the model has no price.
        priced: bool,
    },
    /// Fact: an attempt failed.
    CallFailed {
        /// The call.
        path: String,
        /// Why.
        name: ErrorName,
        /// What happened.
        message: String,
        /// The provider asks to wait at least so long.
        retry_after_ms: Option<u64>,
    },
    /// Fact: the process ended while a call was at work, so nobody knows its answer. It counts as spent, and is sent again.
    CallLost {
        /// The call.
        path: String,
        /// The most that it may have cost.
        cost: Cost,
    },
    /// Fact: an answer of before stands in for a call or a work.
    CacheHit {
        /// The call or work.
        path: String,
        /// What would have been sent, of a call.
        request: Option<Arc<Request>>,
        /// What it was found by.
        key: Key,
        /// The answer.
        found: Found,
    },
    /// Intention: a program is run, a rule tried, or texts are embedded.
    WorkStarted {
        /// The node, or the rule with its mark.
        path: String,
        /// What is done.
        work: WorkKind,
        /// From 1.
        attempt: u32,
        /// What it is found again by.
        key: Key,
    },
    /// Fact: it is done.
    WorkDone {
        /// The node, or the rule with its mark.
        path: String,
        /// What came of it; of a rule null, or the reason why it does not hold.
        value: Arc<Value>,
    },
    /// Fact: it failed.
    WorkFailed {
        /// The node, or the rule with its mark.
        path: String,
        /// Why.
        name: ErrorName,
        /// What happened.
        message: String,
        /// The provider asks to wait at least so long.
        retry_after_ms: Option<u64>,
    },
    /// Intention: a person is asked.
    Asked {
        /// The node.
        path: String,
        /// The question.
        question: String,
        /// How long an answer is waited for; for ever when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u64>,
    },
    /// Fact: a person answered, or nobody did in time.
    Answered {
        /// The node.
        path: String,
        /// The answer, or none.
        answer: Option<Arc<Value>>,
    },
    /// Consequence: something happens after a time: another attempt, or the end of a budget of time.
    TimerSet {
        /// What waits: a call, or what a budget is of.
        path: String,
        /// How long.
        after_ms: u64,
        /// True for the end of a budget of time.
        budget: bool,
    },
    /// Fact: the time is over.
    TimerFired {
        /// What waited.
        path: String,
        /// True for the end of a budget of time.
        budget: bool,
    },
    /// Intention: a call is not sent, for a budget does not allow it.
    BudgetExhausted {
        /// The call.
        path: String,
        /// What the budget is of; empty for the run's own.
        scope: String,
        /// `calls`, `tokens`, `usd` or `time`.
        what: String,
    },
    /// Intention: what is pure goes on. It asks nothing of anybody, but of much of it a part is written at a time.
    Stepped,
    /// Fact: the run goes on in another process.
    Resumed {
        /// How long nobody drove it; people may have thought about their answers.
        after_ms: u64,
    },
    /// Fact: nothing new is to begin.
    Cancelled {
        /// True: what is at work is dropped.
        now: bool,
    },
    /// Consequence: an answer was read that was not written as asked for.
    AnswerMended {
        /// The call.
        path: String,
        /// What had to be mended.
        repairs: Vec<String>,
    },
    /// Consequence: a node that takes time began.
    NodeStarted {
        /// The node.
        path: String,
        /// Its verb; `loop` for a loop.
        verb: String,
        /// Most passes, or the number of items.
        of: Option<u64>,
    },
    /// Consequence: a node has its value.
    NodeDone {
        /// The node, or an item of it.
        path: String,
        /// Its verb; `loop` for a loop.
        verb: String,
        /// The value.
        value: Arc<Value>,
        /// The error that `on_error` made this value of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caught: Option<RunError>,
    },
    /// Consequence: a node failed, and nothing of its own caught it.
    NodeFailed {
        /// The node, or an item of it.
        path: String,
        /// Its verb.
        verb: String,
        /// Why.
        error: RunError,
    },
    /// Consequence: a node was skipped.
    NodeSkipped {
        /// The node.
        path: String,
        /// Its verb.
        verb: String,
        /// The error that `on_error: skip` made a skip of; none when `when` was false.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<RunError>,
    },
    /// Consequence: a pass counts.
    PassAccepted {
        /// The pass: `loop#2`.
        path: String,
    },
    /// Consequence: a pass leaves no trace.
    PassDiscarded {
        /// The pass: `loop#2`.
        path: String,
        /// True when a budget ended it.
        unfinished: bool,
    },
    /// Consequence: a loop ended.
    LoopEnded {
        /// The loop.
        path: String,
        /// `until`, `done`, `exhausted` or `budget`.
        exit: Exit,
        /// How many passes were made.
        passes: u64,
    },
    /// Consequence: the run ended.
    RunDone {
        /// How.
        outcome: Outcome,
        /// What it hands out, when it came so far.
        outputs: Option<Arc<Value>>,
        /// Why it failed.
        error: Option<RunError>,
    },
}

/// How a run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The version of the vocabulary.
    pub version: u32,
    /// The engine that wrote it.
    pub engine: String,
    /// The flow's name.
    pub flow: String,
    /// The hash of all its texts.
    pub hash: String,
    /// The accepted inputs.
    pub inputs: Arc<Value>,
    /// The params, presets and defaults included.
    pub params: Arc<Value>,
    /// `run.seed`.
    pub seed: u64,
    /// Most commands at work at once.
    pub jobs: usize,
    /// What was given with `-m`.
    pub models: crate::run::Models,
    /// What judges programs: part of what their results are found again by.
    #[serde(default)]
    pub sandbox: String,
    /// Which part the whole run takes in the cache; a fork, which is given the answers of its parent, refreshes.
    #[serde(default)]
    pub cache: crate::run::Cache,
    /// The flow as it was.
    #[serde(default)]
    pub bundle: Arc<Bundle>,
}

/// What is done that is neither a call nor a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    /// A program is run.
    Execute,
    /// A wasm rule is tried.
    Rule,
    /// Texts are embedded.
    Embed,
}

/// How a loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// `until` held.
    Until,
    /// All passes made, and there is no `until`.
    Done,
    /// `until` never held.
    Exhausted,
    /// A budget allowed no more; the unfinished pass is discarded.
    Budget,
}

impl Exit {
    /// As it is read in flows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Until => "until",
            Self::Done => "done",
            Self::Exhausted => "exhausted",
            Self::Budget => "budget",
        }
    }
}

impl Event {
    /// Whether the event follows from those before it, so that folding a journal checks it instead of applying it.
    pub fn is_consequence(&self) -> bool {
        match self {
            Self::TimerSet { .. }
            | Self::AnswerMended { .. }
            | Self::NodeStarted { .. }
            | Self::NodeDone { .. }
            | Self::NodeFailed { .. }
            | Self::NodeSkipped { .. }
            | Self::PassAccepted { .. }
            | Self::PassDiscarded { .. }
            | Self::LoopEnded { .. }
            | Self::RunDone { .. } => true,
            Self::RunStarted(_)
            | Self::CallSent { .. }
            | Self::CallSettled { .. }
            | Self::CallFailed { .. }
            | Self::CallLost { .. }
            | Self::CacheHit { .. }
            | Self::Resumed { .. }
            | Self::Stepped
            | Self::WorkStarted { .. }
            | Self::WorkDone { .. }
            | Self::WorkFailed { .. }
            | Self::Asked { .. }
            | Self::Answered { .. }
            | Self::TimerFired { .. }
            | Self::BudgetExhausted { .. }
            | Self::Cancelled { .. } => false,
        }
    }
}
