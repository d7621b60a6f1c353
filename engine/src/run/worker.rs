//! A worker makes one attempt of one command, and says what came of it. It sees no state and no journal.

use super::error::ErrorName;
use super::ports::{CallError, Ports, Response};
use super::work::{Command, settled_cost};
use crate::journal::Event;
use crate::value::Value;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Makes one attempt. `path` is what the command is known by.
pub(super) async fn attempt(ports: Ports, path: String, command: Command) -> Event {
    match command {
        Command::Call { site, request, price } => {
            let timeout = request.timeout.filter(|_| !ports.model.keeps_time());
            match within(timeout, ports.model.ask(&site, &request, &|_| ())).await {
                Ok(response) => settled(path, &request, response, price),
                Err(CallError { name, message, retry_after }) => {
                    Event::CallFailed { path, name, message, retry_after_ms: retry_after.map(super::ready::millis) }
                }
            }
        }
        Command::Execute(job) => match ports.executor.execute(&job).await {
            Ok(value) => done(path, value),
            Err(message) => failed(path, ErrorName::Sandbox, message, None),
        },
        Command::Rule { module, value } => match ports.executor.rule(&module, &value).await {
            Ok(Ok(())) => done(path, Value::Null),
            Ok(Err(reason)) => done(path, Value::String(reason)),
            Err(message) => failed(path, ErrorName::Sandbox, message, None),
        },
        Command::Embed { model, texts, timeout } => match within(timeout, ports.embedder.embed(&model, &texts)).await {
            Ok(vectors) if vectors.len() == texts.len() => done(path, vectors.into()),
            Ok(vectors) => {
                let message = format!("{} vectors came for {} texts", vectors.len(), texts.len());
                failed(path, ErrorName::BadOutput, message, None)
            }
            Err(CallError { name, message, retry_after }) => failed(path, name, message, retry_after),
        },
        Command::Ask(question) => {
            let asked = ports.people.ask(&question);
            let answer = match question.wait {
                Some(wait) => tokio::time::timeout(wait, asked).await.unwrap_or(Ok(None)),
                None => asked.await,
            };
            match answer {
                Ok(answer) => Event::Answered { path, answer: answer.map(Arc::new) },
                Err(message) => failed(path, ErrorName::Timeout, message, None),
            }
        }
    }
}

/// Holds an attempt to its time.
async fn within<T>(
    timeout: Option<Duration>,
    attempt: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let Some(timeout) = timeout else { return attempt.await };
    tokio::time::timeout(timeout, attempt).await.unwrap_or_else(|_| {
        let message = format!("no answer in {} s", timeout.as_secs_f64());
        Err(CallError { name: ErrorName::Timeout, message, retry_after: None })
    })
}

fn settled(
    path: String,
    request: &super::ports::Request,
    response: Response,
    price: Option<crate::check::flow::Price>,
) -> Event {
    let cost = settled_cost(request, &response, price);
    Event::CallSettled { path, response: Arc::new(response), cost, priced: price.is_some() }
}

fn done(path: String, value: Value) -> Event {
    Event::WorkDone { path, value: Arc::new(value) }
}

fn failed(path: String, name: ErrorName, message: String, retry_after: Option<Duration>) -> Event {
    Event::WorkFailed { path, name, message, retry_after_ms: retry_after.map(super::ready::millis) }
}
