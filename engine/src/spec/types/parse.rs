//! Types as they stand in a flow file: scalars in the shorthand, lists, mappings, `schema: {…}`, and the names of a file.

use super::shorthand::{self, Fault};
use super::{Field, Named, Type, built_in};
use crate::diag::{Diagnostic, Diagnostics, nearest};
use crate::syntax::{Entry, Node, NodeKind, Route, ScalarStyle};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How deep types may nest, names written out: what people write stays under ten, and the parser recurses.
pub(super) const MOST_DEPTH: usize = 80;
/// How many types one named type may be made of, names written out: a chain of doublings must not fill the memory.
const MOST_TYPES: usize = 1000;

/// Reads a type. [`Type::Any`] after an error, which is reported at `at`.
pub fn parse_type(node: &Node, at: &Route, named: &Named, found: &mut Diagnostics) -> Type {
    Parser { names: &mut Known(named), found, depth: 0 }.whole_type(node, at)
}

/// Reads a type with what only a field has: a default, which must fit the type, and a description.
pub fn parse_field(name: &str, node: &Node, at: &Route, named: &Named, found: &mut Diagnostics) -> Field {
    Parser { names: &mut Known(named), found, depth: 0 }.field(name, node, at)
}

/// Reads the `types` of a file, in whatever order they use each other. The result holds them, the `imported` ones and the
/// built-in ones.
pub fn parse_named(types: &Node, at: &Route, imported: &Named, found: &mut Diagnostics) -> Named {
    let mut done = built_in();
    let NodeKind::Map(entries) = &types.kind else {
        let message = "`types` must be a mapping of names to types";
        found.push(Diagnostic::error("bad-value", at.to_string(), types.span, message));
        done.extend(imported.clone());
        return done;
    };
    for entry in entries {
        let route = at.key(&entry.key);
        if done.contains_key(&entry.key) {
            let message = format!("the type `{}` is built in", entry.key);
            let found_here = Diagnostic::error("reserved-name", route.to_string(), entry.key_span, message);
            found.push(found_here.help("give it another name"));
        } else if !shorthand::is_type_name(&entry.key) || entry.key.contains('.') {
            let message = format!("`{}` can't name a type: it must begin with a capital letter", entry.key);
            let help = "use letters, digits and `_`, a capital letter first";
            found.push(Diagnostic::error("bad-value", route.to_string(), entry.key_span, message).help(help));
        }
    }
    done.extend(imported.clone());
    let own = entries.iter().filter(|e| !done.contains_key(&e.key)).map(|e| e.key.clone()).collect();
    let mut file = OneFile { entries, at, own, done, open: Vec::new() };
    for entry in entries {
        // What is wrong is reported where it stands; here only the reading matters.
        let _ = file.lookup(&entry.key, 0, found);
    }
    file.done
}

/// Gives a name its type.
pub(super) trait Names {
    /// The type of a name, `depth` types deep in another.
    fn lookup(&mut self, name: &str, depth: usize, found: &mut Diagnostics) -> Result<Type, Fault>;
}

/// Names whose types are known.
struct Known<'a>(&'a Named);

impl Names for Known<'_> {
    fn lookup(&mut self, name: &str, _: usize, _: &mut Diagnostics) -> Result<Type, Fault> {
        self.0.get(name).cloned().ok_or_else(|| unknown_name(name, self.0.keys().map(String::as_str)))
    }
}

/// The names of one file while they are read; each is read when it is first asked for.
struct OneFile<'a> {
    entries: &'a [Entry],
    at: &'a Route,
    own: BTreeSet<String>,
    done: Named,
    open: Vec<String>,
}

impl Names for OneFile<'_> {
    fn lookup(&mut self, name: &str, depth: usize, found: &mut Diagnostics) -> Result<Type, Fault> {
        if let Some(ty) = self.done.get(name) {
            return Ok(ty.clone());
        }
        if self.open.iter().any(|open| open == name) {
            let message = format!("the type `{name}` holds itself");
            let help = "types are written out in full, so none may hold itself; refer to the other value by its name or number";
            return Err(Fault::new("unknown-type", message).help(help));
        }
        let Some(entry) = self.entries.iter().find(|e| e.key == name && self.own.contains(name)) else {
            return Err(unknown_name(name, self.done.keys().chain(&self.own).map(String::as_str)));
        };
        self.open.push(name.to_owned());
        let route = self.at.key(name);
        let mut ty = Parser { names: self, found, depth }.whole_type(&entry.value, &route);
        self.open.pop();
        if ty.size() > MOST_TYPES {
            let message = format!("the type `{name}` is made of more than {MOST_TYPES} types, names written out");
            found.push(Diagnostic::error("bad-value", route.to_string(), entry.value.span, message));
            ty = Type::Any;
        }
        self.done.insert(name.to_owned(), ty.clone());
        Ok(ty)
    }
}

