//! What a report holds of a program: everything that must be the same when it is judged again, and nothing else.

use super::{Judged, NoVerdict};
use flow_engine::value::Value;
use flow_sandbox::TestReport;
use serde_json::json;
use sha2::{Digest, Sha256};

/// A program's line of the report.
pub(super) fn of(judged: &Judged) -> Value {
    let report = judged.report.as_ref().ok();
    let message = match &judged.report {
        Ok(report) => report.message.clone(),
        Err(NoVerdict::Unsupported(why) | NoVerdict::Failed(why)) => Some(why.clone()),
    };
    let tests: Vec<Value> = report.iter().flat_map(|r| &r.tests).map(test).collect();
    json!({
        "problem": judged.job.problem(),
        "package": judged.job.package.display().to_string(),
        "file": judged.job.file.display().to_string(),
        "sha256": judged.sha256,
        "language": judged.job.language,
        "verdict": judged.verdict(),
        "expected": judged.job.expected,
        "message": message,
        "stop": judged.job.stop,
        "fuel": report.map(|r| r.fuel),
        "tests": tests,
        "made_by": report.map(|r| &r.made_by),
    })
}

fn test(test: &TestReport) -> Value {
    json!({
        "name": test.name,
        "verdict": test.verdict,
        "message": test.message,
        "fuel": test.fuel,
        "time_ms": test.time_ms,
        "memory": test.memory,
        "distance": test.distance,
        "input_sha256": sha256(test.input.as_bytes()),
        "expected_sha256": test.expected.as_ref().map(|text| sha256(text.as_bytes())),
        "stdout_sha256": sha256(test.stdout.as_bytes()),
    })
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// What one record has otherwise than another, each in a line.
pub(super) fn differences(one: &Value, two: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differ("", one, two, &mut found);
    found
}

fn differ(at: &str, one: &Value, two: &Value, found: &mut Vec<String>) {
    match (one, two) {
        (Value::Object(left), Value::Object(right)) => {
            let keys = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)));
            for key in keys {
                let at = if at.is_empty() { key.clone() } else { format!("{at}, {key}") };
                differ(&at, left.get(key).unwrap_or(&Value::Null), right.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (i, (left, right)) in left.iter().zip(right).enumerate() {
                let name = left.get("name").and_then(Value::as_str).map_or(format!("{}", i + 1), |n| format!("`{n}`"));
                differ(&format!("{at} {name}"), left, right, found);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            found.push(format!("{at}: {} became {}", left.len(), right.len()));
        }
        _ if one == two => {}
        _ => found.push(format!("{at}: {one} became {two}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_its_place_and_both_values() {
        let record = |fuel: u64| json!({ "file": "a.py", "made_by": { "wasmtime": "48" }, "tests": [{ "name": "s/1", "fuel": fuel }] });
        assert_eq!(differences(&record(5), &record(5)), Vec::<String>::new());
        assert_eq!(differences(&record(5), &record(6)), ["tests `s/1`, fuel: 5 became 6"]);
        let other = json!({ "file": "a.py", "made_by": null, "tests": [] });
        assert_eq!(differences(&record(5), &other), [r#"made_by: {"wasmtime":"48"} became null"#, "tests: 1 became 0"]);
    }
}
