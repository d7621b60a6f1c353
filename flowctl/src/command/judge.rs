//! `flowctl judge`: programs on the tests of a problem, secret ones included.

mod limits;
mod record;
mod verify;

use super::asked_to_end;
use crate::cli::{JudgeArgs, JudgeFormat, StopAt};
use crate::failure::{Failure, Kind};
use crate::files::reason;
use crate::problem::{self, Problem, Submission};
use crate::render::{self, Judging};
use crate::wire::{Judge, comparison};
use flow_engine::value::Value;
use flow_sandbox::{
    Cancel, Comparison, Error, Language, Limits, Report, Source, Stop, Task, Test, TestReport, Verdict,
};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A program and what came of it.
pub(crate) struct Judged {
    pub(crate) job: Job,
    /// Hash of the program's bytes; none when they can't be read.
    pub(crate) sha256: Option<String>,
    /// Its tests' verdicts, or why there is none.
    pub(crate) report: Result<Report, NoVerdict>,
}

/// A program to judge, and how.
#[derive(Clone)]
pub(crate) struct Job {
    problem: Arc<Problem>,
    /// The package's folder, or the JSON file.
    pub(crate) package: PathBuf,
    pub(crate) file: PathBuf,
    pub(crate) language: Option<Language>,
    /// The verdict that the package's folder names.
    pub(crate) expected: Option<String>,
    /// How outputs are compared; or why they can't be.
    pub(crate) comparison: Result<Comparison, String>,
    limits: Limits,
    stop: Stop,
}

/// Why there is no verdict.
pub(crate) enum NoVerdict {
    /// It is nothing that can be judged here: a language or a kind of problem that is not supported.
    Unsupported(String),
    /// It could have been, and something failed.
    Failed(String),
}

impl Job {
    fn new(problem: &Arc<Problem>, package: &Path, submission: Submission, limits: Limits, stop: Stop) -> Self {
        let extension = submission.path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        Self {
            problem: problem.clone(),
            package: package.to_owned(),
            language: Language::of_extension(extension),
            expected: (!submission.folder.is_empty()).then_some(submission.folder),
            comparison: problem.validation.as_ref().map_err(Clone::clone).and_then(comparison),
            file: submission.path,
            limits,
            stop,
        }
    }

    /// The problem's name.
    pub(crate) fn problem(&self) -> &str {
        &self.problem.name
    }

    /// How many tests there are.
    pub(crate) fn tests(&self) -> usize {
        self.problem.public_tests.len() + self.problem.secret_tests.len()
    }

    /// None when it was cancelled.
    fn judge(self, judge: &Judge, cancel: &Cancel, on: &mut dyn FnMut(&TestReport)) -> Option<Judged> {
        let code = std::fs::read(&self.file);
        let sha256 = code.as_ref().ok().map(|code| record::sha256(code));
        let report = match (self.language, &self.comparison, code) {
            _ if cancel.is_cancelled() => return None,
            (None, ..) => Err(NoVerdict::Unsupported(match self.file.extension() {
                Some(extension) => format!("`.{}` is no language that is judged here", extension.display()),
                None => "it is no file with an ending that names a language".to_owned(),
            })),
            (_, Err(why), _) => Err(NoVerdict::Unsupported(why.clone())),
            (.., Err(e)) => Err(NoVerdict::Failed(format!("can't read it: {}", reason(&e)))),
            (Some(language), Ok(comparison), Ok(code)) => {
                let task = Task {
                    source: Source::new(language, code),
                    tests: self.task_tests(),
                    comparison: comparison.clone(),
                    limits: self.limits,
                    stop: self.stop,
                };
                match judge.judge(&task, cancel, on) {
                    Err(Error::Cancelled) => return None,
                    judged => judged.map_err(|e| NoVerdict::Failed(e.to_string())),
                }
            }
        };
        Some(Judged { job: self, sha256, report })
    }

    fn task_tests(&self) -> Vec<Test> {
        let tests = self.problem.public_tests.iter().chain(&self.problem.secret_tests);
        tests
            .map(|t| Test { name: Some(t.name.clone()), input: t.input.clone(), expected: Some(t.output.clone()) })
            .collect()
    }
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

    /// Whether the verdict is the one that the folder names; `None` when it names none, or there is no verdict.
    pub(crate) fn held(&self) -> Option<bool> {
        let (expected, verdict) = (self.job.expected.as_deref()?, self.verdict()?);
        Some(match expected {
            "accepted" => verdict == Verdict::Accepted,
            "wrong_answer" => verdict == Verdict::WrongAnswer,
            "time_limit_exceeded" => verdict == Verdict::TimeLimit,
            "run_time_error" => matches!(verdict, Verdict::RuntimeError | Verdict::MemoryLimit),
            "compile_error" => verdict == Verdict::CompileError,
            "output_limit_exceeded" => verdict == Verdict::OutputLimit,
            "memory_limit_exceeded" => verdict == Verdict::MemoryLimit,
            "rejected" | "partially_accepted" => verdict != Verdict::Accepted,
            _ => return None,
        })
    }

