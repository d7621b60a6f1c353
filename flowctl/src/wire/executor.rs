//! The engine's executor: a pool of judging processes behind the port, with toolchains set up on first use.

use flow_engine::run::ports::{ExecuteJob, Executor, JobInput};
use flow_engine::spec::compare::{Compare, Tokens, Validator};
use flow_engine::value::Value;
use flow_sandbox::worker::Pool;
use flow_sandbox::{
    Answer, Cancel, Comparison, Error, Language, Limits, Origin, Progress, Report, Sandbox, Source, Stop, Task, Test,
    TestReport, Tolerance,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

/// Where toolchains are kept: `FLOWCTL_CACHE`, else the user's cache folder.
pub(crate) fn cache_folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("FLOWCTL_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|c| c.join("flowctl")))
        .or_else(|| set("LOCALAPPDATA").map(|c| c.join("flowctl")))
        .or_else(|| set("HOME").map(|h| h.join(".cache").join("flowctl")))
        .unwrap_or_else(|| PathBuf::from(".flowctl-cache"))
}

/// Judges in worker processes, which are this program again: started when the first program wants to run, so a flow
/// without programs pays nothing for them.
#[derive(Clone)]
pub(crate) struct Judge {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    set_up: Mutex<BTreeSet<Language>>,
    offline: bool,
    on_setup: OnSetup,
}

/// Told what a set-up is doing: it may take minutes, once.
type OnSetup = Box<dyn Fn(Language, &Progress) + Send + Sync>;

impl Judge {
    /// A judge with a worker for each core.
    pub(crate) fn new(offline: bool, on_setup: impl Fn(Language, &Progress) + Send + Sync + 'static) -> Self {
        Self::with_workers(std::thread::available_parallelism().map_or(1, usize::from), offline, on_setup)
    }

    /// A judge with at most so many workers.
    pub(crate) fn with_workers(
        workers: usize,
        offline: bool,
        on_setup: impl Fn(Language, &Progress) + Send + Sync + 'static,
    ) -> Self {
        let pool = Pool::new(workers, worker);
        Self { inner: Arc::new(Inner { pool, set_up: Mutex::default(), offline, on_setup: Box::new(on_setup) }) }
    }

    /// Judges a task, a toolchain that is missing set up first.
    pub(crate) fn judge(&self, task: &Task, cancel: &Cancel, on: &mut dyn FnMut(&TestReport)) -> Result<Report, Error> {
        self.when_ready(|pool| pool.judge(task, cancel, on))
    }

    /// Has the pool work; where a worker lacks a toolchain, sets it up and has it work again.
    fn when_ready<T>(&self, mut work: impl FnMut(&Pool) -> Result<T, Error>) -> Result<T, Error> {
        let mut missed = BTreeSet::new();
        loop {
            match work(&self.inner.pool) {
                // Once for each language: what a set-up does not mend is told.
                Err(Error::Unready { language, .. }) if missed.insert(language) => self.set_up(language)?,
                done => return done,
            }
        }
    }

    fn set_up(&self, language: Language) -> Result<(), Error> {
        // Held over the set-up: a second program of the language waits for it instead of starting another.
        let mut set_up = self.inner.set_up.lock().unwrap_or_else(PoisonError::into_inner);
        if !set_up.contains(&language) {
            let origin = if self.inner.offline { Origin::Cache } else { Origin::Registry };
            let sandbox = Sandbox::open(&cache_folder())?;
            sandbox.setup(language, origin, &mut |step| (self.inner.on_setup)(language, &step))?;
            set_up.insert(language);
        }
        Ok(())
    }
}

/// What a worker may know of the environment: where compilers and temporary files are, and no key of a provider.
const ENVIRONMENT: [&str; 9] =
    ["PATH", "HOME", "USERPROFILE", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"];

/// This program as a worker. One whose path cannot be told is looked for by its name.
fn worker() -> Command {
    // Where this file is part of a test, cargo names the program.
    let named = option_env!("CARGO_BIN_EXE_flowctl").map(PathBuf::from);
    let program = named.or_else(|| std::env::current_exe().ok()).unwrap_or_else(|| PathBuf::from("flowctl"));
    let mut command = Command::new(program);
    command.arg("worker").arg(cache_folder()).env_clear();
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    command
}

/// Ends the work when whoever waits for it is gone.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Judge {
    /// Runs blocking work; it is cancelled when the future is dropped.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self, &Cancel) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let (judge, cancel) = (self.clone(), Cancel::new());
        let guard = CancelOnDrop(cancel.clone());
        let done = tokio::task::spawn_blocking(move || work(&judge, &cancel)).await;
        drop(guard);
        done.map_err(|e| format!("judging ended unexpectedly: {e}"))?
    }
}

