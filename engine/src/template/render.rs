//! Printing of a text: its parts in order, names bound on the way.

use super::ast::{Ast, Part};
use super::eval::{Fault, Fuel, Names, eval, holds};
use super::{print, val};
use crate::value::Value;
use std::borrow::Cow;

/// Prints parts, one after the other, into `out`.
pub(super) struct Printer<'p> {
    pub(super) fuel: &'p Fuel,
    /// The sources of the partials, by path.
    pub(super) partials: &'p [(String, String)],
    pub(super) out: String,
}

impl Printer<'_> {
    pub(super) fn parts(&mut self, parts: &[Part], names: &Names<'_>) -> Result<(), Fault> {
        for (i, part) in parts.iter().enumerate() {
            match part {
                Part::Emit(ast) => self.emit(ast, names)?,
                Part::If { test, then, otherwise } => {
                    let taken = if holds(test, names, self.fuel)? { then } else { otherwise };
                    self.parts(taken, names)?;
                }
                Part::For { targets, over, test, body, otherwise } => {
                    let kept = self.kept(targets, over, test.as_ref(), names)?;
                    for (before, item) in kept.iter().enumerate() {
                        let names = Names::Loop { before, all: kept.len(), outer: names };
                        bind(targets, item, over, &names, &mut |names| self.parts(body, names))?;
                    }
                    if kept.is_empty() {
                        self.parts(otherwise, names)?;
                    }
                }
                Part::Set { targets, value } => {
                    let given = self.value(value, names)?;
                    return bind(targets, &given, value, names, &mut |names| self.parts(&parts[i + 1..], names));
                }
                Part::With { values, body } => self.with(values, body, names)?,
                Part::Include { path, parts, .. } => {
                    self.parts(parts, names).map_err(|fault| self.in_partial(fault, path))?;
                }
            }
        }
        Ok(())
    }

    fn value<'e>(&self, ast: &'e Ast, names: &'e Names<'e>) -> Result<Cow<'e, Value>, Fault> {
        Ok(eval(ast, names, self.fuel)?.into_cow())
    }

    fn emit(&mut self, ast: &Ast, names: &Names<'_>) -> Result<(), Fault> {
        let value = eval(ast, names, self.fuel)?.into_cow();
        let before = self.out.len();
        print::write_text(&mut self.out, &value);
        self.fuel.spend_text(self.out.len() - before)
    }

    /// The items that a `for` goes through.
    fn kept<'e>(
        &self,
        targets: &[String],
        over: &'e Ast,
        test: Option<&Ast>,
        names: &'e Names<'e>,
    ) -> Result<Vec<Cow<'e, Value>>, Fault> {
        let items = eval(over, names, self.fuel)?.into_items().map_err(|fault| fault.at(over))?;
        self.fuel.spend(items.len() as u64)?;
        let Some(test) = test else { return Ok(items) };
        let mut kept = Vec::new();
        for item in items {
            if bind(targets, &item, over, names, &mut |names| holds(test, names, self.fuel))? {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    /// Each value sees the names before it.
    fn with(&mut self, values: &[(String, Ast)], body: &[Part], names: &Names<'_>) -> Result<(), Fault> {
        let Some(((name, value), rest)) = values.split_first() else { return self.parts(body, names) };
        let value = self.value(value, names)?;
        self.with(rest, body, &Names::Bound { name, value: &value, outer: names })
    }

    /// The places of a partial are in its own source.
    fn in_partial(&self, fault: Fault, path: &str) -> Fault {
        match self.partials.iter().find(|(known, _)| known == path) {
            Some((_, source)) => Fault::new(format!("{} of `{path}`", fault.within(source))),
            None => unreachable!("internal error: a partial without its source"),
        }
    }
}

/// Goes on with one name given to a value, or several to the items of a list.
fn bind<T>(
    targets: &[String],
    value: &Value,
    source: &Ast,
    names: &Names<'_>,
    then: &mut dyn FnMut(&Names<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    if let [name] = targets {
        return then(&Names::Bound { name, value, outer: names });
    }
    match value.as_array() {
        Some(items) if items.len() == targets.len() => bind_each(targets, items, names, then),
        Some(items) => {
            Err(Fault::new(format!("can't give {} names to a list of {}", targets.len(), items.len())).at(source))
        }
        None => Err(Fault::new(format!("can't give {} names to {}", targets.len(), val::kind(value))).at(source)),
    }
}

fn bind_each<T>(
    targets: &[String],
    items: &[Value],
    names: &Names<'_>,
    then: &mut dyn FnMut(&Names<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    match (targets.split_first(), items.split_first()) {
        (Some((name, targets)), Some((value, items))) => {
            bind_each(targets, items, &Names::Bound { name, value, outer: names }, then)
        }
        _ => then(names),
    }
}
