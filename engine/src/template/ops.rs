//! Arithmetic, equality and order, as minijinja has them, on JSON values: whole numbers stay whole, `/` is a float, booleans
//! count as 0 and 1, and what JSON can't hold (infinity, numbers beyond 64 bits) is an error.

use super::ast::BinOp;
use super::eval::{Fault, Fuel};
use super::val::{Val, kind};
use crate::value::Value;
use serde_json::Number;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A number to reckon with. 64-bit operands can't overflow 128 bits but in `**`.
#[derive(Clone, Copy)]
pub(super) enum Num {
    Int(i128),
    Float(f64),
}

impl Num {
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(b) => Some(Self::Int(i128::from(*b))),
            Value::Number(n) => Some(match (n.as_i64(), n.as_u64()) {
                (Some(i), _) => Self::Int(i.into()),
                (None, Some(u)) => Self::Int(u.into()),
                (None, None) => Self::Float(n.as_f64()?),
            }),
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "floats are what they are")]
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Int(i) => i as f64,
            Self::Float(f) => f,
        }
    }

    fn is_zero(self) -> bool {
        self.float() == 0.0
    }

    pub(super) fn value(self) -> Result<Value, Fault> {
        let number = match self {
            Self::Int(i) => i64::try_from(i).map(Number::from).or_else(|_| u64::try_from(i).map(Number::from)).ok(),
            Self::Float(f) => Number::from_f64(f),
        };
        number.map(Value::Number).ok_or_else(|| Fault::new("the number is too large"))
    }
}

/// Both operands of the other operators; `and` and `or` evaluate one first.
pub(super) fn binary<'e>(op: BinOp, left: Val<'e>, right: Val<'e>, fuel: &Fuel) -> Result<Val<'e>, Fault> {
    match op {
        BinOp::Concat => return concat(left, right, fuel),
        BinOp::Add if is_list(&left) && is_list(&right) => return join(left, right, fuel),
        BinOp::Mul if is_list(&left) => return repeat(left, &right.into_cow(), fuel),
        BinOp::Mul if is_list(&right) => return repeat(right, &left.into_cow(), fuel),
        _ => {}
    }
    let (left, right) = (left.into_cow(), right.into_cow());
    match (op, left.as_ref(), right.as_ref()) {
        (BinOp::Add, Value::String(a), Value::String(b)) => {
            fuel.spend_text(a.len() + b.len())?;
            Ok([a.as_str(), b].concat().into())
        }
        (BinOp::Mul, Value::String(text), times) | (BinOp::Mul, times, Value::String(text)) => {
            let times = count(times)?;
            fuel.spend_text(text.len().saturating_mul(times))?;
            Ok(text.repeat(times).into())
        }
        (_, a, b) => match (Num::of(a), Num::of(b)) {
            (Some(a), Some(b)) => Ok(Val::from(arithmetic(op, a, b)?.value()?)),
            _ => Err(Fault::new(format!("can't compute {} {} {}", kind(a), op.sign(), kind(b)))),
        },
    }
}

fn is_list(value: &Val<'_>) -> bool {
    match value {
        Val::Many(_) => true,
        Val::One(value) => value.is_array(),
    }
}

fn concat<'e>(left: Val<'e>, right: Val<'e>, fuel: &Fuel) -> Result<Val<'e>, Fault> {
    let (mut text, right) = (left.into_text().into_owned(), right.into_text());
    fuel.spend_text(text.len() + right.len())?;
    text.push_str(&right);
    Ok(text.into())
}

fn join<'e>(left: Val<'e>, right: Val<'e>, fuel: &Fuel) -> Result<Val<'e>, Fault> {
    fuel.spend(left.weight() + right.weight())?;
    let mut items = left.into_items()?;
    items.extend(right.into_items()?);
    Ok(Val::Many(items))
}

fn repeat<'e>(list: Val<'e>, times: &Value, fuel: &Fuel) -> Result<Val<'e>, Fault> {
    let times = count(times)?;
    fuel.spend(list.weight().saturating_mul(times as u64))?;
    let items = list.into_items()?;
    Ok(Val::Many(std::iter::repeat_n(items, times).flatten().collect()))
}

/// A whole number, also as a float without a fraction.
pub(super) fn whole(value: &Value) -> Option<i64> {
    match Num::of(value)? {
        Num::Int(i) => i64::try_from(i).ok(),
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
        Num::Float(f) => (f.fract() == 0.0 && f.abs() < 9_007_199_254_740_992.0).then_some(f as i64),
    }
}

fn count(times: &Value) -> Result<usize, Fault> {
    let whole = whole(times).and_then(|n| usize::try_from(n).ok());
    whole.ok_or_else(|| Fault::new("text and lists can only be multiplied with whole numbers from 0"))
}

