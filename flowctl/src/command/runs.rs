//! `flowctl runs`.

use crate::cli::{Format, RunsArgs};
use crate::failure::Failure;
use crate::render;
use crate::wire;
use flow_engine::journal::{Store, Summary};
use flow_engine::report::Report;
use serde_json::{Value, json};
use std::process::ExitCode;

/// A run and how it stands.
pub(crate) struct Listed {
    pub(crate) summary: Summary,
    /// An outcome, or `running`, `waiting` (for a person), `unfinished`.
    pub(crate) state: &'static str,
}

impl Listed {
    /// How a run stands. One that has no outcome, and that nobody drives, is read to see whether it waits for a person.
    pub(crate) fn of(store: &Store, summary: Summary) -> Result<Self, Failure> {
        let state = match (summary.outcome, summary.alive) {
            (Some(outcome), _) => outcome.as_str(),
            (None, true) => "running",
            (None, false) => {
                let (records, _) = store.read(&summary.id).map_err(|error| wire::told(&error))?;
                if Report::of(&records).waiting.is_empty() { "unfinished" } else { "waiting" }
            }
        };
        Ok(Self { summary, state })
    }

    /// One run by its id.
    pub(crate) fn one(store: &Store, id: &str) -> Result<Self, Failure> {
        let runs = store.runs().map_err(|error| wire::told(&error))?;
        let summary = runs.into_iter().find(|run| run.id == id);
        Self::of(store, summary.ok_or_else(|| Failure::usage(format!("there is no run `{id}`")))?)
    }

    pub(crate) fn json(&self) -> Value {
        let Summary { id, flow, hash, began_ms, touched_ms, parent, outcome, calls, usd, alive: _ } = &self.summary;
        json!({
            "id": id,
            "flow": flow,
            "hash": hash,
            "state": self.state,
            "outcome": outcome,
            "began": render::iso(*began_ms),
            "touched": render::iso(*touched_ms),
            "parent": parent,
            "calls": calls,
            "usd": usd,
        })
    }
}

/// Lists the runs of the folder, the youngest first.
pub(crate) fn runs(args: &RunsArgs) -> Result<ExitCode, Failure> {
    let store = wire::store(Default::default())?;
    let runs = store.runs().map_err(|error| wire::told(&error))?;
    let listed = runs.into_iter().map(|run| Listed::of(&store, run)).collect::<Result<Vec<_>, _>>()?;
    match args.format {
        Format::Json => {
            let list: Vec<Value> = listed.iter().map(Listed::json).collect();
            render::out(json!({ "runs": list }));
        }
        Format::Human if listed.is_empty() => render::note("no runs yet"),
        Format::Human => render::out(render::runs(&listed)),
    }
    Ok(ExitCode::SUCCESS)
}
