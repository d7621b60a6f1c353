//! What an expression or text reads: the plan draws its edges from it.

use super::ast::{Ast, AstKind, Part};
use crate::value::Value;

/// A path that is read: the name it begins with, and the keys and indexes after it as far as they are literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The name in scope.
    pub root: String,
    /// Keys and indexes.
    pub path: Vec<String>,
    /// First byte of the path in the source.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// All paths that an expression reads, in the order they are written.
pub fn reads(ast: &Ast) -> Vec<Read> {
    let mut found = Vec::new();
    read(ast, &mut found);
    found
}

/// All paths that a text reads, but those that begin with a name of `for`, `set` or `with`. What partials read has the place of
/// their `include`.
pub fn text_reads(parts: &[Part]) -> Vec<Read> {
    let mut found = Vec::new();
    read_parts(parts, &mut Vec::new(), &mut found);
    found
}

fn read(ast: &Ast, found: &mut Vec<Read>) {
    if let Some((root, path)) = literal_path(ast) {
        found.push(Read { root, path, start: ast.start, end: ast.end });
        return;
    }
    match &ast.kind {
        AstKind::Var(_) | AstKind::Const(_) => {}
        AstKind::Attr(of, _) | AstKind::Unary(_, of) => read(of, found),
        AstKind::Item(of, key) => {
            read(of, found);
            read(key, found);
        }
        AstKind::Slice(of, bounds) => {
            read(of, found);
            bounds.iter().flatten().for_each(|bound| read(bound, found));
        }
        AstKind::Binary(_, left, right) => {
            read(left, found);
            read(right, found);
        }
        AstKind::Compare(first, rest) => {
            read(first, found);
            rest.iter().for_each(|(_, operand)| read(operand, found));
        }
        AstKind::If { test, then, otherwise } => {
            read(then, found);
            read(test, found);
            otherwise.iter().for_each(|otherwise| read(otherwise, found));
        }
        AstKind::Filter { value, args, .. } | AstKind::Test { value, args, .. } => {
            read(value, found);
            args.iter().for_each(|arg| read(&arg.value, found));
        }
        AstKind::Call { args, .. } => args.iter().for_each(|arg| read(&arg.value, found)),
        AstKind::List(items) => items.iter().for_each(|item| read(item, found)),
        AstKind::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            read(key, found);
            read(value, found);
        }),
    }
}

fn literal_path(ast: &Ast) -> Option<(String, Vec<String>)> {
    let (of, step) = match &ast.kind {
        AstKind::Var(name) => return Some((name.clone(), Vec::new())),
        AstKind::Attr(of, name) => (of, name.clone()),
        AstKind::Item(of, key) => match &key.kind {
            AstKind::Const(Value::String(key)) => (of, key.clone()),
            AstKind::Const(Value::Number(index)) => (of, index.to_string()),
            _ => return None,
        },
        _ => return None,
    };
    let (root, mut path) = literal_path(of)?;
    path.push(step);
    Some((root, path))
}

/// `bound` holds the names given a value so far; it is cut back where they end.
fn read_parts(parts: &[Part], bound: &mut Vec<String>, found: &mut Vec<Read>) {
    let outer = bound.len();
    for part in parts {
        match part {
            Part::Emit(ast) => read_free(ast, bound, found),
            Part::If { test, then, otherwise } => {
                read_free(test, bound, found);
                read_parts(then, bound, found);
                read_parts(otherwise, bound, found);
            }
            Part::For { targets, over, test, body, otherwise } => {
                read_free(over, bound, found);
                let around = bound.len();
                bound.extend(targets.iter().cloned());
                test.iter().for_each(|test| read_free(test, bound, found));
                bound.push("loop".to_owned());
                read_parts(body, bound, found);
                bound.truncate(around);
                read_parts(otherwise, bound, found);
            }
            Part::Set { targets, value } => {
                read_free(value, bound, found);
                bound.extend(targets.iter().cloned());
            }
            Part::With { values, body } => {
                let around = bound.len();
                for (name, value) in values {
                    read_free(value, bound, found);
                    bound.push(name.clone());
                }
                read_parts(body, bound, found);
                bound.truncate(around);
            }
            Part::Include { parts, start, end, .. } => {
                let before = found.len();
                read_parts(parts, bound, found);
                for read in &mut found[before..] {
                    (read.start, read.end) = (*start, *end);
                }
            }
        }
    }
    bound.truncate(outer);
}

fn read_free(ast: &Ast, bound: &[String], found: &mut Vec<Read>) {
    let before = found.len();
    read(ast, found);
    let mut at = before;
    while at < found.len() {
        if bound.contains(&found[at].root) {
            found.remove(at);
        } else {
            at += 1;
        }
    }
}
