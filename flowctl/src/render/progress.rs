//! A run as it goes: live lines on a terminal, plain ones elsewhere. Drawn from the same events as the report.

use super::moment::seconds;
use flow_engine::journal::{Event, Record};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

/// More live lines than that are no longer read.
const MOST_LINES: usize = 8;

/// Shows what a run does, on stderr.
pub(crate) struct Progress {
    live: Option<Live>,
    /// Passes at work: loop path to (pass, of).
    passes: HashMap<String, Option<u64>>,
    calls: u64,
    most_calls: Option<u64>,
    tokens: u64,
    usd: f64,
    priced: bool,
}

struct Live {
    area: MultiProgress,
    footer: ProgressBar,
    lines: HashMap<String, ProgressBar>,
}

impl Progress {
    /// Lines that change when stderr is a terminal, lines that stay otherwise.
    pub(crate) fn new(most_calls: Option<u64>) -> Self {
        let live = std::io::stderr().is_terminal().then(|| {
            let area = MultiProgress::new();
            let footer = area.add(ProgressBar::new_spinner().with_style(style("{spinner} {msg} · {elapsed}")));
            footer.enable_steady_tick(Duration::from_millis(120));
            Live { area, footer, lines: HashMap::new() }
        });
        Self { live, passes: HashMap::new(), calls: 0, most_calls, tokens: 0, usd: 0.0, priced: true }
    }

    /// Takes in one event.
    pub(crate) fn show(&mut self, record: &Record) {
        match &record.event {
            Event::CallSent { path, attempt, request, reserved, .. } => {
                self.calls += reserved.calls;
                let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                self.begin(path, &format!("{path} asks {}{again}", request.model));
            }
            Event::CallSettled { path, cost, priced, .. } => {
                self.tokens += cost.tokens();
                self.usd += cost.usd();
                self.priced &= priced;
                self.finish(path, record.at_ms, "answered");
            }
            Event::CallFailed { path, name, message, .. } => {
                self.finish(path, record.at_ms, &format!("{name}: {message}"));
            }
            Event::CallLost { path, .. } => {
                self.line(record.at_ms, &format!("{path}: its answer was lost with the process; it is sent again"));
            }
            Event::CacheHit { path, .. } => self.line(record.at_ms, &format!("{path}: from the cache")),
            Event::WorkStarted { path, .. } => self.begin(path, &format!("{path} runs")),
            Event::WorkDone { path, value } => self.finish(path, record.at_ms, &verdict(value)),
            Event::WorkFailed { path, name, message, .. } => {
                self.finish(path, record.at_ms, &format!("{name}: {message}"));
            }
            Event::Asked { path, question, .. } => self.begin(path, &format!("{path} waits for a person: {question}")),
            Event::Answered { path, .. } => self.finish(path, record.at_ms, "answered"),
            Event::TimerSet { path, after_ms, budget: false } => {
                self.line(record.at_ms, &format!("{path}: tried again in {:.1} s", seconds(*after_ms)));
            }
            Event::AnswerMended { path, repairs } => {
                self.line(record.at_ms, &format!("{path}: the answer was mended ({})", repairs.join(", ")));
            }
            Event::NodeStarted { path, of, .. } => {
                self.passes.insert(path.clone(), *of);
            }
            Event::PassAccepted { path } => self.pass(record.at_ms, path, "done"),
            Event::PassDiscarded { path, .. } => self.pass(record.at_ms, path, "discarded"),
            Event::BudgetExhausted { path, scope, what } => {
                let scope = if scope.is_empty() { "the run" } else { scope };
                self.line(record.at_ms, &format!("{path}: the budget of {what} of {scope} is spent"));
            }
            Event::NodeFailed { path, error, .. } => {
                self.line(record.at_ms, &format!("{path} failed: {}", error.message));
            }
            Event::NodeSkipped { path, error: Some(error), .. } => {
                self.line(record.at_ms, &format!("{path} is done without ({}: {})", error.name, error.message));
            }
            Event::NodeDone { path, caught: Some(error), .. } => {
                self.line(record.at_ms, &format!("{path} is done without ({}: {})", error.name, error.message));
            }
            Event::RunStarted(_)
            | Event::Resumed { .. }
            | Event::Stepped
            | Event::TimerSet { budget: true, .. }
            | Event::TimerFired { .. }
            | Event::Cancelled { .. }
            | Event::NodeDone { caught: None, .. }
            | Event::NodeSkipped { error: None, .. }
            | Event::LoopEnded { .. }
            | Event::RunDone { .. } => {}
        }
        self.footer();
    }

    /// Takes the live lines away.
    pub(crate) fn end(&mut self) {
        if let Some(live) = self.live.take() {
            live.lines.into_values().for_each(|line| line.finish_and_clear());
            live.footer.finish_and_clear();
        }
    }

    fn begin(&mut self, path: &str, text: &str) {
        let Some(live) = &mut self.live else { return };
        if live.lines.len() < MOST_LINES {
            let line =
                ProgressBar::new_spinner().with_style(style("  {msg} · {elapsed}")).with_message(text.to_owned());
            let line = live.area.insert_before(&live.footer, line);
            line.enable_steady_tick(Duration::from_millis(500));
            live.lines.insert(path.to_owned(), line);
        }
    }

    fn finish(&mut self, path: &str, at_ms: u64, how: &str) {
        if let Some(live) = &mut self.live
            && let Some(line) = live.lines.remove(path)
        {
            line.finish_and_clear();
        }
        self.line(at_ms, &format!("{path}: {how}"));
    }

    fn pass(&mut self, at_ms: u64, path: &str, how: &str) {
        let of = path.rsplit_once(['#', '[']).and_then(|(of, _)| self.passes.get(of).copied().flatten());
        let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
        self.line(at_ms, &format!("{path}{of}: pass {how}"));
    }

    fn line(&self, at_ms: u64, text: &str) {
        let text = format!("{:>7.1} s  {text}", seconds(at_ms));
        match &self.live {
            // Drawn above the live lines; a terminal that is gone is no failure.
            Some(live) => drop(live.area.println(text)),
            None => super::note(text),
        }
    }

    fn footer(&self) {
        let Some(live) = &self.live else { return };
        let most = self.most_calls.map(|m| format!(" of at most {m}")).unwrap_or_default();
        let cost = if self.priced && self.usd > 0.0 { format!(" · {:.4} USD", self.usd) } else { String::new() };
        live.footer.set_message(format!("{} calls{most} · {} tokens{cost}", self.calls, self.tokens));
    }
}

/// What there is to say of a program's run.
fn verdict(value: &serde_json::Value) -> String {
    match (value.get("tests").and_then(|t| t.as_array()), value.get("passed").and_then(|p| p.as_bool())) {
        (Some(tests), Some(passed)) => {
            let good = tests.iter().filter(|t| t["verdict"] == "accepted").count();
            let message = value["message"].as_str().filter(|_| !passed).and_then(|m| m.lines().last());
            let why = message.map(|m| format!(": {m}")).unwrap_or_default();
            format!("{good} of {} tests passed{why}", tests.len())
        }
        _ => "done".to_owned(),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("internal error: the template is a constant")
}
