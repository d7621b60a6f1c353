//! The state of a run: a fold of its events. [`RunState::apply`] is the only way it changes.

mod look;

use super::budget::Cost;
use super::error::{ErrorName, RunError};
use super::frame::{BlockIndex, FlowFrame, Frame, FrameId, Frames, Key, Kind};
use super::models::Prices;
use super::ports::Request;
use super::ready::Entry;
use super::scope::View;
use super::work::{Recalled, Stage, Step};
use super::{Models, Outcome};
use crate::check::flow::{Block, Cache, CheckedFlow};
use crate::journal::{Event, Found, Key as CacheKey, RunStarted};
use crate::template::EvalError;
use crate::value::Value;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// The state of a run.
pub struct RunState<'f> {
    pub(super) flow: &'f CheckedFlow,
    pub(super) models: Models,
    pub(super) prices: &'f Prices,
    pub(super) seed: u64,
    /// What judges programs.
    pub(super) sandbox: String,
    /// `run`, as flows read it.
    pub(super) run: Arc<Value>,
    pub(super) frames: Frames<'f>,
    /// By the address of the block, which does not move while the flow is borrowed.
    indexes: HashMap<usize, Arc<BlockIndex<'f>>>,
    /// What may begin, in the order in which it begins.
    pub(super) queue: BTreeMap<Key, Entry>,
    /// What asks the world now, by the path of the call; waits for another attempt included.
    at_work: BTreeMap<String, FrameId>,
    /// Works whose next attempt is due. They keep their places and what they reserved, so nothing may stand before them.
    due: BTreeMap<Key, FrameId>,
    jobs: usize,
    /// How many of `jobs` are at work; a person takes no place.
    busy: usize,
    /// Budgets of time that run, by what they are of.
    pub(super) deadlines: BTreeMap<String, FrameId>,
    consequences: VecDeque<Event>,
    dropped: Vec<Effect>,
    /// Answers that were good, for runs to come.
    kept: Vec<(CacheKey, Found)>,
    /// Pure work waits for its next part.
    paused: bool,
    started: bool,
    cancelled: bool,
    ended: bool,
}

/// So many nodes, items and passes that ask nothing are a part of the pure work.
const PART: usize = 2_000;

/// Something that goes on outside, and can be dropped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// A command, or the wait before its next attempt, by its path.
    Work(String),
    /// The end of a budget of time, by what it is of.
    Deadline(String),
}

/// Something that an answer of before may stand in for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The call or work.
    pub path: String,
    /// What would be sent, of a call.
    pub request: Option<Arc<Request>>,
    /// What the answer is found by.
    pub key: CacheKey,
}

/// An event that does not follow from those before it: the journal is of another flow or engine, or was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal does not fit the flow: {0}")]
pub struct Diverged(pub String);

/// An error that does not know its node yet.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) name: ErrorName,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self { name, message: message.into() }
    }

    pub(super) fn at(self, path: &str) -> RunError {
        RunError { name: self.name, message: self.message, at: path.to_owned() }
    }
}

impl From<EvalError> for Fault {
    fn from(error: EvalError) -> Self {
        Self::new(ErrorName::Expression, error.0)
    }
}

impl<'f> RunState<'f> {
    /// A run that has not started. `prices` are of the models that the flow has no price for.
    pub fn new(flow: &'f CheckedFlow, prices: &'f Prices) -> Self {
        Self {
            flow,
            models: Models::default(),
            prices,
            seed: 0,
            sandbox: String::new(),
            run: Arc::new(Value::Null),
            frames: Frames::default(),
            indexes: HashMap::new(),
            queue: BTreeMap::new(),
            at_work: BTreeMap::new(),
            due: BTreeMap::new(),
            jobs: 1,
            busy: 0,
            deadlines: BTreeMap::new(),
            consequences: VecDeque::new(),
            dropped: Vec::new(),
            kept: Vec::new(),
            paused: false,
            started: false,
            cancelled: false,
            ended: false,
        }
    }

