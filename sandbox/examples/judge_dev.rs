//! Judges every submission of a folder of problems and holds the verdicts against the ones in its `INDEX.json`.
//!
//! `cargo run --example judge_dev -- FOLDER CACHE [LANGUAGE…]`: one line for each submission whose kind of verdict is not
//! the expected one, then a table by language.
#![expect(clippy::print_stdout, reason = "an example prints what it finds")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flow_sandbox::{
    Cancel, Comparison, Language, Limits, Origin, Report, Sandbox, Source, Stop, Task, Test, Tolerance, Verdict,
};
use serde_json::Value;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One submission, as its package and the index describe it.
struct Entry {
    path: String,
    expected: String,
    task: Task,
}

#[derive(Default)]
struct Row {
    accepted: [usize; 2],
    rejected: [usize; 2],
    same_kind: usize,
    all: usize,
    not_compiled: usize,
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, cache, languages @ ..] = args.as_slice() else {
        return Err("expected FOLDER CACHE [LANGUAGE…]".into());
    };
    let languages: Vec<Language> = if languages.is_empty() {
        vec![Language::Python]
    } else {
        languages.iter().map(|name| name.parse()).collect::<Result<_, _>>()?
    };
    let sandbox = Sandbox::open(cache.as_ref())?;
    for language in &languages {
        sandbox.setup(*language, Origin::Registry, &mut |step| println!("{language}: {step:?}"))?;
    }
    let entries = read(folder.as_ref(), &languages)?;
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<Language, Row>::new()));
    let work = || {
        while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
            match sandbox.judge(&entry.task, &Cancel::new(), &mut |_| {}) {
                Ok(report) => count(&mut rows.lock().expect("no thread panics"), entry, &report),
                Err(error) => println!("{}: {error}", entry.path),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    println!("language    accepted->pass rejected->rejected same kind   not compiled");
    for (language, row) in rows.into_inner()? {
        println!(
            "{language:11} {:>6} of {:<5} {:>8} of {:<6} {:>5} of {:<4} {}",
            row.accepted[0],
            row.accepted[1],
            row.rejected[0],
            row.rejected[1],
            row.same_kind,
            row.all,
            row.not_compiled
        );
    }
    Ok(())
}

fn count(rows: &mut BTreeMap<Language, Row>, entry: &Entry, report: &Report) {
    let failed = report.tests.iter().find(|test| test.verdict.failed());
    // The index has one word for a submission: the kind of its first failing test natively. Any failing test of that
    // kind counts as the same.
    let kinds: Vec<&str> = report.tests.iter().filter(|t| t.verdict.failed()).map(|test| kind(test.verdict)).collect();
    let got = failed.map_or("accepted", |test| kind(test.verdict));
    let same = if entry.expected == "accepted" { report.passed } else { kinds.contains(&entry.expected.as_str()) };
    let row = rows.entry(entry.task.source.language).or_default();
    row.all += 1;
    row.same_kind += usize::from(same);
    row.not_compiled += usize::from(!report.compiled);
    let side = if entry.expected == "accepted" { &mut row.accepted } else { &mut row.rejected };
    side[1] += 1;
    side[0] += usize::from((entry.expected == "accepted") == report.passed);
    if !same {
        println!(
            "{}: expected {}, got {got}: {}",
            entry.path,
            entry.expected,
            report.message.as_deref().unwrap_or("passed")
        );
    }
}

/// The index's word for a verdict.
fn kind(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::TimeLimit => "time_limit_exceeded",
        Verdict::RuntimeError | Verdict::MemoryLimit => "run_time_error",
        Verdict::OutputLimit => "output_limit_exceeded",
        Verdict::Accepted | Verdict::WrongAnswer | Verdict::CompileError | Verdict::Finished | Verdict::Skipped => {
            verdict.name()
        }
    }
}

fn read(folder: &Path, languages: &[Language]) -> Result<Vec<Entry>, Failure> {
    let index: Value = serde_json::from_slice(&fs::read(folder.join("INDEX.json"))?)?;
    let mut entries = Vec::new();
    for problem in index["problems"].as_array().ok_or("the index has no problems")? {
        let package = folder.join("problems").join(problem["id"].as_str().ok_or("a problem has no id")?);
        let tests = tests(&package)?;
        for submission in problem["submissions"].as_array().ok_or("a problem has no submissions")? {
            let file = submission["file"].as_str().ok_or("a submission has no file")?;
            let Ok(language) = submission["language"].as_str().unwrap_or_default().parse::<Language>() else {
                continue;
            };
            if !languages.contains(&language) {
                continue;
            }
            let path = package.join(file);
            let mut task = Task::new(Source::new(language, fs::read(&path)?), tests.clone());
            task.comparison = comparison(&problem["validator"]["flags"]);
            task.limits = Limits::seconds(problem["time_limit_s"].as_f64().unwrap_or(1.0));
            task.limits.memory = problem["memory_limit_mb"].as_u64().unwrap_or(2048) << 20;
            task.stop = Stop::Never;
            let expected = submission["verdict"].as_str().unwrap_or_default().to_owned();
            entries.push(Entry { path: path.display().to_string(), expected, task });
        }
    }
    Ok(entries)
}

/// The package format's default comparison: tokens in any case, and its flags.
fn comparison(flags: &Value) -> Comparison {
    let both = flags["float_tolerance"].as_f64();
    let absolute = flags["float_absolute_tolerance"].as_f64().or(both);
    let relative = flags["float_relative_tolerance"].as_f64().or(both);
    let float = (absolute.is_some() || relative.is_some())
        .then(|| Tolerance { absolute: absolute.unwrap_or(0.0), relative: relative.unwrap_or(0.0) });
    let same_space = flags.get("space_change_sensitive").is_some();
    Comparison::Tokens { ignore_case: flags.get("case_sensitive").is_none(), float, same_space }
}

fn tests(package: &Path) -> Result<Vec<Test>, Failure> {
    let mut tests = Vec::new();
    for group in ["sample", "secret"] {
        let folder = package.join("data").join(group);
        if !folder.exists() {
            continue;
        }
        let mut inputs: Vec<_> =
            fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        inputs.retain(|path| path.extension().is_some_and(|extension| extension == "in"));
        inputs.sort();
        for input in inputs {
            let text = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            tests.push(Test::new(text(&input)?, text(&input.with_extension("ans"))?));
        }
    }
    Ok(tests)
}
