//! OpenAI's chat completions: the form of a request, and how an answer is read, in pieces or whole.

use super::wire::{End, Manner, OnText, Partial, Shape};
use crate::run::ports::{Request, Role};
use serde_json::{Value, json};

/// The path of the form, added to a base URL.
pub(super) const PATH: &str = "/chat/completions";

/// The name of the schema; the form wants one and does nothing with it.
const SCHEMA_NAME: &str = "answer";

/// The request of the form.
pub(super) fn body(model: &str, request: &Request, manner: &Manner) -> Value {
    let message = |(role, text): &(Role, _)| json!({ "role": role, "content": text });
    let messages: Vec<Value> = manner.texts(&request.messages).iter().map(message).collect();
    let mut body = json!({ "model": model, "messages": messages });
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[key] = value;
        }
    };
    let settings = &request.settings;
    set("temperature", settings.temperature.map(Value::from));
    set("top_p", settings.top_p.map(Value::from));
    let limit = if manner.new_limit { "max_completion_tokens" } else { "max_tokens" };
    set(limit, settings.max_tokens.map(Value::from));
    set("stop", (!settings.stop.is_empty()).then(|| json!(settings.stop)));
    set("seed", settings.seed.map(Value::from));
    set("frequency_penalty", settings.frequency_penalty.map(Value::from));
    set("presence_penalty", settings.presence_penalty.map(Value::from));
    set("stream", manner.stream.then_some(Value::Bool(true)));
    set("stream_options", manner.stream_usage.then(|| json!({ "include_usage": true })));
    let format = match &manner.shape {
        Shape::Whole(schema) => Some(json!({
            "type": "json_schema",
            "json_schema": { "name": SCHEMA_NAME, "schema": schema },
        })),
        Shape::Strict(lowered) => Some(json!({
            "type": "json_schema",
            "json_schema": { "name": SCHEMA_NAME, "schema": lowered.schema, "strict": true },
        })),
        Shape::Record(_) => Some(json!({ "type": "json_object" })),
        Shape::Free | Shape::Shown(_) => None,
    };
    set("response_format", format);
    body
}

/// Takes one piece of a streamed answer, or the whole of one that is not: they differ in one name.
///
/// # Errors
/// The error that the server puts in place of an answer.
pub(super) fn read(partial: &mut Partial, piece: &Value, on_text: OnText<'_>) -> Result<(), Value> {
    if let Some(error) = piece.get("error").filter(|error| !error.is_null()) {
        return Err(error.clone());
    }
    if let Some(model) = piece["model"].as_str().filter(|model| !model.is_empty()) {
        partial.model = Some(model.into());
    }
    let usage = &piece["usage"];
    partial.count(usage["prompt_tokens"].as_u64(), usage["completion_tokens"].as_u64());
    let choice = &piece["choices"][0];
    let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
    match &said["content"] {
        Value::String(text) => partial.say(text, on_text),
        // Some servers give a list of parts, of which the model's reasoning is one without a text.
        Value::Array(parts) => parts.iter().filter_map(|p| p["text"].as_str()).for_each(|t| partial.say(t, on_text)),
        _ => {}
    }
    partial.refusal.push_str(said["refusal"].as_str().unwrap_or_default());
    match choice["finish_reason"].as_str() {
        None => {}
        Some("length") => partial.end = Some(End::Cut),
        Some("content_filter") => partial.end = Some(End::Refused),
        Some("error") => partial.end = Some(End::Failed),
        Some(_) => partial.end = partial.end.or(Some(End::Complete)),
    }
    // A whole answer ends with itself, whatever it says of its end.
    partial.done |= choice["message"].is_object();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::ports::{CallSettings, Message};

    #[test]
    fn only_what_is_set_is_sent() {
        let request = Request {
            model: "openai/m".into(),
            messages: vec![Message { role: Role::User, text: "hi".into() }],
            schema: None,
            settings: CallSettings {
                temperature: Some(0.2),
                stop: vec!["END".into()],
                max_tokens: Some(5),
                ..Default::default()
            },
            timeout: None,
        };
        let manner = Manner { stream: true, stream_usage: true, new_limit: false, shape: Shape::Free };
        let expected = json!({
            "model": "m", "messages": [{ "role": "user", "content": "hi" }],
            "temperature": 0.2, "max_tokens": 5, "stop": ["END"],
            "stream": true, "stream_options": { "include_usage": true },
        });
        assert_eq!(body("m", &request, &manner), expected);
        let manner = Manner { stream: false, stream_usage: false, new_limit: true, shape: Shape::Free };
        assert_eq!(body("m", &request, &manner)["max_completion_tokens"], 5);
        assert_eq!(body("m", &request, &manner).get("stream"), None);
    }

    #[test]
    fn parts_of_content_are_one_text() {
        let mut partial = Partial::default();
        let content = json!([{ "type": "thinking", "thinking": [] }, { "type": "text", "text": "a" }, { "type": "text", "text": "b" }]);
        let piece = json!({ "choices": [{ "message": { "content": content }, "finish_reason": "stop" }] });
        read(&mut partial, &piece, &|_| {}).unwrap();
        assert_eq!((partial.text.as_str(), partial.end, partial.done), ("ab", Some(End::Complete), true));
    }
}
