//! `flowctl explain`: the page of a rule, kept in the binary.

use crate::cli::ExplainArgs;
use crate::failure::Failure;
use crate::render;
use flow_engine::check::RULES;
use flow_engine::diag::{Severity, nearest};
use std::process::ExitCode;

include!(concat!(env!("OUT_DIR"), "/rule_pages.rs"));

/// Prints a rule's page, or the names of all rules.
pub(crate) fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let Some(name) = &args.rule else {
        for rule in RULES {
            let severity = match rule.severity {
                Severity::Error => "error  ",
                Severity::Warning => "warning",
            };
            render::out(format_args!("{severity}  {}", rule.name));
        }
        return Ok(ExitCode::SUCCESS);
    };
    match PAGES.iter().find(|(rule, _)| rule == name) {
        Some((_, page)) => {
            render::out(page.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let failure = Failure::usage(format!("there is no rule `{name}`"));
            Err(match nearest(name, RULES.iter().map(|r| r.name)) {
                Some(similar) => failure.hint(format!("a similar rule exists: `{similar}`")),
                None => failure.hint("`flowctl explain` lists them"),
            })
        }
    }
}
