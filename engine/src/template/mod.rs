//! The one expression language: minijinja's, compiled at load, evaluated once, never re-parsed.
//! Nothing else in the engine knows minijinja.

mod ast;
mod env;
mod filters;

pub use ast::{Ast, AstKind, BinOp, CompareOp, KeyArg, Part, UnaryOp};

use crate::value::Value;
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
    inner: Arc<env::CompiledExpr>,
}

/// A compiled text with holes.
#[derive(Clone)]
pub struct Text {
    inner: Arc<env::CompiledText>,
}

impl Expr {
    /// Compiles the source of an expression (no `$`, no braces).
    ///
    /// # Errors
    /// A syntax error or an unknown filter or test, with its place in `source`.
    pub fn compile(source: &str) -> Result<Self, SyntaxError> {
        todo!()
    }
    /// The source it was compiled from.
    pub fn source(&self) -> &str {
        todo!()
    }
    /// Its tree, with places in [`Self::source`].
    pub fn ast(&self) -> &Ast {
        todo!()
    }
    /// Its value. Null reads through; an undefined result is null.
    ///
    /// # Errors
    /// Division by zero, a filter given what it can't take, template fuel used up.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, EvalError> {
        todo!()
    }
    /// Its truth, as `if` sees it.
    ///
    /// # Errors
    /// As [`Self::eval`].
    pub fn holds(&self, scope: &dyn Scope) -> Result<bool, EvalError> {
        todo!()
    }
}

impl Text {
    /// Compiles a text. `partials` gives the text of an `{% include "path" %}`, by the path as written.
    ///
    /// # Errors
    /// A syntax error, an unknown filter, or an unknown partial, with its place in `source`. An error inside a partial is
    /// reported at the include, with a message that names the partial and the line.
    pub fn compile(source: &str, partials: &dyn Fn(&str) -> Option<String>) -> Result<Self, SyntaxError> {
        todo!()
    }
    /// The source it was compiled from, without partials.
    pub fn source(&self) -> &str {
        todo!()
    }
    /// What it prints, tests and loops over, in order: for the checker (names, types, nulls) and the plan (edges).
    pub fn parts(&self) -> &[Part] {
        todo!()
    }
    /// The sources of the partials it includes, by path, directly or not.
    pub fn partials(&self) -> &[(String, String)] {
        todo!()
    }
    /// The text with its holes filled.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn render(&self, scope: &dyn Scope) -> Result<String, EvalError> {
        todo!()
    }
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