impl Executor for Judge {
    fn execute<'a>(&'a self, job: &'a ExecuteJob) -> BoxFuture<'a, Result<Value, String>> {
        let job = job.clone();
        self.blocking(move |judge, cancel| {
            let task = task(&job)?;
            let report = judge.judge(&task, cancel, &mut |_| ()).map_err(|e| e.to_string())?;
            Ok(result(&job, &report))
        })
        .boxed()
    }

    fn rule<'a>(&'a self, module: &'a [u8], value: &'a Value) -> BoxFuture<'a, Result<Result<(), String>, String>> {
        let (module, question) = (module.to_vec(), json!({ "value": value }).to_string());
        self.blocking(move |judge, cancel| {
            let checker = Source::new(Language::Wasm, module);
            let Answer { holds, reason } =
                judge.when_ready(|pool| pool.ask(&checker, &question, cancel)).map_err(|e| e.to_string())?;
            Ok(if holds { Ok(()) } else { Err(reason) })
        })
        .boxed()
    }
}

fn task(job: &ExecuteJob) -> Result<Task, String> {
    let source = source(&job.language, &job.code, job.files.iter().map(|(path, text)| (path, text)))?;
    let tests = match &job.on {
        JobInput::Tests(tests) => tests.iter().map(test).collect(),
        JobInput::Inputs(inputs) => inputs.iter().map(Test::input).collect(),
        JobInput::Input(input) => vec![Test::input(input)],
    };
    let mut limits = Limits::fuel(job.limits.fuel);
    limits.memory = job.limits.memory;
    limits.output = job.limits.output;
    let stop = if job.stop_first_failure { Stop::FirstFailure } else { Stop::Never };
    Ok(Task { source, tests, comparison: comparison(&job.compare)?, limits, stop })
}

/// As the sandbox compares.
pub(crate) fn comparison(how: &Compare) -> Result<Comparison, String> {
    Ok(match how {
        Compare::Tokens(Tokens { ignore_case, same_space, absolute, relative }) => {
            let float = (absolute.is_some() || relative.is_some())
                .then(|| Tolerance { absolute: absolute.unwrap_or(0.0), relative: relative.unwrap_or(0.0) });
            Comparison::Tokens { ignore_case: *ignore_case, float, same_space: *same_space }
        }
        Compare::Exact => Comparison::Exact,
        Compare::Lines => Comparison::Lines,
        Compare::Unordered => Comparison::Unordered,
        Compare::Wasm(module) => Comparison::Checker(Box::new(Source::new(Language::Wasm, module.to_vec()))),
        Compare::Validator(Validator { language, code, files, args }) => {
            let source = Box::new(source(language, code, files)?);
            Comparison::Validator { source, args: args.clone() }
        }
    })
}

fn source<'a>(
    language: &str,
    code: &str,
    files: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<Source, String> {
    let language: Language = language.parse().map_err(|e: flow_sandbox::UnknownLanguage| e.to_string())?;
    let files = files.into_iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
    Ok(Source { language, code: code.into(), files })
}

fn test(value: &Value) -> Test {
    // What an expression put there may be a number: a program reads it as it is written.
    let text = |key: &str| match value.get(key)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    Test { name: text("name"), input: text("input").unwrap_or_default(), expected: text("output") }
}

fn result(job: &ExecuteJob, report: &Report) -> Value {
    let mut tests: Vec<Value> = report.tests.iter().map(test_result).collect();
    match &job.on {
        JobInput::Inputs(_) => Value::Array(tests),
        JobInput::Input(_) if !tests.is_empty() => tests.remove(0),
        JobInput::Input(_) => Value::Null,
        JobInput::Tests(_) => json!({
            "passed": report.passed,
            "code": job.code,
            "compiled": report.compiled,
            "message": report.message,
            "score": report.score.map(number),
            "distance": number(report.distance),
            "counts": report.counts,
            "tests": tests,
            "fuel": report.fuel,
            "report": report.report,
        }),
    }
}

fn test_result(test: &TestReport) -> Value {
    json!({
        "verdict": test.verdict,
        "input": test.input,
        "expected": test.expected,
        "stdout": test.stdout,
        "stderr": test.stderr,
        "fuel": test.fuel,
        "memory": test.memory,
        "time_ms": test.time_ms,
        "distance": test.distance.map(number),
    })
}

/// Whole numbers without a point, as a person would write them.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number in range")]
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}
