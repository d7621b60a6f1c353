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
/// Most `elif` and `set` of one text: the parser recurses on the one, printing on the other.
const MOST_ELIFS_AND_SETS: usize = 100;
/// Most partials included in one text, counting each time: partials that include each other twice double with each step.
const MOST_INCLUDES: usize = 256;
/// Deepest nesting of partials: reading and printing recurse on them.
const DEEPEST_INCLUDE: usize = 16;

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
    Reader { source, partials: &mut Partials::none() }.expr(&parsed, 0)
}

/// The parts of a text, and its partials by path.
pub(super) fn text(
    source: &str,
    find: &dyn Fn(&str) -> Option<String>,
) -> Result<(Vec<Part>, Vec<(String, String)>), SyntaxError> {
    let mut partials = Partials { find, open: Vec::new(), texts: Vec::new(), included: 0 };
    let parts = text_parts(source, &mut partials)?;
    Ok((parts, partials.texts))
}

fn text_parts(source: &str, partials: &mut Partials<'_>) -> Result<Vec<Part>, SyntaxError> {
    within_bounds(source, false)?;
    let parsed = minijinja::machinery::parse(source, "text", SYNTAX.clone()).map_err(|e| syntax_error(&e, source))?;
    let mj::Stmt::Template(template) = parsed else {
        unreachable!("internal error: minijinja's root is not a template")
    };
    Reader { source, partials }.parts(&template.children)
}

