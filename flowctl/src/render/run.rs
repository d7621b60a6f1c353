//! Runs: the list of them, one of them as a tree, one place of it.

use super::clip;
use super::moment::{ago, took};
use crate::command::{Call, Listed, Part};
use flow_engine::report::{LoopReport, NodeOutcome, NodeReport, Report};
use flow_engine::run::ports::Role;
use flow_engine::value::Value;
use serde_json::Map;

/// Most items or passes of one node that a tree shows.
const MOST_TURNS: usize = 20;
/// Lines of a text that are shown.
const TEXT_LINES: usize = 40;
/// Lines of an output, beside the others.
const OUTPUT_LINES: usize = 12;
/// Characters of a value in one line.
const LINE: usize = 100;

/// The table of runs.
pub(crate) fn runs(runs: &[Listed]) -> String {
    let head = ["run", "flow", "began", "state", "calls", "usd"].map(str::to_owned);
    let row = |one: &Listed| {
        let run = &one.summary;
        let usd = if run.usd > 0.0 { format!("{:.4}", run.usd) } else { String::new() };
        [run.id.clone(), run.flow.clone(), ago(run.began_ms), state(one), run.calls.to_string(), usd]
    };
    table(&std::iter::once(head).chain(runs.iter().map(row)).collect::<Vec<_>>())
}

fn state(run: &Listed) -> String {
    match run.state {
        "unfinished" => format!("unfinished (flowctl resume {})", run.summary.id),
        "not_accepted" => "not accepted".to_owned(),
        "budget" => "budget spent".to_owned(),
        state => state.to_owned(),
    }
}

/// Rows with their columns below each other.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A number of things.
pub(crate) fn count(n: u64, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}

/// A run: what it was given, what it came to, and its nodes.
pub(crate) fn run(run: &Listed, inputs: &Value, params: &Map<String, Value>, report: &Report) -> String {
    let summary = &run.summary;
    let mut text = format!("{} {} · {}\n", summary.flow, summary.id, ago(summary.began_ms));
    if let Some(parent) = &summary.parent {
        text.push_str(&format!("forked from {parent}\n"));
    }
    let told = super::summary(report);
    let ended = told.strip_prefix("unfinished").filter(|_| run.state == "running");
    let told = ended.map_or(told.clone(), |rest| format!("running{rest}"));
    text.push_str(&format!("{told}\n"));
    for one in &report.waiting {
        text.push_str(&format!(
            "`{}` asks: {}\n  flowctl answer {} '{}' --value …\n",
            one.path, one.question, summary.id, one.path
        ));
    }
    if run.state == "unfinished" {
        text.push_str(&format!("`flowctl resume {}` goes on with it\n", summary.id));
    }
    given("inputs", inputs.as_object(), &mut text);
    given("params", Some(params), &mut text);
    if !report.nodes.is_empty() {
        text.push_str("\nnodes\n");
        tree(report, &mut text);
    }
    if let Some(Value::Object(outputs)) = report.outputs.as_deref() {
        text.push_str("\noutputs\n");
        for (name, value) in outputs {
            match value {
                Value::String(long) if long.contains('\n') => {
                    text.push_str(&format!("  {name}:\n{}", clip::block(long, OUTPUT_LINES, 4)));
                }
                short => text.push_str(&format!("  {name}: {}\n", clip::value(short, LINE))),
            }
        }
    }
    text
}

fn given(what: &str, fields: Option<&Map<String, Value>>, text: &mut String) {
    let Some(fields) = fields.filter(|fields| !fields.is_empty()) else { return };
    text.push_str(&format!("\n{what}\n"));
    for (name, value) in fields {
        text.push_str(&format!("  {name}: {}\n", clip::value(value, LINE)));
    }
}

/// A node, pass or item, and what is in it.
#[derive(Default)]
struct Branch<'r> {
    label: String,
    path: String,
    node: Option<&'r NodeReport>,
    inside: Vec<Branch<'r>>,
}

