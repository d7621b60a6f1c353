//! Problems as people keep them: a package directory (`problem.yaml`, statement, `data/sample`, `data/secret`,
//! `submissions`), or JSON as `CodeContests` and `AlphaCodium` have it. A flow is given the public part alone.

mod validation;

use crate::failure::Failure;
use crate::files::reason;
use flow_engine::spec::compare::{Compare, Modules};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use validation::Validation;

/// A problem, its secret tests included: for `judge`.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) name: String,
    /// What it asks for; judging does without.
    description: Option<String>,
    /// Tests that a flow may see.
    pub(crate) public_tests: Vec<Test>,
    /// Tests that only the judge sees.
    pub(crate) secret_tests: Vec<Test>,
    pub(crate) limits: Limits,
    pub(crate) validation: Validation,
    pub(crate) submissions: Vec<Submission>,
}

/// An input and what should come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) input: String,
    pub(crate) output: String,
}

/// The memory of a package that names none: the package format's own default.
const MEMORY_MIB: u64 = 2048;

/// What a program may use on one test; what is absent is the sandbox's own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Limits {
    pub(crate) time_s: Option<f64>,
    pub(crate) memory_mib: Option<u64>,
    pub(crate) output_mib: Option<u64>,
}

/// A program that came with a package, and the verdict that its folder names.
#[derive(Debug, Clone)]
pub(crate) struct Submission {
    pub(crate) path: PathBuf,
    /// `accepted`, `wrong_answer`, `time_limit_exceeded`, `run_time_error`, `rejected`, …
    pub(crate) folder: String,
}

/// What of `problem.yaml` is read.
#[derive(Debug, Default, Deserialize)]
struct Manifest {
    name: Option<Value>,
    limits: Option<ManifestLimits>,
    validator_flags: Option<String>,
    validation: Option<String>,
    /// What a problem is, in the format's newer edition: one word or several.
    r#type: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct ManifestLimits {
    memory: Option<u64>,
    output: Option<u64>,
    time_limit: Option<f64>,
}

/// Whether a folder is a problem package.
pub(crate) fn is_package(folder: &Path) -> bool {
    folder.join("problem.yaml").is_file()
}

/// The packages that a folder holds, in order of their names.
pub(crate) fn packages_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let inner = if folder.join("problems").is_dir() { folder.join("problems") } else { folder.to_owned() };
    Ok(entries(&inner)?.into_iter().filter(|p| is_package(p)).collect())
}

impl Problem {
    /// Reads a package.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let manifest_path = folder.join("problem.yaml");
        let manifest: Manifest = serde_yaml::from_str(&read(&manifest_path)?)
            .map_err(|e| Failure::usage(format!("`{}` is not a problem.yaml: {e}", manifest_path.display())))?;
        let validation = validation::of(folder, &manifest, &manifest_path)?;
        let limits = manifest.limits.unwrap_or_default();
        let time_s = limits.time_limit.or_else(|| timelimit_file(folder)).or_else(|| meta_time(folder));
        if let Some(time) = time_s.filter(|time| !(time.is_finite() && *time > 0.0)) {
            return Err(Failure::usage(format!("`{}` has a time limit of {time} s", folder.display()))
                .hint("expected a positive number of seconds"));
        }
        let mut submissions = Vec::new();
        for group in entries(&folder.join("submissions")).unwrap_or_default() {
            let name = file_name(&group);
            for path in entries(&group).unwrap_or_default() {
                submissions.push(Submission { path, folder: name.clone() });
            }
        }
        Ok(Self {
            name: manifest_name(manifest.name).unwrap_or_else(|| file_name(folder)),
            description: statement(folder).ok(),
            public_tests: tests(&folder.join("data").join("sample"))?,
            secret_tests: tests(&folder.join("data").join("secret"))?,
            limits: Limits { time_s, memory_mib: limits.memory.or(Some(MEMORY_MIB)), output_mib: limits.output },
            validation,
            submissions,
        })
    }

    /// Reads a problem in the JSON of `CodeContests` and `AlphaCodium`, which may say how to `compare` as a flow does;
    /// `None` when it has no tests.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        value.get("public_tests")?;
        let list = |key: &str| value.get(key).map(|tests| test_rows(tests, key)).unwrap_or_default();
        let mut secret_tests = list("private_tests");
        secret_tests.extend(list("generated_tests"));
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let time_s = value.get("time_limit").and_then(|t| t.as_f64().or_else(|| t.get("seconds")?.as_f64()));
        let memory_mib = value.get("memory_limit_bytes").and_then(Value::as_u64).map(|bytes| bytes >> 20);
        Some(Self {
            name: text("name"),
            description: Some(text("description")),
            public_tests: list("public_tests"),
            secret_tests,
            limits: Limits { time_s, memory_mib, output_mib: None },
            validation: match value.get("compare") {
                None | Some(Value::Null) => Ok(validation::default()),
                Some(how) => {
                    Compare::read(how, &Modules::new()).map_err(|why| format!("its `compare` is not right: {why}"))
                }
            },
            submissions: Vec::new(),
        })
    }

    /// Reads of a package what a flow may see.
    pub(crate) fn public_of(folder: &Path) -> Result<Value, Failure> {
        let problem = Self { description: Some(statement(folder)?), ..Self::open(folder)? };
        let compare = problem
            .validation
            .as_ref()
            .map_err(|why| Failure::usage(format!("`{}` can't be judged: {why}", folder.display())))?;
        let tests = problem.public_rows();
        Ok(
            json!({ "name": problem.name, "description": problem.description, "public_tests": tests, "compare": compare }),
        )
    }

    /// The tests that a flow may see.
    pub(crate) fn public_rows(&self) -> Vec<Value> {
        self.public_tests.iter().map(|t| json!({ "name": t.name, "input": t.input, "output": t.output })).collect()
    }
}

