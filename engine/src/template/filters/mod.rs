//! What values have: filters and tests, a closed list. Each is one row of a table: its name, how it is written, what it is for
//! (the editor shows it), and the function. How a call is written is checked against the row when the source is compiled.

mod chance;
mod cluster;
mod functions;
mod lists;
mod predicates;
mod text;
mod values;

use super::SyntaxError;
use super::ast::{AstKind, KeyArg};
use super::eval::{Fault, Fuel};
use super::ops;
use super::parse::wrong;
use super::val::{Val, kind};
use crate::diag::nearest;
use crate::value::{Value, is_true};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

/// A filter, a test or a call, as the editor shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterDoc {
    /// Its name.
    pub name: &'static str,
    /// How it is written: `name(required, optional=default, more…, by_name_only=default)`.
    pub signature: &'static str,
    /// What it gives, in one line.
    pub about: &'static str,
}

/// An argument and its name, when it has one.
pub(super) type Argument<'e> = (Option<&'e str>, Cow<'e, Value>);
type RunFilter = for<'e> fn(Val<'e>, &Args<'e>, &Fuel) -> Result<Val<'e>, Fault>;
type RunTest = fn(&Value, &Args<'_>) -> Result<bool, Fault>;

/// A row of a table.
struct Row<F> {
    doc: FilterDoc,
    run: F,
}

const fn row<F>(name: &'static str, signature: &'static str, about: &'static str, run: F) -> Row<F>
where
    F: Copy,
{
    Row { doc: FilterDoc { name, signature, about }, run }
}

/// A row with its signature read.
struct Known<F> {
    doc: FilterDoc,
    run: F,
    signature: Signature,
}

type Table<F> = BTreeMap<&'static str, Known<F>>;

static FILTERS: LazyLock<Table<RunFilter>> = LazyLock::new(|| {
    table([lists::FILTERS, text::FILTERS, values::FILTERS, chance::FILTERS, cluster::FILTERS, functions::FILTERS])
});
static TESTS: LazyLock<Table<RunTest>> = LazyLock::new(|| table([predicates::TESTS]));
/// The value that a call is given is null.
static CALLS: LazyLock<Table<RunFilter>> = LazyLock::new(|| table([lists::CALLS]));

fn table<F: Copy + 'static, const N: usize>(rows: [&'static [Row<F>]; N]) -> Table<F> {
    let known = |row: &Row<F>| Known { doc: row.doc, run: row.run, signature: Signature::read(row.doc.signature) };
    rows.into_iter().flatten().map(|row| (row.doc.name, known(row))).collect()
}

/// All filters, by name.
pub fn filter_names() -> impl Iterator<Item = FilterDoc> {
    FILTERS.values().map(|known| known.doc)
}

/// All tests (`is name`), by name.
pub fn test_names() -> impl Iterator<Item = FilterDoc> {
    TESTS.values().map(|known| known.doc)
}

/// All calls, by name: `range`.
pub fn call_names() -> impl Iterator<Item = FilterDoc> {
    CALLS.values().map(|known| known.doc)
}

/// The parameters of a filter, read from how it is written.
struct Signature {
    params: Vec<Param>,
}

struct Param {
    name: &'static str,
    /// Must be given.
    required: bool,
    /// Takes all positional arguments that are left; what follows it is given by name.
    rest: bool,
}

/// Where an argument goes.
#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Param(usize),
    Rest,
}

