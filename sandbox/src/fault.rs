//! How a guest ended.

use wasmtime::{Error, ThrownException, Trap};

/// How a run ended. It travels through wasmtime as an error, because that is what unwinds a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// By itself, with an exit code; returning from its start is code 0.
    #[error("exit code {0}")]
    Exit(i32),
    /// By a fault, in words.
    #[error("{0}")]
    Trap(String),
    /// All fuel was used.
    #[error("time limit: all fuel was used")]
    OutOfFuel,
    /// It asked for more memory to begin with than it may have.
    #[error("memory limit: more memory was asked for than there may be")]
    OutOfMemory,
    /// It wrote more than it may.
    #[error("output limit: more was written than there may be")]
    OutputLimit,
    /// The host gave up: cancelled, or the wall guard passed. Says nothing about the program.
    #[error("the run was aborted")]
    Aborted,
}

impl End {
    /// What a failed call or instantiation means.
    pub(crate) fn of(error: &Error) -> Self {
        if let Some(end) = error.downcast_ref::<Self>() {
            return end.clone();
        }
        if error.is::<ThrownException>() {
            return Self::Trap("an exception was thrown and not caught".to_owned());
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::OutOfFuel,
            Some(Trap::StackOverflow) => Self::Trap("stack overflow: the recursion is too deep".to_owned()),
            Some(Trap::UnreachableCodeReached) => {
                Self::Trap("the program aborted (wasm `unreachable` was executed)".to_owned())
            }
            Some(trap) => Self::Trap(trap.to_string()),
            None => Self::Trap(format!("{error:#}")),
        }
    }
}
