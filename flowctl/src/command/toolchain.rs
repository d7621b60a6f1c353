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
            let mut shown = render::SettingUp::new(language);
            let done = sandbox.setup(language, origin, &mut |step| shown.show(&step));
            shown.end();
            done.map_err(failed)?;
            render::note(format_args!("{language} is ready"));
        }
        ToolchainCommand::Remove { language } => {
            let language = parse(language)?;
            sandbox.remove(language).map_err(failed)?;
            let with = match language {
                Language::C => ", and `cpp` with it: they share one compiler",
                Language::Cpp => ", and `c` with it: they share one compiler",
                Language::Python | Language::Javascript | Language::Rust | Language::Wasm => "",
            };
            render::note(format_args!("{language} is removed{with}"));
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
            State::Missing => match &one.hint {
                Some(hint) => format!("missing: {hint}"),
                None => format!("missing: `flowctl toolchain install {}`", one.language),
            },
            State::Broken(why) => format!("broken ({why}): `flowctl toolchain install {}`", one.language),
        };
        let size = match (one.disk_bytes, one.fetched_bytes) {
            (0, 0) => String::new(),
            (0, fetched) => format!(", {} MB to fetch", fetched / 1_000_000),
            (disk, _) => format!(", {} MB on disk", disk / 1_000_000),
        };
        let licence = if one.licence.is_empty() { String::new() } else { format!("; licence: {}", one.licence) };
        render::out(format_args!("{:<11} {state}", one.language));
        render::out(format_args!("            {}{size}{licence}", one.name));
    }
}
