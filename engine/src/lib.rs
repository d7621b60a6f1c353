//! Reads, checks, plans and runs flows: prompts, programs and bounded loops in a YAML file.
//!
//! ```
//! use flow_engine::{check, journal, model, run};
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! # struct NoPrograms;
//! # impl run::ports::Executor for NoPrograms {
//! #     fn execute<'a>(&'a self, _: &'a run::ports::ExecuteJob) -> futures::future::BoxFuture<'a, Result<serde_json::Value, String>> {
//! #         Box::pin(async { Err("no programs here".to_owned()) })
//! #     }
//! #     fn rule<'a>(&'a self, _: &'a [u8], _: &'a serde_json::Value) -> futures::future::BoxFuture<'a, Result<Result<(), String>, String>> {
//! #         Box::pin(async { Err("no rules here".to_owned()) })
//! #     }
//! # }
//! let text = r#"
//! flow: double_check
//! inputs: { question: string }
//! nodes:
//!   answer: { prompt: { user: "{{ inputs.question }}", model: test/any, returns: { result: integer } } }
//!   check: { prompt: { user: "Is {{ answer.result }} right?", model: test/any, returns: { right: boolean } } }
//! outputs: { result: $answer.result }
//! accept: check.right
//! "#;
//! let files: BTreeMap<String, String> = BTreeMap::new();
//! let flow = check::check(&files, "flow.yaml", text.to_owned()).flow.expect("no errors");
//!
//! let answers = serde_json::from_str(r#"[{"at": "answer", "reply": {"result": 391}}, {"at": "check", "reply": {"right": true}}]"#)?;
//! let ports = run::ports::Ports {
//!     model: Arc::new(model::scripted::Scripted::from_rules(answers)),
//!     executor: Arc::new(NoPrograms),
//!     people: Arc::new(model::scripted::ScriptedPeople::default()),
//!     embedder: Arc::new(model::scripted::HashingEmbedder),
//! };
//! let mut given = run::Given::default();
//! given.inputs.insert("question".to_owned(), "What is 17 * 23?".into());
//! let given = run::prepare(&flow, &given).expect("the inputs have their types");
//! let (options, cancel, mut journal) = (run::Options::default(), run::Cancel::default(), journal::Memory::default());
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # let report = runtime.block_on(async {
//! let observe = &mut |_: &journal::Record, _: &run::RunState<'_>| {};
//! let around = run::Around { ports: &ports, options: &options, cancel: &cancel, journal: &mut journal, observe };
//! let report = run::run(&flow, &given, around).await;
//! # report
//! # });
//! assert_eq!(report?.outputs.expect("it ended well")["result"], 391);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The journey
//!
//! The [texts](source) of a flow become a [tree](syntax) that remembers every place. Its structure is held against the
//! [format](spec), whose schema editors use too. [Checking](check) resolves names, compiles [expressions](template), follows
//! types from node to node, and gives a [`check::CheckedFlow`] or [findings](diag). A [plan](mod@plan) says in which order it
//! runs and how many calls it can make. A [run](mod@run) folds events into a state that says what to do next; what asks the
//! world goes through [ports](run::ports), such as the [models](model), whose answers are [read](answer) by their types.
//! The events are kept in a [journal](journal), and a [report](report) is what they come to; two journals
//! side by side say [why](mod@why) something was asked again.
//!
//! # What this crate does not do
//!
//! It runs no programs (an executor is plugged in), prints nothing, and reads no environment; on the disk it keeps journals, where it is told to.
//! The language itself is described in `flows/README.md`, the house in `docs/architecture.md`.

pub mod answer;
pub mod check;
pub mod diag;
pub mod journal;
pub mod model;
pub mod plan;
pub mod report;
pub mod run;
pub mod source;
pub mod spec;
pub mod syntax;
pub mod template;
pub mod value;
pub mod why;