    /// Takes one event in. A consequence must be the one that this state came to itself; all else changes the state.
    ///
    /// # Errors
    /// The event does not follow from those before it.
    pub fn apply(&mut self, event: &Event) -> Result<(), Diverged> {
        if event.is_consequence() {
            return match self.consequences.pop_front() {
                Some(own) if own == *event => Ok(()),
                Some(own) => Err(Diverged(format!("it has {event:?} where {own:?} follows"))),
                None => Err(Diverged(format!("it has {event:?}, which does not follow"))),
            };
        }
        if let Some(missing) = self.consequences.front() {
            return Err(Diverged(format!("it has {event:?} where {missing:?} follows")));
        }
        if matches!(event, Event::RunStarted(_)) == self.started || self.ended {
            return Err(Diverged(format!("it has {event:?} outside of the run")));
        }
        match event {
            Event::RunStarted(start) => self.start(start),
            Event::CallSent { path, reserved, .. } => {
                let id = self.begin_head(path, event)?;
                if reserved.calls > 0 {
                    self.frames.work_mut(id).reserved = *reserved;
                    self.frames.each_budget(id, |budget| budget.reserved += *reserved);
                }
            }
            Event::WorkStarted { path, .. } | Event::Asked { path, .. } => {
                self.begin_head(path, event)?;
            }
            Event::CallSettled { path, response, cost, .. } => {
                let id = self.end_work(path, event)?;
                self.pay(id, *cost);
                self.call_answered(id, response, *cost);
            }
            Event::CallLost { path, cost } => {
                let id = self.end_work(path, event)?;
                self.pay(id, *cost);
                self.queue_work(id);
            }
            Event::CacheHit { path, found, .. } => {
                let id = self.take_head(path, event)?;
                self.frames.work_mut(id).recalled = Recalled::Now;
                match found {
                    Found::Call { response, .. } => self.call_answered(id, response, Cost::default()),
                    Found::Work(value) => self.work_answered(id, value),
                }
            }
            Event::CallFailed { path, name, message, retry_after_ms }
            | Event::WorkFailed { path, name, message, retry_after_ms } => {
                let id = self.working(path, event)?;
                self.attempt_failed(id, path, Fault::new(*name, message.clone()), *retry_after_ms);
            }
            Event::WorkDone { path, value } => {
                let id = self.end_work(path, event)?;
                self.keep(id, self.frames.work(id).key, Found::Work(Arc::clone(value)));
                self.work_answered(id, value);
            }
            Event::Answered { path, answer } => {
                let id = self.end_work(path, event)?;
                self.person_answered(id, answer.as_ref());
            }
            Event::TimerFired { path, budget: true } => self.deadline_passed(path)?,
            Event::TimerFired { path, budget: false } => {
                let id = self.working(path, event)?;
                let work = self.frames.work_mut(id);
                (work.stage, work.attempt) = (Stage::Due, work.attempt + 1);
                self.due.insert(self.frames.get(id).key.clone(), id);
            }
            Event::BudgetExhausted { path, scope, what } => {
                let id = self.take_head(path, event)?;
                self.pay_failed(id);
                let of =
                    if scope.is_empty() { "the run".to_owned() } else { format!("`{}`", scope.trim_end_matches('/')) };
                let fault =
                    Fault::new(ErrorName::Budget, format!("the budget of {of} allows no more: `{what}` is spent"));
                self.work_ended(id, Err(fault));
            }
            Event::Stepped if !self.paused => return Err(Diverged("nothing pure was left".to_owned())),
            Event::Resumed { .. } | Event::Stepped => {}
            Event::Cancelled { now } => self.cancel(*now),
            Event::TimerSet { .. }
            | Event::AnswerMended { .. }
            | Event::NodeStarted { .. }
            | Event::NodeDone { .. }
            | Event::NodeFailed { .. }
            | Event::NodeSkipped { .. }
            | Event::PassAccepted { .. }
            | Event::PassDiscarded { .. }
            | Event::LoopEnded { .. }
            | Event::RunDone { .. } => unreachable!("internal error: a consequence is checked, not applied"),
        }
        self.settle();
        Ok(())
    }

    /// The consequences that nobody took yet, oldest first.
    pub fn take_consequences(&mut self) -> impl Iterator<Item = Event> + use<'_, 'f> {
        self.consequences.drain(..)
    }