    /// Lets go of what its tests read and wrote: over a whole folder that is more than memory holds.
    fn without_texts(mut self) -> Self {
        for test in self.report.iter_mut().flat_map(|report| &mut report.tests) {
            test.expected = None;
            for text in [&mut test.input, &mut test.stdout, &mut test.stderr] {
                *text = String::new();
            }
        }
        self
    }

    /// Whether it is not as it should be: not as its folder says, or not accepted where no folder says anything.
    pub(crate) fn surprises(&self) -> bool {
        !self.held().unwrap_or_else(|| self.verdict().is_none_or(|verdict| verdict == Verdict::Accepted))
    }
}

/// Judges programs and says whether each has the verdict that was expected of it.
pub(crate) fn judge(args: &JudgeArgs) -> Result<ExitCode, Failure> {
    match (&args.verify, &args.problem) {
        (Some(report), _) => verify::verify(report, args),
        (None, Some(problem)) => judge_given(problem, args),
        (None, None) => unreachable!("internal error: clap asks for one of the two"),
    }
}

fn judge_given(path: &Path, args: &JudgeArgs) -> Result<ExitCode, Failure> {
    let given = limits::read(&args.limits)?;
    let stop = match args.stop {
        StopAt::Never => Stop::Never,
        StopAt::FirstFailure => Stop::FirstFailure,
    };
    let problems = problems(path)?;
    if let [(problem, _)] = problems.as_slice()
        && let Err(why) = &problem.validation
    {
        return Err(Failure::usage(format!("`{}` can't be judged: {why}", path.display())));
    }
    let mut jobs = Vec::new();
    for (problem, package) in &problems {
        let submissions =
            if args.submissions.is_empty() { problem.submissions.clone() } else { by_hand(&args.submissions)? };
        let limits = given.over(limits_of(problem));
        jobs.extend(submissions.into_iter().map(|submission| Job::new(problem, package, submission, limits, stop)));
    }
    if jobs.is_empty() {
        return Err(Failure::usage(format!("`{}` has no submissions", path.display())).hint("name programs after it"));
    }
    if let Some(job) = jobs.iter().find(|job| job.tests() == 0) {
        return Err(Failure::usage(format!("`{}` has no tests", job.package.display()))
            .hint("a package has them in `data/sample` and `data/secret`, as pairs of `.in` and `.ans`"));
    }
    let of = jobs.len();
    let judged = match args.format {
        JudgeFormat::Human => {
            let (judged, failures) = judge_all(args, jobs, &render::surprise)?;
            render::out_raw(&render::verdicts(&judged, &failures));
            judged
        }
        JudgeFormat::Json => {
            let name = if problems.len() == 1 { Some(&problems[0].0.name) } else { None };
            let (judged, records) = judge_all(args, jobs, &record::of)?;
            render::out(json!({ "problem": name, "submissions": records }));
            judged
        }
        JudgeFormat::Ndjson => judge_all(args, jobs, &|one| render::out(record::of(one)))?.0,
    };
    whole(&judged, of)?;
    let failed = judged.iter().any(|one| matches!(one.report, Err(NoVerdict::Failed(_))));
    Ok(match (failed, judged.iter().any(Judged::surprises)) {
        (true, _) => ExitCode::from(Kind::Environment.code()),
        (false, true) => ExitCode::from(Kind::Ended.code()),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// An error when Ctrl-C left some of so many programs out.
fn whole(judged: &[Judged], of: usize) -> Result<(), Failure> {
    if judged.len() < of {
        return Err(Failure::cancelled(format!("interrupted: {} of {of} programs were judged", judged.len())));
    }
    Ok(())
}

/// The problem, or the problems of a folder, each with where it lies.
fn problems(path: &Path) -> Result<Vec<(Arc<Problem>, PathBuf)>, Failure> {
    if path.is_file() {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::usage(format!("can't read `{}`: {}", path.display(), reason(&e))))?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|e| Failure::usage(format!("`{}` is not JSON: {e}", path.display())))?;
        let problem = Problem::from_json(&value, path)?
            .ok_or_else(|| Failure::usage(format!("`{}` has no `public_tests`", path.display())))?;
        return Ok(vec![(Arc::new(problem), path.to_owned())]);
    }
    let packages = if problem::is_package(path) { vec![path.to_owned()] } else { problem::packages_in(path)? };
    if packages.is_empty() {
        return Err(Failure::usage(format!("`{}` is no problem package and holds none", path.display()))
            .hint("a package is a folder with a `problem.yaml`"));
    }
    packages.into_iter().map(|folder| Ok((Arc::new(Problem::open(&folder)?), folder))).collect()
}

fn limits_of(problem: &Problem) -> Limits {
    let named = problem.limits;
    let sandbox = named.time_s.map_or_else(Limits::default, Limits::seconds);
    Limits { memory: named.memory.unwrap_or(sandbox.memory), output: named.output.unwrap_or(sandbox.output), ..sandbox }
}

fn by_hand(paths: &[PathBuf]) -> Result<Vec<Submission>, Failure> {
    let submission = |path: &PathBuf| {
        if !path.is_file() {
            return Err(Failure::usage(format!("can't read `{}`: there is no such file", path.display())));
        }
        let extension = path.extension().unwrap_or_default();
        if extension.to_str().and_then(Language::of_extension).is_none() {
            let known: Vec<&str> = Language::ALL.iter().map(|l| l.name()).collect();
            return Err(Failure::usage(format!("`{}` is in no language that is judged here", path.display()))
                .hint(format!("its ending tells the language: {}", known.join(", "))));
        }
        // A program in a package's folder is expected to have the verdict that the folder names, wherever it is named.
        let folder = path.parent().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
        Ok(Submission { path: path.clone(), folder: folder.unwrap_or_default() })
    };
    paths.iter().map(submission).collect()
}

/// Judges all, with as many at work as there are workers, and tells of each as it ends, while the texts of its tests are
/// there. They come back in the order given, without their texts and without those that Ctrl-C left out; with what was told.
fn judge_all<T: Send>(
    args: &JudgeArgs,
    jobs: Vec<Job>,
    tell: &(dyn Fn(&Judged) -> T + Sync),
) -> Result<(Vec<Judged>, Vec<T>), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = args.jobs.map_or(cores, usize::from);
    let show = Arc::new(Judging::new(&jobs, args.format));
    let setting_up = show.clone();
    let judge = Judge::with_workers(workers, args.offline, move |language, step| setting_up.setting_up(language, step));
    let cancel = Cancel::new();
    cancel_on_signal(cancel.clone())?;
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Judged, T)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..workers.min(jobs.len()) {
            scope.spawn(|| {
                while let Some((index, job)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, jobs.get(i)?)))
                {
                    show.begun(job);
                    let Some(judged) = job.clone().judge(&judge, &cancel, &mut |_| show.tested()) else { return };
                    show.ended(&judged);
                    // One at a time: what is told may be lines that must not mix.
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    let told = tell(&judged);
                    done.push((index, judged.without_texts(), told));
                }
            });
        }
    });
    show.end();
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, ..)| *index);
    Ok(done.into_iter().map(|(_, judged, told)| (judged, told)).unzip())
}

