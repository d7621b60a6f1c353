//! Commands that run no program and ask no model.

use crate::{call, end, flow_in_folder, flowctl, root};
use serde_json::{Value, json};
use std::fs;

/// The first code block of the README with this language under this heading.
fn block(heading: &str, language: &str) -> String {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let section = readme.split("\n## ").find(|s| s.starts_with(heading)).expect("the section").to_owned();
    let after = section.split_once(&format!("```{language}\n")).expect("a block").1;
    after.split_once("```").expect("its end").0.to_owned()
}

#[test]
fn help_says_what_there_is() {
    trycmd::TestCases::new()
        .env("FLOWCTL_RUNS", concat!(env!("CARGO_TARGET_TMPDIR"), "/runs/trycmd"))
        .case("tests/cli/cmd/*.trycmd");
}

#[test]
fn the_flow_of_the_readme_checks_clean_and_makes_two_or_three_calls() {
    let (_folder, flow) = flow_in_folder(&block("A flow", "yaml"));
    assert_eq!(end(flowctl().arg("check").arg(&flow)).with(0).stdout, "no findings\n");
    let calls = &end(flowctl().arg("plan").arg(&flow).args(["--format", "json"])).with(0).json()["bounds"]["calls"];
    assert_eq!((&calls["min"], &calls["max"]), (&json!(2), &json!(3)));
    let text = end(flowctl().arg("plan").arg(&flow).arg("--why")).with(0).stdout;
    assert!(text.contains("calls at least: 2\ncalls at most: 3\n"), "{text}");
}

#[test]
fn the_commands_of_the_readme_exist() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `flowctl "));
    let mut count = 0;
    for row in rows {
        let words: Vec<&str> = row.split('`').next().unwrap_or_default().split(' ').collect();
        let commands = words.iter().take_while(|w| w.chars().all(|c| c.is_ascii_lowercase()));
        let help = end(flowctl().args(commands).arg("--help")).with(0).stdout;
        for flag in row.split(|c: char| c == '`' || c.is_whitespace()).filter(|w| w.starts_with('-')) {
            assert!(help.contains(flag), "the README has `{flag}`:\n{help}");
        }
        count += 1;
    }
    assert_eq!(count, 7, "commands in the README's table");
}

#[test]
fn a_finding_has_a_place_a_rule_and_what_to_do() {
    let (folder, flow) = flow_in_folder(
        "flow: t\nnodes:\n  reflect: { let: 1 }\n  b: { let: $reflct }\noutputs: { a: $reflect, b: $b }\n",
    );
    let human = end(flowctl().arg("check").arg(&flow)).with(2).stdout;
    assert!(
        human.contains("flow.yaml:4:") && human.contains("[unknown-name]") && human.contains("`reflect`"),
        "{human}"
    );
    assert!(human.ends_with("1 error\n"), "{human}");

    let found = end(flowctl().arg("check").arg(&flow).args(["--format", "json"])).with(2).json();
    let list = found["diagnostics"].as_array().expect("a list");
    assert_eq!(list.len(), 1, "{found}");
    let one = &list[0];
    for key in ["rule", "severity", "message", "help", "file", "line", "column", "end_line", "end_column", "fixes"] {
        assert!(one.get(key).is_some(), "`{key}` is absent: {one}");
    }
    assert_eq!((&one["rule"], &one["severity"], &one["line"]), (&json!("unknown-name"), &json!("error"), &json!(4)));
    assert_eq!(one["file"], json!(flow.display().to_string()));

    // The fix, put in its place, mends the flow.
    let fix = &one["fixes"][0];
    let column = |key: &str| fix[key].as_u64().expect("a column") as usize - 1;
    let mut lines: Vec<String> = fs::read_to_string(&flow).expect("a flow").lines().map(str::to_owned).collect();
    lines[3].replace_range(column("column")..column("end_column"), fix["text"].as_str().expect("a text"));
    let mended = folder.path().join("mended.yaml");
    fs::write(&mended, lines.join("\n")).expect("written");
    end(flowctl().arg("check").arg(&mended)).with(0);
}

#[test]
fn check_takes_several_flows_and_fails_when_one_is_wrong() {
    call("check flows/AlphaCodium.yaml flows/DirectPrompt.yaml").with(0);
    let (_folder, flow) = flow_in_folder("flow: t\nnodes: {}\nnods: {}\n");
    end(flowctl().args(["check", "flows/DirectPrompt.yaml"]).arg(&flow)).with(2);
}

