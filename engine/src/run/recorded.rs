//! What people and embedders said in a run, for a run that is to be the same: offline, from its journal.

use super::error::ErrorName;
use super::models::Prices;
use super::ports::{CallError, Embedder, People, Question};
use super::state::{Diverged, RunState};
use super::work::Command;
use crate::check::flow::CheckedFlow;
use crate::journal::{Event, Found, Record};
use crate::value::Value;
use futures::future::{BoxFuture, FutureExt, pending, ready};
use std::collections::HashMap;
use std::sync::Arc;

/// What people answered, by path, and what texts were embedded to, by model and texts.
#[derive(Debug, Default)]
pub struct Recorded {
    answers: HashMap<String, (Arc<Question>, Result<Option<Value>, String>)>,
    vectors: HashMap<(String, Vec<String>), Result<Vec<Vec<f64>>, CallError>>,
}

impl Recorded {
    /// What was said in a run.
    ///
    /// # Errors
    /// The records are not of that flow.
    pub fn of(flow: &CheckedFlow, records: &[Record]) -> Result<Self, Diverged> {
        let prices = Prices::default();
        let mut state = RunState::new(flow, &prices);
        let mut recorded = Self::default();
        for record in records {
            match &record.event {
                Event::Answered { path, answer } => {
                    if let Some(Command::Ask(question)) = state.command(path) {
                        recorded.answers.insert(path.clone(), (question, Ok(answer.as_deref().cloned())));
                    }
                }
                Event::CacheHit { found: Found::Work(value), .. } => recorded.done(state.next_command(), value),
                Event::WorkDone { path, value } => recorded.done(state.command(path), value),
                Event::WorkFailed { path, name, message, .. } => {
                    recorded.failed(path, state.command(path), *name, message);
                }
                _ => {}
            }
            state.apply(&record.event)?;
        }
        Ok(recorded)
    }

    /// What a person answered to just this question.
    pub fn answer(&self, question: &Question) -> Option<Value> {
        match self.answers.get(&question.path) {
            Some((asked, Ok(Some(answer)))) if **asked == *question => Some(answer.clone()),
            _ => None,
        }
    }

    fn done(&mut self, command: Option<Command>, value: &Value) {
        if let Some(Command::Embed { model, texts, .. }) = command
            && let Ok(vectors) = serde_json::from_value(value.clone())
        {
            self.vectors.insert((model, Arc::unwrap_or_clone(texts)), Ok(vectors));
        }
    }

    fn failed(&mut self, path: &str, command: Option<Command>, name: ErrorName, message: &str) {
        match command {
            Some(Command::Embed { model, texts, .. }) => {
                let error = CallError { name, message: message.to_owned(), retry_after: None };
                self.vectors.insert((model, Arc::unwrap_or_clone(texts)), Err(error));
            }
            Some(Command::Ask(question)) => {
                self.answers.insert(path.to_owned(), (question, Err(message.to_owned())));
            }
            Some(Command::Call { .. } | Command::Execute(_) | Command::Rule { .. }) | None => {}
        }
    }
}

impl People for Recorded {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Option<Value>, String>> {
        match self.answers.get(&question.path) {
            Some((_, answer)) => ready(answer.clone()).boxed(),
            // Nobody has answered yet.
            None => pending().boxed(),
        }
    }
}

impl Embedder for Recorded {
    fn embed<'a>(&'a self, model: &'a str, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f64>>, CallError>> {
        let known = self.vectors.get(&(model.to_owned(), texts.to_vec()));
        let unknown = || CallError {
            name: ErrorName::Cancelled,
            message: "these texts were not embedded in the run".to_owned(),
            retry_after: None,
        };
        ready(known.cloned().unwrap_or_else(|| Err(unknown()))).boxed()
    }
}
