//! Who hosts models: the wire form they speak, where they are, and how they take a schema.

use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// A wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// OpenAI's chat completions, which most servers speak.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
}

/// How a provider takes the schema of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaSupport {
    /// It enforces any JSON Schema and does not tell the model: servers that run the model themselves.
    Whole,
    /// It enforces the strict part of JSON Schema, limits of numbers and lengths left out, and tells the model.
    Strict,
    /// It enforces the strict part of JSON Schema and most limits, and tells the model.
    StrictWithLimits,
    /// It can only promise some JSON record.
    JsonMode,
    /// It promises nothing.
    Nothing,
}

/// How long a provider may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until it can be connected to. A host that is up answers in a second, from anywhere.
    pub connect: Duration,
    /// From the request to the first byte of the answer. Absent: as long as the request says that the attempt may take,
    /// else five minutes.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer; absent as above.
    pub idle: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), first_byte: None, idle: None }
    }
}

/// A provider that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name in `provider/model`.
    pub name: &'static str,
    /// The wire form it speaks.
    pub kind: Kind,
    /// Where it is, unless told otherwise.
    pub base_url: &'static str,
    /// The environment variable that holds its key.
    pub key_variable: &'static str,
    /// The environment variable that says where it is instead.
    pub base_url_variable: &'static str,
    /// How it takes a schema.
    pub schema: SchemaSupport,
}

macro_rules! known {
    ($($name:literal $variable:literal $kind:ident $schema:ident $base_url:literal)*) => {
        [$(Known {
            name: $name,
            kind: Kind::$kind,
            base_url: $base_url,
            key_variable: concat!($variable, "_API_KEY"),
            base_url_variable: concat!($variable, "_BASE_URL"),
            schema: SchemaSupport::$schema,
        }),*]
    };
}

/// The providers known by name.
pub const KNOWN: [Known; 11] = known! {
    "openai"     "OPENAI"     OpenAi    StrictWithLimits "https://api.openai.com/v1"
    "anthropic"  "ANTHROPIC"  Anthropic Strict           "https://api.anthropic.com"
    "deepseek"   "DEEPSEEK"   OpenAi    JsonMode         "https://api.deepseek.com/v1"
    "gemini"     "GEMINI"     OpenAi    Strict           "https://generativelanguage.googleapis.com/v1beta/openai"
    "groq"       "GROQ"       OpenAi    Strict           "https://api.groq.com/openai/v1"
    "llamacpp"   "LLAMACPP"   OpenAi    Whole            "http://localhost:8080/v1"
    "mistral"    "MISTRAL"    OpenAi    Strict           "https://api.mistral.ai/v1"
    "ollama"     "OLLAMA"     OpenAi    Whole            "http://localhost:11434/v1"
    "openrouter" "OPENROUTER" OpenAi    Strict           "https://openrouter.ai/api/v1"
    "vllm"       "VLLM"       OpenAi    Whole            "http://localhost:8000/v1"
    "xai"        "XAI"        OpenAi    Strict           "https://api.x.ai/v1"
};

/// A provider as a run uses it.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in `provider/model`.
    pub name: String,
    /// The wire form it speaks.
    pub kind: Kind,
    /// Where it is; the path of the wire form is added to it.
    pub base_url: String,
    /// Its key.
    pub key: Option<SecretString>,
    /// The environment variable that should hold the key, for messages.
    pub key_variable: Option<String>,
    /// How it takes a schema.
    pub schema: SchemaSupport,
    /// How long it may be silent.
    pub timeouts: Timeouts,
}

impl Provider {
    /// A provider of the table, with key and place from the environment. Behind another base URL stands, for all we
    /// know, a server that runs the model itself: the hosted provider's own restrictions on schemas don't hold there.
    pub fn known(known: &Known, environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |variable| environment(variable).filter(|value| !value.trim().is_empty());
        let mut provider = Self {
            name: known.name.into(),
            kind: known.kind,
            base_url: known.base_url.into(),
            key: set(known.key_variable).map(|key| key.trim().to_string().into()),
            key_variable: Some(known.key_variable.into()),
            schema: known.schema,
            timeouts: Timeouts::default(),
        };
        if let Some(base_url) = set(known.base_url_variable) {
            provider.move_to(base_url.trim());
        }
        provider
    }

    /// Says that the provider is elsewhere than its table says.
    pub fn move_to(&mut self, base_url: &str) {
        let same = host(&self.base_url) == host(base_url);
        self.base_url = base_url.into();
        if let (false, SchemaSupport::Strict | SchemaSupport::StrictWithLimits) = (same, self.schema) {
            self.schema = SchemaSupport::Whole;
        }
    }

    /// Whether nothing but a key can make it answer: a hosted provider at its own place.
    pub(super) fn needs_key(&self) -> bool {
        let mut hosted = KNOWN.iter().filter(|known| known.base_url.starts_with("https"));
        hosted.any(|known| host(known.base_url) == host(&self.base_url))
    }

    /// Whether its calls cost nothing: a server that people run themselves, unless it is reached the way hosted ones are.
    pub(super) fn costs_nothing(&self) -> bool {
        let own = KNOWN.iter().any(|known| known.name == self.name && known.base_url.starts_with("http:"));
        own && self.base_url.starts_with("http:")
    }

    /// The text with the key taken out, wherever a server or a library put it.
    pub(super) fn without_key(&self, text: &str) -> String {
        match &self.key {
            // Shorter ones are stand-ins for servers that want none, and words of every message.
            Some(key) if key.expose_secret().len() >= 4 => text.replace(key.expose_secret(), "[key]"),
            _ => text.into(),
        }
    }
}

/// The host of a URL, with its port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openai(environment: &[(&str, &str)]) -> Provider {
        let known = KNOWN.iter().find(|k| k.name == "openai").expect("is known");
        Provider::known(known, &|name| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_string()))
    }

    #[test]
    fn key_and_place_come_from_the_environment() {
        let plain = openai(&[]);
        assert!(plain.key.is_none() && plain.needs_key());
        assert_eq!(plain.schema, SchemaSupport::StrictWithLimits);
        let moved = openai(&[("OPENAI_API_KEY", " sk-1\n"), ("OPENAI_BASE_URL", "http://localhost:1/v1")]);
        assert_eq!(moved.key.as_ref().map(|k| k.expose_secret().to_string()).as_deref(), Some("sk-1"));
        assert_eq!((moved.base_url.as_str(), moved.schema), ("http://localhost:1/v1", SchemaSupport::Whole));
        assert!(!moved.needs_key());
        let same = openai(&[("OPENAI_BASE_URL", "https://api.openai.com/v1/")]);
        assert!(same.needs_key() && same.schema == SchemaSupport::StrictWithLimits);
        assert!(openai(&[("OPENAI_API_KEY", " "), ("OPENAI_BASE_URL", "")]).key.is_none());
    }

    #[test]
    fn a_key_is_never_printed() {
        let provider = openai(&[("OPENAI_API_KEY", "sk-planted")]);
        assert!(!format!("{provider:?}").contains("sk-planted"));
        assert_eq!(provider.without_key("wrong key sk-planted!"), "wrong key [key]!");
    }

    #[test]
    fn names_are_in_order_and_there_once() {
        assert!(KNOWN[2..].windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
