//! The only place that prints: results on stdout, the talk on stderr. A pipe that nobody reads any more is no failure.

mod clip;
mod diagnostics;
mod diff;
mod judging;
mod moment;
mod progress;
mod run;
mod sides;
mod summary;
mod toolchain;
mod verdicts;

pub(crate) use diagnostics::{findings_human, findings_json};
pub(crate) use diff::{diff, parting};
pub(crate) use judging::Judging;
pub(crate) use moment::{ago, iso};
pub(crate) use progress::Progress;
pub(crate) use run::{count, part, run, runs};
pub(crate) use summary::{question, summary};
pub(crate) use toolchain::{SettingUp, setting_up};
pub(crate) use verdicts::{differences, surprise, verdicts};

use crate::failure::{Failure, Kind};
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Prints a result and a line's end.
pub(crate) fn out(text: impl Display) {
    given(write(&mut anstream::stdout(), format_args!("{text}\n")));
}

/// Prints a result as it is.
pub(crate) fn out_raw(text: &str) {
    given(write(&mut anstream::AutoStream::never(std::io::stdout()), format_args!("{text}")));
}

/// The reader of a pipe may have gone: what it has read was enough for it. A result that is lost otherwise, as on a full
/// disk, must not pass for one that was given.
fn given(written: std::io::Result<()>) {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let _ = failure(&Failure::environment(format!("the result can't be written: {error}")));
            std::process::exit(i32::from(Kind::Environment.code()));
        }
        _ => {}
    }
}

/// Says something on the side.
pub(crate) fn note(text: impl Display) {
    // Where nobody can be told anything, there is nobody to tell of that.
    let _ = write(&mut anstream::stderr(), format_args!("{text}\n"));
}

/// Prints a failure and what to do about it.
pub(crate) fn failure(failure: &Failure) -> ExitCode {
    note(format_args!("\u{1b}[1;31merror\u{1b}[0m: {failure}"));
    for hint in &failure.hints {
        note(format_args!("  {hint}"));
    }
    ExitCode::from(failure.kind.code())
}

fn write(stream: &mut impl Write, text: std::fmt::Arguments<'_>) -> std::io::Result<()> {
    stream.write_fmt(text).and_then(|()| stream.flush())
}
