//! What both wire forms share: the manner in which a request is put to a server, and the answer that grows as it comes.

use super::provider::SchemaSupport;
use super::strict::{self, Lowered};
use crate::run::ports::{Message, Request, Role, Usage};
use serde_json::Value;

/// Longest answer that is taken in. The longest that a model gives today is a tenth of it; what is longer counts as cut
/// off, as if the provider had had a limit there.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// How a request is put to a server. Servers differ in what they know; what one refuses is left away.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manner {
    /// Ask for the answer in pieces.
    pub(super) stream: bool,
    /// Ask for the usage at the end of the stream.
    pub(super) stream_usage: bool,
    /// `max_completion_tokens` for `max_tokens`.
    pub(super) new_limit: bool,
    /// What becomes of the schema.
    pub(super) shape: Shape,
}

/// What becomes of the schema of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// There is none.
    Free,
    /// The server holds the answer to it. The last message shows it all the same: servers that run the model themselves
    /// do not tell it of the schema, so it would know neither the fields nor what they are for.
    Whole(Value),
    /// The server holds the answer to the strict part of it, and tells the model.
    Strict(Lowered),
    /// The last message shows it and the server holds the answer to be a JSON record.
    Record(Value),
    /// The last message shows it.
    Shown(Value),
}

impl Shape {
    /// The best that a provider says it can do.
    pub(super) fn best(schema: &Value, support: SchemaSupport) -> Self {
        let record = schema.get("type").and_then(Value::as_str) == Some("object");
        let strict = |limits| strict::lower(schema, limits).map(Self::Strict);
        match support {
            SchemaSupport::Whole => Some(Self::Whole(schema.clone())),
            SchemaSupport::Strict => strict(false),
            SchemaSupport::StrictWithLimits => strict(true),
            SchemaSupport::JsonMode => record.then(|| Self::Record(schema.clone())),
            SchemaSupport::Nothing => None,
        }
        .unwrap_or_else(|| Self::Shown(schema.clone()))
    }

    /// The schema that the server is to enforce.
    pub(super) fn enforced(&self) -> Option<&Value> {
        match self {
            Self::Whole(schema) => Some(schema),
            Self::Strict(lowered) => Some(&lowered.schema),
            Self::Free | Self::Record(_) | Self::Shown(_) => None,
        }
    }

    fn shown(&self) -> Option<&Value> {
        match self {
            Self::Whole(schema) | Self::Record(schema) | Self::Shown(schema) => Some(schema),
            Self::Free | Self::Strict(_) => None,
        }
    }
}

/// Words by which servers speak of a schema or its form. The last is a server's that found its own model's answer wanting.
const SCHEMA_WORDS: [&str; 8] = [
    "response_format",
    "response format",
    "output_config",
    "output format",
    "schema",
    "grammar",
    "structured output",
    "json_validate_failed",
];

/// Words by which servers speak of a stream; the bare word stands in `upstream` as well.
const STREAM_WORDS: [&str; 4] = ["'stream'", "`stream`", "\"stream\"", "streaming"];

impl Manner {
    /// The manner that the server, which refused this one in these words, may take; none when the refusal is about
    /// something else. Each manner asks for less than the one before, so that asking again ends.
    pub(super) fn without(&self, refusal: &str, request: &Request) -> Option<Self> {
        let refusal = refusal.to_lowercase();
        let says = |word: &str| refusal.contains(word);
        let limited = request.settings.max_tokens.is_some();
        let mut less = self.clone();
        if self.stream_usage && (says("stream_options") || says("include_usage")) {
            less.stream_usage = false;
        } else if !self.new_limit && limited && says("max_completion_tokens") {
            less.new_limit = true;
        } else if self.constrains() && SCHEMA_WORDS.iter().any(|word| says(word)) {
            less.shape = Shape::Shown(request.schema.clone()?);
        } else if self.stream && STREAM_WORDS.iter().any(|word| says(word)) {
            less.stream = false;
            less.stream_usage = false;
        } else {
            return None;
        }
        Some(less)
    }

    fn constrains(&self) -> bool {
        match self.shape {
            Shape::Whole(_) | Shape::Strict(_) | Shape::Record(_) => true,
            Shape::Free | Shape::Shown(_) => false,
        }
    }

    /// The texts to send, each with its speaker, the schema shown in the last one where the server does not tell it.
    pub(super) fn texts<'a>(&self, messages: &'a [Message]) -> Vec<(Role, std::borrow::Cow<'a, str>)> {
        let mut texts: Vec<_> = messages.iter().map(|m| (m.role, m.text.as_str().into())).collect();
        if let (Some(schema), Some((_, last))) = (self.shape.shown(), texts.last_mut()) {
            let shown: String = format!("{last}\n\n{}", crate::answer::ask_json(schema));
            *last = shown.into();
        }
        texts
    }
}

