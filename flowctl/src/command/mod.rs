//! One file a command: what it does, between what the command line took and what `render` prints.

mod check;
mod diff;
mod drive;
mod explain;
mod export;
mod fork;
mod gc;
mod judge;
mod plan;
mod replay;
mod resume;
mod run;
mod runs;
mod schema;
mod show;
mod toolchain;
mod why;
mod worker;

pub(crate) use judge::{Job, Judged, NoVerdict};
pub(crate) use runs::Listed;
pub(crate) use show::{Call, Part};

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
        Command::Runs(args) => runs::runs(&args),
        Command::Show(args) => show::show(&args),
        Command::Why(args) => why::why(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Fork(args) => fork::fork(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Export(args) => export::export(&args),
        Command::Gc(args) => gc::gc(&args),
        Command::Check(args) => check::check(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Schema(args) => Ok(schema::schema(&args)),
        Command::Explain(args) => explain::explain(&args),
        Command::Judge(args) => judge::judge(&args),
        Command::Toolchain(args) => toolchain::toolchain(&args),
        Command::Worker(args) => worker::worker(&args),
    }
}

/// Waits until this process is asked to end, by Ctrl-C or by the system.
async fn asked_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
