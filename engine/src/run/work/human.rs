//! `human`: what a person is asked, and what an answer is held to.

use super::Job;
use super::rules::words;
use crate::check::flow::Human;
use crate::run::error::ErrorName;
use crate::run::frame::FrameId;
use crate::run::ports::Question;
use crate::run::scope::value;
use crate::run::state::{Fault, RunState};
use crate::spec::types::Type;
use crate::template::Scope;
use crate::value::Value;
use std::sync::Arc;

/// What is asked.
pub(super) fn question(human: &Human, path: &str, scope: &dyn Scope) -> Result<Question, Fault> {
    Ok(Question {
        path: path.to_owned(),
        ask: human.ask.render(scope)?,
        show: human.show.as_ref().map(|show| value(show, scope)).transpose()?.map(Arc::unwrap_or_clone),
        returns: human.returns.clone().unwrap_or(Type::Text(Default::default())),
        wait: human.wait,
    })
}

impl RunState<'_> {
    /// A person answered, or nobody did.
    pub(in crate::run) fn person_answered(&mut self, id: FrameId, answer: Option<&Arc<Value>>) {
        let Job::Human(human) = self.frames.work(id).job else { unreachable!("internal error: nobody was asked") };
        let result = match answer {
            None => Err(Fault::new(ErrorName::Timeout, "nobody answered in time")),
            Some(answer) => {
                let text = Type::Text(Default::default());
                let accepted = human.returns.as_ref().unwrap_or(&text).accept(answer).map(Arc::new);
                accepted.map_err(|issues| Fault::new(ErrorName::BadOutput, words(&issues)))
            }
        };
        self.work_ended(id, result);
    }
}