/// Ctrl-C, or the end that a system asks for, ends the judging in order; twice, without asking.
fn cancel_on_signal(cancel: Cancel) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::environment(format!("can't start: {e}"));
    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let wait = move || {
        signals.block_on(async {
            if asked_to_end().await.is_ok() {
                cancel.cancel();
            }
            if asked_to_end().await.is_ok() {
                std::process::exit(i32::from(Kind::Cancelled.code()));
            }
        });
    };
    std::thread::Builder::new().name("flow-signals".into()).spawn(wait).map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that is wrong on a problem's one test.
    fn wrong() -> Judged {
        let problem = json!({ "name": "n", "public_tests": [{ "input": "read", "output": "right" }] });
        let problem = Arc::new(Problem::from_json(&problem, Path::new("p.json")).unwrap().unwrap());
        let submission = Submission { path: "accepted/a.py".into(), folder: "accepted".to_owned() };
        let limits = limits_of(&problem);
        let report = json!({
            "passed": false, "compiled": true, "message": null, "score": [0, 1, 0], "distance": 0, "counts": {},
            "tests": [{
                "verdict": "wrong_answer", "input": "read", "expected": "right", "stdout": "written", "stderr": "told",
                "message": null, "fuel": 1, "memory": 1, "time_ms": 1, "distance": null
            }],
            "fuel": 1, "report": "",
            "made_by": {
                "language": "python", "wasmtime": "", "toolchain": "", "flags": [], "wasm_sha256": null,
                "program_sha256": null, "limits": limits
            }
        });
        Judged {
            job: Job::new(&problem, Path::new("p.json"), submission, limits, Stop::Never),
            sha256: None,
            report: Ok(serde_json::from_value(report).unwrap()),
        }
    }

    #[test]
    fn what_is_said_of_a_program_at_the_end_needs_no_text_of_its_tests() {
        let told = [render::surprise(&wrong())];
        for text in ["read", "right", "written"] {
            assert!(told[0].as_ref().unwrap().contains(text), "{told:?}");
        }
        let kept = wrong().without_texts();
        let test = &kept.report.as_ref().ok().unwrap().tests[0];
        assert_eq!((&*test.input, &test.expected, &*test.stdout, &*test.stderr), ("", &None, "", ""));
        assert_eq!(render::verdicts(&[kept], &told), render::verdicts(&[wrong()], &told));
    }
}
