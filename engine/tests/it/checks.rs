//! What the checker says of the conformance vectors, of the smallest flow that fires each rule, and of edits of
//! AlphaCodium.yaml.

use crate::harness::{Disk, check_file, check_vector, expected, found, here, listing, misfound, vectors};
use flow_engine::check::check;
use flow_engine::diag::Severity;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

#[test]
fn the_vectors_find_what_the_language_demands() {
    let mut wrong = String::new();
    for (file, vector) in vectors() {
        for line in misfound(&vector, &check_vector(&vector)) {
            wrong.push_str(&format!("{file} {}: {line}\n", vector["name"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_smallest_flow_of_each_rule_fires_it_alone() {
    let mut wrong = String::new();
    for entry in fs::read_dir(here().join("tests/fixtures/err")).expect("fixtures are there").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("readable");
        let want: BTreeSet<(String, String)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# expect: "))
            .filter_map(|line| line.split_once(" at").map(|(rule, at)| (rule.trim().to_owned(), at.trim().to_owned())))
            .collect();
        let checked = check_file(&path);
        let got: BTreeSet<(String, String)> = checked.found.iter().map(|d| (d.rule.to_owned(), d.at.clone())).collect();
        if want.is_empty() || want != got {
            wrong.push_str(&format!("{}: expected {want:?}, found\n{}", path.display(), listing(&checked)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_shipped_flows_have_no_findings() {
    for entry in fs::read_dir(here().join("../flows")).expect("flows are there").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let checked = check_file(&path);
            assert!(checked.found.is_empty(), "{}:\n{}", path.display(), listing(&checked));
        }
    }
}

/// A folder under other files.
struct Over {
    files: BTreeMap<String, String>,
    disk: Disk,
}

impl flow_engine::source::Files for Over {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.files.get(path).map_or_else(|| self.disk.read(path), |text| Ok(text.clone().into_bytes()))
    }
}

#[test]
fn edits_of_alphacodium_are_found_where_they_break_it() {
    let original = fs::read_to_string(here().join("../flows/AlphaCodium.yaml")).expect("the flow is there");
    let mut edits: Vec<PathBuf> = fs::read_dir(here().join("tests/fixtures/edits"))
        .expect("edits are there")
        .flatten()
        .map(|e| e.path())
        .collect();
    edits.sort();
    assert!(edits.len() >= 20, "only {} edits", edits.len());
    let mut wrong = String::new();
    for folder in edits {
        let file = folder.join("edit.yaml");
        if !file.is_file() {
            continue;
        }
        let edit: Value = serde_yaml::from_str(&fs::read_to_string(&file).expect("readable")).expect("an edit is YAML");
        let mut text = original.clone();
        for replace in edit["replace"].as_array().into_iter().flatten() {
            let find = replace["find"].as_str().expect("find is text");
            assert_eq!(text.matches(find).count(), 1, "{}: `{find}` must occur once", folder.display());
            text = text.replace(find, replace["with"].as_str().expect("with is text"));
        }
        let files = edit["files"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(path, text)| (path.clone(), text.as_str().unwrap_or_default().to_owned()))
            .collect();
        let checked = check(&Over { files, disk: Disk(here().join("../flows")) }, "AlphaCodium.yaml", text);
        let want = expected(&edit["expect"]["errors"]);
        let got = found(&checked, Severity::Error);
        if want != got {
            wrong.push_str(&format!("{}: expected {want:?}, found\n{}", folder.display(), listing(&checked)));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
