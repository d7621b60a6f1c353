//! The expressions and texts that the shipped flows and the conformance vectors are written with.

use super::{eval, holds, render};
use serde_json::{Value, json};

#[test]
fn alphacodium() {
    let tests = json!([{ "input": "1", "output": "2" }, { "input": "3", "output": "4" }]);
    let given = json!({
        "inputs": { "problem": { "description": "Add.\nExample\n1\nExample 2", "public_tests": tests }, "language": "python" },
        "params": {
            "order_matters": true, "delta": 0.0001, "remove_brute_force_solutions": true, "public_max_allowed_calls": 4,
            "single_stage_fix": true, "repair": 2, "add_public_tests_to_ai_tests": true, "max_fixes_per_test": 3,
            "fix_empty_output": true, "revert_to": "last_accepted", "initial_tests": "public",
        },
        "given": { "tests": tests },
        "reflect_again": null,
        "reflect": { "self_reflection": ["a", "b"] },
        "ideas": [{ "name": "scan" }, { "name": "sort" }],
        "best": { "name": "scan" },
        "solutions": { "possible_solutions": [{ "name": "Brute-force" }, { "name": "scan" }] },
        "tests": [{ "input": "5", "output": "6" }],
        "ai_tests": { "tests": [] }, "ai_tests_again": null,
        "state": { "anchors": [{ "output": "2", "input": "1" }], "fixes": 0, "code": "x" },
        "test": { "input": "1", "output": "2" },
        "mend": { "trial": { "passed": true } },
        "trial": { "passed": false, "tests": [{ "verdict": "wrong_answer", "stdout": " \n" }] },
        "start": { "code": "old" },
        "fix": { "code": "new" }, "guard": null, "empty": true, "go": true,
        "pass": { "n": 4, "last": false },
        "order": [1, 2, 3, 4, 5], "exempt": false,
    });
    holds(
        &given,
        &[
            ("(inputs.problem.description | split('\nExample') | list)[0]", json!("Add.")),
            ("{\"float\": params.delta} if params.order_matters else \"unordered\"", json!({ "float": 0.0001 })),
            ("given.tests | length == inputs.problem.public_tests | length", json!(true)),
            ("reflect_again or reflect", json!({ "self_reflection": ["a", "b"] })),
            (
                "(solutions.possible_solutions | rejectattr(\"name\", \"matches\", \"(?i)brute\") | list if \
                 params.remove_brute_force_solutions else none) or solutions.possible_solutions",
                json!([{ "name": "scan" }]),
            ),
            ("(ai_tests_again or ai_tests).tests", json!([])),
            ("params.number_of_ai_tests > 0", json!(false)),
            ("best if pass.n <= 2 or not ideas else ideas[(pass.n - 1) % (ideas | length)]", json!({ "name": "sort" })),
            (
                "given.tests + tests if params.initial_tests == \"all\" else given.tests",
                json!([{ "input": "1", "output": "2" }, { "input": "3", "output": "4" }]),
            ),
            (
                "params.public_max_allowed_calls * (2 if params.single_stage_fix else 1) * (1 + params.repair)",
                json!(24),
            ),
            ("(state.anchors + [test]) | unique | list if mend.trial.passed", json!([{ "output": "2", "input": "1" }])),
            ("reflection.tests_explanations[pass.n - 1] if params.public_use_test_explanations", Value::Null),
            ("params.max_fixes_per_test + 1 + (1 if given.tests | length == 1 else 0)", json!(4)),
            (
                "(fix.code if guard is none or guard.passed else start.code if params.revert_to == \"test_start\" else none) \
                 if fix else start.code if empty and not params.fix_empty_output else none",
                json!("new"),
            ),
            ("state.fixes + 1 if fix", json!(1)),
            ("trial.tests[0].verdict == \"wrong_answer\" and not trial.tests[0].stdout | trim", json!(true)),
            (
                "not pass.last and not trial.passed and state.fixes < params.public_max_allowed_calls and \
                 (params.fix_empty_output or not empty)",
                json!(true),
            ),
            (
                "(given.tests | reverse | list) + tests + given.tests if params.add_public_tests_to_ai_tests else tests",
                json!([
                    { "input": "3", "output": "4" }, { "input": "1", "output": "2" }, { "input": "5", "output": "6" },
                    { "input": "1", "output": "2" }, { "input": "3", "output": "4" },
                ]),
            ),
            ("params.add_public_tests_to_ai_tests and pass.n > order | length - given.tests | length", json!(true)),
            ("[test] + state.anchors", json!([{ "input": "1", "output": "2" }, { "output": "2", "input": "1" }])),
        ],
    );
    let prompt = "Mend {{ state.code | fence(inputs.language) }}\n{% if fix %}\n{{ reflect.self_reflection | bullets }}\n{% endif %}\n\
                  {{ ideas | to_yaml }}{{ guard }}\n";
    let expected = "Mend ```python\nx\n```\n- a\n- b\n- name: scan\n- name: sort\n";
    assert_eq!(render(prompt, &given).unwrap(), expected);
}

