//! How a type is asked for: the texts that show its shape, and the one that sends reasons back.

use crate::spec::types::{Field, Type};
use serde_json::Value;
use std::fmt::Write as _;

/// Text of at most so many characters is shown on the line of its key; what is longer wants a block of its own.
const MOST_ON_A_LINE: u64 = 80;

/// In which shape an answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As the model likes: nothing is added to the prompt.
    Text,
    /// One fenced block: [`ask_fence`].
    Fence,
    /// JSON, held to a schema by the server, else shown by [`ask_json`].
    Json,
    /// YAML, shown by [`ask_yaml`].
    Yaml,
}

/// The shape in which a type is asked for: `wanted` where the flow names one, else the one that the type is best said in.
/// Text has but one shape.
pub fn shape(ty: &Type, wanted: Option<Shape>) -> Shape {
    match (ty, wanted) {
        (Type::Text(_), _) => Shape::Text,
        (_, Some(wanted)) => wanted,
        (_, None) if code_alone(ty).is_some() => Shape::Fence,
        // Models write worse code inside JSON strings.
        (_, None) if ty.holds_code() => Shape::Yaml,
        (_, None) => Shape::Json,
    }
}

/// A program that is all there is to answer.
pub(super) struct CodeAlone<'a> {
    /// The field it stands in, if it stands in a record.
    pub(super) field: Option<&'a str>,
    /// There may be none.
    nullable: bool,
}

/// Whether the type is `code`, or a record of nothing but a `code`.
pub(super) fn code_alone(ty: &Type) -> Option<CodeAlone<'_>> {
    let (field, code) = match ty {
        Type::Record(fields) => match &fields[..] {
            [only] => (Some(only.name.as_str()), &only.ty),
            _ => return None,
        },
        other => (None, other),
    };
    (code.without_null() == Type::Code).then(|| CodeAlone { field, nullable: code.nullable() })
}

/// The sentence that asks for a program in a fence.
pub fn ask_fence(ty: &Type) -> &'static str {
    if code_alone(ty).is_some_and(|alone| alone.nullable) {
        "If you answer with a program, put the whole of it in one fenced code block."
    } else {
        "Answer with the whole program in one fenced code block."
    }
}

/// The text that shows a JSON Schema to a model whose server does not enforce it.
pub fn ask_json(schema: &Value) -> String {
    // On one line: indentation would cost a small model a third of its attention.
    format!("Answer with one fenced block of JSON that fits this JSON Schema:\n```json\n{schema}\n```")
}

/// The text that shows a type as YAML with block scalars. Descriptions and limits are comments.
pub fn ask_yaml(ty: &Type) -> String {
    let mut example = Example { out: String::new() };
    example.value(ty, 0);
    let example = example.out;
    format!(
        "Answer with one fenced block of YAML in this shape, each `...` filled in:\n```yaml\n{}\n```",
        example.trim_end()
    )
}

/// The text that sends an answer back with the reasons why it will not do.
pub fn reask(reasons: &[String]) -> String {
    let mut text = "This answer can't be used:\n".to_owned();
    for reason in reasons {
        let _ = writeln!(text, "- {reason}");
    }
    text + "Answer again, in full and in the same form, with this put right."
}

/// A YAML example while it is written.
struct Example {
    out: String,
}

impl Example {
    /// A value at its column, the cursor standing where it begins on a line of its own.
    fn value(&mut self, ty: &Type, column: usize) {
        match shown(ty) {
            Type::Record(fields) => fields.iter().for_each(|field| self.field(field, column)),
            Type::List(item, _) => self.item(item, column),
            other => {
                let _ = writeln!(self.out, "{}{}", " ".repeat(column), scalar(other));
            }
        }
    }