/// Given the pieces of an answer as they come.
pub(super) type OnText<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// An answer as far as it came.
#[derive(Debug, Default)]
pub(super) struct Partial {
    pub(super) text: String,
    /// Why it ended, where the server said so.
    pub(super) end: Option<End>,
    /// The server said that nothing more comes.
    pub(super) done: bool,
    /// What the model said instead of an answer.
    pub(super) refusal: String,
    pub(super) usage: Option<Usage>,
    pub(super) model: Option<String>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was complete.
    Complete,
    /// A limit of length cut it off.
    Cut,
    /// The model, or a filter, would not give it.
    Refused,
    /// The server failed on the way.
    Failed,
}

impl Partial {
    /// Takes the next piece of the text.
    pub(super) fn say(&mut self, piece: &str, on_text: OnText<'_>) {
        if piece.is_empty() || self.done {
            return;
        }
        if self.text.len() + piece.len() > MAX_ANSWER_BYTES {
            (self.end, self.done) = (Some(End::Cut), true);
            return;
        }
        self.text.push_str(piece);
        on_text(piece);
    }

    /// Takes a count of tokens; what is absent keeps its value.
    pub(super) fn count(&mut self, prompt: Option<u64>, completion: Option<u64>) {
        if prompt.or(completion).is_some() {
            let usage = self.usage.get_or_insert_default();
            usage.prompt_tokens = prompt.unwrap_or(usage.prompt_tokens);
            usage.completion_tokens = completion.unwrap_or(usage.completion_tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::ports::CallSettings;
    use serde_json::json;

    fn request(schema: Option<Value>) -> Request {
        Request {
            model: "p/m".into(),
            messages: vec![
                Message { role: Role::System, text: "frame".into() },
                Message { role: Role::User, text: "question".into() },
            ],
            schema,
            settings: CallSettings { max_tokens: Some(9), ..CallSettings::default() },
            timeout: None,
        }
    }

    fn eager(shape: Shape) -> Manner {
        Manner { stream: true, stream_usage: true, new_limit: false, shape }
    }

    #[test]
    fn what_a_server_refuses_is_left_away_once() {
        let schema = json!({ "type": "object", "properties": {} });
        let request = request(Some(schema.clone()));
        let first = eager(Shape::Whole(schema.clone()));
        let second = first.without("Unknown parameter: 'stream_options'", &request).unwrap();
        assert!(second.stream && !second.stream_usage);
        assert!(!second.without("Streaming is not supported", &request).unwrap().stream);
        let third = second.without("This Response_Format type is unavailable now", &request).unwrap();
        assert_eq!(third.shape, Shape::Shown(schema));
        assert_eq!(third.without("response_format is bad", &request), None);
        let fourth = third.without("'max_tokens' is unknown, use 'max_completion_tokens'", &request).unwrap();
        assert!(fourth.new_limit);
        assert_eq!(fourth.without("use 'max_completion_tokens'", &request), None);
    }

    #[test]
    fn a_refusal_about_something_else_changes_nothing() {
        let manner = eager(Shape::Free);
        assert_eq!(manner.without("the upstream context has 8192 tokens", &request(None)), None);
        assert_eq!(manner.without("bad schema in response_format", &request(None)), None);
    }

    #[test]
    fn a_schema_that_no_server_tells_stands_in_the_last_message() {
        let schema = json!({ "type": "array", "items": { "type": "integer" }, "maxItems": 77 });
        let request = request(Some(schema.clone()));
        let texts = |support| eager(Shape::best(&schema, support)).texts(&request.messages)[1].1.to_string();
        assert_eq!(texts(SchemaSupport::Strict), "question");
        assert!(texts(SchemaSupport::Whole).contains("\"maxItems\":77"));
        assert!(texts(SchemaSupport::Nothing).starts_with("question\n"));
        assert!(texts(SchemaSupport::JsonMode).contains("\"maxItems\":77"), "a list is no JSON record");
        let manner = eager(Shape::best(&schema, SchemaSupport::Nothing));
        assert_eq!(manner.texts(&request.messages)[0].1, "frame");
    }

    #[test]
    fn an_answer_without_end_is_cut_off() {
        let (mut partial, piece) = (Partial::default(), "x".repeat(1 << 20));
        for _ in 0..9 {
            partial.say(&piece, &|_| {});
        }
        assert_eq!((partial.text.len(), partial.end, partial.done), (8 << 20, Some(End::Cut), true));
    }
}
