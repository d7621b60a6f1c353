//! `flowctl worker`: the other end of the pool that `judge` and `run` judge with. Nobody types it.

use crate::cli::WorkerArgs;
use crate::failure::Failure;
use flow_sandbox::{Sandbox, worker};
use std::process::ExitCode;

/// Serves until standard input ends.
pub(crate) fn worker(args: &WorkerArgs) -> Result<ExitCode, Failure> {
    let sandbox = Sandbox::open(&args.cache).map_err(|e| Failure::environment(e.to_string()))?;
    worker::serve(sandbox.into(), std::io::stdin(), std::io::stdout())
        .map_err(|e| Failure::environment(format!("nobody can be answered: {e}")))?;
    Ok(ExitCode::SUCCESS)
}
