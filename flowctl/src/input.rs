//! `--input` and `--set`: a name and a value, a file, or a problem package.

use crate::failure::Failure;
use crate::files::reason;
use crate::problem::{self, Problem};
use serde_json::Value;
use std::path::Path;

/// Larger inputs are not read: a run keeps its inputs in memory several times.
const LARGEST_INPUT: u64 = 256 << 20;

/// A value as it was given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given {
    /// Text, read by the type of what it is given to.
    Text(String),
    /// A value that was read from a file.
    Value(Value),
}

/// `NAME=VALUE`, `NAME=@FILE`, `NAME=@DIR`.
pub(crate) fn input(written: &str) -> Result<(String, Given), Failure> {
    let (name, value) = split(written, "--input")?;
    let given = match value.strip_prefix('@') {
        Some(path) => from_path(Path::new(path))?,
        None => Given::Text(value),
    };
    Ok((name, given))
}

/// `PARAM=VALUE`.
pub(crate) fn set(written: &str) -> Result<(String, Given), Failure> {
    let (name, value) = split(written, "--set")?;
    Ok((name, Given::Text(value)))
}

fn split(written: &str, flag: &str) -> Result<(String, String), Failure> {
    match written.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::usage(format!("`{flag} {written}` has no `=`")).hint(format!("write `{flag} name=value`"))),
    }
}

fn from_path(path: &Path) -> Result<Given, Failure> {
    let about = std::fs::metadata(path)
        .map_err(|e| Failure::usage(format!("can't read `{}`: {}", path.display(), reason(&e))))?;
    if about.is_dir() {
        if !problem::is_package(path) {
            return Err(Failure::usage(format!("`{}` is no problem package: it has no problem.yaml", path.display())));
        }
        return Ok(Given::Value(Problem::public_of(path)?));
    }
    if about.len() > LARGEST_INPUT {
        return Err(Failure::usage(format!(
            "`{}` has {} MiB; {} MiB at most",
            path.display(),
            about.len() >> 20,
            LARGEST_INPUT >> 20
        )));
    }
    let bytes =
        std::fs::read(path).map_err(|e| Failure::usage(format!("can't read `{}`: {}", path.display(), reason(&e))))?;
    let text =
        String::from_utf8(bytes).map_err(|_| Failure::usage(format!("`{}` is not UTF-8 text", path.display())))?;
    let broken = |what: &str, why: String| Failure::usage(format!("`{}` is not {what}: {why}", path.display()));
    let value: Value = match path.extension().and_then(|e| e.to_str()) {
        Some("json") => serde_json::from_str(&text).map_err(|e| broken("JSON", e.to_string()))?,
        Some("jsonl" | "ndjson") => text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).map_err(|e| broken("JSON line by line", e.to_string())))
            .collect::<Result<Vec<Value>, Failure>>()?
            .into(),
        Some("yaml" | "yml") => serde_yaml::from_str(&text).map_err(|e| broken("YAML", e.to_string()))?,
        _ => return Ok(Given::Text(text)),
    };
    Ok(Given::Value(match Problem::from_json(&value, path)? {
        Some(problem) => {
            with_public_tests(value, &problem).map_err(|why| broken("a problem that can be judged", why))?
        }
        None => value,
    }))
}

/// The file's own fields, its public tests as rows and its other tests left outside the run.
fn with_public_tests(mut value: Value, problem: &Problem) -> Result<Value, String> {
    problem.validation.as_ref().map_err(Clone::clone)?;
    if let Value::Object(fields) = &mut value {
        for secret in ["private_tests", "generated_tests"] {
            fields.remove(secret);
        }
        fields.insert("public_tests".to_owned(), problem.public_rows().into());
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_an_equals_sign() {
        assert_eq!(input("q=a=b").unwrap(), ("q".to_owned(), Given::Text("a=b".to_owned())));
        assert!(input("q").is_err());
    }

    #[test]
    fn a_json_problem_loses_its_secret_tests_on_the_way_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        std::fs::write(&path, r#"{"name":"n","description":"d","public_tests":{"input":["1"],"output":["2"]},"private_tests":{"input":["9"],"output":["8"]}}"#).unwrap();
        let Given::Value(value) = from_path(&path).unwrap() else { panic!("JSON is a value") };
        assert_eq!(value["public_tests"][0]["output"], "2");
        assert!(value.get("private_tests").is_none());
    }
}
