//! One node: exactly one verb, whose settings stand in its body, and modifiers beside it.

use super::compare::Comparison;
use super::policy::{Budget, Cache, Retry, Settings};
use super::written::{
    Amount, Bytes, Condition, Fuel, ListOrExpression, MapOrExpression, OnError, Share, TakeText, Time, TypeText, Value,
};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// One step of a flow: exactly one of `prompt`, `validate`, `execute`, `let`, `flow`, `human`, `embed`, `nodes`, and
/// modifiers beside it.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Node {
    /// What this node is for, in one line. Example: `about: What the problem asks, in bullets`.
    pub about: Option<String>,
    /// Asks a model. Example: `prompt: { user: "Name a {{ inputs.thing }}", returns: { name: string } }`.
    pub prompt: Option<Prompt>,
    /// Measures a value by rules and never fails; the result is `{ ok, problems, value }`. Example:
    /// `validate: { value: $draft, rules: [{ that: it | length < 1200 }] }`.
    pub validate: Option<Validate>,
    /// Runs a program in the sandbox. Example: `execute: { language: python, code: $write.code, tests: $inputs.tests }`.
    pub execute: Option<Execute>,
    /// Computes a value. Example: `let: $( a.n + 1 )`.
    #[schemars(rename = "let")]
    pub value: Option<Value>,
    /// Runs a sub-flow of this file, or an imported one; its inputs stand in `with`. Example: `flow: mend`.
    pub flow: Option<String>,
    /// Asks a person. Example: `human: { ask: "Publish {{ draft }}?", returns: { ok: boolean }, wait: 2h }`.
    pub human: Option<Human>,
    /// Turns texts into vectors. Example: `embed: { texts: $ideas }`.
    pub embed: Option<Embed>,
    /// Runs nodes of its own, with a scope of their own; read as `$block.node`. Example: `nodes: { a: { let: 1 } }`.
    pub nodes: Option<BTreeMap<String, Node>>,
    /// Skips the node when false: a bare expression. Example: `when: not trial.passed`.
    pub when: Option<Condition>,
    /// The value of the node when it is skipped; null when absent. Example: `else: []`.
    #[schemars(rename = "else")]
    pub otherwise: Option<Value>,
    /// Names for the texts of a prompt, or the inputs of a sub-flow. Example: `with: { idea: $best }`.
    pub with: Option<BTreeMap<String, Value>>,
    /// Runs the node for each item of a list, at once; the result is a list in the same order. Example:
    /// `each: { in: $ideas, as: idea }`.
    pub each: Option<Each>,
    /// Repeats the block in `nodes`, pass by pass, at most so often. Example:
    /// `loop: { max: 3, until: trial.passed }`.
    #[schemars(rename = "loop")]
    pub repeat: Option<Loop>,
    /// Rules the result must keep; a prompt is asked again with the reasons, as often as its `repair` says. Example:
    /// `check: [{ that: it.tests | length > 0, else: Give at least one test. }]`.
    pub check: Option<Vec<Rule>>,
    /// Nodes of this block that come first though nothing of them is read. Example: `after: [publish]`.
    pub after: Option<Vec<String>>,
    /// What becomes of an error: `fail` (the default), `skip`, or a value. Example: `on_error: { else: [] }`.
    pub on_error: Option<OnError>,
    /// What this node and all in it may spend. Example: `budget: { calls: 6 }`.
    pub budget: Option<Budget>,
    /// Whether answers and runs of before are taken again, here and in what is in it. Example: `cache: off`.
    pub cache: Option<Cache>,
}

