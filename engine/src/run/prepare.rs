//! What a run is given, held against the flow before anything runs.

use super::error::{ErrorName, RunError};
use crate::check::flow::CheckedFlow;
use crate::diag::nearest;
use crate::spec::types::{Field, Type};
use crate::value::Value;
use serde_json::Map;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a person gives for a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// Inputs by name.
    pub inputs: Map<String, Value>,
    /// Params by name; they win over the preset's.
    pub params: Map<String, Value>,
    /// A named set of params.
    pub preset: Option<String>,
    /// `run.seed`.
    pub seed: u64,
}

/// What a run is given, accepted by the types of the flow, defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The record of inputs.
    pub inputs: Arc<Value>,
    /// The record of params.
    pub params: Arc<Value>,
    /// `run.seed`.
    pub seed: u64,
}

/// Accepts what a run is given.
///
/// # Errors
/// `bad_input`, with all that is wrong.
pub fn prepare(flow: &CheckedFlow, given: &Given) -> Result<Prepared, RunError> {
    let mut wrong = Vec::new();
    let inputs = accept("input", &flow.flows[flow.root].inputs, given.inputs.clone(), &mut wrong);
    let params = accept_params(flow, given, &mut wrong);
    if wrong.is_empty() {
        return Ok(Prepared { inputs, params, seed: given.seed });
    }
    Err(bad_input(&wrong))
}

/// Accepts the params of a run whose inputs are not known yet, for its plan.
///
/// # Errors
/// `bad_input`, with all that is wrong.
pub fn prepare_params(flow: &CheckedFlow, given: &Given) -> Result<Arc<Value>, RunError> {
    let mut wrong = Vec::new();
    let params = accept_params(flow, given, &mut wrong);
    if wrong.is_empty() { Ok(params) } else { Err(bad_input(&wrong)) }
}

/// The params given, over those of the preset.
fn accept_params(flow: &CheckedFlow, given: &Given, wrong: &mut Vec<String>) -> Arc<Value> {
    let file = &flow.files[flow.flows[flow.root].file];
    let none = BTreeMap::new();
    let preset = match &given.preset {
        None => &none,
        Some(name) => file.presets.get(name).unwrap_or_else(|| {
            wrong.push(unknown("preset", name, file.presets.keys().map(String::as_str)));
            &none
        }),
    };
    let mut params: Map<String, Value> = preset.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    params.extend(given.params.clone());
    accept("param", &file.params, params, wrong)
}

fn accept(what: &str, fields: &[Field], given: Map<String, Value>, wrong: &mut Vec<String>) -> Arc<Value> {
    for name in given.keys().filter(|name| fields.iter().all(|field| field.name != **name)) {
        wrong.push(unknown(what, name, fields.iter().map(|field| field.name.as_str())));
    }
    accept_fields(fields, &Value::Object(given)).map(Arc::new).unwrap_or_else(|issues| {
        wrong.extend(issues.into_iter().map(|issue| format!("{what} {issue}")));
        Arc::new(Value::Null)
    })
}

fn bad_input(wrong: &[String]) -> RunError {
    RunError { name: ErrorName::BadInput, message: wrong.join("; "), at: String::new() }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(near) => format!("there is no {what} `{name}`; a similar name exists: `{near}`"),
        None => format!("there is no {what} `{name}`"),
    }
}

/// The record of fields, or what does not fit, in words.
pub(super) fn accept_fields(fields: &[Field], given: &Value) -> Result<Value, Vec<String>> {
    let accepted = Type::Record(fields.to_vec()).accept(given);
    accepted.map_err(|issues| issues.iter().map(ToString::to_string).collect())
}
