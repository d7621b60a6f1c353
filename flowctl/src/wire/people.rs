//! How people are asked: at the terminal when one is attached, else by `flowctl answer`, from wherever.

use crate::render;
use flow_engine::journal::Store;
use flow_engine::run::Recorded;
use flow_engine::run::ports::{People, Question};
use flow_engine::spec::types::Type;
use flow_engine::value::Value;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::io::{BufRead, IsTerminal};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How often what was said to a run is looked at.
pub(crate) const LISTEN: Duration = Duration::from_millis(300);

/// Answers from the store of runs, and from the terminal.
pub(crate) struct Desk {
    store: Store,
    run: String,
    /// What was answered to the same questions before.
    answered: Recorded,
    /// One question at a time is asked at the terminal; none when there is no terminal.
    terminal: Option<Arc<Mutex<()>>>,
}

impl Desk {
    /// The desk of a run.
    pub(crate) fn new(store: Store, run: String, answered: Recorded) -> Self {
        Self { store, run, answered, terminal: attached().then(Arc::default) }
    }
}

/// Whether somebody sits at the terminal.
pub(crate) fn attached() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

impl People for Desk {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Option<Value>, String>> {
        async move {
            if let Some(answer) = self.answered.answer(question) {
                return Ok(Some(answer));
            }
            let written = async {
                loop {
                    match self.store.heard(&self.run, &question.path) {
                        Ok(Some(value)) => return Ok(Some(value)),
                        Ok(None) => tokio::time::sleep(LISTEN).await,
                        Err(error) => return Err(error.to_string()),
                    }
                }
            };
            let Some(terminal) = &self.terminal else { return written.await };
            let typed = async {
                let _turn = terminal.lock().await;
                let question = question.clone();
                let typed = tokio::task::spawn_blocking(move || prompt(&question)).await;
                match typed.map_err(|error| error.to_string())? {
                    Some(value) => Ok(Some(value)),
                    // Nobody is there any more: the answer comes some other way.
                    None => std::future::pending().await,
                }
            };
            tokio::select! { answer = written => answer, answer = typed => answer }
        }
        .boxed()
    }
}

/// Asks at the terminal until an answer has its type; `None` at the end of input.
fn prompt(question: &Question) -> Option<Value> {
    render::note(format_args!("\n{}", render::question(question)));
    let several = matches!(question.returns, Type::List(..) | Type::Record(_) | Type::Schema(_));
    if several {
        render::note("answer in YAML, then an empty line:");
    }
    let mut text = String::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.ok()?;
        if several && !line.trim().is_empty() {
            text.push_str(&line);
            text.push('\n');
            continue;
        }
        if !several {
            text = line;
        }
        match read(question, &text) {
            Ok(value) => return Some(value),
            Err(why) => render::note(format_args!("{why}; again:")),
        }
        text.clear();
    }
    None
}

/// Reads an answer by its type.
pub(crate) fn read(question: &Question, text: &str) -> Result<Value, String> {
    let read = question.returns.accept_text(text);
    read.map_err(|issues| issues.iter().map(|issue| issue.message.clone()).collect::<Vec<_>>().join("; "))
}
