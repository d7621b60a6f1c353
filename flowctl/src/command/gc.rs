//! `flowctl gc`.

use crate::cli::GcArgs;
use crate::failure::Failure;
use crate::render;
use crate::wire;
use flow_engine::spec::units;
use std::collections::HashSet;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Forgets runs and answers that nobody touched for a time, and says what went.
pub(crate) fn gc(args: &GcArgs) -> Result<ExitCode, Failure> {
    let keep = units::duration(&args.keep).ok_or_else(|| {
        Failure::usage(format!("`--keep {}` is no time", args.keep)).hint("write it as flows do: `12h`, `30d`")
    })?;
    let store = wire::store(Default::default())?;
    let before = store.runs().map_err(|error| wire::told(&error))?;
    let since = SystemTime::now().checked_sub(keep).and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
    let since = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or_default());
    let swept = store.sweep(since).map_err(|error| wire::told(&error))?;
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
