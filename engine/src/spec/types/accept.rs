//! Holding values against types. Scalars are read by the type asked for, records take the fields they name, and what does
//! not fit is said in words fit to send back to a model.

use super::given::{Given, Scalar, View};
use super::shorthand::plain_number;
use super::{Field, Length, Range, TextRule, Type};
use crate::diag::Span;
use crate::source::SourceId;
use crate::syntax::{Node, NodeKind, Route, ScalarStyle, Step};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Why a value does not fit its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Where in the value, `tests[0].input`; empty for the value itself.
    pub path: String,
    /// What must hold there, and what was found.
    pub message: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "the value {}", self.message),
            path => write!(f, "`{path}` {}", self.message),
        }
    }
}

impl Type {
    /// The JSON value as a value of this type.
    ///
    /// # Errors
    /// What does not fit, place by place.
    pub fn accept(&self, value: &Value) -> Result<Value, Vec<Issue>> {
        Reader::strict().finish(self, Given::Json(value))
    }

    /// The YAML value as a value of this type; plain scalars are read by the type that is asked for.
    ///
    /// # Errors
    /// What does not fit, place by place.
    pub fn accept_node(&self, node: &Node) -> Result<Value, Vec<Issue>> {
        Reader::strict().finish(self, Given::Yaml(node))
    }

    /// A text that a person gave for a value (`--set n=4`): text as it is, other scalars by the type, lists and records as
    /// YAML or JSON.
    ///
    /// # Errors
    /// What does not fit, place by place.
    pub fn accept_text(&self, text: &str) -> Result<Value, Vec<Issue>> {
        let brackets = text.trim_start().starts_with(['[', '{']);
        let (mut yaml, mut plain) = (false, false);
        for member in self.members() {
            match member {
                Self::List(..) | Self::Record(_) => yaml = true,
                Self::Any | Self::Schema(_) => (yaml, plain) = (true, !brackets && !text.contains('\n')),
                Self::Text(_) | Self::Code => plain = true,
                Self::Null
                | Self::Boolean
                | Self::Integer(_)
                | Self::Number(_)
                | Self::Literals(_)
                | Self::Union(_) => {}
            }
        }
        if !yaml || (plain && !brackets) {
            let text = if plain { text } else { text.trim() };
            return self.accept_node(&Node {
                span: Span::default(),
                kind: NodeKind::Scalar(text.to_owned(), ScalarStyle::Plain),
            });
        }
        let (document, found) = crate::syntax::parse(SourceId::default(), text);
        match found.iter().next() {
            Some(wrong) => {
                Err(vec![Issue { path: String::new(), message: format!("can't be read: {}", wrong.message) }])
            }
            None => self.accept_node(&document.root),
        }
    }

    /// A model's JSON value as a value of this type, with forgiveness for what can only mean one thing; what was forgiven is
    /// added to `repairs`.
    pub(crate) fn forgive(&self, value: &Value, repairs: &mut Vec<String>) -> Result<Value, Vec<Issue>> {
        Reader { forgiving: Some(Forgiving { source: "", repairs }), ..Reader::strict() }
            .finish(self, Given::Json(value))
    }

    /// As [`Self::forgive`], of a YAML value and the text it was read from.
    pub(crate) fn forgive_node(
        &self,
        node: &Node,
        source: &str,
        repairs: &mut Vec<String>,
    ) -> Result<Value, Vec<Issue>> {
        Reader { forgiving: Some(Forgiving { source, repairs }), ..Reader::strict() }.finish(self, Given::Yaml(node))
    }
}

/// The text between a fence at its very start and the fence that closes it; all other text as it is.
fn without_fence(text: &str) -> &str {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix("```").and_then(|t| t.strip_suffix("```")).and_then(|t| t.split_once('\n'));
    match inner {
        Some((tag, body)) if !tag.contains('`') => body.strip_suffix('\n').unwrap_or(body),
        _ => text,
    }
}

/// What a reader of model answers has beyond the strict one.
struct Forgiving<'a> {
    source: &'a str,
    repairs: &'a mut Vec<String>,
}

struct Reader<'a> {
    at: Route,
    issues: Vec<Issue>,
    forgiving: Option<Forgiving<'a>>,
}

