//! Expressions of values known in part.
//!
//! What is known in full is computed by the template module itself, so that it comes out exactly as in the run; the rest
//! keeps ranges, lengths and nulls.

use super::value::{Abstract, Interval, Shape, Truth, both};
use super::{Formula, filters};
use crate::template::{Ast, AstKind, BinOp, CompareOp, Expr, KeyArg, Scope, UnaryOp};
use crate::value::Value;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

/// The longest `range( )` of which the numbers are told apart.
const RANGE_TOLD_APART: usize = 64;

/// The names in scope, innermost last. Copied when a name is set, and only if someone else looks at it.
#[derive(Debug, Clone, Default)]
pub(super) struct Env {
    names: Arc<Vec<(Arc<str>, Abstract)>>,
}

impl Env {
    /// Gives a name its value.
    pub(super) fn set(&mut self, name: impl Into<Arc<str>>, value: Abstract) {
        Arc::make_mut(&mut self.names).push((name.into(), value));
    }

    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&Abstract> {
        self.names.iter().rev().find(|(n, _)| &**n == name).map(|(_, value)| value)
    }

    /// The names with one more.
    pub(super) fn with(&self, name: impl Into<Arc<str>>, value: Abstract) -> Self {
        let mut inner = self.clone();
        inner.set(name, value);
        inner
    }
}

/// Evaluates expressions; keeps what it compiled to compute known values.
#[derive(Debug, Default)]
pub(super) struct Eval {
    compiled: RefCell<HashMap<String, Option<Expr>>>,
    /// Whether anything that was evaluated may fail in a run, on values of the right types.
    may_fail: Cell<bool>,
}

/// Known operands, named `v0`, `v1`, …
struct Operands(Vec<Arc<Value>>);

impl Scope for Operands {
    fn get(&self, name: &str) -> Option<Arc<Value>> {
        name.strip_prefix('v')?.parse::<usize>().ok().and_then(|i| self.0.get(i).cloned())
    }
}

impl Eval {
    /// What is known of the value of an expression.
    pub(super) fn eval(&self, ast: &Ast, env: &Env) -> Abstract {
        match &ast.kind {
            AstKind::Var(name) => env.get(name).cloned().unwrap_or_else(Abstract::any),
            AstKind::Const(value) => Abstract::known(value),
            AstKind::Attr(of, name) => self.eval(of, env).field(name),
            AstKind::Item(of, index) => self.index(&self.eval(of, env), &self.eval(index, env)),
            AstKind::Slice(of, ends) => self.slice(&self.eval(of, env), ends, env),
            AstKind::Unary(UnaryOp::Not, of) => truth_value(!self.eval(of, env).truth()),
            AstKind::Unary(UnaryOp::Neg, of) => {
                let of = self.eval(of, env);
                self.note_if(is_any(&of));
                let (range, zero) = (of.range(), Formula::default());
                Abstract::number(Interval {
                    min: range.max.map(|max| zero.minus(&max)),
                    max: range.min.map(|min| zero.minus(&min)),
                    whole: range.whole,
                })
            }
            AstKind::Binary(op, left, right) => self.binary(*op, left, right, env),
            AstKind::Compare(first, rest) => truth_value(self.compare(first, rest, env)),
            AstKind::If { test, then, otherwise } => {
                let branch = |holds: bool| match (holds, otherwise) {
                    (true, _) => self.eval(then, &self.assuming(test, true, env)),
                    (false, Some(other)) => self.eval(other, &self.assuming(test, false, env)),
                    (false, None) => Abstract::NULL,
                };
                match self.eval(test, env).truth() {
                    Truth::True => branch(true),
                    Truth::False => branch(false),
                    Truth::Unknown => branch(true).join(&branch(false)),
                }
            }
            AstKind::Filter { name, value, args } => {
                let value = self.eval(value, env);
                filters::apply(self, name, &value, &self.args(args, env))
            }
            AstKind::Test { name, value, args } => {
                let value = self.eval(value, env);
                truth_value(self.test(name, &value, &self.args(args, env)))
            }
            AstKind::Call { args, .. } => self.range(&self.args(args, env)),
            AstKind::List(items) => Abstract::items(items.iter().map(|item| self.eval(item, env))),
            AstKind::Map(pairs) => {
                let field = |(key, value): &(Ast, Ast)| match self.eval(key, env).value() {
                    Some(Value::String(key)) => Some((key, self.eval(value, env))),
                    _ => None,
                };
                pairs.iter().map(field).collect::<Option<Vec<_>>>().map_or_else(Abstract::any, Abstract::record)
            }
        }
    }

