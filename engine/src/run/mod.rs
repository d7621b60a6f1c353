//! Runs a plan: events in, commands out.
mod error;
pub mod ports;
pub use error::{ErrorName, RunError};