/// A question to a model. Example: `prompt: { file: prompts/reflect.md, returns: { goals: [string] }, repair: 2 }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Prompt {
    /// The text that is asked, with `{{ holes }}`. Example: `user: "Solve {{ inputs.problem.description }}"`.
    pub user: Option<String>,
    /// The file the text stands in, beside or below the flow. Example: `file: prompts/solve.md`.
    pub file: Option<String>,
    /// The system text, with `{{ holes }}`. Example: `system: You are a careful programmer.`
    pub system: Option<String>,
    /// An alias of `models`, or `provider/model`. Example: `model: coder`.
    pub model: Option<String>,
    /// The type of the answer; text when absent. Example: `returns: { name: string, tests: [Test] }`.
    pub returns: Option<TypeText>,
    /// How a record or list is asked for; `auto` when absent. Example: `format: json`.
    pub format: Option<Format>,
    /// How often a broken answer is asked again, with the reasons; 0 when absent. Example: `repair: 2`.
    pub repair: Option<Amount>,
    /// How many answers are asked for; the result is then a list. Example: `samples: $params.votes`.
    pub samples: Option<Amount>,
    /// The conversation this prompt speaks in, across nodes and passes. Example: `thread: coder`.
    pub thread: Option<String>,
    /// How many exchanges of the conversation are sent; all when absent. Example: `keep: 6`.
    pub keep: Option<Amount>,
    /// How failures of transport are tried again. Example: `retry: { times: 2 }`.
    pub retry: Option<Retry>,
    /// Longest time of one try. Example: `timeout: 90s`.
    pub timeout: Option<Time>,
    /// Settings of the call.
    #[schemars(flatten)]
    pub settings: Settings,
}

/// How a record or list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Format {
    /// `yaml` when `code` stands among other fields, else `json`.
    Auto,
    /// The server's own JSON Schema where it has one, else the schema in the prompt.
    Json,
    /// The schema in the prompt, shown as YAML with block scalars: models write better code in it.
    Yaml,
}

/// A value and what should hold of it. Example: `validate: { value: $draft, rules: [{ that: it | length < 1200 }] }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Validate {
    /// The value that is measured; `it` in the rules. Example: `value: $draft`.
    pub value: Value,
    /// What should hold of it; all rules are tried, and all problems given.
    pub rules: Vec<Rule>,
}

/// One rule, of `that`, `schema`, `wasm` and `judge` exactly one. Example: `{ that: it.n > 0, else: It must be positive. }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Rule {
    /// A bare expression that reads `it`. Example: `that: it.tests | length > 0`.
    pub that: Option<Condition>,
    /// A type the value must have. Example: `schema: { name: string }`.
    pub schema: Option<TypeText>,
    /// A program that gets `{value}` as JSON on stdin; exit 0 holds, 1 does not. Example: `wasm: ./valid.wasm`.
    pub wasm: Option<String>,
    /// A model that answers `{ ok, why }`; asked only when the other rules hold. Example:
    /// `judge: { user: "Is {{ it }} polite?" }`.
    pub judge: Option<Judge>,
    /// What is said when the rule does not hold, with `{{ holes }}`. Example: `else: It is too long.`
    #[schemars(rename = "else")]
    pub message: Option<String>,
}

/// A question to a model that answers `{ ok: boolean, why: string }`. Example: `judge: { user: "Is {{ it }} polite?" }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Judge {
    /// The question, with `{{ holes }}`; reads `it`. Example: `user: "Is {{ it }} polite?"`.
    pub user: Option<String>,
    /// The file the question stands in. Example: `file: prompts/polite.md`.
    pub file: Option<String>,
    /// An alias of `models`, or `provider/model`. Example: `model: critic`.
    pub model: Option<String>,
}

/// A program and what it is run on: `tests` (judged, a `Trial`), `inputs` (a list of results) or `input` (one result).
/// Example: `execute: { language: python, code: $write.code, tests: $inputs.tests }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Execute {
    /// The program's language, or an expression of it: `python`, `c`, `cpp`, `javascript`, `rust` or `wasm`. Example:
    /// `language: $inputs.language`.
    pub language: Option<String>,
    /// The program. Example: `code: $write.code`.
    pub code: String,
    /// Tests with input and expected output; the result is a `Trial`. Example: `tests: $inputs.problem.public_tests`.
    pub tests: Option<ListOrExpression>,
    /// Inputs to see what comes out; the result is a list of `TestResult`. Example: `inputs: ["1", "2"]`.
    pub inputs: Option<ListOrExpression>,
    /// One input; the result is a `TestResult`. Example: `input: ""`.
    pub input: Option<String>,
    /// How outputs are compared; `tokens` when absent. Example: `compare: { float: 1e-6 }`.
    pub compare: Option<Comparison>,
    /// Limits of one test. Example: `limits: { time: 2s, memory: 1GiB }`.
    pub limits: Option<Limits>,
    /// Whether tests after the first failure are skipped; `never` when absent. Example: `stop: first_failure`.
    pub stop: Option<Stop>,
    /// Read-only files beside the program, by path. Example: `files: { data.csv: $inputs.table }`.
    pub files: Option<MapOrExpression>,
}