fn unknown_name<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Fault {
    let help = nearest(name, known).map(|n| format!("a type with a similar name exists: `{n}`"));
    Fault::new("unknown-type", format!("there is no type `{name}`")).help(
        help.unwrap_or_else(|| {
            "declare it under `types`; a literal that begins with a capital wants quotes".to_owned()
        }),
    )
}

struct Parser<'a> {
    names: &'a mut dyn Names,
    found: &'a mut Diagnostics,
    depth: usize,
}

impl Parser<'_> {
    /// A type where a field's default and description have no place.
    fn whole_type(&mut self, node: &Node, at: &Route) -> Type {
        let field = self.field("", node, at);
        let stray = match (&field.default, &field.about) {
            (Some(_), _) => "a default value belongs to an input, a param or a field of a record",
            (None, Some(_)) => "a description belongs to an input, a param or a field of a record",
            (None, None) => return field.ty,
        };
        self.report(node, at, Fault::new("bad-value", stray));
        field.ty
    }

    fn field(&mut self, name: &str, node: &Node, at: &Route) -> Field {
        let mut field = Field { name: name.to_owned(), ty: Type::Any, default: None, about: None };
        self.depth += 1;
        match self.read(node, at) {
            Ok(written) => {
                field.about = written.about;
                field.default = written.default.and_then(|text| {
                    default_value(&written.ty, &text)
                        .map_err(|message| self.report(node, at, Fault::new("bad-value", message)))
                        .ok()
                });
                field.ty = written.ty;
            }
            Err(fault) => self.report(node, at, fault),
        }
        self.depth -= 1;
        field
    }

    fn read(&mut self, node: &Node, at: &Route) -> Result<shorthand::Written, Fault> {
        if self.depth > MOST_DEPTH {
            return Err(Fault::too_deep());
        }
        match &node.kind {
            NodeKind::Scalar(text, _) => shorthand::read(text, self.depth, self.names, self.found),
            NodeKind::List(items) => match &items[..] {
                // The item stands at the list's own route: `[T]` is one type, written in the YAML way or as text.
                [item] => Ok(Type::list(self.whole_type(item, at)).into()),
                _ => Err(Fault::new("bad-value", format!("a list type names one type of item, found {}", items.len()))
                    .help("write `[string]`; items of several types are `[\"string | number\"]`")),
            },
            NodeKind::Map(entries) => match &entries[..] {
                [Entry { key, value, .. }] if key == "schema" && matches!(value.kind, NodeKind::Map(_)) => {
                    let schema = value.to_json();
                    match jsonschema::validator_for(&schema) {
                        Ok(_) => Ok(Type::Schema(Arc::new(schema)).into()),
                        Err(wrong) => Err(Fault::new("bad-value", format!("not a JSON Schema: {wrong}"))),
                    }
                }
                _ => {
                    let field = |e: &Entry| self.field(&e.key, &e.value, &at.key(&e.key));
                    Ok(Type::Record(entries.iter().map(field).collect()).into())
                }
            },
        }
    }

    fn report(&mut self, node: &Node, at: &Route, fault: Fault) {
        let found = Diagnostic::error(fault.rule, at.to_string(), node.span, fault.message);
        self.found.push(found.help_if(fault.help));
    }
}

/// The value of `= text`: lists, records and quoted text as YAML, all else by the type.
pub(super) fn default_value(ty: &Type, text: &str) -> Result<serde_json::Value, String> {
    let fit = if text.starts_with(['[', '{', '"', '\'']) {
        let (document, wrong) = crate::syntax::parse(crate::source::SourceId::default(), text);
        if let Some(wrong) = wrong.iter().next() {
            return Err(format!("the default `{text}` can't be read: {}", wrong.message));
        }
        ty.accept_node(&document.root)
    } else {
        let span = crate::diag::Span::default();
        ty.accept_node(&Node { span, kind: NodeKind::Scalar(text.to_owned(), ScalarStyle::Plain) })
    };
    fit.map_err(|issues| {
        let reasons: Vec<String> = issues.iter().map(ToString::to_string).collect();
        format!("the default `{text}` does not fit `{ty}`: {}", reasons.join("; "))
    })
}

#[cfg(test)]
mod tests;
