//! The last line of a run.

use flow_engine::report::Report;
use flow_engine::run::Outcome;

/// How a run ended and what it cost; why, when it failed.
pub(crate) fn summary(report: &Report) -> String {
    let outcome = match report.outcome {
        Some(Outcome::Accepted) => "accepted",
        Some(Outcome::NotAccepted) => "not accepted",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Budget) => "the budget is spent",
        Some(Outcome::Cancelled) => "cancelled",
        None => "unfinished",
    };
    let spend = &report.spend;
    let cost = spend.usd.map(|usd| format!(", {usd:.4} USD")).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "times of runs are far below 2^52 ms")]
    let seconds = spend.wall_ms as f64 / 1000.0;
    let calls = if spend.calls == 1 { "1 call".to_owned() } else { format!("{} calls", spend.calls) };
    let tokens = spend.prompt_tokens + spend.completion_tokens;
    let mut text = format!("{outcome}: {calls}, {tokens} tokens{cost}, {seconds:.1} s");
    if let Some(error) = &report.error {
        let at = if error.at.is_empty() { String::new() } else { format!(" at {}", error.at) };
        text.push_str(&format!("\n{}{at}: {}", error.name, error.message));
    }
    text
}
