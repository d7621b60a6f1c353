//! Runs a checked flow: events in, commands out.
//!
//! ```text
//!            RunStarted
//!                │
//!                ▼            next(): an intention        ┌────────────┐
//!   ┌──────► RunState ──────────────────────────────────► │ dispatcher │──► journal (before the effect)
//!   │   (a fold of events)    command(): what to do       │ (one task) │──► observer
//!   │            │                                        └─────┬──────┘
//!   │            │ consequences:                                │ one attempt of one command
//!   │            │ NodeDone, PassAccepted, …, RunDone           ▼
//!   │            └──────────► journal                        workers ──► Model, Executor, People, Embedder
//!   │                                                           │
//!   └───────────────────────────────────────────────────────────┘
//!              facts: CallSettled, WorkDone, Answered, TimerFired, …
//! ```
//!
//! One node, from the outside in: its dependencies are done; `when`; `budget`; then `each` or `loop`; for each item `with`,
//! the verb, `check`; then `on_error`. What is pure is computed in its turn and takes no place among the `jobs`; what asks
//! the world waits for a place. Turns are taken depth first, in file order, item by item: with one job that is the order of
//! the language page.
//!
//! | file | says |
//! | --- | --- |
//! | [`state`](self) | how each event changes the state; nothing else changes it |
//! | `frame` | what instances are alive, as a tree |
//! | `scope` | what names mean at an instance |
//! | `ready` | whose turn it is, and when a failed attempt is made again |
//! | `node`, `repeat` | how flows, blocks, nodes, items and passes begin and end |
//! | `work/` | what each verb asks of the world, and what an answer means |
//! | `budget`, `models`, `prepare` | what may be spent, who is asked, what a run is given |
//! | `shared`, `recorded` | which answers of a journal a fork is given, and a replay |
//! | `dispatcher`, `worker` | the only files that wait |
//!
//! This part never looks at YAML, never prints, reads no clock but the runtime's, and knows chance only as hashes of seeds.

mod budget;
mod dispatcher;
mod error;
mod frame;
mod models;
mod node;
pub mod ports;
mod prepare;
mod ready;
mod recorded;
mod repeat;
mod scope;
mod shared;
mod state;
mod work;
mod worker;

pub use crate::check::flow::Cache;
pub use budget::Cost;
pub use dispatcher::{Around, Cancel, Options, Undriven, resume, run};
pub use error::{ErrorName, Outcome, RunError};
pub use models::{Models, Prices};
pub use prepare::{Given, Prepared, prepare, prepare_params};
pub use recorded::Recorded;
pub use shared::{good_answers, records_before};
pub use state::{Diverged, Effect, RunState, Wanted};
pub use work::{Asked, Command};
