//! Reading values, conditions and texts: compiled once, typed each time they are looked at.

use super::cx::Cx;
use super::flow::Val;
use super::join::{any_length, is_never, join, never, of_value, record, text};
use super::place::Place;
use crate::diag::{Diagnostic, Span};
use crate::source::SourceId;
use crate::spec::types::{Bound, Length, Type};
use crate::syntax::{Node as Yaml, NodeKind, Route, ScalarStyle};
use crate::template::{Expr, SyntaxError, Text};
use crate::value::Value;
use std::sync::Arc;

impl Cx<'_> {
    /// A bare expression: `when until accept that take`.
    pub(super) fn condition(&mut self, node: &Yaml, at: &Route) -> Option<Expr> {
        let source = node.text()?;
        if source.trim_start().starts_with('$') {
            self.report(
                Diagnostic::error(
                    "dollar-in-expression",
                    at.to_string(),
                    node.span,
                    "a condition is a bare expression, without `$`",
                )
                .help("leave the `$` away: `when: node.field`")
                .fix(
                    node.span,
                    source.trim().trim_start_matches("$(").trim_start_matches('$').trim_end_matches(')').trim(),
                ),
            );
            return None;
        }
        if source.contains("{{") {
            self.report(
                Diagnostic::error(
                    "bad-expression",
                    at.to_string(),
                    node.span,
                    "a condition is a bare expression, without `{{ }}`",
                )
                .help("write the expression alone: `when: node.field`"),
            );
            return None;
        }
        let (expr, place) = self.expr(source, node, 0, at)?;
        self.infer(expr.ast(), &place);
        Some(expr)
    }

    /// Compiles an expression that begins at byte `base` of a scalar's text.
    pub(super) fn expr(&mut self, source: &str, node: &Yaml, base: usize, at: &Route) -> Option<(Expr, Place)> {
        let place = Place::scalar(at, node, base);
        let key = (node.span.source, node.span.start, base);
        let compiled = self.exprs.entry(key).or_insert_with(|| Expr::compile(source)).clone();
        match compiled {
            Ok(expr) => Some((expr, place)),
            Err(wrong) => {
                self.report_syntax(&wrong, source, &place);
                None
            }
        }
    }

    fn report_syntax(&mut self, wrong: &SyntaxError, source: &str, place: &Place) {
        let span = place.span(&self.sources, wrong.start, wrong.end);
        let rule = match () {
            () if wrong.unknown_filter.is_some() => "unknown-filter",
            () if source.contains('$') && !source.contains("{{") => "dollar-in-expression",
            () => "bad-expression",
        };
        let found = Diagnostic::error(rule, place.at.to_string(), span, wrong.message.clone());
        self.report(if rule == "dollar-in-expression" {
            found.help("names inside an expression stand without `$`")
        } else {
            found
        });
    }

    /// A value as written, and its type.
    pub(super) fn value(&mut self, node: &Yaml, at: &Route) -> (Val, Type) {
        match &node.kind {
            NodeKind::Scalar(source, style) => self.scalar_value(node, source, *style, at),
            NodeKind::List(items) => {
                let read: Vec<(Val, Type)> =
                    items.iter().enumerate().map(|(i, n)| self.value(n, &at.index(i))).collect();
                let count = Some(Bound::Fixed(items.len() as u64));
                let item = read.iter().map(|(_, ty)| ty.clone()).fold(never(), join);
                let ty = Type::List(Box::new(item), Length { min: count.clone(), max: count });
                let consts: Option<Vec<Value>> = read.iter().map(|(v, _)| constant(v)).collect();
                match consts {
                    Some(values) => (Val::Const(Arc::new(Value::Array(values))), ty),
                    None => (Val::List(read.into_iter().map(|(v, _)| v).collect()), ty),
                }
            }
            NodeKind::Map(entries) => {
                let read: Vec<(String, Val, Type)> = entries
                    .iter()
                    .map(|e| {
                        let (val, ty) = self.value(&e.value, &at.key(&e.key));
                        (e.key.clone(), val, ty)
                    })
                    .collect();
                let ty = record(read.iter().map(|(k, _, ty)| (k.clone(), ty.clone())));
                let consts: Option<serde_json::Map<String, Value>> =
                    read.iter().map(|(k, v, _)| Some((k.clone(), constant(v)?))).collect();
                match consts {
                    Some(fields) => (Val::Const(Arc::new(Value::Object(fields))), ty),
                    None => (Val::Map(read.into_iter().map(|(k, v, _)| (k, v)).collect()), ty),
                }
            }
        }
    }

    fn scalar_value(&mut self, node: &Yaml, source: &str, style: ScalarStyle, at: &Route) -> (Val, Type) {
        let wrong = (Val::Const(Arc::new(Value::Null)), never());
        if let Some(rest) = source.strip_prefix("$$") {
            let literal = format!("${rest}");
            return (Val::Const(Arc::new(Value::String(literal))), text());
        }
        if let Some((inner, base)) = self.dollar(node, source, at) {
            let Some(inner) = inner else { return wrong };
            let Some((expr, place)) = self.expr(&inner, node, base, at) else { return wrong };
            let ty = self.infer(expr.ast(), &place);
            return (Val::Expr(expr), ty);
        }
        if source.contains("{{") || source.contains("{%") || source.contains("{#") {
            return match self.template(node, at) {
                Some(template) => (Val::Text(template), text()),
                None => wrong,
            };
        }
        let value = node.to_json();
        if style == ScalarStyle::Plain {
            self.forgotten_dollar(node, source, at);
        }
        let ty = of_value(&value);
        (Val::Const(Arc::new(value)), ty)
    }

    /// The expression of `$path` or `$( … )` and where it begins; `None` outside when the scalar does not begin with `$`,
    /// inside when it does and is wrong.
    fn dollar(&mut self, node: &Yaml, source: &str, at: &Route) -> Option<(Option<String>, usize)> {
        let rest = source.strip_prefix('$')?;
        if let Some(open) = rest.strip_prefix('(') {
            let Some(end) = closing(open) else {
                self.report(
                    Diagnostic::error("unbalanced-dollar", at.to_string(), node.span, "`$(` is not closed").help(
                        "close it with `)`; in `{ }` or `[ ]` quote the whole value, for YAML ends it at a comma",
                    ),
                );
                return Some((None, 0));
            };
            if !open[end + 1..].trim().is_empty() {
                self.report(
                    Diagnostic::error(
                        "bad-value",
                        at.to_string(),
                        node.span,
                        "text follows `$( )`, which must be the whole value",
                    )
                    .help("put all of it into one `$( )`, or use `{{ }}` for text"),
                );
                return Some((None, 0));
            }
            return Some((Some(open[..end].to_owned()), 2));
        }
        if is_path(rest) {
            return Some((Some(rest.to_owned()), 1));
        }
        self.report(
            Diagnostic::error(
                "bad-value",
                at.to_string(),
                node.span,
                "a value that begins with `$` is `$path` or `$( expression )`",
            )
            .help("for a dollar sign write `$$`"),
        );
        Some((None, 0))
    }

    fn forgotten_dollar(&mut self, node: &Yaml, source: &str, at: &Route) {
        if self.names_only || !is_path(source) {
            return;
        }
        let root = source.split(['.', '[']).next().unwrap_or_default();
        let Some(var) = self.env.get(root) else { return };
        // One word is a path too, where it names a node; `inputs` alone is only a word.
        if root == source && (var.key.is_none() || ["inputs", "params"].contains(&root)) {
            return;
        }
        self.report(
            Diagnostic::warning(
                "forgotten-dollar",
                at.to_string(),
                node.span,
                format!("`{source}` is text here, though it reads like a path"),
            )
            .help("write `$` before it for the value, or quotes around it for the text")
            .fix(Span::new(node.span.source, node.span.start, node.span.start), "$"),
        );
    }

    /// A text with holes in the flow file. A whole `$path` or `$( )` is printed.
    pub(super) fn template(&mut self, node: &Yaml, at: &Route) -> Option<Text> {
        let source = node.text()?;
        if let Some((inner, base)) = (!source.starts_with("$$")).then(|| self.dollar(node, source, at)).flatten() {
            let inner = inner?;
            let (expr, place) = self.expr(&inner, node, base, at)?;
            self.infer(expr.ast(), &place);
            return Text::compile(&format!("{{{{ {inner} }}}}"), &|_| None).ok();
        }
        let literal = source.strip_prefix('$').filter(|rest| rest.starts_with('$')).unwrap_or(source);
        let place = Place::scalar(at, node, source.len() - literal.len());
        self.text((node.span.source, node.span.start, node.span.end), literal, &place)
    }

    /// The text of a prompt file.
    pub(super) fn file_template(&mut self, path_node: &Yaml, at: &Route) -> Option<Text> {
        let written = path_node.text()?;
        let source = self.prompt_file(written, path_node, at)?;
        let content = self.sources.get(source).text.clone();
        let place = Place::file(at, source);
        self.text((source, 0, content.len()), &content, &place)
    }

    fn prompt_file(&mut self, written: &str, node: &Yaml, at: &Route) -> Option<SourceId> {
        let Some(path) = inside(&self.file.folder, written) else {
            self.report(
                Diagnostic::error(
                    "outside-file",
                    at.to_string(),
                    node.span,
                    format!("`{written}` lies outside the flow's folder"),
                )
                .help("files of a flow live beside it or below it, so that the folder can be shared"),
            );
            return None;
        };
        if let Some(known) = self.prompt_files.get(&path) {
            return *known;
        }
        let read = self
            .files
            .read(&path)
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()));
        let id = match read {
            Ok(text) => Some(self.sources.add(path.clone(), text)),
            Err(why) => {
                self.error("missing-file", at, node.span, format!("can't read `{written}`: {why}"));
                None
            }
        };
        self.prompt_files.insert(path, id);
        id
    }

    fn text(&mut self, key: (SourceId, usize, usize), source: &str, place: &Place) -> Option<Text> {
        let compiled = if let Some(known) = self.texts.get(&key) {
            known.clone()
        } else {
            let (files, folder) = (self.files, self.file.folder.clone());
            let partial = |written: &str| {
                let path = inside(&folder, written)?;
                files.read(&path).ok().and_then(|bytes| String::from_utf8(bytes).ok())
            };
            let compiled = Text::compile(source, &partial);
            if let Ok(text) = &compiled {
                for (path, content) in text.partials() {
                    self.sources.add(format!("{folder}{path}"), content.clone());
                }
            }
            self.texts.insert(key, compiled.clone());
            compiled
        };
        match compiled {
            Ok(text) => {
                let parts = text.clone();
                self.infer_parts(parts.parts(), place);
                Some(text)
            }
            Err(wrong) => {
                self.report_syntax(&wrong, "{{", place);
                None
            }
        }
    }

    /// Refuses null for a whole value.
    pub(super) fn need_value(&mut self, val: &Val, ty: Type, node: &Yaml, at: &Route, what: &str) -> Type {
        match val {
            Val::Expr(expr) => {
                let expr = expr.clone();
                self.need(ty, expr.ast(), &Place::scalar(at, node, 0).whole(node.span), what)
            }
            Val::Const(value) if value.is_null() => {
                self.error("null-value", at, node.span, format!("{what} must not be null"));
                Type::Any
            }
            Val::Const(_) | Val::Text(_) | Val::List(_) | Val::Map(_) => ty,
        }
    }

    /// A value that must be a list; its item and length.
    pub(super) fn list_value(&mut self, node: &Yaml, at: &Route, what: &str) -> (Val, Type) {
        let (val, ty) = self.value(node, at);
        let ty = self.need_value(&val, ty, node, at, what);
        match ty {
            Type::List(..) => (val, ty),
            wrong if is_never(&wrong) => (val, wrong),
            Type::Any | Type::Schema(_) | Type::Union(_) => (val, any_length(Type::Any)),
            other => {
                self.error("type-mismatch", at, node.span, format!("{what} must be a list, and this is {other}"));
                (val, never())
            }
        }
    }

    /// A value that must be of a type.
    pub(super) fn typed_value(&mut self, node: &Yaml, at: &Route, wanted: &Type, what: &str) -> Val {
        let (val, ty) = self.value(node, at);
        self.fit(val, ty, node, at, wanted, what)
    }

    /// The value, read by a type where it is literal; reports when it can't be of that type.
    pub(super) fn fit(&mut self, val: Val, ty: Type, node: &Yaml, at: &Route, wanted: &Type, what: &str) -> Val {
        if is_never(&ty) {
            return val;
        }
        if let Val::Const(_) = val {
            match wanted.accept_node(node) {
                Ok(read) => return Val::Const(Arc::new(read)),
                Err(issues) => {
                    if let Some(issue) = issues.first() {
                        let null = issue.path.is_empty() && matches!(node.to_json(), Value::Null);
                        let rule = if null { "null-value" } else { "type-mismatch" };
                        self.error(rule, at, node.span, format!("{what}: {}", issue.message));
                    }
                }
            }
            return val;
        }
        let ty = if wanted.nullable() { ty } else { self.need_value(&val, ty, node, at, what) };
        if let Err(why) = ty.assignable_to(wanted) {
            self.error("type-mismatch", at, node.span, format!("{what} must be {wanted}: {why}"));
        }
        val
    }
}

fn constant(val: &Val) -> Option<Value> {
    match val {
        Val::Const(value) => Some((**value).clone()),
        Val::Expr(_) | Val::Text(_) | Val::List(_) | Val::Map(_) => None,
    }
}

/// The byte of the `)` that closes an expression, quotes and inner brackets apart.
fn closing(source: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (i, c) in source.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => return Some(i),
            (None, ')') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

/// `name`, `name.name`, `name[0]`, `name.0`.
fn is_path(source: &str) -> bool {
    let mut rest = source;
    let word = |s: &str| s.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(s.len());
    let first = word(rest);
    if first == 0 || rest.starts_with(|c: char| c.is_numeric()) {
        return false;
    }
    rest = &rest[first..];
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = word(after);
            if end == 0 {
                return false;
            }
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix('[') {
            let Some(end) = after.find(']') else { return false };
            if after[..end].parse::<i64>().is_err() {
                return false;
            }
            rest = &after[end + 1..];
        } else {
            return false;
        }
    }
    true
}

/// A path as written in a file of `folder`, relative to the folder of the flow that was opened; `None` when it leaves it.
pub(super) fn inside(folder: &str, written: &str) -> Option<String> {
    if written.starts_with(['/', '\\']) || written.contains(':') {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in written.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
