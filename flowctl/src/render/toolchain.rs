//! What a set-up of a toolchain is doing.

use flow_sandbox::{Language, Progress};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// Says what a set-up is doing: it may take minutes, once.
pub(crate) fn setting_up(language: Language, step: &Progress) {
    super::note(format_args!("{language}: {}", words(step)));
}

/// A set-up as it goes: one line that lives on a terminal, a line for each step elsewhere.
pub(crate) struct SettingUp {
    language: Language,
    line: Option<ProgressBar>,
}

impl SettingUp {
    pub(crate) fn new(language: Language) -> Self {
        Self { language, line: None }
    }

    /// The next step has begun.
    pub(crate) fn show(&mut self, step: &Progress) {
        self.end();
        if !std::io::stderr().is_terminal() {
            setting_up(self.language, step);
            return;
        }
        let style = ProgressStyle::with_template("{spinner} [{bar:20}] {msg} · {elapsed}")
            .expect("internal error: the template is a constant")
            .progress_chars("=> ");
        let (done, of) = share(step);
        let line = ProgressBar::new(of).with_style(style).with_position(done);
        line.set_message(format!("{}: {}", self.language, words(step)));
        line.enable_steady_tick(Duration::from_millis(120));
        self.line = Some(line);
    }

    /// Takes the line away.
    pub(crate) fn end(&mut self) {
        if let Some(line) = self.line.take() {
            line.finish_and_clear();
        }
    }
}

/// How much is done when a step begins, of how much: fetching and unpacking count as one step of compiling each.
fn share(step: &Progress) -> (u64, u64) {
    match step {
        Progress::Waiting | Progress::Fetching { .. } => (0, 4),
        Progress::Unpacking => (1, 4),
        Progress::Compiling { step, of } => (u64::from(*step) + 1, u64::from(*of) + 2),
    }
}

fn words(step: &Progress) -> String {
    match step {
        Progress::Waiting => "another process sets it up; waiting".to_owned(),
        Progress::Fetching { package, bytes } => format!("fetching {package} ({} MB), once", bytes / 1_000_000),
        Progress::Unpacking => "unpacking".to_owned(),
        Progress::Compiling { step, of } => format!("compiling, step {step} of {of}: about a minute each, once"),
    }
}
