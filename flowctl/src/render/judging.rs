//! Judging as it goes: a bar on a terminal, a line for each program elsewhere.

use crate::cli::JudgeFormat;
use crate::command::{Job, Judged};
use crate::render::verdicts::line;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Shows how far judging is, on stderr.
pub(crate) struct Judging {
    bar: Option<ProgressBar>,
    /// Whether each program has a line as it ends.
    lines: bool,
    of: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    at_work: Vec<String>,
    ended: usize,
    surprises: usize,
}

impl Judging {
    /// Nothing is judged yet.
    pub(crate) fn new(jobs: &[Job], format: JudgeFormat) -> Self {
        let tests: usize = jobs.iter().map(Job::tests).sum();
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "{bar:24} {pos}/{len} tests · {msg}";
            let style = ProgressStyle::with_template(style).expect("internal error: the template is a constant");
            let bar = ProgressBar::new(tests as u64).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        // Where results go out line by line, they are the progress; one program has no more than its end.
        let lines = bar.is_none() && format != JudgeFormat::Ndjson && jobs.len() > 1;
        Self { bar, lines, of: jobs.len(), state: Mutex::default() }
    }

    /// A program is at work.
    pub(crate) fn begun(&self, job: &Job) {
        self.change(|state| state.at_work.push(name(job)));
    }

    /// A test is done.
    pub(crate) fn tested(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// A program is done.
    pub(crate) fn ended(&self, one: &Judged) {
        let ended = self.change(|state| {
            if let Some(at) = state.at_work.iter().position(|at_work| *at_work == name(&one.job)) {
                state.at_work.remove(at);
            }
            state.ended += 1;
            state.surprises += usize::from(one.surprises());
            state.ended
        });
        if one.report.is_err()
            && let Some(bar) = &self.bar
        {
            bar.inc(one.job.tests() as u64);
        }
        if self.lines {
            super::note(format_args!("[{ended}/{}] {}", self.of, line(one)));
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn change<T>(&self, how: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let told = how(&mut state);
        if let Some(bar) = &self.bar {
            let surprises =
                if state.surprises > 0 { format!(", {} surprising", state.surprises) } else { String::new() };
            bar.set_message(format!("{}/{} programs{surprises} · {}", state.ended, self.of, state.at_work.join(", ")));
        }
        told
    }
}

fn name(job: &Job) -> String {
    job.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}
