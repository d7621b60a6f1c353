//! The types of the language: what a value may be. Written in a one-line shorthand ([`parse_type`]), shown to models as
//! JSON Schema ([`Type::json_schema`]), compared across nodes ([`Type::assignable_to`]) and held against values
//! ([`Type::accept`]).

mod accept;
mod assign;
mod builtin;
mod given;
mod parse;
mod schema;
mod shorthand;
mod show;

pub use accept::Issue;
pub use builtin::built_in;
pub use parse::{parse_field, parse_named, parse_type};

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

impl Type {
    /// Text of any length.
    pub fn text() -> Self {
        Self::Text(TextRule::default())
    }

    /// Any whole number.
    pub fn integer() -> Self {
        Self::Integer(Range::default())
    }

    /// Any number.
    pub fn number() -> Self {
        Self::Number(Range::default())
    }

    /// A list of any length.
    pub fn list(item: Self) -> Self {
        Self::List(Box::new(item), Length::default())
    }

    /// One of several types: flat, without repeats; a single one is itself. [`Type::Any`] takes all others in.
    pub fn union(members: Vec<Self>) -> Self {
        let mut flat: Vec<Self> = Vec::new();
        for member in members {
            let parts = match member {
                Self::Any => return Self::Any,
                Self::Union(parts) => parts,
                one => vec![one],
            };
            for part in parts {
                if !flat.contains(&part) {
                    flat.push(part);
                }
            }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::Union(flat) }
    }

    /// The members of a union; any other type is its own only member.
    pub fn members(&self) -> &[Self] {
        match self {
            Self::Union(members) => members,
            one => std::slice::from_ref(one),
        }
    }

    /// Whether null is a value of it that the flow must reckon with. Of [`Type::Any`] and raw schemas nothing is known, so
    /// they do not count.
    pub fn nullable(&self) -> bool {
        self.members().contains(&Self::Null)
    }

    /// The type once null is ruled out; null alone stays null.
    #[must_use]
    pub fn without_null(&self) -> Self {
        match self {
            Self::Union(members) => Self::union(members.iter().filter(|m| **m != Self::Null).cloned().collect()),
            one => one.clone(),
        }
    }

    /// The type, or null.
    #[must_use]
    pub fn or_null(self) -> Self {
        Self::union(vec![self, Self::Null])
    }

    /// The field of that name, of a record.
    pub fn field(&self, name: &str) -> Option<&Field> {
        match self {
            Self::Record(fields) => fields.iter().find(|f| f.name == name),
            Self::Any
            | Self::Null
            | Self::Boolean
            | Self::Integer(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Code
            | Self::Literals(_)
            | Self::List(..)
            | Self::Union(_)
            | Self::Schema(_) => None,
        }
    }

    /// Whether `code` stands anywhere in it.
    pub(crate) fn holds_code(&self) -> bool {
        let mut holds = false;
        self.visit(&mut |ty| holds |= *ty == Self::Code);
        holds
    }

    /// The sources of the lengths that are read from the flow, in the order they stand.
    pub fn flow_lengths(&self) -> Vec<&str> {
        let mut sources = Vec::new();
        self.visit(&mut |ty| {
            if let Self::List(_, length) = ty {
                for bound in [&length.min, &length.max].into_iter().flatten() {
                    if let Bound::Flow(source) = bound
                        && !sources.contains(&source.as_str())
                    {
                        sources.push(source.as_str());
                    }
                }
            }
        });
        sources
    }

    /// The type with the lengths that are read from the flow replaced by their numbers; one that is not given stays.
    #[must_use]
    pub fn resolve(&self, lengths: &BTreeMap<String, u64>) -> Self {
        let bound = |bound: &Option<Bound>| {
            bound.as_ref().map(|bound| match bound {
                Bound::Flow(source) => lengths.get(source).copied().map_or_else(|| bound.clone(), Bound::Fixed),
                Bound::Fixed(_) => bound.clone(),
            })
        };
        match self {
            Self::List(item, length) => {
                let length = Length { min: bound(&length.min), max: bound(&length.max) };
                Self::List(Box::new(item.resolve(lengths)), length)
            }
            Self::Record(fields) => {
                Self::Record(fields.iter().map(|f| Field { ty: f.ty.resolve(lengths), ..f.clone() }).collect())
            }
            Self::Union(members) => Self::union(members.iter().map(|m| m.resolve(lengths)).collect()),
            Self::Any
            | Self::Null
            | Self::Boolean
            | Self::Integer(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Code
            | Self::Literals(_)
            | Self::Schema(_) => self.clone(),
        }
    }

    /// Calls `seen` with the type and every type inside it, outermost first.
    fn visit<'a>(&'a self, seen: &mut impl FnMut(&'a Self)) {
        // A worklist that gives the order of a walk down; types are trees, so it ends.
        let mut open = vec![self];
        while let Some(ty) = open.pop() {
            seen(ty);
            match ty {
                Self::List(item, _) => open.push(item),
                Self::Record(fields) => open.extend(fields.iter().rev().map(|f| &f.ty)),
                Self::Union(members) => open.extend(members.iter().rev()),
                Self::Any
                | Self::Null
                | Self::Boolean
                | Self::Integer(_)
                | Self::Number(_)
                | Self::Text(_)
                | Self::Code
                | Self::Literals(_)
                | Self::Schema(_) => {}
            }
        }
    }

    /// How many types stand in it, itself included.
    fn size(&self) -> usize {
        let mut count = 0;
        self.visit(&mut |_| count += 1);
        count
    }
}

impl Range {
    /// Whether a number lies in it.
    pub fn holds(&self, number: f64) -> bool {
        self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
    }
}

impl Length {
    /// Fewest items, where that is a number.
    pub fn fewest(&self) -> Option<u64> {
        self.min.as_ref().and_then(Bound::fixed)
    }

    /// Most items, where that is a number.
    pub fn most(&self) -> Option<u64> {
        self.max.as_ref().and_then(Bound::fixed)
    }
}

impl Bound {
    /// The number, where it is one.
    pub fn fixed(&self) -> Option<u64> {
        match self {
            Self::Fixed(number) => Some(*number),
            Self::Flow(_) => None,
        }
    }
}

#[cfg(test)]
impl Type {
    /// The type that is written so, in a YAML text: for tests.
    pub(crate) fn of(text: &str) -> Self {
        let (document, wrong) = crate::syntax::parse(crate::source::SourceId::default(), text);
        assert!(wrong.is_empty(), "{text}: {wrong:?}");
        let mut found = crate::diag::Diagnostics::default();
        let ty = parse_type(&document.root, &crate::syntax::Route::default(), &built_in(), &mut found);
        assert!(found.is_empty(), "{text}: {found:?}");
        ty
    }
}