/// The nodes as a tree of their paths, in the order in which they began.
fn tree(report: &Report, text: &mut String) {
    let mut root = Branch::default();
    for node in &report.nodes {
        let mut at = &mut root;
        for (label, path) in steps(&node.path) {
            let index = at.inside.iter().position(|branch| branch.label == label).unwrap_or_else(|| {
                at.inside.push(Branch { label: label.to_owned(), path: path.to_owned(), ..Branch::default() });
                at.inside.len() - 1
            });
            at = &mut at.inside[index];
        }
        at.node = Some(node);
    }
    let mut rows = Vec::new();
    root.inside.iter().for_each(|branch| branch.rows(1, report, &mut rows));
    text.push_str(&table(&rows));
    text.push('\n');
}

/// The steps of a path, each with the path up to it: `a/b#2/c` is `a`, `b`, `#2`, `c`.
fn steps(path: &str) -> Vec<(&str, &str)> {
    let mut steps = Vec::new();
    let mut from = 0;
    for (at, letter) in path.char_indices() {
        if matches!(letter, '/' | '#' | '[') && at > from {
            steps.push((&path[from..at], &path[..at]));
            from = if letter == '/' { at + 1 } else { at };
        }
    }
    steps.push((&path[from..], path));
    steps
}

impl Branch<'_> {
    fn rows(&self, depth: usize, report: &Report, rows: &mut Vec<[String; 5]>) {
        let label = format!("{:indent$}{}", "", self.label, indent = depth * 2);
        rows.push(match self.node {
            Some(node) => [
                label,
                node.verb.clone(),
                ended(node, report),
                spent(node),
                if node.outcome == NodeOutcome::Skipped { String::new() } else { took(node.ms) },
            ],
            None => {
                let how = if report.discarded.contains(&self.path) { "discarded" } else { "" };
                [label, String::new(), how.to_owned(), String::new(), String::new()]
            }
        });
        let (mut turns, mut left_out) = (0, 0);
        for branch in &self.inside {
            if branch.label.starts_with(['#', '[']) {
                turns += 1;
                if turns > MOST_TURNS {
                    left_out += 1;
                    continue;
                }
            }
            branch.rows(depth + 1, report, rows);
        }
        if left_out > 0 {
            let more = format!("{:indent$}… {left_out} more", "", indent = depth * 2 + 2);
            rows.push([more, String::new(), String::new(), String::new(), String::new()]);
        }
    }
}

fn ended(node: &NodeReport, report: &Report) -> String {
    let passes = report.loops.iter().find(|one| one.path == node.path);
    match passes {
        Some(one) => format!("{}, {}", outcome(node), made(one)),
        None => outcome(node).to_owned(),
    }
}

/// The passes of a loop, and its door.
pub(super) fn made(one: &LoopReport) -> String {
    format!("{} pass{} ({})", one.passes, if one.passes == 1 { "" } else { "es" }, one.exit.as_str())
}

/// How a node ended, in a word.
pub(super) fn outcome(node: &NodeReport) -> &'static str {
    match node.outcome {
        NodeOutcome::Unfinished => "unfinished",
        NodeOutcome::Done => "done",
        NodeOutcome::Caught => "caught",
        NodeOutcome::Failed => "failed",
        NodeOutcome::Skipped => "skipped",
    }
}

/// What a node's own calls come to.
pub(super) fn spent(node: &NodeReport) -> String {
    let mut parts = Vec::new();
    if node.calls > 0 {
        parts.push(count(node.calls, "call"));
    }
    if node.attempts > node.calls {
        parts.push(count(node.attempts, "attempt"));
    }
    if node.cached > 0 {
        parts.push(format!("{} cached", node.cached));
    }
    if node.tokens > 0 {
        parts.push(count(node.tokens, "token"));
    }
    if node.usd > 0.0 {
        parts.push(format!("{:.4} USD", node.usd));
    }
    parts.join(", ")
}

/// One place of a run.
pub(crate) fn part(part: &Part) -> String {
    let mut text = String::new();
    match &part.node {
        Some(node) => {
            let spent = spent(node);
            let spent = if spent.is_empty() { spent } else { format!(", {spent}") };
            text.push_str(&format!("{} · {} · {}{spent}, {}\n", part.path, node.verb, outcome(node), took(node.ms)));
        }
        None => text.push_str(&format!("{}\n", part.path)),
    }
    if let Some(error) = &part.error {
        let at = if error.at.is_empty() || error.at == part.path { String::new() } else { format!(" at {}", error.at) };
        text.push_str(&format!("{}{at}: {}\n", error.name, error.message));
    }
    if let Some(question) = &part.question {
        text.push_str(&format!("asks: {question}\n"));
    }
    for node in part.inside.iter().take(MOST_TURNS) {
        text.push_str(&format!("  {}  {}  {}  {}\n", node.path, node.verb, outcome(node), spent(node)));
    }
    if part.inside.len() > MOST_TURNS {
        text.push_str(&format!("  … {} more\n", part.inside.len() - MOST_TURNS));
    }
    for one in &part.calls {
        text.push_str(&format!("\n{}", call(one)));
    }
    if let Some(value) = &part.value {
        text.push_str("\nvalue\n");
        text.push_str(&self::value(value));
    }
    text
}

