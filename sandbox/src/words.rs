//! The texts of a report: what failed and how, short enough to be read, by a person or a model.

use std::fmt::Write as _;

use crate::report::{TestReport, Verdict};

/// Failed tests that are told in full; more teach nothing and cost tokens.
const MAX_TESTS: usize = 8;

/// Characters of one input or output.
const MAX_TEXT: usize = 1200;

/// Lines of one input or output.
const MAX_LINES: usize = 40;

/// What a model needs to mend a program.
pub(crate) fn report(refused: Option<&str>, tests: &[TestReport]) -> String {
    if let Some(why) = refused {
        return format!("the program does not compile\nverdict: {}\nerror: {}\n", Verdict::CompileError, clip(why));
    }
    let failed: Vec<(usize, &TestReport)> =
        tests.iter().enumerate().filter(|(_, test)| test.verdict.failed()).collect();
    if failed.is_empty() {
        return match tests.len() {
            0 => "the program compiles\n".to_owned(),
            1 => "the test passed\n".to_owned(),
            n => format!("all {n} tests passed\n"),
        };
    }
    let mut text = format!("{} of {} tests failed\n", failed.len(), tests.len());
    for (index, test) in failed.iter().take(MAX_TESTS) {
        let name = test.name.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
        push(&mut text, format_args!("\ntest {}{name}\n", index + 1));
        field(&mut text, "input", &test.input);
        if let Some(expected) = &test.expected {
            field(&mut text, "expected", expected);
        }
        field(&mut text, "actual", &test.stdout);
        push(&mut text, format_args!("verdict: {}\n", test.verdict));
        match test.verdict {
            Verdict::WrongAnswer => {
                if let Some(reason) = &test.message {
                    field(&mut text, "reason", reason);
                }
            }
            Verdict::RuntimeError if !test.stderr.trim().is_empty() => field(&mut text, "error", &test.stderr),
            _ => field(&mut text, "error", test.message.as_deref().unwrap_or_default()),
        }
    }
    if failed.len() > MAX_TESTS {
        push(&mut text, format_args!("\n{} more tests failed\n", failed.len() - MAX_TESTS));
    }
    text
}

/// A report's first line of bad news.
pub(crate) fn message(refused: Option<&str>, tests: &[TestReport]) -> Option<String> {
    if let Some(why) = refused {
        return Some(clip(why));
    }
    let (index, test) = tests.iter().enumerate().find(|(_, test)| test.verdict.failed())?;
    let why = match test.verdict {
        Verdict::RuntimeError if !test.stderr.trim().is_empty() => Some(fault(&test.stderr)),
        _ => test.message.as_deref().map(first_line),
    };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("test {}: {}{why}", index + 1, test.verdict))
}

/// The last line of an error text that says something: Python ends with it, JavaScript and Rust with where it was.
pub(crate) fn fault(stderr: &str) -> String {
    let where_it_was = |line: &str| line.starts_with("at ") || line.starts_with("note: ");
    let mut lines = stderr.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().next().unwrap_or("nothing was said");
    clip(lines.find(|line| !where_it_was(line)).unwrap_or(last))
}

fn first_line(text: &str) -> String {
    clip(text.lines().next().unwrap_or_default())
}

/// One line of name and text; a text of several lines begins below its name.
fn field(into: &mut String, name: &str, text: &str) {
    let text = clip(text.trim_end());
    if text.contains('\n') {
        push(into, format_args!("{name}:\n{text}\n"));
    } else {
        push(into, format_args!("{name}: {text}\n"));
    }
}

fn push(into: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = into.write_fmt(what);
}

/// The text without its middle when it is long: beginnings and ends say most.
pub(crate) fn clip(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let text = if lines.len() > MAX_LINES {
        let (head, tail) = (&lines[..MAX_LINES / 2], &lines[lines.len() - MAX_LINES / 2..]);
        format!("{}\n… {} lines left out …\n{}", head.join("\n"), lines.len() - MAX_LINES, tail.join("\n"))
    } else {
        text.to_owned()
    };
    let count = text.chars().count();
    if count <= MAX_TEXT {
        return text;
    }
    let head: String = text.chars().take(MAX_TEXT / 2).collect();
    let tail: String = text.chars().skip(count - MAX_TEXT / 2).collect();
    format!("{head} … {} characters left out … {tail}", count - MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(verdict: Verdict, stderr: &str) -> TestReport {
        TestReport {
            name: None,
            verdict,
            input: "1 2\n".into(),
            expected: Some("3\n".into()),
            stdout: "4\n".into(),
            stderr: stderr.into(),
            message: None,
            fuel: 0,
            memory: 0,
            time_ms: 0,
            distance: None,
        }
    }

    #[test]
    fn a_failed_test_has_its_four_lines() {
        let text = report(None, &[test(Verdict::Accepted, ""), test(Verdict::WrongAnswer, "")]);
        assert!(text.contains("input: 1 2\nexpected: 3\nactual: 4\nverdict: wrong_answer\n"), "{text}");
        assert!(text.starts_with("1 of 2 tests failed\n\ntest 2\n"), "{text}");
    }

    #[test]
    fn the_line_that_says_what_went_wrong_is_found() {
        assert_eq!(fault("Traceback\n  File \"x\"\nValueError: no\n"), "ValueError: no");
        assert_eq!(fault("TypeError: no\n    at f (main.js:3)\n    at <eval> (main.js:5)\n"), "TypeError: no");
        assert_eq!(fault("thread 'main' panicked\nno\nnote: run with `RUST_BACKTRACE=1`\n"), "no");
        assert_eq!((fault("at last"), fault("\n")), ("at last".to_owned(), "nothing was said".to_owned()));
    }

    #[test]
    fn a_crash_shows_its_error() {
        let stderr = "Traceback (most recent call last):\n  File \"main.py\", line 1, in <module>\nValueError: x\n";
        let tests = [test(Verdict::RuntimeError, stderr)];
        assert!(report(None, &tests).contains("verdict: runtime_error\nerror:\nTraceback (most recent call last):\n"));
        assert_eq!(message(None, &tests).as_deref(), Some("test 1: runtime_error: ValueError: x"));
    }

    #[test]
    fn long_texts_lose_their_middle() {
        let clipped = clip(&"abc ".repeat(5000));
        assert!(
            clipped.starts_with("abc ") && clipped.ends_with("abc ") && clipped.contains("18800 characters left out")
        );
        let lines = clip(&"x\n".repeat(100));
        assert!(lines.contains("60 lines left out") && lines.lines().count() == 41);
    }
}
