//! What is asked of the judge and what it answers: plain data, the same in process, between processes and on disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::compare::Comparison;
use crate::limits::{Fuel, Limits};
use crate::source::{Language, Source};
use crate::words::clip;

/// How a program did on a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Ended well, and the output is right.
    Accepted,
    /// Ended well, and the output is not right.
    WrongAnswer,
    /// Ended badly: a trap, an uncaught exception, an exit code other than 0.
    RuntimeError,
    /// Used up its fuel.
    TimeLimit,
    /// Asked for more memory to begin with than it may have.
    MemoryLimit,
    /// Wrote more than it may.
    OutputLimit,
    /// Never ran: it does not compile.
    CompileError,
    /// Ended well, and nothing was expected.
    Finished,
    /// Not run, because a test before it failed.
    Skipped,
}

impl Verdict {
    /// All verdicts, in the order they are shown.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::WrongAnswer,
        Self::RuntimeError,
        Self::TimeLimit,
        Self::MemoryLimit,
        Self::OutputLimit,
        Self::CompileError,
        Self::Finished,
        Self::Skipped,
    ];

    /// The name that flows and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::WrongAnswer => "wrong_answer",
            Self::RuntimeError => "runtime_error",
            Self::TimeLimit => "time_limit",
            Self::MemoryLimit => "memory_limit",
            Self::OutputLimit => "output_limit",
            Self::CompileError => "compile_error",
            Self::Finished => "finished",
            Self::Skipped => "skipped",
        }
    }

    /// Whether the program ran and did not answer: what the score calls a crash.
    pub fn crashed(self) -> bool {
        match self {
            Self::RuntimeError | Self::TimeLimit | Self::MemoryLimit | Self::OutputLimit | Self::CompileError => true,
            Self::Accepted | Self::WrongAnswer | Self::Finished | Self::Skipped => false,
        }
    }

    /// Whether this counts against a program: neither accepted, nor finished, nor left out.
    pub fn failed(self) -> bool {
        self.crashed() || self == Self::WrongAnswer
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One input, and what should come of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Standard input.
    pub input: String,
    /// The right output; without one the program is only run, and its verdict is [`Verdict::Finished`] if it ends well.
    #[serde(default)]
    pub expected: Option<String>,
}

impl Test {
    /// A test with a right answer.
    pub fn new(input: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { name: None, input: input.into(), expected: Some(expected.into()) }
    }

    /// An input to look at what comes out.
    pub fn input(input: impl Into<String>) -> Self {
        Self { name: None, input: input.into(), expected: None }
    }
}

/// When judging ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// All tests run.
    #[default]
    Never,
    /// The tests after the first failure are skipped.
    FirstFailure,
}

/// One program to judge, with everything its verdicts depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The program.
    pub source: Source,
    /// What it is run on, in this order, each in a fresh instance.
    pub tests: Vec<Test>,
    /// When an output counts as right.
    #[serde(default)]
    pub comparison: Comparison,
    /// What each run may use.
    #[serde(default)]
    pub limits: Limits,
    /// When to end.
    #[serde(default)]
    pub stop: Stop,
}

impl Task {
    /// A task with the default comparison (tokens) and limits, in which all tests run.
    pub fn new(source: Source, tests: Vec<Test>) -> Self {
        Self { source, tests, comparison: Comparison::default(), limits: Limits::default(), stop: Stop::Never }
    }
}

/// How a program did on one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestReport {
    /// The test's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it ended.
    pub verdict: Verdict,
    /// The test's input.
    pub input: String,
    /// The right output.
    pub expected: Option<String>,
    /// What the program wrote.
    pub stdout: String,
    /// What it wrote to standard error, cut at [`crate::STDERR_BYTES`].
    pub stderr: String,
    /// What is to be said of a verdict that is not accepted: the fault, or the checker's reason.
    pub message: Option<String>,
    /// Fuel used.
    pub fuel: Fuel,
    /// The most linear memory it had, in bytes, without our toolchains' stacks.
    pub memory: u64,
    /// The fuel as time, see [`crate::fuel_ms`].
    pub time_ms: u64,
    /// How far the output is from the right one; null for a crash, and where nothing was run or expected.
    pub distance: Option<f64>,
}