fn call(call: &Call) -> String {
    let model = call.request.as_ref().map_or("a model", |request| request.model.as_str());
    let mut head = format!("call {} · {model}", call.path);
    head.push_str(match (&call.response, call.recalled) {
        (Some(_), true) => " · from the cache",
        (Some(response), false) if response.truncated => " · cut off",
        (Some(_), false) => " · answered",
        (None, _) => " · no answer",
    });
    if !call.recalled {
        head.push_str(&format!(" in {}", took(call.ms)));
    }
    head.push_str(&format!(" · {}", count(call.cost.tokens(), "token")));
    if call.cost.nano_usd > 0 {
        head.push_str(&format!(", {:.4} USD", call.cost.usd()));
    }
    if call.attempts > 1 {
        head.push_str(&format!(" · {}", count(u64::from(call.attempts), "attempt")));
    }
    let mut text = head + "\n";
    for attempt in &call.failed {
        text.push_str(&format!("  failed: {}: {}\n", attempt.name, attempt.message));
    }
    for message in call.request.iter().flat_map(|request| &request.messages) {
        let who = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        text.push_str(&format!("  {who}:\n{}", clip::block(&message.text, TEXT_LINES, 4)));
    }
    if let Some(response) = &call.response {
        text.push_str(&format!("  answer:\n{}", clip::block(&response.text, TEXT_LINES, 4)));
    }
    text
}

fn value(value: &Value) -> String {
    match value.get("tests").and_then(Value::as_array) {
        Some(tests) if tests.iter().all(|test| test.get("verdict").is_some()) => trial(value, tests),
        _ => {
            let written = match value {
                Value::String(text) => text.clone(),
                other => serde_yaml::to_string(other).unwrap_or_else(|_| other.to_string()),
            };
            clip::block(&written, TEXT_LINES, 2)
        }
    }
}

/// The verdicts of a trial, test by test, with the first that failed in full.
fn trial(value: &Value, tests: &[Value]) -> String {
    let word = |test: &Value, key: &str| test[key].as_str().unwrap_or_default().to_owned();
    let rows = tests.iter().enumerate().map(|(index, test)| {
        let fuel = test["fuel"].as_u64().unwrap_or_default();
        let time = format!("{} ms", test["time_ms"].as_u64().unwrap_or_default());
        [format!("  test {}", index + 1), word(test, "verdict"), time, format!("{fuel} fuel")]
    });
    let mut text = format!("  passed: {}\n", value["passed"]);
    if let Some(message) = value["message"].as_str() {
        text.push_str(&format!("  message:\n{}", clip::block(message, OUTPUT_LINES, 4)));
    }
    text.push_str(&table(&rows.collect::<Vec<_>>()));
    text.push('\n');
    let failed =
        tests.iter().find(|test| !matches!(test["verdict"].as_str(), Some("accepted" | "finished" | "skipped")));
    if let Some(test) = failed {
        for key in ["input", "expected", "stdout", "stderr"] {
            let shown = word(test, key);
            if !shown.is_empty() {
                text.push_str(&format!("  {key}:\n{}", clip::block(&shown, OUTPUT_LINES, 4)));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_nodes_passes_and_items_as_steps() {
        let labels = |path| steps(path).into_iter().map(|(label, _)| label).collect::<Vec<_>>();
        assert_eq!(labels("hidden[4]/mend/work#2/fix"), ["hidden", "[4]", "mend", "work", "#2", "fix"]);
        assert_eq!(labels("a"), ["a"]);
        assert_eq!(steps("a/b#2").last(), Some(&("#2", "a/b#2")));
    }
}
