//! `flowctl`: checks, plans and runs flows, and judges programs.

mod cli;
mod command;
mod failure;
mod files;
mod input;
mod problem;
mod render;
mod wire;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match command::dispatch(cli) {
        Ok(code) => code,
        Err(failure) => render::failure(&failure),
    }
}
