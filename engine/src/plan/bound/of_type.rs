//! What a type says of a value, and what is left of a value that was read by a type.

use super::Formula;
use super::value::{Abstract, Interval, Shape};
use crate::spec::types::{Bound, Field, Length, Range, Type};

/// The length that an expression in a type gives, by its source.
pub(super) type Lengths<'a> = &'a dyn Fn(&str) -> Interval;

/// The size that goes by a name: a size of an input of the run.
pub(super) type Sizes<'a> = &'a dyn Fn(String) -> Formula;

/// An input of the run, or a part of it: its path, and what its sizes are.
type Origin<'a> = Option<(&'a str, Sizes<'a>)>;

/// What may be said of a value by its type alone.
pub(super) fn of_type(ty: &Type, origin: Origin<'_>, lengths: Lengths<'_>) -> Abstract {
    match ty {
        Type::Any | Type::Schema(_) => Abstract { shape: Shape::Any(origin.map(|(p, _)| p.into())), nullable: true },
        Type::Null => Abstract::NULL,
        Type::Boolean => Shape::Boolean(None).into(),
        Type::Integer(range) => Abstract::number(number(*range, true, origin)),
        Type::Number(range) => Abstract::number(number(*range, false, origin)),
        Type::Text(_) | Type::Code => Abstract::text(),
        Type::Literals(values) => {
            values.iter().map(Abstract::known).reduce(|a, b| a.join(&b)).unwrap_or_else(Abstract::any)
        }
        Type::List(item, length) => {
            let path = origin.map(|(p, _)| format!("{p}[]"));
            let inside = path.as_deref().zip(origin).map(|(path, (_, sizes))| (path, sizes));
            Abstract::list(of_type(item, inside, lengths), list_length(length, origin, lengths))
        }
        Type::Record(fields) => Abstract::record(fields.iter().map(|field| {
            let path = origin.map(|(p, _)| format!("{p}.{}", field.name));
            let inside = path.as_deref().zip(origin).map(|(path, (_, sizes))| (path, sizes));
            (field.name.as_str(), of_type(&field.ty, inside, lengths))
        })),
        Type::Union(types) => {
            types.iter().map(|ty| of_type(ty, origin, lengths)).reduce(|a, b| a.join(&b)).unwrap_or_else(Abstract::any)
        }
    }
}

fn number(range: Range, whole: bool, origin: Origin<'_>) -> Interval {
    Interval {
        min: range.min.map(Formula::number),
        max: range.max.map(Formula::number).or_else(|| origin.map(|(path, sizes)| sizes(path.to_owned()))),
        whole,
    }
}

fn list_length(length: &Length, origin: Origin<'_>, lengths: Lengths<'_>) -> Interval {
    let end = |bound: &Bound| match bound {
        Bound::Fixed(n) => Interval::exactly(*n),
        Bound::Flow(source) => lengths(source).clamped(),
    };
    let min = length.min.as_ref().map(end).and_then(|range| range.min);
    let max = length.max.as_ref().map(end).and_then(|range| range.max);
    match (max, origin) {
        // A list inside a list is as long as the longest of them; one that stands alone has its own length.
        (None, Some((path, sizes))) if path.contains("[]") => {
            Interval::whole(min.unwrap_or_default(), Some(sizes(format!("max |{path}|"))))
        }
        (None, Some((path, sizes))) => Interval::exactly(sizes(format!("|{path}|"))),
        (max, _) => Interval::whole(min.unwrap_or_default(), max),
    }
}

/// What is left of a value once it was read by a type: absent fields filled, others dropped, ranges kept.
pub(super) fn read_as(value: &Abstract, ty: &Type, lengths: Lengths<'_>) -> Abstract {
    let typed = of_type(ty, None, lengths);
    let read = match (&value.shape, ty) {
        (Shape::Nothing, _) => return Abstract::NULL,
        (_, Type::Union(types)) => {
            let mut others = types.iter().filter(|ty| **ty != Type::Null);
            match (others.next(), others.next()) {
                (Some(only), None) => read_as(&value.clone().not_null(), only, lengths),
                _ => value.clone(),
            }
        }
        (Shape::Record(_), Type::Record(fields)) => {
            Abstract::record(fields.iter().map(|field| (field.name.as_str(), read_field(value, field, lengths))))
        }
        (Shape::Items(items), Type::List(item, _)) => Abstract::items(items.iter().map(|i| read_as(i, item, lengths))),
        (Shape::List { item, len }, Type::List(of, _)) => {
            let bounded = typed.len();
            let len = Interval { max: len.capped(bounded.max.as_ref()).max, ..len.clone() };
            Abstract::list(read_as(item, of, lengths), len)
        }
        (Shape::Number(range), Type::Integer(_) | Type::Number(_)) if range.as_number().is_none() => {
            let of = typed.range();
            let min = match (&range.min, of.min) {
                (Some(a), Some(b)) => Some(a.greatest(&b)),
                (a, b) => a.clone().or(b),
            };
            Abstract::number(Interval { min, max: range.capped(of.max.as_ref()).max, whole: of.whole || range.whole })
        }
        // An input of the run keeps its name, so that its size counts as known.
        (Shape::Any(Some(path)), _) => of_type(ty, Some((path, &Formula::size)), lengths),
        (Shape::Any(None), _) => typed,
        _ => value.clone(),
    };
    Abstract { nullable: allows_null(ty) && (value.nullable || read.nullable), ..read }
}

fn allows_null(ty: &Type) -> bool {
    match ty {
        Type::Any | Type::Null | Type::Schema(_) => true,
        Type::Union(types) => types.contains(&Type::Null),
        Type::Boolean
        | Type::Integer(_)
        | Type::Number(_)
        | Type::Text(_)
        | Type::Code
        | Type::Literals(_)
        | Type::List(..)
        | Type::Record(_) => false,
    }
}

/// The value of a field of a record, its default when it is absent.
pub(super) fn read_field(record: &Abstract, field: &Field, lengths: Lengths<'_>) -> Abstract {
    let given = record.field(&field.name);
    if given == Abstract::NULL {
        return field.default.as_ref().map_or(Abstract::NULL, |d| read_as(&Abstract::known(d), &field.ty, lengths));
    }
    read_as(&given, &field.ty, lengths)
}
