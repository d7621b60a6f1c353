//! Types as the checker computes with them: joined over branches and passes, widened where a loop carries them on.

use crate::spec::types::{Bound, Field, Length, Range, TextRule, Type};
use crate::value::Value;

/// No value at all: the item of an empty list. Joins to the other side.
pub(super) fn never() -> Type {
    Type::Union(Vec::new())
}

pub(super) fn is_never(ty: &Type) -> bool {
    matches!(ty, Type::Union(members) if members.is_empty())
}

/// What a value is that may be either.
pub(super) fn join(a: Type, b: Type) -> Type {
    if a == b || is_never(&b) {
        return a;
    }
    if is_never(&a) {
        return b;
    }
    match (a, b) {
        (Type::Any, _) | (_, Type::Any) => Type::Any,
        (Type::Schema(_), _) | (_, Type::Schema(_)) => Type::Any,
        (Type::Integer(a), Type::Integer(b)) => Type::Integer(hull(a, b)),
        (Type::Integer(a) | Type::Number(a), Type::Integer(b) | Type::Number(b)) => Type::Number(hull(a, b)),
        (Type::Literals(mut a), Type::Literals(b)) => {
            let more: Vec<_> = b.into_iter().filter(|v| !a.contains(v)).collect();
            a.extend(more);
            Type::Literals(a)
        }
        (Type::Text(_) | Type::Code, Type::Text(_) | Type::Code) => text(),
        (Type::Text(_) | Type::Code, Type::Literals(words)) | (Type::Literals(words), Type::Text(_) | Type::Code)
            if words.iter().all(Value::is_string) =>
        {
            text()
        }
        (Type::List(a, m), Type::List(b, n)) => {
            Type::List(Box::new(join(*a, *b)), Length { min: low(m.min, n.min), max: high(m.max, n.max) })
        }
        (Type::Record(a), Type::Record(b))
            if a.len() == b.len() && a.iter().all(|f| b.iter().any(|g| g.name == f.name)) =>
        {
            let joined = a.into_iter().map(|f| {
                let other = b.iter().find(|g| g.name == f.name).expect("internal error: same names").ty.clone();
                Field { ty: join(f.ty, other), ..f }
            });
            Type::Record(joined.collect())
        }
        (a, b) => join_unions(members(a), members(b)),
    }
}

fn join_unions(mut left: Vec<Type>, right: Vec<Type>) -> Type {
    for member in right {
        // Two members that are not both plain unions join into one where they are of one kind.
        let fits = left.iter().position(|have| !matches!(join_kind(have, &member), Kind::Apart));
        match fits {
            Some(i) => {
                let have = left.remove(i);
                left.insert(i, join(have, member));
            }
            None => left.push(member),
        }
    }
    if left.len() == 1 { left.remove(0) } else { Type::Union(left) }
}

enum Kind {
    Together,
    Apart,
}

fn join_kind(a: &Type, b: &Type) -> Kind {
    let together = match (a, b) {
        (Type::Record(a), Type::Record(b)) => {
            a.len() == b.len() && a.iter().all(|f| b.iter().any(|g| g.name == f.name))
        }
        (Type::List(..), Type::List(..)) | (Type::Literals(_), Type::Literals(_)) => true,
        (Type::Integer(_) | Type::Number(_), Type::Integer(_) | Type::Number(_)) => true,
        (Type::Text(_) | Type::Code, Type::Text(_) | Type::Code) => true,
        (Type::Text(_) | Type::Code, Type::Literals(w)) | (Type::Literals(w), Type::Text(_) | Type::Code) => {
            w.iter().all(Value::is_string)
        }
        (a, b) => a == b,
    };
    if together { Kind::Together } else { Kind::Apart }
}

fn members(ty: Type) -> Vec<Type> {
    match ty {
        Type::Union(members) => members,
        other => vec![other],
    }
}

pub(super) fn text() -> Type {
    Type::Text(TextRule::default())
}