    fn field(&mut self, field: &Field, column: usize) {
        let indent = " ".repeat(column);
        let notes: Vec<String> = field.about.iter().cloned().chain(notes(&field.ty, field.default.as_ref())).collect();
        if !notes.is_empty() {
            // On lines of their own: behind a value, models take them into it.
            let _ = writeln!(self.out, "{indent}# {}", notes.join("; ").replace('\n', " "));
        }
        let _ = write!(self.out, "{indent}{}:", field.name);
        match shown(&field.ty) {
            ty @ Type::Record(_) => {
                self.out.push('\n');
                self.value(ty, column + 2);
            }
            ty @ Type::List(..) => {
                self.out.push('\n');
                self.value(ty, column);
            }
            ty if is_long(ty) => {
                let _ = writeln!(self.out, " |\n{indent}  ...");
            }
            ty => {
                let _ = writeln!(self.out, " {}", scalar(ty));
            }
        }
    }

    /// One item of a list, which stands for all.
    fn item(&mut self, item: &Type, column: usize) {
        let indent = " ".repeat(column);
        match shown(item) {
            ty @ (Type::Record(_) | Type::List(..)) => {
                let start = self.out.len();
                self.value(ty, column + 2);
                // The dash takes the place of the indentation of the first line that is no comment.
                let mut at = start;
                while self.out[at..].trim_start().starts_with('#') {
                    at += self.out[at..].find('\n').map_or(self.out.len() - at, |end| end + 1);
                }
                if at < self.out.len() {
                    self.out.replace_range(at..at + column + 2, &format!("{indent}- "));
                }
            }
            ty if is_long(ty) => {
                let _ = writeln!(self.out, "{indent}- |\n{indent}  ...");
            }
            ty => {
                let _ = writeln!(self.out, "{indent}- {}", scalar(ty));
            }
        }
    }
}

/// The member of a union that an example shows: the first that is not null.
fn shown(ty: &Type) -> &Type {
    ty.members().iter().find(|member| **member != Type::Null).unwrap_or(ty)
}

fn is_long(ty: &Type) -> bool {
    match ty {
        Type::Code => true,
        Type::Text(rule) => rule.pattern.is_none() && rule.max_chars.is_none_or(|most| most > MOST_ON_A_LINE),
        _ => false,
    }
}

/// A scalar in an example.
fn scalar(ty: &Type) -> String {
    match ty {
        Type::Null => "null".to_owned(),
        Type::Boolean => "true".to_owned(),
        Type::Integer(range) | Type::Number(range) => {
            let one = if range.holds(1.0) { Some(1.0) } else { range.min.or(range.max) };
            one.unwrap_or_default().to_string()
        }
        Type::Literals(words) => match words.first() {
            Some(Value::String(word)) => word.clone(),
            Some(other) => other.to_string(),
            None => "...".to_owned(),
        },
        Type::Any
        | Type::Text(_)
        | Type::Code
        | Type::List(..)
        | Type::Record(_)
        | Type::Union(_)
        | Type::Schema(_) => "...".to_owned(),
    }
}

/// What a comment says of a field beyond its description.
fn notes(ty: &Type, default: Option<&Value>) -> Vec<String> {
    let mut notes = Vec::new();
    for member in ty.members() {
        match member {
            Type::Text(rule) => {
                notes.extend(rule.max_chars.map(|most| format!("at most {most} characters")));
                notes.extend(rule.pattern.as_ref().map(|pattern| format!("matches the pattern {pattern}")));
            }
            Type::Boolean | Type::Integer(_) | Type::Number(_) | Type::Literals(_) => notes.push(member.words()),
            Type::List(item, length) => {
                if length.fewest().is_some() || length.most().is_some() {
                    notes.push(format!("a list of {}", length.words()));
                }
                let of: Vec<String> = match shown(item) {
                    Type::Record(_) => Vec::new(),
                    other => self::notes(other, None),
                };
                notes.extend(of.into_iter().map(|note| format!("each {note}")));
            }
            Type::Code => notes.push("the whole program".to_owned()),
            Type::Schema(schema) => notes.push(format!("fits this JSON Schema: {schema}")),
            Type::Null => notes.push("or null".to_owned()),
            Type::Any | Type::Record(_) | Type::Union(_) => {}
        }
    }
    if let Some(default) = default {
        notes.push(format!("{default} if left out"));
    }
    notes
}

#[cfg(test)]
mod tests;
