//! The types of the language: what a value may be.

use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Anything at all.
    Any,
    /// Null alone.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A whole number, in a range.
    Integer(Range),
    /// A number, in a range.
    Number(Range),
    /// Text.
    Text(TextRule),
    /// A program's text; alone, or alone in its record, it is read from the answer's first fenced block.
    Code,
    /// One of these words or numbers.
    Literals(Vec<Value>),
    /// A list of one type, of a length.
    List(Box<Type>, Length),
    /// Named fields, in order.
    Record(Vec<Field>),
    /// One of several (`T | null` among them); flat, without repeats.
    Union(Vec<Type>),
    /// A raw JSON Schema.
    Schema(Arc<Value>),
}

/// Smallest and largest number allowed, both included.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Range {
    /// Smallest.
    pub min: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

/// What text may be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TextRule {
    /// Most characters.
    pub max_chars: Option<u64>,
    /// A regular expression that must be found in it.
    pub pattern: Option<String>,
}

/// Fewest and most items.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Length {
    /// Fewest.
    pub min: Option<Bound>,
    /// Most.
    pub max: Option<Bound>,
}

/// One end of a length.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// A number.
    Fixed(u64),
    /// The source of an expression, without `$` and `$( )`; only in `returns`, known when the node runs.
    Flow(String),
}

/// One field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// The value when it is absent; an absent field without default is null where its type allows null.
    pub default: Option<Value>,
    /// `-- text`: shown to the model and in the editor.
    pub about: Option<String>,
}

/// Named types in scope, by the name they are written with (`Problem`, `lib.Pair`); built-in ones included.
pub type Named = BTreeMap<String, Type>;
