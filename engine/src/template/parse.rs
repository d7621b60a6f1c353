//! From source to tree: minijinja reads the grammar, what comes out is ours. The only file that knows minijinja.
//! What the language leaves out (methods, macros, inheritance) is refused here, with its place.

use super::ast::{Ast, AstKind, BinOp, CompareOp, KeyArg, Part, UnaryOp};
use super::{SyntaxError, filters, ops};
use crate::value::Value;
use minijinja::machinery::ast as mj;
use minijinja::machinery::{Span, Token, Tokenizer};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use std::ops::Range;
use std::sync::LazyLock;

/// Most tokens of one expression or tag: five times the longest expression of the shipped flows, and few enough that
/// minijinja's parser, which recurses on `not not …`, stays within a thread's stack.
const MOST_TOKENS: usize = 1000;
/// Deepest tree: evaluation recurses on it. A sum of so many terms is as deep as it has terms.
const DEEPEST: usize = 150;
/// Most blocks, partials and `set` around a part of a text: printing recurses on them.
const DEEPEST_PART: usize = 60;
/// Most `elif` of one text: the parser recurses on them, and each is a block within the one before.
const MOST_ELIFS: usize = 50;
/// Most partials included in one text, counting each time: partials that include each other twice double with each step.
const MOST_INCLUDES: usize = 256;

/// Blocks leave no blank lines; the last newline is the author's (a YAML `|` block ends with one).
static SYNTAX: LazyLock<SyntaxConfig> = LazyLock::new(|| {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .expect("internal error: minijinja's own delimiters are refused")
});

/// The tree of an expression.
pub(super) fn expression(source: &str) -> Result<Ast, SyntaxError> {
    within_bounds(source, true)?;
    let parsed = minijinja::machinery::parse_expr(source).map_err(|e| syntax_error(&e, source))?;
    Reader { source, partials: &mut Partials::none(), depth: 0 }.expr(&parsed)
}

/// A text that was read.
pub(super) struct Parsed {
    pub(super) parts: Vec<Part>,
    /// Its partials by path.
    pub(super) partials: Vec<(String, String)>,
}

/// The parts of a text and its partials.
pub(super) fn text(source: &str, find: &dyn Fn(&str) -> Option<String>) -> Result<Parsed, SyntaxError> {
    let mut partials = Partials { find, open: Vec::new(), texts: Vec::new(), included: 0, depth: 0 };
    let parts = text_parts(source, &mut partials)?;
    Ok(Parsed { parts, partials: partials.texts })
}

fn text_parts(source: &str, partials: &mut Partials<'_>) -> Result<Vec<Part>, SyntaxError> {
    within_bounds(source, false)?;
    let parsed = minijinja::machinery::parse(source, "text", SYNTAX.clone()).map_err(|e| syntax_error(&e, source))?;
    let mj::Stmt::Template(template) = parsed else {
        unreachable!("internal error: minijinja's root is not a template")
    };
    Reader { source, partials, depth: 0 }.parts(&template.children)
}

/// Counts before parsing what the parser's recursion does not count itself. Text that can't be read is left to the parser.
fn within_bounds(source: &str, in_expression: bool) -> Result<(), SyntaxError> {
    let mut tokenizer = Tokenizer::new(source, "text", in_expression, SYNTAX.clone());
    let (mut tokens, mut elifs, mut start) = (0, 0, 0);
    while let Ok(Some((token, span))) = tokenizer.next_token() {
        match token {
            Token::VariableStart | Token::BlockStart => (tokens, start) = (0, span.start_offset as usize),
            Token::Ident("elif") if tokens == 0 && !in_expression => elifs += 1,
            _ => tokens += 1,
        }
        let place = start..span.end_offset as usize;
        if tokens > MOST_TOKENS {
            return Err(wrong(place, "this is longer than 1000 words and signs; compute parts of it in `let` nodes"));
        }
        if elifs > MOST_ELIFS {
            return Err(wrong(place, "there are more than 50 `elif` in this text"));
        }
    }
    Ok(())
}

