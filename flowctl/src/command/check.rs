//! `flowctl check`.

use crate::cli::{CheckArgs, Format};
use crate::failure::{Failure, Kind};
use crate::files::FlowFile;
use crate::render;
use flow_engine::check::{self, CheckedFlow};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Finds what is wrong with flows, without running them.
pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let mut wrong = false;
    let mut all = Vec::new();
    for path in &args.flows {
        let file = FlowFile::open(path)?;
        let checked = check::check(&file.files, &file.name, file.text);
        wrong |= checked.flow.is_none();
        match args.format {
            Format::Json => all.extend(render::findings_json(&checked.found, &checked.sources, &file.folder)),
            Format::Human => {
                let text = render::findings_human(&checked.found, &checked.sources, &file.folder);
                if args.flows.len() > 1 {
                    render::out(format_args!("{}: {text}", path.display()));
                } else {
                    render::out(text);
                }
            }
        }
    }
    if args.format == Format::Json {
        render::out(json!({ "diagnostics": all }));
    }
    Ok(if wrong { ExitCode::from(Kind::Usage.code()) } else { ExitCode::SUCCESS })
}

/// Reads and checks a flow that is to be planned or run; what was found is told on stderr.
pub(crate) fn open(path: &Path) -> Result<CheckedFlow, Failure> {
    let file = FlowFile::open(path)?;
    let checked = check::check(&file.files, &file.name, file.text);
    match checked.flow {
        Some(flow) => Ok(flow),
        None => {
            render::note(render::findings_human(&checked.found, &checked.sources, &file.folder));
            Err(Failure::usage(format!("`{}` can't be run as it stands", path.display())))
        }
    }
}
