//! Flows from files and from vectors, and what the checker says of them.

use flow_engine::check::{Checked, check};
use flow_engine::diag::Severity;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The warnings that vectors look at.
const LOOKED_AT: [&str; 1] = ["forgotten-dollar"];

/// The engine's folder, whichever crate is tested.
pub(crate) fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine")
}

/// A folder of flows and their files.
pub(crate) struct Disk(pub(crate) PathBuf);

impl flow_engine::source::Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(self.0.join(path)).map_err(|e| e.to_string())
    }
}

/// The flow of a file.
pub(crate) fn check_file(path: &Path) -> Checked {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let folder = path.parent().expect("a flow lies in a folder").to_owned();
    check(&Disk(folder), path.file_name().and_then(|n| n.to_str()).expect("a name"), text)
}

/// `(rule, at)` of the findings of one severity.
pub(crate) fn found(checked: &Checked, severity: Severity) -> BTreeSet<(String, String)> {
    checked.found.iter().filter(|d| d.severity == severity).map(|d| (d.rule.to_owned(), d.at.clone())).collect()
}

/// `(rule, at)` of a list of findings that are expected.
pub(crate) fn expected(list: &Value) -> BTreeSet<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    list.as_array().into_iter().flatten().map(|e| (text(&e["rule"]), text(&e["at"]))).collect()
}

/// The findings, one a line.
pub(crate) fn listing(checked: &Checked) -> String {
    checked.found.iter().map(|d| format!("    {} at {}: {}\n", d.rule, d.at, d.message)).collect()
}

/// The flow of a vector, from its text or its file.
pub(crate) fn check_vector(vector: &Value) -> Checked {
    if let Some(file) = vector["file"].as_str() {
        let shipped = here().join("../flows").join(file);
        let draft = here().join("tests/fixtures/drafts").join(file);
        return check_file(if shipped.is_file() { &shipped } else { &draft });
    }
    let files: BTreeMap<String, String> = vector["files"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(path, text)| (path.clone(), text.as_str().unwrap_or_default().to_owned()))
        .collect();
    check(&files, "flow.yaml", vector["flow"].as_str().expect("a vector has a flow or a file").to_owned())
}

/// What the checker finds in a vector's flow that the vector does not expect, or misses.
pub(crate) fn misfound(vector: &Value, checked: &Checked) -> Vec<String> {
    let mut wrong = Vec::new();
    let want = expected(&vector["expect"]["errors"]);
    if want != found(checked, Severity::Error) {
        wrong.push(format!("expected {want:?}, found\n{}", listing(checked)));
    }
    if vector["expect"].get("warnings").is_some() {
        let mut got = found(checked, Severity::Warning);
        got.retain(|(rule, _)| LOOKED_AT.contains(&rule.as_str()));
        let want = expected(&vector["expect"]["warnings"]);
        if want != got {
            wrong.push(format!("expected warnings {want:?}, found\n{}", listing(checked)));
        }
    }
    wrong
}
