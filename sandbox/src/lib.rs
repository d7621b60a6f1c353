//! Judges programs that nobody trusts: a source becomes wasm, and each test runs in a fresh, metered instance of it.
//!
//! ```no_run
//! use flow_sandbox::{Cancel, Language, Origin, Sandbox, Source, Task, Test, Verdict};
//!
//! let sandbox = Sandbox::open("cache".as_ref())?;
//! sandbox.setup(Language::Python, Origin::Registry, &mut |_step| {})?;
//! let source = Source::new(Language::Python, "print(int(input()) * 2)");
//! let task = Task::new(source, vec![Test::new("4", "8"), Test::new("x", "0")]);
//! let report = sandbox.judge(&task, &Cancel::new(), &mut |_test| {})?;
//! assert_eq!(report.tests[0].verdict, Verdict::Accepted);
//! assert_eq!(report.tests[1].verdict, Verdict::RuntimeError);
//! # Ok::<(), flow_sandbox::Error>(())
//! ```
//!
//! # The journey
//!
//! A [`Source`] is handed to the [`Language`]'s toolchain, which makes a [`Program`] of it: a wasm module of its own, or
//! a program for an interpreter that was started once and frozen. Each [`Test`] of a [`Task`] is one [`Execution`] of the
//! program under its [`Limits`]; a [`Comparison`] holds the output against the right one, and out comes a [`Verdict`].
//! All of them together are a [`Report`], with the text that a model needs to mend the program.
//!
//! # What is walled
//!
//! A guest has standard input, output and error, the files it was given (read-only), chance from a fixed seed and a clock
//! that runs on its own fuel. There is no host file, socket, process, environment, clock or random source behind any call.
//!
//! # What is counted
//!
//! Fuel decides how long a program may run, so a verdict is the same on every machine and under any load; memory and
//! output are counted in bytes. A wall clock guards the host alone: when it ends a run, that is an [`Error`] and never a
//! verdict.
//!
//! # What this crate does not do
//!
//! It knows nothing of flows, models or problem packages; it prints nothing, reads no environment and has no settings but
//! its arguments. It fetches a toolchain only when [`Sandbox::setup`] is called with [`Origin::Registry`].

mod cache;
mod cancel;
mod child;
mod compare;
mod compile;
mod engine;
mod error;
mod fault;
mod files;
mod guard;
mod guest;
mod inspect;
mod judge;
mod limits;
mod report;
mod run;
mod sandbox;
mod snapshot;
mod source;
mod toolchain;
mod validator;
mod wasi;
mod words;
pub mod worker;

pub use cancel::Cancel;
pub use compare::{Comparison, Tolerance};
pub use error::Error;
pub use fault::End;
pub use limits::{FUEL_PER_SECOND, Fuel, Limits, MODULE_BYTES, SOURCE_BYTES, STDERR_BYTES, STDIN_BYTES, fuel_ms};
pub use report::{CRASH_DISTANCE, Provenance, Report, Stop, Task, Test, TestReport, Verdict};
pub use run::{Execution, Program};
pub use sandbox::{Answer, Compiled, Sandbox};
pub use source::{Files, Language, Source, UnknownLanguage};
pub use toolchain::{Error as ToolchainError, Origin, Progress, State, ToolchainStatus};
