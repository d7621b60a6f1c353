//! Adapters for the ports that answer: models over HTTP, recordings of them, and scripted ones for tests.
//!
//! One call of [`Model::ask`](crate::run::ports::Model::ask) is one attempt. Trying again, falling back, re-asking and
//! reading an answer as a type are the run's; no adapter does them. What an adapter does on its own: where a server
//! refuses a part of the form (a schema, say), the attempt goes on without it, the schema shown in the prompt instead,
//! and the answer says so ([`Response::schema_enforced`](crate::run::ports::Response::schema_enforced)).

mod anthropic;
pub mod cassette;
mod compare;
mod fault;
mod http;
mod openai;
mod prices;
mod provider;
mod rate;
pub mod scripted;
mod sse;
mod strict;
mod wire;

pub use http::HttpModel;
pub use prices::{PRICES, PriceTable, known_prices};
pub use provider::{KNOWN, Kind, Known, Provider, SchemaSupport, Timeouts};
pub use rate::Limited;
