//! Tasks of HumanEval: the canonical solution of each passes its own asserts, and a copy without its body does not.
//!
//! Some tasks are kept beside the tests; `HUMANEVAL=FILE cargo test -p flow-sandbox humaneval` runs those of a file.

use flow_sandbox::{Cancel, Language, Report, Source, Task, Test};
use serde_json::Value;

fn judge(row: &Value, body: &str) -> Report {
    let text = |key: &str| row[key].as_str().expect("a text");
    let code = format!("{}{body}\n{}\ncheck({})\n", text("prompt"), text("test"), text("entry_point"));
    let task = Task::new(Source::new(Language::Python, code), vec![Test::new("", "")]);
    crate::sandbox(task.source.language).judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged")
}

#[test]
fn canonical_solutions_pass_and_copies_without_a_body_fail() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/humaneval.jsonl").into();
    let path = std::env::var_os("HUMANEVAL").unwrap_or(kept);
    let rows = std::fs::read_to_string(path).expect("the tasks can be read");
    let mut count = 0;
    for row in rows.lines().map(|line| serde_json::from_str::<Value>(line).expect("a task")) {
        let right = judge(&row, row["canonical_solution"].as_str().expect("a text"));
        assert!(right.passed, "{}: {}", row["task_id"], right.report);
        let broken = judge(&row, "    pass");
        assert!(broken.compiled && !broken.passed, "{}", row["task_id"]);
        count += 1;
    }
    eprintln!("{count} tasks");
    assert!(count >= 4);
}
