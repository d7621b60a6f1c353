//! The published schema and the structural check that is made from it.

use flow_engine::source::SourceId;
use flow_engine::{spec, syntax};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// All files below a folder with the given ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder is readable") {
        let path = entry.expect("entry is readable").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_current(name: &str, fresh: &Value) {
    let file = folder("../schemas").join(name);
    let fresh = format!("{}\n", serde_json::to_string_pretty(fresh).expect("a schema is JSON"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &fresh).expect("schema is writable");
    }
    let kept = std::fs::read_to_string(&file).expect("schema exists");
    assert!(kept == fresh, "{name} is stale: run `UPDATE=1 cargo test -p flow-engine`");
}

#[test]
fn flow_schema_is_current() {
    is_current("flow.schema.json", &spec::flow_schema());
}

#[test]
fn config_schema_is_current() {
    is_current("config.schema.json", &spec::config_schema());
}

/// A vector, of which only the flow and its errors are looked at here.
#[derive(Deserialize)]
struct Vector {
    name: String,
    #[serde(default)]
    flow: Option<String>,
    expect: Expect,
}

#[derive(Deserialize, Default)]
struct Expect {
    #[serde(default)]
    errors: Vec<Expected>,
}

#[derive(Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Expected {
    rule: String,
    at: String,
}

fn vectors() -> Vec<Vector> {
    files(&folder("tests/fixtures/vectors"), "yaml")
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).expect("vectors are readable");
            serde_yaml::from_str::<Vec<Vector>>(&text).expect("vectors are a list")
        })
        .collect()
}

/// What reading and structure find in a flow.
fn findings(text: &str) -> BTreeSet<Expected> {
    let (document, mut found) = syntax::parse(SourceId(0), text);
    found.extend(spec::check(&document));
    found.iter().map(|d| Expected { rule: d.rule.to_owned(), at: d.at.clone() }).collect()
}

/// Whether an error of a vector is one that a document's structure shows: the rules that look further share three names.
fn structural(vector: &str, rule: &str) -> bool {
    match rule {
        "yaml" | "duplicate-key" | "anchor" | "tag" | "merge-key" | "unknown-key" | "no-verb" | "two-verbs"
        | "each-and-loop" => true,
        "missing-key" => !["param-needs-a-default", "else-without-when"].contains(&vector),
        "bad-value" => !["preset-is-checked", "dollar-and-no-path"].contains(&vector),
        "unbounded-loop" => vector != "max-from-a-model",
        _ => false,
    }
}

#[test]
fn structural_errors_of_the_vectors_are_found_where_they_say_and_no_others() {
    let mut seen = 0;
    for vector in vectors() {
        let Some(flow) = &vector.flow else { continue };
        let expected: BTreeSet<Expected> =
            vector.expect.errors.iter().filter(|e| structural(&vector.name, &e.rule)).cloned().collect();
        seen += expected.len();
        assert_eq!(findings(flow), expected, "vector `{}`", vector.name);
    }
    assert!(seen >= 20, "only {seen} structural errors in the vectors");
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft7::new(&spec::flow_schema()).expect("the schema is a schema")
}

fn as_json(text: &str) -> Value {
    syntax::parse(SourceId(0), text).0.root.to_json()
}

#[test]
fn clean_flows_are_valid_by_the_schema_and_broken_ones_are_not() {
    let validator = validator();
    for vector in vectors() {
        let Some(flow) = &vector.flow else { continue };
        // What YAML alone forbids is no longer there in the JSON.
        let yaml_only = ["duplicate-key", "anchor", "tag", "merge-key", "yaml"];
        let structural: Vec<&Expected> =
            vector.expect.errors.iter().filter(|e| structural(&vector.name, &e.rule)).collect();
        if structural.iter().any(|e| yaml_only.contains(&e.rule.as_str())) {
            continue;
        }
        let instance = as_json(flow);
        let wrong: Vec<String> =
            validator.iter_errors(&instance).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        // Patterns see what is wrong inside a scalar, too; so only flows without any error must be valid.
        if vector.expect.errors.is_empty() {
            assert!(wrong.is_empty(), "vector `{}`: {wrong:#?}", vector.name);
        } else if !structural.is_empty() {
            assert!(!wrong.is_empty(), "vector `{}` is valid by the schema, but {structural:?}", vector.name);
        }
    }
}

#[test]
fn shipped_flows_and_drafts_are_valid_and_well_built() {
    let validator = validator();
    let mut flows = files(&folder("../flows"), "yaml");
    flows.extend(files(&folder("tests/fixtures/drafts"), "yaml"));
    assert!(flows.len() >= 15, "only {} flows", flows.len());
    for file in flows {
        let text = std::fs::read_to_string(&file).expect("flow is readable");
        assert_eq!(findings(&text), BTreeSet::new(), "{}", file.display());
        let instance = as_json(&text);
        let wrong: Vec<String> =
            validator.iter_errors(&instance).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", file.display());
    }
}
