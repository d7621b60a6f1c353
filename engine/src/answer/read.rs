//! From a model's text to a value of the type that was asked for.

use super::ask::code_alone;
use super::find::{candidates, fences, from_first_field, without_reasoning};
use super::mend;
use crate::diag::Diagnostics;
use crate::source::SourceId;
use crate::spec::types::{Issue, Type};
use crate::syntax::{self, Document};
use serde_json::{Map, Value};

/// Reasons that are sent back: a model mends a few slips at once, not fifty.
const MOST_REASONS: usize = 5;

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// A value of the type asked for.
    pub value: Value,
    /// What had to be mended: `block scalar: `why``.
    pub repairs: Vec<String>,
}

/// Reads a model's text as a value of a type.
///
/// # Errors
/// Why it is none: at most five reasons, fit to send back.
pub fn read(text: &str, ty: &Type) -> Result<Answer, Vec<String>> {
    if let Type::Text(_) = ty {
        let value = ty.accept(&Value::String(text.to_owned())).map_err(|issues| reasons(&issues))?;
        return Ok(Answer { value, repairs: Vec::new() });
    }
    let rest = without_reasoning(text);
    let mut repairs = Vec::new();
    if rest.len() < text.len() {
        repairs.push("left out the reasoning before the answer".to_owned());
    }
    let read = match code_alone(ty) {
        Some(alone) => code(rest, ty, alone.field),
        None => data(rest, ty),
    };
    let mut answer = read?;
    repairs.append(&mut answer.repairs);
    Ok(Answer { repairs, ..answer })
}

/// A program: in its record where a server held the model to one, else the first fenced block, else the whole text.
fn code(text: &str, ty: &Type, field: Option<&str>) -> Result<Answer, Vec<String>> {
    let fences = fences(text);
    let recorded = match fences.first() {
        Some(fence) if fence.holds_data() => Some(fence.body.as_ref()),
        Some(_) => None,
        None => Some(text),
    };
    if let Some(answer) = recorded.and_then(|text| recorded_code(text.trim(), ty, field?)) {
        return Ok(answer);
    }
    let program = match fences.first() {
        Some(fence) => Some(fence.body.as_ref()),
        // Without a fence, a text where a program may be left out is words about there being none.
        None if ty.accept(&wrapped(field, Value::Null)).is_ok() => None,
        None => Some(text),
    };
    let program = program
        .map(|program| program.trim_matches(['\n', '\r']))
        .filter(|program| !program.trim().is_empty())
        .map_or(Value::Null, Value::from);
    let value = ty
        .accept(&wrapped(field, program))
        .map_err(|_| vec!["the answer holds no program: put the whole of it in one fenced block".to_owned()])?;
    Ok(Answer { value, repairs: Vec::new() })
}

/// The record of a program, `{"code": "…"}` or `code: |`, which no program looks like.
fn recorded_code(text: &str, ty: &Type, field: &str) -> Option<Answer> {
    let names_field = |value: &Value| value.get(field).is_some_and(|v| v.is_string() || v.is_null());
    let mut repairs = Vec::new();
    if text.starts_with('{') && text.ends_with('}') {
        let value = parse_json(text, &mut repairs).ok().filter(names_field)?;
        return ty.forgive(&value, &mut repairs).ok().map(|value| Answer { value, repairs });
    }
    let block = text.strip_prefix(field)?.strip_prefix(':')?.trim_start_matches(' ');
    if !block.starts_with(['|', '>']) {
        return None;
    }
    from_yaml(text, ty, &mut repairs).ok().map(|value| Answer { value, repairs })
}

fn wrapped(field: Option<&str>, value: Value) -> Value {
    match field {
        Some(name) => Value::Object(Map::from_iter([(name.to_owned(), value)])),
        None => value,
    }
}

/// A value in JSON or YAML: the first candidate that fits the type.
fn data(text: &str, ty: &Type) -> Result<Answer, Vec<String>> {
    if text.trim().is_empty() {
        return Err(vec!["the answer is empty".to_owned()]);
    }
    let mut best: Option<Refusal> = None;
    for candidate in candidates(text, ty) {
        match one(&candidate, ty) {
            Ok(answer) => return Ok(answer),
            Err(refusal) => {
                if best.as_ref().is_none_or(|best| refusal.worth() > best.worth()) {
                    best = Some(refusal);
                }
            }
        }
    }
    // Where anything goes, words that are no data are text.
    if ty.members().contains(&Type::Any) {
        return Ok(Answer { value: text.into(), repairs: Vec::new() });
    }
    Err(best.map(|best| best.reasons).unwrap_or_default())
}

