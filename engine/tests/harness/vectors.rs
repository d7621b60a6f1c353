//! The conformance vectors: what they are, and whether a run did what one expects. README beside them.

use super::flows::{check_vector, here, listing};
use super::world::{Ran, record};
use flow_engine::check::flow::CheckedFlow;
use flow_engine::model::scripted::{HashingEmbedder, Rule, Scripted, ScriptedPeople};
use flow_engine::run::Given;
use flow_engine::run::ports::{Executor, Message, Ports};
use serde_json::{Map, Value};
use std::fs;
use std::sync::Arc;

/// A vector that is ready to run.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) expect: Map<String, Value>,
    pub(crate) flow: CheckedFlow,
    pub(crate) given: Given,
    rules: Vec<Rule>,
    people: ScriptedPeople,
}

impl Vector {
    /// Its world, made anew: the script begins again.
    pub(crate) fn world(&self, executor: Arc<dyn Executor>) -> (Arc<Scripted>, Ports) {
        let model = Arc::new(Scripted::from_rules(self.rules.clone()));
        let people = Arc::new(self.people.clone());
        (Arc::clone(&model), Ports { model, executor, people, embedder: Arc::new(HashingEmbedder) })
    }
}

/// Every vector of the fixtures, with the file it is in.
pub(crate) fn vectors() -> Vec<(String, Value)> {
    let folder = here().join("tests/fixtures/vectors");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the vectors are there").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let text = fs::read_to_string(&path).expect("readable");
            let list: Vec<Value> = serde_yaml::from_str(&text).expect("a list of vectors");
            let file = path.file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
            found.extend(list.into_iter().map(|vector| (file.clone(), vector)));
        }
    }
    assert!(found.len() >= 209, "only {} vectors were found", found.len());
    found
}

/// What a vector gives a run.
pub(crate) fn given(vector: &Value) -> Given {
    Given {
        inputs: record(&vector["inputs"]),
        params: record(&vector["params"]),
        preset: vector["preset"].as_str().map(str::to_owned),
        seed: vector["seed"].as_u64().unwrap_or(0),
    }
}

/// A vector whose flow checks clean.
pub(crate) fn prepared(file: &str, vector: &Value) -> Vector {
    let name = format!("{file} {}", vector["name"]);
    let checked = check_vector(vector);
    let found = listing(&checked);
    let rules = vector.get("model").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    Vector {
        expect: record(&vector["expect"]),
        flow: checked.flow.unwrap_or_else(|| panic!("{name} does not check clean:\n{found}")),
        given: given(vector),
        rules: serde_json::from_value(rules).unwrap_or_else(|error| panic!("{name}: {error}")),
        people: ScriptedPeople::from_answers(record(&vector["human"]).into_iter().collect()),
        name,
    }
}

/// Whether a value is what is expected: of records, the keys given; all else equal, numbers as numbers.
fn fits(want: &Value, got: &Value) -> bool {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            want.iter().all(|(key, value)| got.get(key).is_some_and(|other| fits(value, other)))
        }
        (Value::Array(want), Value::Array(got)) => {
            want.len() == got.len() && want.iter().zip(got).all(|(want, got)| fits(want, got))
        }
        (Value::Number(want), Value::Number(got)) => want.as_f64() == got.as_f64(),
        (want, got) => want == got,
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|v| v.as_str().unwrap_or_default().to_owned()).collect()
}

fn conversation(messages: &[Message]) -> String {
    messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// What differs from what a vector expects, line by line.
pub(crate) fn differences(expect: &Map<String, Value>, model: &Scripted, ran: &Ran) -> Vec<String> {
    let (report, mut wrong) = (&ran.report, Vec::new());
    for path in model.unanswered() {
        wrong.push(format!("no rule answers `{path}`"));
    }
    for (key, want) in expect {
        match key.as_str() {
            "outcome" => {
                let got = ran.outcome();
                if want != got {
                    wrong.push(format!("the outcome is {got}, not {want}: {:?}", report.error));
                }
            }
            "error" => {
                let got = serde_json::to_value(&report.error).expect("an error is data");
                if !fits(want, &got) {
                    wrong.push(format!("the error is {got}, not {want}"));
                }
            }
            "calls" if texts(want) != report.calls => {
                wrong.push(format!("the calls are {:?}, not {want}", report.calls));
            }
            "count" if want.as_u64() != Some(report.spend.calls) => {
                wrong.push(format!("{} calls, not {want}", report.spend.calls));
            }
            "outputs" => {
                let got = report.outputs.as_deref().cloned().unwrap_or_default();
                if !fits(want, &got) {
                    wrong.push(format!("the outputs are {got}, not {want}"));
                }
            }
            "values" => {
                for (path, want) in record(want) {
                    let got = ran.value(&path);
                    if !got.is_some_and(|got| fits(&want, got)) {
                        wrong.push(format!("the value of `{path}` is {got:?}, not {want}"));
                    }
                }
            }
            "exits" => {
                for (path, want) in record(want) {
                    let got = report.loops.iter().find(|ended| ended.path == path).map(|ended| ended.exit.as_str());
                    if want.as_str() != got {
                        wrong.push(format!("the exit of `{path}` is {got:?}, not {want}"));
                    }
                }
            }
            "prompts" => {
                let log = model.log();
                for (path, want) in record(want) {
                    let Some(sent) = log.iter().find(|sent| sent.site.path == path) else {
                        wrong.push(format!("`{path}` was not called"));
                        continue;
                    };
                    let text = conversation(&sent.request.messages);
                    for has in texts(&want["has"]).into_iter().filter(|has| !text.contains(has)) {
                        wrong.push(format!("the prompt of `{path}` lacks {has:?}: {text:?}"));
                    }
                    for lacks in texts(&want["lacks"]).into_iter().filter(|lacks| text.contains(lacks)) {
                        wrong.push(format!("the prompt of `{path}` has {lacks:?}: {text:?}"));
                    }
                }
            }
            "discarded" if texts(want) != report.discarded => {
                wrong.push(format!("discarded are {:?}, not {want}", report.discarded));
            }
            "skipped" if texts(want) != report.skipped => {
                wrong.push(format!("skipped are {:?}, not {want}", report.skipped));
            }
            // The bound is the plan's; findings are the checker's.
            "calls" | "count" | "discarded" | "skipped" | "bounds" | "warnings" | "errors" => {}
            other => wrong.push(format!("`{other}` is nothing a vector expects")),
        }
    }
    wrong
}