    /// Whether something that is evaluated meanwhile may fail in a run: divides by what may be zero, reads text as a
    /// number, or computes with what may be of any type.
    pub(super) fn may_fail(&self, evaluate: impl FnOnce()) -> bool {
        let before = self.may_fail.replace(false);
        evaluate();
        self.may_fail.replace(before)
    }

    /// Notes that something may fail.
    pub(super) fn note_if(&self, may_fail: bool) {
        self.may_fail.set(self.may_fail.get() || may_fail);
    }

    /// Whether an expression holds.
    pub(super) fn holds(&self, ast: &Ast, env: &Env) -> Truth {
        self.eval(ast, env).truth()
    }

    /// What the names are known to be once a condition holds (or does not).
    pub(super) fn assuming(&self, test: &Ast, holds: bool, env: &Env) -> Env {
        let mut narrowed = env.clone();
        self.assume(test, holds, &mut narrowed);
        narrowed
    }

    fn assume(&self, test: &Ast, holds: bool, env: &mut Env) {
        match &test.kind {
            AstKind::Unary(UnaryOp::Not, of) => self.assume(of, !holds, env),
            AstKind::Binary(op @ (BinOp::And | BinOp::Or), left, right) if (*op == BinOp::And) == holds => {
                self.assume(left, holds, env);
                self.assume(right, holds, env);
            }
            AstKind::Test { name, value, .. } if name == "none" => {
                self.narrow(value, env, |v| if holds { Some(Abstract::NULL) } else { Some(v.clone().not_null()) });
            }
            AstKind::Compare(left, rest) => {
                if let [(op, right)] = rest.as_slice() {
                    let bound = self.eval(right, env).range();
                    self.assume_compare(left, if holds { Some(*op) } else { negated(*op) }, &bound, env);
                }
            }
            AstKind::Var(_) | AstKind::Attr(..) | AstKind::Item(..) => self.narrow(test, env, |v| v.when(holds)),
            _ => {}
        }
    }

    /// Narrows a number, or the length of a list, by what it is compared with.
    fn assume_compare(&self, left: &Ast, op: Option<CompareOp>, right: &Interval, env: &mut Env) {
        let cut = |range: &Interval| {
            let one = Formula::from(u64::from(range.whole && right.whole));
            let mut range = range.clone();
            match op {
                Some(CompareOp::Lt) => range = range.capped(right.max.as_ref().map(|max| max.minus(&one)).as_ref()),
                Some(CompareOp::Le) => range = range.capped(right.max.as_ref()),
                Some(CompareOp::Gt) => range.min = raised(&range, right.min.as_ref().map(|min| min.plus(&one))),
                Some(CompareOp::Ge) => range.min = raised(&range, right.min.clone()),
                Some(CompareOp::Eq) => {
                    range = range.capped(right.max.as_ref());
                    range.min = raised(&range, right.min.clone());
                }
                Some(CompareOp::Ne | CompareOp::In | CompareOp::NotIn) | None => {}
            }
            range
        };
        match &left.kind {
            AstKind::Filter { name, value, .. } if name == "length" || name == "count" => {
                self.narrow(value, env, |v| match &v.shape {
                    Shape::List { item, len } => Some(Abstract {
                        shape: Shape::List { item: item.clone(), len: cut(len) },
                        nullable: v.nullable,
                    }),
                    _ => None,
                });
            }
            _ => self.narrow(left, env, |v| match &v.shape {
                Shape::Number(range) if range.as_number().is_none() => {
                    Some(Abstract { shape: Shape::Number(cut(range)), nullable: v.nullable })
                }
                _ => None,
            }),
        }
    }

