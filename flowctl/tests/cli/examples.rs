//! The shipped examples, with recorded answers and the real sandbox. Python on WASI must be in the cache, or is fetched.

use crate::{call, end, flowctl, root};
use serde_json::{Value, json};
use std::fs;

/// The packages of `examples`.
fn examples() -> Vec<String> {
    let folders = fs::read_dir(root().join("examples")).expect("examples").flatten();
    let folders = folders.filter(|e| e.path().join("problem.yaml").is_file());
    let mut names: Vec<String> = folders.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    names
}

fn replay(example: &str, more: &str) -> crate::Ended {
    call(&format!(
        "run flows/AlphaCodium.yaml --input problem=@examples/{example} --replay examples/{example}/answers.json {more}"
    ))
}

#[test]
fn each_example_has_a_wrong_program_first_and_is_accepted_in_the_end() {
    for example in examples() {
        let ended = replay(&example, "--format json").with(0);
        let json = ended.json();
        assert_eq!((&json["outcome"], &json["exit"]), (&json!("accepted"), &json!(0)), "{example}");
        let trial =
            ended.stderr.lines().find(|line| line.contains("first#1/trial: ")).expect("the first trial is told");
        assert!(trial.contains("wrong_answer"), "{example}: the first program is right: {trial}");
        let mended = |n: &&Value| n["path"].as_str().is_some_and(|p| p.contains("/fix")) && n["outcome"] == "done";
        assert!(json["nodes"].as_array().expect("nodes").iter().any(|n| mended(&n)), "{example}: nothing was mended");

        let number = |pointer: &str| {
            json.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {json}"))
        };
        let calls = number("/spend/calls");
        assert!(
            (number("/bounds/calls/min")..=number("/bounds/calls/max")).contains(&calls),
            "{example}: {calls} calls"
        );
        // The run was fed what its recording holds, without a divergence.
        assert!(!ended.stderr.contains("differs from its recording"), "{example}: {}", ended.stderr);
        // What the flow accepted is right on the tests that it never saw.
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("main.py");
        fs::write(&program, json["outputs"]["code"].as_str().expect("code")).expect("written");
        end(flowctl().arg("judge").arg(format!("examples/{example}")).arg(&program)).with(0);
    }
}

#[test]
fn the_small_models_run_is_replayed_to_the_end_it_had() {
    let ended = call(
        "run flows/AlphaCodium.yaml --preset small --input problem=@examples/tiny/problem.json \
         --replay examples/tiny/answers.json --format json",
    );
    let json = ended.with(0).json();
    assert_eq!(json["outcome"], json!("accepted"));
}

#[test]
fn a_result_in_json_has_the_keys_that_are_promised() {
    let json = replay("oddecho", "--format json").with(0).json();
    for pointer in [
        "/run",
        "/flow",
        "/outcome",
        "/exit",
        "/outputs",
        "/spend/calls",
        "/spend/prompt_tokens",
        "/spend/completion_tokens",
        "/spend/usd",
        "/spend/wall_ms",
        "/bounds/calls/min",
        "/bounds/calls/max",
        "/nodes/0/path",
        "/nodes/0/verb",
        "/nodes/0/attempts",
        "/nodes/0/calls",
        "/nodes/0/ms",
    ] {
        assert!(json.pointer(pointer).is_some(), "`{pointer}` is absent: {json}");
    }
    assert_eq!(json["flow"], "AlphaCodium");
    assert_eq!(json["spend"]["usd"], Value::Null, "nobody said what a call costs");
    let nodes = json["nodes"].as_array().expect("nodes");
    let calls: u64 = nodes.iter().filter_map(|n| n["calls"].as_u64()).sum();
    assert_eq!(json["spend"]["calls"], calls, "the nodes' calls add up");
}

#[test]
fn an_output_alone_is_raw_on_stdout() {
    let code = replay("trulstrubbel", "-o code").with(0);
    let whole = replay("trulstrubbel", "--format json").with(0).json();
    assert_eq!(code.stdout.trim_end(), whole["outputs"]["code"].as_str().expect("code").trim_end());
    assert!(code.stderr.contains("accepted"), "{}", code.stderr);
}

#[test]
fn a_program_that_is_never_right_ends_with_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let flow = folder.path().join("flow.yaml");
    let text = "flow: t\nnodes: { e: { execute: { language: python, code: print(1), tests: [{ input: \"\", output: \"2\" }] } } }\naccept: e.passed\noutputs: { e: $e.report }\n";
    fs::write(&flow, text).expect("written");
    let ended = end(flowctl().arg("run").arg(&flow).args(["--format", "json"])).with(1);
    assert_eq!(ended.json()["outcome"], "not_accepted");
}

#[test]
fn a_call_that_the_recording_lacks_ends_the_run_and_is_told() {
    let ended = call(
        "run flows/AlphaCodium.yaml --input problem=@examples/oddecho --replay examples/trulstrubbel/answers.json",
    );
    assert_ne!(ended.code, 0);
    assert!(ended.stderr.contains("differs from its recording"), "{}", ended.stderr);
}

#[test]
fn the_programs_of_a_package_have_the_verdicts_of_their_folders() {
    let ended = call("judge examples/trulstrubbel --format json").with(0);
    let json = ended.json();
    let all = json["submissions"].as_array().expect("submissions");
    assert_eq!(all.len(), 5, "{json}");
    for one in all {
        assert_eq!(one["verdict"], one["expected"], "{one}");
        assert_eq!(one["language"], "python");
        for key in ["name", "verdict", "fuel", "time_ms", "memory"] {
            assert!(one["tests"][0].get(key).is_some(), "`{key}`: {one}");
        }
    }
    assert!(json["problem"].is_string() && all[0]["file"].is_string());
    let human = call("judge examples/oddecho").with(0).stdout;
    assert!(human.contains("2 of 2 as expected"), "{human}");
}

#[test]
fn a_verdict_that_is_not_as_expected_ends_with_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let accepted = folder.path().join("accepted");
    fs::create_dir(&accepted).expect("a folder");
    let program = accepted.join("pairs.py");
    fs::copy(root().join("examples/oddecho/submissions/wrong_answer/pairs.py"), &program).expect("copied");
    let ended = end(flowctl().args(["judge", "examples/oddecho"]).arg(&program)).with(1);
    assert!(
        ended.stdout.contains("EXPECTED accepted") && ended.stdout.contains("0 of 1 as expected"),
        "{}",
        ended.stdout
    );
    // The first failing test is shown: what went in, what was expected, what came.
    assert!(ended.stdout.contains("input:") && ended.stdout.contains(">    3  echo"), "{}", ended.stdout);
}
