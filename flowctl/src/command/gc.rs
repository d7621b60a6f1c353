//! `flowctl gc`.

use crate::cli::GcArgs;
use crate::failure::Failure;
use crate::render;
use crate::wire;
use flow_engine::spec::units;
use std::collections::HashSet;
use std::process::ExitCode;

/// Forgets runs and answers that nobody touched for a time, and says what went.
pub(crate) fn gc(args: &GcArgs) -> Result<ExitCode, Failure> {
    let keep = units::duration(&args.keep).ok_or_else(|| {
        Failure::usage(format!("`--keep {}` is no time", args.keep)).hint("write it as flows do: `12h`, `30d`")
    })?;
    let store = wire::store(Default::default())?;
    let before = store.runs().map_err(|error| wire::told(&error))?;
    let swept = store.sweep(keep).map_err(|error| wire::told(&error))?;
    let after = store.runs().map_err(|error| wire::told(&error))?;
    let left: HashSet<&str> = after.iter().map(|run| run.id.as_str()).collect();
    for run in before.iter().filter(|run| !left.contains(run.id.as_str())) {
        render::out(format_args!("{}  {}  {}", run.id, run.flow, render::ago(run.began_ms)));
    }
    let (was, is) = swept.bytes;
    render::out(format_args!(
        "{} of {} runs and {} cached answers are gone; {} kB, and were {} kB",
        swept.runs,
        before.len(),
        swept.answers,
        is.div_ceil(1000),
        was.div_ceil(1000)
    ));
    Ok(ExitCode::SUCCESS)
}