impl Signature {
    fn read(written: &'static str) -> Self {
        let inner = written.split_once('(').map_or("", |(_, inner)| inner.trim_end_matches(')'));
        let param = |text: &'static str| {
            let rest = text.ends_with('…');
            let name = text.trim_end_matches('…').split('=').next().unwrap_or(text);
            Param { name, required: !rest && !text.contains('='), rest }
        };
        Self { params: inner.split(", ").filter(|text| !text.is_empty()).map(param).collect() }
    }

    /// The slot of each argument, given the name of each that has one.
    fn slots<'n>(&self, arguments: impl Iterator<Item = Option<&'n str>>) -> Result<Vec<Slot>, String> {
        let mut slots = Vec::new();
        let mut positional = self.params.iter().enumerate().take_while(|(_, p)| !p.rest).map(|(i, _)| i);
        let takes_rest = self.params.iter().any(|p| p.rest);
        for name in arguments {
            let slot = match name {
                None => positional.next().map(Slot::Param),
                Some(name) => self.params.iter().position(|p| p.name == name && !p.rest).map(Slot::Param),
            };
            slots.push(match (slot, name) {
                (Some(slot), Some(name)) if slots.contains(&slot) => return Err(format!("`{name}` is given twice")),
                (Some(slot), _) => slot,
                (None, _) if takes_rest => Slot::Rest,
                (None, None) => return Err(format!("takes at most {} arguments", self.params.len())),
                (None, Some(name)) => return Err(format!("has no argument `{name}`")),
            });
        }
        match self.params.iter().enumerate().find(|(i, p)| p.required && !slots.contains(&Slot::Param(*i))) {
            Some((_, missing)) => Err(format!("needs the argument `{}`", missing.name)),
            None => Ok(slots),
        }
    }
}

/// The arguments of a call, each in its place.
pub(super) struct Args<'e> {
    signature: &'static Signature,
    given: Vec<Option<Cow<'e, Value>>>,
    rest: Vec<Argument<'e>>,
}

impl<'e> Args<'e> {
    fn bind(signature: &'static Signature, arguments: Vec<Argument<'e>>) -> Result<Self, Fault> {
        let slots = signature.slots(arguments.iter().map(|(name, _)| *name)).map_err(Fault::new)?;
        let mut args = Self { signature, given: vec![None; signature.params.len()], rest: Vec::new() };
        for (slot, argument) in slots.into_iter().zip(arguments) {
            match slot {
                Slot::Param(i) => args.given[i] = Some(argument.1),
                Slot::Rest => args.rest.push(argument),
            }
        }
        Ok(args)
    }

    /// An argument; null counts as not given.
    fn get(&self, name: &str) -> Option<&Value> {
        let i = self.signature.params.iter().position(|p| p.name == name).expect("internal error: no such parameter");
        self.given[i].as_deref().filter(|value| !value.is_null())
    }

    /// An argument to be handed on; null when not given.
    fn value(&self, name: &str) -> Val<'e> {
        let i = self.signature.params.iter().position(|p| p.name == name).expect("internal error: no such parameter");
        self.given[i].clone().map_or(Val::NULL, Val::One)
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(is_true)
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| expected("text", name, value))).transpose()
    }

    fn whole(&self, name: &str) -> Result<Option<i64>, Fault> {
        self.get(name).map(|value| ops::whole(value).ok_or_else(|| expected("a whole number", name, value))).transpose()
    }

    /// A number of things: below zero is none.
    fn count(&self, name: &str) -> Result<Option<usize>, Fault> {
        Ok(self.whole(name)?.map(|n| usize::try_from(n).unwrap_or(0)))
    }

    /// A path of keys and indexes, `a.b.0`.
    fn path(&self, name: &str) -> Result<Option<Cow<'_, str>>, Fault> {
        match self.get(name) {
            Some(Value::Number(index)) => Ok(Some(index.to_string().into())),
            _ => Ok(self.text(name)?.map(Cow::Borrowed)),
        }
    }

    fn first_seed_and_more(&self) -> Value {
        let more = self.rest.iter().map(|(_, value)| value.clone().into_owned());
        self.get("seed").cloned().into_iter().chain(more).collect()
    }
}

fn expected(what: &str, name: &str, got: &Value) -> Fault {
    Fault::new(format!("`{name}` is {what}, not {}", kind(got)))
}

/// `value | name(arguments)`
pub(super) fn filter<'e>(
    name: &str,
    value: Val<'e>,
    arguments: Vec<Argument<'e>>,
    fuel: &Fuel,
) -> Result<Val<'e>, Fault> {
    Filter::of(&FILTERS, name, arguments)?.run(value, fuel)
}

/// `name(arguments)`
pub(super) fn call<'e>(name: &str, arguments: Vec<Argument<'e>>, fuel: &Fuel) -> Result<Val<'e>, Fault> {
    Filter::of(&CALLS, name, arguments)?.run(Val::NULL, fuel)
}

