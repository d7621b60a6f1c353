//! Verdicts of programs: a table, then the first failing test of those that surprise, then the count.

use super::clip;
use super::sides::side_by_side;
use crate::command::{Job, Judged, NoVerdict};
use flow_sandbox::{Report, TestReport, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Programs whose failure is told in full; `--format json` has all.
const TOLD: usize = 20;

/// Lines of an error or an input that are shown.
const LINES: usize = 12;

/// Characters of a difference that are shown.
const WIDTH: usize = 120;

/// Differences of one program that are listed: where one number is another, most are.
const DIFFERENCES: usize = 10;

/// A program's verdict on one line.
pub(super) fn line(one: &Judged) -> String {
    let row = row(one);
    let text = format!("{} {} {} {} {}", row[0], row[2], row[3], row[4], row[5]);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How a program that is not as expected failed; nothing of another.
pub(crate) fn surprise(one: &Judged) -> Option<String> {
    let report = one.report.as_ref().ok().filter(|_| one.surprises())?;
    let mut text = String::new();
    failure(&mut text, one, report);
    Some(text)
}

/// All verdicts, and how the programs failed that were a surprise.
pub(crate) fn verdicts(judged: &[Judged], surprises: &[Option<String>]) -> String {
    let mut text = String::new();
    let head = ["program", "language", "verdict", "tests", "slowest", ""].map(str::to_owned);
    let rows: Vec<[String; 6]> = judged.iter().map(row).collect();
    table(&mut text, std::iter::once(&head).chain(&rows));
    let surprises: Vec<&String> = surprises.iter().flatten().collect();
    surprises.iter().take(TOLD).for_each(|told| text.push_str(told));
    if surprises.len() > TOLD {
        push(&mut text, format_args!("\n… and {} more that are not as expected\n", surprises.len() - TOLD));
    }
    push(&mut text, format_args!("\n"));
    summary(&mut text, judged);
    text
}

/// What a report and the same programs judged again differ in.
pub(crate) fn differences(different: &[(String, Vec<String>)], of: usize) -> String {
    let mut text = String::new();
    for (file, found) in different {
        push(&mut text, format_args!("{file}\n"));
        found
            .iter()
            .take(DIFFERENCES)
            .for_each(|one| push(&mut text, format_args!("  {}\n", clip::middle(one, WIDTH))));
        if found.len() > DIFFERENCES {
            push(&mut text, format_args!("  … and {} more\n", found.len() - DIFFERENCES));
        }
    }
    let same = of - different.len();
    push(&mut text, format_args!("{same} of {of} programs are the same, bit for bit\n"));
    text
}

fn row(one: &Judged) -> [String; 6] {
    let language = one.job.language.map(|l| l.to_string()).unwrap_or_default();
    let (verdict, tests, slowest, why) = match &one.report {
        Ok(report) => {
            let good = report.tests.iter().filter(|t| t.verdict == Verdict::Accepted).count();
            let slowest = report.tests.iter().map(|t| t.time_ms).max().unwrap_or_default();
            let verdict = one.verdict().map(|v| v.to_string()).unwrap_or_default();
            (verdict, format!("{good}/{}", report.tests.len()), format!("{slowest} ms"), String::new())
        }
        Err(NoVerdict::Unsupported(why)) => ("not judged".to_owned(), String::new(), String::new(), why.clone()),
        Err(NoVerdict::Failed(why)) => ("no verdict".to_owned(), String::new(), String::new(), why.clone()),
    };
    let expected = match (one.held(), one.job.expected.as_deref()) {
        (Some(true), _) => "as expected".to_owned(),
        (Some(false), Some(expected)) => format!("EXPECTED {expected}"),
        (Some(false) | None, _) => why,
    };
    [place(&one.job), language, verdict, tests, slowest, expected]
}

/// Where a program lies: in its package, without the folders that all packages have.
fn place(job: &Job) -> String {
    let package = job.package.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    match job.file.strip_prefix(job.package.join("submissions")) {
        Ok(inside) => format!("{package}/{}", inside.display()),
        Err(_) => job.file.display().to_string(),
    }
}

/// Lines of columns that are as wide as what stands in them; the last one ends where it ends.
fn table<'a>(into: &mut String, rows: impl Iterator<Item = &'a [String; 6]> + Clone) {
    let mut widths = [0; 6];
    for row in rows.clone() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let mut line = String::new();
        for (i, (width, cell)) in widths.iter().zip(row).enumerate() {
            // Numbers are read from the right.
            match i {
                3 | 4 => push(&mut line, format_args!("{cell:>width$}  ")),
                5 => line.push_str(cell),
                _ => push(&mut line, format_args!("{cell:<width$}  ")),
            }
        }
        push(into, format_args!("{}\n", line.trim_end()));
    }
}

