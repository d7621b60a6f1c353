//! What goes wrong here that is no verdict.

use crate::source::Language;
use crate::toolchain;

/// No verdict could be given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's [`crate::Cancel`] was set.
    #[error("judging was cancelled")]
    Cancelled,
    /// The wall guard passed before the fuel was used up.
    #[error("the host is too slow: a run had not ended after {seconds:.0} s, and less than its fuel was used")]
    HostTooSlow {
        /// How long the run was given.
        seconds: f64,
    },
    /// The language's toolchain cannot be used.
    #[error("`{language}` cannot be run: {source}")]
    Toolchain {
        /// The language asked for.
        language: Language,
        /// Why.
        source: toolchain::Error,
    },
    /// A checker or validator ended in no way that its contract knows, or does not compile.
    #[error("the checker gave no answer: {0}")]
    Checker(String),
    /// A test's input is longer than [`crate::STDIN_BYTES`].
    #[error("an input of {bytes} bytes is too long: at most {limit} can be read", limit = crate::limits::STDIN_BYTES)]
    InputTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The host lacks what the sandbox needs.
    #[error("the sandbox does not work on this host: {0}")]
    Host(String),
    /// A worker process lacks a toolchain: [`crate::Sandbox::setup`] in this one, and it can be asked again.
    #[error("`{language}` cannot be run: {why}")]
    Unready {
        /// The language asked for.
        language: Language,
        /// What is missing.
        why: String,
    },
    /// A worker process could not do its task: it ended twice over it, or says why.
    #[error("a judging process failed: {0}")]
    Worker(String),
}
