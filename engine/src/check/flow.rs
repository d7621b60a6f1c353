//! A flow that has been checked: names resolved, templates compiled, loops bounded, places kept. Only `check` makes one.

use crate::diag::Span;
use crate::source::{Bundle, Sources};
use crate::spec::compare::Modules;
use crate::spec::types::{Field, Named, Type};
use crate::template::{Expr, Text};
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A flow file and all it imports, ready to plan and run.
#[derive(Debug, Clone)]
pub struct CheckedFlow {
    /// All flows: the files' own and their sub-flows. [`Self::root`] is the one that is run.
    pub flows: Vec<FlowDef>,
    /// Which flow is run.
    pub root: FlowId,
    /// The files: the first is the one that was opened.
    pub files: Vec<FileDef>,
    /// The texts it was read from.
    pub sources: Arc<Sources>,
    /// Wasm modules of comparisons, by the path that stands in their values.
    pub modules: Modules,
    /// All that it was read from, as it was.
    pub bundle: Arc<Bundle>,
    /// Hash of all that it was read from.
    pub hash: String,
}

/// Index into [`CheckedFlow::flows`].
pub type FlowId = usize;
/// Index into [`CheckedFlow::files`].
pub type FileId = usize;

/// What a file gives to all its flows.
#[derive(Debug, Clone)]
pub struct FileDef {
    /// Knobs; each has a default.
    pub params: Vec<Field>,
    /// Named sets of params.
    pub presets: BTreeMap<String, BTreeMap<String, Value>>,
    /// Model aliases.
    pub models: BTreeMap<String, ModelDef>,
    /// Named types.
    pub types: Named,
    /// Keys that are checked and have no effect yet (`tests`), as routes; `plan` says so.
    pub without_effect: Vec<String>,
}

/// A model alias: models tried in turn, and the settings of all of them.
#[derive(Debug, Clone, Default)]
pub struct ModelDef {
    /// `provider/model`, the first is tried first; never empty.
    pub uses: Vec<String>,
    /// Settings of calls; a prompt's own win.
    pub settings: Settings,
    /// USD per million tokens.
    pub price: Option<Price>,
}

/// USD per million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// For tokens sent.
    pub input: f64,
    /// For tokens answered.
    pub output: f64,
}

/// Settings of a model call, values as written (they may be expressions).
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Sampling temperature.
    pub temperature: Option<Val>,
    /// Nucleus sampling.
    pub top_p: Option<Val>,
    /// Most tokens of the answer.
    pub max_tokens: Option<Val>,
    /// Texts that end the answer.
    pub stop: Option<Val>,
    /// The provider's own seed.
    pub seed: Option<Val>,
    /// As the provider defines it.
    pub frequency_penalty: Option<Val>,
    /// As the provider defines it.
    pub presence_penalty: Option<Val>,
}

/// One flow: a file's own or a sub-flow.
#[derive(Debug, Clone)]
pub struct FlowDef {
    /// Its name: the file's for its own flow, `lib.mend` for an imported sub-flow.
    pub name: String,
    /// What it is for.
    pub about: Option<String>,
    /// Whose params, types and models it reads.
    pub file: FileId,
    /// Data it is given.
    pub inputs: Vec<Field>,
    /// What a run of it may spend.
    pub budget: Option<BudgetDef>,
    /// Its nodes.
    pub body: Block,
    /// What it hands out, in order.
    pub outputs: Vec<(String, Val)>,
    /// The type of the record of outputs.
    pub outputs_type: Type,
    /// Whether the outputs are good; counts only in the flow that is run.
    pub accept: Option<Expr>,
}

/// Nodes with a scope of their own.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// In file order.
    pub nodes: Vec<Node>,
}

/// One node: a verb and its modifiers. Outside in: `when`, `budget`, `on_error` once; then `repeat`; then, for each
/// item or pass, `with`, the verb, `check` (beside a loop, `check` looks at its result, once).
#[derive(Debug, Clone)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Its key route, for messages: `nodes.a`, `flows.sub.nodes.x`.
    pub at: String,
    /// The place of its key.
    pub span: Span,
    /// What it is for.
    pub about: Option<String>,
    /// Nodes of the same block that must be done (or skipped) first, as indexes, each with what made the edge.
    pub deps: Vec<Dep>,
    /// Skipped when false.
    pub when: Option<Expr>,
    /// Its value when skipped or, with `on_error: skip`, failed; null when absent.
    pub otherwise: Option<Val>,
    /// What it may spend.
    pub budget: Option<BudgetDef>,
    /// What becomes of an error.
    pub on_error: OnError,
    /// Whether answers of before are taken again, here and in what is in it; as around it when absent.
    pub cache: Option<Cache>,
    /// Once, for each item, or pass by pass.
    pub repeat: Repeat,
    /// Names for a prompt's texts (a call's inputs and params stand in its verb).
    pub with: Vec<(String, Val)>,
    /// What it does.
    pub verb: Verb,
    /// What must hold of its result.
    pub check: Vec<Rule>,
    /// What readers of it see.
    pub ty: Type,
    /// The type of one result of the verb, before `samples`, `each`, `when`: what `it` is in a check.
    pub item_ty: Type,
}