impl Reader<'_> {
    fn strict() -> Self {
        Self { at: Route::default(), issues: Vec::new(), forgiving: None }
    }

    fn finish(mut self, ty: &Type, given: Given<'_>) -> Result<Value, Vec<Issue>> {
        match self.read(ty, given) {
            Some(value) => Ok(value),
            None => Err(self.issues),
        }
    }

    /// The value, or nothing and at least one issue.
    fn read(&mut self, ty: &Type, given: Given<'_>) -> Option<Value> {
        match ty {
            Type::Any => Some(given.value()),
            Type::Union(members) => self.union(ty, members, given),
            Type::List(item, length) => self.list(ty, item, length, given),
            Type::Record(fields) => self.record(ty, fields, given),
            Type::Schema(schema) => self.schema(schema, given),
            Type::Text(rule) => self.text(ty, given).and_then(|text| self.ruled(rule, text)),
            Type::Code => self.text(ty, given).map(|text| Value::String(self.program(&text).to_owned())),
            Type::Null | Type::Boolean | Type::Integer(_) | Type::Number(_) | Type::Literals(_) => {
                let found = match self.inner(given).view() {
                    View::Scalar(scalar) => self.scalar(ty, &scalar),
                    View::List(_) | View::Map(_) => None,
                };
                found.or_else(|| self.refuse(ty, given))
            }
        }
    }

    fn scalar(&mut self, ty: &Type, scalar: &Scalar<'_>) -> Option<Value> {
        match ty {
            Type::Null => scalar.is_null().then_some(Value::Null),
            Type::Boolean => match (&scalar.core, scalar.text.trim()) {
                (Value::Bool(b), _) => Some(Value::Bool(*b)),
                (_, "true" | "True" | "TRUE") => Some(Value::Bool(true)),
                (_, "false" | "False" | "FALSE") => Some(Value::Bool(false)),
                (_, word) if self.forgiving.is_some() && word.eq_ignore_ascii_case("yes") => Some(Value::Bool(true)),
                (_, word) if self.forgiving.is_some() && word.eq_ignore_ascii_case("no") => Some(Value::Bool(false)),
                _ => None,
            },
            Type::Integer(range) => number(scalar).and_then(whole).filter(|n| holds(*range, n)).map(Value::Number),
            Type::Number(range) => number(scalar).filter(|n| holds(*range, n)).map(Value::Number),
            Type::Literals(words) => {
                let exact = words.iter().find(|word| same_literal(word, scalar));
                exact.or_else(|| self.literal_in_other_case(words, scalar)).cloned()
            }
            Type::Any
            | Type::Text(_)
            | Type::Code
            | Type::List(..)
            | Type::Record(_)
            | Type::Union(_)
            | Type::Schema(_) => None,
        }
    }

    /// In an answer, the one word that a text is but for case.
    fn literal_in_other_case<'w>(&self, words: &'w [Value], scalar: &Scalar<'_>) -> Option<&'w Value> {
        let same = |word: &&Value| word.as_str().is_some_and(|word| word.eq_ignore_ascii_case(scalar.text.trim()));
        let mut alike = words.iter().filter(same);
        alike.next().filter(|_| self.forgiving.is_some() && alike.next().is_none())
    }

    /// The text of a scalar; of anything else in an answer, the text it was written as.
    fn text(&mut self, ty: &Type, given: Given<'_>) -> Option<String> {
        let given = self.inner(given);
        let scalar = match given.view() {
            View::Scalar(scalar) if scalar.is_null() && !scalar.plain => return self.refuse(ty, given),
            View::Scalar(scalar) => Some(scalar),
            View::List(_) | View::Map(_) => None,
        };
        let written = match (given, &self.forgiving, &scalar) {
            (Given::Yaml(node), Some(forgiving), Some(scalar)) => {
                as_written(forgiving.source, node.span, *ty == Type::Code)
                    .filter(|_| scalar.plain && !scalar.text.is_empty())
            }
            (Given::Yaml(node), Some(forgiving), None) => Some(slice(forgiving.source, node.span)),
            (Given::Json(value), Some(_), None) => Some(value.to_string()),
            (Given::Json(_) | Given::Yaml(_), _, Some(_)) => None,
            (Given::Json(_) | Given::Yaml(_), None, None) => return self.refuse(ty, given),
        };
        if written.is_some() {
            self.repaired(|at| format!("read as written: `{at}`"));
        }
        written.or(scalar.map(|scalar| scalar.text.into_owned()))
    }

    /// A program without its fence; in an answer also without the line end that a block scalar adds.
    fn program<'t>(&self, text: &'t str) -> &'t str {
        let program = without_fence(text);
        if self.forgiving.is_some() { program.strip_suffix('\n').unwrap_or(program) } else { program }
    }

    fn ruled(&mut self, rule: &TextRule, text: String) -> Option<Value> {
        if let Some(most) = rule.max_chars {
            let count = text.chars().count();
            if u64::try_from(count).is_ok_and(|count| count > most) {
                return self.issue(format!("must have at most {most} characters; it has {count}"));
            }
        }
        if let Some(pattern) = &rule.pattern
            && !regex::Regex::new(pattern).is_ok_and(|re| re.is_match(&text))
        {
            return self
                .issue(format!("must match the pattern `{pattern}`; got {}", Given::Json(&text.into()).shown()));
        }
        Some(Value::String(text))
    }

    fn list(&mut self, ty: &Type, item: &Type, length: &Length, given: Given<'_>) -> Option<Value> {
        let given = self.inner(given);
        let bullets: Vec<Value>;
        let items = match given.view() {
            View::List(items) => items,
            View::Scalar(scalar) if self.forgiving.is_some() && item.is_text() && bulleted(&scalar.text).is_some() => {
                bullets = bulleted(&scalar.text).unwrap_or_default();
                self.repaired(|at| format!("read as a list: `{at}`"));
                bullets.iter().map(Given::Json).collect()
            }
            View::Scalar(_) | View::Map(_) => return self.refuse(ty, given),
        };
        let count = items.len() as u64;
        let before = self.issues.len();
        if length.fewest().is_some_and(|min| count < min) || length.most().is_some_and(|max| count > max) {
            let got = if count == 1 { "1 item".to_owned() } else { format!("{count} items") };
            let _: Option<Value> = self.issue(format!("must have {}; it has {got}", length.words()));
        }
        let mut values = Vec::with_capacity(items.len());
        for (i, given) in items.into_iter().enumerate() {
            values.extend(self.inside(Step::Index(i), |reader| reader.read(item, given)));
        }
        (self.issues.len() == before).then_some(Value::Array(values))
    }

    fn record(&mut self, ty: &Type, fields: &[Field], given: Given<'_>) -> Option<Value> {
        let View::Map(entries) = given.view() else {
            if let ([only], Some(_), View::List(_)) = (fields, &self.forgiving, given.view())
                && matches!(only.ty.without_null(), Type::List(..))
            {
                let list = self.inside(Step::Key(only.name.clone()), |reader| reader.read(&only.ty, given))?;
                self.repaired(|at| format!("the list is `{}`", at.key(&only.name)));
                return Some(Value::Object(Map::from_iter([(only.name.clone(), list)])));
            }
            return self.refuse(ty, given);
        };
        if let Some(inner) = self.wrapped(fields, &entries) {
            self.repaired(|_| "left out what stands around the record".to_owned());
            return self.record(ty, fields, inner);
        }
        let before = self.issues.len();
        let mut record = Map::new();
        for field in fields {
            let exact = entries.iter().find(|(key, _)| *key == field.name);
            let near = || {
                let free = |key: &str| fields.iter().all(|other| other.name != key);
                entries.iter().find(|(key, _)| self.forgiving.is_some() && free(key) && same_name(key, &field.name))
            };
            let value = match exact.or_else(near).map(|(_, given)| *given) {
                Some(given) if !(field.default.is_some() && is_null(given) && !field.ty.takes_null()) => {
                    self.inside(Step::Key(field.name.clone()), |reader| reader.read(&field.ty, given))
                }
                // Null for a field that has a default and can't be null is how strict servers leave it out.
                _ => self.absent(field),
            };
            record.extend(value.map(|value| (field.name.clone(), value)));
        }
        (self.issues.len() == before).then_some(Value::Object(record))
    }

    /// The record inside a mapping that names none of its fields: some models answer in the form of the schema itself, or
    /// name the answer.
    fn wrapped<'g>(&self, fields: &[Field], entries: &[(&str, Given<'g>)]) -> Option<Given<'g>> {
        let named = |key: &str| fields.iter().any(|field| same_name(key, &field.name));
        if self.forgiving.is_none() || !self.at.0.is_empty() || entries.iter().any(|(key, _)| named(key)) {
            return None;
        }
        let inner = match entries {
            [(_, only)] => *only,
            _ => entries.iter().find(|(key, _)| matches!(*key, "properties" | "answer"))?.1,
        };
        match inner.view() {
            View::Map(inside) if inside.iter().any(|(key, _)| named(key)) => Some(inner),
            View::Map(_) | View::List(_) | View::Scalar(_) => None,
        }
    }

    fn absent(&mut self, field: &Field) -> Option<Value> {
        match &field.default {
            Some(default) => Some(default.clone()),
            None if field.ty.takes_null() => Some(Value::Null),
            None => self.inside(Step::Key(field.name.clone()), |reader| reader.issue("is missing".to_owned())),
        }
    }

    /// The first member that the value fits as it is, else the first that it can be read as.
    fn union(&mut self, ty: &Type, members: &[Type], given: Given<'_>) -> Option<Value> {
        if is_null(given) && ty.nullable() {
            return Some(Value::Null);
        }
        let others = || members.iter().filter(|m| **m != Type::Null);
        let shaped = |member: &&Type| member.has_shape(given);
        let before = self.issues.len();
        for member in others().filter(shaped).chain(others()) {
            if let Some(value) = self.read(member, given) {
                self.issues.truncate(before);
                return Some(value);
            }
        }
        // One reason a place: that of the member the value looks like, where only one does.
        self.issues.truncate(before);
        let mut alike: Vec<&Type> = others().filter(shaped).collect();
        if alike.is_empty() {
            alike = others().collect();
        }
        match alike[..] {
            [one] => self.read(one, given),
            _ => self.refuse(ty, given),
        }
    }

    fn schema(&mut self, schema: &Value, given: Given<'_>) -> Option<Value> {
        let value = given.value();
        let validator = match jsonschema::validator_for(schema) {
            Ok(validator) => validator,
            Err(wrong) => return self.issue(format!("can't be held against its JSON Schema: {wrong}")),
        };
        let before = self.issues.len();
        for wrong in validator.iter_errors(&value) {
            let path = wrong.instance_path().to_string();
            let steps = path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
            let at = steps.fold(self.at.clone(), |at, step| match step.parse() {
                Ok(index) => at.index(index),
                Err(_) => at.key(&step),
            });
            self.issues.push(Issue { path: at.to_string(), message: format!("breaks the schema: {wrong}") });
        }
        (self.issues.len() == before).then_some(value)
    }

    /// In an answer, what a mapping of one key holds where no mapping is asked for: servers that enforce schemas want a
    /// mapping on top.
    fn inner<'g>(&mut self, given: Given<'g>) -> Given<'g> {
        match given.view() {
            View::Map(entries) if self.forgiving.is_some() && self.at.0.is_empty() && entries.len() == 1 => {
                entries[0].1
            }
            _ => given,
        }
    }

    fn inside<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.at.0.push(step);
        let value = read(self);
        self.at.0.pop();
        value
    }

    fn repaired(&mut self, what: impl FnOnce(&Route) -> String) {
        if let Some(forgiving) = &mut self.forgiving {
            forgiving.repairs.push(what(&self.at));
        }
    }

    fn refuse<T>(&mut self, ty: &Type, given: Given<'_>) -> Option<T> {
        self.issue(format!("must be {}; got {}", ty.words(), given.shown()))
    }

    fn issue<T>(&mut self, message: String) -> Option<T> {
        self.issues.push(Issue { path: self.at.to_string(), message });
        None
    }
}