/// How a program did on all its tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Compiled, and every test accepted; so with no tests, compiled.
    pub passed: bool,
    /// Whether it compiled.
    pub compiled: bool,
    /// The compiler's words if it did not compile, else the first failure in one line.
    pub message: Option<String>,
    /// Tests accepted; tests that did not crash; minus the distance.
    pub score: [f64; 3],
    /// The sum of the tests' distances, a crash counting [`CRASH_DISTANCE`].
    pub distance: f64,
    /// How many tests got each verdict; all verdicts are there.
    pub counts: BTreeMap<Verdict, u64>,
    /// The tests, in the order given.
    pub tests: Vec<TestReport>,
    /// Fuel used by all runs.
    pub fuel: Fuel,
    /// What a model needs to mend the program: what failed and how, clipped in the middle.
    pub report: String,
    /// What the verdicts depend on beside the task.
    pub made_by: Provenance,
}

impl Report {
    /// What another judgement of the same task found otherwise, each in a line; nothing when they are equal bit for bit.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut differ = |what: String, one: &dyn std::fmt::Debug, two: &dyn std::fmt::Debug| {
            let (one, two) = (format!("{one:?}"), format!("{two:?}"));
            if one != two {
                found.push(format!("{what}: {} became {}", clip(&one), clip(&two)));
            }
        };
        let (mine, its) = (&self.made_by, &other.made_by);
        differ("language".into(), &mine.language, &its.language);
        differ("wasmtime".into(), &mine.wasmtime, &its.wasmtime);
        differ("toolchain".into(), &mine.toolchain, &its.toolchain);
        differ("flags".into(), &mine.flags, &its.flags);
        differ("wasm_sha256".into(), &mine.wasm_sha256, &its.wasm_sha256);
        differ("program_sha256".into(), &mine.program_sha256, &its.program_sha256);
        differ("limits".into(), &mine.limits, &its.limits);
        differ("compiled".into(), &self.compiled, &other.compiled);
        differ("message".into(), &self.message, &other.message);
        differ("number of tests".into(), &self.tests.len(), &other.tests.len());
        for (index, (one, two)) in self.tests.iter().zip(&other.tests).enumerate() {
            let n = index + 1;
            differ(format!("test {n}, input"), &one.input, &two.input);
            differ(format!("test {n}, expected"), &one.expected, &two.expected);
            differ(format!("test {n}, verdict"), &one.verdict, &two.verdict);
            differ(format!("test {n}, stdout"), &one.stdout, &two.stdout);
            differ(format!("test {n}, stderr"), &one.stderr, &two.stderr);
            differ(format!("test {n}, message"), &one.message, &two.message);
            differ(format!("test {n}, fuel"), &one.fuel, &two.fuel);
            differ(format!("test {n}, memory"), &one.memory, &two.memory);
            differ(format!("test {n}, distance"), &one.distance, &two.distance);
        }
        found
    }
}

/// What a crash adds to a distance: more than any near miss.
pub const CRASH_DISTANCE: f64 = 1e9;

/// What decides verdicts and fuel beside the task itself: where two of these are equal, so are the reports, bit for bit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The language that was compiled.
    pub language: Language,
    /// wasmtime's version, which decides what an instruction costs.
    pub wasmtime: String,
    /// Name and version of the toolchain, which pin all that it consists of.
    pub toolchain: String,
    /// How the compiler was called.
    pub flags: Vec<String>,
    /// Hash of the module that ran; null if nothing compiled.
    pub wasm_sha256: Option<String>,
    /// Hash of what was given to the module as the program, where the module is an interpreter.
    pub program_sha256: Option<String>,
    /// What each run was allowed.
    pub limits: Limits,
}
