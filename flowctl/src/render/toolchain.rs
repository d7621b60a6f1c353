//! What a set-up of a toolchain is doing.

use flow_sandbox::{Language, Progress};

/// Says what a set-up is doing: it may take minutes, once.
pub(crate) fn setting_up(language: Language, step: &Progress) {
    let text = match step {
        Progress::Waiting => "another process sets it up; waiting".to_owned(),
        Progress::Fetching { package, bytes } => format!("fetching {package} ({} MB), once", bytes / 1_000_000),
        Progress::Unpacking => "unpacking".to_owned(),
        Progress::Compiling { step, of } => format!("compiling, step {step} of {of}: about a minute each, once"),
    };
    super::note(format_args!("{language}: {text}"));
}
