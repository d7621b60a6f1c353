//! Anthropic's messages: the form of a request, and how an answer is read, in pieces or whole.
//!
//! The form has no seed and no penalties; those settings are not sent.

use super::wire::{End, Manner, OnText, Partial};
use crate::run::ports::{Request, Role};
use serde_json::{Value, json};

/// The path of the form, added to a base URL without its version.
pub(super) const PATH: &str = "/v1/messages";

/// The version of the form.
pub(super) const VERSION: &str = "2023-06-01";

/// The form wants a limit. Every model of the last generations takes this one; an answer that needs more is `truncated`
/// and says so, and `max_tokens` allows it.
const DEFAULT_MAX_TOKENS: u64 = 8192;

/// The request of the form.
pub(super) fn body(model: &str, request: &Request, manner: &Manner) -> Value {
    let (mut system, mut messages) = (Vec::new(), Vec::new());
    for (role, text) in manner.texts(&request.messages) {
        match role {
            Role::System => system.push(text),
            Role::User | Role::Assistant => messages.push(json!({ "role": role, "content": text })),
        }
    }
    let settings = &request.settings;
    let mut body = json!({
        "model": model,
        "max_tokens": settings.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        "messages": messages,
    });
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[key] = value;
        }
    };
    set("system", (!system.is_empty()).then(|| system.join("\n\n").into()));
    set("temperature", settings.temperature.map(Value::from));
    set("top_p", settings.top_p.map(Value::from));
    set("stop_sequences", (!settings.stop.is_empty()).then(|| json!(settings.stop)));
    set("stream", manner.stream.then_some(Value::Bool(true)));
    let format = |schema: &Value| json!({ "format": { "type": "json_schema", "schema": schema } });
    set("output_config", manner.shape.enforced().map(format));
    body
}

/// Takes one event of a streamed answer, or the whole of one that is not.
///
/// # Errors
/// The error that the server puts in place of an answer.
pub(super) fn read(partial: &mut Partial, event: &Value, on_text: OnText<'_>) -> Result<(), Value> {
    match event["type"].as_str().unwrap_or_default() {
        "message_start" => head(partial, &event["message"]),
        "content_block_start" => partial.say(event["content_block"]["text"].as_str().unwrap_or_default(), on_text),
        "content_block_delta" => partial.say(event["delta"]["text"].as_str().unwrap_or_default(), on_text),
        "message_delta" => {
            count(partial, &event["usage"]);
            end(partial, &event["delta"]);
        }
        "message_stop" => partial.done = true,
        "error" => return Err(event["error"].clone()),
        "message" => {
            head(partial, event);
            for block in event["content"].as_array().into_iter().flatten() {
                partial.say(block["text"].as_str().unwrap_or_default(), on_text);
            }
            end(partial, event);
            partial.done = true;
        }
        // Pings, ends of blocks, and what later versions add.
        _ => {}
    }
    Ok(())
}

fn head(partial: &mut Partial, message: &Value) {
    partial.model = message["model"].as_str().map(String::from);
    count(partial, &message["usage"]);
}

fn count(partial: &mut Partial, usage: &Value) {
    // What was read from a cache, or written to it, was sent all the same.
    let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"];
    let cached: u64 = cached.iter().filter_map(|key| usage[*key].as_u64()).sum();
    partial.count(usage["input_tokens"].as_u64().map(|n| n + cached), usage["output_tokens"].as_u64());
}

fn end(partial: &mut Partial, message: &Value) {
    match message["stop_reason"].as_str() {
        None => {}
        Some("max_tokens" | "model_context_window_exceeded") => partial.end = Some(End::Cut),
        Some("refusal") => {
            partial.refusal = message["stop_details"]["explanation"].as_str().unwrap_or_default().into();
            partial.end = Some(End::Refused);
        }
        Some(_) => partial.end = partial.end.or(Some(End::Complete)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::strict;
    use crate::model::wire::Shape;
    use crate::run::ports::{CallSettings, Message};

    #[test]
    fn the_frame_stands_apart_and_a_limit_is_always_there() {
        let say = |role, text: &str| Message { role, text: text.into() };
        let schema =
            json!({ "type": "object", "properties": { "n": { "type": "integer", "minimum": 1 } }, "required": ["n"] });
        let request = Request {
            model: "anthropic/m".into(),
            messages: vec![say(Role::System, "be brief"), say(Role::User, "hi"), say(Role::Assistant, "hello")],
            schema: Some(schema.clone()),
            settings: CallSettings { seed: Some(1), frequency_penalty: Some(0.1), ..Default::default() },
            timeout: None,
        };
        let shape = Shape::Strict(strict::lower(&schema, false).expect("can be said"));
        let manner = Manner { stream: true, stream_usage: false, new_limit: false, shape };
        let expected = json!({
            "model": "m", "max_tokens": 8192, "system": "be brief", "stream": true,
            "messages": [{ "role": "user", "content": "hi" }, { "role": "assistant", "content": "hello" }],
            "output_config": { "format": { "type": "json_schema", "schema": {
                "type": "object", "required": ["n"], "additionalProperties": false,
                "properties": { "n": { "type": "integer", "description": "({\"minimum\":1})" } },
            } } },
        });
        assert_eq!(body("m", &request, &manner), expected);
    }
}
