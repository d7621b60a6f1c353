//! Filters of single values: defaults and numbers.

use super::{Args, Row, RunFilter, row};
use crate::template::eval::{Fault, Fuel};
use crate::template::ops::Num;
use crate::template::val::{Val, kind};
use crate::value::Value;

type Made<'e> = Result<Val<'e>, Fault>;

pub(super) const FILTERS: &[Row<RunFilter>] = &[
    row(
        "default",
        "default(other=\"\", if_false=false)",
        "another value in place of null, or of all that is false",
        default,
    ),
    row("d", "d(other=\"\", if_false=false)", "the same as `default`", default),
    row("bool", "bool()", "whether it is true, as `if` sees it", truth),
    row("int", "int(default=0)", "a whole number, of text or cut off; `default` when it is none", int),
    row("float", "float(default=0.0)", "a number with a fraction; `default` when it is none", float),
    row("abs", "abs()", "without its sign", abs),
    row(
        "round",
        "round(precision=0, method=\"common\")",
        "to so many digits; method \"common\", \"ceil\" or \"floor\"",
        round,
    ),
];

fn default<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    if value.truth() || !(value.is_null() || args.flag("if_false")) {
        return Ok(value);
    }
    let other = args.value("other");
    Ok(if other.is_null() { Val::from("") } else { other })
}

fn truth<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    Ok(value.truth().into())
}

fn int<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let value = value.into_cow();
    #[expect(clippy::cast_possible_truncation, reason = "saturates; what 64 bits can't hold is refused below")]
    let cut = |f: f64| Num::Int(f as i128);
    let number = match value.as_ref() {
        Value::Null => return Ok(or_default(args, 0)),
        Value::String(text) => text
            .parse::<i128>()
            .ok()
            .map(Num::Int)
            .or_else(|| text.parse().ok().filter(|f: &f64| f.is_finite()).map(cut)),
        other => Num::of(other).map(|number| match number {
            Num::Int(_) => number,
            Num::Float(f) => cut(f),
        }),
    };
    converted(number, &value, "a whole number", args)
}

fn float<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let value = value.into_cow();
    let number = match value.as_ref() {
        Value::Null => return Ok(or_default(args, 0.0)),
        Value::String(text) => text.parse().ok(),
        other => Num::of(other).map(Num::float),
    };
    converted(number.map(Num::Float), &value, "a number", args)
}

fn or_default<'e>(args: &Args<'e>, zero: impl Into<Value>) -> Val<'e> {
    let default = args.value("default");
    if default.is_null() { Val::from(zero) } else { default }
}

fn converted<'e>(number: Option<Num>, from: &Value, to: &str, args: &Args<'e>) -> Made<'e> {
    match (number.map(Num::value), args.value("default")) {
        (Some(Ok(number)), _) => Ok(number.into()),
        (_, default) if !default.is_null() => Ok(default),
        (Some(Err(fault)), _) => Err(fault),
        (None, _) => match from.as_str() {
            Some(text) => Err(Fault::new(format!("`{}` is not {to}", text.chars().take(40).collect::<String>()))),
            None => Err(Fault::new(format!("{} can't be made {to}", kind(from)))),
        },
    }
}

fn number(value: &Value) -> Result<Num, Fault> {
    value
        .as_number()
        .and_then(|_| Num::of(value))
        .ok_or_else(|| Fault::new(format!("expected a number, got {}", kind(value))))
}

fn abs<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    let made = match number(&value.into_cow())? {
        Num::Int(i) => Num::Int(i.abs()),
        Num::Float(f) => Num::Float(f.abs()),
    };
    Ok(made.value()?.into())
}

fn round<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let value = value.into_cow();
    // A float has no more than 17 digits to round to.
    let precision = args.count("precision")?.unwrap_or(0).min(17);
    let up = match args.text("method")? {
        None | Some("common") => None,
        Some("ceil") => Some(true),
        Some("floor") => Some(false),
        Some(other) => {
            return Err(Fault::new(format!("`method` is \"common\", \"ceil\" or \"floor\", not \"{other}\"")));
        }
    };
    let f = match number(&value)? {
        Num::Int(_) => return Ok(Val::One(value)),
        Num::Float(f) => f,
    };
    let rounded = match up {
        // Printing rounds halves to even by the decimal digits, as Python does; scaling first would not.
        None => format!("{f:.precision$}").parse().expect("internal error: a printed number is none"),
        Some(up) => {
            let factor = 10_f64.powi(i32::try_from(precision).expect("internal error: more than 17"));
            let scaled = f * factor;
            match (scaled.is_finite(), up) {
                (false, _) => f,
                (true, true) => scaled.ceil() / factor,
                (true, false) => scaled.floor() / factor,
            }
        }
    };
    Ok(Num::Float(rounded).value()?.into())
}
