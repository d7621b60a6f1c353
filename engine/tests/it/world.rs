//! A world for runs in tests: scripted models and people, a hashing embedder, and no sandbox.

use crate::harness::{Ran, listing, play_given};
use flow_engine::check::check;
use flow_engine::check::flow::CheckedFlow;
use flow_engine::model::scripted::{HashingEmbedder, Rule, Scripted, ScriptedPeople};
use flow_engine::run::ports::{ExecuteJob, Executor, Ports};
use flow_engine::run::{Given, Options};
use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An executor that runs no programs; a rule holds when its module says so: `ok` does, all else is the reason.
pub(crate) struct NoSandbox;

impl Executor for NoSandbox {
    fn execute<'a>(&'a self, _job: &'a ExecuteJob) -> BoxFuture<'a, Result<Value, String>> {
        ready(Err("there is no sandbox".to_owned())).boxed()
    }

    fn rule<'a>(&'a self, module: &'a [u8], _value: &'a Value) -> BoxFuture<'a, Result<Result<(), String>, String>> {
        let says = String::from_utf8_lossy(module).into_owned();
        ready(Ok(if says == "ok" { Ok(()) } else { Err(says) })).boxed()
    }
}

impl Ran {
    /// The name and place of the error.
    pub(crate) fn error(&self) -> (&str, &str) {
        self.report.error.as_ref().map_or(("", ""), |error| (error.name.as_str(), error.at.as_str()))
    }

    pub(crate) fn output(&self, name: &str) -> Value {
        self.report.outputs.as_ref().map(|outputs| outputs[name].clone()).unwrap_or_default()
    }
}

/// The flow of a text, with no files beside it.
pub(crate) fn flow(text: &str) -> CheckedFlow {
    flow_with(text, &[])
}

/// The flow of a text, with files beside it.
pub(crate) fn flow_with(text: &str, files: &[(&str, &str)]) -> CheckedFlow {
    let files: BTreeMap<String, String> = files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
    let checked = check(&files, "flow.yaml", text.to_owned());
    let found = listing(&checked);
    checked.flow.unwrap_or_else(|| panic!("the flow does not check clean:\n{found}"))
}

/// A model that answers by the rules of a YAML list.
pub(crate) fn scripted(rules: &str) -> Arc<Scripted> {
    let rules: Vec<Rule> = serde_yaml::from_str(rules).expect("rules");
    Arc::new(Scripted::from_rules(rules))
}

/// A world in which this model answers.
pub(crate) fn ports(model: Arc<dyn flow_engine::run::ports::Model>) -> Ports {
    Ports {
        model,
        executor: Arc::new(NoSandbox),
        people: Arc::new(ScriptedPeople::default()),
        embedder: Arc::new(HashingEmbedder),
    }
}

/// Runs a flow that is given nothing.
pub(crate) fn play(flow: &CheckedFlow, ports: &Ports, options: &Options) -> Ran {
    play_given(flow, &Given::default(), ports, options, &mut |_, _| {})
}
