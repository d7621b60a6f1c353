//! Values known in part, and how two of them are joined.

use super::Formula;
use crate::value::Value;
use std::sync::Arc;

/// What is known of a value. Cheap to clone: what is large is shared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Abstract {
    /// What it is when it is not null.
    pub(super) shape: Shape,
    /// Whether it may be null.
    pub(super) nullable: bool,
}

/// What is known of a value that is not null.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// It is never anything but null.
    Nothing,
    /// True or false, if that is known.
    Boolean(Option<bool>),
    /// A number in a range.
    Number(Interval),
    /// Text, if that is known.
    Text(Option<Arc<str>>),
    /// A list of which each item is known in part.
    Items(Arc<[Abstract]>),
    /// A list of which all items are of one kind.
    List {
        /// What every item is.
        item: Arc<Abstract>,
        /// How many there are.
        len: Interval,
    },
    /// Named values; a name that is not there reads as null.
    Record(Arc<[(Arc<str>, Abstract)]>),
    /// Anything. With a path when it is (part of) an input of the run: its size then counts as known before the run.
    Any(Option<Arc<str>>),
}

/// Least and greatest of a number, both included; an end that is absent is not known.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Interval {
    /// Least.
    pub(super) min: Option<Formula>,
    /// Greatest.
    pub(super) max: Option<Formula>,
    /// Whether it is a whole number.
    pub(super) whole: bool,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It may.
    Unknown,
}

impl std::ops::Not for Truth {
    type Output = Self;
    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(known: bool) -> Self {
        if known { Self::True } else { Self::False }
    }
}

impl Interval {
    /// Exactly `n`, a whole number.
    pub(super) fn exactly(n: impl Into<Formula>) -> Self {
        let n = n.into();
        Self { min: Some(n.clone()), max: Some(n), whole: true }
    }

    /// Whole numbers from `min` to `max`.
    pub(super) fn whole(min: impl Into<Formula>, max: Option<Formula>) -> Self {
        Self { min: Some(min.into()), max, whole: true }
    }

    /// The number, when there is only one.
    pub(super) fn as_number(&self) -> Option<f64> {
        let min = self.min.as_ref()?.as_number()?;
        (self.max.as_ref()?.as_number()? == min).then_some(min)
    }

    /// The count, when there is only one.
    pub(super) fn as_count(&self) -> Option<usize> {
        self.as_number().map(|n| n.max(0.0) as usize)
    }

    /// As a count: below zero is zero.
    #[must_use]
    pub(super) fn clamped(&self) -> Self {
        let zero = Formula::default();
        Self {
            min: Some(self.min.as_ref().map_or_else(Formula::default, |min| min.greatest(&zero))),
            max: self.max.as_ref().map(|max| max.greatest(&zero)),
            whole: true,
        }
    }

    /// Both ranges, and what lies between.
    #[must_use]
    pub(super) fn join(&self, other: &Self) -> Self {
        Self {
            min: both(&self.min, &other.min).map(|(a, b)| a.least(b)),
            max: both(&self.max, &other.max).map(|(a, b)| a.greatest(b)),
            whole: self.whole && other.whole,
        }
    }

    /// The part of the range that is no more than `most`.
    #[must_use]
    pub(super) fn capped(&self, most: Option<&Formula>) -> Self {
        let Some(most) = most else { return self.clone() };
        Self {
            min: self.min.as_ref().map(|min| min.least(most)),
            max: Some(self.max.as_ref().map_or_else(|| most.clone(), |max| max.least(most))),
            whole: self.whole,
        }
    }

    /// Whether every number here is less than every number there, or none is.
    pub(super) fn below(&self, other: &Self) -> Truth {
        if both(&self.max, &other.min).is_some_and(|(a, b)| a.below(b)) {
            Truth::True
        } else if both(&self.min, &other.max).is_some_and(|(a, b)| b.at_most(a)) {
            Truth::False
        } else {
            Truth::Unknown
        }
    }
}

pub(super) fn both<'a, T>(a: &'a Option<T>, b: &'a Option<T>) -> Option<(&'a T, &'a T)> {
    a.as_ref().zip(b.as_ref())
}

impl Abstract {
    /// Null.
    pub(super) const NULL: Self = Self { shape: Shape::Nothing, nullable: true };

    /// Anything, null included.
    pub(super) fn any() -> Self {
        Self { shape: Shape::Any(None), nullable: true }
    }

