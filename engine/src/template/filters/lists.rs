//! Filters of lists, and `range`. Null is a list without items; a record is the list of its keys.

use super::{Args, FILTERS as ALL, Filter, Row, RunFilter, Test, expected, row};
use crate::template::ast::BinOp;
use crate::template::eval::{Fault, Fuel};
use crate::template::ops;
use crate::template::print::canonical;
use crate::template::val::{Val, at_path, kind};
use crate::value::Value;
use serde_json::json;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

type Items<'e> = Vec<Cow<'e, Value>>;
type Made<'e> = Result<Val<'e>, Fault>;

pub(super) const CALLS: &[Row<RunFilter>] = &[row(
    "range",
    "range(start, stop=none, step=1)",
    "the whole numbers from start (or 0) up to, without, stop",
    range,
)];

pub(super) const FILTERS: &[Row<RunFilter>] = &[
    row("select", "select(test=none, more…)", "the items that pass a test; without one, those that are true", select),
    row("reject", "reject(test=none, more…)", "the items that do not pass a test", reject),
    row("selectattr", "selectattr(attribute, test=none, more…)", "the items whose attribute passes a test", selectattr),
    row("rejectattr", "rejectattr(attribute, test=none, more…)", "the items whose attribute does not pass", rejectattr),
    row(
        "map",
        "map(filter=none, more…, attribute=none, default=none)",
        "each item through a filter, or an attribute of each",
        map,
    ),
    row(
        "sort",
        "sort(attribute=none, reverse=false, case_sensitive=false)",
        "in order, null first; attributes are separated by commas",
        sort,
    ),
    row("unique", "unique(attribute=none, case_sensitive=false)", "the first of equal items", unique),
    row("reverse", "reverse()", "back to front; text too", reverse),
    row("first", "first()", "the first item, or null", first),
    row("last", "last()", "the last item, or null", last),
    row("length", "length()", "the number of items, fields or characters", length),
    row("count", "count()", "the same as `length`", length),
    row("min", "min(attribute=none, case_sensitive=false)", "the smallest item, or null; nulls are passed over", min),
    row("max", "max(attribute=none, case_sensitive=false)", "the largest item, or null; nulls are passed over", max),
    row("sum", "sum(attribute=none, start=0)", "the items added up; nulls are passed over", sum),
    row("list", "list()", "a list of the items, keys or characters", list),
    row("items", "items()", "a record as a list of [key, value]", items),
    row(
        "dictsort",
        "dictsort(by=\"key\", reverse=false, case_sensitive=false)",
        "a record as a sorted list of [key, value], by \"key\" or \"value\"",
        dictsort,
    ),
    row("batch", "batch(count, fill_with=none)", "lists of so many items each", batch),
    row("slice", "slice(count, fill_with=none)", "so many lists of about equal length", slice),
    row("zip", "zip(other, more…)", "lists of the first items, the second items, … up to the shortest", zip),
    row("flatten", "flatten()", "the items of the lists in a list, one level deep; null has none", flatten),
    row("take", "take(n)", "the first n items", take),
    row(
        "group_by",
        "group_by(path=none)",
        "[{key, items, size}] by what the path leads to, in the order of first appearance",
        group_by,
    ),
    row(
        "round_robin",
        "round_robin(n)",
        "n items of lists: the first of each, then the second of each, …",
        round_robin,
    ),
    row("majority", "majority()", "the most frequent item, the first on a tie; null when there is none", majority),
];

fn range<'e>(_: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let first = args.whole("start")?.ok_or_else(|| expected("a whole number", "start", &Value::Null))?;
    let (start, stop) = args.whole("stop")?.map_or((0, first), |stop| (first, stop));
    let step = i128::from(args.whole("step")?.unwrap_or(1));
    if step == 0 {
        return Err(Fault::new("`step` can't be 0"));
    }
    let start = i128::from(start);
    let distance = (i128::from(stop) - start) * step.signum();
    let steps = (distance.max(0) + step.abs() - 1) / step.abs();
    let count = u64::try_from(steps).expect("internal error: more numbers than there are of 64 bits");
    fuel.spend(count)?;
    let number = |i: u64| i64::try_from(start + i128::from(i) * step).expect("internal error: between two i64");
    Ok(Val::Many((0..count).map(|i| Cow::Owned(Value::from(number(i)))).collect()))
}

