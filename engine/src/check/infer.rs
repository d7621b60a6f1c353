//! The type of an expression, and what is wrong with it: unknown names and paths, null where a value is needed, operands
//! that do not fit.

use super::cx::Cx;
use super::env::{Var, path};
use super::join::{any_length, integer, is_never, join, never, of_value, record, sum, text};
use super::place::Place;
use crate::diag::{Diagnostic, nearest};
use crate::spec::types::{Bound, Length, Range, Type};
use crate::template::{Ast, AstKind, BinOp, CompareOp, KeyArg, Part, UnaryOp};
use crate::value::Value;

impl Cx<'_> {
    /// The type of `ast`; what is wrong is reported at `place`.
    pub(super) fn infer(&mut self, ast: &Ast, place: &Place) -> Type {
        let ty = match &ast.kind {
            AstKind::Const(value) => of_value(value),
            AstKind::Var(name) => self.infer_var(name, ast, place),
            AstKind::Attr(base, name) => {
                self.note_field_use(base, name);
                if let Some(ty) = self.field_of_name(base, name, place) {
                    return self.with_facts(ty, ast);
                }
                let of = self.infer(base, place);
                match name.parse::<i64>() {
                    Ok(index) => index_type(&of, Some(index)),
                    Err(_) => self.field(&of, name, ast, place),
                }
            }
            AstKind::Item(base, key) => {
                let of = self.infer(base, place);
                let key_ty = self.infer(key, place);
                match &key.kind {
                    AstKind::Const(Value::String(name)) => self.field(&of, name, ast, place),
                    AstKind::Const(Value::Number(n)) => index_type(&of, n.as_i64()),
                    AstKind::Unary(UnaryOp::Neg, inner) => match &inner.kind {
                        AstKind::Const(Value::Number(n)) => index_type(&of, n.as_i64().map(|n| -n)),
                        _ => index_type(&of, None),
                    },
                    _ => {
                        self.need(key_ty, key, place, "an index");
                        index_type(&of, None)
                    }
                }
            }
            AstKind::Slice(base, ends) => {
                for end in ends.iter().flatten() {
                    self.infer(end, place);
                }
                let of = self.infer(base, place);
                let of = self.need(of, base, place, "what is sliced");
                match of {
                    Type::List(item, len) => Type::List(item, Length { min: None, max: len.max }),
                    other => other,
                }
            }
            AstKind::Unary(UnaryOp::Not, inner) => {
                self.infer(inner, place);
                Type::Boolean
            }
            AstKind::Unary(UnaryOp::Neg, inner) => {
                let ty = self.infer(inner, place);
                let ty = self.need(ty, inner, place, "what `-` stands before");
                match ty {
                    Type::Integer(r) => Type::Integer(Range { min: r.max.map(|m| -m), max: r.min.map(|m| -m) }),
                    Type::Number(r) => Type::Number(Range { min: r.max.map(|m| -m), max: r.min.map(|m| -m) }),
                    _ => Type::Any,
                }
            }
            AstKind::Binary(op @ (BinOp::And | BinOp::Or), a, b) => self.infer_logic(*op, a, b, place),
            AstKind::Binary(op, a, b) => self.infer_arithmetic(*op, a, b, place),
            AstKind::Compare(first, rest) => self.infer_comparison(first, rest, place),
            AstKind::If { test, then, otherwise } => {
                self.infer(test, place);
                let then_ty = self.assuming(test, true, |cx| cx.infer(then, place));
                let else_ty = match otherwise {
                    Some(other) => self.assuming(test, false, |cx| cx.infer(other, place)),
                    None => Type::Null,
                };
                join(then_ty, else_ty)
            }
            AstKind::Filter { name, value, args } => self.infer_filter(name, value, args, ast, place),
            AstKind::Test { value, args, .. } => {
                self.infer(value, place);
                self.infer_args(args, place);
                Type::Boolean
            }
            AstKind::Call { args, .. } => self.infer_range(args, place),
            AstKind::List(items) => {
                let count = Some(Bound::Fixed(items.len() as u64));
                let mut item = never();
                for each in items {
                    let ty = self.infer(each, place);
                    item = join(item, ty);
                }
                Type::List(Box::new(item), Length { min: count.clone(), max: count })
            }
            AstKind::Map(entries) => {
                let mut fields = Vec::new();
                let mut known = true;
                for (key, value) in entries {
                    let ty = self.infer(value, place);
                    match &key.kind {
                        AstKind::Const(Value::String(name)) => fields.push((name.clone(), ty)),
                        _ => known = false,
                    }
                }
                if known { record(fields) } else { Type::Any }
            }
        };
        self.with_facts(ty, ast)
    }

    fn with_facts(&self, ty: Type, ast: &Ast) -> Type {
        match path(ast) {
            Some(path) if self.env.known(&path) => without_null(ty),
            _ => ty,
        }
    }

    /// `name.field`, where the name is a record that has it: the commonest read, without a copy of the whole record's type.
    fn field_of_name(&mut self, base: &Ast, field: &str, place: &Place) -> Option<Type> {
        let AstKind::Var(name) = &base.kind else { return None };
        let Type::Record(fields) = &self.env.get(name)?.ty else { return None };
        let ty = fields.iter().find(|f| f.name == field)?.ty.clone();
        self.read(name, base, place);
        Some(ty)
    }

    /// Runs `then` where `test` is known to be `truth`.
    pub(super) fn assuming<T>(&mut self, test: &Ast, truth: bool, then: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.env.mark();
        let facts = self.env.truths(test, truth);
        self.env.learn(facts);
        let result = then(self);
        self.env.back(mark);
        result
    }

    /// The parts of a text with holes.
    pub(super) fn infer_parts(&mut self, parts: &[Part], place: &Place) {
        let mark = self.env.mark();
        for part in parts {
            match part {
                Part::Emit(ast) => {
                    self.infer(ast, place);
                }
                Part::If { test, then, otherwise } => {
                    self.infer(test, place);
                    self.assuming(test, true, |cx| cx.infer_parts(then, place));
                    self.assuming(test, false, |cx| cx.infer_parts(otherwise, place));
                }
                Part::For { targets, over, test, body, otherwise } => {
                    let list = self.infer(over, place);
                    let list = self.need(list, over, place, "what `for` goes through");
                    let inner = self.env.mark();
                    let item = item_of(&list);
                    match targets.as_slice() {
                        [one] => self.env.push(Var::new(one, item)),
                        many => many.iter().for_each(|name| self.env.push(Var::new(name, Type::Any))),
                    }
                    self.env.push(Var::new("loop", Type::Any));
                    match test {
                        Some(test) => {
                            self.infer(test, place);
                            self.assuming(test, true, |cx| cx.infer_parts(body, place));
                        }
                        None => self.infer_parts(body, place),
                    }
                    self.env.back(inner);
                    self.infer_parts(otherwise, place);
                }
                Part::Set { targets, value } => {
                    let ty = self.infer(value, place);
                    match targets.as_slice() {
                        [one] => self.env.push(Var::new(one, ty)),
                        many => many.iter().for_each(|name| self.env.push(Var::new(name, Type::Any))),
                    }
                }
                Part::With { values, body } => {
                    let inner = self.env.mark();
                    for (name, value) in values {
                        let ty = self.infer(value, place);
                        self.env.push(Var::new(name, ty));
                    }
                    self.infer_parts(body, place);
                    self.env.back(inner);
                }
                Part::Include { start, end, parts, .. } => {
                    let here = place.whole(place.span(&self.sources, *start, *end));
                    self.infer_parts(parts, &here);
                }
            }
        }
        self.env.back(mark);
    }

    /// Refuses null: `what` needs a value.
    pub(super) fn need(&mut self, ty: Type, ast: &Ast, place: &Place, what: &str) -> Type {
        if !ty.nullable() {
            return ty;
        }
        let span = place.span(&self.sources, ast.start, ast.end);
        let shown = path(ast).map_or_else(|| "this".to_owned(), |p| format!("`{p}`"));
        self.report(
            Diagnostic::error(
                "null-value",
                place.at.to_string(),
                span,
                format!("{shown} may be null, and {what} must not be"),
            )
            .help("rule null out first: `x if y is not none else z`, `x or z`, or a `when` on this node"),
        );
        without_null(ty)
    }

    fn infer_var(&mut self, name: &str, ast: &Ast, place: &Place) -> Type {
        self.read(name, ast, place);
        if let Some(var) = self.env.get(name) {
            return var.ty.clone();
        }
        let span = place.span(&self.sources, ast.start, ast.end);
        let similar = nearest(name, self.env.names()).map(str::to_owned);
        let message = match name {
            "budget" => "no budget stands around this place".to_owned(),
            "state" | "pass" | "prev" => format!("`{name}` is known only inside a loop"),
            "it" => "`it` is known only in rules".to_owned(),
            "error" => "`error` is known only in `on_error`".to_owned(),
            _ => format!("unknown name `{name}`"),
        };
        let mut found = Diagnostic::error("unknown-name", place.at.to_string(), span, message);
        if let Some(similar) = similar {
            found = found.help(format!("a similar name is in scope: `{similar}`")).fix(span, similar);
        }
        self.report(found);
        never()
    }

    pub(super) fn field(&mut self, of: &Type, name: &str, ast: &Ast, place: &Place) -> Type {
        match of {
            Type::Any | Type::Schema(_) => Type::Any,
            // Null reads through: any path of null is null.
            Type::Null => Type::Null,
            Type::Record(fields) => match fields.iter().find(|f| f.name == name) {
                Some(field) => field.ty.clone(),
                None => {
                    let known: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
                    self.unknown_path(name, &known, ast, place);
                    never()
                }
            },
            // An error that was told: nothing more is known.
            Type::Union(members) if members.is_empty() => never(),
            Type::Union(members) => {
                let with: Vec<&Type> = members
                    .iter()
                    .filter(|m| !matches!(m, Type::Record(f) if f.iter().all(|f| f.name != name)))
                    .collect();
                if with.iter().all(|m| matches!(m, Type::Null)) {
                    // No record of the union has it: tell it of the first that could.
                    let known: Vec<&str> = members.iter().flat_map(|m| fields_of(m)).collect();
                    if !known.is_empty() {
                        self.unknown_path(name, &known, ast, place);
                        return never();
                    }
                }
                let all = with.len() == members.len();
                let mut ty = if all { never() } else { Type::Null };
                for member in with {
                    let next = self.field(member, name, ast, place);
                    ty = join(ty, next);
                }
                ty
            }
            Type::Boolean
            | Type::Integer(_)
            | Type::Number(_)
            | Type::Text(_)
            | Type::Code
            | Type::Literals(_)
            | Type::List(..) => {
                self.unknown_path(name, &[], ast, place);
                never()
            }
        }
    }

    fn unknown_path(&mut self, name: &str, known: &[&str], ast: &Ast, place: &Place) {
        let base = match &ast.kind {
            AstKind::Attr(base, _) | AstKind::Item(base, _) => path(base),
            _ => None,
        };
        let of = base.map_or_else(|| "this value".to_owned(), |b| format!("`{b}`"));
        let span = place.span(&self.sources, ast.start, ast.end);
        let message = format!("{of} has no field `{name}`");
        let found = Diagnostic::error("unknown-path", place.at.to_string(), span, message);
        let found = match nearest(name, known.iter().copied()) {
            Some(similar) => {
                let key = place.span(&self.sources, ast.end.saturating_sub(name.len()), ast.end);
                found.help(format!("a similar field exists: `{similar}`")).fix(key, similar)
            }
            None if known.is_empty() => found.help("it is not a record"),
            None => found.help(format!("it has: {}", known.join(", "))),
        };
        self.report(found);
    }

    fn infer_logic(&mut self, op: BinOp, a: &Ast, b: &Ast, place: &Place) -> Type {
        let left = self.infer(a, place);
        let right = self.assuming(a, op == BinOp::And, |cx| cx.infer(b, place));
        match op {
            // `a or b` is `a` only when `a` is true, so not null.
            BinOp::Or => join(without_null(left), right),
            _ if left == Type::Boolean => join(Type::Boolean, right),
            _ => join(left, right),
        }
    }

    fn infer_arithmetic(&mut self, op: BinOp, a: &Ast, b: &Ast, place: &Place) -> Type {
        let left = self.infer(a, place);
        let right = self.infer(b, place);
        if op == BinOp::Concat {
            return text();
        }
        let sign = op.sign();
        let left = self.need(left, a, place, &format!("an operand of `{sign}`"));
        let right = self.need(right, b, place, &format!("an operand of `{sign}`"));
        match (op, left, right) {
            (_, x, y) if is_never(&x) || is_never(&y) => never(),
            (_, Type::Any | Type::Schema(_), _) | (_, _, Type::Any | Type::Schema(_)) => Type::Any,
            (BinOp::Add, Type::List(x, m), Type::List(y, n)) => Type::List(
                Box::new(join(*x, *y)),
                Length { min: sum(m.min.as_ref(), n.min.as_ref()), max: sum(m.max.as_ref(), n.max.as_ref()) },
            ),
            (BinOp::Add, x, y) if is_text(&x) && is_text(&y) => text(),
            (BinOp::Div, Type::Integer(_) | Type::Number(_), Type::Integer(_) | Type::Number(_)) => {
                Type::Number(Range::default())
            }
            (op, Type::Integer(x), Type::Integer(y)) => Type::Integer(combine(op, x, y)),
            (op, Type::Integer(x) | Type::Number(x), Type::Integer(y) | Type::Number(y)) => {
                Type::Number(combine(op, x, y))
            }
            (BinOp::Mul, x, Type::Integer(_)) if is_text(&x) => text(),
            (_, x, y) if is_union(&x) || is_union(&y) => Type::Any,
            (_, x, y) => {
                let span = place.span(&self.sources, a.start, b.end);
                self.report(Diagnostic::error(
                    "type-mismatch",
                    place.at.to_string(),
                    span,
                    format!("`{sign}` does not go with {x} and {y}"),
                ));
                Type::Any
            }
        }
    }

    fn infer_comparison(&mut self, first: &Ast, rest: &[(CompareOp, Ast)], place: &Place) -> Type {
        let mut left = (first, self.infer(first, place));
        for (op, right) in rest {
            let right_ty = self.infer(right, place);
            match op {
                CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => {
                    self.need(left.1.clone(), left.0, place, "what is put in order");
                    self.need(right_ty.clone(), right, place, "what is put in order");
                }
                CompareOp::Eq | CompareOp::Ne => {
                    self.compare_literals(left.0, &left.1, right, &right_ty, place);
                    self.compare_literals(right, &right_ty, left.0, &left.1, place);
                }
                CompareOp::In | CompareOp::NotIn => {
                    self.need(right_ty.clone(), right, place, "what is looked in");
                }
            }
            left = (right, right_ty);
        }
        Type::Boolean
    }

    /// A word that the other side can never be is a slip.
    fn compare_literals(&mut self, a: &Ast, ty: &Type, word: &Ast, word_ty: &Type, place: &Place) {
        let (Type::Literals(words), AstKind::Const(value @ Value::String(_))) = (without_null(ty.clone()), &word.kind)
        else {
            return;
        };
        if matches!(a.kind, AstKind::Const(_)) || words.contains(value) || matches!(word_ty, Type::Null) {
            return;
        }
        let known: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        let meant = nearest(value.as_str().unwrap_or_default(), known.iter().copied());
        let span = place.span(&self.sources, word.start, word.end);
        let shown = path(a).map_or_else(|| "this".to_owned(), |p| format!("`{p}`"));
        let found = Diagnostic::error("type-mismatch", place.at.to_string(), span, format!("{shown} is never {value}"))
            .help(format!("it is one of: {}", known.join(", ")));
        let found = match meant {
            Some(meant) => found.fix(span, format!("\"{meant}\"")),
            None => found,
        };
        self.report(found);
    }

    pub(super) fn infer_args(&mut self, args: &[KeyArg], place: &Place) -> Vec<Type> {
        args.iter().map(|arg| self.infer(&arg.value, place)).collect()
    }

    fn infer_range(&mut self, args: &[KeyArg], place: &Place) -> Type {
        let types = self.infer_args(args, place);
        for (ty, arg) in types.iter().zip(args) {
            self.need(ty.clone(), &arg.value, place, "an argument of `range`");
        }
        let ends = |i: usize| match types.get(i) {
            Some(Type::Integer(r)) => *r,
            _ => Range::default(),
        };
        let (from, to) =
            if args.len() == 1 { (Range { min: Some(0.0), max: Some(0.0) }, ends(0)) } else { (ends(0), ends(1)) };
        let step = if args.len() == 3 { ends(2).min.unwrap_or(1.0).max(1.0) } else { 1.0 };
        let count = |high: Option<f64>, low: Option<f64>| match (high, low) {
            (Some(high), _) if high.is_infinite() => Some(Bound::Flow("its length".to_owned())),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to a small non-negative number"
            )]
            (Some(high), Some(low)) => Some(Bound::Fixed(((high - low) / step).ceil().clamp(0.0, 1e15) as u64)),
            _ => None,
        };
        let length = Length { min: count(to.min, from.max), max: count(to.max, from.min) };
        Type::List(Box::new(integer(from.min, to.max.map(|m| m - 1.0))), length)
    }
}