/// Parallel arrays (`{input: […], output: […]}`) or a list of records.
fn test_rows(tests: &Value, key: &str) -> Vec<Test> {
    let short = key.split('_').next().unwrap_or(key);
    let test = |i: usize, input: &Value, output: &Value| Test {
        name: format!("{short}-{}", i + 1),
        input: text_of(input),
        output: text_of(output),
    };
    match tests {
        Value::Object(columns) => {
            let column = |name: &str| columns.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
            let (inputs, outputs) = (column("input"), column("output"));
            inputs.iter().zip(&outputs).enumerate().map(|(i, (input, output))| test(i, input, output)).collect()
        }
        Value::Array(rows) => rows.iter().enumerate().map(|(i, row)| test(i, &row["input"], &row["output"])).collect(),
        _ => Vec::new(),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn manifest_name(name: Option<Value>) -> Option<String> {
    match name? {
        Value::String(name) => Some(name),
        // One name a language.
        Value::Object(names) => {
            names.get("en").or_else(|| names.values().next()).and_then(Value::as_str).map(str::to_owned)
        }
        _ => None,
    }
}

/// The problem's text, in English if it is there: the format's editions have it in several places.
fn statement(folder: &Path) -> Result<String, Failure> {
    let mut found = Vec::new();
    for place in ["", "statement", "problem_statement"] {
        for path in entries(&folder.join(place)).unwrap_or_default() {
            let name = file_name(&path);
            let (stem, ending) = name.split_once('.').unwrap_or_default();
            let text = ["md", "tex"].iter().position(|text| ending == *text || ending.ends_with(&format!(".{text}")));
            if let (Some(kind), true) = (text, matches!(stem, "statement" | "problem") && path.is_file()) {
                let english = ending.starts_with("en.") || !ending.contains('.');
                found.push((!english, kind, path));
            }
        }
    }
    match found.into_iter().min() {
        Some((.., path)) => read(&path),
        None => Err(Failure::usage(format!("`{}` has no statement", folder.display()))
            .hint("it may be `statement.md`, or `problem.en.md` or `.tex` in `statement` or `problem_statement`")),
    }
}

/// `.timelimit`, as judges write it beside the manifest.
fn timelimit_file(folder: &Path) -> Option<f64> {
    std::fs::read_to_string(folder.join(".timelimit")).ok()?.trim().parse().ok()
}

/// `meta.json`'s `time_limit_s`: a limit that was measured for a package whose format leaves it to the judge.
fn meta_time(folder: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(folder.join("meta.json")).ok()?;
    serde_json::from_str::<Value>(&text).ok()?.get("time_limit_s")?.as_f64()
}

/// The pairs of a folder and those below it, by name.
fn tests(folder: &Path) -> Result<Vec<Test>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(here) = open.pop() {
        for path in entries(&here).unwrap_or_default() {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "in") {
                let answer = path.with_extension("ans");
                if answer.is_file() {
                    let name = path.strip_prefix(folder).unwrap_or(&path).with_extension("").display().to_string();
                    found.push(Test { name, input: read(&path)?, output: read(&answer)? });
                }
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = std::fs::read_dir(folder)
        .map_err(|e| Failure::usage(format!("can't read `{}`: {}", folder.display(), reason(&e))))?;
    let mut paths: Vec<PathBuf> = read.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(path: &Path) -> Result<String, Failure> {
    let bytes =
        std::fs::read(path).map_err(|e| Failure::usage(format!("can't read `{}`: {}", path.display(), reason(&e))))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_arrays_and_rows_are_the_same_tests() {
        let columns = json!({ "public_tests": { "input": ["1", "2"], "output": ["3", "4"] } });
        let rows = json!({ "public_tests": [{ "input": "1", "output": "3" }, { "input": "2", "output": "4" }] });
        let (columns, rows) = (Problem::from_json(&columns).unwrap(), Problem::from_json(&rows).unwrap());
        assert_eq!(columns.public_tests, rows.public_tests);
        assert_eq!(columns.public_tests.len(), 2);
    }

    #[test]
    fn what_a_flow_sees_has_no_secret_test() {
        let problem = json!({ "name": "n", "description": "d", "public_tests": [{ "input": "1", "output": "2" }], "private_tests": { "input": ["secret"], "output": ["s"] } });
        let problem = Problem::from_json(&problem).unwrap();
        assert_eq!(problem.secret_tests.len(), 1);
        assert_eq!(json!(problem.public_rows()), json!([{ "name": "public-1", "input": "1", "output": "2" }]));
    }
}
