//! A program and its tests to verdicts, scores and the text that a model mends it by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::compare::{self, Comparison};
use crate::error::Error;
use crate::fault::End;
use crate::limits::{Limits, fuel_ms};
use crate::report::{CRASH_DISTANCE, Provenance, Report, Stop, Task, Test, TestReport, Verdict};
use crate::run::{Execution, Program};
use crate::sandbox::{Answer, Compiled, Sandbox};
use crate::source::Source;
use crate::{validator, words};

/// What a checker may use for one question; the same for all, whatever the program's limits.
const CHECKER_SECONDS: f64 = 10.0;

/// A task's program, and what its verdicts depend on.
pub(crate) enum Prepared {
    /// It can be run.
    Ready(Program),
    /// It does not compile.
    Refused(Outcome),
}

/// What judging found beside the tests.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The compiler's words, if it refused.
    pub(crate) refused: Option<String>,
    pub(crate) made_by: Provenance,
}

impl Prepared {
    pub(crate) fn outcome(&self, task: &Task) -> Outcome {
        match self {
            Self::Ready(program) => Outcome { refused: None, made_by: program.provenance(&task.limits) },
            Self::Refused(outcome) => outcome.clone(),
        }
    }
}

/// Compiles all that a task needs: nothing but its tests' runs is left to do.
pub(crate) fn prepare(sandbox: &Sandbox, task: &Task, cancel: &Cancel) -> Result<Prepared, Error> {
    let program = match sandbox.compile(&task.source, cancel)? {
        Compiled::Program(program) => program,
        Compiled::Refused(why) => {
            return Ok(Prepared::Refused(Outcome { refused: Some(why), made_by: sandbox.provenance_of(task)? }));
        }
    };
    // A checker that does not compile is told now, not by the first test that needs it.
    match &task.comparison {
        Comparison::Checker(source) => drop(checker_program(sandbox, source, cancel)?),
        Comparison::Validator { source, args } => drop(validator::program(sandbox, source, args, cancel)?),
        Comparison::Tokens { .. } | Comparison::Lines | Comparison::Exact | Comparison::Unordered => {}
    }
    Ok(Prepared::Ready(program))
}

/// Judges; `on` hears of each test as it ends.
pub(crate) fn judge(
    sandbox: &Sandbox,
    task: &Task,
    cancel: &Cancel,
    on: &mut dyn FnMut(&TestReport),
) -> Result<Report, Error> {
    let prepared = prepare(sandbox, task, cancel)?;
    let mut skipping = false;
    let mut reports = Vec::with_capacity(task.tests.len());
    for test in &task.tests {
        let report = match &prepared {
            Prepared::Refused(_) => not_run(test, Verdict::CompileError),
            Prepared::Ready(_) if skipping => not_run(test, Verdict::Skipped),
            Prepared::Ready(program) => run_test(sandbox, program, test, task, cancel)?,
        };
        skipping |= report.verdict.failed() && task.stop == Stop::FirstFailure;
        on(&report);
        reports.push(report);
    }
    Ok(self::report(prepared.outcome(task), reports))
}

/// The report of a test that was left out.
pub(crate) fn not_run(test: &Test, verdict: Verdict) -> TestReport {
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

/// One test.
pub(crate) fn run_test(
    sandbox: &Sandbox,
    program: &Program,
    test: &Test,
    task: &Task,
    cancel: &Cancel,
) -> Result<TestReport, Error> {
    let execution = sandbox.run(program, test.input.as_bytes(), &task.limits, cancel)?;
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
        Comparison::Exact => expected.as_bytes() == execution.stdout,
        Comparison::Checker(source) => {
            let question = Question { input: &test.input, expected, actual: &actual };
            let question = serde_json::to_vec(&question).map_err(|error| Error::Checker(error.to_string()))?;
            return ask(sandbox, source, &question, cancel);
        }
        Comparison::Validator { source, args } => {
            return validator::ask(sandbox, source, args, &test.input, expected, &execution.stdout, cancel);
        }
        Comparison::Tokens { .. } | Comparison::Lines | Comparison::Unordered => {
            comparison.holds(expected, &actual).expect("internal error: it is no program")
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

/// Asks a checker.
pub(crate) fn ask(sandbox: &Sandbox, checker: &Source, question: &[u8], cancel: &Cancel) -> Result<Answer, Error> {
    let program = checker_program(sandbox, checker, cancel)?;
    let limits = Limits::seconds(CHECKER_SECONDS);
    let said = sandbox.run(&program, question, &limits, cancel)?;
    let reason = text(said.stdout.clone()).trim_end().to_owned();
    answer(&said, [0, 1], reason)
}

/// What a checker's end says; `codes` are the exit codes that mean yes and no.
pub(crate) fn answer(said: &Execution, codes: [i32; 2], reason: String) -> Result<Answer, Error> {
    let [yes, no] = codes;
    match &said.end {
        End::Exit(code) if *code == yes || *code == no => Ok(Answer { holds: *code == yes, reason }),
        other => {
            let why = words::fault(&String::from_utf8_lossy(&said.stderr));
            Err(Error::Checker(format!("expected exit code {yes} or {no}, it ended with {other}: {why}")))
        }
    }
}

/// A checker, compiled.
pub(crate) fn checker_program(sandbox: &Sandbox, checker: &Source, cancel: &Cancel) -> Result<Program, Error> {
    match sandbox.compile(checker, cancel)? {
        Compiled::Program(program) => Ok(program),
        Compiled::Refused(why) => Err(Error::Checker(format!("it does not compile: {}", words::clip(&why)))),
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