pub(super) fn without_null(ty: Type) -> Type {
    match ty {
        // Null alone ruled out: nothing is left to say, so nothing more is reported.
        Type::Null => Type::Any,
        Type::Union(members) => {
            let mut kept: Vec<Type> = members.into_iter().filter(|m| *m != Type::Null).collect();
            if kept.len() == 1 { kept.remove(0) } else { Type::Union(kept) }
        }
        other => other,
    }
}

fn fields_of(ty: &Type) -> Vec<&str> {
    match ty {
        Type::Record(fields) => fields.iter().map(|f| f.name.as_str()).collect(),
        _ => Vec::new(),
    }
}

/// The item at an index: null past the end, unless the length says it is there; a computed index is trusted.
pub(super) fn index_type(of: &Type, index: Option<i64>) -> Type {
    match of {
        Type::List(item, length) => {
            let fewest = match length.min {
                Some(Bound::Fixed(n)) => i64::try_from(n).unwrap_or(i64::MAX),
                _ => 0,
            };
            let there = index.is_none_or(|i| if i < 0 { -i <= fewest } else { i < fewest });
            let item = (**item).clone();
            if there { item } else { join(item, Type::Null) }
        }
        Type::Union(members) if members.is_empty() => never(),
        Type::Union(members) => members.iter().map(|m| index_type(m, index)).fold(never(), join),
        Type::Null => Type::Null,
        Type::Text(_) | Type::Code | Type::Literals(_) => join(text(), Type::Null),
        _ => Type::Any,
    }
}

