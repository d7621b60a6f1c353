//! The append-only list of events of a run, the only truth about it. This module knows events, and no run.

mod event;
mod store;

pub use event::{Event, Exit, Record, RunStarted, VERSION, WorkKind};
pub use store::{Error, Journal, Memory};
