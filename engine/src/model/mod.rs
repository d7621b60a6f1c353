//! Adapters for the ports that answer: models over HTTP, recordings of them, and scripted ones for tests.
//!
//! One call of [`Model::ask`](crate::run::ports::Model::ask) is one attempt. Trying again, falling back, re-asking and
//! reading an answer as a type are the run's; no adapter does them.

pub mod cassette;
mod compare;
pub mod scripted;