    /// Replaces what is known of a path, when it is one; records around it are then not null.
    fn narrow(&self, path: &Ast, env: &mut Env, by: impl FnOnce(&Abstract) -> Option<Abstract>) {
        let mut keys = Vec::new();
        let mut at = path;
        let root = loop {
            match &at.kind {
                AstKind::Var(name) => break name,
                AstKind::Attr(of, key) => {
                    keys.push(key.as_str());
                    at = of;
                }
                _ => return,
            }
        };
        let Some(value) = env.get(root) else { return };
        if let Some(value) = with_field(value, &keys, by) {
            env.set(root.as_str(), value);
        }
    }

    fn args(&self, args: &[KeyArg], env: &Env) -> Vec<Arg> {
        args.iter().map(|arg| Arg { name: arg.name.clone(), value: self.eval(&arg.value, env) }).collect()
    }

    fn index(&self, of: &Abstract, index: &Abstract) -> Abstract {
        match index.value() {
            Some(Value::String(name)) => of.field(&name),
            Some(Value::Number(n)) => n.as_i64().map_or(Abstract::NULL, |i| of.item(i)),
            _ => match &of.shape {
                Shape::Items(_) | Shape::List { .. } => of.any_item().or_null(),
                _ => Abstract::any(),
            },
        }
    }

    fn slice(&self, of: &Abstract, ends: &[Option<Box<Ast>>; 3], env: &Env) -> Abstract {
        let ends: Vec<Abstract> =
            ends.iter().map(|e| e.as_ref().map_or(Abstract::NULL, |e| self.eval(e, env))).collect();
        self.note_if(is_any(of) || ends.iter().any(|end| end.value().is_none()));
        let known = self.compute("v0[v1:v2:v3]", [of].into_iter().chain(&ends));
        known.unwrap_or_else(|| match &of.shape {
            Shape::Text(_) => Abstract::text(),
            _ => Abstract::list(of.any_item(), Interval { min: Some(Formula::default()), ..of.len() }),
        })
    }

    fn binary(&self, op: BinOp, left: &Ast, right: &Ast, env: &Env) -> Abstract {
        let a = self.eval(left, env);
        if matches!(op, BinOp::And | BinOp::Or) {
            // The value of the left operand decides; where it does not, it is what it is when it decides.
            let decides = op == BinOp::Or;
            return match a.truth() {
                Truth::Unknown => {
                    let b = self.eval(right, &self.assuming(left, !decides, env));
                    a.when(decides).map_or_else(|| b.clone(), |a| a.join(&b))
                }
                truth if truth == Truth::from(decides) => a,
                _ => self.eval(right, env),
            };
        }
        let b = self.eval(right, env);
        self.note_if(match op {
            BinOp::Div | BinOp::FloorDiv | BinOp::Rem => b.truth() != Truth::True || is_any(&a) || is_any(&b),
            BinOp::Pow => a.value().is_none() || b.value().is_none(),
            BinOp::Add | BinOp::Sub | BinOp::Mul => is_any(&a) || is_any(&b),
            BinOp::Concat | BinOp::And | BinOp::Or => false,
        });
        match (op, &a.shape, &b.shape) {
            (BinOp::Add, Shape::Items(x), Shape::Items(y)) => Abstract::items(x.iter().chain(y.iter()).cloned()),
            (BinOp::Add, Shape::Items(_) | Shape::List { .. }, _)
            | (BinOp::Add, _, Shape::Items(_) | Shape::List { .. }) => {
                Abstract::list(a.item_of_either(&b), sum(&a.len(), &b.len()))
            }
            (BinOp::Add, Shape::Any(_), Shape::Any(_)) => Abstract::any(),
            (BinOp::Add, Shape::Text(_), _) | (BinOp::Add, _, Shape::Text(_)) | (BinOp::Concat, ..) => {
                self.compute(&source_of(op), [&a, &b]).unwrap_or_else(Abstract::text)
            }
            (BinOp::Add | BinOp::Sub | BinOp::Mul, ..) => Abstract::number(arithmetic(op, &a.range(), &b.range())),
            _ => self.compute(&source_of(op), [&a, &b]).unwrap_or_else(|| {
                Abstract::number(match op {
                    BinOp::Rem => remainder(&a.range(), &b.range()),
                    BinOp::Div | BinOp::FloorDiv => quotient(op, &a.range(), &b.range()),
                    _ => Interval::default(),
                })
            }),
        }
    }

