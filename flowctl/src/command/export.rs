//! `flowctl export`.

use super::resume::Kept;
use crate::cli::ExportArgs;
use crate::failure::Failure;
use crate::render;
use crate::wire;
use flow_engine::model::cassette::Cassette;
use std::process::ExitCode;

/// Writes the journal of a run, one record a line, or its answers as a recording.
pub(crate) fn export(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let store = wire::store(Default::default())?;
    let kept = Kept::open(&store, &args.run)?;
    match &args.answers {
        Some(path) => {
            wire::write_whole(path, &Cassette::of(&kept.start().flow, &kept.records).to_text())?;
            render::note(format_args!(
                "the answers of `{}` are in `{path}`: `flowctl run FLOW --replay {path}` answers from them",
                kept.id,
                path = path.display()
            ));
        }
        None => {
            for record in &kept.records {
                let line = serde_json::to_string(record).expect("internal error: records are data");
                render::out_raw(&(line + "\n"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
