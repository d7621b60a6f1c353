//! `flowctl worker`: the other end of the pool that `judge` and `run` judge with. Nobody types it.

use crate::cli::WorkerArgs;
use crate::failure::Failure;
use flow_sandbox::{Sandbox, worker};
use std::io::ErrorKind;
use std::process::ExitCode;

/// Serves until standard input ends.
pub(crate) fn worker(args: &WorkerArgs) -> Result<ExitCode, Failure> {
    let sandbox = Sandbox::open(&args.cache).map_err(|e| Failure::environment(e.to_string()))?;
    match worker::serve(sandbox.into(), std::io::stdin(), std::io::stdout()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Whoever asked is gone, so nobody is told.
        Err(e) if e.kind() == ErrorKind::TimedOut => Ok(ExitCode::FAILURE),
        Err(e) => Err(Failure::environment(format!("nobody can be answered: {e}"))),
    }
}
