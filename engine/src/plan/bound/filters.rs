//! What filters make of values known in part: lengths, ranges and nulls.

use super::Formula;
use super::eval::{Arg, Eval, call_source, sum};
use super::value::{Abstract, Interval, Shape, Truth, both};
use crate::value::Value;

/// The value of `value | name(args)`.
pub(super) fn apply(eval: &Eval, name: &str, value: &Abstract, args: &[Arg]) -> Abstract {
    let scalar = matches!(value.shape, Shape::Number(_) | Shape::Boolean(_) | Shape::Nothing);
    let unfit = matches!(value.shape, Shape::Any(_)) || scalar && takes_many(name);
    eval.note_if(unfit && !takes_anything(name));
    // What is exact without looking into items comes first, so that large inputs are not copied.
    if let Some(exact) = by_shape(eval, name, value, args) {
        return exact;
    }
    let source = call_source(&format!("v0 | {name}"), args);
    let known = eval.compute(&source, [value].into_iter().chain(args.iter().map(|a| &a.value)));
    known.unwrap_or_else(|| {
        eval.note_if(may_fail(name, value, args));
        by_kind(name, value, args)
    })
}

/// Whether a filter takes values of every type.
fn takes_anything(name: &str) -> bool {
    matches!(name, "to_json" | "to_yaml" | "tojson" | "string" | "hash" | "default" | "d")
}

/// Whether a filter takes lists, records or text, and is answered here without being computed.
fn takes_many(name: &str) -> bool {
    matches!(
        name,
        "length" | "count" | "first" | "last" | "list" | "select" | "reject" | "selectattr" | "rejectattr" | "map"
    )
}

/// Whether a filter of a value that is not known may fail, though its type is right.
fn may_fail(name: &str, value: &Abstract, args: &[Arg]) -> bool {
    match name {
        "int" | "float" => !matches!(value.shape, Shape::Number(_)),
        "kmeans" => true,
        "batch" | "slice" | "matches" | "indent" => args.iter().any(|arg| arg.value.value().is_none()),
        _ => false,
    }
}

fn by_shape(eval: &Eval, name: &str, value: &Abstract, args: &[Arg]) -> Option<Abstract> {
    let items = match &value.shape {
        Shape::Items(items) => Some(items),
        _ => None,
    };
    Some(match name {
        "length" | "count" => Abstract::number(value.len()),
        "list" if is_list(value) => value.clone(),
        "first" => first_or_last(value, 0),
        "last" => first_or_last(value, -1),
        "reverse" => Abstract::items(items?.iter().rev().cloned()),
        "take" => {
            let n = args.first()?.value.range().as_count()?;
            Abstract::items(items?.iter().take(n).cloned())
        }
        "select" | "reject" | "selectattr" | "rejectattr" => select(eval, name, value, args)?,
        "map" => map(eval, value, args),
        "default" | "d" => {
            let other = args.first().map_or_else(|| Abstract::known(&Value::from("")), |arg| arg.value.clone());
            match (&value.shape, value.nullable) {
                (Shape::Nothing, _) => other,
                (_, true) => value.clone().not_null().join(&other),
                (_, false) => value.clone(),
            }
        }
        "flatten" => Abstract::items(items?.iter().map(known_items).collect::<Option<Vec<_>>>()?.concat()),
        _ => return None,
    })
}

fn is_list(value: &Abstract) -> bool {
    matches!(value.shape, Shape::Items(_) | Shape::List { .. })
}

fn known_items(value: &Abstract) -> Option<Vec<Abstract>> {
    match &value.shape {
        Shape::Items(items) if !value.nullable => Some(items.to_vec()),
        _ => None,
    }
}

fn first_or_last(value: &Abstract, index: i64) -> Abstract {
    match &value.shape {
        Shape::Text(_) | Shape::Any(_) => value.any_item().or_null(),
        _ => value.item(index),
    }
}