    fn compare(&self, first: &Ast, rest: &[(CompareOp, Ast)], env: &Env) -> Truth {
        let mut left = self.eval(first, env);
        let mut all = Truth::True;
        for (op, right) in rest {
            let right = self.eval(right, env);
            self.note_if(matches!(op, CompareOp::In | CompareOp::NotIn) && is_any(&right));
            match self.compare_two(*op, &left, &right) {
                Truth::False => return Truth::False,
                Truth::Unknown => all = Truth::Unknown,
                Truth::True => {}
            }
            left = right;
        }
        all
    }

    fn compare_two(&self, op: CompareOp, a: &Abstract, b: &Abstract) -> Truth {
        let sure = !a.nullable && !b.nullable;
        let (x, y) = (a.range(), b.range());
        let numbers = matches!((&a.shape, &b.shape), (Shape::Number(_), Shape::Number(_)));
        match op {
            CompareOp::Lt if sure && numbers => x.below(&y),
            CompareOp::Gt if sure && numbers => y.below(&x),
            CompareOp::Le if sure && numbers => !y.below(&x),
            CompareOp::Ge if sure && numbers => !x.below(&y),
            CompareOp::Eq => self.equal(a, b),
            CompareOp::Ne => !self.equal(a, b),
            _ => {
                let known = self.compute(&format!("v0 {} v1", sign(op)), [a, b]);
                known.map_or(Truth::Unknown, |known| known.truth())
            }
        }
    }

    fn equal(&self, a: &Abstract, b: &Abstract) -> Truth {
        match (&a.shape, &b.shape) {
            (Shape::Number(x), Shape::Number(y)) => {
                let never = x.below(y) == Truth::True || y.below(x) == Truth::True;
                match (x.as_number(), y.as_number()) {
                    _ if never => Truth::False,
                    (Some(_), Some(_)) if !a.nullable && !b.nullable => Truth::True,
                    _ => Truth::Unknown,
                }
            }
            (Shape::Nothing, Shape::Any(_)) | (Shape::Any(_), Shape::Nothing) => Truth::Unknown,
            (Shape::Nothing, _) if !b.nullable => Truth::False,
            (_, Shape::Nothing) if !a.nullable => Truth::False,
            _ => self.compute("v0 == v1", [a, b]).map_or(Truth::Unknown, |known| known.truth()),
        }
    }

    /// Whether a test of the expression language holds.
    pub(super) fn test(&self, name: &str, value: &Abstract, args: &[Arg]) -> Truth {
        match (name, &value.shape) {
            ("none", Shape::Nothing) => Truth::True,
            ("none", _) if value.nullable => Truth::Unknown,
            ("none", _) => Truth::False,
            _ => {
                self.note_if(args.iter().any(|arg| arg.value.value().is_none()));
                let source = call_source(&format!("v0 is {name}"), args);
                self.compute(&source, [value].into_iter().chain(args.iter().map(|a| &a.value)))
                    .map_or(Truth::Unknown, |known| known.truth())
            }
        }
    }

    fn range(&self, args: &[Arg]) -> Abstract {
        let ends: Vec<Interval> = args.iter().map(|arg| arg.value.range()).collect();
        let zero = Interval::exactly(0u64);
        let (from, to, step) = match ends.as_slice() {
            [to] => (&zero, to, 1.0),
            [from, to] => (from, to, 1.0),
            [from, to, step] => match step.as_number() {
                Some(step) if step != 0.0 => (from, to, step),
                _ => {
                    self.note_if(true);
                    return Abstract::list(Abstract::number(whole_number()), Interval::whole(0u64, None));
                }
            },
            _ => return Abstract::any(),
        };
        if let (Some(from), Some(to)) = (from.as_number(), to.as_number()) {
            let count = ((to - from) / step).ceil().max(0.0) as usize;
            if count <= RANGE_TOLD_APART {
                let number = |i: usize| Abstract::number(Interval::exactly(Formula::number(from + step * i as f64)));
                return Abstract::items((0..count).map(number));
            }
        }
        // Of two ends that are not both known, steps are counted only by ones.
        let (from, to) = if step < 0.0 { (to, from) } else { (from, to) };
        let mut len = arithmetic(BinOp::Sub, to, from).clamped();
        if step.abs() != 1.0 {
            let whole = |end: Option<Formula>| end.and_then(|e| e.as_number()).map(|n| (n / step.abs()).ceil());
            len = Interval {
                min: Some(whole(len.min).map_or_else(Formula::default, Formula::number)),
                max: whole(len.max.clone()).map(Formula::number).or(len.max),
                whole: true,
            };
        }
        let item = Interval { min: from.min.clone(), max: to.max.clone(), whole: true };
        Abstract::list(Abstract::number(item), len)
    }

