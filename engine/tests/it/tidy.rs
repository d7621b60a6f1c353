//! The walls of the house: which module may never mention what. A word in a comment counts too; write around it.

use std::fs;
use std::path::{Path, PathBuf};

/// (folder or file under `engine/src`, words it must not hold, why).
const WALLS: [(&str, &[&str], &str); 12] = [
    (
        "diag.rs",
        &["crate::syntax", "crate::spec", "crate::check", "crate::plan", "crate::run"],
        "findings know no stage",
    ),
    ("source.rs", &["use crate::"], "texts know nothing of ours"),
    (
        "syntax",
        &["crate::spec", "crate::check", "crate::plan", "crate::run", "tokio", "std::fs"],
        "syntax comes first, pure",
    ),
    ("spec", &["crate::check", "crate::plan", "crate::run", "tokio", "std::fs"], "the format has no behaviour"),
    (
        "template",
        &["crate::check", "crate::plan", "crate::run", "tokio", "std::fs", "std::time", "std::env"],
        "no clock, no chance, no files",
    ),
    ("check", &["crate::plan", "crate::journal", "tokio", "std::fs", "std::time::Instant"], "checking is pure"),
    ("plan", &["crate::syntax", "tokio", "std::fs"], "a plan is made of a checked flow alone"),
    ("run", &["crate::syntax", "serde_yaml", "granit"], "a run never looks at YAML"),
    ("journal", &["crate::plan", "crate::check"], "the journal knows no flow"),
    ("report", &["crate::check", "crate::plan", "tokio", "std::fs"], "a report is a fold of events"),
    ("answer", &["crate::check", "crate::plan", "tokio", "std::fs"], "reading answers is pure"),
    ("model", &["crate::check", "crate::plan", "crate::syntax"], "models answer requests"),
];

/// (word, the only place under `engine/src` that may hold it).
const KNOWN_IN_ONE_PLACE: [(&str, &str); 4] = [
    ("granit_parser", "syntax/events.rs"),
    ("minijinja::", "template/"),
    ("petgraph", "plan/"),
    ("reqwest::", "model/http.rs"),
];

fn sources(under: &Path) -> Vec<PathBuf> {
    if under.is_file() {
        return vec![under.to_owned()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(under).into_iter().flatten().flatten() {
        let path = entry.path();
        // Tests may use what they like.
        if path.is_dir() && path.file_name().is_some_and(|n| n == "tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_none_or(|n| n != "tests.rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Code up to its inline tests, which may use what they like.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source is readable");
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

#[test]
fn no_module_looks_where_it_must_not() {
    let mut broken = Vec::new();
    for (place, words, why) in WALLS {
        let files = sources(&root().join(place));
        assert!(!files.is_empty(), "`{place}` is gone: mend the table");
        for file in files {
            let text = code(&file);
            for word in words.iter().filter(|w| text.contains(**w)) {
                broken.push(format!("{} holds `{word}`: {why}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn each_library_is_known_in_one_place() {
    let mut broken = Vec::new();
    for file in sources(&root()) {
        let text = code(&file);
        let inside = file.strip_prefix(root()).expect("a source lies in src").display().to_string();
        for (word, place) in KNOWN_IN_ONE_PLACE {
            if text.contains(word) && !inside.starts_with(place) {
                broken.push(format!("{inside} holds `{word}`, which only {place} knows"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_library_prints_nothing_and_reads_no_environment() {
    let banned = ["println!", "eprintln!", "std::env::", "process::exit", "set_current_dir"];
    let found: Vec<String> = sources(&root())
        .iter()
        .flat_map(|file| {
            let text = code(file);
            banned
                .iter()
                .filter(move |w| text.contains(**w))
                .map(move |w| format!("{} holds `{w}`", file.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_crates_do_not_know_each_other() {
    let manifest = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("Cargo.toml");
        fs::read_to_string(path).expect("a manifest is readable")
    };
    assert!(!manifest("engine").contains("flow-sandbox"));
    assert!(!manifest("sandbox").contains("flow-engine"));
}

#[test]
fn every_rule_has_a_page_and_a_flow_that_fires_it() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for rule in flow_engine::check::RULES {
        assert!(here.join("../docs/rules").join(format!("{}.md", rule.name)).is_file(), "no page for `{}`", rule.name);
        assert!(
            here.join("tests/fixtures/err").join(format!("{}.yaml", rule.name)).is_file(),
            "no fixture for `{}`",
            rule.name
        );
    }
}
