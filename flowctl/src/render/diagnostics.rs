//! Findings of the checker, for people and for machines.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Patch, Renderer, Snippet};
use flow_engine::diag::{Diagnostic, Diagnostics, Severity};
use flow_engine::source::Sources;
use serde_json::{Value, json};

/// The findings as rustc shows them, and a last line that counts them.
pub(crate) fn findings_human(found: &Diagnostics, sources: &Sources, folder: &str) -> String {
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for one in found.iter() {
        let source = sources.get(one.span.source);
        let path = format!("{folder}{}", source.path);
        let level = match one.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        // An annotation of nothing at the end of the text has nothing to stand under.
        let end = one.span.end.min(source.text.len());
        let start = one.span.start.min(end);
        let label = if one.at.is_empty() { String::new() } else { format!("at `{}`", one.at) };
        let snippet = Snippet::source(&source.text)
            .path(&path)
            .annotation(AnnotationKind::Primary.span(start..end).label(&label));
        let mut group = level.primary_title(&one.message).id(one.rule).element(snippet);
        if let Some(help) = &one.help
            && one.fixes.is_empty()
        {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let mut report = vec![group];
        if let Some(fix) = one.fixes.first() {
            let fixed = sources.get(fix.span.source);
            let patch = Patch::new(fix.span.start..fix.span.end, fix.text.as_str());
            let title = one.help.as_deref().unwrap_or("this mends it");
            report.push(Level::HELP.secondary_title(title).element(Snippet::source(&fixed.text).patch(patch)));
        }
        text.push_str(&renderer.render(&report));
        text.push_str("\n\n");
    }
    text.push_str(&summary(found));
    text
}

fn summary(found: &Diagnostics) -> String {
    let errors = found.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = found.iter().count() - errors;
    let plural = |n: usize, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
    match (errors, warnings) {
        (0, 0) => "no findings".to_owned(),
        (0, w) => plural(w, "warning"),
        (e, 0) => plural(e, "error"),
        (e, w) => format!("{}, {}", plural(e, "error"), plural(w, "warning")),
    }
}

/// The findings as a list of objects.
pub(crate) fn findings_json(found: &Diagnostics, sources: &Sources, folder: &str) -> Vec<Value> {
    found.iter().map(|one| finding_json(one, sources, folder)).collect()
}

fn finding_json(one: &Diagnostic, sources: &Sources, folder: &str) -> Value {
    let source = sources.get(one.span.source);
    let (line, column) = source.line_column(one.span.start);
    let (end_line, end_column) = source.line_column(one.span.end);
    let fixes: Vec<Value> = one
        .fixes
        .iter()
        .map(|fix| {
            let fixed = sources.get(fix.span.source);
            let (line, column) = fixed.line_column(fix.span.start);
            let (end_line, end_column) = fixed.line_column(fix.span.end);
            json!({ "file": format!("{folder}{}", fixed.path), "line": line, "column": column, "end_line": end_line, "end_column": end_column, "text": fix.text })
        })
        .collect();
    json!({
        "rule": one.rule,
        "severity": match one.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": one.message,
        "help": one.help,
        "at": one.at,
        "file": format!("{folder}{}", source.path),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "fixes": fixes,
    })
}