    /// Computes an expression of `v0`, `v1`, … when all of them are known; what can't be computed fails in the run as well,
    /// and then says nothing.
    pub(super) fn compute<'a>(
        &self,
        source: &str,
        operands: impl IntoIterator<Item = &'a Abstract>,
    ) -> Option<Abstract> {
        let known = operands.into_iter().map(|v| v.value().map(Arc::new)).collect::<Option<Vec<_>>>()?;
        let mut compiled = self.compiled.borrow_mut();
        if !compiled.contains_key(source) {
            compiled.insert(source.to_owned(), Expr::compile(source).ok());
        }
        let expr = compiled.get(source)?.as_ref()?;
        let value = expr.eval(&Operands(known));
        self.note_if(value.is_err());
        Some(value.map_or_else(|_| Abstract::any(), |value| Abstract::known(&value)))
    }
}

/// An argument of a filter or test.
#[derive(Debug, Clone)]
pub(super) struct Arg {
    /// Its name, when it was given by name.
    pub(super) name: Option<String>,
    /// What is known of it.
    pub(super) value: Abstract,
}

/// `v0 | name(v1, key=v2)`: the source that computes a filter or test of known operands.
pub(super) fn call_source(head: &str, args: &[Arg]) -> String {
    let shown: Vec<String> = args
        .iter()
        .zip(1..)
        .map(|(arg, i)| arg.name.as_ref().map_or_else(|| format!("v{i}"), |name| format!("{name}=v{i}")))
        .collect();
    if shown.is_empty() { head.to_owned() } else { format!("{head}({})", shown.join(", ")) }
}

fn is_any(value: &Abstract) -> bool {
    matches!(value.shape, Shape::Any(_))
}

fn truth_value(truth: Truth) -> Abstract {
    Shape::Boolean(match truth {
        Truth::True => Some(true),
        Truth::False => Some(false),
        Truth::Unknown => None,
    })
    .into()
}

fn with_field(value: &Abstract, keys: &[&str], by: impl FnOnce(&Abstract) -> Option<Abstract>) -> Option<Abstract> {
    let Some((key, inner)) = keys.split_last() else { return by(value) };
    let Shape::Record(fields) = &value.shape else { return None };
    let at = fields.iter().position(|(name, _)| &**name == *key)?;
    let narrowed = with_field(&fields[at].1, inner, by)?;
    let may_be_null = narrowed.nullable && value.nullable;
    let fields = fields
        .iter()
        .enumerate()
        .map(|(i, (name, old))| (name.clone(), if i == at { narrowed.clone() } else { old.clone() }));
    Some(Abstract { nullable: may_be_null, ..Abstract::record(fields.collect::<Vec<_>>()) })
}

fn negated(op: CompareOp) -> Option<CompareOp> {
    match op {
        CompareOp::Lt => Some(CompareOp::Ge),
        CompareOp::Le => Some(CompareOp::Gt),
        CompareOp::Gt => Some(CompareOp::Le),
        CompareOp::Ge => Some(CompareOp::Lt),
        CompareOp::Ne => Some(CompareOp::Eq),
        CompareOp::Eq | CompareOp::In | CompareOp::NotIn => None,
    }
}

fn sign(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "==",
        CompareOp::Ne => "!=",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
        CompareOp::In => "in",
        CompareOp::NotIn => "not in",
    }
}

fn source_of(op: BinOp) -> String {
    format!("v0 {} v1", op.sign())
}

fn whole_number() -> Interval {
    Interval { whole: true, ..Interval::default() }
}

