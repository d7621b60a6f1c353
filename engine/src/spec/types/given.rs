//! What a type is held against: JSON data, or a YAML tree whose scalars keep the text they were written as.

use crate::syntax::{Node, NodeKind, ScalarStyle};
use serde_json::Value;
use std::borrow::Cow;

/// A value that is not yet of a type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given<'a> {
    Json(&'a Value),
    Yaml(&'a Node),
}

/// One level of a given value.
pub(super) enum View<'a> {
    Scalar(Scalar<'a>),
    List(Vec<Given<'a>>),
    Map(Vec<(&'a str, Given<'a>)>),
}

/// A scalar: its text, and what it is where nothing says otherwise.
pub(super) struct Scalar<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) core: Value,
    /// Written without quotes, so that the type decides what it is.
    pub(super) plain: bool,
}

impl<'a> Given<'a> {
    pub(super) fn view(self) -> View<'a> {
        match self {
            Self::Json(Value::Array(items)) => View::List(items.iter().map(Self::Json).collect()),
            Self::Json(Value::Object(fields)) => {
                View::Map(fields.iter().map(|(k, v)| (k.as_str(), Self::Json(v))).collect())
            }
            Self::Json(Value::String(text)) => {
                View::Scalar(Scalar { text: text.into(), core: Value::String(text.clone()), plain: false })
            }
            Self::Json(other @ (Value::Null | Value::Bool(_) | Value::Number(_))) => {
                View::Scalar(Scalar { text: other.to_string().into(), core: other.clone(), plain: false })
            }
            Self::Yaml(node) => match &node.kind {
                NodeKind::Scalar(text, style) => View::Scalar(Scalar {
                    text: text.into(),
                    core: node.to_json(),
                    plain: *style == ScalarStyle::Plain,
                }),
                NodeKind::List(items) => View::List(items.iter().map(Self::Yaml).collect()),
                NodeKind::Map(entries) => {
                    View::Map(entries.iter().map(|e| (e.key.as_str(), Self::Yaml(&e.value))).collect())
                }
            },
        }
    }

    /// The value where no type says otherwise.
    pub(super) fn value(self) -> Value {
        match self {
            Self::Json(value) => value.clone(),
            Self::Yaml(node) => node.to_json(),
        }
    }

    /// What a person reads of it in a message.
    pub(super) fn shown(self) -> String {
        match self.view() {
            View::List(_) => "a list".to_owned(),
            View::Map(_) => "a record".to_owned(),
            View::Scalar(Scalar { core: Value::Null, .. }) => "null".to_owned(),
            View::Scalar(Scalar { text, .. }) => {
                // Enough to find it again; a whole program in a message helps nobody.
                let line = text.lines().next().unwrap_or_default();
                let short: String = line.chars().take(60).collect();
                let cut = if short.len() < text.trim_end().len() { "…" } else { "" };
                format!("`{short}{cut}`")
            }
        }
    }
}

impl Scalar<'_> {
    /// Null, as itself: a quoted `"null"` is text.
    pub(super) fn is_null(&self) -> bool {
        self.core.is_null()
    }
}