impl Type {
    /// Whether null fits it.
    pub(super) fn takes_null(&self) -> bool {
        self.members().iter().any(|m| matches!(m, Self::Null | Self::Any))
    }

    /// Whether it is text, or text or null.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.without_null(), Self::Text(_) | Self::Code)
    }

    /// Whether a given value is of this kind as it stands, before anything is read as something else.
    fn has_shape(&self, given: Given<'_>) -> bool {
        match (self, given.view()) {
            (Self::Any | Self::Schema(_), _) | (Self::List(..), View::List(_)) | (Self::Record(_), View::Map(_)) => {
                true
            }
            (Self::Literals(words), View::Scalar(scalar)) => words.iter().any(|word| same_literal(word, &scalar)),
            (Self::Text(_) | Self::Code, View::Scalar(scalar)) => scalar.core.is_string(),
            (Self::Boolean, View::Scalar(scalar)) => scalar.core.is_boolean(),
            (Self::Integer(_) | Self::Number(_), View::Scalar(scalar)) => scalar.core.is_number(),
            (Self::Null, View::Scalar(scalar)) => scalar.is_null(),
            (Self::Union(members), _) => members.iter().any(|m| m.has_shape(given)),
            (
                Self::Null
                | Self::Boolean
                | Self::Integer(_)
                | Self::Number(_)
                | Self::Text(_)
                | Self::Code
                | Self::Literals(_)
                | Self::List(..)
                | Self::Record(_),
                View::Scalar(_) | View::List(_) | View::Map(_),
            ) => false,
        }
    }
}

