//! `execute`: what is run, and on what.

use crate::check::flow::{Execute, ExecuteOn};
use crate::run::ports::{Compare, ExecuteJob, JobInput};
use crate::run::scope::{list, shown, text, value};
use crate::run::state::Fault;
use crate::template::{EvalError, Scope};
use crate::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Programs that compare, by the path that stands in the flow.
type Modules = BTreeMap<String, Arc<Vec<u8>>>;

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
        compare: compare(&*value(&execute.compare, scope)?, modules)?,
        limits: execute.limits,
        stop_first_failure: execute.stop_first_failure,
        files,
    })
}

fn compare(how: &Value, modules: &Modules) -> Result<Compare, EvalError> {
    match how {
        Value::String(word) => match word.as_str() {
            "tokens" => return Ok(Compare::Tokens),
            "exact" => return Ok(Compare::Exact),
            "lines" => return Ok(Compare::Lines),
            "unordered" => return Ok(Compare::Unordered),
            _ => {}
        },
        Value::Object(fields) if fields.len() == 1 => {
            if let Some(within) = fields.get("float").and_then(Value::as_f64) {
                return Ok(Compare::Float(within));
            }
            if let Some(module) = fields.get("wasm").and_then(Value::as_str).and_then(|path| modules.get(path)) {
                return Ok(Compare::Wasm(Arc::clone(module)));
            }
        }
        _ => {}
    }
    Err(EvalError(format!(
        "`execute.compare` must be `exact`, `lines`, `tokens`, `unordered`, `{{ float: … }}` or `{{ wasm: … }}`, not {}",
        shown(how)
    )))
}
