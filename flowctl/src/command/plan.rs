//! `flowctl plan`.

use crate::cli::{Format, PlanArgs};
use crate::failure::{Failure, Kind};
use crate::render;
use flow_engine::plan::bound::Known;
use flow_engine::plan::build;
use flow_engine::run::{RunError, prepare, prepare_params};
use std::process::ExitCode;

/// Shows in which order a flow runs, and how many model calls it can make.
pub(crate) fn plan(args: &PlanArgs) -> Result<ExitCode, Failure> {
    let flow = super::check::open(&args.flow)?;
    let refused = |error: RunError| Failure { kind: Kind::of(error.name), message: error.message, hints: Vec::new() };
    let given = super::run::given(&flow, &args.given, 0)?.map_err(refused)?;
    // Without inputs the bound is a formula in their sizes.
    let inputs = if given.inputs.is_empty() { None } else { Some(prepare(&flow, &given).map_err(refused)?.inputs) };
    let params = prepare_params(&flow, &given).map_err(refused)?;
    let known = Known {
        inputs: inputs.as_ref().and_then(|inputs| inputs.as_object()),
        params: params.as_object().expect("internal error: params are a record"),
    };
    let plan = build(&flow, known);
    match args.format {
        Format::Human => render::out(plan.text(args.why).trim_end()),
        Format::Json => render::out(plan.json()),
    }
    for route in flow.files.iter().flat_map(|f| &f.without_effect) {
        render::note(format_args!("`{route}` is checked and has no effect yet"));
    }
    Ok(ExitCode::SUCCESS)
}
