//! `flowctl replay`.

use super::drive::{Drive, From, bound_of};
use super::resume::Kept;
use crate::cli::ReplayArgs;
use crate::failure::{Failure, Kind};
use crate::render;
use crate::wire::{self, Answers, Wanted};
use flow_engine::journal::Memory;
use flow_engine::model::cassette::Cassette;
use flow_engine::report::parting;
use flow_engine::run::ports::Ports;
use flow_engine::run::{Cancel, Outcome, Prepared, Recorded};
use std::process::ExitCode;
use std::sync::Arc;

/// Runs a run again with every answer from its journal. It is kept nowhere, and compared with the first one.
pub(crate) fn replay(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let store = wire::store(Default::default())?;
    let kept = Kept::open(&store, &args.run)?;
    let (config, start, flow) = (wire::config()?, kept.start(), &kept.flow);
    let recorded = Recorded::of(flow, &kept.records);
    let recorded = Arc::new(recorded.map_err(|error| Failure::environment(format!("`{}`: {error}", kept.id)))?);
    let answers = Wanted::Replayed(Cassette::of(&start.flow, &kept.records));
    let (ports, answers) = wire::ports(&config, flow, answers, recorded.clone(), true);
    let ports = Ports { embedder: recorded, ..ports };
    let drive = Drive {
        config: &config,
        flow,
        models: start.models.clone(),
        jobs: Some(start.jobs),
        offline: true,
        bounds: bound_of(flow, &start.inputs, &start.params),
        cancel: Cancel::default(),
        cache: start.cache,
    };
    let given = Prepared { inputs: start.inputs.clone(), params: start.params.clone(), seed: start.seed };
    let mut again = Memory::default();
    let report = drive.with(&ports, &mut again, true, From::Start(&given), async |_| ())?;
    let differs = |what: String| Failure { kind: Kind::Ended, message: what, hints: Vec::new() };
    let asked_otherwise = match &answers {
        Answers::Replayed(replay) => replay.divergence(),
        Answers::Providers | Answers::Recorded(_) => None,
    };
    if let (true, Some(error)) = (again.records().is_empty(), &report.error) {
        return Err(differs(format!("`{}` can't be run again: {}", kept.id, error.message)));
    }
    match parting(&kept.records, again.records()) {
        Err(parting) if parting.difference.is_some() || asked_otherwise.is_none() => {
            if report.outcome == Some(Outcome::Cancelled) && asked_otherwise.is_none() {
                return Err(Failure { kind: Kind::Cancelled, message: "cancelled".to_owned(), hints: Vec::new() });
            }
            Err(differs(render::parting(&parting)))
        }
        Err(parting) => Err(differs(asked_otherwise.map_or_else(|| render::parting(&parting), str::to_owned))),
        Ok(nodes) => {
            render::out(format_args!(
                "the same: {}, {}",
                render::count(nodes as u64, "node"),
                render::count(report.spend.calls, "call")
            ));
            Ok(ExitCode::SUCCESS)
        }
    }
}