fn arithmetic(op: BinOp, a: Num, b: Num) -> Result<Num, Fault> {
    use Num::{Float, Int};
    let too_large = || Fault::new("the number is too large");
    if matches!(op, BinOp::Div | BinOp::FloorDiv | BinOp::Rem) && b.is_zero() {
        return Err(Fault::new("can't divide by zero"));
    }
    Ok(match (op, a, b) {
        (BinOp::Div, a, b) => Float(a.float() / b.float()),
        (BinOp::Add, Int(a), Int(b)) => Int(a + b),
        (BinOp::Sub, Int(a), Int(b)) => Int(a - b),
        (BinOp::Mul, Int(a), Int(b)) => Int(a.checked_mul(b).ok_or_else(too_large)?),
        (BinOp::FloorDiv, Int(a), Int(b)) => Int(floor_div(a, b)),
        (BinOp::Rem, Int(a), Int(b)) => Int(a - b * floor_div(a, b)),
        (BinOp::Pow, Int(0), Int(b)) if b < 0 => return Err(Fault::new("can't divide by zero")),
        (BinOp::Pow, Int(_), Int(b)) if b < 0 => Float(a.float().powf(b as f64)),
        (BinOp::Pow, Int(a), Int(b)) => {
            Int(u32::try_from(b).ok().and_then(|b| a.checked_pow(b)).ok_or_else(too_large)?)
        }
        (BinOp::Add, a, b) => Float(a.float() + b.float()),
        (BinOp::Sub, a, b) => Float(a.float() - b.float()),
        (BinOp::Mul, a, b) => Float(a.float() * b.float()),
        (BinOp::FloorDiv, a, b) => Float((a.float() / b.float()).floor()),
        (BinOp::Rem, a, b) => Float(float_rem(a.float(), b.float())),
        (BinOp::Pow, a, b) => Float(a.float().powf(b.float())),
        (BinOp::Concat | BinOp::And | BinOp::Or, ..) => unreachable!("internal error: not arithmetic"),
    })
}

/// Rounded down, as Python has it.
fn floor_div(a: i128, b: i128) -> i128 {
    a / b - i128::from(a % b != 0 && (a < 0) != (b < 0))
}

/// With the sign of the divisor, as Python has it.
fn float_rem(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
}

pub(super) fn negate(value: &Value) -> Result<Value, Fault> {
    match value {
        Value::Number(_) => match Num::of(value) {
            Some(Num::Int(i)) => Num::Int(-i).value(),
            Some(Num::Float(f)) => Num::Float(-f).value(),
            None => unreachable!("internal error: a number that is none"),
        },
        other => Err(Fault::new(format!("can't negate {}", kind(other)))),
    }
}

/// Whether two values are equal: numbers by what they are worth (`1` is `1.0`), records whatever the order of their keys.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (Value::Null, Value::Null) => true,
        (Value::String(a), Value::String(b)) => a == b,
        _ => match (Num::of(a), Num::of(b)) {
            (Some(a), Some(b)) => compare_numbers(a, b) == Ordering::Equal,
            _ => false,
        },
    }
}

/// The order of values that `<`, `sort` and `take` use: null, booleans, numbers, text, lists (item by item), records
/// (field by field, in the order of their keys).
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => first_difference(a, b, compare),
        (Value::Object(a), Value::Object(b)) => {
            first_difference(by_key(a), by_key(b), |(ka, a), (kb, b)| ka.cmp(kb).then_with(|| compare(a, b)))
        }
        (Value::Number(_), Value::Number(_)) => match (Num::of(a), Num::of(b)) {
            (Some(a), Some(b)) => compare_numbers(a, b),
            _ => unreachable!("internal error: a number that is none"),
        },
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Records that are equal stand in no order, whatever the order of their keys.
fn by_key(fields: &serde_json::Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    fields
}

fn first_difference<T>(
    a: impl IntoIterator<Item = T>,
    b: impl IntoIterator<Item = T>,
    by: impl Fn(T, T) -> Ordering,
) -> Ordering {
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) => match by(a, b) {
                Ordering::Equal => {}
                different => return different,
            },
            (a, b) => return a.is_some().cmp(&b.is_some()),
        }
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

/// Exact, also where a float can't hold the whole number.
fn compare_numbers(a: Num, b: Num) -> Ordering {
    match (a, b) {
        (Num::Int(a), Num::Int(b)) => a.cmp(&b),
        (Num::Float(a), Num::Float(b)) => a.partial_cmp(&b).expect("internal error: JSON holds no NaN"),
        (Num::Int(a), Num::Float(b)) => compare_mixed(a, b),
        (Num::Float(a), Num::Int(b)) => compare_mixed(b, a).reverse(),
    }
}

fn compare_mixed(a: i128, b: f64) -> Ordering {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and 64-bit numbers are far from the ends")]
    let whole = b.trunc() as i128;
    a.cmp(&whole).then_with(|| 0.0.partial_cmp(&b.fract()).expect("internal error: JSON holds no NaN"))
}

/// `value in container`: an item of a list, a key of a record, a part of a text; nothing is in null.
pub(super) fn contains(container: &Value, value: &Value) -> Result<bool, Fault> {
    match container {
        Value::Array(items) => Ok(items.iter().any(|item| equal(item, value))),
        Value::Object(fields) => Ok(value.as_str().is_some_and(|key| fields.contains_key(key))),
        Value::String(text) => {
            Ok(!value.is_null() && text.contains(Val::One(Cow::Borrowed(value)).into_text().as_ref()))
        }
        Value::Null => Ok(false),
        Value::Bool(_) | Value::Number(_) => Err(Fault::new(format!("nothing can be in {}", kind(container)))),
    }
}
