//! Output validators of problem packages: `validator input answer feedback/ [flags] < output`, exit code 42 or 43.

use std::sync::Arc;

use crate::cancel::Cancel;
use crate::error::Error;
use crate::files::Content;
use crate::judge;
use crate::limits::Limits;
use crate::run::Program;
use crate::sandbox::{Answer, Sandbox};
use crate::source::{Language, Source};

/// Right, and wrong.
const CODES: [i32; 2] = [42, 43];

/// The folder that a validator may write to, and the file in it that says why.
const FEEDBACK: &str = "feedback";
const MESSAGE: &str = "feedback/judgemessage.txt";

/// What a validator may use: the package format's own defaults.
const SECONDS: f64 = 60.0;
const MEMORY: u64 = 2 << 30;

/// Where a Python validator lies: a frozen interpreter has no arguments, so a launcher sets them and begins it.
const PYTHON: &str = "validator.py";

/// A validator, compiled.
pub(crate) fn program(
    sandbox: &Sandbox,
    validator: &Source,
    args: &[String],
    cancel: &Cancel,
) -> Result<Program, Error> {
    match validator.language {
        Language::C | Language::Cpp | Language::Rust | Language::Wasm => {
            judge::checker_program(sandbox, validator, cancel)
        }
        Language::Python => {
            let mut launcher = Source::new(Language::Python, launcher(args));
            launcher.files.clone_from(&validator.files);
            launcher.files.insert(PYTHON.to_owned(), validator.code.clone());
            judge::checker_program(sandbox, &launcher, cancel)
        }
        Language::Javascript => Err(Error::Checker(
            "an output validator in javascript cannot be given its arguments; write it in c, cpp, python, rust or wasm"
                .to_owned(),
        )),
    }
}

/// Asks a validator.
pub(crate) fn ask(
    sandbox: &Sandbox,
    validator: &Source,
    args: &[String],
    input: &str,
    expected: &str,
    output: &[u8],
    cancel: &Cancel,
) -> Result<Answer, Error> {
    let program = program(sandbox, validator, args, cancel)?;
    let mut start = program.0.start.clone();
    let files = Arc::make_mut(&mut start.files);
    files.insert("input", Content::Bytes(Arc::from(input.as_bytes())));
    files.insert("answer", Content::Bytes(Arc::from(expected.as_bytes())));
    files.let_write(FEEDBACK);
    start.args = arguments("validator", args).collect();
    let limits = Limits { memory: MEMORY, ..Limits::seconds(SECONDS) };
    let said = sandbox.run_from(&program, &start, Arc::from(output), &limits, cancel)?;
    let message = said.written.get(MESSAGE).map(|bytes| String::from_utf8_lossy(bytes).trim_end().to_owned());
    judge::answer(&said, CODES, message.unwrap_or_default())
}

fn arguments(name: &str, more: &[String]) -> impl Iterator<Item = String> {
    [name, "input", "answer", "feedback/"].map(str::to_owned).into_iter().chain(more.to_vec())
}

/// What sets a Python validator's arguments and begins it.
fn launcher(args: &[String]) -> String {
    let args: Vec<String> = arguments(PYTHON, args).collect();
    // A list of strings in JSON is one in Python too.
    let args = serde_json::Value::from(args);
    format!("import sys\nsys.argv = {args}\nexec(compile(open({PYTHON:?}, 'rb').read(), {PYTHON:?}, 'exec'))\n")
}
