//! `execute`: what is run, and on what.

use crate::check::flow::{Execute, ExecuteOn};
use crate::run::ports::{ExecuteJob, JobInput};
use crate::run::scope::{list, shown, text, value};
use crate::run::state::Fault;
use crate::spec::compare::{Compare, FORMS, Modules};
use crate::template::{EvalError, Scope};
use crate::value::Value;

/// The program of an `execute`, with all it needs.
pub(super) fn job(execute: &Execute, modules: &Modules, scope: &dyn Scope) -> Result<ExecuteJob, Fault> {
    let on = match &execute.on {
        ExecuteOn::Tests(val) => JobInput::Tests(list("execute.tests", &*value(val, scope)?)?.to_vec()),
        ExecuteOn::Inputs(val) => {
            let inputs = value(val, scope)?;
            let inputs = list("execute.inputs", &inputs)?.iter().map(|input| text("execute.inputs", input));
            JobInput::Inputs(inputs.collect::<Result<_, _>>()?)
        }
        ExecuteOn::Input(val) => JobInput::Input(text("execute.input", &*value(val, scope)?)?),
    };
    let files = execute.files.as_ref().map(|files| value(files, scope)).transpose()?;
    let files = match files.as_deref() {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(files)) => {
            let files = files.iter().map(|(path, content)| Ok((path.clone(), text("execute.files", content)?)));
            files.collect::<Result<_, EvalError>>()?
        }
        Some(other) => return Err(EvalError(format!("`execute.files` must be a record, not {}", shown(other))).into()),
    };
    Ok(ExecuteJob {
        language: text("execute.language", &*value(&execute.language, scope)?)?,
        code: text("execute.code", &*value(&execute.code, scope)?)?,
        on,
        compare: Compare::read(&*value(&execute.compare, scope)?, modules)
            .map_err(|why| EvalError(format!("`execute.compare` is not right: {why}; it may be {FORMS}")))?,
        limits: execute.limits,
        stop_first_failure: execute.stop_first_failure,
        files,
    })
}