fn is_null(given: Given<'_>) -> bool {
    matches!(given.view(), View::Scalar(scalar) if scalar.is_null())
}

/// The number that a scalar is, or that its text is without loss.
fn number(scalar: &Scalar<'_>) -> Option<Number> {
    if let Value::Number(number) = &scalar.core {
        return Some(number.clone());
    }
    let text = scalar.text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    // A `k` for thousands is how people write numbers; inside quotes it is text.
    let number = plain_number(text).filter(|_| scalar.plain || !text.ends_with('k'))?;
    let written = Number::from_f64(number)?;
    if scalar.plain { whole(written.clone()).or(Some(written)) } else { Some(written) }
}

/// The whole number, if it is one.
fn whole(number: Number) -> Option<Number> {
    if number.is_i64() || number.is_u64() {
        return Some(number);
    }
    // Up to 2^53 every whole number is its own f64, so nothing is lost.
    let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53, checked the line before")]
    Some(Number::from(whole as i64))
}

fn holds(range: Range, number: &Number) -> bool {
    number.as_f64().is_some_and(|n| range.holds(n))
}

fn same_literal(word: &Value, scalar: &Scalar<'_>) -> bool {
    match word {
        Value::Number(wanted) => number(scalar).is_some_and(|n| n.as_f64() == wanted.as_f64()),
        Value::String(wanted) => (scalar.plain || scalar.core.is_string()) && scalar.text.trim() == wanted.trim(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => *word == scalar.core,
    }
}

/// Whether two names differ in case and punctuation only: `Fixed Code` and `fixed_code`.
fn same_name(a: &str, b: &str) -> bool {
    let letters =
        |name: &str| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    letters(a) == letters(b)
}

/// The items of a text whose every line begins with a dash or a star: a list that was written as text.
fn bulleted(text: &str) -> Option<Vec<Value>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let item = |line: &str| line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")).map(|item| item.trim().into());
    lines.map(item).collect::<Option<Vec<Value>>>().filter(|items| !items.is_empty())
}

/// The text of a plain scalar where YAML reads less than what stands there: `C # not C++` loses its tail, and the lines of
/// a program flow into one.
fn as_written(source: &str, span: Span, keep_lines: bool) -> Option<String> {
    let lines = source.get(span.start..span.end).is_some_and(|text| text.contains('\n'));
    (comment_after(source, span) > 0 || keep_lines && lines).then(|| slice(source, span))
}

/// The text of a span, with what stands behind it as a comment, and the lines after its first moved left by the column it
/// begins at.
fn slice(source: &str, span: Span) -> String {
    let text = source.get(span.start..span.end + comment_after(source, span)).unwrap_or_default().trim_end();
    let line_start = source.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |i| i + 1);
    let column = span.start - line_start;
    let lines = text.split('\n').enumerate().map(|(i, line)| {
        let space = line.len() - line.trim_start_matches(' ').len();
        if i == 0 { line } else { &line[space.min(column)..] }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// How long the comment is that stands behind a value on its last line, the space before it included.
fn comment_after(source: &str, span: Span) -> usize {
    let rest = source.get(span.end..).unwrap_or_default().lines().next().unwrap_or_default();
    if rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#') { rest.len() } else { 0 }
}

#[cfg(test)]
mod tests;