fn syntax_error(error: &minijinja::Error, source: &str) -> SyntaxError {
    let mut place = error.range().unwrap_or(0..source.len());
    place.end = place.end.min(source.len());
    place.start = place.start.min(place.end);
    while !source.is_char_boundary(place.start) {
        place.start -= 1;
    }
    while !source.is_char_boundary(place.end) {
        place.end += 1;
    }
    wrong(place, error.detail().map_or_else(|| error.kind().to_string(), str::to_owned))
}

pub(super) fn wrong(place: Range<usize>, message: impl Into<String>) -> SyntaxError {
    SyntaxError { start: place.start, end: place.end, message: message.into(), unknown_filter: None }
}

fn place(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// The texts that `{% include %}` can reach.
struct Partials<'p> {
    find: &'p dyn Fn(&str) -> Option<String>,
    /// The partials being read, outermost first.
    open: Vec<String>,
    texts: Vec<(String, String)>,
    included: usize,
    /// Blocks, partials and `set` around what is being read.
    depth: usize,
}

impl Partials<'_> {
    fn none() -> Self {
        Self { find: &|_| None, open: Vec::new(), texts: Vec::new(), included: 0, depth: 0 }
    }

    /// Goes within one more block, partial or `set`; whoever stands around it goes back.
    fn deeper(&mut self, at: Range<usize>) -> Result<(), SyntaxError> {
        self.depth += 1;
        if self.depth > DEEPEST_PART {
            return Err(wrong(at, "more than 60 blocks, partials and `set` stand around this"));
        }
        Ok(())
    }

    fn include(&mut self, path: &str, at: Range<usize>) -> Result<Vec<Part>, SyntaxError> {
        if self.open.iter().any(|open| open == path) {
            return Err(wrong(at, format!("`{path}` includes itself: {} -> {path}", self.open.join(" -> "))));
        }
        self.included += 1;
        if self.included > MOST_INCLUDES {
            return Err(wrong(at, "this text includes more than 256 partials"));
        }
        let text = match self.texts.iter().find(|(known, _)| known == path) {
            Some((_, text)) => text.clone(),
            None => {
                let text =
                    (self.find)(path).ok_or_else(|| wrong(at.clone(), format!("there is no partial `{path}`")))?;
                self.texts.push((path.to_owned(), text.clone()));
                text
            }
        };
        self.open.push(path.to_owned());
        let around = self.depth;
        self.deeper(at.clone())?;
        let parts = text_parts(&text, self).map_err(|inner| {
            let line = text[..inner.start].matches('\n').count() + 1;
            let message = format!("in `{path}`, line {line}: {}", inner.message);
            SyntaxError { start: at.start, end: at.end, message, unknown_filter: inner.unknown_filter }
        })?;
        self.depth = around;
        self.open.pop();
        Ok(parts)
    }
}

/// Reads minijinja's tree of one source.
struct Reader<'s, 'p, 'f> {
    source: &'s str,
    partials: &'p mut Partials<'f>,
    /// Expressions around the one that is being read.
    depth: usize,
}

