//! Two runs side by side.

use super::clip;
use super::run::{count, made, outcome, spent};
use crate::command::Listed;
use flow_engine::report::{Diff, Differing, LoopReport, NodeDiff, Pair, Parting, Spend};
use flow_engine::value::{Difference, Value};

/// Characters of a value that are shown.
const SHOWN: usize = 60;

/// What differs between two runs.
pub(crate) fn diff(runs: &Pair<Listed>, diff: &Diff) -> String {
    let mut text = String::new();
    for (name, run, spend) in [("a", &runs.a, &diff.spend.a), ("b", &runs.b, &diff.spend.b)] {
        text.push_str(&format!("{name}  {} {} · {} · {}\n", run.summary.flow, run.summary.id, run.state, cost(spend)));
    }
    if let Some(flow) = &diff.flow {
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        text.push_str(&format!("\nthe flows differ: {} and {}\n", short(&flow.a), short(&flow.b)));
    }
    for (what, differing) in [("inputs", &diff.inputs), ("params", &diff.params)] {
        fields(what, differing, &mut text);
    }
    if let Some(error) = &diff.error {
        text.push_str("\nerror\n");
        for (name, error) in [("a", &error.a), ("b", &error.b)] {
            let shown =
                error.as_ref().map_or("none".to_owned(), |e| format!("{} at `{}`: {}", e.name, e.at, e.message));
            text.push_str(&format!("  {name}: {}\n", clip::middle(&shown, 2 * SHOWN)));
        }
    }
    fields("outputs", &diff.outputs, &mut text);
    if !diff.loops.is_empty() {
        text.push_str("\nloops\n");
        for one in &diff.loops {
            let side = |report: &Option<LoopReport>| report.as_ref().map_or("not ended".to_owned(), made);
            text.push_str(&format!("  {}: {} → {}\n", one.path, side(&one.a), side(&one.b)));
        }
    }
    if !diff.nodes.is_empty() {
        text.push_str("\nnodes\n");
        diff.nodes.iter().for_each(|node| text.push_str(&self::node(node)));
    }
    if diff.is_same() {
        text.push_str("\nboth came to the same\n");
    }
    text
}

fn cost(spend: &Spend) -> String {
    let usd = spend.usd.filter(|usd| *usd > 0.0).map(|usd| format!(", {usd:.4} USD")).unwrap_or_default();
    let cached = if spend.cached > 0 { format!(", {} cached", spend.cached) } else { String::new() };
    format!(
        "{}, {}{usd}{cached}",
        count(spend.calls, "call"),
        count(spend.prompt_tokens + spend.completion_tokens, "token")
    )
}

fn fields(what: &str, differing: &[Differing], text: &mut String) {
    if differing.is_empty() {
        return;
    }
    text.push_str(&format!("\n{what}\n"));
    for one in differing {
        let at = match one.first.at.as_str() {
            "" => one.name.clone(),
            at if at.starts_with('[') => format!("{}{at}", one.name),
            at => format!("{}.{at}", one.name),
        };
        text.push_str(&format!("  {at}: {}\n", sides(&one.first)));
    }
}

fn node(node: &NodeDiff) -> String {
    let path = &node.path;
    let told = |report: &flow_engine::report::NodeReport| {
        let spent = spent(report);
        if spent.is_empty() { outcome(report).to_owned() } else { format!("{}, {spent}", outcome(report)) }
    };
    match (&node.a, &node.b) {
        (Some(a), None) => format!("  {path}: only in a ({})\n", told(a)),
        (None, Some(b)) => format!("  {path}: only in b ({})\n", told(b)),
        (Some(a), Some(b)) => {
            let (a, b) = (told(a), told(b));
            let mut parts = Vec::new();
            if a != b {
                parts.push(format!("{a} → {b}"));
            }
            if let Some(found) = &node.value {
                let at = if found.at.is_empty() { String::new() } else { format!("{}: ", found.at) };
                parts.push(format!("{at}{}", sides(found)));
            }
            format!("  {path}: {}\n", parts.join("; "))
        }
        (None, None) => String::new(),
    }
}

/// Both sides of a difference; of texts of several lines, the first line that differs.
fn sides(found: &Difference) -> String {
    if let (Some(Value::String(a)), Some(Value::String(b))) = (&found.a, &found.b)
        && (a.contains('\n') || b.contains('\n'))
    {
        let line = a.lines().zip(b.lines()).take_while(|(a, b)| a == b).count();
        let shown = |text: &str| {
            text.lines().nth(line).map_or("the end".to_owned(), |l| format!("`{}`", clip::middle(l, SHOWN)))
        };
        return format!("line {}: {} → {}", line + 1, shown(a), shown(b));
    }
    let shown = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), |value| clip::value(value, SHOWN));
    format!("{} → {}", shown(&found.a), shown(&found.b))
}

/// Where a run that was made again is not the same.
pub(crate) fn parting(parting: &Parting) -> String {
    let who = if parting.path.is_empty() { "the run".to_owned() } else { format!("`{}`", parting.path) };
    match &parting.difference {
        None => format!("{who} did not end again"),
        Some(found) => {
            let at = if found.at.is_empty() { "how it ended".to_owned() } else { format!("`{}`", found.at) };
            format!("{who} differs in {at}: {}", sides(found))
        }
    }
}
