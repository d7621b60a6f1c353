//! Where a request first differs from the recorded one, in a sentence.

use super::cassette::{Asked, Said};
use crate::run::ports::Role;
use crate::value::Value;
use std::iter::once;

/// Most characters of a line that a message shows on each side.
const SHOWN: usize = 80;

/// The first difference between what was recorded and what is asked; none when they are equal.
pub(super) fn difference(recorded: &Asked, asked: &Asked) -> Option<String> {
    if recorded.model != asked.model {
        return Some(format!("the model: {}", expected(&recorded.model, &asked.model)));
    }
    let settings = |a: &Asked| Value::Object(a.settings.0.clone());
    if let Some((at, old, new)) = first_unequal(&settings(recorded), &settings(asked)) {
        return Some(format!("the setting `{}`: {}", at.trim_start_matches('/'), expected(&old, &new)));
    }
    let schema = |a: &Asked| a.schema.clone().unwrap_or_default();
    if let Some((at, old, new)) = first_unequal(&schema(recorded), &schema(asked)) {
        let at = if at.is_empty() { String::new() } else { format!(" at `{at}`") };
        return Some(format!("the schema of the answer{at}: {}", expected(&old, &new)));
    }
    let turns = recorded.messages.iter().zip(&asked.messages).enumerate();
    turns.into_iter().find_map(|(i, (old, new))| message(i + 1, old, new)).or_else(|| {
        let (old, new) = (recorded.messages.len(), asked.messages.len());
        (old != new).then(|| format!("the number of messages: {}", expected(&old.to_string(), &new.to_string())))
    })
}

fn message(number: usize, recorded: &Said, asked: &Said) -> Option<String> {
    if recorded.role != asked.role {
        return Some(format!("message {number}: {}", expected(name(recorded.role), name(asked.role))));
    }
    if recorded.text == asked.text {
        return None;
    }
    let (old, new): (Vec<_>, Vec<_>) = (recorded.text.split('\n').collect(), asked.text.split('\n').collect());
    let line = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let place = format!("message {number} ({}), line {}", name(asked.role), line + 1);
    Some(match (old.get(line), new.get(line)) {
        (Some(old), Some(new)) => format!("{place}: {}", expected(old, new)),
        (Some(old), None) => format!("{place}: expected `{}`, got the end of the message", clip(old, 0)),
        (None, Some(new)) => format!("{place}: expected the end of the message, got `{}`", clip(new, 0)),
        (None, None) => unreachable!("internal error: texts of equal lines are equal"),
    })
}

fn name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// Both sides, long ones from shortly before the place where they part.
fn expected(old: &str, new: &str) -> String {
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let longest = old.chars().count().max(new.chars().count());
    let from = if longest > SHOWN { same.saturating_sub(SHOWN / 4) } else { 0 };
    format!("expected `{}`, got `{}`", clip(old, from), clip(new, from))
}

fn clip(text: &str, from: usize) -> String {
    let rest: Vec<char> = text.chars().skip(from).collect();
    let head = if from > 0 { "…" } else { "" };
    let tail = if rest.len() > SHOWN { "…" } else { "" };
    once(head.to_string()).chain(once(rest.into_iter().take(SHOWN).collect())).chain(once(tail.into())).collect()
}

/// The pointer of the first part in which two values differ, and that part of each; `nothing` where one has none.
fn first_unequal(old: &Value, new: &Value) -> Option<(String, String, String)> {
    let show = |v: Option<&Value>| v.map_or_else(|| "nothing".to_string(), Value::to_string);
    let within = |key: &str, old: Option<&Value>, new: Option<&Value>| match (old, new) {
        (Some(old), Some(new)) => first_unequal(old, new).map(|(at, o, n)| (format!("/{key}{at}"), o, n)),
        (None, None) => None,
        _ => Some((format!("/{key}"), show(old), show(new))),
    };
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let keys = old.keys().chain(new.keys().filter(|k| !old.contains_key(*k)));
            keys.into_iter().find_map(|key| within(key, old.get(key), new.get(key)))
        }
        (Value::Array(old), Value::Array(new)) => {
            (0..old.len().max(new.len())).find_map(|i| within(&i.to_string(), old.get(i), new.get(i)))
        }
        _ => (old != new).then(|| (String::new(), old.to_string(), new.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cassette::Settings;
    use serde_json::json;

    fn asked() -> Asked {
        Asked {
            model: "openai/a".into(),
            settings: Settings([("temperature".to_string(), json!(0.2))].into_iter().collect()),
            schema: Some(json!({ "type": "array", "items": { "type": "string" }, "minItems": 3 })),
            messages: vec![Said { role: Role::User, text: "one\ntwo".into() }],
        }
    }

    fn told(change: impl FnOnce(&mut Asked)) -> String {
        let mut other = asked();
        change(&mut other);
        difference(&asked(), &other).expect("they differ")
    }

    #[test]
    fn equal_requests_do_not_differ() {
        assert_eq!(difference(&asked(), &asked()), None);
    }

    #[test]
    fn each_part_is_named() {
        assert_eq!(told(|a| a.model = "openai/b".into()), "the model: expected `openai/a`, got `openai/b`");
        assert_eq!(
            told(|a| a.settings = Settings::default()),
            "the setting `temperature`: expected `0.2`, got `nothing`"
        );
        assert_eq!(
            told(|a| a.schema.as_mut().expect("has one")["minItems"] = json!(4)),
            "the schema of the answer at `/minItems`: expected `3`, got `4`"
        );
        assert!(told(|a| a.schema = None).starts_with("the schema of the answer: expected"));
        assert_eq!(told(|a| a.messages.clear()), "the number of messages: expected `1`, got `0`");
        assert_eq!(told(|a| a.messages[0].role = Role::Assistant), "message 1: expected `user`, got `assistant`");
    }

    #[test]
    fn a_text_is_compared_line_by_line() {
        let with = |text: &str| told(|a| a.messages[0].text = text.into());
        assert_eq!(with("one\n2"), "message 1 (user), line 2: expected `two`, got `2`");
        assert_eq!(with("one"), "message 1 (user), line 2: expected `two`, got the end of the message");
        assert_eq!(with("one\ntwo\n"), "message 1 (user), line 3: expected the end of the message, got ``");
    }

    #[test]
    fn long_lines_show_the_place_where_they_part() {
        let (old, new) = ("x".repeat(500) + "OLD", "x".repeat(500) + "NEW");
        let told = expected(&old, &new);
        assert!(told.contains("OLD`") && told.contains("NEW`") && told.len() < 200, "{told}");
    }
}
