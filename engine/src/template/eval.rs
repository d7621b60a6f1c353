//! Evaluation of the tree. Values stay where they are: a path gives a reference into the scope, and only what leaves is copied.
//! There is no undefined: what is not there is null, null holds nothing and prints nothing.

use super::ast::{Ast, AstKind, BinOp, CompareOp, KeyArg, UnaryOp};
use super::val::{self, Val};
use super::{filters, ops};
use crate::value::Value;
use serde_json::json;
use std::borrow::Cow;
use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;

/// What one evaluation may spend: a step for each part of an expression, each item and each 16 bytes made. A prompt of 2 KB
/// spends some hundreds; ten million are about a second of work and at most 160 MB of text.
const TEMPLATE_FUEL: u64 = 10_000_000;

/// Template fuel that is left.
pub(super) struct Fuel(Cell<u64>);

impl Fuel {
    pub(super) fn full() -> Self {
        Self(Cell::new(TEMPLATE_FUEL))
    }

    pub(super) fn spend(&self, steps: u64) -> Result<(), Fault> {
        match self.0.get().checked_sub(steps) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(Fault::new("the template fuel is used up: this loops too often or makes too much text")),
        }
    }

    /// Pays for text before it is made.
    pub(super) fn spend_text(&self, bytes: usize) -> Result<(), Fault> {
        self.spend(bytes as u64 / 16)
    }
}

/// Why an evaluation ended, and the place of the innermost part that could not be computed.
pub(super) struct Fault {
    pub(super) message: String,
    place: Option<(usize, usize)>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None }
    }

    pub(super) fn at(mut self, ast: &Ast) -> Self {
        self.place.get_or_insert((ast.start, ast.end));
        self
    }

    /// Says which filter or test it is about.
    pub(super) fn of(mut self, name: &str) -> Self {
        self.message = format!("`{name}`: {}", self.message);
        self
    }

    /// The message with what stands at the place in `source`.
    pub(super) fn within(self, source: &str) -> String {
        /// Enough to find it by.
        const SHOWN: usize = 80;
        let Some(code) = self.place.and_then(|(start, end)| source.get(start..end)) else { return self.message };
        if code.chars().count() <= SHOWN {
            return format!("{} in `{code}`", self.message);
        }
        let beginning: String = code.chars().take(SHOWN).collect();
        format!("{} in `{beginning}…`", self.message)
    }
}

/// The names that an expression sees, innermost first.
pub(super) enum Names<'e> {
    /// What the scope gave for each name that the source reads.
    Roots(&'e [(&'e str, Option<Arc<Value>>)]),
    /// A name of `for`, `set` or `with`.
    Bound { name: &'e str, value: &'e Value, outer: &'e Names<'e> },
    /// `loop`: the number of items before this one, and of all.
    Loop { before: usize, all: usize, outer: &'e Names<'e> },
}

impl<'e> Names<'e> {
    fn get(&'e self, wanted: &str) -> Cow<'e, Value> {
        let mut names = self;
        loop {
            match names {
                Names::Bound { name, value, .. } if *name == wanted => return Cow::Borrowed(value),
                Names::Loop { before, all, .. } if wanted == "loop" => return Cow::Owned(loop_record(*before, *all)),
                Names::Bound { outer, .. } | Names::Loop { outer, .. } => names = outer,
                Names::Roots(roots) => {
                    let root = roots.iter().find(|(name, _)| *name == wanted);
                    return match root.and_then(|(_, value)| value.as_deref()) {
                        Some(value) => Cow::Borrowed(value),
                        None => Cow::Owned(Value::Null),
                    };
                }
            }
        }
    }
}

fn loop_record(before: usize, all: usize) -> Value {
    json!({
        "index": before + 1, "index0": before, "revindex": all - before, "revindex0": all - before - 1,
        "first": before == 0, "last": before + 1 == all, "length": all,
    })
}

type Made<'e> = Result<Val<'e>, Fault>;

/// The value of an expression.
pub(super) fn eval<'e>(ast: &'e Ast, names: &'e Names<'e>, fuel: &Fuel) -> Made<'e> {
    fuel.spend(1)?;
    value_of(ast, names, fuel).map_err(|fault| fault.at(ast))
}

