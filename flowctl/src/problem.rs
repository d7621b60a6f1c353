//! Problems as people keep them: a package directory (`problem.yaml`, statement, `data/sample`, `data/secret`,
//! `submissions`), or JSON as `CodeContests` and `AlphaCodium` have it. A flow is given the public part alone.

use crate::failure::Failure;
use crate::files::reason;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A problem, its secret tests included: for `judge`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problem {
    pub(crate) name: String,
    pub(crate) description: String,
    /// Tests that a flow may see.
    pub(crate) public_tests: Vec<Test>,
    /// Tests that only the judge sees.
    pub(crate) secret_tests: Vec<Test>,
    pub(crate) limits: Limits,
    pub(crate) comparison: Comparison,
    pub(crate) submissions: Vec<Submission>,
}

/// An input and what should come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) input: String,
    pub(crate) output: String,
}

/// What a program may use on one test; what is absent is the sandbox's own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Limits {
    pub(crate) time_s: Option<f64>,
    pub(crate) memory_mib: Option<u64>,
}

/// The flags of the package format's default output validator.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) case_sensitive: bool,
    pub(crate) space_change_sensitive: bool,
    pub(crate) float_absolute: Option<f64>,
    pub(crate) float_relative: Option<f64>,
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
}

#[derive(Debug, Default, Deserialize)]
struct ManifestLimits {
    memory: Option<u64>,
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
        if manifest.validation.as_deref().is_some_and(|v| v != "default") {
            return Err(Failure::usage(format!("`{}` has an output validator of its own", folder.display()))
                .hint("only the default validator and its flags are known"));
        }
        let limits = manifest.limits.unwrap_or_default();
        let time_s = limits.time_limit.or_else(|| timelimit_file(folder)).or_else(|| meta_time(folder));
        let mut submissions = Vec::new();
        for group in entries(&folder.join("submissions")).unwrap_or_default() {
            let name = file_name(&group);
            for path in entries(&group).unwrap_or_default() {
                submissions.push(Submission { path, folder: name.clone() });
            }
        }
        Ok(Self {
            name: manifest_name(manifest.name).unwrap_or_else(|| file_name(folder)),
            description: statement(folder)?,
            public_tests: tests(&folder.join("data").join("sample"))?,
            secret_tests: tests(&folder.join("data").join("secret"))?,
            limits: Limits { time_s, memory_mib: limits.memory },
            comparison: flags(manifest.validator_flags.as_deref().unwrap_or_default()).map_err(|flag| {
                Failure::usage(format!("`{}` has an unknown validator flag `{flag}`", manifest_path.display()))
            })?,
            submissions,
        })
    }

    /// Reads a problem in the JSON of `CodeContests` and `AlphaCodium`; `None` when it has no tests.
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
            description: text("description"),
            public_tests: list("public_tests"),
            secret_tests,
            limits: Limits { time_s, memory_mib },
            ..Self::default()
        })
    }

    /// What a flow may see: no secret test is in it.
    pub(crate) fn public_value(&self) -> Value {
        let rows: Vec<Value> =
            self.public_tests.iter().map(|t| json!({ "name": t.name, "input": t.input, "output": t.output })).collect();
        json!({ "name": self.name, "description": self.description, "public_tests": rows })
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

fn statement(folder: &Path) -> Result<String, Failure> {
    let candidates = [
        "statement.md",
        "problem_statement/problem.en.md",
        "problem_statement/problem.md",
        "problem_statement/problem.en.tex",
        "problem_statement/problem.tex",
    ];
    for candidate in candidates {
        let path = folder.join(candidate);
        if path.is_file() {
            return read(&path);
        }
    }
    Err(Failure::usage(format!("`{}` has no statement", folder.display()))
        .hint(format!("one of: {}", candidates.join(", "))))
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

/// The flags of the default output validator; the unknown one when there is one.
fn flags(written: &str) -> Result<Comparison, String> {
    let mut comparison = Comparison::default();
    let mut words = written.split_whitespace();
    while let Some(flag) = words.next() {
        let mut number = || words.next().and_then(|n| n.parse::<f64>().ok()).ok_or_else(|| flag.to_owned());
        match flag {
            "case_sensitive" => comparison.case_sensitive = true,
            "space_change_sensitive" => comparison.space_change_sensitive = true,
            "float_absolute_tolerance" => comparison.float_absolute = Some(number()?),
            "float_relative_tolerance" => comparison.float_relative = Some(number()?),
            "float_tolerance" => {
                let tolerance = number()?;
                comparison.float_absolute = Some(tolerance);
                comparison.float_relative = Some(tolerance);
            }
            other => return Err(other.to_owned()),
        }
    }
    Ok(comparison)
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
        let problem = json!({ "name": "n", "description": "d", "public_tests": [], "private_tests": { "input": ["secret"], "output": ["s"] } });
        let problem = Problem::from_json(&problem).unwrap();
        assert_eq!(problem.secret_tests.len(), 1);
        assert!(!problem.public_value().to_string().contains("secret"));
    }

    #[test]
    fn validator_flags_of_the_package_format_are_read() {
        let both = flags("float_tolerance 1e-6").unwrap();
        assert_eq!((both.float_absolute, both.float_relative), (Some(1e-6), Some(1e-6)));
        assert!(flags("case_sensitive space_change_sensitive").unwrap().space_change_sensitive);
        assert_eq!(flags("wobbly 1"), Err("wobbly".to_owned()));
    }
}