fn select<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    filtered(value, args, None, true, fuel)
}

fn reject<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    filtered(value, args, None, false, fuel)
}

fn selectattr<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    filtered(value, args, args.path("attribute")?.as_deref(), true, fuel)
}

fn rejectattr<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    filtered(value, args, args.path("attribute")?.as_deref(), false, fuel)
}

fn filtered<'e>(value: Val<'e>, args: &Args<'e>, attribute: Option<&str>, wanted: bool, fuel: &Fuel) -> Made<'e> {
    let test = args.text("test")?.map(|name| Test::of(name, args.rest.clone())).transpose()?;
    let mut kept = Vec::new();
    for item in value.into_items()? {
        fuel.spend(1)?;
        let of = key(&item, attribute);
        let holds = match &test {
            Some(test) => test.holds(of)?,
            None => crate::value::is_true(of),
        };
        if holds == wanted {
            kept.push(item);
        }
    }
    Ok(Val::Many(kept))
}

/// What a filter with `attribute` looks at.
fn key<'i>(item: &'i Value, attribute: Option<&str>) -> &'i Value {
    attribute.map_or(item, |path| at_path(item, path))
}

fn map<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let made = match (args.text("filter")?, args.path("attribute")?) {
        (Some(name), None) => {
            let filter = Filter::of(&ALL, name, args.rest.clone())?;
            let through = |item| Ok(filter.run(Val::One(item), fuel)?.into_cow());
            value.into_items()?.into_iter().map(through).collect::<Result<_, Fault>>()?
        }
        (None, Some(path)) => {
            let at = |item| match item {
                Cow::Borrowed(item) => Cow::Borrowed(at_path(item, &path)),
                Cow::Owned(item) => Cow::Owned(at_path(&item, &path).clone()),
            };
            let at = |item: Cow<'e, Value>| match at(item) {
                null if null.is_null() => args.value("default").into_cow(),
                found => found,
            };
            value.into_items()?.into_iter().map(at).collect()
        }
        (Some(_), Some(_)) => return Err(Fault::new("give a filter or an `attribute`, not both")),
        (None, None) => return Err(Fault::new("give the name of a filter, or an `attribute`")),
    };
    Ok(Val::Many(made))
}

fn sort<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let (reverse, case_sensitive) = (args.flag("reverse"), args.flag("case_sensitive"));
    let paths = args.path("attribute")?;
    let paths: Vec<&str> = paths.iter().flat_map(|paths| paths.split(',')).map(str::trim).collect();
    let mut items = value.into_items()?;
    items.sort_by(|a, b| {
        let order = if paths.is_empty() {
            order(a, b, case_sensitive)
        } else {
            let by = |path: &&str| order(at_path(a, path), at_path(b, path), case_sensitive);
            paths.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        if reverse { order.reverse() } else { order }
    });
    Ok(Val::Many(items))
}

fn order(a: &Value, b: &Value, case_sensitive: bool) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) if !case_sensitive => a.to_lowercase().cmp(&b.to_lowercase()),
        _ => ops::compare(a, b),
    }
}

fn unique<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let attribute = args.path("attribute")?;
    let case_sensitive = args.flag("case_sensitive");
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for item in value.into_items()? {
        let of = key(&item, attribute.as_deref());
        let mut known = canonical(of);
        fuel.spend_text(known.len())?;
        if of.is_string() && !case_sensitive {
            known = known.to_lowercase();
        }
        if seen.insert(known) {
            kept.push(item);
        }
    }
    Ok(Val::Many(kept))
}

fn reverse<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    if let Val::One(text) = &value
        && let Some(text) = text.as_str()
    {
        return Ok(text.chars().rev().collect::<String>().into());
    }
    let mut items = value.into_items()?;
    items.reverse();
    Ok(Val::Many(items))
}