/// Drops the items that do not fit; without knowing which, the least and the most that may be left.
fn select(eval: &Eval, name: &str, value: &Abstract, args: &[Arg]) -> Option<Abstract> {
    let keep = Truth::from(name.starts_with("select"));
    let (path, args) = if name.ends_with("attr") {
        let (path, rest) = args.split_first()?;
        (Some(path.value.value()?.as_str()?.to_owned()), rest)
    } else {
        (None, args)
    };
    let test = match args.split_first() {
        Some((name, rest)) => Some((name.value.value()?.as_str()?.to_owned(), rest)),
        None => None,
    };
    let fits = |item: &Abstract| {
        let at = path.as_deref().map_or_else(|| item.clone(), |path| at_path(item, path));
        match &test {
            Some((name, args)) => eval.test(name, &at, args),
            None => at.truth(),
        }
    };
    // An item that was kept for its own truth, or for that of a field, is not null.
    let kept = |item: &Abstract| match (&test, &path, keep) {
        (None, None, Truth::True) => item.when(true).unwrap_or_else(|| item.clone()),
        (None, Some(_), Truth::True) => item.clone().not_null(),
        _ => item.clone(),
    };
    if let Shape::Items(items) = &value.shape {
        let judged: Vec<(Truth, &Abstract)> = items.iter().map(|item| (fits(item), item)).collect();
        let sure = judged.iter().filter(|(fit, _)| *fit == keep).count();
        let likely: Vec<Abstract> = judged
            .iter()
            .filter(|(fit, _)| *fit != !keep || *fit == Truth::Unknown)
            .map(|(_, item)| kept(item))
            .collect();
        if sure == likely.len() {
            return Some(Abstract::items(likely));
        }
        let most = likely.len();
        let item = likely.into_iter().reduce(|a, b| a.join(&b)).unwrap_or(Abstract::NULL);
        return Some(Abstract::list(item, Interval::whole(sure, Some(Formula::from(most)))));
    }
    let item = value.any_item();
    Some(match fits(&item) {
        fit if fit == keep => Abstract::list(kept(&item), value.len()),
        Truth::Unknown => Abstract::list(kept(&item), up_to(&value.len())),
        _ => Abstract::items([]),
    })
}

/// The value at a dotted path.
fn at_path(value: &Abstract, path: &str) -> Abstract {
    path.split('.').fold(value.clone(), |at, key| at.field(key))
}

fn map(eval: &Eval, value: &Abstract, args: &[Arg]) -> Abstract {
    let attribute = args.iter().find(|arg| arg.name.as_deref() == Some("attribute"));
    let default = args.iter().find(|arg| arg.name.as_deref() == Some("default"));
    let one = |item: &Abstract| match (attribute, args.split_first()) {
        (Some(path), _) => {
            let Some(Value::String(path)) = path.value.value() else { return Abstract::any() };
            let found = at_path(item, &path);
            match default {
                Some(default) => by_shape(eval, "default", &found, std::slice::from_ref(default)).unwrap_or(found),
                None => found,
            }
        }
        (None, Some((filter, rest))) => match filter.value.value() {
            Some(Value::String(filter)) => apply(eval, &filter, item, rest),
            _ => Abstract::any(),
        },
        (None, None) => Abstract::any(),
    };
    match &value.shape {
        Shape::Items(items) => Abstract::items(items.iter().map(one)),
        _ => Abstract::list(one(&value.any_item()), value.len()),
    }
}

/// Of none to all of them.
fn up_to(len: &Interval) -> Interval {
    Interval { min: Some(Formula::default()), ..len.clone() }
}

/// One at least, if there is one; all of them at most.
fn one_or_more(len: &Interval) -> Interval {
    let one = Formula::from(1u64);
    Interval { min: len.min.as_ref().map(|min| min.least(&one)), ..len.clone() }
}