/// Why a program failed: its first failing test.
fn failure(into: &mut String, one: &Judged, report: &Report) {
    push(into, format_args!("\n{}\n", one.job.file.display()));
    if !report.compiled {
        into.push_str(&clip::block(report.message.as_deref().unwrap_or_default(), LINES, 4));
        return;
    }
    let Some(test) = report.tests.iter().find(|t| t.verdict.failed()) else {
        let expected = one.job.expected.as_deref().unwrap_or_default();
        push(into, format_args!("  all tests are accepted, {expected} was expected\n"));
        return;
    };
    let name = test.name.as_deref().unwrap_or("?");
    push(into, format_args!("  test {name}: {}{}\n", test.verdict, reason(test)));
    push(into, format_args!("  input:\n"));
    into.push_str(&clip::block(&test.input, LINES, 4));
    if test.verdict == Verdict::WrongAnswer {
        let holds = |expected: &str, actual: &str| {
            one.job.comparison.as_ref().ok().and_then(|c| c.holds(expected, actual)).unwrap_or(expected == actual)
        };
        side_by_side(into, test.expected.as_deref().unwrap_or_default(), &test.stdout, &holds);
    } else if !test.stderr.trim().is_empty() {
        push(into, format_args!("  standard error:\n"));
        into.push_str(&clip::block(&test.stderr, LINES, 4));
    }
}

fn reason(test: &TestReport) -> String {
    test.message.as_deref().map(|why| format!(" ({why})")).unwrap_or_default()
}

/// How many are as expected, by language where there are several.
fn summary(into: &mut String, judged: &[Judged]) {
    let mut languages: BTreeMap<String, Vec<&Judged>> = BTreeMap::new();
    for one in judged {
        let language = one.job.language.map_or_else(|| "other".to_owned(), |l| l.to_string());
        languages.entry(language).or_default().push(one);
    }
    let many = languages.len() > 1;
    for (language, all) in languages.iter().filter(|_| many) {
        push(into, format_args!("{language:<11} {}\n", counted(all)));
    }
    let all: Vec<&Judged> = judged.iter().collect();
    push(into, format_args!("{}{}\n", if many { "all         " } else { "" }, counted(&all)));
}

fn counted(judged: &[&Judged]) -> String {
    let (held, told) =
        judged.iter().filter_map(|one| one.held()).fold((0, 0), |(h, t), held| (h + usize::from(held), t + 1));
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    judged.iter().filter_map(|one| one.verdict()).for_each(|verdict| *counts.entry(verdict).or_default() += 1);
    let none = judged.iter().filter(|one| one.report.is_err()).count();
    let mut parts: Vec<String> = counts.iter().map(|(verdict, n)| format!("{n} {verdict}")).collect();
    if none > 0 {
        parts.push(format!("{none} without a verdict"));
    }
    let expected = if told > 0 { format!("{held} of {told} as expected: ") } else { String::new() };
    format!("{expected}{}", parts.join(", "))
}

pub(super) fn push(into: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = into.write_fmt(what);
}
