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

/// The memory of a package that names none, in bytes: the package format's own default.
const MEMORY: u64 = 2 << 30;

/// What a program may use on one test, in seconds and bytes; what is absent is the sandbox's own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Limits {
    pub(crate) time_s: Option<f64>,
    pub(crate) memory: Option<u64>,
    pub(crate) output: Option<u64>,
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

/// Seconds and MiB.
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
        let time_s = limits.time_limit.or(timelimit_file(folder)?).or_else(|| meta_time(folder));
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
            limits: Limits {
                time_s: time_limit_of(time_s, folder)?,
                memory: limits.memory.map(in_bytes).or(Some(MEMORY)),
                output: limits.output.map(in_bytes),
            },
            validation,
            submissions,
        })
    }

    /// Reads a problem in the JSON of `CodeContests` and `AlphaCodium`, which may say how to `compare` as a flow does;
    /// `None` when it has no tests. The file is for messages.
    pub(crate) fn from_json(value: &Value, file: &Path) -> Result<Option<Self>, Failure> {
        if value.get("public_tests").is_none() {
            return Ok(None);
        }
        let list = |key: &str| {
            let rows = value.get(key).map_or(Ok(Vec::new()), |tests| test_rows(tests, key));
            rows.map_err(|why| Failure::usage(format!("`{}` is no problem: {why}", file.display())))
        };
        let mut secret_tests = list("private_tests")?;
        secret_tests.extend(list("generated_tests")?);
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        // A limit of 0 is one that nobody knew.
        let time_s = value.get("time_limit").and_then(seconds).filter(|time| *time != 0.0);
        let memory = value.get("memory_limit_bytes").and_then(Value::as_u64).filter(|bytes| *bytes > 0);
        Ok(Some(Self {
            name: text("name"),
            description: Some(text("description")),
            public_tests: list("public_tests")?,
            secret_tests,
            limits: Limits { time_s: time_limit_of(time_s, file)?, memory, output: None },
            validation: match value.get("compare") {
                None | Some(Value::Null) => Ok(validation::default()),
                Some(how) => {
                    Compare::read(how, &Modules::new()).map_err(|why| format!("its `compare` is not right: {why}"))
                }
            },
            submissions: Vec::new(),
        }))
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
fn test_rows(tests: &Value, key: &str) -> Result<Vec<Test>, String> {
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
            if inputs.len() != outputs.len() {
                return Err(format!("`{key}` has {} inputs and {} outputs", inputs.len(), outputs.len()));
            }
            Ok(inputs.iter().zip(&outputs).enumerate().map(|(i, (input, output))| test(i, input, output)).collect())
        }
        Value::Array(rows) => {
            Ok(rows.iter().enumerate().map(|(i, row)| test(i, &row["input"], &row["output"])).collect())
        }
        Value::Null => Ok(Vec::new()),
        _ => Err(format!("`{key}` is neither a list of tests nor a record of inputs and outputs")),
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

/// A number of seconds, or `{seconds, nanos}`, of which either may be left out.
fn seconds(written: &Value) -> Option<f64> {
    let part = |name: &str| written.get(name).and_then(Value::as_f64).unwrap_or_default();
    if written.is_object() { Some(part("seconds") + part("nanos") / 1e9) } else { written.as_f64() }
}

/// A limit under which a program has time at all; where there is none, there is none.
fn time_limit_of(limit: Option<f64>, place: &Path) -> Result<Option<f64>, Failure> {
    match limit.filter(|time| !(time.is_finite() && *time > 0.0)) {
        None => Ok(limit),
        Some(time) => Err(Failure::usage(format!("`{}` has a time limit of {time} s", place.display()))
            .hint("expected a positive number of seconds")),
    }
}

/// MiB in bytes; more than there are is all there are.
fn in_bytes(mib: u64) -> u64 {
    mib.saturating_mul(1 << 20)
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
fn timelimit_file(folder: &Path) -> Result<Option<f64>, Failure> {
    let path = folder.join(".timelimit");
    if !path.exists() {
        return Ok(None);
    }
    let written = read_exactly(&path)?;
    written.trim().parse().map(Some).map_err(|_| {
        Failure::usage(format!("`{}` is no time limit: `{}`", path.display(), written.trim()))
            .hint("expected a positive number of seconds")
    })
}

/// `meta.json`'s `time_limit_s`: a limit that was measured for a package whose format leaves it to the judge.
fn meta_time(folder: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(folder.join("meta.json")).ok()?;
    serde_json::from_str::<Value>(&text).ok()?.get("time_limit_s")?.as_f64()
}

/// The pairs of a folder and those below it, by name. One that is half there is an error: a test that is left out in
/// silence is one that everybody passes.
fn tests(folder: &Path) -> Result<Vec<Test>, Failure> {
    let mut found = Vec::new();
    let mut open = Vec::from_iter(folder.exists().then(|| folder.to_owned()));
    while let Some(here) = open.pop() {
        for path in entries(&here)? {
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let other = match ending {
                _ if path.is_dir() => {
                    open.push(path);
                    continue;
                }
                "in" => path.with_extension("ans"),
                "ans" => path.with_extension("in"),
                _ => continue,
            };
            if !other.is_file() {
                let missing = format!("`{}` has no `{}` beside it", path.display(), file_name(&other));
                return Err(Failure::usage(missing).hint("a test is a pair of files, `.in` and `.ans`"));
            }
            if ending == "in" {
                let name = path.strip_prefix(folder).unwrap_or(&path).with_extension("").display().to_string();
                found.push(Test { name, input: read_exactly(&path)?, output: read_exactly(&other)? });
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

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::usage(format!("can't read `{}`: {}", path.display(), reason(&e))))
}

/// Words for people: a letter that is lost is no harm.
fn read(path: &Path) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&bytes(path)?).into_owned())
}

/// What programs read and are held to: it must not change on the way.
fn read_exactly(path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes(path)?).map_err(|_| Failure::usage(format!("`{}` is not UTF-8 text", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_json(written: &Value) -> Problem {
        Problem::from_json(written, Path::new("p.json")).unwrap().unwrap()
    }

    #[test]
    fn parallel_arrays_and_rows_are_the_same_tests() {
        let columns = json!({ "public_tests": { "input": ["1", "2"], "output": ["3", "4"] } });
        let rows = json!({ "public_tests": [{ "input": "1", "output": "3" }, { "input": "2", "output": "4" }] });
        let (columns, rows) = (of_json(&columns), of_json(&rows));
        assert_eq!(columns.public_tests, rows.public_tests);
        assert_eq!(columns.public_tests.len(), 2);
    }

    /// The limits of a problem in JSON with these fields.
    fn limits(mut fields: Value) -> Result<Limits, String> {
        fields["public_tests"] = json!([]);
        let problem = Problem::from_json(&fields, Path::new("p.json")).map_err(|f| f.to_string())?;
        Ok(problem.unwrap().limits)
    }

    #[test]
    fn limits_in_json_are_seconds_with_a_fraction_and_bytes_and_0_is_unknown() {
        let time = |written| limits(json!({ "time_limit": written })).unwrap().time_s;
        assert_eq!(time(json!({ "seconds": 2, "nanos": 500_000_000 })), Some(2.5));
        assert_eq!(time(json!({ "seconds": 0, "nanos": 500_000_000 })), Some(0.5));
        assert_eq!(time(json!({ "nanos": 500_000_000 })), Some(0.5));
        assert_eq!(time(json!({ "seconds": 3 })), Some(3.0));
        assert_eq!(time(json!(1.5)), Some(1.5));
        for unknown in [json!(null), json!(0), json!({ "seconds": 0, "nanos": 0 })] {
            assert_eq!(time(unknown), None);
        }
        let memory = |bytes: u64| limits(json!({ "memory_limit_bytes": bytes })).unwrap().memory;
        assert_eq!((memory(256_000_000), memory(1000), memory(0)), (Some(256_000_000), Some(1000), None));
    }

    #[test]
    fn a_time_limit_below_zero_is_refused_in_json_too() {
        for written in [json!(-1), json!({ "seconds": -1, "nanos": 0 })] {
            assert_eq!(limits(json!({ "time_limit": written })).unwrap_err(), "`p.json` has a time limit of -1 s");
        }
    }

    /// A package of this manifest and one test of these bytes.
    fn package(manifest: &str, input: &[u8]) -> Result<Problem, String> {
        let folder = tempfile::tempdir().unwrap();
        let sample = folder.path().join("data").join("sample");
        std::fs::create_dir_all(&sample).unwrap();
        for (path, bytes) in [
            (folder.path().join("problem.yaml"), manifest.as_bytes()),
            (sample.join("1.in"), input),
            (sample.join("1.ans"), b""),
        ] {
            std::fs::write(path, bytes).unwrap();
        }
        Problem::open(folder.path()).map_err(|f| f.to_string())
    }

    #[test]
    fn limits_of_a_package_are_mib_and_more_than_there_are_is_all_there_are() {
        let limits = |manifest| package(manifest, b"").unwrap().limits;
        let some = limits("limits: { memory: 512, output: 8, time_limit: 0.5 }");
        assert_eq!(some, Limits { time_s: Some(0.5), memory: Some(512 << 20), output: Some(8 << 20) });
        assert_eq!(limits("name: x"), Limits { time_s: None, memory: Some(2 << 30), output: None });
        assert_eq!(limits("limits: { memory: 18446744073709551615 }").memory, Some(u64::MAX));
        for none in ["0", "-1", ".nan", ".inf"] {
            let refused = package(&format!("limits: {{ time_limit: {none} }}"), b"").unwrap_err();
            assert!(refused.contains("has a time limit of"), "{refused}");
        }
    }

    #[test]
    fn a_test_that_is_not_utf_8_is_an_error_that_names_the_file() {
        let refused = package("name: x", b"caf\xe9\n").unwrap_err();
        assert!(refused.ends_with("1.in` is not UTF-8 text"), "{refused}");
        assert_eq!(package("name: x", "café\n".as_bytes()).unwrap().public_tests[0].input, "café\n");
    }

    #[test]
    fn a_test_that_is_half_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        for name in ["1.in", "1.ans", "2.in"] {
            std::fs::write(data.join(name), "1").unwrap();
        }
        assert!(tests(&data).unwrap_err().to_string().contains("2.in` has no `2.ans` beside it"));
        std::fs::rename(data.join("2.in"), data.join("3.ans")).unwrap();
        assert!(tests(&data).unwrap_err().to_string().contains("3.ans` has no `3.in` beside it"));
        std::fs::remove_file(data.join("3.ans")).unwrap();
        assert_eq!(tests(&data).unwrap().len(), 1);
        assert_eq!(tests(&folder.path().join("none")).unwrap(), []);
        let uneven = json!({ "public_tests": { "input": ["1", "2"], "output": ["1"] } });
        let why = Problem::from_json(&uneven, Path::new("p.json")).unwrap_err().to_string();
        assert_eq!(why, "`p.json` is no problem: `public_tests` has 2 inputs and 1 outputs");
    }

    #[test]
    fn a_time_limit_that_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(timelimit_file(folder.path()).unwrap(), None);
        std::fs::write(folder.path().join(".timelimit"), "3\n").unwrap();
        assert_eq!(timelimit_file(folder.path()).unwrap(), Some(3.0));
        std::fs::write(folder.path().join(".timelimit"), "abc").unwrap();
        assert!(timelimit_file(folder.path()).unwrap_err().to_string().contains("is no time limit: `abc`"));
    }

    #[test]
    fn what_a_flow_sees_has_no_secret_test() {
        let problem = json!({ "name": "n", "description": "d", "public_tests": [{ "input": "1", "output": "2" }], "private_tests": { "input": ["secret"], "output": ["s"] } });
        let problem = of_json(&problem);
        assert_eq!(problem.secret_tests.len(), 1);
        assert_eq!(json!(problem.public_rows()), json!([{ "name": "public-1", "input": "1", "output": "2" }]));
    }
}
