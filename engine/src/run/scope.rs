//! What names mean at an instance, and values as written made values.

use super::frame::{FrameId, Frames, Kind, Repeating, Slot};
use crate::check::flow::Val;
use crate::template::{EvalError, Scope};
use crate::value::Value;
use serde_json::{Map, json};
use std::sync::Arc;

/// The names at a frame: those of the blocks, loops, items and the flow around it.
pub(super) struct View<'a, 'f> {
    pub(super) frames: &'a Frames<'f>,
    /// Where names are looked for first.
    pub(super) frame: FrameId,
    /// Whose budgets `budget` means.
    pub(super) spender: FrameId,
    /// `run`.
    pub(super) run: &'a Arc<Value>,
}

impl Scope for View<'_, '_> {
    fn get(&self, name: &str) -> Option<Arc<Value>> {
        if name == "budget" {
            return self.frames.left(self.spender).map(|left| {
                Arc::new(json!({
                    "calls_left": left.calls,
                    "tokens_left": left.tokens,
                    "usd_left": left.nano_usd.map(|nano| nano as f64 / 1e9),
                }))
            });
        }
        for (_, frame) in self.frames.around(self.frame) {
            match &frame.kind {
                Kind::Block(block) => {
                    if let Some(&index) = block.index.names.get(name) {
                        return match &block.slots[index] {
                            Slot::Done(value) => Some(Arc::clone(value)),
                            Slot::Waiting(_) | Slot::Begun(_) => None,
                        };
                    }
                }
                Kind::Node(node) => {
                    if let Repeating::Loop(run) = &node.repeat
                        && let Some(value) = run.name(name)
                    {
                        return Some(value);
                    }
                }
                Kind::Item(item) => {
                    if item.name == name {
                        return Some(Arc::clone(&item.value));
                    }
                }
                Kind::Flow(flow) => {
                    // Sub-flows are isolated: the search ends here.
                    return match name {
                        "inputs" => Some(Arc::clone(&flow.inputs)),
                        "params" => Some(Arc::clone(&flow.params)),
                        "run" => Some(Arc::clone(self.run)),
                        _ => None,
                    };
                }
                Kind::Samples(_) | Kind::Work(_) => {}
            }
        }
        None
    }
}

/// A scope with one more name.
pub(super) struct Local<'a> {
    pub(super) outer: &'a dyn Scope,
    pub(super) name: &'a str,
    pub(super) value: &'a Arc<Value>,
}

impl Scope for Local<'_> {
    fn get(&self, name: &str) -> Option<Arc<Value>> {
        if name == self.name { Some(Arc::clone(self.value)) } else { self.outer.get(name) }
    }
}

/// A scope with the names of a `with`.
pub(super) struct Locals<'a> {
    pub(super) outer: &'a dyn Scope,
    pub(super) names: &'a [(&'a str, Arc<Value>)],
}

impl Scope for Locals<'_> {
    fn get(&self, name: &str) -> Option<Arc<Value>> {
        match self.names.iter().find(|(n, _)| *n == name) {
            Some((_, value)) => Some(Arc::clone(value)),
            None => self.outer.get(name),
        }
    }
}

/// The value of what is written, at a scope.
pub(super) fn value(val: &Val, scope: &dyn Scope) -> Result<Arc<Value>, EvalError> {
    match val {
        Val::Const(value) => Ok(Arc::clone(value)),
        Val::Expr(_) | Val::Text(_) | Val::List(_) | Val::Map(_) => owned(val, scope).map(Arc::new),
    }
}

fn owned(val: &Val, scope: &dyn Scope) -> Result<Value, EvalError> {
    Ok(match val {
        Val::Const(value) => (**value).clone(),
        Val::Expr(expr) => expr.eval(scope)?,
        Val::Text(text) => Value::String(text.render(scope)?),
        Val::List(items) => Value::Array(items.iter().map(|item| owned(item, scope)).collect::<Result<_, _>>()?),
        Val::Map(fields) => record(fields, scope)?,
    })
}

/// The record of named values.
pub(super) fn record(fields: &[(String, Val)], scope: &dyn Scope) -> Result<Value, EvalError> {
    let fields = fields.iter().map(|(name, val)| Ok((name.clone(), owned(val, scope)?)));
    Ok(Value::Object(fields.collect::<Result<Map<_, _>, EvalError>>()?))
}

/// A whole number of at least 0.
pub(super) fn count(what: &str, val: &Val, scope: &dyn Scope) -> Result<u64, EvalError> {
    whole(what, &*value(val, scope)?)
}

/// A value as a whole number of at least 0.
pub(super) fn whole(what: &str, value: &Value) -> Result<u64, EvalError> {
    // Beyond 2^53 a float is no exact count; such a bound is no bound anyone meant.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=EXACT).contains(n));
    value
        .as_u64()
        .or_else(|| float.map(|n| n as u64))
        .ok_or_else(|| EvalError(format!("`{what}` must be a whole number of at least 0, not {}", shown(value))))
}

/// A number.
pub(super) fn number(what: &str, val: &Val, scope: &dyn Scope) -> Result<f64, EvalError> {
    let value = value(val, scope)?;
    value.as_f64().ok_or_else(|| EvalError(format!("`{what}` must be a number, not {}", shown(&value))))
}

/// A text.
pub(super) fn text(what: &str, value: &Value) -> Result<String, EvalError> {
    value.as_str().map(str::to_owned).ok_or_else(|| EvalError(format!("`{what}` must be text, not {}", shown(value))))
}

/// A list's items.
pub(super) fn list<'v>(what: &str, value: &'v Value) -> Result<&'v [Value], EvalError> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| EvalError(format!("`{what}` must be a list, not {}", shown(value))))
}

/// A value in a message: short, whatever it holds.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "a record".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let text = value.to_string();
            if text.chars().count() <= 60 { text } else { text.chars().take(60).chain(['…']).collect() }
        }
    }
}
