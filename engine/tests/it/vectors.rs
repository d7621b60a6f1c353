//! The conformance vectors that need no sandbox, run with one worker, a scripted model and scripted people.

use crate::harness::{Vector, differences, here, jobs, play_given, prepared, vectors};
use crate::world::NoSandbox;
use flow_engine::model::scripted::Scripted;
use flow_engine::run::ports::Ports;
use serde_json::Value;
use std::fs;
use std::sync::Arc;

/// The vectors that run, and need no sandbox.
pub(crate) fn runnable() -> Vec<Vector> {
    let all = vectors();
    let here = all.into_iter().filter(|(_, vector)| vector["expect"].get("errors").is_none() && !executes(vector));
    let ready: Vec<Vector> = here.map(|(file, vector)| prepared(&file, &vector)).collect();
    assert!(ready.len() > 90, "only {} vectors were found to run", ready.len());
    ready
}

/// The world of a vector, without programs.
pub(crate) fn world(vector: &Vector) -> (Arc<Scripted>, Ports) {
    vector.world(Arc::new(NoSandbox))
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
        let (model, ports) = world(&vector);
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
            let (_, ports) = world(&vector);
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
