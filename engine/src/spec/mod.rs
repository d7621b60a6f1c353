//! The file format, as types: from them come the schema that editors use, its texts, and with it the check of a document's
//! structure. Data only; what a value inside means is the checker's.

pub mod compare;
pub mod config;
mod groups;
mod node;
mod policy;
mod schema;
mod structure;
pub mod types;
pub mod units;
mod written;

pub use config::config_schema;
pub use node::{
    Each, Embed, Execute, Format, Human, Judge, Limits, Loop, Node, OnExhausted, Prompt, Rule, Stop, Validate,
};
pub use policy::{Budget, Cache, Retry, Settings, TransportError};
pub use schema::flow_schema;
pub use structure::check;
pub use written::{
    Amount, Bytes, Condition, Count, Fuel, ListOrExpression, MapOrExpression, ModelName, OnError, Quantity, Share,
    TakeText, Texts, Time, TimeRange, TypeText, Value,
};

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What programs may be written in.
pub const LANGUAGES: [&str; 6] = ["python", "c", "cpp", "javascript", "rust", "wasm"];

/// A flow: a graph of prompts, programs and computed values, with its inputs, knobs and limits.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Flow {
    /// The flow's name; the first key of the file. Example: `flow: mend`.
    pub flow: String,
    /// What the flow is for, in one line. Example: `about: Finds and mends the first failing test.`
    pub about: Option<String>,
    /// Data that each run is given: a name and its type. Example: `inputs: { problem: Problem, language: python | cpp = python }`.
    pub inputs: Option<BTreeMap<String, TypeText>>,
    /// Knobs that are known before the run, each with a default. Example: `params: { ideas: integer 1..5 = 3 }`.
    pub params: Option<BTreeMap<String, TypeText>>,
    /// Named sets of params; what is set by hand wins. Example: `presets: { thorough: { ideas: 5 } }`.
    pub presets: Option<BTreeMap<String, BTreeMap<String, Value>>>,
    /// Named types, which begin with a capital. Example: `types: { Idea: { name: string, why: string | null } }`.
    pub types: Option<BTreeMap<String, TypeText>>,
    /// Names for models, with their settings. Example: `models: { coder: { use: [openai/gpt-4o], temperature: 0.2 } }`.
    pub models: Option<BTreeMap<String, Model>>,
    /// What a run may spend. Example: `budget: { calls: 40, usd: 0.60, time: 10m }`.
    pub budget: Option<Budget>,
    /// Settings of a verb's body, merged key by key; a node's own win. Example: `defaults: { prompt: { model: coder } }`.
    pub defaults: Option<Defaults>,
    /// The steps of the flow. Example: `nodes: { greet: { prompt: { user: "Greet {{ inputs.name }}" } } }`.
    pub nodes: Option<BTreeMap<String, Node>>,
    /// What the flow hands out. Example: `outputs: { code: $final.code }`.
    pub outputs: Option<BTreeMap<String, Value>>,
    /// Whether the outputs are good: a bare expression; false makes the outcome `not_accepted`. Example: `accept: final.passed`.
    pub accept: Option<Condition>,
    /// Sub-flows of this file, called by `flow: name`. Example: `flows: { mend: { inputs: { code: string }, nodes: {} } }`.
    pub flows: Option<BTreeMap<String, SubFlow>>,
    /// Other flow files, by the name they are called with. Example: `import: { lib: ./lib.yaml }`.
    pub import: Option<BTreeMap<String, String>>,
    /// Recorded runs that the flow is tested with. Example: `tests: { first: { replay: runs/first.json } }`.
    pub tests: Option<BTreeMap<String, RecordedRun>>,
}

/// A flow of this file that others call; it sees its inputs, its nodes, and the params, types, models and defaults of the
/// file.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SubFlow {
    /// What the sub-flow is for, in one line.
    pub about: Option<String>,
    /// What it is given in `with`. Example: `inputs: { code: string }`.
    pub inputs: Option<BTreeMap<String, TypeText>>,
    /// What one call of it may spend. Example: `budget: { calls: 4 }`.
    pub budget: Option<Budget>,
    /// Its steps.
    pub nodes: Option<BTreeMap<String, Node>>,
    /// What it hands out. Example: `outputs: { code: $fix.code }`.
    pub outputs: Option<BTreeMap<String, Value>>,
}

/// A name for models that are tried in turn, and the settings of all of them. Example:
/// `coder: { use: [openai/gpt-4o, deepseek/deepseek-chat], temperature: 0.2 }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Model {
    /// The models; the next is asked when one has failed. Example: `use: [openai/gpt-4o, deepseek/deepseek-chat]`.
    #[schemars(rename = "use", length(min = 1))]
    pub uses: Vec<ModelName>,
    /// What the model costs, where the shipped table does not know it. Example: `price: { in: 2.5, out: 10 }`.
    pub price: Option<Price>,
    /// Settings of its calls; a prompt's own win.
    #[schemars(flatten)]
    pub settings: Settings,
}

/// US dollars per million tokens. Example: `price: { in: 2.5, out: 10 }`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// For tokens sent.
    #[serde(rename = "in")]
    pub input: f64,
    /// For tokens answered.
    #[serde(rename = "out")]
    pub output: f64,
}

/// Settings of verbs' bodies for all nodes of the file; a node's own win, key by key. Example:
/// `defaults: { prompt: { model: coder, repair: 2 } }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Defaults {
    /// Settings of every `prompt`. Example: `prompt: { model: coder, repair: 2, timeout: 90s }`.
    pub prompt: Option<Prompt>,
    /// Settings of every `execute`. Example: `execute: { language: python }`.
    pub execute: Option<Execute>,
    /// Settings of every `human`. Example: `human: { wait: 2h }`.
    pub human: Option<Human>,
    /// Settings of every `embed`. Example: `embed: { model: openai/text-embedding-3-small }`.
    pub embed: Option<Embed>,
}

/// One recorded run and what must come of it. Example: `{ inputs: { n: 3 }, replay: runs/three.json, expect: { outcome: accepted } }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RecordedRun {
    /// What the run proves, in one line.
    pub about: Option<String>,
    /// What the run is given.
    pub inputs: Option<BTreeMap<String, Value>>,
    /// Params that are set by hand.
    pub params: Option<BTreeMap<String, Value>>,
    /// The set of params it begins with. Example: `preset: thorough`.
    pub preset: Option<String>,
    /// Where its chance comes from; 0 when absent.
    pub seed: Option<u64>,
    /// The file with the recorded answers. Example: `replay: runs/first.json`.
    pub replay: Option<String>,
    /// What must come of it; a key left out is not looked at.
    pub expect: Option<Expected>,
}

/// What must come of a recorded run. Example: `expect: { outcome: accepted, calls: 5 }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Expected {
    /// How it ends.
    pub outcome: Option<Outcome>,
    /// How many calls it makes. Example: `calls: 5`.
    pub calls: Option<u64>,
    /// Its outputs; only the names given are looked at.
    pub outputs: Option<BTreeMap<String, Value>>,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Outcome {
    /// The flow's `accept` holds, or there is none.
    Accepted,
    /// The flow's `accept` does not hold.
    NotAccepted,
    /// An error that nothing caught.
    Failed,
    /// A budget was spent.
    Budget,
    /// It was cancelled.
    Cancelled,
}
