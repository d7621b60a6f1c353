//! `flowctl diff`.

use super::resume::Kept;
use super::runs::Listed;
use crate::cli::{DiffArgs, Format};
use crate::failure::Failure;
use crate::render;
use crate::wire;
use flow_engine::report::{Diff, Pair};
use serde_json::json;
use std::process::ExitCode;

/// Compares two runs.
pub(crate) fn diff(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let store = wire::store(Default::default())?;
    let runs = Pair { a: Kept::open(&store, &args.a)?, b: Kept::open(&store, &args.b)? };
    let listed = Pair { a: Listed::one(&store, &runs.a.id)?, b: Listed::one(&store, &runs.b.id)? };
    let diff = Diff::of(&runs.a.records, &runs.b.records);
    match args.format {
        Format::Json => {
            let (a, b) = (listed.a.json(), listed.b.json());
            render::out(json!({ "same": diff.is_same(), "a": a, "b": b, "differences": diff }));
        }
        Format::Human => render::out_raw(&render::diff(&listed, &diff)),
    }
    Ok(ExitCode::SUCCESS)
}
