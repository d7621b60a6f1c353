//! `flowctl judge`: programs on the tests of a problem, secret ones included.

use crate::cli::{Format, JudgeArgs};
use crate::failure::{Failure, Kind};
use crate::files::reason;
use crate::problem::{self, Problem, Submission};
use crate::render;
use crate::wire::Judge;
use flow_sandbox::{Cancel, Comparison, Language, Limits, Report, Source, Stop, Task, Test, Tolerance, Verdict};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A program and what came of it.
pub(crate) struct Judged {
    pub(crate) problem: String,
    pub(crate) file: PathBuf,
    pub(crate) language: Option<Language>,
    /// The verdict that the package's folder names.
    pub(crate) expected: Option<String>,
    /// Its tests' verdicts, or why there is none.
    pub(crate) report: Result<Report, String>,
}

/// A program to judge.
struct Job<'p> {
    problem: &'p Problem,
    submission: Submission,
}

impl Judged {
    /// The verdict of the whole: that of the first test that failed.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let report = self.report.as_ref().ok()?;
        if !report.compiled {
            return Some(Verdict::CompileError);
        }
        let failed = report.tests.iter().map(|t| t.verdict).find(|v| v.failed());
        Some(failed.unwrap_or(Verdict::Accepted))
    }

    /// Whether the verdict is the one that the folder names; `None` when it names none.
    pub(crate) fn held(&self) -> Option<bool> {
        let expected = self.expected.as_deref()?;
        let verdict = self.verdict();
        Some(match expected {
            "accepted" => verdict == Some(Verdict::Accepted),
            "wrong_answer" => verdict == Some(Verdict::WrongAnswer),
            "time_limit_exceeded" => verdict == Some(Verdict::TimeLimit),
            "run_time_error" => matches!(verdict, Some(Verdict::RuntimeError | Verdict::MemoryLimit)),
            "compile_error" => verdict == Some(Verdict::CompileError),
            "output_limit_exceeded" => verdict == Some(Verdict::OutputLimit),
            "memory_limit_exceeded" => verdict == Some(Verdict::MemoryLimit),
            "rejected" => verdict.is_some_and(|v| v != Verdict::Accepted),
            _ => return None,
        })
    }
}

/// Judges programs and says whether each has the verdict that was expected of it.
pub(crate) fn judge(args: &JudgeArgs) -> Result<ExitCode, Failure> {
    let problems = problems(&args.problem)?;
    let mut jobs = Vec::new();
    for problem in &problems {
        let given = if args.submissions.is_empty() { problem.submissions.clone() } else { by_hand(&args.submissions)? };
        jobs.extend(given.into_iter().map(|submission| Job { problem, submission }));
    }
    if jobs.is_empty() {
        return Err(
            Failure::usage(format!("`{}` has no submissions", args.problem.display())).hint("name programs after it")
        );
    }
    let judged = judge_all(args, &jobs);
    let wrong = judged
        .iter()
        .any(|j| j.held() == Some(false) || (j.held().is_none() && j.verdict() != Some(Verdict::Accepted)));
    let broken = judged.iter().any(|j| j.report.is_err());
    match args.format {
        Format::Human => render::out(render::verdicts_human(&judged)),
        Format::Json => render::out(json_of(&judged, problems.len())),
    }
    Ok(match (broken, wrong) {
        (true, _) => ExitCode::from(Kind::Environment.code()),
        (false, true) => ExitCode::from(Kind::Ended.code()),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn problems(path: &Path) -> Result<Vec<Problem>, Failure> {
    if path.is_file() {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::usage(format!("can't read `{}`: {}", path.display(), reason(&e))))?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|e| Failure::usage(format!("`{}` is not JSON: {e}", path.display())))?;
        let problem = Problem::from_json(&value);
        return Ok(vec![problem.ok_or_else(|| Failure::usage(format!("`{}` has no `public_tests`", path.display())))?]);
    }
    if problem::is_package(path) {
        return Ok(vec![Problem::open(path)?]);
    }
    let packages = problem::packages_in(path)?;
    if packages.is_empty() {
        return Err(Failure::usage(format!("`{}` is no problem package and holds none", path.display())));
    }
    packages.iter().map(|folder| Problem::open(folder)).collect()
}

fn by_hand(paths: &[PathBuf]) -> Result<Vec<Submission>, Failure> {
    let submission = |path: &PathBuf| {
        if !path.is_file() {
            return Err(Failure::usage(format!("can't read `{}`: there is no such file", path.display())));
        }
        // A program in a package's folder is expected to have the verdict that the folder names, wherever it is named.
        let folder = path.parent().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
        Ok(Submission { path: path.clone(), folder: folder.unwrap_or_default() })
    };
    paths.iter().map(submission).collect()
}

/// Judges with as many threads as there are cores, in the order of the jobs.
fn judge_all(args: &JudgeArgs, jobs: &[Job<'_>]) -> Vec<Judged> {
    let judge = Judge::new(args.offline, render::setting_up);
    let threads = args.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1).max(1);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Judged)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(|| {
                while let Some((index, job)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, jobs.get(i)?)))
                {
                    let judged = judge_one(&judge, args, job);
                    render::judged(&judged, index + 1, jobs.len());
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, judged));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, judged)| judged).collect()
}