fn raised(range: &Interval, least: Option<Formula>) -> Option<Formula> {
    match (&range.min, least) {
        (Some(min), Some(least)) => Some(min.greatest(&least)),
        (min, least) => min.clone().or(least),
    }
}

/// The sum of two lengths.
pub(super) fn sum(a: &Interval, b: &Interval) -> Interval {
    arithmetic(BinOp::Add, a, b)
}

/// `+`, `-` and `*` of two ranges.
pub(super) fn arithmetic(op: BinOp, a: &Interval, b: &Interval) -> Interval {
    let whole = a.whole && b.whole;
    let pair = |x: &Option<Formula>, y: &Option<Formula>, f: fn(&Formula, &Formula) -> Formula| {
        both(x, y).map(|(x, y)| f(x, y))
    };
    match op {
        BinOp::Add => {
            Interval { min: pair(&a.min, &b.min, Formula::plus), max: pair(&a.max, &b.max, Formula::plus), whole }
        }
        BinOp::Sub => {
            Interval { min: pair(&a.min, &b.max, Formula::minus), max: pair(&a.max, &b.min, Formula::minus), whole }
        }
        BinOp::Mul => product(a, b, whole),
        _ => Interval::default(),
    }
}

fn product(a: &Interval, b: &Interval, whole: bool) -> Interval {
    let zero = Formula::default();
    let positive = |range: &Interval| range.min.as_ref().is_some_and(|min| zero.at_most(min));
    if positive(a) && positive(b) {
        let times = |x: &Option<Formula>, y: &Option<Formula>| both(x, y).map(|(x, y)| x.times(y));
        return Interval { min: times(&a.min, &b.min), max: times(&a.max, &b.max), whole };
    }
    // With signs that are not known only numbers can be multiplied: the ends are among the four products.
    let ends = |range: &Interval| both(&range.min, &range.max).map(|(min, max)| [min.as_number(), max.as_number()]);
    let (Some([Some(a0), Some(a1)]), Some([Some(b0), Some(b1)])) = (ends(a), ends(b)) else {
        return Interval { whole, ..Interval::default() };
    };
    let corners = [a0 * b0, a0 * b1, a1 * b0, a1 * b1];
    let end = |pick: fn(f64, f64) -> f64| corners.into_iter().reduce(pick).map(Formula::number);
    Interval { min: end(f64::min), max: end(f64::max), whole }
}

/// `%` of numbers that are not below zero is below the divisor, and no more than what is divided.
fn remainder(a: &Interval, b: &Interval) -> Interval {
    let zero = Formula::default();
    let unsigned =
        a.min.as_ref().is_some_and(|min| zero.at_most(min)) && b.min.as_ref().is_some_and(|m| zero.at_most(m));
    if !unsigned {
        return Interval { whole: a.whole && b.whole, ..Interval::default() };
    }
    let one = Formula::from(u64::from(a.whole && b.whole));
    let max = b.max.as_ref().map(|max| max.minus(&one).greatest(&zero));
    let range = Interval { min: Some(zero), max, whole: a.whole && b.whole };
    Interval { max: range.capped(a.max.as_ref()).max, ..range }
}

/// `/` and `//` by a number above zero.
fn quotient(op: BinOp, a: &Interval, b: &Interval) -> Interval {
    let whole = op == BinOp::FloorDiv && a.whole && b.whole;
    let Some(by) = b.as_number().filter(|by| *by > 0.0) else { return Interval { whole, ..Interval::default() } };
    let end = |end: &Option<Formula>| {
        end.as_ref().map(|end| match (end.as_number(), op) {
            (Some(n), BinOp::FloorDiv) => Formula::number((n / by).floor()),
            _ => end.times(&Formula::number(1.0 / by)),
        })
    };
    let mut range = Interval { min: end(&a.min), max: end(&a.max), whole };
    if op == BinOp::FloorDiv && range.min.as_ref().is_some_and(|min| min.as_number().is_none()) {
        // Rounding down takes less than one from a formula.
        range.min = range.min.map(|min| min.minus(&Formula::from(1u64)).greatest(&Formula::default()));
    }
    range
}

#[cfg(test)]
mod tests;
