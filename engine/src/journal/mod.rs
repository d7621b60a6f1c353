//! The append-only list of events of a run, the only truth about it. This module knows events, and no run.

mod cache;
mod event;
mod sqlite;
mod store;

pub use cache::{Found, Key};
pub use event::{Event, Exit, Record, RunStarted, VERSION, WorkKind};
pub use sqlite::{Durability, Reuse, Store, StoredRun, Summary, Swept};
pub use store::{Batch, Error, Journal, Memory};
