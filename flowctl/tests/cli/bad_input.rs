//! Bad input ends with a name or with a finding at its place; nothing panics, nothing hangs.

use crate::{end, flow_in_folder, flowctl, nowhere, root};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufWriter, Write};
use std::process::Command;

const ASK: &str = "flow: t
models: { m: { use: [openai/any] } }
nodes:
  a: { prompt: { user: hello, model: m, retry: { times: 1, backoff: 1ms..1ms } } }
outputs: { a: $a }
";

fn run(flow: &str) -> (tempfile::TempDir, Command) {
    let (folder, path) = flow_in_folder(flow);
    let mut command = flowctl();
    command.arg("run").arg(path).args(["--format", "json"]);
    (folder, command)
}

#[test]
fn a_missing_key_is_named_before_any_call() {
    let (_folder, mut command) = run(ASK);
    let json = end(&mut command).with(3).json();
    assert_eq!((&json["outcome"], &json["error"]["name"]), (&json!("failed"), &json!("rejected")));
    assert!(json["error"]["message"].as_str().is_some_and(|m| m.contains("OPENAI_API_KEY")), "{json}");
    assert_eq!(json["spend"]["calls"], json!(0));
}

#[test]
fn a_provider_that_is_not_there_is_the_error_network_after_the_retries() {
    let (_folder, mut command) = run(ASK);
    let json = end(command.env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", nowhere())).with(3).json();
    assert_eq!((&json["error"]["name"], &json["error"]["at"]), (&json!("network"), &json!("a")));
    assert_eq!((&json["nodes"][0]["calls"], &json["nodes"][0]["attempts"]), (&json!(1), &json!(2)), "{json}");
}

#[test]
fn a_configuration_shows_all_its_mistakes_each_at_its_place() {
    let (folder, path) = flow_in_folder(ASK);
    let config = "limits:\n  opnai/gpt-4o: { in_flight: 2 }\n  openai: { requests_per_minut: 5 }\n";
    fs::write(folder.path().join("flowctl.yaml"), config).expect("written");
    let ended = end(flowctl().current_dir(folder.path()).arg("run").arg(path)).with(2);
    for words in ["flowctl.yaml:2:3", "did you mean `openai`?", "flowctl.yaml:3:13", "`requests_per_minute`"] {
        assert!(ended.stderr.contains(words), "no `{words}` in\n{}", ended.stderr);
    }
}

#[test]
fn thirty_mistakes_are_found_at_once_each_at_its_place() {
    let flow = root().join("flowctl/tests/fixtures/thirty.yaml");
    let json = end(flowctl().arg("check").arg(&flow).args(["--format", "json"])).with(2).json();
    let found: BTreeSet<(u64, &str)> = json["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|d| d["severity"] == "error")
        .map(|d| (d["line"].as_u64().expect("a line"), d["rule"].as_str().expect("a rule")))
        .collect();
    let text = fs::read_to_string(&flow).expect("the flow");
    let made: BTreeSet<(u64, &str)> = text
        .lines()
        .zip(1..)
        .filter_map(|(line, number)| Some((number, line.split_once("# wrong: ")?.1.trim())))
        .collect();
    assert_eq!(made.len(), 30, "the fixture has thirty mistakes");
    assert_eq!(found, made);
}

#[test]
fn a_large_input_is_read_and_a_larger_one_is_refused() {
    let (folder, path) = flow_in_folder(
        "flow: t\ninputs: { text: string }\nnodes: { n: { let: $( inputs.text | length ) } }\noutputs: { n: $n }\n",
    );
    let input = folder.path().join("large.txt");
    let mut file = BufWriter::new(fs::File::create(&input).expect("a file"));
    let line = [b'x'; 1 << 20];
    for _ in 0..100 {
        file.write_all(&line).expect("written");
    }
    file.into_inner().expect("flushed");
    let run = || {
        let mut command = flowctl();
        command
            .arg("run")
            .arg(&path)
            .arg("--input")
            .arg(format!("text=@{}", input.display()))
            .args(["--format", "json"]);
        command
    };
    let json = end(&mut run()).with(0).json();
    assert_eq!(json["outputs"]["n"], json!(100 << 20));

    fs::OpenOptions::new().write(true).open(&input).and_then(|f| f.set_len(257 << 20)).expect("a longer file");
    let ended = end(&mut run()).with(2);
    assert!(ended.stderr.contains("257 MiB; 256 MiB at most"), "{}", ended.stderr);
}

#[test]
fn a_large_flow_and_a_flow_that_is_no_text_are_refused() {
    let (folder, path) = flow_in_folder("");
    fs::File::create(&path).and_then(|f| f.set_len(100 << 20)).expect("a large file");
    let ended = end(flowctl().arg("check").arg(&path)).with(2);
    assert!(ended.stdout.contains("[too-large]") && ended.stdout.len() < 4096, "{} bytes", ended.stdout.len());
    fs::write(&path, [0xff, 0xfe, 0x00]).expect("written");
    assert!(end(flowctl().arg("check").arg(&path)).with(2).stderr.contains("is not UTF-8 text"));
    assert!(end(flowctl().arg("check").arg(folder.path())).with(2).stderr.contains("directory"));
}

#[test]
fn a_template_that_loops_runs_out_of_fuel() {
    let nested = (0..8).map(|i| format!("{{% for v{i} in range(1000) %}}")).collect::<String>()
        + "x"
        + &"{% endfor %}".repeat(8);
    let flow = format!(
        "flow: t\nnodes:\n  a: {{ prompt: {{ user: \"{nested}\", model: openai/any }} }}\noutputs: {{ a: $a }}\n"
    );
    let (_folder, mut command) = run(&flow);
    let json = end(command.env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", nowhere())).with(1).json();
    assert_eq!((&json["error"]["name"], &json["error"]["at"]), (&json!("expression"), &json!("a")), "{json}");
    assert!(json["error"]["message"].as_str().is_some_and(|m| m.contains("fuel")), "{json}");
}

#[test]
fn a_prompt_file_that_is_a_directory_is_found_where_it_is_named() {
    let (folder, path) =
        flow_in_folder("flow: t\nnodes:\n  a:\n    prompt: { file: prompts, model: openai/any }\noutputs: { a: $a }\n");
    fs::create_dir(folder.path().join("prompts")).expect("a folder");
    let json = end(flowctl().arg("check").arg(&path).args(["--format", "json"])).with(2).json();
    let one = &json["diagnostics"][0];
    assert_eq!((&one["rule"], &one["line"], &one["column"]), (&json!("missing-file"), &json!(4), &json!(21)), "{json}");
    assert!(one["message"].as_str().is_some_and(|m| m.contains("directory")), "{json}");
}

/// The trial of a Python program, which needs Python on WASI.
fn trial(program: &str, limits: &str) -> Value {
    let code: String = program.lines().map(|line| format!("          {line}\n")).collect();
    let flow = format!(
        "flow: t\nnodes:\n  e:\n    execute:\n      language: python\n      limits: {limits}\n      code: |\n{code}      tests: [{{ input: \"\", output: \"\" }}]\noutputs: {{ e: $e }}\n"
    );
    let (_folder, mut command) = run(&flow);
    end(&mut command).with(0).json()["outputs"]["e"].clone()
}

#[test]
fn a_program_that_never_ends_and_one_that_eats_memory_get_verdicts() {
    let endless = trial("while True: pass", "{ fuel: 2G }");
    assert_eq!((&endless["passed"], &endless["tests"][0]["verdict"]), (&json!(false), &json!("time_limit")));
    let hungry = trial("a = []\nwhile True: a.append(bytearray(1 << 20))", "{ memory: 96MiB }");
    // CPython sees that there is no more, and says so itself: a crash where the next piece would be too much.
    assert_eq!(&hungry["tests"][0]["verdict"], &json!("runtime_error"));
    let memory = hungry["tests"][0]["memory"].as_u64().expect("bytes");
    assert!((94 << 20..=96 << 20).contains(&memory), "{memory}");
    assert!(hungry["message"].as_str().is_some_and(|m| m.contains("MemoryError")), "{hungry}");
    let talkative = trial("while True: print('x' * 1000)", "{ output: 64KiB }");
    assert_eq!((&talkative["passed"], &talkative["tests"][0]["verdict"]), (&json!(false), &json!("output_limit")));
}