    /// A number in a range.
    pub(super) fn number(range: Interval) -> Self {
        Shape::Number(range).into()
    }

    /// Text that is not known.
    pub(super) fn text() -> Self {
        Shape::Text(None).into()
    }

    /// A list of `len` items of one kind.
    pub(super) fn list(item: Self, len: Interval) -> Self {
        if len.as_number() == Some(0.0) {
            return Self::items([]);
        }
        Shape::List { item: Arc::new(item), len }.into()
    }

    /// A list of these.
    pub(super) fn items(items: impl IntoIterator<Item = Self>) -> Self {
        Shape::Items(items.into_iter().collect()).into()
    }

    /// A record of these.
    pub(super) fn record<K: Into<Arc<str>>>(fields: impl IntoIterator<Item = (K, Self)>) -> Self {
        Shape::Record(fields.into_iter().map(|(k, v)| (k.into(), v)).collect()).into()
    }

    /// It, or null.
    #[must_use]
    pub(super) fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// It, when it is not null.
    #[must_use]
    pub(super) fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// Exactly this value.
    pub(super) fn known(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(b) => Shape::Boolean(Some(*b)).into(),
            Value::Number(n) => {
                let at = Formula::number(n.as_f64().unwrap_or(f64::INFINITY));
                Self::number(Interval { min: Some(at.clone()), max: Some(at), whole: !n.is_f64() })
            }
            Value::String(s) => Shape::Text(Some(s.as_str().into())).into(),
            Value::Array(items) => Self::items(items.iter().map(Self::known)),
            Value::Object(fields) => Self::record(fields.iter().map(|(k, v)| (k.as_str(), Self::known(v)))),
        }
    }

    /// The value, when there is only one.
    pub(super) fn value(&self) -> Option<Value> {
        if self.nullable {
            return matches!(self.shape, Shape::Nothing).then_some(Value::Null);
        }
        match &self.shape {
            Shape::Nothing | Shape::List { .. } | Shape::Any(_) => None,
            Shape::Boolean(b) => b.map(Value::Bool),
            Shape::Number(range) => range.as_number().and_then(|n| {
                // Whole numbers beyond 2^53 were rounded when they were read; as floats they stay what they are here.
                if range.whole && n.abs() < 9.0e15 {
                    Some(Value::from(n as i64))
                } else {
                    serde_json::Number::from_f64(n).map(Value::Number)
                }
            }),
            Shape::Text(text) => text.as_deref().map(Value::from),
            Shape::Items(items) => items.iter().map(Self::value).collect::<Option<Vec<_>>>().map(Value::Array),
            Shape::Record(fields) => fields
                .iter()
                .map(|(name, value)| Some((name.to_string(), value.value()?)))
                .collect::<Option<serde_json::Map<_, _>>>()
                .map(Value::Object),
        }
    }

    /// What holds of both.
    #[must_use]
    pub(super) fn join(&self, other: &Self) -> Self {
        Self { shape: self.shape.join(&other.shape), nullable: self.nullable || other.nullable }
    }

    /// Its truth, as `if` sees it.
    pub(super) fn truth(&self) -> Truth {
        let positive = |range: &Interval| match range.as_number() {
            Some(n) => Truth::from(n != 0.0),
            None if range.min.as_ref().is_some_and(|min| Formula::default().below(min)) => Truth::True,
            None => Truth::Unknown,
        };
        let truth = match &self.shape {
            Shape::Nothing => Truth::False,
            Shape::Boolean(b) => b.map_or(Truth::Unknown, Truth::from),
            Shape::Number(range) => positive(range),
            Shape::Text(text) => text.as_ref().map_or(Truth::Unknown, |t| Truth::from(!t.is_empty())),
            Shape::Items(items) => Truth::from(!items.is_empty()),
            Shape::List { len, .. } => positive(len),
            Shape::Record(fields) => Truth::from(!fields.is_empty()),
            Shape::Any(_) => Truth::Unknown,
        };
        if self.nullable && truth == Truth::True { Truth::Unknown } else { truth }
    }

    /// What is left of it once it is known to be true (or false); `None` when it can't be.
    pub(super) fn when(&self, holds: bool) -> Option<Self> {
        if self.truth() == Truth::from(!holds) {
            return None;
        }
        Some(if holds { self.when_true() } else { self.when_false() })
    }

    fn when_true(&self) -> Self {
        let shape = match &self.shape {
            Shape::Boolean(_) => Shape::Boolean(Some(true)),
            // Zero is false: of the whole numbers from zero on, one is the first that is left.
            Shape::Number(range) if range.whole && range.min == Some(Formula::default()) => {
                Shape::Number(Interval { min: Some(Formula::from(1u64)), ..range.clone() })
            }
            Shape::List { item, len } => {
                let one = Formula::from(1u64);
                let min = len.min.as_ref().map_or_else(|| one.clone(), |min| min.greatest(&one));
                Shape::List { item: item.clone(), len: Interval { min: Some(min), ..len.clone() } }
            }
            shape => shape.clone(),
        };
        Self { shape, nullable: false }
    }

    fn when_false(&self) -> Self {
        let shape = match &self.shape {
            Shape::Boolean(_) => Shape::Boolean(Some(false)),
            Shape::Number(range) => {
                Shape::Number(Interval { whole: range.whole, ..Interval::exactly(Formula::default()) })
            }
            Shape::Text(_) => Shape::Text(Some("".into())),
            Shape::Items(_) | Shape::List { .. } => Shape::Items([].into()),
            // A record of a type has fields: it is false only where it is null.
            Shape::Nothing | Shape::Record(_) => Shape::Nothing,
            Shape::Any(path) => Shape::Any(path.clone()),
        };
        Self { shape, nullable: self.nullable }
    }

    /// The value of a field, or of an item by number; null reads through.
    pub(super) fn field(&self, name: &str) -> Self {
        let found = match &self.shape {
            Shape::Record(fields) => {
                fields.iter().find(|(field, _)| &**field == name).map_or(Self::NULL, |(_, value)| value.clone())
            }
            Shape::Items(_) | Shape::List { .. } => name.parse().map_or(Self::NULL, |index| self.item(index)),
            Shape::Any(path) => {
                Self { shape: Shape::Any(path.as_ref().map(|p| format!("{p}.{name}").into())), nullable: true }
            }
            Shape::Nothing | Shape::Boolean(_) | Shape::Number(_) | Shape::Text(_) => Self::NULL,
        };
        if self.nullable { found.or_null() } else { found }
    }

    /// The item at an index, from the end when it is below zero.
    pub(super) fn item(&self, index: i64) -> Self {
        let found = match &self.shape {
            Shape::Items(items) => usize::try_from(if index < 0 { index + items.len() as i64 } else { index })
                .ok()
                .and_then(|i| items.get(i).cloned())
                .unwrap_or(Self::NULL),
            Shape::List { item, len } => {
                let needed = Formula::from(if index < 0 { index.unsigned_abs() } else { index.unsigned_abs() + 1 });
                let there = len.min.as_ref().is_some_and(|min| needed.at_most(min));
                if there { (**item).clone() } else { (**item).clone().or_null() }
            }
            Shape::Any(_) => self.any_item(),
            Shape::Nothing | Shape::Boolean(_) | Shape::Number(_) | Shape::Text(_) | Shape::Record(_) => Self::NULL,
        };
        if self.nullable { found.or_null() } else { found }
    }

    /// What every item of it is, were it a list.
    pub(super) fn any_item(&self) -> Self {
        match &self.shape {
            Shape::Items(items) => items.iter().cloned().reduce(|a, b| a.join(&b)).unwrap_or(Self::NULL),
            Shape::List { item, .. } => (**item).clone(),
            Shape::Any(path) => {
                Self { shape: Shape::Any(path.as_ref().map(|p| format!("{p}[]").into())), nullable: true }
            }
            Shape::Text(_) => Self::text(),
            Shape::Record(_) | Shape::Nothing | Shape::Boolean(_) | Shape::Number(_) => Self::any(),
        }
    }

    /// What every item of either list is; an empty one has none.
    pub(super) fn item_of_either(&self, other: &Self) -> Self {
        match (self.len().as_number(), other.len().as_number()) {
            (Some(0.0), _) => other.any_item(),
            (_, Some(0.0)) => self.any_item(),
            _ => self.any_item().join(&other.any_item()),
        }
    }

    /// How long it is: items, fields or characters.
    pub(super) fn len(&self) -> Interval {
        match &self.shape {
            Shape::Items(items) => Interval::exactly(items.len()),
            Shape::List { len, .. } => len.clone(),
            Shape::Record(fields) => Interval::exactly(fields.len()),
            Shape::Text(Some(text)) => Interval::exactly(text.chars().count()),
            Shape::Any(Some(path)) => Interval::whole(0u64, Some(Formula::size(format!("|{path}|")))),
            // Of null nothing is read: its length is no loop and no call.
            Shape::Nothing => Interval::exactly(0u64),
            Shape::Text(None) | Shape::Boolean(_) | Shape::Number(_) | Shape::Any(None) => Interval::whole(0u64, None),
        }
    }

    /// The range of it, were it a number.
    pub(super) fn range(&self) -> Interval {
        match &self.shape {
            Shape::Number(range) => range.clone(),
            Shape::Any(Some(path)) => Interval { max: Some(Formula::size(path.to_string())), ..Interval::default() },
            _ => Interval::default(),
        }
    }
}

