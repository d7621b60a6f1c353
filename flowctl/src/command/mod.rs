//! One file a command: what it does, between what the command line took and what `render` prints.

mod check;
mod drive;
mod explain;
mod judge;
mod plan;
mod resume;
mod run;
mod schema;
mod toolchain;

pub(crate) use judge::Judged;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use std::process::ExitCode;

/// Does what the command line says.
pub(crate) fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Resume(args) => resume::resume(&args),
        Command::Answer(args) => resume::answer(&args),
        Command::Cancel(args) => resume::cancel(&args),
        Command::Check(args) => check::check(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Schema(args) => Ok(schema::schema(&args)),
        Command::Explain(args) => explain::explain(&args),
        Command::Judge(args) => judge::judge(&args),
        Command::Toolchain(args) => toolchain::toolchain(&args),
    }
}