fn by_kind(name: &str, value: &Abstract, args: &[Arg]) -> Abstract {
    let len = value.len();
    let item = || value.any_item();
    let number = |arg: Option<&Arg>| arg.map_or_else(Interval::default, |arg| arg.value.range());
    match name {
        "reverse" if matches!(value.shape, Shape::Text(_)) => Abstract::text(),
        "sort" | "shuffle" | "reverse" => Abstract::list(item(), len),
        "list" => match &value.shape {
            Shape::Record(fields) => Abstract::items(fields.iter().map(|(k, _)| Shape::Text(Some(k.clone())).into())),
            _ => Abstract::list(item(), len),
        },
        "unique" => Abstract::list(item(), one_or_more(&len)),
        "take" => Abstract::list(item(), least(&len, &number(args.first()).clamped())),
        "group_by" => {
            let group = Interval { min: Some(Formula::from(1u64)), ..len.clone() };
            let fields = [
                ("key", Abstract::any()),
                ("items", Abstract::list(item(), group.clone())),
                ("size", Abstract::number(group)),
            ];
            Abstract::list(Abstract::record(fields), one_or_more(&len))
        }
        "kmeans" => {
            let group = Interval { min: Some(Formula::from(1u64)), ..len.clone() };
            let fields = [
                ("items", Abstract::list(item(), group.clone())),
                ("size", Abstract::number(group)),
                ("nearest", item()),
            ];
            Abstract::list(Abstract::record(fields), up_to(&least(&len, &number(args.get(1)).clamped())))
        }
        "round_robin" => {
            let inner = item();
            let all = Interval { min: Some(Formula::default()), ..times(&len, &inner.len()) };
            Abstract::list(inner.any_item(), up_to(&least(&all, &number(args.first()).clamped())))
        }
        "flatten" => match &value.shape {
            Shape::Items(items) => {
                let none = Interval::exactly(0u64);
                let all = items.iter().fold(none, |all, inner| sum(&all, &flat_len(inner)));
                Abstract::list(flat_item(value), all)
            }
            _ => Abstract::list(flat_item(value), times(&len, &flat_len(&item()))),
        },
        "batch" => Abstract::list(Abstract::list(item(), up_to(&len)), one_or_more(&len)),
        "choice" | "majority" | "min" | "max" => {
            let some = len.min.as_ref().is_some_and(|min| Formula::default().below(min));
            if some { item() } else { item().or_null() }
        }
        "int" | "round" => {
            let range = value.range();
            let whole = |end: Option<Formula>| {
                end.filter(|end| range.whole || end.as_number().is_some_and(|n| n.fract() == 0.0))
            };
            Abstract::number(Interval {
                min: whole(range.min.clone()),
                max: whole(range.max.clone()),
                whole: name == "int",
            })
        }
        "float" => Abstract::number(Interval { whole: false, ..value.range() }),
        "abs" => {
            let range = value.range();
            let unsigned = range.min.as_ref().is_some_and(|min| Formula::default().at_most(min));
            let any = Interval { min: Some(Formula::default()), max: None, whole: range.whole };
            Abstract::number(if unsigned { range } else { any })
        }
        "sum" => Abstract::number(Interval::default()),
        "split" | "lines" | "functions" => Abstract::list(Abstract::text(), Interval::whole(0u64, None)),
        "items" | "dictsort" => Abstract::list(Abstract::list(Abstract::any(), Interval::exactly(2u64)), len),
        "keys" => Abstract::list(Abstract::text(), len),
        "values" => Abstract::list(Abstract::any(), len),
        "matches" | "bool" => Shape::Boolean(None).into(),
        "bullets" | "capitalize" | "clip" | "escape" | "fence" | "format" | "hash" | "indent" | "join" | "lower"
        | "pprint" | "replace" | "string" | "title" | "to_json" | "to_yaml" | "tojson" | "trim" | "upper"
        | "urlencode" => Abstract::text(),
        _ => Abstract::any(),
    }
}

/// How many items an item of a list adds to the flat one: itself, when it is no list.
fn flat_len(inner: &Abstract) -> Interval {
    match inner.shape {
        Shape::Items(_) | Shape::List { .. } => inner.len(),
        Shape::Any(_) => up_to(&inner.len()),
        Shape::Nothing | Shape::Boolean(_) | Shape::Number(_) | Shape::Text(_) | Shape::Record(_) => {
            Interval::exactly(1u64)
        }
    }
}

fn flat_item(value: &Abstract) -> Abstract {
    let inner = value.any_item();
    if is_list(&inner) { inner.any_item() } else { Abstract::any() }
}

/// The lesser of two lengths.
fn least(a: &Interval, b: &Interval) -> Interval {
    Interval {
        min: both(&a.min, &b.min).map(|(a, b)| a.least(b)),
        max: match (&a.max, &b.max) {
            (Some(a), Some(b)) => Some(a.least(b)),
            (a, b) => a.clone().or_else(|| b.clone()),
        },
        whole: true,
    }
}

/// So many lists of such a length, together.
fn times(count: &Interval, each: &Interval) -> Interval {
    let zero = Formula::default();
    let none = |range: &Interval| range.max.as_ref().is_some_and(|max| max.at_most(&zero));
    if none(count) || none(each) {
        return Interval::exactly(0u64);
    }
    Interval {
        min: both(&count.min, &each.min).map(|(a, b)| a.times(b)),
        max: both(&count.max, &each.max).map(|(a, b)| a.times(b)),
        whole: true,
    }
}
