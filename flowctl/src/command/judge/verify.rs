//! `flowctl judge --verify`: a report's programs, judged once more.

use super::{Job, judge_all, limits_of, problems, record, whole};
use crate::cli::{JudgeArgs, JudgeFormat};
use crate::failure::{Failure, Kind};
use crate::files::reason;
use crate::problem::{Problem, Submission};
use crate::render;
use flow_engine::value::Value;
use flow_sandbox::{Limits, Stop};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What is read of a program's record to judge it again; all else is only compared.
#[derive(Deserialize)]
struct Recorded {
    package: PathBuf,
    file: PathBuf,
    expected: Option<String>,
    stop: Stop,
    made_by: Option<MadeBy>,
}

#[derive(Deserialize)]
struct MadeBy {
    limits: Limits,
}

/// Judges again what a report holds and says what differs.
pub(super) fn verify(path: &Path, args: &JudgeArgs) -> Result<ExitCode, Failure> {
    let records = records(path)?;
    let mut known = BTreeMap::new();
    let jobs = records.iter().map(|record| job(path, record, &mut known)).collect::<Result<Vec<_>, _>>()?;
    let (judged, again) = judge_all(args, jobs, &record::of)?;
    let of = records.len();
    whole(&judged, of)?;
    let mut different = Vec::new();
    for (one, (old, new)) in judged.iter().zip(records.iter().zip(&again)) {
        let found = record::differences(old, new);
        if !found.is_empty() {
            different.push((one.job.file.display().to_string(), found));
        }
    }
    match args.format {
        JudgeFormat::Human => render::out_raw(&render::differences(&different, of)),
        JudgeFormat::Json => {
            render::out(json!({ "programs": of, "different": different.iter().map(line).collect::<Vec<_>>() }));
        }
        JudgeFormat::Ndjson => different.iter().for_each(|one| render::out(line(one))),
    }
    Ok(ExitCode::from(if different.is_empty() { 0 } else { Kind::Ended.code() }))
}

fn line((file, found): &(String, Vec<String>)) -> Value {
    json!({ "file": file, "differences": found })
}

/// The records of a report: of one document, or one a line.
fn records(path: &Path) -> Result<Vec<Value>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("can't read `{}`: {}", path.display(), reason(&e))))?;
    let whole: Result<Value, _> = serde_json::from_str(&text);
    let records = match whole {
        Ok(Value::Object(mut report)) => match report.remove("submissions") {
            Some(Value::Array(records)) => records,
            _ => vec![Value::Object(report)],
        },
        _ => text.lines().map(serde_json::from_str).collect::<Result<_, _>>().unwrap_or_default(),
    };
    if records.is_empty() {
        return Err(Failure::usage(format!("`{}` is no report of verdicts", path.display()))
            .hint("`flowctl judge PROBLEM --format json` prints one"));
    }
    Ok(records)
}

/// The problems of a report, each read once.
type Known = BTreeMap<PathBuf, Arc<Problem>>;

fn job(report: &Path, record: &Value, known: &mut Known) -> Result<Job, Failure> {
    let recorded: Recorded = serde_json::from_value(record.clone())
        .map_err(|e| Failure::usage(format!("`{}` is no report of verdicts: {e}", report.display())))?;
    let there = |path: &Path| {
        if path.exists() {
            return Ok(());
        }
        Err(Failure::usage(format!("`{}` of the report is not there", path.display()))
            .hint("run this in the folder that the report was made in"))
    };
    there(&recorded.package)?;
    there(&recorded.file)?;
    let problem = match known.get(&recorded.package) {
        Some(problem) => problem.clone(),
        None => {
            let (problem, package) = problems(&recorded.package)?.swap_remove(0);
            known.insert(package, problem.clone());
            problem
        }
    };
    let limits = recorded.made_by.map_or_else(|| limits_of(&problem), |made_by| made_by.limits);
    let submission = Submission { path: recorded.file, folder: recorded.expected.unwrap_or_default() };
    Ok(Job::new(&problem, &recorded.package, submission, limits, recorded.stop))
}
