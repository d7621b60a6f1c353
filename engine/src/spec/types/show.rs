//! Types in words: as a person would write them in a flow, and as a sentence tells them.

use super::{Bound, Field, Length, Range, TextRule, Type};
use serde_json::Value;
use std::fmt;

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Null => f.write_str("null"),
            Self::Boolean => f.write_str("boolean"),
            Self::Code => f.write_str("code"),
            Self::Integer(range) => write!(f, "integer{range}"),
            Self::Number(range) => write!(f, "number{range}"),
            Self::Text(rule) => write!(f, "string{rule}"),
            Self::Literals(words) => list(f, words, " | ", literal),
            Self::List(item, length) => write!(f, "[{item}]{length}"),
            Self::Record(fields) if fields.is_empty() => f.write_str("{}"),
            Self::Record(fields) => {
                f.write_str("{ ")?;
                list(f, fields, ", ", |field, f| write!(f, "{field}"))?;
                f.write_str(" }")
            }
            Self::Union(members) => list(f, members, " | ", |member, f| write!(f, "{member}")),
            Self::Schema(schema) => write!(f, "{{ schema: {schema} }}"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.ty)?;
        match &self.default {
            Some(default) => write!(f, " = {default}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (None, None) => Ok(()),
            (min, max) => write!(f, " {}..{}", end(min), end(max)),
        }
    }
}

impl fmt::Display for TextRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(most) = self.max_chars {
            write!(f, " ..{most}")?;
        }
        match &self.pattern {
            Some(pattern) => write!(f, " /{}/", pattern.replace('/', "\\/")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.min, &self.max) {
            (None, None) => Ok(()),
            (Some(min), Some(max)) if min == max => write!(f, " {min}"),
            (min, max) => write!(f, " {}..{}", end(min.as_ref()), end(max.as_ref())),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(number) => write!(f, "{number}"),
            Self::Flow(path) if path.chars().all(|c| c.is_alphanumeric() || "_.[]".contains(c)) => write!(f, "${path}"),
            Self::Flow(source) => write!(f, "$( {source} )"),
        }
    }
}

fn end<T: ToString>(end: Option<T>) -> String {
    end.map(|end| end.to_string()).unwrap_or_default()
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    between: &str,
    show: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        show(item, f)?;
    }
    Ok(())
}

/// A literal, in quotes where it would not be read back as one.
fn literal(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value.as_str() {
        Some(word)
            if word.starts_with(char::is_lowercase)
                && word.chars().all(|c| c.is_alphanumeric() || "_-+#.".contains(c)) =>
        {
            f.write_str(word)
        }
        Some(word) => write!(f, "'{}'", word.replace('\'', "''")),
        None => write!(f, "{value}"),
    }
}

impl Type {
    /// What a value of it is, to follow "must be".
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Any => "any value".to_owned(),
            Self::Null => "null".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer(range) => format!("a whole number{}", range.words()),
            Self::Number(range) => format!("a number{}", range.words()),
            Self::Text(_) => "text".to_owned(),
            Self::Code => "a program's text".to_owned(),
            Self::Literals(words) => {
                let words: Vec<String> =
                    words.iter().map(|w| w.as_str().map_or_else(|| format!("`{w}`"), |w| format!("`{w}`"))).collect();
                format!("one of {}", words.join(", "))
            }
            Self::List(..) => "a list".to_owned(),
            Self::Record(fields) => {
                let names: Vec<String> = fields.iter().map(|f| format!("`{}`", f.name)).collect();
                format!("a record with {}", if names.is_empty() { "no fields".to_owned() } else { names.join(", ") })
            }
            Self::Union(members) => members.iter().map(Self::words).collect::<Vec<_>>().join(", or "),
            Self::Schema(_) => "what its JSON Schema asks for".to_owned(),
        }
    }
}

impl Range {
    fn words(self) -> String {
        match (self.min, self.max) {
            (None, None) => String::new(),
            (Some(min), None) => format!(" of {min} or more"),
            (None, Some(max)) => format!(" of {max} or less"),
            (Some(min), Some(max)) => format!(" from {min} to {max}"),
        }
    }
}

impl Length {
    /// How many items, where that is a number: `exactly 3 items`.
    pub(crate) fn words(&self) -> String {
        match (self.fewest(), self.most()) {
            (None, None) => "items".to_owned(),
            (Some(1), Some(1)) => "exactly 1 item".to_owned(),
            (Some(min), Some(max)) if min == max => format!("exactly {min} items"),
            (Some(min), Some(max)) => format!("{min} to {max} items"),
            (Some(1), None) => "1 item or more".to_owned(),
            (Some(min), None) => format!("{min} items or more"),
            (None, Some(1)) => "at most 1 item".to_owned(),
            (None, Some(max)) => format!("at most {max} items"),
        }
    }
}