pub(super) fn integer(min: Option<f64>, max: Option<f64>) -> Type {
    Type::Integer(Range { min, max })
}

pub(super) fn any_length(item: Type) -> Type {
    Type::List(Box::new(item), Length::default())
}

pub(super) fn record(fields: impl IntoIterator<Item = (String, Type)>) -> Type {
    Type::Record(fields.into_iter().map(|(name, ty)| Field { name, ty, default: None, about: None }).collect())
}

fn hull(a: Range, b: Range) -> Range {
    Range { min: a.min.zip(b.min).map(|(a, b)| a.min(b)), max: a.max.zip(b.max).map(|(a, b)| a.max(b)) }
}

fn low(a: Option<Bound>, b: Option<Bound>) -> Option<Bound> {
    match (a?, b?) {
        (Bound::Fixed(a), Bound::Fixed(b)) => Some(Bound::Fixed(a.min(b))),
        _ => None,
    }
}

fn high(a: Option<Bound>, b: Option<Bound>) -> Option<Bound> {
    match (a?, b?) {
        (Bound::Fixed(a), Bound::Fixed(b)) => Some(Bound::Fixed(a.max(b))),
        (flow @ Bound::Flow(_), _) | (_, flow) => Some(flow),
    }
}

/// The sum of two ends of lengths.
pub(super) fn sum(a: Option<&Bound>, b: Option<&Bound>) -> Option<Bound> {
    match (a?, b?) {
        (Bound::Fixed(a), Bound::Fixed(b)) => Some(Bound::Fixed(a.saturating_add(*b))),
        (flow @ Bound::Flow(_), _) | (_, flow) => Some(flow.clone()),
    }
}

/// The type of a value as it stands.
pub(super) fn of_value(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Boolean,
        Value::Number(n) if n.is_i64() || n.is_u64() => integer(n.as_f64(), n.as_f64()),
        Value::Number(n) => Type::Number(Range { min: n.as_f64(), max: n.as_f64() }),
        Value::String(_) => Type::Literals(vec![value.clone()]),
        Value::Array(items) => {
            let count = Some(Bound::Fixed(items.len() as u64));
            let item = items.iter().map(of_value).fold(never(), join);
            Type::List(Box::new(item), Length { min: count.clone(), max: count })
        }
        Value::Object(fields) => record(fields.iter().map(|(k, v)| (k.clone(), of_value(v)))),
    }
}

/// The type of what a loop may carry on from such a value: without the value's own size and spelling.
pub(super) fn widen(ty: Type) -> Type {
    match ty {
        Type::Integer(_) => Type::Integer(Range::default()),
        Type::Number(_) => Type::Number(Range::default()),
        Type::Literals(words) if words.len() == 1 && words[0].is_string() => text(),
        Type::List(item, _) => any_length(widen(*item)),
        Type::Record(fields) => Type::Record(fields.into_iter().map(|f| Field { ty: widen(f.ty), ..f }).collect()),
        Type::Union(members) => members.into_iter().map(widen).fold(never(), join),
        other => other,
    }
}

/// The type of data known before the run: its sizes are bounds, though not yet numbers.
pub(super) fn known_before_the_run(ty: Type) -> Type {
    match ty {
        Type::Integer(r) => Type::Integer(Range { max: r.max.or(Some(f64::INFINITY)), ..r }),
        Type::Number(r) => Type::Number(Range { max: r.max.or(Some(f64::INFINITY)), ..r }),
        Type::List(item, len) => Type::List(
            Box::new(known_before_the_run(*item)),
            Length { max: len.max.or_else(|| Some(Bound::Flow("its length".to_owned()))), ..len },
        ),
        Type::Record(fields) => {
            Type::Record(fields.into_iter().map(|f| Field { ty: known_before_the_run(f.ty), ..f }).collect())
        }
        Type::Union(members) => Type::Union(members.into_iter().map(known_before_the_run).collect()),
        other => other,
    }
}
