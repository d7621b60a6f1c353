//! What a run needs of the world. Ports return boxed futures so that they work behind `dyn`.

use super::error::ErrorName;
use crate::check::flow::Limits;
use crate::spec::compare::Compare;
use crate::spec::types::Type;
use crate::value::Value;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Everything a run needs of the world.
#[derive(Clone)]
pub struct Ports {
    /// Answers prompts.
    pub model: Arc<dyn Model>,
    /// Runs programs.
    pub executor: Arc<dyn Executor>,
    /// Answers questions to people.
    pub people: Arc<dyn People>,
    /// Turns texts into vectors.
    pub embedder: Arc<dyn Embedder>,
}

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The frame.
    System,
    /// Us.
    User,
    /// The model.
    Assistant,
}

/// One text of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub text: String,
}

/// A call: one answer asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `provider/model`.
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// The JSON Schema the answer is held to where the server can; the messages do not show it. Where the provider does
    /// not tell the model of it, the adapter shows it in the last message.
    pub schema: Option<Value>,
    /// Settings.
    pub settings: CallSettings,
    /// Longest time of the attempt; the adapter's own default when absent.
    pub timeout: Option<Duration>,
}

/// Settings of a call; what is absent is the provider's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CallSettings {
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Most tokens of the answer.
    pub max_tokens: Option<u64>,
    /// Texts that end the answer.
    #[serde(default)]
    pub stop: Vec<String>,
    /// The provider's own seed.
    pub seed: Option<u64>,
    /// As the provider defines it.
    pub frequency_penalty: Option<f64>,
    /// As the provider defines it.
    pub presence_penalty: Option<f64>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The whole text as it came.
    pub text: String,
    /// True when it was cut off by a limit of length.
    pub truncated: bool,
    /// Tokens, as the provider counted them.
    pub usage: Option<Usage>,
    /// Whether the server enforced the schema of the request.
    #[serde(default)]
    pub schema_enforced: bool,
    /// The model that answered, when the provider names it.
    pub model: Option<String>,
}

/// Tokens of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Sent.
    pub prompt_tokens: u64,
    /// Answered.
    pub completion_tokens: u64,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct CallError {
    /// One of the transport errors, `rejected`, `refused` or `cancelled`.
    pub name: ErrorName,
    /// What happened; no secrets.
    pub message: String,
    /// The provider asks to wait at least so long.
    pub retry_after: Option<Duration>,
}

/// Where a call stands: what a recording is keyed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSite {
    /// The call's path with its marks: `hidden[4]/mend/work#2/fix~1`.
    pub path: String,
    /// Attempt on the wire, from 1.
    pub attempt: u32,
}

/// Answers prompts. One call of `ask` is one attempt; dropping the future cancels it.
pub trait Model: Send + Sync {
    /// Whether a model can be asked at all, as far as that can be told without asking: looked at before a run begins.
    ///
    /// # Errors
    /// `rejected`: nobody knows the provider, or its key is missing.
    fn ready(&self, model: &str) -> Result<(), CallError> {
        let _ = model;
        Ok(())
    }

    /// Whether it holds each attempt to the request's `timeout` itself, as one does that may let an attempt wait before it
    /// begins; else the run does.
    fn keeps_time(&self) -> bool {
        false
    }

    /// One attempt at one answer. `on_text` is given the pieces of a streamed answer, for display only.
    fn ask<'a>(
        &'a self,
        site: &'a CallSite,
        request: &'a Request,
        on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>>;
}

/// A program and what to run it on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExecuteJob {
    /// `python c cpp javascript rust wasm`.
    pub language: String,
    /// The program.
    pub code: String,
    /// What it is run on.
    pub on: JobInput,
    /// How outputs are compared.
    pub compare: Compare,
    /// Limits of one test.
    pub limits: Limits,
    /// True: tests after the first failure are skipped.
    pub stop_first_failure: bool,
    /// Read-only files beside the program.
    pub files: Vec<(String, String)>,
}

/// What a program is run on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum JobInput {
    /// Judged on `Test` values; the result is a `Trial`.
    Tests(Vec<Value>),
    /// Run on each text; the result is `[TestResult]`.
    Inputs(Vec<String>),
    /// Run on one text; the result is a `TestResult`.
    Input(String),
}

/// Runs programs. Dropping the future cancels the work.
pub trait Executor: Send + Sync {
    /// Runs a program; the value is a `Trial`, `[TestResult]` or `TestResult` as the language defines them.
    ///
    /// # Errors
    /// The error `sandbox`, with its message: no toolchain, a host too slow, a checker that breaks its contract.
    fn execute<'a>(&'a self, job: &'a ExecuteJob) -> BoxFuture<'a, Result<Value, String>>;

    /// Runs a wasm rule on a value: `Ok(Ok(()))` holds, `Ok(Err(reason))` does not.
    ///
    /// # Errors
    /// The error `sandbox`, with its message.
    fn rule<'a>(&'a self, module: &'a [u8], value: &'a Value) -> BoxFuture<'a, Result<Result<(), String>, String>>;
}

/// A question to a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The node's path.
    pub path: String,
    /// The question.
    pub ask: String,
    /// What is shown with it.
    pub show: Option<Value>,
    /// The type of the answer.
    pub returns: Type,
    /// How long to wait.
    pub wait: Option<Duration>,
}

/// Answers questions to people.
pub trait People: Send + Sync {
    /// The answer; `None` when nobody answered in time.
    ///
    /// # Errors
    /// Why nobody can be asked.
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Option<Value>, String>>;
}

/// Turns texts into vectors.
pub trait Embedder: Send + Sync {
    /// One vector a text.
    fn embed<'a>(&'a self, model: &'a str, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f64>>, CallError>>;
}
