//! Whether a value of one type may stand where another is asked for. Refused is what is certainly wrong, no more: the value
//! itself is not read again where it arrives.

use super::{Field, Length, Range, Type};

impl Type {
    /// Whether a value of this type may stand where `wanted` is asked for.
    ///
    /// # Errors
    /// The first thing that is certainly wrong, to follow "because".
    pub fn assignable_to(&self, wanted: &Self) -> Result<(), String> {
        match (self, wanted) {
            (Self::Any | Self::Schema(_), _) | (_, Self::Any | Self::Schema(_)) => Ok(()),
            // Every member may come, so every member must fit.
            (Self::Union(members), _) => members.iter().try_for_each(|member| member.assignable_to(wanted)),
            (_, Self::Union(members)) => {
                if members.iter().any(|member| self.assignable_to(member).is_ok()) {
                    return Ok(());
                }
                let mut others = members.iter().filter(|m| **m != Self::Null);
                match (others.next(), others.next()) {
                    (Some(only), None) if *self != Self::Null => self.assignable_to(only),
                    _ => Err(self.is_not(wanted)),
                }
            }
            (Self::Null, Self::Null)
            | (Self::Boolean, Self::Boolean)
            | (Self::Text(_) | Self::Code, Self::Text(_) | Self::Code) => Ok(()),
            (Self::Integer(from), Self::Integer(to) | Self::Number(to)) | (Self::Number(from), Self::Number(to)) => {
                if from.meets(*to) {
                    Ok(())
                } else {
                    Err(format!("no value of `{self}` lies in `{wanted}`"))
                }
            }
            (Self::Literals(words), Self::Text(_) | Self::Code) if words.iter().all(serde_json::Value::is_string) => {
                Ok(())
            }
            (Self::Literals(words), Self::Integer(_) | Self::Number(_)) => {
                let fits = |word: &serde_json::Value| word.is_number() && wanted.accept(word).is_ok();
                if words.iter().all(fits) { Ok(()) } else { Err(self.is_not(wanted)) }
            }
            (Self::Literals(words), Self::Literals(wanted_words)) => {
                match words.iter().find(|word| !wanted_words.contains(word)) {
                    None => Ok(()),
                    Some(word) => Err(format!("{word} is not one of `{wanted}`")),
                }
            }
            (Self::List(item, length), Self::List(wanted_item, wanted_length)) => {
                if !length.meets(wanted_length) {
                    return Err(format!("a list of {} is never one of {}", length.words(), wanted_length.words()));
                }
                // The items of a list that is always empty fit anything.
                if length.most() == Some(0) {
                    return Ok(());
                }
                item.assignable_to(wanted_item).map_err(|why| format!("of the items of the list, {why}"))
            }
            (Self::Record(fields), Self::Record(wanted_fields)) => record(fields, wanted_fields),
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
                _,
            ) => Err(self.is_not(wanted)),
        }
    }

    fn is_not(&self, wanted: &Self) -> String {
        format!("`{self}` is not `{wanted}`")
    }
}

fn record(fields: &[Field], wanted_fields: &[Field]) -> Result<(), String> {
    for wanted in wanted_fields {
        match fields.iter().find(|f| f.name == wanted.name) {
            Some(field) => {
                field.ty.assignable_to(&wanted.ty).map_err(|why| format!("of its field `{}`, {why}", wanted.name))?;
            }
            None if wanted.default.is_some() || wanted.ty.takes_null() => {}
            None => return Err(format!("it has no field `{}`", wanted.name)),
        }
    }
    Ok(())
}

impl Range {
    /// Whether some number lies in both.
    fn meets(self, other: Self) -> bool {
        let below = |min: Option<f64>, max: Option<f64>| match (min, max) {
            (Some(min), Some(max)) => min <= max,
            _ => true,
        };
        below(self.min, other.max) && below(other.min, self.max)
    }
}

impl Length {
    /// Whether some count lies in both, as far as they are numbers.
    fn meets(&self, other: &Self) -> bool {
        let below = |min: Option<u64>, max: Option<u64>| match (min, max) {
            (Some(min), Some(max)) => min <= max,
            _ => true,
        };
        below(self.fewest(), other.most()) && below(other.fewest(), self.most())
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::types::Type;

    #[test]
    fn what_may_fit_passes() {
        for (from, to) in [
            ("any", "string"),
            ("string", "any"),
            ("integer", "number"),
            ("code", "string"),
            ("string", "code"),
            ("low | high", "string"),
            ("low | high", "low | high | other"),
            ("1 | 2", "integer 1..5"),
            ("integer", "integer 1..5"),
            ("integer 1..9", "integer 5..12"),
            ("string", "string ..5"),
            ("[integer]", "[number]"),
            ("\"[string] ..5\"", "\"[string] 3..8\""),
            ("\"[string] 0\"", "[integer]"),
            ("{ a: string, b: integer }", "{ a: string }"),
            ("{ a: string }", "{ a: string, b: \"integer | null\", c: integer = 3, d: any }"),
            ("string", "\"string | null\""),
            ("\"string | null\"", "\"null | string | integer\""),
            ("{ schema: { type: integer } }", "string"),
            ("Test", "{ input: string, output: string }"),
        ] {
            assert_eq!(Type::of(from).assignable_to(&Type::of(to)), Ok(()), "{from} to {to}");
        }
    }

    #[test]
    fn what_is_certainly_wrong_is_refused_with_a_reason() {
        for (from, to, says) in [
            ("string", "integer", "`string` is not `integer`"),
            ("number", "integer", "`number` is not `integer`"),
            ("integer", "string", "`integer` is not `string`"),
            ("string", "low | high", "is not"),
            ("low | mid", "low | high", "\"mid\""),
            ("integer 1..3", "integer 5..9", "no value"),
            ("\"string | null\"", "string", "`null`"),
            ("\"[string] ..2\"", "\"[string] 3\"", "at most 2"),
            ("[string]", "[integer]", "items"),
            ("[string]", "string", "is not"),
            ("{ a: string }", "{ a: string, b: integer }", "`b`"),
            ("{ a: { b: string } }", "{ a: { b: integer } }", "`a`"),
            ("integer", "\"string | null\"", "`integer` is not `string`"),
            ("integer", "\"string | boolean\"", "is not"),
        ] {
            let why = Type::of(from).assignable_to(&Type::of(to)).expect_err(from);
            assert!(why.contains(says), "{from} to {to}: {why}");
        }
    }
}