/// Limits of one test. Example: `limits: { time: 2s, memory: 1GiB, output: 16MiB }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Limits {
    /// Longest time, counted in fuel, 20 G a second, so the same on every machine; `2s` when absent.
    pub time: Option<Time>,
    /// The same limit in units of fuel. Example: `fuel: 40G`.
    pub fuel: Option<Fuel>,
    /// Most memory; `1GiB` when absent.
    pub memory: Option<Bytes>,
    /// Most output; `16MiB` when absent.
    pub output: Option<Bytes>,
}

/// When the tests of a program stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Stop {
    /// All tests are run.
    Never,
    /// The tests after the first failure are `skipped`.
    FirstFailure,
}

/// A question to a person. Example: `human: { ask: "Publish {{ draft }}?", returns: { ok: boolean }, wait: 2h }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Human {
    /// The question, with `{{ holes }}`. Example: `ask: "A plan for {{ inputs.problem.name }}?"`.
    pub ask: String,
    /// A value shown with the question. Example: `show: $draft`.
    pub show: Option<Value>,
    /// The type of the answer; text when absent. Example: `returns: { approve: boolean }`.
    pub returns: Option<TypeText>,
    /// How long to wait; then the error is `timeout`. For ever when absent. Example: `wait: 3d`.
    pub wait: Option<Time>,
}

/// Texts to turn into vectors. Example: `embed: { texts: $ideas }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Embed {
    /// The texts. Example: `texts: $( ideas | map(attribute="name") | list )`.
    pub texts: ListOrExpression,
    /// An alias of `models`, or `provider/model`. Example: `model: openai/text-embedding-3-small`.
    pub model: Option<String>,
    /// How failures of transport are tried again. Example: `retry: { times: 2 }`.
    pub retry: Option<Retry>,
    /// Longest time of one try. Example: `timeout: 30s`.
    pub timeout: Option<Time>,
}

/// A parallel map over a list. Example: `each: { in: $ideas, as: idea, at_once: 4 }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Each {
    /// The list. Example: `in: $inputs.questions`.
    #[schemars(rename = "in")]
    pub list: ListOrExpression,
    /// The name of the item inside; `item` when absent. Example: `as: question`.
    #[schemars(rename = "as")]
    pub name: Option<String>,
    /// Most items at work at once. Example: `at_once: 16`.
    pub at_once: Option<Amount>,
    /// How many items may fail, as a number or a share of the list; a failed item is then null. Example:
    /// `allow_failed: 5%`.
    pub allow_failed: Option<Share>,
}

/// A bounded repetition of a block, of `max` and `over` exactly one. Example:
/// `loop: { max: 4, state: { code: $draft }, next: { code: $fix.code }, until: trial.passed }`.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Loop {
    /// Most passes. Example: `max: $( params.tries + 1 )`.
    pub max: Option<Amount>,
    /// A list that is folded: one pass an item. Example: `over: $inputs.tests`.
    pub over: Option<ListOrExpression>,
    /// The name of the item of `over`; `item` when absent. Example: `as: test`.
    #[schemars(rename = "as")]
    pub name: Option<String>,
    /// Names carried from pass to pass, with their first values; read as `$state.code`. Example: `state: { code: $draft }`.
    pub state: Option<BTreeMap<String, Value>>,
    /// Discards the pass when false: a bare expression. Example: `accept: guard.passed`.
    pub accept: Option<Condition>,
    /// The state after the pass; a name left out, or null, keeps its value. Example: `next: { code: $fix.code }`.
    pub next: Option<MapOrExpression>,
    /// Ends the loop when true: a bare expression, which sees the new state. Example: `until: trial.passed`.
    pub until: Option<Condition>,
    /// Which pass is the result: `last` (the default), `all`, `min(expression)` or `max(expression)`. Example:
    /// `take: max(trial.score)`.
    pub take: Option<TakeText>,
    /// What becomes of a loop whose `until` never held; `keep` when absent with `take` or `over`, else `fail`.
    pub on_exhausted: Option<OnExhausted>,
}

/// What becomes of a loop whose `until` never held, or whose budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum OnExhausted {
    /// The best so far is its result.
    Keep,
    /// It is the error `exhausted` or `budget`.
    Fail,
}