    /// What goes on outside and is of no use any more.
    pub fn take_dropped(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.dropped)
    }

    /// Answers that were good and that nobody took yet, each with all it hangs on.
    pub fn take_kept(&mut self) -> Vec<(CacheKey, Found)> {
        std::mem::take(&mut self.kept)
    }

    /// Keeps an answer for runs to come, where the flow lets it.
    pub(super) fn keep(&mut self, id: FrameId, key: CacheKey, found: Found) {
        if self.cache_of(id) != Cache::Off {
            self.kept.push((key, found));
        }
    }

    /// What holds of answers of before at a frame: what the nearest node around it says.
    pub(super) fn cache_of(&self, id: FrameId) -> Cache {
        let said = self.frames.around(id).find_map(|(_, frame)| match &frame.kind {
            Kind::Node(node) => node.node.cache,
            Kind::Flow(_) | Kind::Block(_) | Kind::Item(_) | Kind::Samples(_) | Kind::Work(_) => None,
        });
        said.unwrap_or_default()
    }

    fn start(&mut self, start: &RunStarted) {
        self.started = true;
        self.jobs = start.jobs.max(1);
        self.models = start.models.clone();
        self.seed = start.seed;
        self.sandbox.clone_from(&start.sandbox);
        self.run = Arc::new(json!({ "seed": start.seed }));
        let (inputs, params) = (Arc::clone(&start.inputs), Arc::clone(&start.params));
        self.begin_flow(None, Key::new(), String::new(), self.flow.root, inputs, params);
    }

    /// Takes what is to begin next, which must be the work that the event is about.
    fn take_head(&mut self, path: &str, event: &Event) -> Result<FrameId, Diverged> {
        let again = self.due.first_key_value().map(|(_, id)| *id);
        let head = again.or_else(|| match self.queue.first_key_value() {
            Some((_, Entry::Send(id))) => Some(*id),
            Some((_, Entry::Node { .. } | Entry::Next(_))) | None => None,
        });
        let refused = again.is_some() && matches!(event, Event::BudgetExhausted { .. } | Event::CacheHit { .. });
        match head {
            Some(id) if self.site(id) == path && fits(event, &self.frames.work(id).step) && !refused => {
                if again.is_some() {
                    self.due.pop_first();
                } else {
                    self.queue.pop_first();
                }
                Ok(id)
            }
            _ => Err(Diverged(format!("`{path}` is not what begins next"))),
        }
    }

    fn begin_head(&mut self, path: &str, event: &Event) -> Result<FrameId, Diverged> {
        let id = self.take_head(path, event)?;
        let work = self.frames.work_mut(id);
        if work.stage == Stage::Queued {
            self.busy += work.step.places();
            self.at_work.insert(path.to_owned(), id);
        }
        work.stage = Stage::Running;
        Ok(id)
    }

    /// The work that the event is about, which must be at work in a way that the event fits.
    fn working(&self, path: &str, event: &Event) -> Result<FrameId, Diverged> {
        let stage = if matches!(event, Event::TimerFired { .. }) { Stage::Waiting } else { Stage::Running };
        match self.at_work.get(path) {
            Some(id) if self.frames.work(*id).stage == stage && fits(event, &self.frames.work(*id).step) => Ok(*id),
            _ => Err(Diverged(format!("nothing waits for that at `{path}`"))),
        }
    }

    /// Ends the work that the event is about, and frees its place.
    fn end_work(&mut self, path: &str, event: &Event) -> Result<FrameId, Diverged> {
        let id = self.working(path, event)?;
        self.leave(path, id);
        Ok(id)
    }

    /// Takes a work out of those that are at work.
    fn leave(&mut self, path: &str, id: FrameId) {
        self.at_work.remove(path);
        self.due.remove(&self.frames.get(id).key);
        let work = self.frames.work_mut(id);
        work.stage = Stage::Queued;
        self.busy -= work.step.places();
    }

    /// Settles what a call reserved.
    fn pay(&mut self, id: FrameId, cost: Cost) {
        let reserved = std::mem::take(&mut self.frames.work_mut(id).reserved);
        if reserved.calls > 0 {
            self.frames.each_budget(id, |budget| {
                budget.reserved -= reserved;
                budget.spent += cost;
            });
        }
    }

    /// Settles a call that failed: it was asked for; what it cost in tokens nobody says.
    fn pay_failed(&mut self, id: FrameId) {
        self.pay(id, Cost { calls: 1, ..Cost::default() });
    }

    /// An attempt failed: another one after a time, or the end.
    fn attempt_failed(&mut self, id: FrameId, path: &str, fault: Fault, retry_after_ms: Option<u64>) {
        let work = self.frames.work_mut(id);
        if !self.cancelled
            && let Some(retry) = work.step.retry()
            && retry.on.contains(&fault.name)
            && work.attempt <= retry.times
        {
            work.stage = Stage::Waiting;
            let after_ms =
                super::ready::backoff_ms(retry, self.seed, path, work.attempt).max(retry_after_ms.unwrap_or(0));
            self.emit(Event::TimerSet { path: path.to_owned(), after_ms, budget: false });
            return;
        }
        self.leave(path, id);
        self.pay_failed(id);
        self.attempts_over(id, fault);
    }

    /// The time of a budget is over: nothing in it is asked any more, and what is being asked is dropped.
    fn deadline_passed(&mut self, scope: &str) -> Result<(), Diverged> {
        let owner = self.deadlines.remove(scope).ok_or_else(|| Diverged(format!("no time runs for `{scope}`")))?;
        if let Some(budget) = self.frames.get_mut(owner).budget_mut() {
            budget.expired = true;
        }
        let mut inside: Vec<(Key, String)> = self
            .at_work
            .iter()
            .filter(|(_, id)| match self.frames.work(**id).step {
                Step::Call(_) | Step::Embed(_) | Step::Ask(_) => self.frames.around(**id).any(|(at, _)| at == owner),
                Step::Rule(_) | Step::Execute(_) => false,
            })
            .map(|(path, id)| (self.frames.get(*id).key.clone(), path.clone()))
            .collect();
        inside.sort();
        for (_, path) in inside {
            // The failure of one may have ended others.
            if let Some(id) = self.drop_work(&path) {
                self.work_ended(id, Err(Fault::new(ErrorName::Budget, "the time of the budget is over")));
            }
        }
        Ok(())
    }

    /// Ends the work of a path without an answer; what it reserved counts as spent, for nobody knows.
    fn drop_work(&mut self, path: &str) -> Option<FrameId> {
        let id = *self.at_work.get(path)?;
        let reserved = self.frames.work(id).reserved;
        self.dropped.push(Effect::Work(path.to_owned()));
        self.leave(path, id);
        self.pay(id, reserved);
        Some(id)
    }

    /// Ends an instance and all that is part of it, in whatever state it is.
    pub(super) fn drop_tree(&mut self, id: FrameId) {
        self.drop_below(id);
        self.drop_frame(id);
    }

    /// Ends all that is part of an instance. Whoever calls says in the instance that it has no parts any more.
    pub(super) fn drop_below(&mut self, id: FrameId) {
        let key = self.frames.get(id).key.clone();
        let queued: Vec<Key> =
            self.queue.range(key.clone()..).map(|(k, _)| k).take_while(|k| k.starts_with(&key)).cloned().collect();
        for key in queued {
            self.queue.remove(&key);
        }
        self.drop_children(id);
    }

    fn drop_children(&mut self, id: FrameId) {
        for child in self.frames.get(id).children() {
            self.drop_children(child);
            self.drop_frame(child);
        }
    }

    fn drop_frame(&mut self, id: FrameId) {
        if let Kind::Work(work) = &self.frames.get(id).kind {
            if work.stage == Stage::Queued {
                self.pay_failed(id);
            } else {
                self.drop_work(&self.site(id));
            }
        }
        self.remove(id);
    }

    /// Removes a frame that has ended, and the time that ran for it.
    pub(super) fn remove(&mut self, id: FrameId) -> Frame<'f> {
        let frame = self.frames.remove(id);
        if let Some(budget) = frame.budget()
            && self.deadlines.get(&budget.scope) == Some(&id)
        {
            self.deadlines.remove(&budget.scope);
            self.dropped.push(Effect::Deadline(budget.scope.clone()));
        }
        frame
    }

    /// Nothing new begins; what only waits is given up; what is being asked may still end, unless it is dropped `now`.
    fn cancel(&mut self, now: bool) {
        self.cancelled = true;
        let waits: Vec<String> = self
            .at_work
            .iter()
            .filter(|(_, id)| {
                let work = self.frames.work(**id);
                now || matches!(work.stage, Stage::Waiting | Stage::Due) || matches!(work.step, Step::Ask(_))
            })
            .map(|(path, _)| path.clone())
            .collect();
        for path in waits {
            self.drop_work(&path);
        }
    }

    /// Does all that needs no answer from the world, in order, while a place is free.
    fn settle(&mut self) {
        self.paused = false;
        let mut steps = 0;
        while !self.ended && !self.cancelled && self.busy < self.jobs {
            match self.queue.first_key_value() {
                Some((_, Entry::Node { .. } | Entry::Next(_))) => {}
                Some((_, Entry::Send(_))) | None => break,
            }
            if steps == PART {
                self.paused = true;
                break;
            }
            steps += 1;
            match self.queue.pop_first() {
                Some((key, Entry::Node { block, index })) => self.begin_node(block, index, key),
                Some((key, Entry::Next(node))) => self.begin_next(node, key),
                Some((_, Entry::Send(_))) | None => unreachable!("internal error: the head of the queue changed"),
            }
        }
        if self.cancelled && !self.ended && self.at_work.is_empty() {
            let error = Fault::new(ErrorName::Cancelled, "the run was cancelled").at("");
            self.end(Outcome::Cancelled, None, Some(error));
        }
    }

    /// Ends the run.
    pub(super) fn end(&mut self, outcome: Outcome, outputs: Option<Arc<Value>>, error: Option<RunError>) {
        self.ended = true;
        for path in self.at_work.keys() {
            self.dropped.push(Effect::Work(path.clone()));
        }
        for scope in std::mem::take(&mut self.deadlines).into_keys() {
            self.dropped.push(Effect::Deadline(scope));
        }
        self.at_work.clear();
        self.due.clear();
        self.queue.clear();
        self.emit(Event::RunDone { outcome, outputs, error });
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.consequences.push_back(event);
    }

    /// What a frame's names mean.
    pub(super) fn view(&self, frame: FrameId) -> View<'_, 'f> {
        View { frames: &self.frames, frame, spender: frame, run: &self.run }
    }

    pub(super) fn index_of(&mut self, block: &'f Block) -> Arc<BlockIndex<'f>> {
        let address = std::ptr::from_ref(block).addr();
        Arc::clone(self.indexes.entry(address).or_insert_with(|| Arc::new(BlockIndex::new(block))))
    }

    /// The flow instance that a frame is in.
    pub(super) fn flow_around(&self, id: FrameId) -> &FlowFrame<'f> {
        self.frames.flow(self.frames.flow_of(id))
    }
}

