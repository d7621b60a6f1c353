//! `flowctl why`.

use super::resume::Kept;
use super::show::unknown_place;
use crate::cli::{Format, WhyArgs};
use crate::failure::Failure;
use crate::render;
use crate::wire;
use flow_engine::journal::Store;
use flow_engine::report::NodeOutcome;
use flow_engine::why::{Run, What, Why, begun_in, key_of, was_recalled, why as of};
use serde_json::json;
use std::process::ExitCode;

/// Says why a node of a run was asked, or was not.
pub(crate) fn why(args: &WhyArgs) -> Result<ExitCode, Failure> {
    let store = wire::store(Default::default())?;
    let kept = Kept::open(&store, &args.run)?;
    let path = pick(&kept, &args.node)?;
    let recalled = was_recalled(&kept.records, path);
    let (against, why) = match &args.against {
        Some(other) => {
            let other = Kept::open(&store, other)?;
            let why = beside(&kept, &other, path)?
                .ok_or_else(|| Failure::usage(format!("`{}` has no `{path}` to hold it against", other.id)))?;
            (Some(other.id), why)
        }
        None => match last_before(&store, &kept, path)? {
            Some((id, why)) => (Some(id), why),
            None if recalled => {
                let says = "it was answered from the cache, and the run that kept the answer is gone".to_owned();
                (None, Why { what: What::Recalled, says, difference: None })
            }
            None => {
                let says = format!("no earlier run of `{}` asked this", kept.start().flow);
                (None, Why { what: What::First, says, difference: None })
            }
        },
    };
    match args.format {
        Format::Json => render::out(json!({
            "run": kept.id, "path": path, "recalled": recalled, "against": against,
            "what": why.what, "says": why.says, "difference": why.difference,
        })),
        Format::Human => {
            let beside = against.map(|id| format!(" (beside run {id})")).unwrap_or_default();
            let how = if recalled { "was not asked" } else { "was asked" };
            render::out(format_args!("`{path}` {how}: {}{beside}", why.says));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The call or work that is meant: itself, or the first in a node that was asked.
fn pick<'r>(kept: &'r Kept, node: &str) -> Result<&'r str, Failure> {
    let begun = begun_in(&kept.records, node);
    let asked = begun.iter().find(|path| **path == node || !was_recalled(&kept.records, path));
    if let Some(path) = asked.or(begun.first()) {
        return Ok(path);
    }
    let report = kept.report();
    let Some(one) = report.nodes.iter().find(|one| one.path == node) else {
        return Err(unknown_place(&kept.id, &report, node));
    };
    Err(Failure::usage(match (one.outcome, one.verb.as_str()) {
        (NodeOutcome::Skipped, _) => format!("`{node}` asked nobody: it was skipped"),
        (_, "human") => format!("`{node}` asks a person, each time"),
        (_, verb) => format!("`{node}` asked nobody: it is a `{verb}`"),
    }))
}

fn beside(kept: &Kept, other: &Kept, path: &str) -> Result<Option<Why>, Failure> {
    of(run_of(kept), run_of(other), path).map_err(|error| Failure::environment(error.to_string()))
}

fn run_of(kept: &Kept) -> Run<'_> {
    Run { flow: &kept.flow, records: &kept.records }
}

/// The last run of that flow before this one that has the path; of an answer that was recalled, that asked by the same.
fn last_before(store: &Store, kept: &Kept, path: &str) -> Result<Option<(String, Why)>, Failure> {
    let runs = store.runs().map_err(|error| wire::told(&error))?;
    let before = runs.iter().skip_while(|run| run.id != kept.id).skip(1);
    let (key, recalled) = (key_of(&kept.records, path), was_recalled(&kept.records, path));
    for run in before.filter(|run| run.flow == kept.start().flow) {
        // A run that this engine does not read is none to hold anything against.
        let Ok(other) = Kept::open(store, &run.id) else { continue };
        let own = key_of(&other.records, path);
        if (recalled && own != key) || own.is_none() {
            continue;
        }
        if let Some(why) = beside(kept, &other, path)? {
            return Ok(Some((other.id, why)));
        }
    }
    Ok(None)
}
