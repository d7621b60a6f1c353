//! `flowctl schema`.

use crate::cli::SchemaArgs;
use crate::render;
use flow_engine::spec;
use std::process::ExitCode;

/// Prints a schema for editors.
pub(crate) fn schema(args: &SchemaArgs) -> ExitCode {
    let schema = if args.config { spec::config_schema() } else { spec::flow_schema() };
    render::out(serde_json::to_string_pretty(&schema).expect("internal error: a schema is JSON"));
    ExitCode::SUCCESS
}
