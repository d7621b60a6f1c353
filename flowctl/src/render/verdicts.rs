//! Verdicts of programs, one line each, with the first failing test of those that surprise.

use crate::command::Judged;
use flow_sandbox::{TestReport, Verdict};

/// Lines of an output that are shown.
const SHOWN_LINES: usize = 12;

/// One line on stderr as a program is done.
pub(crate) fn judged(one: &Judged, index: usize, of: usize) {
    super::note(format_args!("[{index}/{of}] {}", line(one)));
}

/// The table of all verdicts, then what was not as expected.
pub(crate) fn verdicts_human(judged: &[Judged]) -> String {
    let mut text: String = judged.iter().map(|one| line(one) + "\n").collect();
    for one in judged {
        let surprises = one.held() == Some(false) || (one.held().is_none() && one.verdict() != Some(Verdict::Accepted));
        if let (true, Ok(report)) = (surprises, &one.report) {
            text.push_str(&format!(
                "\n{}: {}\n",
                one.file.display(),
                report.message.as_deref().unwrap_or("no message")
            ));
            if let Some(test) = report.tests.iter().find(|t| t.verdict.failed()) {
                text.push_str(&shown(test));
            }
        }
    }
    let held = judged.iter().filter(|j| j.held() == Some(true)).count();
    let expected = judged.iter().filter(|j| j.held().is_some()).count();
    if expected > 0 {
        text.push_str(&format!("\n{held} of {expected} as expected"));
    }
    text.trim_end().to_owned()
}

fn line(one: &Judged) -> String {
    let verdict = match (&one.report, one.verdict()) {
        (Ok(report), Some(verdict)) => {
            let good = report.tests.iter().filter(|t| t.verdict == Verdict::Accepted).count();
            let slowest = report.tests.iter().map(|t| t.time_ms).max().unwrap_or_default();
            format!("{:<14} {good:>3} of {:<3} tests {slowest:>6} ms", verdict.name(), report.tests.len())
        }
        (Err(why), _) => format!("no verdict: {why}"),
        (Ok(_), None) => "no verdict".to_owned(),
    };
    let expected = match one.held() {
        Some(true) => "as expected".to_owned(),
        Some(false) => format!("EXPECTED {}", one.expected.as_deref().unwrap_or_default()),
        None => String::new(),
    };
    format!("{verdict}  {}  {expected}", one.file.display()).trim_end().to_owned()
}

/// A failing test: what went in, and expected and actual output side by side with the first difference marked.
fn shown(test: &TestReport) -> String {
    let mut text = format!("  test {}: {}\n", test.name.as_deref().unwrap_or("?"), test.verdict);
    text.push_str("  input:\n");
    for line in clipped(&test.input) {
        text.push_str(&format!("    {line}\n"));
    }
    let expected = clipped(test.expected.as_deref().unwrap_or_default());
    let actual = clipped(&test.stdout);
    let width = expected.iter().map(|l| l.chars().count()).max().unwrap_or(0).clamp(8, 60);
    text.push_str(&format!("    {:<width$} | actual\n", "expected"));
    let mut differed = false;
    for i in 0..expected.len().max(actual.len()) {
        let (left, right) = (expected.get(i).map_or("", |l| l), actual.get(i).map_or("", |l| l));
        let first = !differed && left.trim_end() != right.trim_end();
        differed |= first;
        text.push_str(&format!("  {} {left:<width$} | {right}\n", if first { ">" } else { " " }));
    }
    text
}

/// The lines of a text, without those in the middle of a long one, each at most 60 characters.
fn clipped(text: &str) -> Vec<String> {
    let short = |line: &str| {
        if line.chars().count() > 60 { line.chars().take(59).chain(['…']).collect() } else { line.to_owned() }
    };
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= SHOWN_LINES {
        return lines.into_iter().map(short).collect();
    }
    let half = SHOWN_LINES / 2;
    let left_out = format!("… {} lines …", lines.len() - 2 * half);
    lines[..half]
        .iter()
        .map(|l| short(l))
        .chain([left_out])
        .chain(lines[lines.len() - half..].iter().map(|l| short(l)))
        .collect()
}