/// Each kind in a function of its own: this recurses, and a frame has room for all that stands in a function.
fn value_of<'e>(ast: &'e Ast, names: &'e Names<'e>, fuel: &Fuel) -> Made<'e> {
    match &ast.kind {
        AstKind::Var(name) => Ok(Val::One(names.get(name))),
        AstKind::Const(value) => Ok(Val::One(Cow::Borrowed(value))),
        AstKind::Attr(of, name) => Ok(Val::One(val::field(one(of, names, fuel)?, name))),
        AstKind::Item(of, key) => item(of, key, names, fuel),
        AstKind::Slice(of, bounds) => slice(of, bounds, names, fuel),
        AstKind::Unary(op, of) => unary(*op, of, names, fuel),
        AstKind::Binary(op, left, right) => binary(*op, left, right, names, fuel),
        AstKind::Compare(first, rest) => compare(first, rest, names, fuel),
        AstKind::If { test, then, otherwise } => match (holds(test, names, fuel)?, otherwise) {
            (true, _) => eval(then, names, fuel),
            (false, Some(otherwise)) => eval(otherwise, names, fuel),
            (false, None) => Ok(Val::NULL),
        },
        AstKind::Filter { name, value, args } => {
            filters::filter(name, eval(value, names, fuel)?, arguments(args, names, fuel)?, fuel)
        }
        AstKind::Test { name, value, args } => test(name, value, args, names, fuel),
        AstKind::Call { name, args } => filters::call(name, arguments(args, names, fuel)?, fuel),
        AstKind::List(items) => list(items, names, fuel),
        AstKind::Map(pairs) => record(pairs, names, fuel),
    }
}

/// Whether an expression is true.
pub(super) fn holds<'e>(ast: &'e Ast, names: &'e Names<'e>, fuel: &Fuel) -> Result<bool, Fault> {
    eval(ast, names, fuel).map(|value| value.truth())
}

fn item<'e>(of: &'e Ast, key: &'e Ast, names: &'e Names<'e>, fuel: &Fuel) -> Made<'e> {
    let of = one(of, names, fuel)?;
    Ok(Val::One(val::item(of, &*one(key, names, fuel)?)))
}

fn unary<'e>(op: UnaryOp, of: &'e Ast, names: &'e Names<'e>, fuel: &Fuel) -> Made<'e> {
    match op {
        UnaryOp::Not => Ok(Val::from(!holds(of, names, fuel)?)),
        UnaryOp::Neg => ops::negate(&*one(of, names, fuel)?).map(Val::from),
    }
}

fn binary<'e>(op: BinOp, left: &'e Ast, right: &'e Ast, names: &'e Names<'e>, fuel: &Fuel) -> Made<'e> {
    let left = eval(left, names, fuel)?;
    match (op, left.truth()) {
        (BinOp::And, false) | (BinOp::Or, true) => Ok(left),
        (BinOp::And | BinOp::Or, _) => eval(right, names, fuel),
        _ => ops::binary(op, left, eval(right, names, fuel)?, fuel),
    }
}

fn compare<'e>(first: &'e Ast, rest: &'e [(CompareOp, Ast)], names: &'e Names<'e>, fuel: &Fuel) -> Made<'e> {
    let mut left = one(first, names, fuel)?;
    for (op, right) in rest {
        let right = one(right, names, fuel)?;
        if !compared(*op, &left, &right)? {
            return Ok(Val::from(false));
        }
        left = right;
    }
    Ok(Val::from(true))
}

fn test<'e>(name: &str, value: &'e Ast, args: &'e [KeyArg], names: &'e Names<'e>, fuel: &Fuel) -> Made<'e> {
    let value = one(value, names, fuel)?;
    filters::test(name, &value, arguments(args, names, fuel)?).map(Val::from)
}

fn list<'e>(items: &'e [Ast], names: &'e Names<'e>, fuel: &Fuel) -> Made<'e> {
    items.iter().map(|item| one(item, names, fuel)).collect::<Result<_, Fault>>().map(Val::Many)
}