/// Why a candidate is not the answer.
struct Refusal {
    reasons: Vec<String>,
    /// It was a record or list, not words that happen to be a scalar.
    structured: bool,
    parsed: bool,
}

impl Refusal {
    /// How much its reasons tell: those of what could be read and looks like an answer tell most.
    fn worth(&self) -> (bool, bool, std::cmp::Reverse<usize>) {
        (self.structured, self.parsed, std::cmp::Reverse(self.reasons.len()))
    }

    fn fit(issues: &[Issue], structured: bool) -> Self {
        Self { reasons: reasons(issues), structured, parsed: true }
    }
}

fn one(text: &str, ty: &Type) -> Result<Answer, Refusal> {
    let mut refusal = None;
    if text.trim_start().starts_with(['{', '[']) {
        let mut repairs = Vec::new();
        match parse_json(text, &mut repairs) {
            Ok(value) => match ty.forgive(&value, &mut repairs) {
                Ok(value) => return Ok(Answer { value, repairs }),
                // What is JSON is the same value in YAML.
                Err(issues) => return Err(Refusal::fit(&issues, true)),
            },
            Err(why) => refusal = Some(Refusal { reasons: vec![why], structured: true, parsed: false }),
        }
    }
    let mut repairs = Vec::new();
    match from_yaml(text, ty, &mut repairs) {
        Ok(value) => Ok(Answer { value, repairs }),
        Err(in_yaml) => Err(match refusal {
            Some(in_json) if in_json.worth() >= in_yaml.worth() => in_json,
            _ => in_yaml,
        }),
    }
}

/// The value of a JSON text, its usual slips mended.
fn parse_json(text: &str, repairs: &mut Vec<String>) -> Result<Value, String> {
    serde_json::from_str(text).or_else(|wrong: serde_json::Error| {
        let mut mended_by = Vec::new();
        let mended = mend::json(text, &mut mended_by);
        let value = serde_json::from_str(&mended).map_err(|_| format!("the JSON can't be read: {wrong}"))?;
        repairs.append(&mut mended_by);
        Ok(value)
    })
}

fn from_yaml(text: &str, ty: &Type, repairs: &mut Vec<String>) -> Result<Value, Refusal> {
    let (document, found) = syntax::parse(SourceId::default(), text);
    let strict = fit_yaml(&document, &found, text, ty, repairs);
    let Err(refusal) = strict else { return strict };
    let mut mended_by = Vec::new();
    let mended = mend::yaml(text, ty, &mut mended_by);
    if mended_by.is_empty() {
        return Err(refusal);
    }
    let (document, found) = syntax::parse(SourceId::default(), &mended);
    match fit_yaml(&document, &found, &mended, ty, &mut mended_by) {
        Ok(value) => {
            repairs.append(&mut mended_by);
            Ok(value)
        }
        Err(other) => Err(if other.worth() > refusal.worth() { other } else { refusal }),
    }
}

fn fit_yaml(
    document: &Document,
    found: &Diagnostics,
    text: &str,
    ty: &Type,
    repairs: &mut Vec<String>,
) -> Result<Value, Refusal> {
    let structured = document.root.text().is_none();
    if let Some(wrong) = found.iter().next() {
        // Where the text holds nothing that was asked for, a place in it tells nothing.
        if !text.trim_start().starts_with(['{', '[', '-']) && from_first_field(text, ty).is_none() {
            let why = format!("the answer must be {}, in JSON or YAML; it holds neither", ty.words());
            return Err(Refusal { reasons: vec![why], structured: false, parsed: false });
        }
        let line = text[..wrong.span.start.min(text.len())].matches('\n').count() + 1;
        let why = format!("the YAML can't be read, line {line}: {}", wrong.message);
        return Err(Refusal { reasons: vec![why], structured, parsed: false });
    }
    let mut mended_by = Vec::new();
    let value =
        ty.forgive_node(&document.root, text, &mut mended_by).map_err(|issues| Refusal::fit(&issues, structured))?;
    repairs.append(&mut mended_by);
    Ok(value)
}

fn reasons(issues: &[Issue]) -> Vec<String> {
    let reason = |issue: &Issue| match issue.path.as_str() {
        "" => format!("the answer {}", issue.message),
        _ => issue.to_string(),
    };
    let mut reasons: Vec<String> = issues.iter().take(MOST_REASONS).map(reason).collect();
    if issues.len() > MOST_REASONS
        && let Some(last) = reasons.last_mut()
    {
        *last = format!("and {} more places do not fit", issues.len() - MOST_REASONS + 1);
    }
    reasons
}

#[cfg(test)]
mod tests;