/// Why a node waits for another of its block.
#[derive(Debug, Clone)]
pub struct Dep {
    /// Index of the node that is waited for.
    pub node: usize,
    /// The place of the reference, or of the entry of `after`.
    pub span: Span,
    /// The key of the reference: `nodes.b.prompt.user`.
    pub at: String,
}

/// Whether answers of before are taken again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cache {
    /// Taken, and kept.
    #[default]
    Auto,
    /// Never taken, never kept.
    Off,
    /// Made anew, and kept.
    Refresh,
}

/// What becomes of an error of a node.
#[derive(Debug, Clone)]
pub enum OnError {
    /// The block around it fails.
    Fail,
    /// It counts as skipped.
    Skip,
    /// This is its value; may read `error`.
    Else(Val),
}

/// How often a node's verb runs.
#[derive(Debug, Clone)]
pub enum Repeat {
    /// Once.
    Once,
    /// For each item of a list, at once.
    Each(Each),
    /// Pass by pass; the verb is [`Verb::Block`].
    Loop(Box<Loop>),
}

/// A parallel map.
#[derive(Debug, Clone)]
pub struct Each {
    /// The list.
    pub list: Val,
    /// The name of the item inside.
    pub name: String,
    /// Most items at work at once.
    pub at_once: Option<Val>,
    /// How many items may fail.
    pub allow_failed: AllowFailed,
}

/// How many items of an `each` may fail.
#[derive(Debug, Clone)]
pub enum AllowFailed {
    /// A number; 0 when absent.
    Count(Val),
    /// Percent of the list, rounded down.
    Percent(f64),
}

/// A sequential loop.
#[derive(Debug, Clone)]
pub struct Loop {
    /// Passes or items.
    pub over: Over,
    /// Names carried from pass to pass, read outside the loop.
    pub state: Vec<(String, Val)>,
    /// False: the pass is discarded.
    pub accept: Option<Expr>,
    /// The state after the pass.
    pub next: Next,
    /// True: the loop ends. Sees the new state.
    pub until: Option<Expr>,
    /// Which pass is the result.
    pub take: Take,
    /// Whether the exits `exhausted` and `budget` keep the best so far (true) or fail (false).
    pub keep_exhausted: bool,
}

/// What a loop counts.
#[derive(Debug, Clone)]
pub enum Over {
    /// At most so many passes; paths count from 1: `loop#1`.
    Max(Val),
    /// One pass an item; paths count from 0: `fold[0]`.
    List {
        /// The list.
        list: Val,
        /// The name of the item inside.
        name: String,
    },
}

/// The state after a pass.
#[derive(Debug, Clone)]
pub enum Next {
    /// Each name its value; a name left out, or null, keeps its value.
    Fields(Vec<(String, Val)>),
    /// A record whose fields are taken so.
    Record(Val),
}

/// Which pass is the result.
#[derive(Debug, Clone)]
pub enum Take {
    /// The last accepted one.
    Last,
    /// All accepted ones, each body node a list.
    All,
    /// The one whose value is least.
    Min(Expr),
    /// The one whose value is greatest.
    Max(Expr),
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum Verb {
    /// Asks a model.
    Prompt(Box<Prompt>),
    /// Measures a value.
    Validate {
        /// The value.
        value: Val,
        /// What should hold of it.
        rules: Vec<Rule>,
    },
    /// Runs a program.
    Execute(Box<Execute>),
    /// Computes a value.
    Let(Val),
    /// Runs a sub-flow.
    Call {
        /// Which.
        flow: FlowId,
        /// Its inputs by name.
        inputs: Vec<(String, Val)>,
        /// Params of an imported file by name.
        params: Vec<(String, Val)>,
    },
    /// Asks a person.
    Human(Box<Human>),
    /// Turns texts into vectors.
    Embed(Box<Embed>),
    /// Runs nodes of its own.
    Block(Block),
}

/// A prompt.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// The system text.
    pub system: Option<Text>,
    /// The user's text, inline or from a file.
    pub user: Text,
    /// The models tried in turn; empty means the one given by `-m` (an error before the run when none is).
    pub models: Vec<ModelUse>,
    /// The type of the answer; text when absent.
    pub returns: Option<Type>,
    /// Compiled expressions of lengths in `returns`, by source.
    pub lengths: BTreeMap<String, Expr>,
    /// How a record or list is asked for.
    pub format: Format,
    /// Most re-asks of a broken answer.
    pub repair: Option<Val>,
    /// How many answers; the result is then a list.
    pub samples: Option<Val>,
    /// The conversation it speaks in.
    pub thread: Option<String>,
    /// How many exchanges of the conversation are sent.
    pub keep: Option<Val>,
    /// Settings of its calls, the prompt's own over those of `defaults`; the model alias's come last.
    pub settings: Settings,
    /// How failures of transport are tried again.
    pub retry: Retry,
    /// Longest time of one attempt.
    pub timeout: Option<Duration>,
}

