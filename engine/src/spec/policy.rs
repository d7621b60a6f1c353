//! Settings that several nodes share: of model calls, of trying again, of what may be spent.

use super::written::{Amount, Quantity, Texts, Time, TimeRange};
use schemars::JsonSchema;

/// Settings of a model call.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Settings {
    /// Sampling temperature: 0 is the likeliest answer each time. Example: `temperature: 0.2`.
    pub temperature: Option<Quantity>,
    /// Nucleus sampling: only the likeliest words that together have this probability. Example: `top_p: 0.9`.
    pub top_p: Option<Quantity>,
    /// Most tokens of the answer; an answer cut off is the error `truncated`. Example: `max_tokens: 3k`.
    pub max_tokens: Option<Amount>,
    /// A text, or texts, that end the answer. Example: `stop: ["END"]`.
    pub stop: Option<Texts>,
    /// The provider's own seed, where it has one. Example: `seed: 7`.
    pub seed: Option<Amount>,
    /// Discourages words by how often they came already, as the provider defines it. Example: `frequency_penalty: 0.1`.
    pub frequency_penalty: Option<Quantity>,
    /// Discourages words that came already, as the provider defines it. Example: `presence_penalty: 0.1`.
    pub presence_penalty: Option<Quantity>,
}

/// How failures of transport are tried again. Example: `retry: { times: 4, backoff: 2s..60s }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Retry {
    /// How many tries after the first; 4 when absent. Example: `times: 2`.
    pub times: Option<u32>,
    /// Shortest and longest wait between tries; `2s..60s` when absent.
    pub backoff: Option<TimeRange>,
    /// Which errors are tried again; all four when absent. Example: `on: [rate_limit, network]`.
    pub on: Option<Vec<TransportError>>,
}

/// An error of transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum TransportError {
    /// The provider wants fewer requests.
    RateLimit,
    /// The provider can't serve now.
    Overloaded,
    /// No answer in time.
    Timeout,
    /// No connection, or it broke.
    Network,
}

/// What may be spent; reserved before each call, so never overshot. Example: `budget: { calls: 40, usd: 0.60, time: 10m }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Budget {
    /// Most calls: prompts, samples, re-asks and judges. Example: `calls: 40`.
    pub calls: Option<Amount>,
    /// Most tokens, sent and answered. Example: `tokens: 200k`.
    pub tokens: Option<Amount>,
    /// Most money, in US dollars; needs the price of every model used. Example: `usd: 0.60`.
    pub usd: Option<Quantity>,
    /// Longest time. Example: `time: 10m`.
    pub time: Option<Time>,
}

/// Whether answers and runs of before are taken again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Cache {
    /// Taken when nothing they depend on has changed.
    Auto,
    /// Never taken, never kept.
    Off,
    /// Made anew, and kept.
    Refresh,
}
