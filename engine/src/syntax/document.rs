//! The tree: values with their spans, scalars with the text they were written as.

use super::route::{Route, Step};
use crate::diag::Span;
use serde_json::Value;

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes: read by the type that is asked for, else by YAML 1.2's core rules.
    Plain,
    /// In single or double quotes: always text.
    Quoted,
    /// `|`: always text; places inside map back exactly.
    Literal,
    /// `>`: always text.
    Folded,
}

/// One value of a document.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// A scalar: its text after YAML's unquoting, and how it was written.
    Scalar(String, ScalarStyle),
    /// A list.
    List(Vec<Node>),
    /// A mapping in file order, without repeated keys (the first is kept).
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Document {
    /// The top value; an empty mapping when nothing could be read.
    pub root: Node,
    /// Values that stand for something reported already (an alias, a mapping with a key that is no text): their shape
    /// says nothing.
    pub unread: Vec<Span>,
    /// False when reading stopped before the end: what is missing may stand in the rest.
    pub whole: bool,
}

impl Document {
    /// Whether a value stands for something that was reported already.
    pub fn is_unread(&self, node: &Node) -> bool {
        self.unread.contains(&node.span)
    }

    /// The value at a route.
    pub fn node(&self, route: &Route) -> Option<&Node> {
        route.0.iter().try_fold(&self.root, |node, step| match step {
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.items().get(*index),
        })
    }

    /// The place of the value at a route, or of the nearest thing around it that exists.
    pub fn span(&self, route: &Route) -> Span {
        self.nearest(route, false)
    }

    /// The place of the key at the end of a route, or of the nearest thing around it that exists.
    pub fn key_span(&self, route: &Route) -> Span {
        self.nearest(route, true)
    }

    fn nearest(&self, route: &Route, key_wanted: bool) -> Span {
        let mut node = &self.root;
        let mut span = node.span;
        for (i, step) in route.0.iter().enumerate() {
            let last = i + 1 == route.0.len();
            match step {
                Step::Key(key) => {
                    let Some(entry) = node.entry(key) else { return span };
                    node = &entry.value;
                    span = if last && !key_wanted { node.span } else { entry.key_span };
                }
                Step::Index(index) => {
                    let Some(item) = node.items().get(*index) else { return span };
                    node = item;
                    span = node.span;
                }
            }
        }
        span
    }
}

impl Node {
    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|e| e.key == key)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|e| &e.value)
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            NodeKind::Scalar(..) | NodeKind::List(_) => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::List(items) => items,
            NodeKind::Scalar(..) | NodeKind::Map(_) => &[],
        }
    }

    /// The text of a scalar, whatever its style.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar(text, _) => Some(text),
            NodeKind::List(_) | NodeKind::Map(_) => None,
        }
    }

    /// The value by YAML 1.2's core rules.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(text, ScalarStyle::Plain) => super::scalar::core_value(text),
            NodeKind::Scalar(text, _) => Value::String(text.clone()),
            NodeKind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            NodeKind::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect())
            }
        }
    }

    /// The tree of a value that was never written: its places are all empty.
    pub fn from_json(value: &Value) -> Self {
        let kind = match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => NodeKind::Scalar(value.to_string(), ScalarStyle::Plain),
            Value::String(text) => NodeKind::Scalar(text.clone(), ScalarStyle::Quoted),
            Value::Array(items) => NodeKind::List(items.iter().map(Self::from_json).collect()),
            Value::Object(fields) => NodeKind::Map(
                fields
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        key_span: Span::default(),
                        value: Self::from_json(value),
                    })
                    .collect(),
            ),
        };
        Self { span: Span::default(), kind }
    }
}