/// One model of a `use` list.
#[derive(Debug, Clone)]
pub struct ModelUse {
    /// The alias it was found by, if any: `-m ALIAS=provider/model` replaces it.
    pub alias: Option<String>,
    /// `provider/model`.
    pub name: String,
    /// The alias's settings.
    pub settings: Settings,
    /// The alias's price.
    pub price: Option<Price>,
}

/// How a record or list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `yaml` when `code` stands among other fields, else `json`.
    Auto,
    /// The server's own JSON Schema where it has one, else the schema in the prompt.
    Json,
    /// The schema in the prompt, shown as YAML with block scalars.
    Yaml,
}

/// How failures of transport are tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Tries after the first.
    pub times: u32,
    /// Shortest and longest wait.
    pub backoff: (Duration, Duration),
    /// Which errors; names of transport errors only.
    pub on: Vec<crate::run::ErrorName>,
}

/// A program and what to run it on.
#[derive(Debug, Clone)]
pub struct Execute {
    /// `python c cpp javascript rust wasm`.
    pub language: Val,
    /// The program.
    pub code: Val,
    /// What it is run on.
    pub on: ExecuteOn,
    /// How outputs are compared.
    pub compare: Val,
    /// Limits of one test.
    pub limits: Limits,
    /// True: tests after the first failure are skipped.
    pub stop_first_failure: bool,
    /// Read-only files beside the program, by path.
    pub files: Option<Val>,
}

/// What a program is run on, and so what comes of it.
#[derive(Debug, Clone)]
pub enum ExecuteOn {
    /// Judged: a `Trial`.
    Tests(Val),
    /// `[TestResult]`.
    Inputs(Val),
    /// `TestResult`.
    Input(Val),
}

/// Limits of one test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// Units of wasm fuel; 20 G are one second.
    pub fuel: u64,
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub output: u64,
}

/// A question to a person.
#[derive(Debug, Clone)]
pub struct Human {
    /// The question.
    pub ask: Text,
    /// What is shown with it.
    pub show: Option<Val>,
    /// The type of the answer; text when absent.
    pub returns: Option<Type>,
    /// How long to wait; for ever when absent.
    pub wait: Option<Duration>,
}

/// Texts to turn into vectors.
#[derive(Debug, Clone)]
pub struct Embed {
    /// The texts: a list.
    pub texts: Val,
    /// The models tried in turn.
    pub models: Vec<ModelUse>,
    /// How failures of transport are tried again.
    pub retry: Retry,
    /// Longest time of one attempt.
    pub timeout: Option<Duration>,
}

/// One rule of `check` or `validate`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What is looked at.
    pub test: RuleTest,
    /// The reason when it does not hold; made from the rule when absent.
    pub message: Option<Text>,
}

/// What a rule looks at.
#[derive(Debug, Clone)]
pub enum RuleTest {
    /// An expression that reads `it`.
    That(Expr),
    /// A type it must have.
    Schema(Type),
    /// A wasm program that gets `{value}`.
    Wasm {
        /// Path of the module as written, for messages.
        path: String,
        /// The module.
        module: Arc<Vec<u8>>,
    },
    /// A model that answers `{ok, why}`.
    Judge {
        /// The question; reads `it`.
        user: Text,
        /// The models tried in turn.
        models: Vec<ModelUse>,
    },
}

/// What may be spent, values as written (they may be expressions).
#[derive(Debug, Clone, Default)]
pub struct BudgetDef {
    /// Calls.
    pub calls: Option<Val>,
    /// Tokens, sent and answered.
    pub tokens: Option<Val>,
    /// Money.
    pub usd: Option<Val>,
    /// Wall time.
    pub time: Option<Duration>,
}

/// A value as written: known, or computed once when its node runs.
#[derive(Debug, Clone)]
pub enum Val {
    /// Known.
    Const(Arc<Value>),
    /// `$path` or `$( expression )`.
    Expr(Expr),
    /// `text {{ with }} holes`.
    Text(Text),
    /// A list that holds computed values.
    List(Vec<Val>),
    /// A record that holds computed values.
    Map(Vec<(String, Val)>),
}