impl From<Shape> for Abstract {
    fn from(shape: Shape) -> Self {
        Self { shape, nullable: false }
    }
}

impl Shape {
    fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Nothing, shape) | (shape, Self::Nothing) => shape.clone(),
            (Self::Boolean(a), Self::Boolean(b)) => Self::Boolean(if a == b { *a } else { None }),
            (Self::Number(a), Self::Number(b)) => Self::Number(a.join(b)),
            (Self::Text(a), Self::Text(b)) => Self::Text(if a == b { a.clone() } else { None }),
            (Self::Record(a), Self::Record(b)) => Self::join_records(a, b),
            (Self::Items(a), Self::Items(b)) if a.len() == b.len() => {
                Self::Items(a.iter().zip(b.iter()).map(|(a, b)| a.join(b)).collect())
            }
            (Self::Items(_) | Self::List { .. }, Self::Items(_) | Self::List { .. }) => {
                let (a, b) = (Abstract::from(self.clone()), Abstract::from(other.clone()));
                Self::List { item: Arc::new(a.item_of_either(&b)), len: a.len().join(&b.len()) }
            }
            (Self::Any(a), Self::Any(b)) if a == b => Self::Any(a.clone()),
            _ => Self::Any(None),
        }
    }

    fn join_records(a: &[(Arc<str>, Abstract)], b: &[(Arc<str>, Abstract)]) -> Self {
        let of = |fields: &[(Arc<str>, Abstract)], name: &str| {
            fields.iter().find(|(field, _)| &**field == name).map_or(Abstract::NULL, |(_, value)| value.clone())
        };
        let only_b = b.iter().filter(|(name, _)| !a.iter().any(|(other, _)| other == name));
        Self::Record(a.iter().chain(only_b).map(|(name, _)| (name.clone(), of(a, name).join(&of(b, name)))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Abstract, Truth};
    use serde_json::json;

    #[test]
    fn a_known_value_is_known_again() {
        for value in [json!(null), json!(true), json!(3), json!(1.5), json!("x"), json!([1, "a"]), json!({"k": [null]})]
        {
            assert_eq!(Abstract::known(&value).value(), Some(value));
        }
    }

    #[test]
    fn a_join_keeps_what_both_say() {
        let joined = Abstract::known(&json!([1, 2])).join(&Abstract::known(&json!([3])));
        assert_eq!(joined.len().min.unwrap().to_string(), "1");
        assert_eq!(joined.len().max.unwrap().to_string(), "2");
        assert_eq!(joined.any_item().range().max.unwrap().to_string(), "3");
        assert_eq!(joined.truth(), Truth::True);
        assert_eq!(joined.or_null().truth(), Truth::Unknown);
    }

    #[test]
    fn null_reads_through() {
        let record = Abstract::known(&json!({"a": {"b": 1}})).or_null();
        assert!(record.field("a").field("b").nullable);
        assert_eq!(record.field("x").field("y").value(), Some(json!(null)));
    }

    #[test]
    fn an_index_past_the_end_is_null() {
        let list = Abstract::known(&json!([7, 8]));
        assert_eq!(list.item(-1).value(), Some(json!(8)));
        assert_eq!(list.item(2).value(), Some(json!(null)));
        let two_of_a_kind = Abstract::list(list.any_item(), list.len());
        assert!(two_of_a_kind.item(2).nullable);
        assert!(!two_of_a_kind.item(-2).nullable);
    }
}
