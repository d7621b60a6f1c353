//! The one expression language: minijinja's, compiled at load, evaluated once, never re-parsed.
//! Nothing else in the engine knows minijinja.
//!
//! minijinja reads the grammar (`parse`); what comes out is our own tree (`ast`), which the checker and the plan walk, and which is
//! evaluated right on the values that flow (`eval`, `render`). minijinja's own machine would copy each value into its world first,
//! and knows two kinds of nothing, where the language has one: null, which reads through. Operators (`ops`) and `filters` follow
//! minijinja; a test holds them side by side.

mod ast;
mod eval;
mod filters;
mod ops;
mod parse;
mod print;
mod reads;
mod render;
#[cfg(test)]
mod tests;
mod val;

pub use ast::{Ast, AstKind, BinOp, CompareOp, KeyArg, Part, UnaryOp};
pub use filters::{FilterDoc, call_names, filter_names, test_names};
pub use ops::{compare, equal};
pub use reads::{Read, reads, text_reads};

use crate::value::Value;
use eval::{Fuel, Names};
use std::fmt;
use std::sync::Arc;

/// Gives names their values while an expression is evaluated.
pub trait Scope {
    /// The value of a name in scope; `None` is null (the checker has seen every name).
    fn get(&self, name: &str) -> Option<Arc<Value>>;
}

/// A range of bytes in the source of an expression or text, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The filter or test that does not exist, when that is what is wrong.
    pub unknown_filter: Option<String>,
}

/// An expression that could not be computed; its text names the cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub String);

/// A compiled expression.
#[derive(Clone)]
pub struct Expr {
    inner: Arc<CompiledExpr>,
}

struct CompiledExpr {
    source: String,
    ast: Ast,
    /// The names it reads, each once.
    roots: Vec<String>,
}

/// A compiled text with holes.
#[derive(Clone)]
pub struct Text {
    inner: Arc<CompiledText>,
}

struct CompiledText {
    source: String,
    parts: Vec<Part>,
    partials: Vec<(String, String)>,
    roots: Vec<String>,
}

fn roots(reads: Vec<Read>) -> Vec<String> {
    let mut roots: Vec<String> = reads.into_iter().map(|read| read.root).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

fn values<'n>(roots: &'n [String], scope: &dyn Scope) -> Vec<(&'n str, Option<Arc<Value>>)> {
    roots.iter().map(|name| (name.as_str(), scope.get(name))).collect()
}

impl Expr {
    /// Compiles the source of an expression (no `$`, no braces).
    ///
    /// # Errors
    /// A syntax error or an unknown filter or test, with its place in `source`.
    pub fn compile(source: &str) -> Result<Self, SyntaxError> {
        let ast = parse::expression(source)?;
        let roots = roots(reads(&ast));
        Ok(Self { inner: Arc::new(CompiledExpr { source: source.to_owned(), ast, roots }) })
    }

    /// The source it was compiled from.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// Its tree, with places in [`Self::source`].
    pub fn ast(&self) -> &Ast {
        &self.inner.ast
    }

    /// Its value. Null reads through; an undefined result is null.
    ///
    /// # Errors
    /// Division by zero, a filter given what it can't take, template fuel used up.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, EvalError> {
        self.evaluated(scope, |value| value.into_value())
    }

    /// Its truth, as `if` sees it.
    ///
    /// # Errors
    /// As [`Self::eval`].
    pub fn holds(&self, scope: &dyn Scope) -> Result<bool, EvalError> {
        self.evaluated(scope, |value| value.truth())
    }

    fn evaluated<T>(&self, scope: &dyn Scope, take: impl FnOnce(val::Val<'_>) -> T) -> Result<T, EvalError> {
        let CompiledExpr { source, ast, roots } = self.inner.as_ref();
        let values = values(roots, scope);
        let names = Names::Roots(&values);
        let value = eval::eval(ast, &names, &Fuel::full());
        value.map(take).map_err(|fault| EvalError(fault.within(source)))
    }
}

impl Text {
    /// Compiles a text. `partials` gives the text of an `{% include "path" %}`, by the path as written.
    ///
    /// # Errors
    /// A syntax error, an unknown filter, or an unknown partial, with its place in `source`. An error inside a partial is
    /// reported at the include, with a message that names the partial and the line.
    pub fn compile(source: &str, partials: &dyn Fn(&str) -> Option<String>) -> Result<Self, SyntaxError> {
        let parse::Parsed { parts, partials } = parse::text(source, partials)?;
        let roots = roots(text_reads(&parts));
        Ok(Self { inner: Arc::new(CompiledText { source: source.to_owned(), parts, partials, roots }) })
    }

    /// The source it was compiled from, without partials.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// What it prints, tests and loops over, in order: for the checker (names, types, nulls) and the plan (edges).
    pub fn parts(&self) -> &[Part] {
        &self.inner.parts
    }

    /// The sources of the partials it includes, by path, directly or not.
    pub fn partials(&self) -> &[(String, String)] {
        &self.inner.partials
    }

    /// Whether it has no holes: it prints the same whatever is in scope.
    pub fn is_constant(&self) -> bool {
        constant(&self.inner.parts)
    }

    /// The text with its holes filled.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn render(&self, scope: &dyn Scope) -> Result<String, EvalError> {
        let CompiledText { source, parts, partials, roots } = self.inner.as_ref();
        let values = values(roots, scope);
        let mut printer = render::Printer { fuel: &Fuel::full(), partials, out: String::with_capacity(source.len()) };
        match printer.parts(parts, &Names::Roots(&values)) {
            Ok(()) => Ok(printer.out),
            Err(fault) => Err(EvalError(fault.within(source))),
        }
    }
}

fn constant(parts: &[Part]) -> bool {
    parts.iter().all(|part| match part {
        Part::Emit(ast) => matches!(ast.kind, AstKind::Const(_)),
        Part::Include { parts, .. } => constant(parts),
        Part::If { .. } | Part::For { .. } | Part::Set { .. } | Part::With { .. } => false,
    })
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.source()).finish()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").field(&self.source()).finish()
    }
}