#[test]
fn alphacode_and_codechain() {
    let given = json!({
        "run": { "seed": 0 }, "i": 3, "inputs": { "language": "python" },
        "samples": [
            { "trial": { "passed": true }, "write": { "code": "def f(): pass\ndef g(): pass" } }, null,
            { "trial": { "passed": false }, "write": { "code": "no" } },
            { "trial": { "passed": true }, "write": { "code": "def g(): pass" } },
        ],
        "ran": [{ "verdict": "finished", "stdout": "1" }],
        "behaved": [
            { "program": { "behaviour": "p", "code": "1" } }, { "program": { "behaviour": "q", "code": "2" } },
            { "program": { "behaviour": "q", "code": "3" } },
        ],
        "state": { "pool": ["old"] },
    });
    holds(
        &given,
        &[
            ("samples | select | selectattr(\"trial.passed\") | list | length", json!(2)),
            (
                "(samples | select | selectattr(\"trial.passed\") | map(attribute=\"write.code\") | list) or state.pool",
                json!(["def f(): pass\ndef g(): pass", "def g(): pass"]),
            ),
            (
                "samples | select | map(attribute=\"write.code\") | map(\"functions\", inputs.language) | flatten | unique | list",
                json!(["def f(): pass", "def g(): pass"]),
            ),
            (
                "[ran | map(attribute=\"verdict\") | list, ran | map(attribute=\"stdout\") | list]",
                json!([["finished"], ["1"]]),
            ),
            ("[ran | map(attribute=\"verdict\") | list, ran] | hash | length", json!(16)),
            (
                "behaved | map(attribute=\"program\") | group_by(\"behaviour\") | sort(attribute=\"size\", reverse=true) | \
                 map(attribute=\"items\") | round_robin(2) | map(attribute=\"code\") | list",
                json!(["2", "1"]),
            ),
            ("\"dp\" in [[\"greedy\", \"dp\"] | choice(run.seed, i, \"tags\")] + [\"dp\"]", json!(true)),
        ],
    );
    let rating = eval("range(800, 3501, 100) | choice(run.seed, i, \"rating\")", &given).unwrap();
    assert!(rating.as_u64().is_some_and(|r| (800..=3500).contains(&r) && r % 100 == 0), "{rating}");
}

#[test]
fn the_other_flows() {
    let given = json!({
        "asked": [{ "answer": "4" }, { "answer": "5" }, { "answer": "4" }, { "answer": "4" }],
        "votes": ["urgent", "routine", "urgent"], "flags": { "ok": true }, "clinician": null,
        "it": { "symptoms": ["cough", "stroke"], "text": "Buy our LAMP" },
        "inputs": { "must_mention": ["lamp", "price"], "xs": [3, 4] },
        "tool": { "stdout": "out", "stderr": "err" }, "state": { "log": [] }, "note": "n",
        "params": { "tries": 2 }, "a": [{ "v": "p" }, null, { "v": "q" }],
    });
    holds(
        &given,
        &[
            ("asked | map(attribute=\"answer\") | majority", json!("4")),
            (
                "(asked | map(attribute=\"answer\") | group_by | map(attribute=\"size\") | max) / (asked | length)",
                json!(0.75),
            ),
            (
                "not (it.symptoms | select(\"in\", [\"chest pain\", \"stroke\", \"not breathing\"]) | list)",
                json!(false),
            ),
            ("inputs.must_mention | reject(\"in\", it.text | lower) | list", json!(["price"])),
            (
                "\"emergency\" if not flags.ok else clinician.level if clinician else \"urgent\" if votes | unique | list | \
                 length > 1 else votes | majority",
                json!("urgent"),
            ),
            ("(tool.stdout ~ tool.stderr) | clip(20) if tool else 'no tool'", json!("outerr")),
            ("state.log + [note]", json!(["n"])),
            ("params.tries + 1 + (1 if inputs.xs | length == 1 else 0)", json!(3)),
            ("inputs.xs | length + 1", json!(3)),
            ("1 + inputs.xs | length", json!(3)),
            ("inputs.xs + [9]", json!([3, 4, 9])),
            ("a | select | list", json!([{ "v": "p" }, { "v": "q" }])),
            ("a | map(attribute=\"v\") | list", json!(["p", null, "q"])),
            ("a.0.v | trim", json!("p")),
        ],
    );
}