fn first<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    Ok(value.into_items()?.into_iter().next().map_or(Val::NULL, Val::One))
}

fn last<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    Ok(value.into_items()?.pop().map_or(Val::NULL, Val::One))
}

fn length<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    let length = match &value {
        Val::Many(items) => items.len(),
        Val::One(value) => match value.as_ref() {
            Value::Null => 0,
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            Value::String(text) => text.chars().count(),
            other @ (Value::Bool(_) | Value::Number(_)) => {
                return Err(Fault::new(format!("{} has no length", kind(other))));
            }
        },
    };
    Ok(length.into())
}

fn min<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    extreme(value, args, |order| order == Ordering::Less)
}

fn max<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    extreme(value, args, |order| order != Ordering::Less)
}

/// The last item that `beats` the best before it, given how the two compare.
fn extreme<'e>(value: Val<'e>, args: &Args<'e>, beats: fn(Ordering) -> bool) -> Made<'e> {
    let attribute = args.path("attribute")?;
    let case_sensitive = args.flag("case_sensitive");
    let mut best: Option<Cow<'e, Value>> = None;
    for item in value.into_items()? {
        let better = {
            let of = key(&item, attribute.as_deref());
            let wins = |best: &Cow<'e, Value>| beats(order(of, key(best, attribute.as_deref()), case_sensitive));
            !of.is_null() && best.as_ref().is_none_or(wins)
        };
        if better {
            best = Some(item);
        }
    }
    Ok(best.map_or(Val::NULL, Val::One))
}

fn sum<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let attribute = args.path("attribute")?;
    let start = args.value("start");
    let mut total = if start.is_null() { Val::from(0) } else { start };
    for item in value.into_items()? {
        let of = key(&item, attribute.as_deref()).clone();
        if !of.is_null() {
            total = ops::binary(BinOp::Add, total, of.into(), fuel)?;
        }
    }
    Ok(total)
}

fn list<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    Ok(Val::Many(value.into_items()?))
}

fn items<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    Ok(Val::Many(pairs(value)?.into_iter().map(pair).collect()))
}

fn pairs(value: Val<'_>) -> Result<Vec<(String, Value)>, Fault> {
    match value.into_value() {
        Value::Null => Ok(Vec::new()),
        Value::Object(fields) => Ok(fields.into_iter().collect()),
        other => Err(Fault::new(format!("expected a record, got {}", kind(&other)))),
    }
}

fn pair<'e>((key, value): (String, Value)) -> Cow<'e, Value> {
    Cow::Owned(Value::Array(vec![Value::from(key), value]))
}

fn dictsort<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let (reverse, case_sensitive) = (args.flag("reverse"), args.flag("case_sensitive"));
    let by_value = match args.text("by")? {
        None | Some("key") => false,
        Some("value") => true,
        Some(other) => return Err(Fault::new(format!("`by` is \"key\" or \"value\", not \"{other}\""))),
    };
    let mut pairs = pairs(value)?;
    pairs.sort_by(|(ka, a), (kb, b)| {
        let order = match (by_value, case_sensitive) {
            (true, _) => order(a, b, case_sensitive),
            (false, true) => ka.cmp(kb),
            (false, false) => ka.to_lowercase().cmp(&kb.to_lowercase()),
        };
        if reverse { order.reverse() } else { order }
    });
    Ok(Val::Many(pairs.into_iter().map(pair).collect()))
}

fn at_least_one(args: &Args<'_>) -> Result<usize, Fault> {
    args.count("count")?.filter(|n| *n > 0).ok_or_else(|| Fault::new("`count` is a whole number from 1"))
}

fn batch<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let count = at_least_one(args)?;
    let items = value.into_items()?;
    let mut batches: Vec<Items<'e>> = items.chunks(count).map(<[_]>::to_vec).collect();
    if let (Some(filler), Some(short)) = (args.get("fill_with"), batches.last_mut()) {
        fuel.spend(count as u64)?;
        short.resize(count, Cow::Owned(filler.clone()));
    }
    Ok(lists(batches))
}

