//! How a command ends badly, and the exit code of each way.

use flow_engine::run::ErrorName;
use std::fmt;

/// Whose fault it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It ended, and not well: not accepted, or failed on its own terms.
    Ended,
    /// The flow, an input or the command line is wrong.
    Usage,
    /// The environment failed: a provider, a toolchain, the disk.
    Environment,
    /// The budget is spent.
    Budget,
    /// Cancelled or interrupted.
    Cancelled,
}

impl Kind {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ended => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Budget => 4,
            Self::Cancelled => 130,
        }
    }

    /// The kind of a run that failed with an error.
    pub(crate) fn of(error: ErrorName) -> Self {
        match error {
            ErrorName::CheckFailed
            | ErrorName::BadOutput
            | ErrorName::Truncated
            | ErrorName::Refused
            | ErrorName::Exhausted
            | ErrorName::Expression => Self::Ended,
            ErrorName::BadInput => Self::Usage,
            ErrorName::RateLimit
            | ErrorName::Overloaded
            | ErrorName::Timeout
            | ErrorName::Network
            | ErrorName::Rejected
            | ErrorName::Sandbox => Self::Environment,
            ErrorName::Budget => Self::Budget,
            ErrorName::Cancelled => Self::Cancelled,
        }
    }
}

/// A command that could not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Whose fault it is.
    pub(crate) kind: Kind,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// The flow, an input or the command line is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, message: message.into(), hints: Vec::new() }
    }

    /// The environment failed.
    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Self { kind: Kind::Environment, message: message.into(), hints: Vec::new() }
    }

    /// Whoever waited gave up.
    pub(crate) fn cancelled(message: impl Into<String>) -> Self {
        Self { kind: Kind::Cancelled, message: message.into(), hints: Vec::new() }
    }

    /// Says what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
