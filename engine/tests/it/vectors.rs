//! The conformance vectors that need no sandbox, run with one worker, a scripted model and scripted people.

use crate::checks::{check_vector, here, listing};
use flow_engine::journal::{Event, Memory, Record};
use flow_engine::model::scripted::{HashingEmbedder, Rule, Scripted, ScriptedPeople};
use flow_engine::report::Report;
use flow_engine::run::ports::{ExecuteJob, Executor, Message, Ports};
use flow_engine::run::{Cancel, Given, Models, Options, prepare, run};
use futures::future::{BoxFuture, FutureExt, ready};
use serde_json::{Map, Value};
use std::fs;
use std::sync::Arc;

/// An executor that no flow of these vectors may reach.
struct NoSandbox;

impl Executor for NoSandbox {
    fn execute<'a>(&'a self, _job: &'a ExecuteJob) -> BoxFuture<'a, Result<Value, String>> {
        ready(Err("these vectors run no programs".to_owned())).boxed()
    }

    fn rule<'a>(
        &'a self,
        _module: &'a [u8],
        _value: &'a Value,
    ) -> BoxFuture<'a, Result<Result<(), String>, String>> {
        ready(Err("these vectors run no programs".to_owned())).boxed()
    }
}

/// A vector that was run: what came of it, and all that was recorded.
struct Ran {
    report: Report,
    records: Vec<Record>,
    model: Arc<Scripted>,
}

/// Every vector of the fixtures, with the file it is in.
fn vectors() -> Vec<(String, Value)> {
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

fn record(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Runs a vector whose flow checks clean.
fn ran(vector: &Value) -> Result<Ran, String> {
    let checked = check_vector(vector);
    let found = listing(&checked);
    let flow = checked.flow.ok_or_else(|| format!("does not check clean:\n{found}"))?;
    let rules: Vec<Rule> = match vector.get("model") {
        Some(rules) => serde_json::from_value(rules.clone()).map_err(|e| e.to_string())?,
        None => Vec::new(),
    };
    let model = Arc::new(Scripted::from_rules(rules));
    let ports = Ports {
        model: Arc::clone(&model) as _,
        executor: Arc::new(NoSandbox),
        people: Arc::new(ScriptedPeople::from_answers(record(&vector["human"]).into_iter().collect())),
        embedder: Arc::new(HashingEmbedder),
    };
    let given = Given {
        inputs: record(&vector["inputs"]),
        params: record(&vector["params"]),
        preset: vector["preset"].as_str().map(str::to_owned),
        seed: vector["seed"].as_u64().unwrap_or(0),
    };
    let given = match prepare(&flow, &given) {
        Ok(given) => given,
        Err(error) => return Ok(Ran { report: Report::refused("t", error), records: Vec::new(), model }),
    };
    let models = Models { fallback: Some("test/scripted".to_owned()), ..Models::default() };
    let options = Options { models, ..Options::default() };
    let mut journal = Memory::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    let running = run(&flow, &given, &ports, &options, &Cancel::default(), &mut journal, &mut |_, _| {});
    let report = runtime.block_on(running).map_err(|e| e.to_string())?;
    Ok(Ran { report, records: journal.records().to_vec(), model })
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
fn differences(expect: &Map<String, Value>, ran: &Ran) -> Vec<String> {
    let (report, mut wrong) = (&ran.report, Vec::new());
    for path in ran.model.unanswered() {
        wrong.push(format!("no rule answers `{path}`"));
    }
    for (key, want) in expect {
        match key.as_str() {
            "outcome" => {
                let got = report.outcome.map_or("none", |outcome| outcome.as_str());
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
                    let got = ran.records.iter().find_map(|record| match &record.event {
                        Event::NodeDone { path: at, value, .. } if *at == path => Some(value),
                        _ => None,
                    });
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
                let log = ran.model.log();
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
    [file.as_deref().unwrap_or_default(), inline].iter().any(|text| text.contains("execute:") || text.contains("import:") && file.is_some())
}

#[test]
fn vectors_without_programs_run_as_the_language_demands() {
    let (mut wrong, mut count) = (String::new(), 0);
    for (file, vector) in vectors() {
        if vector["expect"].get("errors").is_some() || executes(&vector) {
            continue;
        }
        count += 1;
        let found = match ran(&vector) {
            Ok(ran) => differences(&record(&vector["expect"]), &ran),
            Err(error) => vec![error],
        };
        for line in found {
            wrong.push_str(&format!("{file} {}: {line}\n", vector["name"]));
        }
    }
    assert!(count > 90, "only {count} vectors were run");
    assert!(wrong.is_empty(), "of {count} vectors:\n{wrong}");
}
