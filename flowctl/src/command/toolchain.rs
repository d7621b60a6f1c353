//! `flowctl toolchain`.

use crate::cli::{Format, ToolchainArgs, ToolchainCommand};
use crate::failure::Failure;
use crate::{render, wire};
use flow_sandbox::{Language, Origin, Sandbox, State, UnknownLanguage};
use serde_json::json;
use std::process::ExitCode;

/// Lists, installs and removes toolchains.
pub(crate) fn toolchain(args: &ToolchainArgs) -> Result<ExitCode, Failure> {
    let failed = |e: flow_sandbox::Error| Failure::environment(e.to_string());
    let sandbox = Sandbox::open(&wire::cache_folder()).map_err(failed)?;
    match &args.command {
        ToolchainCommand::List { format } => list(&sandbox, *format),
        ToolchainCommand::Install { language, from } => {
            let language = parse(language)?;
            let origin = from.as_deref().map_or(Origin::Registry, Origin::File);
            sandbox.setup(language, origin, &mut |step| render::setting_up(language, &step)).map_err(failed)?;
            render::note(format_args!("{language} is ready"));
        }
        ToolchainCommand::Remove { language } => {
            let language = parse(language)?;
            sandbox.remove(language).map_err(failed)?;
            render::note(format_args!("{language} is removed"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(language: &str) -> Result<Language, Failure> {
    language.parse().map_err(|e: UnknownLanguage| Failure::usage(e.to_string()))
}

fn list(sandbox: &Sandbox, format: Format) {
    let all = sandbox.toolchains();
    if format == Format::Json {
        render::out(json!({ "toolchains": all }));
        return;
    }
    for one in all {
        let state = match &one.state {
            State::Ready => "ready".to_owned(),
            State::Missing => format!("missing: `flowctl toolchain install {}`", one.language),
            State::Broken(why) => format!("broken ({why}): `flowctl toolchain install {}`", one.language),
        };
        let size = match (one.disk_bytes, one.fetched_bytes) {
            (0, 0) => String::new(),
            (0, fetched) => format!(", {} MB to fetch", fetched / 1_000_000),
            (disk, _) => format!(", {} MB on disk", disk / 1_000_000),
        };
        let licence = if one.licence.is_empty() { String::new() } else { format!(", {}", one.licence) };
        render::out(format_args!("{:<11} {}{licence}{size}  {state}", one.language.to_string(), one.name));
    }
}
