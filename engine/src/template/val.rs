//! What evaluation works on: values borrowed from the scope as long as possible. A list made by a filter holds its items by
//! reference, so `samples | select | map(…)` copies only what is left in the end.

use super::eval::Fault;
use super::{ops, print};
use crate::value::{Value, is_true};
use std::borrow::Cow;

/// A value on its way through an expression.
pub(super) enum Val<'e> {
    /// A value as it is.
    One(Cow<'e, Value>),
    /// A list that was put together here.
    Many(Vec<Cow<'e, Value>>),
}

impl<'e> Val<'e> {
    pub(super) const NULL: Self = Self::One(Cow::Owned(Value::Null));

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::One(value) if value.is_null())
    }

    pub(super) fn truth(&self) -> bool {
        match self {
            Self::One(value) => is_true(value),
            Self::Many(items) => !items.is_empty(),
        }
    }

    pub(super) fn into_cow(self) -> Cow<'e, Value> {
        match self {
            Self::One(value) => value,
            Self::Many(items) => Cow::Owned(Value::Array(items.into_iter().map(Cow::into_owned).collect())),
        }
    }

    pub(super) fn into_value(self) -> Value {
        self.into_cow().into_owned()
    }

    /// The items of a list, the keys of a record, the characters of text; null has none.
    pub(super) fn into_items(self) -> Result<Vec<Cow<'e, Value>>, Fault> {
        Ok(match self {
            Self::Many(items) => items,
            Self::One(Cow::Borrowed(value)) => match value {
                Value::Array(items) => items.iter().map(Cow::Borrowed).collect(),
                other => made_items(other)?,
            },
            Self::One(Cow::Owned(value)) => match value {
                Value::Array(items) => items.into_iter().map(Cow::Owned).collect(),
                other => made_items(&other)?,
            },
        })
    }

    /// The value as `{{ }}` prints it.
    pub(super) fn into_text(self) -> Cow<'e, str> {
        match self.into_cow() {
            Cow::Borrowed(Value::String(text)) => Cow::Borrowed(text),
            Cow::Owned(Value::String(text)) => Cow::Owned(text),
            other => Cow::Owned(print::text(&other)),
        }
    }

    /// What evaluation pays for handling it: one for each item or field, one for each 16 bytes of text.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Many(items) => items.len() as u64,
            Self::One(value) => match value.as_ref() {
                Value::Array(items) => items.len() as u64,
                Value::Object(fields) => fields.len() as u64,
                Value::String(text) => text.len() as u64 / 16,
                Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            },
        }
    }
}

fn made_items<'e>(value: &Value) -> Result<Vec<Cow<'e, Value>>, Fault> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(fields) => Ok(fields.keys().map(|key| Cow::Owned(Value::from(key.as_str()))).collect()),
        Value::String(text) => Ok(text.chars().map(|c| Cow::Owned(Value::from(c.to_string()))).collect()),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) => {
            Err(Fault::new(format!("expected a list, got {}", kind(value))))
        }
    }
}

impl<'e, T: Into<Value>> From<T> for Val<'e> {
    fn from(value: T) -> Self {
        Self::One(Cow::Owned(value.into()))
    }
}

/// What is under a key of a record, or at a place of a list (from its end when below zero); null when there is nothing.
pub(super) fn item<'e>(of: Cow<'e, Value>, key: &Value) -> Cow<'e, Value> {
    match of {
        Cow::Borrowed(of) => find(of, key).unwrap_or(Cow::Owned(Value::Null)),
        // What was made here is dropped with the record or list it stood in.
        Cow::Owned(of) => Cow::Owned(find(&of, key).map_or(Value::Null, Cow::into_owned)),
    }
}

fn find<'e>(of: &'e Value, key: &Value) -> Option<Cow<'e, Value>> {
    match (of, key) {
        (Value::Object(fields), Value::String(name)) => fields.get(name).map(Cow::Borrowed),
        (Value::Array(items), Value::Number(_)) => {
            items.get(from_either_end(ops::whole(key)?, || items.len())?).map(Cow::Borrowed)
        }
        (Value::String(text), Value::Number(_)) => {
            let at = from_either_end(ops::whole(key)?, || text.chars().count())?;
            text.chars().nth(at).map(|c| Cow::Owned(Value::from(c.to_string())))
        }
        _ => None,
    }
}

fn from_either_end(index: i64, len: impl Fn() -> usize) -> Option<usize> {
    if index < 0 { len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?) } else { usize::try_from(index).ok() }
}

/// The field of a record; null when there is none.
pub(super) fn field<'e>(of: Cow<'e, Value>, name: &str) -> Cow<'e, Value> {
    match of {
        Cow::Borrowed(of) => of.get(name).map_or(Cow::Owned(Value::Null), Cow::Borrowed),
        Cow::Owned(Value::Object(mut fields)) => Cow::Owned(fields.swap_remove(name).unwrap_or(Value::Null)),
        Cow::Owned(_) => Cow::Owned(Value::Null),
    }
}

/// What a path of keys and indexes, written with dots, leads to; null when it leads nowhere.
pub(super) fn at_path<'e>(of: &'e Value, path: &str) -> &'e Value {
    static NOTHING: Value = Value::Null;
    follow(of, path).unwrap_or(&NOTHING)
}

fn follow<'e>(of: &'e Value, path: &str) -> Option<&'e Value> {
    path.split('.').try_fold(of, |of, step| match of {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

/// The kind of a value, as a message names it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a record",
    }
}
