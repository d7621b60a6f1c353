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
use flow_engine::run::ports::{CallError, CallSite, Model, Ports, Request, Response};
use flow_engine::run::{Cancel, Given, Options, prepare};
use flow_engine::source::Bundle;
use futures::future::BoxFuture;
use harness::{
    Kept, Vector, bound_of, check_vector, differences, drive, go_on, jobs, misfound, numbers, paused, play_given,
    prepared, vectors,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
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

/// Answers each call as a recording does, whatever it is asked.
struct ByPath(Value);

impl Model for ByPath {
    fn ask<'a>(
        &'a self,
        site: &'a CallSite,
        _request: &'a Request,
        _on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        let text = match &self.0["entries"][&site.path]["response"]["text"] {
            Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
            text => text.as_str().unwrap_or_else(|| panic!("`{}` is not recorded", site.path)).to_owned(),
        };
        Box::pin(
            async move { Ok(Response { text, truncated: false, usage: None, schema_enforced: true, model: None }) },
        )
    }
}

/// Edits of AlphaCodium's file or prompts, and the nodes that are asked again because of them. Named by what they change.
const EDITS: [(&str, &str, &str, &str, &[&str]); 28] = [
    // What says nothing to a model.
    ("a comment", "AlphaCodium.yaml", "# Edit it:", "# Change it:", &[]),
    ("about, of the flow", "AlphaCodium.yaml", "about: Reflect, rank ideas", "about: Think, rank ideas", &[]),
    ("about, of a node", "AlphaCodium.yaml", "about: A few different ideas", "about: Some different ideas", &[]),
    ("a param's description", "AlphaCodium.yaml", "-- ideas asked for", "-- how many ideas", &[]),
    ("timeout", "AlphaCodium.yaml", "timeout: 90s", "timeout: 80s", &[]),
    ("repair", "AlphaCodium.yaml", "repair: integer 0..5 = 2", "repair: integer 0..5 = 1", &[]),
    (
        "budget",
        "AlphaCodium.yaml",
        "(2 if params.single_stage_fix else 1) * (1",
        "(3 if params.single_stage_fix else 1) * (1",
        &[],
    ),
    (
        "on_error",
        "AlphaCodium.yaml",
        "content: The simplest program that is right.",
        "content: The plainest program.",
        &[],
    ),
    (
        "a loop's max",
        "AlphaCodium.yaml",
        "max_fixes_per_test: integer 0..10 = 3",
        "max_fixes_per_test: integer 0..10 = 4",
        &[],
    ),
    (
        "next, of a loop",
        "AlphaCodium.yaml",
        "fixes: $( state.fixes + 1 if fix )\n        nodes:",
        "fixes: $( state.fixes + (1 if fix else 0) )\n        nodes:",
        &[],
    ),
    ("accept", "AlphaCodium.yaml", "accept: final.passed", "accept: final.passed and final.compiled", &[]),
    ("outputs", "AlphaCodium.yaml", "  tests: $tests\n", "  tests: $tests\n  ideas: $ideas\n", &[]),
    ("a preset", "AlphaCodium.yaml", "max_attempts: 11", "max_attempts: 12", &[]),
    (
        "the alias's model, where another one is given",
        "AlphaCodium.yaml",
        "use: [openai/gpt-4o]",
        "use: [openai/gpt-4.1]",
        &[],
    ),
    // What judges, and asks nothing.
    ("compare", "AlphaCodium.yaml", "order_matters: boolean = true", "order_matters: boolean = false", &[]),
    // What one kind of prompt is sent.
    ("a prompt file", "prompts/alphacodium/reflect.md", "Study a", "Study this", &["reflect"]),
    ("the ideas' prompt", "prompts/alphacodium/solutions.md", "\n", "\nThink first.\n", &["solutions"]),
    ("the tests' prompt", "prompts/alphacodium/ai_tests.md", "\n", "\nThink first.\n", &["ai_tests"]),
    ("the choice's prompt", "prompts/alphacodium/best.md", "Choose the idea by", "Pick the idea by", &["best"]),
    ("the writer's prompt", "prompts/alphacodium/write.md", "program that solves", "program which solves", &["write"]),
    ("a part of a prompt that is not shown", "prompts/alphacodium/write.md", "Complete this", "Finish this", &[]),
    ("the mender's prompt", "prompts/alphacodium/fix.md", "\n", "\nThink first.\n", &["public/fix"]),
    ("the analyst's prompt", "prompts/alphacodium/analyze.md", "\n", "\nThink first.\n", &["analyze"]),
    (
        "the type of an answer",
        "AlphaCodium.yaml",
        "why_it_works: string ..300",
        "why_it_works: string ..299",
        &["solutions"],
    ),
    (
        "what a prompt is shown",
        "AlphaCodium.yaml",
        "solutions_use_test_explanations: boolean = true",
        "solutions_use_test_explanations: boolean = false",
        &["solutions"],
    ),
    (
        "the temperature of some",
        "AlphaCodium.yaml",
        "temperature: number 0..2 = 0.3",
        "temperature: number 0..2 = 0.4",
        &["solutions", "write", "public/fix", "analyze"],
    ),
    (
        "the temperature of the others",
        "AlphaCodium.yaml",
        "    temperature: 0.2\n",
        "    temperature: 0.1\n",
        &["reflect", "best", "ai_tests", "hidden/fix"],
    ),
    // What all are sent.
    (
        "max_tokens",
        "AlphaCodium.yaml",
        "max_tokens: integer 64..64000 = 4k",
        "max_tokens: integer 64..64000 = 5k",
        &["reflect", "solutions", "best", "ai_tests", "write", "public/fix", "analyze", "hidden/fix"],
    ),
];

