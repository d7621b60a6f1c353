//! The conformance vectors that need no sandbox, run with one worker, a scripted model and scripted people.

use crate::checks::{check_vector, here, listing};
use crate::world::{Ran, jobs, play_given, ports, record};
use flow_engine::check::flow::CheckedFlow;
use flow_engine::model::scripted::{Rule, Scripted, ScriptedPeople};
use flow_engine::run::Given;
use flow_engine::run::ports::{Message, Ports};
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
    pub(crate) fn world(&self) -> (Arc<Scripted>, Ports) {
        let model = Arc::new(Scripted::from_rules(self.rules.clone()));
        (Arc::clone(&model), Ports { people: Arc::new(self.people.clone()), ..ports(model) })
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

/// The vectors that run, and need no sandbox.
pub(crate) fn runnable() -> Vec<Vector> {
    let all = vectors();
    let here = all.into_iter().filter(|(_, vector)| vector["expect"].get("errors").is_none() && !executes(vector));
    let ready: Vec<Vector> = here.map(|(file, vector)| prepared(&file, &vector)).collect();
    assert!(ready.len() > 90, "only {} vectors were found to run", ready.len());
    ready
}

fn prepared(file: &str, vector: &Value) -> Vector {
    let name = format!("{file} {}", vector["name"]);
    let checked = check_vector(vector);
    let found = listing(&checked);
    let rules = vector.get("model").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    Vector {
        expect: record(&vector["expect"]),
        flow: checked.flow.unwrap_or_else(|| panic!("{name} does not check clean:\n{found}")),
        given: Given {
            inputs: record(&vector["inputs"]),
            params: record(&vector["params"]),
            preset: vector["preset"].as_str().map(str::to_owned),
            seed: vector["seed"].as_u64().unwrap_or(0),
        },
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
fn differences(expect: &Map<String, Value>, model: &Scripted, ran: &Ran) -> Vec<String> {
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

/// Whether the run of a vector reaches the sandbox.
fn executes(vector: &Value) -> bool {
    let file = vector["file"].as_str().map(|file| {
        let shipped = here().join("../flows").join(file);
        let path = if shipped.is_file() { shipped } else { here().join("tests/fixtures/drafts").join(file) };
        fs::read_to_string(path).expect("the flow of a vector is there")
    });
    let inline = vector["flow"].as_str().unwrap_or_default();
    // A sub-flow of another file may run programs too.
    [file.as_deref().unwrap_or_default(), inline]
        .iter()
        .any(|text| text.contains("execute:") || text.contains("import:") && file.is_some())
}

#[test]
fn vectors_without_programs_run_as_the_language_demands() {
    let mut wrong = String::new();
    for vector in runnable() {
        let (model, ports) = vector.world();
        let ran = play_given(&vector.flow, &vector.given, &ports, &jobs(1), &mut |_, _| {});
        for line in differences(&vector.expect, &model, &ran) {
            wrong.push_str(&format!("{}: {line}\n", vector.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn more_workers_make_the_same_calls_and_come_to_the_same_end() {
    let mut wrong = String::new();
    for vector in runnable() {
        // What fails, or runs out, may have begun more or less at once.
        if !["accepted", "not_accepted"].contains(&vector.expect["outcome"].as_str().unwrap_or_default()) {
            continue;
        }
        let run = |workers| {
            let (_, ports) = vector.world();
            let mut ran = play_given(&vector.flow, &vector.given, &ports, &jobs(workers), &mut |_, _| {});
            ran.report.calls.sort();
            ran.report
        };
        let (one, many) = (run(1), run(8));
        if one.budget_spent {
            continue;
        }
        if (&one.calls, &one.outputs, one.outcome) != (&many.calls, &many.outputs, many.outcome) {
            wrong.push_str(&format!("{}: {one:?}\nwith eight workers: {many:?}\n", vector.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