fn lists<'e>(lists: Vec<Items<'e>>) -> Val<'e> {
    Val::Many(lists.into_iter().map(|list| Val::Many(list).into_cow()).collect())
}

fn slice<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let count = at_least_one(args)?;
    fuel.spend(count as u64)?;
    let items = value.into_items()?;
    let (each, longer) = (items.len() / count, items.len() % count);
    let mut rest = items.into_iter();
    let cut = |i: usize| {
        let mut slice: Items<'e> = rest.by_ref().take(each + usize::from(i < longer)).collect();
        if let Some(filler) = args.get("fill_with").filter(|_| i >= longer) {
            slice.push(Cow::Owned(filler.clone()));
        }
        slice
    };
    Ok(lists((0..count).map(cut).collect()))
}

fn zip<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let more = args.rest.iter().map(|(_, list)| Val::One(list.clone()));
    let columns = [value, args.value("other")].into_iter().chain(more);
    let columns = columns.map(Val::into_items).collect::<Result<Vec<_>, _>>()?;
    let shortest = columns.iter().map(Vec::len).min().unwrap_or(0);
    Ok(lists((0..shortest).map(|i| columns.iter().map(|column| column[i].clone()).collect()).collect()))
}

fn flatten<'e>(value: Val<'e>, _: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let mut flat = Vec::new();
    for item in value.into_items()? {
        if item.is_array() || item.is_null() {
            flat.extend(Val::One(item).into_items()?);
        } else {
            flat.push(item);
        }
    }
    fuel.spend(flat.len() as u64)?;
    Ok(Val::Many(flat))
}

fn take<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let n = args.count("n")?.ok_or_else(|| expected("a whole number", "n", &Value::Null))?;
    let mut items = value.into_items()?;
    items.truncate(n);
    Ok(Val::Many(items))
}

/// Equal items together, each group where its first item stood.
fn groups<'e>(items: Items<'e>, path: Option<&str>, fuel: &Fuel) -> Result<Vec<(Value, Items<'e>)>, Fault> {
    let mut places = BTreeMap::new();
    let mut groups: Vec<(Value, Items<'e>)> = Vec::new();
    for item in items {
        let of = key(&item, path);
        let known = canonical(of);
        fuel.spend_text(known.len())?;
        let place = *places.entry(known).or_insert(groups.len());
        if place == groups.len() {
            groups.push((of.clone(), Vec::new()));
        }
        groups[place].1.push(item);
    }
    Ok(groups)
}

fn group_by<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let groups = groups(value.into_items()?, args.path("path")?.as_deref(), fuel)?;
    let record = |(key, items): (Value, Items<'e>)| {
        let size = items.len();
        Cow::Owned(json!({ "key": key, "items": Val::Many(items).into_value(), "size": size }))
    };
    Ok(Val::Many(groups.into_iter().map(record).collect()))
}

fn majority<'e>(value: Val<'e>, _: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let mut best: Option<(Value, usize)> = None;
    for (item, equal) in groups(value.into_items()?, None, fuel)? {
        if best.as_ref().is_none_or(|(_, most)| equal.len() > *most) {
            best = Some((item, equal.len()));
        }
    }
    Ok(best.map_or(Val::NULL, |(item, _)| Val::from(item)))
}

fn round_robin<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let n = args.count("n")?.ok_or_else(|| expected("a whole number", "n", &Value::Null))?;
    let lists = value.into_items()?.into_iter().map(|list| Val::One(list).into_items());
    let mut lists = lists.map(|list| Ok(list?.into_iter())).collect::<Result<Vec<_>, Fault>>()?;
    let mut taken = Vec::new();
    // Each round takes an item or ends it.
    loop {
        let before = taken.len();
        for list in &mut lists {
            if taken.len() < n {
                taken.extend(list.next());
            }
        }
        fuel.spend(lists.len() as u64)?;
        if taken.len() == before || taken.len() == n {
            return Ok(Val::Many(taken));
        }
    }
}