impl Reader<'_, '_, '_> {
    fn parts(&mut self, children: &[mj::Stmt<'_>]) -> Result<Vec<Part>, SyntaxError> {
        children.iter().map(|child| self.part(child)).collect()
    }

    /// The parts within a block.
    fn block(&mut self, children: &[mj::Stmt<'_>], block: Span) -> Result<Vec<Part>, SyntaxError> {
        let around = self.partials.depth;
        self.partials.deeper(place(block))?;
        let parts = self.parts(children)?;
        self.partials.depth = around;
        Ok(parts)
    }

    fn part(&mut self, stmt: &mj::Stmt<'_>) -> Result<Part, SyntaxError> {
        match stmt {
            mj::Stmt::EmitRaw(raw) => {
                let Range { start, end } = place(raw.span());
                Ok(Part::Emit(Ast { start, end, kind: AstKind::Const(Value::from(raw.raw)) }))
            }
            mj::Stmt::EmitExpr(emit) => self.expr(&emit.expr).map(Part::Emit),
            mj::Stmt::IfCond(cond) => self.cond(cond, cond.span()),
            mj::Stmt::ForLoop(each) if !each.recursive => self.each(each, each.span()),
            mj::Stmt::Set(set) => {
                // What follows a `set` is printed within it.
                self.partials.deeper(place(set.span()))?;
                Ok(Part::Set { targets: self.targets(&set.target)?, value: self.expr(&set.expr)? })
            }
            mj::Stmt::WithBlock(with) => self.with(with, with.span()),
            mj::Stmt::Include(include) => self.include(include),
            other => Err(refusal(other)),
        }
    }

    fn cond(&mut self, cond: &mj::IfCond<'_>, span: Span) -> Result<Part, SyntaxError> {
        let test = self.expr(&cond.expr)?;
        let then = self.block(&cond.true_body, span)?;
        Ok(Part::If { test, then, otherwise: self.block(&cond.false_body, span)? })
    }

    fn each(&mut self, each: &mj::ForLoop<'_>, span: Span) -> Result<Part, SyntaxError> {
        let targets = self.targets(&each.target)?;
        let over = self.expr(&each.iter)?;
        let test = each.filter_expr.as_ref().map(|test| self.expr(test)).transpose()?;
        let body = self.block(&each.body, span)?;
        Ok(Part::For { targets, over, test, body, otherwise: self.block(&each.else_body, span)? })
    }

    fn with(&mut self, with: &mj::WithBlock<'_>, span: Span) -> Result<Part, SyntaxError> {
        let values = with.assignments.iter().map(|(target, value)| Ok((self.target(target)?, self.expr(value)?)));
        let values = values.collect::<Result<_, SyntaxError>>()?;
        Ok(Part::With { values, body: self.block(&with.body, span)? })
    }

    fn include(&mut self, include: &mj::Spanned<mj::Include<'_>>) -> Result<Part, SyntaxError> {
        let at = place(include.span());
        let mj::Expr::Const(name) = &include.name else {
            return Err(wrong(at, "`include` takes the path of a partial as a literal text"));
        };
        let Some(path) = name.value.as_str() else {
            return Err(wrong(at, "`include` takes the path of a partial as a literal text"));
        };
        if include.ignore_missing {
            return Err(wrong(at, "`ignore missing` is not in the language: a partial that is missing is an error"));
        }
        let parts = self.partials.include(path, at.clone())?;
        Ok(Part::Include { path: path.to_owned(), start: at.start, end: at.end, parts })
    }

    fn targets(&self, target: &mj::Expr<'_>) -> Result<Vec<String>, SyntaxError> {
        match target {
            mj::Expr::List(list) => list.items.iter().map(|item| self.target(item)).collect(),
            single => Ok(vec![self.target(single)?]),
        }
    }

    fn target(&self, target: &mj::Expr<'_>) -> Result<String, SyntaxError> {
        match target {
            mj::Expr::Var(var) => Ok(var.id.to_owned()),
            other => Err(wrong(place(other.span()), "only a plain name can be given a value")),
        }
    }

    fn expr(&mut self, expr: &mj::Expr<'_>) -> Result<Ast, SyntaxError> {
        let span = place(expr.span());
        if self.depth >= DEEPEST {
            return Err(wrong(span, "this is nested too deep; compute parts of it in `let` nodes"));
        }
        self.depth += 1;
        let kind = self.kind(expr, &span)?;
        self.depth -= 1;
        // minijinja's spans of what begins with an operand begin at the operator, or before the operand.
        let start = match &kind {
            AstKind::Attr(first, _)
            | AstKind::Item(first, _)
            | AstKind::Slice(first, _)
            | AstKind::Binary(_, first, _)
            | AstKind::Compare(first, _)
            | AstKind::If { then: first, .. }
            | AstKind::Filter { value: first, .. }
            | AstKind::Test { value: first, .. } => self.with_parentheses(first.start, span.end),
            AstKind::Unary(UnaryOp::Not, inner) => span.start.min(inner.start),
            AstKind::Var(_)
            | AstKind::Const(_)
            | AstKind::Unary(UnaryOp::Neg, _)
            | AstKind::Call { .. }
            | AstKind::List(_)
            | AstKind::Map(_) => span.start,
        };
        Ok(Ast { start, end: span.end, kind })
    }

    fn boxed(&mut self, expr: &mj::Expr<'_>) -> Result<Box<Ast>, SyntaxError> {
        self.expr(expr).map(Box::new)
    }

    fn optional(&mut self, expr: Option<&mj::Expr<'_>>) -> Result<Option<Box<Ast>>, SyntaxError> {
        expr.map(|expr| self.boxed(expr)).transpose()
    }

    /// Each kind in a function of its own: this recurses, and a frame has room for all that stands in a function.
    fn kind(&mut self, expr: &mj::Expr<'_>, span: &Range<usize>) -> Result<AstKind, SyntaxError> {
        match expr {
            mj::Expr::Var(var) => Ok(AstKind::Var(var.id.to_owned())),
            mj::Expr::Const(constant) => match literal(&constant.value) {
                Some(value) => Ok(AstKind::Const(value)),
                None => Err(wrong(span.clone(), "this number is too large")),
            },
            mj::Expr::Slice(slice) => self.slice(slice),
            mj::Expr::UnaryOp(unary) => self.unary(unary, span),
            mj::Expr::BinOp(binary) => self.binary(binary),
            mj::Expr::Compare(compare) => self.compare(compare),
            mj::Expr::IfExpr(cond) => self.inline_if(cond),
            mj::Expr::Filter(filter) => self.filter(filter, span),
            mj::Expr::Test(test) => self.test(test, span),
            mj::Expr::GetAttr(attr) => Ok(AstKind::Attr(self.boxed(&attr.expr)?, attr.name.to_owned())),
            mj::Expr::GetItem(item) => self.item(item),
            mj::Expr::Call(call) => self.call(call, span),
            mj::Expr::List(list) => Ok(AstKind::List(self.exprs(&list.items)?)),
            mj::Expr::Tuple(tuple) => Ok(AstKind::List(self.exprs(&tuple.items)?)),
            mj::Expr::Map(map) => self.map(map),
        }
    }

    fn slice(&mut self, slice: &mj::Slice<'_>) -> Result<AstKind, SyntaxError> {
        let of = self.boxed(&slice.expr)?;
        let from = self.optional(slice.start.as_ref())?;
        let to = self.optional(slice.stop.as_ref())?;
        Ok(AstKind::Slice(of, [from, to, self.optional(slice.step.as_ref())?]))
    }

    fn unary(&mut self, unary: &mj::UnaryOp<'_>, span: &Range<usize>) -> Result<AstKind, SyntaxError> {
        let of = self.boxed(&unary.expr)?;
        match (&unary.op, &of.kind) {
            // `-1` is a literal, as the index of a path for one.
            (mj::UnaryOpKind::Neg, AstKind::Const(number)) => match ops::negate(number) {
                Ok(number) => Ok(AstKind::Const(number)),
                Err(fault) => Err(wrong(span.clone(), fault.message)),
            },
            (mj::UnaryOpKind::Neg, _) => Ok(AstKind::Unary(UnaryOp::Neg, of)),
            (mj::UnaryOpKind::Not, _) => Ok(AstKind::Unary(UnaryOp::Not, of)),
        }
    }

    fn binary(&mut self, binary: &mj::BinOp<'_>) -> Result<AstKind, SyntaxError> {
        let left = self.boxed(&binary.left)?;
        Ok(match operator(binary.op) {
            Operator::Binary(op) => AstKind::Binary(op, left, self.boxed(&binary.right)?),
            Operator::Compare(op) => AstKind::Compare(left, vec![(op, self.expr(&binary.right)?)]),
        })
    }

    fn compare(&mut self, compare: &mj::Compare<'_>) -> Result<AstKind, SyntaxError> {
        let first = self.boxed(&compare.expr)?;
        let rest = compare.ops.iter().map(|c| Ok((comparison(c.op), self.expr(&c.expr)?)));
        Ok(AstKind::Compare(first, rest.collect::<Result<_, SyntaxError>>()?))
    }

    fn inline_if(&mut self, cond: &mj::IfExpr<'_>) -> Result<AstKind, SyntaxError> {
        let then = self.boxed(&cond.true_expr)?;
        let test = self.boxed(&cond.test_expr)?;
        Ok(AstKind::If { test, then, otherwise: self.optional(cond.false_expr.as_ref())? })
    }

    fn filter(&mut self, filter: &mj::Filter<'_>, span: &Range<usize>) -> Result<AstKind, SyntaxError> {
        let Some(value) = &filter.expr else {
            unreachable!("internal error: a filter without a value stands only in blocks that are refused")
        };
        let value = self.boxed(value)?;
        let args = self.args(&filter.args)?;
        filters::check_filter(filter.name, &args, &(span.start..span.start + filter.name.len()))?;
        Ok(AstKind::Filter { name: filter.name.to_owned(), value, args })
    }

    fn test(&mut self, test: &mj::Test<'_>, span: &Range<usize>) -> Result<AstKind, SyntaxError> {
        let value = self.boxed(&test.expr)?;
        let args = self.args(&test.args)?;
        filters::check_test(test.name, &args, &(span.start..span.start + test.name.len()))?;
        Ok(AstKind::Test { name: test.name.to_owned(), value, args })
    }

    fn item(&mut self, item: &mj::GetItem<'_>) -> Result<AstKind, SyntaxError> {
        let of = self.boxed(&item.expr)?;
        Ok(AstKind::Item(of, self.boxed(&item.subscript_expr)?))
    }

    fn call(&mut self, call: &mj::Call<'_>, span: &Range<usize>) -> Result<AstKind, SyntaxError> {
        let (of, message) = match &call.expr {
            mj::Expr::Var(var) => {
                let args = self.args(&call.args)?;
                filters::check_call(var.id, &args, &place(var.span()))?;
                return Ok(AstKind::Call { name: var.id.to_owned(), args });
            }
            mj::Expr::GetAttr(attr) => {
                (&attr.expr, format!("`.{}(…)`: values have no methods; use a filter", attr.name))
            }
            called => (called, "only `range(…)` can be called; values have filters".to_owned()),
        };
        let start = self.expr(of)?.start;
        Err(wrong(self.with_parentheses(start, span.end)..span.end, message))
    }

    fn map(&mut self, map: &mj::Map<'_>) -> Result<AstKind, SyntaxError> {
        let pairs = map.keys.iter().zip(&map.values).map(|(k, v)| Ok((self.expr(k)?, self.expr(v)?)));
        Ok(AstKind::Map(pairs.collect::<Result<_, SyntaxError>>()?))
    }

    /// The start moved before the parentheses that close within `start..end` and open just before it.
    fn with_parentheses(&self, mut start: usize, end: usize) -> usize {
        loop {
            let Some(text) = self.source.get(start..end) else { return start };
            if text.matches(')').count() <= text.matches('(').count() {
                return start;
            }
            match self.source[..start].trim_end().strip_suffix('(') {
                Some(before) => start = before.len(),
                None => return start,
            }
        }
    }

    fn exprs(&mut self, items: &[mj::Expr<'_>]) -> Result<Vec<Ast>, SyntaxError> {
        items.iter().map(|item| self.expr(item)).collect()
    }

    fn args(&mut self, args: &[mj::CallArg<'_>]) -> Result<Vec<KeyArg>, SyntaxError> {
        args.iter()
            .map(|arg| match arg {
                mj::CallArg::Pos(value) => Ok(KeyArg { name: None, value: self.expr(value)? }),
                mj::CallArg::Kwarg(name, value) => {
                    Ok(KeyArg { name: Some((*name).to_owned()), value: self.expr(value)? })
                }
                mj::CallArg::PosSplat(value) | mj::CallArg::KwargSplat(value) => Err(wrong(
                    place(value.span()),
                    "`*` before an argument is not in the language; write each argument",
                )),
            })
            .collect()
    }
}

/// Why a statement of minijinja's is not in the language, and what to write instead.
fn refusal(stmt: &mj::Stmt<'_>) -> SyntaxError {
    const SHARE: &str = "share text with `{% include \"file.md\" %}`";
    let (tag, span, what, instead) = match stmt {
        mj::Stmt::ForLoop(s) => ("for", s.span(), "a recursive loop", "nest two loops"),
        mj::Stmt::SetBlock(s) => ("set", s.span(), "a `set` block", "write `{% set name = value %}`"),
        mj::Stmt::FilterBlock(s) => ("filter", s.span(), "a `filter` block", "write `{{ value | filter }}`"),
        mj::Stmt::AutoEscape(s) => ("autoescape", s.span(), "`autoescape`", "text is never escaped"),
        mj::Stmt::Block(s) => ("block", s.span(), "a `block`", SHARE),
        mj::Stmt::Extends(s) => ("extends", s.span(), "`extends`", SHARE),
        mj::Stmt::Import(s) => ("import", s.span(), "`import`", SHARE),
        mj::Stmt::FromImport(s) => ("from", s.span(), "`import`", SHARE),
        mj::Stmt::Macro(s) => ("macro", s.span(), "a `macro`", SHARE),
        mj::Stmt::CallBlock(s) => ("call", s.span(), "a `call` block", "there are no macros"),
        mj::Stmt::Do(s) => ("do", s.span(), "`do`", "values have filters, and nothing has effects"),
        _ => unreachable!("internal error: a statement that is in the language"),
    };
    let start = span.start_offset as usize;
    wrong(start..start + tag.len(), format!("{what} is not in the language; {instead}"))
}

/// A literal as a value; none for a number that JSON can't hold.
fn literal(value: &minijinja::Value) -> Option<Value> {
    match value.kind() {
        ValueKind::None => Some(Value::Null),
        ValueKind::Bool => Some(Value::Bool(value.is_true())),
        ValueKind::Number if value.is_integer() => u64::try_from(value.clone()).ok().map(Value::from),
        ValueKind::Number => {
            f64::try_from(value.clone()).ok().and_then(serde_json::Number::from_f64).map(Value::Number)
        }
        ValueKind::String => value.as_str().map(Value::from),
        _ => unreachable!("internal error: minijinja has no literal of this kind"),
    }
}

/// minijinja holds single comparisons among its binary operators.
enum Operator {
    Binary(BinOp),
    Compare(CompareOp),
}

fn operator(op: mj::BinOpKind) -> Operator {
    use Operator::{Binary, Compare};
    match op {
        mj::BinOpKind::Eq => Compare(CompareOp::Eq),
        mj::BinOpKind::Ne => Compare(CompareOp::Ne),
        mj::BinOpKind::Lt => Compare(CompareOp::Lt),
        mj::BinOpKind::Lte => Compare(CompareOp::Le),
        mj::BinOpKind::Gt => Compare(CompareOp::Gt),
        mj::BinOpKind::Gte => Compare(CompareOp::Ge),
        mj::BinOpKind::In => Compare(CompareOp::In),
        mj::BinOpKind::ScAnd => Binary(BinOp::And),
        mj::BinOpKind::ScOr => Binary(BinOp::Or),
        mj::BinOpKind::Add => Binary(BinOp::Add),
        mj::BinOpKind::Sub => Binary(BinOp::Sub),
        mj::BinOpKind::Mul => Binary(BinOp::Mul),
        mj::BinOpKind::Div => Binary(BinOp::Div),
        mj::BinOpKind::FloorDiv => Binary(BinOp::FloorDiv),
        mj::BinOpKind::Rem => Binary(BinOp::Rem),
        mj::BinOpKind::Pow => Binary(BinOp::Pow),
        mj::BinOpKind::Concat => Binary(BinOp::Concat),
    }
}

fn comparison(op: mj::CompareOpKind) -> CompareOp {
    match op {
        mj::CompareOpKind::Eq => CompareOp::Eq,
        mj::CompareOpKind::Ne => CompareOp::Ne,
        mj::CompareOpKind::Lt => CompareOp::Lt,
        mj::CompareOpKind::Lte => CompareOp::Le,
        mj::CompareOpKind::Gt => CompareOp::Gt,
        mj::CompareOpKind::Gte => CompareOp::Ge,
        mj::CompareOpKind::In => CompareOp::In,
        mj::CompareOpKind::NotIn => CompareOp::NotIn,
    }
}