/// The item of a list; anything of anything else.
pub(super) fn item_of(ty: &Type) -> Type {
    match ty {
        Type::Union(members) if members.is_empty() => never(),
        Type::List(item, _) if is_never(item) => Type::Any,
        Type::List(item, _) => (**item).clone(),
        _ => Type::Any,
    }
}

pub(super) fn is_text(ty: &Type) -> bool {
    match ty {
        Type::Text(_) | Type::Code => true,
        Type::Literals(words) => words.iter().all(Value::is_string),
        _ => false,
    }
}

fn is_union(ty: &Type) -> bool {
    matches!(ty, Type::Union(_))
}

/// The range of a result, from the ranges of its operands.
fn combine(op: BinOp, a: Range, b: Range) -> Range {
    let both =
        |x: Option<f64>, y: Option<f64>, f: fn(f64, f64) -> f64| x.zip(y).map(|(x, y)| f(x, y)).filter(|v| !v.is_nan());
    match op {
        BinOp::Add => Range { min: both(a.min, b.min, |x, y| x + y), max: both(a.max, b.max, |x, y| x + y) },
        BinOp::Sub => Range { min: both(a.min, b.max, |x, y| x - y), max: both(a.max, b.min, |x, y| x - y) },
        BinOp::Mul => {
            let corners = [
                both(a.min, b.min, |x, y| x * y),
                both(a.min, b.max, |x, y| x * y),
                both(a.max, b.min, |x, y| x * y),
                both(a.max, b.max, |x, y| x * y),
            ];
            match corners {
                [Some(w), Some(x), Some(y), Some(z)] => {
                    Range { min: Some(w.min(x).min(y).min(z)), max: Some(w.max(x).max(y).max(z)) }
                }
                _ => Range::default(),
            }
        }
        BinOp::FloorDiv if b.min.is_some_and(|m| m >= 1.0) && a.min.is_some_and(|m| m >= 0.0) => {
            Range { min: Some(0.0), max: both(a.max, b.min, |x, y| (x / y).floor()) }
        }
        BinOp::Rem if b.min.is_some_and(|m| m >= 1.0) => Range { min: Some(0.0), max: b.max.map(|m| m - 1.0) },
        BinOp::FloorDiv | BinOp::Rem | BinOp::Pow | BinOp::Div | BinOp::Concat | BinOp::And | BinOp::Or => {
            Range::default()
        }
    }
}

/// A list of anything, of any length.
pub(super) fn some_list() -> Type {
    any_length(Type::Any)
}
