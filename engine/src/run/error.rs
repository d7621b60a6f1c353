//! The errors of a run: a closed list, each with a name that shows in the result, the journal and the exit code.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorName {
    /// An input or param of a wrong type, before anything ran.
    BadInput,
    /// The provider wants fewer requests (transport).
    RateLimit,
    /// The provider can't serve now (transport).
    Overloaded,
    /// No answer in time (transport), or nobody answered in `wait`.
    Timeout,
    /// No connection, or it broke (transport).
    Network,
    /// The provider refuses the request: key, model name, context too long, credit spent.
    Rejected,
    /// The model refuses to answer.
    Refused,
    /// The answer was cut off.
    Truncated,
    /// The answer does not have the type, after all re-asks.
    BadOutput,
    /// A check does not hold, after all re-asks.
    CheckFailed,
    /// An expression can't be computed.
    Expression,
    /// The sandbox gave no verdict.
    Sandbox,
    /// A loop's `until` never held.
    Exhausted,
    /// A budget does not allow the next call.
    Budget,
    /// The run was cancelled.
    Cancelled,
}

impl ErrorName {
    /// All names, in the order of the language page.
    pub const ALL: [Self; 15] = [
        Self::BadInput,
        Self::RateLimit,
        Self::Overloaded,
        Self::Timeout,
        Self::Network,
        Self::Rejected,
        Self::Refused,
        Self::Truncated,
        Self::BadOutput,
        Self::CheckFailed,
        Self::Expression,
        Self::Sandbox,
        Self::Exhausted,
        Self::Budget,
        Self::Cancelled,
    ];

    /// The errors that `retry` may try again.
    pub const TRANSPORT: [Self; 4] = [Self::RateLimit, Self::Overloaded, Self::Timeout, Self::Network];

    /// The name as written in flows, events and results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadInput => "bad_input",
            Self::RateLimit => "rate_limit",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Rejected => "rejected",
            Self::Refused => "refused",
            Self::Truncated => "truncated",
            Self::BadOutput => "bad_output",
            Self::CheckFailed => "check_failed",
            Self::Expression => "expression",
            Self::Sandbox => "sandbox",
            Self::Exhausted => "exhausted",
            Self::Budget => "budget",
            Self::Cancelled => "cancelled",
        }
    }

    /// The error of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.as_str() == name)
    }

    /// Whether it is a failure of transport, which `retry` may try again.
    pub fn is_transport(self) -> bool {
        Self::TRANSPORT.contains(&self)
    }

    /// Whether the next model of a `use` list is asked after it: any of the nine errors of a model call.
    pub fn falls_back(self) -> bool {
        match self {
            Self::RateLimit
            | Self::Overloaded
            | Self::Timeout
            | Self::Network
            | Self::Rejected
            | Self::Refused
            | Self::Truncated
            | Self::BadOutput
            | Self::CheckFailed => true,
            Self::BadInput | Self::Expression | Self::Sandbox | Self::Exhausted | Self::Budget | Self::Cancelled => {
                false
            }
        }
    }
}

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error of a node, or of the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// Its name.
    pub name: ErrorName,
    /// What happened, in a sentence; no secrets.
    pub message: String,
    /// The path of the node, without marks of calls; empty when it is the run's.
    pub at: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With outputs, and they are good.
    Accepted,
    /// With outputs that the flow's `accept` refuses.
    NotAccepted,
    /// With an error.
    Failed,
    /// A budget was spent, and nothing made do with that.
    Budget,
    /// It was cancelled.
    Cancelled,
}

impl Outcome {
    /// How a run ends that fails with this error.
    pub fn of_error(name: ErrorName) -> Self {
        match name {
            ErrorName::Budget => Self::Budget,
            ErrorName::Cancelled => Self::Cancelled,
            ErrorName::BadInput
            | ErrorName::RateLimit
            | ErrorName::Overloaded
            | ErrorName::Timeout
            | ErrorName::Network
            | ErrorName::Rejected
            | ErrorName::Refused
            | ErrorName::Truncated
            | ErrorName::BadOutput
            | ErrorName::CheckFailed
            | ErrorName::Expression
            | ErrorName::Sandbox
            | ErrorName::Exhausted => Self::Failed,
        }
    }

    /// As written in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::NotAccepted => "not_accepted",
            Self::Failed => "failed",
            Self::Budget => "budget",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
