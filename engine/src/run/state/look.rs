//! What can be told of a state without changing it: what begins next, and what goes on outside.

use super::{Effect, RunState, Wanted};
use crate::check::flow::Cache;
use crate::journal::Event;
use crate::run::budget::{Afford, Cost};
use crate::run::frame::FrameId;
use crate::run::ready::{Entry, millis};
use crate::run::work::{Command, Recalled, Stage, Step, Work};
use std::sync::Arc;

impl RunState<'_> {
    /// What would be begun now, if an answer of before may stand in for it.
    pub fn wanted(&self) -> Option<Wanted> {
        if self.ended || self.cancelled || self.paused || !self.due.is_empty() || self.busy >= self.jobs {
            return None;
        }
        let Some((_, Entry::Send(id))) = self.queue.first_key_value() else { return None };
        let work = self.frames.work(*id);
        let may = work.recalled == Recalled::Never && !matches!(work.step, Step::Ask(_));
        let request = match &work.step {
            Step::Call(call) => Some(Arc::clone(&call.request)),
            Step::Execute(_) | Step::Rule(_) | Step::Embed(_) | Step::Ask(_) => None,
        };
        (may && self.cache_of(*id) == Cache::Auto).then(|| Wanted { path: self.site(*id), request, key: work.key })
    }

    /// The calls whose answers nobody would hear of if the process ended now, each with the most that it may cost.
    pub fn in_doubt(&self) -> Vec<(String, Cost)> {
        let calls = self.at_work.iter().filter_map(|(path, id)| match &self.frames.work(*id) {
            Work { step: Step::Call(call), stage: Stage::Running, reserved, .. } => {
                let worst = if reserved.tokens() > 0 { *reserved } else { call.worst_cost() };
                Some((path.clone(), worst))
            }
            _ => None,
        });
        calls.collect()
    }

    /// What is at work but for calls.
    pub fn working_on(&self) -> Vec<String> {
        let works = self.at_work.iter().filter(|(_, id)| {
            let work = self.frames.work(**id);
            work.stage == Stage::Running && !matches!(work.step, Step::Call(_))
        });
        works.map(|(path, _)| path.clone()).collect()
    }

    /// What waits for a time, by what it waits for.
    pub fn timers(&self) -> Vec<Effect> {
        let waits = self.at_work.iter().filter(|(_, id)| self.frames.work(**id).stage == Stage::Waiting);
        let waits = waits.map(|(path, _)| Effect::Work(path.clone()));
        waits.chain(self.deadlines.keys().map(|scope| Effect::Deadline(scope.clone()))).collect()
    }

    /// Whether all that is at work waits for people.
    pub fn waits_for_people(&self) -> bool {
        !self.ended
            && !self.at_work.is_empty()
            && self.at_work.values().all(|id| matches!(self.frames.work(*id).step, Step::Ask(_)))
    }

    /// Whether the run has ended.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// What is to be begun now, as the event to write before it begins; none while all places are taken, nothing is ready,
    /// or a call waits for another to be settled.
    pub fn next(&self) -> Option<Event> {
        if self.ended || self.cancelled {
            return None;
        }
        if self.paused {
            return Some(Event::Stepped);
        }
        if let Some((_, id)) = self.due.first_key_value() {
            return self.intention(*id);
        }
        if self.busy >= self.jobs {
            return None;
        }
        match self.queue.first_key_value()?.1 {
            Entry::Send(id) => self.intention(*id),
            Entry::Node { .. } | Entry::Next(_) => unreachable!("internal error: what is pure has not begun"),
        }
    }

    /// The command of something at work, for whoever carries it out.
    pub fn command(&self, path: &str) -> Option<Command> {
        let id = *self.at_work.get(path)?;
        (self.frames.work(id).stage == Stage::Running).then(|| self.command_of(id))
    }

    /// The paths of what is at work, waits for another attempt included.
    pub fn at_work(&self) -> impl Iterator<Item = &str> {
        self.at_work.keys().map(String::as_str)
    }

    /// The intention of a queued work, or the refusal of it.
    fn intention(&self, id: FrameId) -> Option<Event> {
        let (work, path) = (self.frames.work(id), self.site(id));
        let refused = |scope: &str, what: &str| {
            Some(Event::BudgetExhausted { path: path.clone(), scope: scope.to_owned(), what: what.to_owned() })
        };
        match &work.step {
            Step::Call(call) => {
                let (request, key) = (Arc::clone(&call.request), work.key);
                let attempt = work.attempt;
                // An attempt is no call, and what the call reserved stands.
                if work.reserved.calls > 0 {
                    return Some(Event::CallSent { path, attempt, request, reserved: Cost::default(), key });
                }
                // Tokens are estimated for those who count them.
                let reserved =
                    if self.counts_tokens(id) { call.worst_cost() } else { Cost { calls: 1, ..Cost::default() } };
                let mut later = false;
                for budget in self.frames.budgets(id) {
                    match budget.affords(&reserved) {
                        Afford::Yes => {}
                        Afford::Later => later = true,
                        Afford::Never(what) => return refused(&budget.scope, what),
                    }
                }
                (!later).then(|| Event::CallSent { path: path.clone(), attempt, request, reserved, key })
            }
            Step::Ask(_) | Step::Embed(_) | Step::Rule(_) | Step::Execute(_) => {
                let expired = self.frames.budgets(id).find(|budget| budget.expired);
                match (&work.step, expired) {
                    (Step::Ask(_) | Step::Embed(_), Some(budget)) => refused(&budget.scope, "time"),
                    (Step::Ask(question), None) => {
                        let wait_ms = question.wait.map(millis);
                        Some(Event::Asked { path, question: question.ask.clone(), wait_ms })
                    }
                    (step, _) => {
                        Some(Event::WorkStarted { path, work: step.kind(), attempt: work.attempt, key: work.key })
                    }
                }
            }
        }
    }
}
