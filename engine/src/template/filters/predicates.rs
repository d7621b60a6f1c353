//! The tests of `is`, which `select` and its kin take by name.

use super::{Args, Row, RunTest, row, text};
use crate::template::eval::Fault;
use crate::template::ops::{self, Num};
use crate::template::val::kind;
use crate::value::Value;
use std::cmp::Ordering;

type Holds = Result<bool, Fault>;

pub(super) const TESTS: &[Row<RunTest>] = &[
    row("none", "none()", "it is null", |v, _| Ok(v.is_null())),
    row("undefined", "undefined()", "the same as `none`", |v, _| Ok(v.is_null())),
    row("defined", "defined()", "it is not null", |v, _| Ok(!v.is_null())),
    row("true", "true()", "it is `true`", |v, _| Ok(*v == Value::Bool(true))),
    row("false", "false()", "it is `false`", |v, _| Ok(*v == Value::Bool(false))),
    row("boolean", "boolean()", "it is `true` or `false`", |v, _| Ok(v.is_boolean())),
    row("number", "number()", "it is a number", |v, _| Ok(v.is_number())),
    row("integer", "integer()", "it is a whole number", |v, _| Ok(v.is_i64() || v.is_u64())),
    row("float", "float()", "it is a number with a fraction", |v, _| Ok(v.is_f64())),
    row("string", "string()", "it is text", |v, _| Ok(v.is_string())),
    row("sequence", "sequence()", "it is a list", |v, _| Ok(v.is_array())),
    row("mapping", "mapping()", "it is a record", |v, _| Ok(v.is_object())),
    row("iterable", "iterable()", "`for` can go through it", |v, _| Ok(!v.is_boolean() && !v.is_number())),
    row("odd", "odd()", "it is an odd whole number", |v, _| Ok(whole(v).is_some_and(|n| n.rem_euclid(2) == 1))),
    row("even", "even()", "it is an even whole number", |v, _| Ok(whole(v).is_some_and(|n| n.rem_euclid(2) == 0))),
    row("divisibleby", "divisibleby(number)", "it is a multiple of the number", divisible),
    row("startingwith", "startingwith(text)", "it is text that begins so", |v, args| {
        affix(v, args, |v, t| v.starts_with(t))
    }),
    row("endingwith", "endingwith(text)", "it is text that ends so", |v, args| affix(v, args, |v, t| v.ends_with(t))),
    row("lower", "lower()", "it is text in small letters", |v, _| {
        Ok(v.as_str().is_some_and(|t| !t.contains(char::is_uppercase)))
    }),
    row("upper", "upper()", "it is text in capitals", |v, _| {
        Ok(v.as_str().is_some_and(|t| !t.contains(char::is_lowercase)))
    }),
    row("matches", "matches(regex)", "the regular expression is found in it", text::found),
    row("in", "in(container)", "it is an item of a list, a key of a record, a part of a text", contained),
    row("eq", "eq(other)", "it equals the other", equal),
    row("equalto", "equalto(other)", "the same as `eq`", equal),
    row("==", "==(other)", "the same as `eq`", equal),
    row("ne", "ne(other)", "it does not equal the other", |v, args| Ok(!equal(v, args)?)),
    row("!=", "!=(other)", "the same as `ne`", |v, args| Ok(!equal(v, args)?)),
    row("lt", "lt(other)", "it is less than the other", |v, args| Ok(order(v, args).is_lt())),
    row("lessthan", "lessthan(other)", "the same as `lt`", |v, args| Ok(order(v, args).is_lt())),
    row("<", "<(other)", "the same as `lt`", |v, args| Ok(order(v, args).is_lt())),
    row("le", "le(other)", "it is at most the other", |v, args| Ok(order(v, args).is_le())),
    row("<=", "<=(other)", "the same as `le`", |v, args| Ok(order(v, args).is_le())),
    row("gt", "gt(other)", "it is more than the other", |v, args| Ok(order(v, args).is_gt())),
    row("greaterthan", "greaterthan(other)", "the same as `gt`", |v, args| Ok(order(v, args).is_gt())),
    row(">", ">(other)", "the same as `gt`", |v, args| Ok(order(v, args).is_gt())),
    row("ge", "ge(other)", "it is at least the other", |v, args| Ok(order(v, args).is_ge())),
    row(">=", ">=(other)", "the same as `ge`", |v, args| Ok(order(v, args).is_ge())),
];

fn argument<'a>(args: &'a Args<'_>, name: &str) -> &'a Value {
    args.get(name).unwrap_or(&Value::Null)
}

fn equal(value: &Value, args: &Args<'_>) -> Holds {
    Ok(ops::equal(value, argument(args, "other")))
}

fn order(value: &Value, args: &Args<'_>) -> Ordering {
    ops::compare(value, argument(args, "other"))
}

fn contained(value: &Value, args: &Args<'_>) -> Holds {
    ops::contains(argument(args, "container"), value)
}

fn whole(value: &Value) -> Option<i128> {
    match Num::of(value)? {
        Num::Int(i) => Some(i),
        Num::Float(_) => None,
    }
}

fn divisible(value: &Value, args: &Args<'_>) -> Holds {
    let by = argument(args, "number");
    match (whole(value), whole(by)) {
        (_, Some(0)) => Err(Fault::new("can't divide by zero")),
        (Some(value), Some(by)) => Ok(value % by == 0),
        (None, Some(_)) => Ok(false),
        (_, None) => Err(Fault::new(format!("`number` is a whole number, not {}", kind(by)))),
    }
}

fn affix(value: &Value, args: &Args<'_>, holds: fn(&str, &str) -> bool) -> Holds {
    Ok(match (value.as_str(), args.text("text")?) {
        (Some(value), Some(text)) => holds(value, text),
        _ => false,
    })
}