fn judge_one(judge: &Judge, args: &JudgeArgs, job: &Job<'_>) -> Judged {
    let Submission { path, folder } = &job.submission;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let language = Language::of_extension(extension);
    let report = match (language, std::fs::read(path)) {
        (None, _) => Err(format!("`.{extension}` is no language that can be judged here")),
        (_, Err(e)) => Err(format!("can't read it: {}", reason(&e))),
        (Some(language), Ok(code)) => {
            let stop = if args.stop_first_failure { Stop::FirstFailure } else { Stop::Never };
            judge
                .judge(&task(job.problem, Source::new(language, code), stop), &Cancel::new(), &mut |_| ())
                .map_err(|e| e.to_string())
        }
    };
    let expected = (!folder.is_empty()).then(|| folder.clone());
    Judged { problem: job.problem.name.clone(), file: path.clone(), language, expected, report }
}

fn task(problem: &Problem, source: Source, stop: Stop) -> Task {
    let tests = problem.public_tests.iter().chain(&problem.secret_tests);
    let tests = tests
        .map(|t| Test { name: Some(t.name.clone()), input: t.input.clone(), expected: Some(t.output.clone()) })
        .collect();
    let flags = problem.comparison;
    let float = (flags.float_absolute.is_some() || flags.float_relative.is_some()).then(|| Tolerance {
        absolute: flags.float_absolute.unwrap_or(0.0),
        relative: flags.float_relative.unwrap_or(0.0),
    });
    let comparison = if flags.space_change_sensitive {
        Comparison::Exact
    } else {
        // The package format's default validator ignores case unless it is told not to.
        Comparison::Tokens { ignore_case: !flags.case_sensitive, float }
    };
    let mut limits = problem.limits.time_s.map_or_else(Limits::default, Limits::seconds);
    if let Some(mib) = problem.limits.memory_mib {
        limits.memory = mib << 20;
    }
    Task { source, tests, comparison, limits, stop }
}

fn json_of(judged: &[Judged], problems: usize) -> Value {
    let submission = |j: &Judged| {
        let tests: Vec<Value> = j.report.iter().flat_map(|r| &r.tests).map(|t| {
            json!({ "name": t.name, "verdict": t.verdict, "fuel": t.fuel, "time_ms": t.time_ms, "memory": t.memory })
        }).collect();
        json!({
            "problem": j.problem,
            "file": j.file.display().to_string(),
            "language": j.language,
            "verdict": j.verdict(),
            "expected": j.expected,
            "message": j.report.as_ref().map_or_else(|e| Some(e.clone()), |r| r.message.clone()),
            "tests": tests,
        })
    };
    let name = if problems == 1 { judged.first().map(|j| j.problem.clone()) } else { None };
    json!({ "problem": name, "submissions": judged.iter().map(submission).collect::<Vec<_>>() })
}