/// Counts before parsing what the parser's recursion does not count itself. Text that can't be read is left to the parser.
fn within_bounds(source: &str, in_expression: bool) -> Result<(), SyntaxError> {
    let mut tokenizer = Tokenizer::new(source, "text", in_expression, SYNTAX.clone());
    let (mut tokens, mut deepening, mut start) = (0, 0, 0);
    while let Ok(Some((token, span))) = tokenizer.next_token() {
        match token {
            Token::VariableStart | Token::BlockStart => (tokens, start) = (0, span.start_offset as usize),
            Token::Ident("elif" | "set") if tokens == 0 && !in_expression => deepening += 1,
            _ => tokens += 1,
        }
        let place = start..span.end_offset as usize;
        if tokens > MOST_TOKENS {
            return Err(wrong(place, "this is longer than 1000 words and signs; compute parts of it in `let` nodes"));
        }
        if deepening > MOST_ELIFS_AND_SETS {
            return Err(wrong(place, "there are more than 100 `elif` and `set` in this text"));
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
}

impl Partials<'_> {
    fn none() -> Self {
        Self { find: &|_| None, open: Vec::new(), texts: Vec::new(), included: 0 }
    }

    fn include(&mut self, path: &str, at: Range<usize>) -> Result<Vec<Part>, SyntaxError> {
        if self.open.iter().any(|open| open == path) {
            return Err(wrong(at, format!("`{path}` includes itself: {} -> {path}", self.open.join(" -> "))));
        }
        if self.open.len() >= DEEPEST_INCLUDE {
            return Err(wrong(at, "partials are nested more than 16 deep"));
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
        let parts = text_parts(&text, self).map_err(|inner| {
            let line = text[..inner.start].matches('\n').count() + 1;
            let message = format!("in `{path}`, line {line}: {}", inner.message);
            SyntaxError { start: at.start, end: at.end, message, unknown_filter: inner.unknown_filter }
        })?;
        self.open.pop();
        Ok(parts)
    }
}

/// Reads minijinja's tree of one source.
struct Reader<'s, 'p, 'f> {
    source: &'s str,
    partials: &'p mut Partials<'f>,
}

impl Reader<'_, '_, '_> {
    fn parts(&mut self, children: &[mj::Stmt<'_>]) -> Result<Vec<Part>, SyntaxError> {
        children.iter().map(|child| self.part(child)).collect()
    }

    fn part(&mut self, stmt: &mj::Stmt<'_>) -> Result<Part, SyntaxError> {
        Ok(match stmt {
            mj::Stmt::EmitRaw(raw) => {
                let Range { start, end } = place(raw.span());
                Part::Emit(Ast { start, end, kind: AstKind::Const(Value::from(raw.raw)) })
            }
            mj::Stmt::EmitExpr(emit) => Part::Emit(self.expr(&emit.expr, 0)?),
            mj::Stmt::IfCond(cond) => Part::If {
                test: self.expr(&cond.expr, 0)?,
                then: self.parts(&cond.true_body)?,
                otherwise: self.parts(&cond.false_body)?,
            },
            mj::Stmt::ForLoop(each) if each.recursive => {
                return Err(refused("for", each.span(), "a recursive loop", "nest two loops"));
            }
            mj::Stmt::ForLoop(each) => Part::For {
                targets: self.targets(&each.target)?,
                over: self.expr(&each.iter, 0)?,
                test: each.filter_expr.as_ref().map(|test| self.expr(test, 0)).transpose()?,
                body: self.parts(&each.body)?,
                otherwise: self.parts(&each.else_body)?,
            },
            mj::Stmt::Set(set) => Part::Set { targets: self.targets(&set.target)?, value: self.expr(&set.expr, 0)? },
            mj::Stmt::WithBlock(with) => Part::With {
                values: with
                    .assignments
                    .iter()
                    .map(|(target, value)| Ok((self.target(target)?, self.expr(value, 0)?)))
                    .collect::<Result<_, SyntaxError>>()?,
                body: self.parts(&with.body)?,
            },
            mj::Stmt::Include(include) => self.include(include)?,
            mj::Stmt::Template(_) => unreachable!("internal error: a template within a template"),
            mj::Stmt::SetBlock(s) => {
                return Err(refused("set", s.span(), "a `set` block", "write `{% set name = value %}`"));
            }
            mj::Stmt::FilterBlock(s) => {
                return Err(refused("filter", s.span(), "a `filter` block", "write `{{ value | filter }}`"));
            }
            mj::Stmt::AutoEscape(s) => {
                return Err(refused("autoescape", s.span(), "`autoescape`", "text is never escaped"));
            }
            mj::Stmt::Block(s) => {
                return Err(refused("block", s.span(), "a `block`", "share text with `{% include \"file.md\" %}`"));
            }
            mj::Stmt::Extends(s) => {
                return Err(refused("extends", s.span(), "`extends`", "share text with `{% include \"file.md\" %}`"));
            }
            mj::Stmt::Import(s) => {
                return Err(refused("import", s.span(), "`import`", "share text with `{% include \"file.md\" %}`"));
            }
            mj::Stmt::FromImport(s) => {
                return Err(refused("from", s.span(), "`import`", "share text with `{% include \"file.md\" %}`"));
            }
            mj::Stmt::Macro(s) => {
                return Err(refused("macro", s.span(), "a `macro`", "share text with `{% include \"file.md\" %}`"));
            }
            mj::Stmt::CallBlock(s) => {
                return Err(refused("call", s.span(), "a `call` block", "there are no macros"));
            }
            mj::Stmt::Do(s) => {
                return Err(refused("do", s.span(), "`do`", "values have filters, and nothing has effects"));
            }
        })
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

    fn expr(&mut self, expr: &mj::Expr<'_>, depth: usize) -> Result<Ast, SyntaxError> {
        let span = place(expr.span());
        if depth > DEEPEST {
            return Err(wrong(span, "this is nested too deep; compute parts of it in `let` nodes"));
        }
        let depth = depth + 1;
        let kind = match expr {
            mj::Expr::Var(var) => AstKind::Var(var.id.to_owned()),
            mj::Expr::Const(constant) => {
                AstKind::Const(literal(&constant.value).ok_or_else(|| wrong(span.clone(), "this number is too large"))?)
            }
            mj::Expr::Slice(slice) => {
                let mut bound =
                    |b: &Option<mj::Expr<'_>>| b.as_ref().map(|b| self.expr(b, depth).map(Box::new)).transpose();
                let bounds = [bound(&slice.start)?, bound(&slice.stop)?, bound(&slice.step)?];
                AstKind::Slice(Box::new(self.expr(&slice.expr, depth)?), bounds)
            }
            mj::Expr::UnaryOp(unary) => {
                let op = match unary.op {
                    mj::UnaryOpKind::Not => UnaryOp::Not,
                    mj::UnaryOpKind::Neg => UnaryOp::Neg,
                };
                let of = self.expr(&unary.expr, depth)?;
                // `-1` is a literal, as the index of a path for one.
                match (op, &of.kind) {
                    (UnaryOp::Neg, AstKind::Const(number)) => {
                        AstKind::Const(ops::negate(number).map_err(|fault| wrong(span.clone(), fault.message))?)
                    }
                    _ => AstKind::Unary(op, Box::new(of)),
                }
            }
            mj::Expr::BinOp(binary) => {
                let left = Box::new(self.expr(&binary.left, depth)?);
                let right = self.expr(&binary.right, depth)?;
                match operator(binary.op) {
                    Operator::Binary(op) => AstKind::Binary(op, left, Box::new(right)),
                    Operator::Compare(op) => AstKind::Compare(left, vec![(op, right)]),
                }
            }
            mj::Expr::Compare(compare) => AstKind::Compare(
                Box::new(self.expr(&compare.expr, depth)?),
                compare
                    .ops
                    .iter()
                    .map(|c| Ok((comparison(c.op), self.expr(&c.expr, depth)?)))
                    .collect::<Result<_, SyntaxError>>()?,
            ),
            mj::Expr::IfExpr(cond) => AstKind::If {
                test: Box::new(self.expr(&cond.test_expr, depth)?),
                then: Box::new(self.expr(&cond.true_expr, depth)?),
                otherwise: match &cond.false_expr {
                    Some(otherwise) => Some(Box::new(self.expr(otherwise, depth)?)),
                    None => None,
                },
            },
            mj::Expr::Filter(filter) => {
                let Some(value) = &filter.expr else {
                    unreachable!("internal error: a filter without a value stands only in blocks that are refused")
                };
                let value = Box::new(self.expr(value, depth)?);
                let args = self.args(&filter.args, depth)?;
                filters::check_filter(filter.name, &args, &(span.start..span.start + filter.name.len()))?;
                AstKind::Filter { name: filter.name.to_owned(), value, args }
            }
            mj::Expr::Test(test) => {
                let value = Box::new(self.expr(&test.expr, depth)?);
                let args = self.args(&test.args, depth)?;
                filters::check_test(test.name, &args, &(span.start..span.start + test.name.len()))?;
                AstKind::Test { name: test.name.to_owned(), value, args }
            }
            mj::Expr::GetAttr(attr) => AstKind::Attr(Box::new(self.expr(&attr.expr, depth)?), attr.name.to_owned()),
            mj::Expr::GetItem(item) => AstKind::Item(
                Box::new(self.expr(&item.expr, depth)?),
                Box::new(self.expr(&item.subscript_expr, depth)?),
            ),
            mj::Expr::Call(call) => match &call.expr {
                mj::Expr::Var(var) => {
                    let args = self.args(&call.args, depth)?;
                    filters::check_call(var.id, &args, &place(var.span()))?;
                    AstKind::Call { name: var.id.to_owned(), args }
                }
                mj::Expr::GetAttr(attr) => {
                    let start = self.expr(&attr.expr, depth)?.start;
                    let message = format!("`.{}(…)`: values have no methods; use a filter", attr.name);
                    return Err(wrong(start..span.end, message));
                }
                called => {
                    let start = self.expr(called, depth)?.start;
                    return Err(wrong(
                        self.with_parentheses(start, span.end)..span.end,
                        "only `range(…)` can be called; values have filters",
                    ));
                }
            },
            mj::Expr::List(list) => AstKind::List(self.exprs(&list.items, depth)?),
            mj::Expr::Tuple(tuple) => AstKind::List(self.exprs(&tuple.items, depth)?),
            mj::Expr::Map(map) => AstKind::Map(
                map.keys
                    .iter()
                    .zip(&map.values)
                    .map(|(k, v)| Ok((self.expr(k, depth)?, self.expr(v, depth)?)))
                    .collect::<Result<_, SyntaxError>>()?,
            ),
        };
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

    fn exprs(&mut self, items: &[mj::Expr<'_>], depth: usize) -> Result<Vec<Ast>, SyntaxError> {
        items.iter().map(|item| self.expr(item, depth)).collect()
    }

    fn args(&mut self, args: &[mj::CallArg<'_>], depth: usize) -> Result<Vec<KeyArg>, SyntaxError> {
        args.iter()
            .map(|arg| match arg {
                mj::CallArg::Pos(value) => Ok(KeyArg { name: None, value: self.expr(value, depth)? }),
                mj::CallArg::Kwarg(name, value) => {
                    Ok(KeyArg { name: Some((*name).to_owned()), value: self.expr(value, depth)? })
                }
                mj::CallArg::PosSplat(value) | mj::CallArg::KwargSplat(value) => Err(wrong(
                    place(value.span()),
                    "`*` before an argument is not in the language; write each argument",
                )),
            })
            .collect()
    }
}

fn refused(tag: &str, span: Span, what: &str, instead: &str) -> SyntaxError {
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