fn record<'e>(pairs: &'e [(Ast, Ast)], names: &'e Names<'e>, fuel: &Fuel) -> Made<'e> {
    let mut fields = serde_json::Map::with_capacity(pairs.len());
    for (key, value) in pairs {
        let key = eval(key, names, fuel)?.into_text().into_owned();
        fields.insert(key, eval(value, names, fuel)?.into_value());
    }
    Ok(Val::from(Value::Object(fields)))
}

fn one<'e>(ast: &'e Ast, names: &'e Names<'e>, fuel: &Fuel) -> Result<Cow<'e, Value>, Fault> {
    Ok(eval(ast, names, fuel)?.into_cow())
}

fn arguments<'e>(args: &'e [KeyArg], names: &'e Names<'e>, fuel: &Fuel) -> Result<Vec<filters::Argument<'e>>, Fault> {
    args.iter().map(|arg| Ok((arg.name.as_deref(), one(&arg.value, names, fuel)?))).collect()
}

fn compared(op: CompareOp, left: &Value, right: &Value) -> Result<bool, Fault> {
    Ok(match op {
        CompareOp::Eq => ops::equal(left, right),
        CompareOp::Ne => !ops::equal(left, right),
        CompareOp::Lt => ops::compare(left, right) == Ordering::Less,
        CompareOp::Le => ops::compare(left, right) != Ordering::Greater,
        CompareOp::Gt => ops::compare(left, right) == Ordering::Greater,
        CompareOp::Ge => ops::compare(left, right) != Ordering::Less,
        CompareOp::In => ops::contains(right, left)?,
        CompareOp::NotIn => !ops::contains(right, left)?,
    })
}

/// `a[from:to:step]` of a list or text; null has no items.
fn slice<'e>(of: &'e Ast, bounds: &'e [Option<Box<Ast>>; 3], names: &'e Names<'e>, fuel: &Fuel) -> Made<'e> {
    let of = eval(of, names, fuel)?;
    let bound = |i: usize| -> Result<Option<i64>, Fault> {
        let Some(ast) = &bounds[i] else { return Ok(None) };
        let value = one(ast, names, fuel)?;
        match (ops::whole(&value), value.is_null()) {
            (Some(n), _) => Ok(Some(n)),
            (None, true) => Ok(None),
            (None, false) => {
                Err(Fault::new(format!("the ends of a slice are whole numbers, not {}", val::kind(&value))))
            }
        }
    };
    let (from, to, step) = (bound(0)?, bound(1)?, bound(2)?.unwrap_or(1));
    if step == 0 {
        return Err(Fault::new("a slice can't have a step of 0"));
    }
    fuel.spend(of.weight())?;
    let is_text = matches!(&of, Val::One(value) if value.is_string());
    if matches!(&of, Val::One(value) if value.is_object()) {
        return Err(Fault::new("a record can't be sliced"));
    }
    let mut items = of.into_items()?.into_iter().map(Some).collect::<Vec<_>>();
    let picked = positions(from, to, step, items.len()).into_iter().filter_map(|i| items[i].take()).collect();
    Ok(if is_text {
        let picked: Vec<Cow<'e, Value>> = picked;
        Val::from(picked.iter().filter_map(|c| c.as_str()).collect::<String>())
    } else {
        Val::Many(picked)
    })
}

/// The positions that a slice picks of `len` items, each once, as Python has it.
fn positions(from: Option<i64>, to: Option<i64>, step: i64, len: usize) -> Vec<usize> {
    let len = i64::try_from(len).expect("internal error: more than 2^63 items");
    // Below zero counts from the end; what is beyond an end is that end.
    let clamp = |at: i64, low: i64, high: i64| (if at < 0 { at.saturating_add(len) } else { at }).clamp(low, high);
    let stride = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
    let whole = |at: i64| usize::try_from(at).expect("internal error: a position below zero");
    if step > 0 {
        let (from, to) = (from.map_or(0, |at| clamp(at, 0, len)), to.map_or(len, |at| clamp(at, 0, len)));
        (from..to).step_by(stride).map(whole).collect()
    } else {
        let (from, to) =
            (from.map_or(len - 1, |at| clamp(at, -1, len - 1)), to.map_or(-1, |at| clamp(at, -1, len - 1)));
        ((to + 1)..=from).rev().step_by(stride).map(whole).collect()
    }
}
