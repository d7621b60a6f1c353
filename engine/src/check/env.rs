//! Names in scope with their types, and what is known not to be null.

use crate::spec::types::Type;
use crate::template::{Ast, AstKind, BinOp, CompareOp, UnaryOp};
use crate::value::Value;

/// A name in scope.
#[derive(Debug, Clone)]
pub(super) struct Var {
    pub(super) name: String,
    pub(super) ty: Type,
    /// The key under which its use is noted.
    pub(super) key: Option<String>,
    /// What is known not to be null when this is not null (a node's own `when` held then).
    pub(super) implied: Vec<String>,
    /// What is known not to be null when this is true (the value of a `let` is a condition).
    pub(super) implied_when_true: Vec<String>,
}

impl Var {
    pub(super) fn new(name: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), ty, key: None, implied: Vec::new(), implied_when_true: Vec::new() }
    }
}

/// Names in scope, innermost last, and what is known not to be null where we stand.
#[derive(Debug, Default)]
pub(super) struct Env {
    vars: Vec<Var>,
    facts: Vec<String>,
}

/// Where an [`Env`] stood, to go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    vars: usize,
    facts: usize,
}

impl Env {
    pub(super) fn mark(&self) -> Mark {
        Mark { vars: self.vars.len(), facts: self.facts.len() }
    }

    /// Forgets what came after `mark`.
    pub(super) fn back(&mut self, mark: Mark) {
        self.vars.truncate(mark.vars);
        self.facts.truncate(mark.facts);
    }

    pub(super) fn push(&mut self, var: Var) {
        self.vars.push(var);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Var> {
        self.vars.iter().rev().find(|v| v.name == name)
    }

    /// Replaces what is known of the innermost variable of that name.
    pub(super) fn set(&mut self, var: Var) {
        let slot = self.vars.iter_mut().rev().find(|v| v.name == var.name);
        *slot.expect("internal error: a node's name is declared before its type is known") = var;
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.vars.iter().map(|v| v.name.as_str())
    }

    pub(super) fn known(&self, path: &str) -> bool {
        self.facts.iter().any(|f| f == path)
    }

    pub(super) fn learn(&mut self, facts: Vec<String>) {
        self.facts.extend(facts);
    }

    /// A loop gives `state`, `pass` and `prev` new meanings: what was known of the outer ones does not hold inside.
    pub(super) fn forget_loop_names(&mut self) -> Vec<String> {
        let all = std::mem::take(&mut self.facts);
        let (gone, kept) = all.iter().cloned().partition(|f: &String| {
            ["state", "pass", "prev"]
                .iter()
                .any(|n| f.strip_prefix(n).is_some_and(|r| r.is_empty() || r.starts_with(['.', '['])))
        });
        let _: Vec<String> = gone;
        self.facts = kept;
        all
    }

    /// Takes back what [`Self::forget_loop_names`] gave.
    pub(super) fn restore_facts(&mut self, facts: Vec<String>) {
        self.facts = facts;
    }

    /// What is known not to be null when `ast` is true, or false.
    pub(super) fn truths(&self, ast: &Ast, truth: bool) -> Vec<String> {
        match &ast.kind {
            AstKind::Unary(UnaryOp::Not, inner) => self.truths(inner, !truth),
            AstKind::Binary(BinOp::And, a, b) if truth => both(self.truths(a, true), self.truths(b, true)),
            AstKind::Binary(BinOp::And, a, b) => common(&self.truths(a, false), self.truths(b, false)),
            AstKind::Binary(BinOp::Or, a, b) if truth => common(&self.truths(a, true), self.truths(b, true)),
            AstKind::Binary(BinOp::Or, a, b) => both(self.truths(a, false), self.truths(b, false)),
            AstKind::Test { name, value, .. } => {
                let shows = if name == "none" || name == "undefined" { !truth } else { truth };
                if shows { self.non_null(value) } else { Vec::new() }
            }
            AstKind::Compare(first, rest) => match rest.as_slice() {
                [(op, second)] => self.compared(first, *op, second, truth),
                _ => Vec::new(),
            },
            AstKind::If { test, then, otherwise: None } if truth => {
                both(self.truths(test, true), self.truths(then, true))
            }
            AstKind::Filter { name, value, .. } if truth && name != "default" => self.non_null(value),
            AstKind::Var(_) | AstKind::Attr(..) | AstKind::Item(..) if truth => {
                let mut facts = self.non_null(ast);
                if let AstKind::Var(name) = &ast.kind
                    && let Some(var) = self.get(name)
                {
                    facts.extend(var.implied_when_true.iter().cloned());
                }
                facts
            }
            _ => Vec::new(),
        }
    }

    fn compared(&self, a: &Ast, op: CompareOp, b: &Ast, truth: bool) -> Vec<String> {
        let null = |ast: &Ast| matches!(ast.kind, AstKind::Const(Value::Null));
        let constant = |ast: &Ast| matches!(ast.kind, AstKind::Const(_));
        match op {
            CompareOp::Eq | CompareOp::Ne => {
                let equal = (op == CompareOp::Eq) == truth;
                match (a, b) {
                    (value, other) | (other, value) if null(other) && !equal => self.non_null(value),
                    (value, other) if constant(other) && !null(other) && equal => self.non_null(value),
                    (other, value) if constant(other) && !null(other) && equal => self.non_null(value),
                    _ => Vec::new(),
                }
            }
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge if truth => {
                both(self.non_null(a), self.non_null(b))
            }
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge | CompareOp::In | CompareOp::NotIn => {
                Vec::new()
            }
        }
    }

    /// What is known not to be null when `ast` is not: it, all it is read through, and what its node's `when` shows.
    pub(super) fn non_null(&self, ast: &Ast) -> Vec<String> {
        let mut facts = Vec::new();
        let mut here = ast;
        loop {
            facts.extend(path(here));
            match &here.kind {
                AstKind::Attr(base, _) | AstKind::Item(base, _) => here = base,
                AstKind::Var(name) => {
                    facts.extend(self.get(name).into_iter().flat_map(|v| v.implied.iter().cloned()));
                    return facts;
                }
                AstKind::Filter { name, value, .. } if name != "default" => here = value,
                _ => return facts,
            }
        }
    }
}

fn both(mut a: Vec<String>, b: Vec<String>) -> Vec<String> {
    a.extend(b);
    a
}

fn common(a: &[String], b: Vec<String>) -> Vec<String> {
    b.into_iter().filter(|f| a.contains(f)).collect()
}

/// The fact's name of a path of names and constant indexes.
pub(super) fn path(ast: &Ast) -> Option<String> {
    match &ast.kind {
        AstKind::Var(name) => Some(name.clone()),
        AstKind::Attr(base, name) if name.parse::<i64>().is_ok() => Some(format!("{}[{name}]", path(base)?)),
        AstKind::Attr(base, name) => Some(format!("{}.{name}", path(base)?)),
        AstKind::Item(base, index) => match &index.kind {
            AstKind::Const(Value::String(key)) => Some(format!("{}.{key}", path(base)?)),
            AstKind::Const(Value::Number(n)) => Some(format!("{}[{n}]", path(base)?)),
            _ => None,
        },
        _ => None,
    }
}
