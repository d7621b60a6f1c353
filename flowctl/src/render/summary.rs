//! The last line of a run.

use super::moment::seconds;
use super::run::count;
use flow_engine::report::Report;
use flow_engine::run::Outcome;
use flow_engine::run::ports::Question;
use flow_engine::value::Value;

/// How a run ended and what it cost; why, when it failed.
pub(crate) fn summary(report: &Report) -> String {
    let outcome = match report.outcome {
        Some(Outcome::Accepted) => "accepted",
        Some(Outcome::NotAccepted) => "not accepted",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Budget) => "the budget is spent",
        Some(Outcome::Cancelled) => "cancelled",
        None if !report.waiting.is_empty() => "waiting",
        None => "unfinished",
    };
    let spend = &report.spend;
    let cost = spend.usd.map(|usd| format!(", {usd:.4} USD")).unwrap_or_default();
    let seconds = seconds(spend.wall_ms);
    let calls = count(spend.calls, "call");
    let tokens = spend.prompt_tokens + spend.completion_tokens;
    let mut text = format!("{outcome}: {calls}, {tokens} tokens{cost}, {seconds:.1} s");
    if spend.cached > 0 {
        let saved = if spend.saved_usd > 0.0 { format!(", {:.4} USD saved", spend.saved_usd) } else { String::new() };
        text.push_str(&format!(" · {} from the cache{saved}", spend.cached));
    }
    if spend.lost > 0 {
        text.push_str(&format!(" · {} sent twice, for the first answer was lost", spend.lost));
    }
    if let Some(error) = &report.error {
        let at = if error.at.is_empty() { String::new() } else { format!(" at {}", error.at) };
        text.push_str(&format!("\n{}{at}: {}", error.name, error.message));
    }
    text
}

/// A question as a person reads it.
pub(crate) fn question(question: &Question) -> String {
    let shown = question.show.as_ref().map(|show| match show {
        Value::String(text) => format!("{}\n\n", text.trim_end()),
        other => format!("{}\n", serde_yaml::to_string(other).unwrap_or_else(|_| other.to_string())),
    });
    format!("{}{} ({}, `{}`)", shown.unwrap_or_default(), question.ask.trim_end(), question.returns, question.path)
}
