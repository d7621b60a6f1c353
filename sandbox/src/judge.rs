//! A program and its tests to verdicts, scores and the text that a model mends it by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use serde::Serialize;

use crate::cancel::Cancel;
use crate::compare::{self, Comparison};
use crate::error::Error;
use crate::fault::End;
use crate::files::Content;
use crate::guest::Start;
use crate::limits::{Limits, fuel_ms};
use crate::report::{CRASH_DISTANCE, Provenance, Report, Stop, Task, Test, TestReport, Verdict};
use crate::run::{Execution, Program};
use crate::sandbox::{Answer, Compiled, Sandbox};
use crate::source::Source;
use crate::words;

/// What a checker may use for one question; the same for all, whatever the program's limits.
const CHECKER_SECONDS: f64 = 10.0;

/// What judging found beside the tests.
pub(crate) struct Outcome {
    refused: Option<String>,
    made_by: Provenance,
}

/// Judges, and sends each test's report as it ends.
pub(crate) fn judge(
    sandbox: &Sandbox,
    task: &Task,
    cancel: &Cancel,
    ended: &Sender<TestReport>,
) -> Result<Outcome, Error> {
    let tell = |test: TestReport| {
        let failed = test.verdict.failed();
        // Nobody listens only when the caller is gone, and then nobody waits for the report either.
        drop(ended.send(test));
        failed
    };
    let program = match sandbox.compile_here(&task.source, cancel)? {
        Compiled::Program(program) => program,
        Compiled::Refused(why) => {
            for test in &task.tests {
                tell(not_run(test, Verdict::CompileError));
            }
            return Ok(Outcome { refused: Some(why), made_by: sandbox.provenance_of(task)? });
        }
    };
    let mut skipping = false;
    for test in &task.tests {
        if skipping {
            tell(not_run(test, Verdict::Skipped));
        } else {
            let failed = tell(run_test(sandbox, &program, test, task, cancel)?);
            skipping = failed && task.stop == Stop::FirstFailure;
        }
    }
    Ok(Outcome { refused: None, made_by: program.provenance(&task.limits) })
}

fn not_run(test: &Test, verdict: Verdict) -> TestReport {
    TestReport {
        name: test.name.clone(),
        verdict,
        input: test.input.clone(),
        expected: test.expected.clone(),
        stdout: String::new(),
        stderr: String::new(),
        message: None,
        fuel: 0,
        memory: 0,
        time_ms: 0,
        distance: None,
    }
}

fn run_test(
    sandbox: &Sandbox,
    program: &Program,
    test: &Test,
    task: &Task,
    cancel: &Cancel,
) -> Result<TestReport, Error> {
    let stdin = Arc::from(test.input.as_bytes());
    let execution = sandbox.run_here(program, &program.0.start, stdin, &task.limits, cancel)?;
    let (verdict, message) = match (&execution.end, &test.expected) {
        (End::Exit(0), None) => (Verdict::Finished, None),
        (End::Exit(0), Some(expected)) => {
            let answer = compare(sandbox, &task.comparison, test, expected, &execution, cancel)?;
            let verdict = if answer.holds { Verdict::Accepted } else { Verdict::WrongAnswer };
            (verdict, (!answer.holds && !answer.reason.is_empty()).then_some(answer.reason))
        }
        (end @ (End::Exit(_) | End::Trap(_)), _) => (Verdict::RuntimeError, Some(end.to_string())),
        (end @ End::OutOfFuel, _) => (Verdict::TimeLimit, Some(end.to_string())),
        (end @ End::OutOfMemory, _) => (Verdict::MemoryLimit, Some(end.to_string())),
        (end @ End::OutputLimit, _) => (Verdict::OutputLimit, Some(end.to_string())),
        (End::Aborted, _) => unreachable!("internal error: an aborted run is an error, not an execution"),
    };
    let stdout = text(execution.stdout);
    let distance = match (verdict, &test.expected) {
        (Verdict::Accepted, _) => Some(0.0),
        (Verdict::WrongAnswer, Some(expected)) => Some(compare::distance(expected, &stdout)),
        _ => None,
    };
    Ok(TestReport {
        verdict,
        stdout,
        stderr: text(execution.stderr),
        message,
        fuel: execution.fuel,
        memory: execution.memory_peak,
        time_ms: fuel_ms(execution.fuel),
        distance,
        ..not_run(test, verdict)
    })
}

