//! The engine with the sandbox behind the port as flowctl plugs it in: all conformance vectors, and AlphaCodium cut off after
//! every record. Python on WASI must be in the cache, or is fetched.

#[path = "../src/wire/executor.rs"]
mod executor;
#[path = "../../engine/tests/harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the engine's tests use more of it")]
mod harness;

use executor::Judge;
use flow_engine::check::check_again;
use flow_engine::journal::{Durability, Event, Record, Store};
use flow_engine::model::cassette::{Cassette, Replay};
use flow_engine::model::scripted::{HashingEmbedder, ScriptedPeople};
use flow_engine::report::Report;
use flow_engine::run::ports::Ports;
use flow_engine::run::{Options, prepare};
use harness::{
    Vector, bound_of, check_vector, differences, go_on, jobs, misfound, numbers, play_given, prepared, vectors,
};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// What of a vector's run is not as the language demands, line by line.
fn wrong_in(vector: &Vector, judge: &Judge) -> Vec<String> {
    let (model, ports) = vector.world(Arc::new(judge.clone()));
    let ran = play_given(&vector.flow, &vector.given, &ports, &jobs(1), &mut |_, _| {});
    let mut wrong = differences(&vector.expect, &model, &ran);
    // What can't be prepared is refused before a bound is made, and makes no calls.
    let Ok(prepared) = prepare(&vector.flow, &vector.given) else { return wrong };
    let (fewest, most) = numbers(&bound_of(&vector.flow, &prepared));
    if let Some(want) = vector.expect.get("bounds")
        && *want != json!([fewest, most])
    {
        wrong.push(format!("the bounds are [{fewest}, {most}], not {want}"));
    }
    let ended = ["accepted", "not_accepted"].contains(&ran.outcome()) && !ran.report.budget_spent;
    let calls = ran.report.spend.calls;
    if calls > most || ended && calls < fewest {
        wrong.push(format!("{calls} calls, outside [{fewest}, {most}]"));
    }
    wrong
}

#[test]
fn all_vectors_do_as_the_language_demands() {
    let judge = Judge::new(false, |_, _| {});
    let mut found = String::new();
    for (file, vector) in vectors() {
        let mut wrong = misfound(&vector, &check_vector(&vector));
        if wrong.is_empty() && vector["expect"].get("errors").is_none() {
            wrong = wrong_in(&prepared(&file, &vector), &judge);
        }
        for line in wrong {
            found.push_str(&format!("{file} {}: {line}\n", vector["name"]));
        }
    }
    assert!(found.is_empty(), "{found}");
}

/// The records of a run of AlphaCodium on an example, made by the program itself, and the recording that answered it.
fn alphacodium(example: &str) -> (Vec<Record>, Cassette) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let runs = tempfile::tempdir().expect("a folder");
    let answers = root.join("examples").join(example).join("answers.json");
    let run = Command::new(env!("CARGO_BIN_EXE_flowctl"))
        .current_dir(&root)
        .env("FLOWCTL_RUNS", runs.path())
        .args(["run", "flows/AlphaCodium.yaml", "--jobs", "4", "--input", &format!("problem=@examples/{example}")])
        .arg("--replay")
        .arg(&answers)
        .output()
        .expect("flowctl starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let store = Store::open(runs.path(), Durability::Normal).expect("the runs are there");
    let id = store.runs().expect("they are listed").remove(0).id;
    let (records, _) = store.read(&id).expect("it is read");
    let text = std::fs::read_to_string(answers).expect("the recording is there");
    (records, Cassette::parse(&text).expect("it is a recording"))
}

#[test]
fn alphacodium_that_is_killed_after_any_record_comes_to_the_same_end() {
    let (whole, cassette) = alphacodium("trulstrubbel");
    let Event::RunStarted(start) = &whole[0].event else { panic!("a run starts") };
    let flow = check_again(&start.bundle).flow.expect("it checks");
    let report = Report::of(&whole);
    let judge = Judge::new(false, |_, _| {});
    for at in 1..whole.len() {
        let before = &whole[..at];
        let ports = Ports {
            model: Arc::new(Replay::new(cassette.clone())),
            executor: Arc::new(judge.clone()),
            people: Arc::new(ScriptedPeople::default()),
            embedder: Arc::new(HashingEmbedder),
        };
        let options = Options { jobs: start.jobs, models: start.models.clone(), ..Options::default() };
        let ran =
            go_on(&flow, before, Duration::ZERO, &ports, &options).unwrap_or_else(|e| panic!("cut after {at}: {e}"));
        assert_eq!(ran.report.outcome, report.outcome, "cut after {at}");
        // Byte for byte, fuel and all.
        assert_eq!(
            serde_json::to_string(&ran.report.outputs).ok(),
            serde_json::to_string(&report.outputs).ok(),
            "cut after {at}"
        );
        let settled = |records: &[Record]| -> Vec<String> {
            let paths = records.iter().filter_map(|record| match &record.event {
                Event::CallSettled { path, .. } => Some(path.clone()),
                _ => None,
            });
            paths.collect()
        };
        let mut all = settled(before);
        all.extend(settled(&ran.records));
        assert_eq!(all.len(), report.calls.len(), "cut after {at}: every call has one answer");
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "cut after {at}: no call has two");
    }
}