/// `value is name(arguments)`
pub(super) fn test(name: &str, value: &Value, arguments: Vec<Argument<'_>>) -> Result<bool, Fault> {
    Test::of(name, arguments)?.holds(value)
}

/// A filter with its arguments, for one value or many.
struct Filter<'e> {
    known: &'static Known<RunFilter>,
    args: Args<'e>,
}

impl<'e> Filter<'e> {
    fn of(table: &'static Table<RunFilter>, name: &str, arguments: Vec<Argument<'e>>) -> Result<Self, Fault> {
        // A name that was computed (`map(name)`) was not seen by the compiler.
        let known = table.get(name).ok_or_else(|| Fault::new(format!("there is no filter `{name}`")))?;
        Ok(Self { known, args: Args::bind(&known.signature, arguments).map_err(|fault| fault.of(name))? })
    }

    fn run(&self, value: Val<'e>, fuel: &Fuel) -> Result<Val<'e>, Fault> {
        fuel.spend(1 + value.weight())?;
        let made = (self.known.run)(value, &self.args, fuel).map_err(|fault| fault.of(self.known.doc.name))?;
        fuel.spend(made.weight())?;
        Ok(made)
    }
}

/// A test with its arguments, for one value or many.
struct Test<'e> {
    known: &'static Known<RunTest>,
    args: Args<'e>,
}

impl<'e> Test<'e> {
    fn of(name: &str, arguments: Vec<Argument<'e>>) -> Result<Self, Fault> {
        let known = TESTS.get(name).ok_or_else(|| Fault::new(format!("there is no test `{name}`")))?;
        Ok(Self { known, args: Args::bind(&known.signature, arguments).map_err(|fault| fault.of(name))? })
    }

    fn holds(&self, value: &Value) -> Result<bool, Fault> {
        (self.known.run)(value, &self.args).map_err(|fault| fault.of(self.known.doc.name))
    }
}

/// Checks how a filter is written, at compile time.
pub(super) fn check_filter(name: &str, args: &[KeyArg], place: &Range<usize>) -> Result<(), SyntaxError> {
    check(&FILTERS, "filter", name, args, place)
}

/// Checks how a test is written.
pub(super) fn check_test(name: &str, args: &[KeyArg], place: &Range<usize>) -> Result<(), SyntaxError> {
    check(&TESTS, "test", name, args, place)
}

/// Checks what is called.
pub(super) fn check_call(name: &str, args: &[KeyArg], place: &Range<usize>) -> Result<(), SyntaxError> {
    if CALLS.contains_key(name) {
        return check(&CALLS, "call", name, args, place);
    }
    let instead = if FILTERS.contains_key(name) { format!("; write `value | {name}`") } else { String::new() };
    Err(wrong(place.clone(), format!("`{name}` can't be called, only `range` can{instead}")))
}

fn check<F>(
    table: &'static Table<F>,
    what: &str,
    name: &str,
    args: &[KeyArg],
    place: &Range<usize>,
) -> Result<(), SyntaxError> {
    let Some(known) = table.get(name) else {
        let meant = nearest(name, table.keys().copied());
        let meant = meant.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let message = format!("there is no {what} `{name}`{meant}");
        return Err(SyntaxError { unknown_filter: Some(name.to_owned()), ..wrong(place.clone(), message) });
    };
    let slots = known.signature.slots(args.iter().map(|arg| arg.name.as_deref())).map_err(|message| {
        wrong(place.clone(), format!("`{name}` {message}: it is written `{}`", known.doc.signature))
    })?;
    for (at, (slot, arg)) in slots.iter().zip(args).enumerate() {
        let (Slot::Param(i), AstKind::Const(Value::String(literal))) = (slot, &arg.value.kind) else { continue };
        let place = arg.value.start..arg.value.end;
        // What names a filter or test takes the arguments that are left.
        match known.signature.params[*i].name {
            "filter" => check_filter(literal, &args[at + 1..], &place)?,
            "test" => check_test(literal, &args[at + 1..], &place)?,
            "regex" => text::check_regex(literal).map_err(|message| wrong(place, message))?,
            _ => {}
        }
    }
    Ok(())
}
