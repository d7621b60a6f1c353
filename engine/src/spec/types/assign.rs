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