#[test]
fn the_plan_of_alphacodium_is_the_closed_form_of_the_reference_system() {
    let text = call("plan flows/AlphaCodium.yaml --set repair=0").with(0).stdout;
    assert!(text.contains("25 + |problem.public_tests|"), "{text}");
    let json = call("plan flows/AlphaCodium.yaml --set repair=0 --format json").with(0).json();
    let calls = &json["bounds"]["calls"];
    assert_eq!(calls["min"], json!(5));
    assert_eq!(calls["max"], Value::Null, "no number before the inputs are known");
    assert!(calls["formula"].as_str().is_some_and(|f| f.starts_with("25 + |problem.public_tests|")), "{calls}");
    for key in ["nodes", "edges", "waves"] {
        assert!(json[key].as_array().is_some_and(|list| !list.is_empty()), "`{key}`: {json}");
    }
    // Two public tests: 25 + 2, and a known number.
    let with = call("plan flows/AlphaCodium.yaml --set repair=0 --input problem=@examples/oddecho --format json")
        .with(0)
        .json();
    assert_eq!(with["bounds"]["calls"]["max"], json!(27));
}

#[test]
fn why_tells_the_line_that_made_an_edge() {
    let (_folder, flow) = flow_in_folder("flow: t\nnodes:\n  a: { let: 1 }\n  b: { let: $a }\noutputs: { b: $b }\n");
    let without = end(flowctl().arg("plan").arg(&flow)).with(0).stdout;
    assert!(!without.contains("flow.yaml:4:"), "{without}");
    let why = end(flowctl().arg("plan").arg(&flow).arg("--why")).with(0).stdout;
    assert!(why.contains("after a: nodes.b.let (flow.yaml:4:14)"), "{why}");
}

#[test]
fn a_rule_is_explained_and_a_misspelt_one_is_guessed() {
    let page = fs::read_to_string(root().join("docs/rules/unknown-name.md")).expect("a page");
    assert_eq!(call("explain unknown-name").with(0).stdout.trim_end(), page.trim_end());
    let wrong = call("explain unknwon-name").with(2);
    assert!(wrong.stderr.contains("`unknown-name`"), "{}", wrong.stderr);
    let names = call("explain").with(0).stdout;
    for entry in fs::read_dir(root().join("docs/rules")).expect("pages").flatten() {
        let name = entry.path().file_stem().and_then(|s| s.to_str()).expect("a name").to_owned();
        assert!(names.lines().any(|line| line.ends_with(&format!(" {name}"))), "`{name}` is not listed");
    }
}

#[test]
fn the_schemas_are_those_that_editors_are_given() {
    for (arguments, file) in [("schema", "flow"), ("schema --config", "config")] {
        let kept = fs::read_to_string(root().join(format!("schemas/{file}.schema.json"))).expect("a schema");
        let kept: Value = serde_json::from_str(&kept).expect("JSON");
        assert_eq!(call(arguments).with(0).json(), kept, "{file}");
    }
}

#[test]
fn what_is_given_wrong_ends_with_2_and_says_what() {
    let cases = [
        ("run flows/AlphaCodium.yaml", "problem"),
        ("run flows/NoSuchFlow.yaml", "no such file"),
        ("run flows/AlphaCodium.yaml --input problem", "has no `=`"),
        ("run flows/AlphaCodium.yaml --input problem=@no/such/folder", "no such file"),
        ("run flows/AlphaCodium.yaml --input problem=@examples/oddecho --input prolbem=1", "prolbem"),
        ("run flows/AlphaCodium.yaml --input problem=@examples/oddecho --set repiar=1", "repiar"),
        ("run flows/AlphaCodium.yaml --input problem=@examples/oddecho --set repair=many", "repair"),
        ("run flows/AlphaCodium.yaml --input problem=@examples/oddecho --set repair=99", "repair"),
        ("run flows/AlphaCodium.yaml --input problem=@examples/oddecho --preset orignal", "orignal"),
        ("run flows/AlphaCodium.yaml --input problem=@examples/oddecho -o cod", "code"),
        ("run flows/AlphaCodium.yaml --input problem=@examples/oddecho -m gpt-4o", "provider/model"),
        ("run flows/AlphaCodium.yaml --input problem=@examples/oddecho -m codr=openai/gpt-4o", "`coder`"),
        ("run flows/AlphaCodium.yaml --input problem=@examples/oddecho --replay README.md", "no recording"),
        ("judge flows", "no problem package"),
        ("judge examples/oddecho no-such-program.py", "no such file"),
        ("judge examples/oddecho README.md", "no language that is judged here"),
        ("judge examples/oddecho --limits time=soon", "`soon` in `--limits` is no limit of `time`"),
        ("judge examples/oddecho --limits memroy=1GiB", "a similar limit is there: `memory`"),
        ("judge examples/oddecho --stop sometimes", "first-failure"),
        ("judge examples/oddecho --jobs 0", "--jobs"),
        ("judge --verify no-such-report.json", "no such file"),
        ("judge --verify README.md", "no report of verdicts"),
        ("judge", "required"),
        ("check", "required"),
        ("frobnicate", "frobnicate"),
    ];
    for (arguments, says) in cases {
        let ended = call(arguments);
        assert!(
            ended.code == 2 && ended.stderr.contains(says),
            "`{arguments}` ends with {}:\n{}",
            ended.code,
            ended.stderr
        );
        assert_eq!(ended.stdout, "", "`{arguments}` has no result");
    }
}