/// Bytes as text; what is none is replaced. The bytes are taken as they are when they are text, which is the rule.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn compare(
    sandbox: &Sandbox,
    comparison: &Comparison,
    test: &Test,
    expected: &str,
    execution: &Execution,
    cancel: &Cancel,
) -> Result<Answer, Error> {
    let actual = String::from_utf8_lossy(&execution.stdout);
    let holds = match comparison {
        Comparison::Tokens { ignore_case, float } => compare::tokens_match(expected, &actual, *ignore_case, *float),
        Comparison::Lines => compare::lines_match(expected, &actual),
        Comparison::Exact => expected.as_bytes() == execution.stdout,
        Comparison::Unordered => compare::unordered_match(expected, &actual),
        Comparison::Checker(source) => {
            let question = Question { input: &test.input, expected, actual: &actual };
            let question = serde_json::to_vec(&question).map_err(|error| Error::Checker(error.to_string()))?;
            return ask(sandbox, source, &question, cancel);
        }
        Comparison::Validator { source, args } => {
            return validate(sandbox, source, args, test, expected, &execution.stdout, cancel);
        }
    };
    Ok(Answer { holds, reason: String::new() })
}

/// What a checker reads.
#[derive(Serialize)]
struct Question<'a> {
    input: &'a str,
    expected: &'a str,
    actual: &'a str,
}

/// Asks a checker, on a stack that is deep enough.
pub(crate) fn ask(sandbox: &Sandbox, checker: &Source, question: &[u8], cancel: &Cancel) -> Result<Answer, Error> {
    let program = checker_program(sandbox, checker, cancel)?;
    put(sandbox, &program, &program.0.start, question, [0, 1], cancel)
}

/// Asks an output validator, on a stack that is deep enough.
fn validate(
    sandbox: &Sandbox,
    validator: &Source,
    args: &[String],
    test: &Test,
    expected: &str,
    actual: &[u8],
    cancel: &Cancel,
) -> Result<Answer, Error> {
    let program = checker_program(sandbox, validator, cancel)?;
    let mut start = program.0.start.clone();
    let mut files = (*start.files).clone();
    files.insert("input", Content::Bytes(Arc::from(test.input.as_bytes())));
    files.insert("answer", Content::Bytes(Arc::from(expected.as_bytes())));
    start.files = Arc::new(files);
    start.args =
        ["validator", "input", "answer", "feedback/"].map(str::to_owned).into_iter().chain(args.to_vec()).collect();
    put(sandbox, &program, &start, actual, [42, 43], cancel)
}

fn checker_program(sandbox: &Sandbox, checker: &Source, cancel: &Cancel) -> Result<Program, Error> {
    match sandbox.compile_here(checker, cancel)? {
        Compiled::Program(program) => Ok(program),
        Compiled::Refused(why) => Err(Error::Checker(format!("it does not compile: {why}"))),
    }
}

/// Runs a checker; `codes` are the exit codes that mean yes and no.
fn put(
    sandbox: &Sandbox,
    program: &Program,
    start: &Start,
    stdin: &[u8],
    codes: [i32; 2],
    cancel: &Cancel,
) -> Result<Answer, Error> {
    let [yes, no] = codes;
    let said = sandbox.run_here(program, start, Arc::from(stdin), &Limits::seconds(CHECKER_SECONDS), cancel)?;
    match said.end {
        End::Exit(code) if code == yes || code == no => {
            Ok(Answer { holds: code == yes, reason: text(said.stdout).trim_end().to_owned() })
        }
        other => {
            let why = words::fault(&text(said.stderr));
            Err(Error::Checker(format!("expected exit code {yes} or {no}, it ended with {other}: {why}")))
        }
    }
}

/// Adds up what was found.
pub(crate) fn report(outcome: Outcome, tests: Vec<TestReport>) -> Report {
    let compiled = outcome.refused.is_none();
    let mut counts: BTreeMap<Verdict, u64> = Verdict::ALL.into_iter().map(|verdict| (verdict, 0)).collect();
    for test in &tests {
        *counts.entry(test.verdict).or_default() += 1;
    }
    let accepted = counts[&Verdict::Accepted];
    let answered = accepted + counts[&Verdict::WrongAnswer] + counts[&Verdict::Finished];
    let distance: f64 = tests
        .iter()
        .map(|test| if test.verdict.crashed() { CRASH_DISTANCE } else { test.distance.unwrap_or(0.0) })
        .sum::<f64>()
        .min(f64::MAX);
    Report {
        passed: compiled && accepted == tests.len() as u64,
        compiled,
        message: words::message(outcome.refused.as_deref(), &tests),
        // Subtracting keeps a distance of nothing from being minus nothing.
        score: [accepted as f64, answered as f64, 0.0 - distance],
        distance,
        counts,
        fuel: tests.iter().map(|test| test.fuel).sum(),
        report: words::report(outcome.refused.as_deref(), &tests),
        tests,
        made_by: outcome.made_by,
    }
}