/// Whether an event can be about a step: what began as a call ends as one.
fn fits(event: &Event, step: &Step<'_>) -> bool {
    match step {
        Step::Call(_) => matches!(
            event,
            Event::CallSent { .. }
                | Event::CallSettled { .. }
                | Event::CallFailed { .. }
                | Event::CallLost { .. }
                | Event::CacheHit { found: Found::Call { .. }, .. }
                | Event::BudgetExhausted { .. }
                | Event::TimerFired { .. }
        ),
        Step::Rule(_) | Step::Execute(_) => {
            matches!(
                event,
                Event::WorkStarted { .. }
                    | Event::WorkDone { .. }
                    | Event::WorkFailed { .. }
                    | Event::CacheHit { found: Found::Work(_), .. }
            )
        }
        Step::Embed(_) => matches!(
            event,
            Event::WorkStarted { .. }
                | Event::WorkDone { .. }
                | Event::WorkFailed { .. }
                | Event::CacheHit { found: Found::Work(_), .. }
                | Event::BudgetExhausted { .. }
                | Event::TimerFired { .. }
        ),
        Step::Ask(_) => matches!(
            event,
            Event::Asked { .. } | Event::Answered { .. } | Event::WorkFailed { .. } | Event::BudgetExhausted { .. }
        ),
    }
}