/// A call's node, as the table of edits names it.
fn kind(path: &str) -> &str {
    match (path.split(['#', '[', '/']).next(), path.rsplit('/').next()) {
        (Some("public"), Some("fix")) => "public/fix",
        (Some("hidden"), Some("fix")) => "hidden/fix",
        (_, last) => last.unwrap_or(path),
    }
}

#[test]
fn an_edit_of_alphacodium_asks_again_exactly_what_it_touches() {
    let (records, cassette) = alphacodium("trulstrubbel");
    let Event::RunStarted(start) = &records[0].event else { panic!("a run starts") };
    let ports = Ports {
        model: Arc::new(ByPath(serde_json::from_str(&cassette.to_text()).expect("a recording is JSON"))),
        executor: Arc::new(Judge::new(false, |_, _| {})),
        people: Arc::new(ScriptedPeople::default()),
        embedder: Arc::new(HashingEmbedder),
    };
    let options = Options { jobs: 4, models: start.models.clone(), ..Options::default() };
    let mut known = BTreeMap::new();
    let mut play = |bundle: &Bundle, keep: bool| -> (Vec<String>, u64) {
        let checked = check_again(bundle);
        let flow = checked.flow.unwrap_or_else(|| panic!("the edited flow checks: {:?}", checked.found));
        let inputs = start.inputs.as_object().cloned().unwrap_or_default();
        let given = prepare(&flow, &Given { inputs, ..Given::default() }).expect("inputs fit");
        let mut journal = Kept::default();
        journal.known.clone_from(&known);
        let report = paused(drive(&flow, &given, &ports, &options, &Cancel::default(), &mut journal, &mut |_, _| {}));
        if keep {
            known.append(&mut journal.kept);
        }
        let report = report.expect("memory does not fail");
        (report.calls, report.spend.cached)
    };
    let (all, cached) = play(&start.bundle, true);
    assert_eq!(cached, 0);
    assert_eq!(play(&start.bundle, false).0, Vec::<String>::new(), "the same flow asks nothing");
    for (name, file, old, new, asked) in EDITS {
        let mut bundle = (*start.bundle).clone();
        let content = bundle.files.get_mut(file).unwrap_or_else(|| panic!("{name}: there is no {file}"));
        let text = String::from_utf8(content.0.clone()).expect("text");
        assert!(text.contains(old), "{name}: {file} has no `{old}`");
        content.0 = text.replacen(old, new, 1).into_bytes();
        let (again, _) = play(&bundle, false);
        let again: BTreeSet<&str> = again.iter().map(|path| kind(path)).collect();
        let made: BTreeSet<&str> = all.iter().map(|path| kind(path)).collect();
        let expected: BTreeSet<&str> = asked.iter().copied().filter(|kind| made.contains(kind)).collect();
        assert_eq!(again, expected, "{name}");
    }
}
