//! `flowctl.yaml`: where models are found and what they cost, for every flow run from its folder. It holds no keys, only
//! the names of the environment variables that do.

use super::schema::draft07;
use super::structure::held_against;
use super::units;
use super::{Count, Price, Time};
use crate::diag::{Diagnostic, Diagnostics, Span, nearest};
use crate::source::SourceId;
use crate::syntax::{self, Document};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::LazyLock;
use std::time::Duration;

/// Settings of flowctl for every flow run from this folder.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who hosts models, by the name before the `/` of a model. Example:
    /// `providers: { local: { base_url: http://localhost:8080/v1 } }`.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// What holds where nothing is said. Example: `defaults: { model: openai/gpt-4o, jobs: 8 }`.
    pub defaults: RunDefaults,
    /// US dollars per million tokens, by model, or by provider for each of its models; they win over the shipped table, and a
    /// flow's own `price` over both. Example: `prices: { openai/gpt-4o: { in: 2.5, out: 10 } }`.
    pub prices: BTreeMap<String, Price>,
    /// How fast models are asked, by model, or by provider for each of its models; all runs of a process share it. Example:
    /// `limits: { openai/gpt-4o: { requests_per_minute: 500, tokens_per_minute: 30k, in_flight: 8 } }`.
    pub limits: BTreeMap<String, RateLimits>,
}

/// One provider; what is left out is as for the known provider of that name. Example:
/// `local: { kind: openai, base_url: http://localhost:8080/v1 }`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderConfig {
    /// The wire form it speaks; `openai` when absent and the name is not known.
    pub kind: Option<ProviderKind>,
    /// Where it is. Example: `base_url: http://localhost:8080/v1`.
    pub base_url: Option<String>,
    /// The environment variable that holds its key. Example: `key_env: LOCAL_API_KEY`.
    pub key_env: Option<String>,
    /// How long it may be silent. Example: `timeouts: { connect: 10s, first_byte: 120s, idle: 60s }`.
    pub timeouts: ProviderTimeouts,
}

/// How long a provider may be silent. A prompt's `timeout` is for its whole answer, whatever stands here. Example:
/// `timeouts: { connect: 10s, first_byte: 120s, idle: 60s }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderTimeouts {
    /// Until it can be connected to; 10s when absent. Example: `connect: 10s`.
    #[serde(deserialize_with = "time")]
    #[schemars(with = "Option<Time>")]
    pub connect: Option<Duration>,
    /// From the question to the first byte of the answer; the prompt's `timeout`, or 5m, when absent. A server that does not
    /// stream needs as long as its whole answer takes. Example: `first_byte: 120s`.
    #[serde(deserialize_with = "time")]
    #[schemars(with = "Option<Time>")]
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer; the prompt's `timeout`, or 5m, when absent. Some models reason in silence. Example:
    /// `idle: 60s`.
    #[serde(deserialize_with = "time")]
    #[schemars(with = "Option<Time>")]
    pub idle: Option<Duration>,
}

/// How fast a model is asked; what is left out is as for its provider, else without limit. Example:
/// `openai/gpt-4o: { requests_per_minute: 500, tokens_per_minute: 30k, in_flight: 8 }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimits {
    /// Most requests of any minute. Example: `requests_per_minute: 500`.
    #[serde(deserialize_with = "count")]
    #[schemars(with = "Option<Count>")]
    pub requests_per_minute: Option<NonZeroU64>,
    /// Most tokens of any minute, sent and answered: estimated before a request, counted after it. Example:
    /// `tokens_per_minute: 30k`.
    #[serde(deserialize_with = "count")]
    #[schemars(with = "Option<Count>")]
    pub tokens_per_minute: Option<NonZeroU64>,
    /// Most requests at once. Example: `in_flight: 8`.
    #[serde(deserialize_with = "count")]
    #[schemars(with = "Option<Count>")]
    pub in_flight: Option<NonZeroU64>,
}

/// A wire form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// OpenAI's chat completions, which most servers speak.
    #[default]
    Openai,
    /// Anthropic's messages.
    Anthropic,
}

/// What holds where neither the flow nor the command says it. Example: `defaults: { model: openai/gpt-4o, jobs: 8 }`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunDefaults {
    /// The model of prompts that name none, as with `-m`. Example: `model: openai/gpt-4o`.
    pub model: Option<String>,
    /// Most calls and programs at work at once, as with `--jobs`. Example: `jobs: 8`.
    #[serde(deserialize_with = "at_least_one")]
    #[schemars(range(min = 1))]
    pub jobs: Option<usize>,
}

fn at_least_one<'de, D: Deserializer<'de>>(given: D) -> Result<Option<usize>, D::Error> {
    Option::<NonZeroUsize>::deserialize(given).map(|jobs| jobs.map(NonZeroUsize::get))
}

fn count<'de, D: Deserializer<'de>>(given: D) -> Result<Option<NonZeroU64>, D::Error> {
    let given = Value::deserialize(given)?;
    let number = given.as_u64().or_else(|| units::count(given.as_str()?)?.as_u64());
    let number = number.and_then(NonZeroU64::new);
    let wrong = || D::Error::custom(format!("expected a whole number above zero, as 500 or 30k, found `{given}`"));
    number.ok_or_else(wrong).map(Some)
}

fn time<'de, D: Deserializer<'de>>(given: D) -> Result<Option<Duration>, D::Error> {
    let given = String::deserialize(given)?;
    let time = units::duration(&given).filter(|time| !time.is_zero());
    time.ok_or_else(|| D::Error::custom(format!("expected a time with its unit, as 10s, found `{given}`"))).map(Some)
}

/// The JSON Schema of `flowctl.yaml`.
pub fn config_schema() -> Value {
    draft07::<Config>()
}

static SCHEMA: LazyLock<Value> = LazyLock::new(config_schema);

impl Config {
    /// Reads the text of a configuration. `providers` are those known without one.
    ///
    /// # Errors
    /// What is wrong with it, each finding with its place; as far as it can be told, all at once.
    pub fn read<'p>(text: &str, providers: impl IntoIterator<Item = &'p str>) -> Result<Self, Diagnostics> {
        let (document, mut found) = syntax::parse(SourceId::default(), text);
        found.extend(held_against(&document, &SCHEMA, "Config"));
        let own = document.root.get("providers").map(syntax::Node::entries).unwrap_or_default();
        let given = providers.into_iter().map(|name: &str| name);
        let known: Vec<&str> = own.iter().map(|entry| entry.key.as_str()).chain(given).collect();
        names(&document, &known, &mut found);
        if found.has_errors() {
            return Err(found);
        }
        serde_yaml::from_str(text).map_err(|error| {
            let place = error.location().map_or(0, |place| place.index());
            let span = Span::new(SourceId::default(), place, place + 1);
            found.push(Diagnostic::error("bad-value", String::new(), span, error.to_string()));
            found
        })
    }
}

/// Reports limits and prices of providers that are not there.
fn names(document: &Document, known: &[&str], found: &mut Diagnostics) {
    for section in ["limits", "prices"] {
        for entry in document.root.get(section).map(syntax::Node::entries).unwrap_or_default() {
            let provider = entry.key.split('/').next().unwrap_or_default();
            if known.contains(&provider) {
                continue;
            }
            let (at, message) = (format!("{section}.{}", entry.key), format!("no provider is called `{provider}`"));
            let finding = Diagnostic::error("unknown-name", at, entry.key_span, message);
            found.push(match nearest(provider, known.iter().copied()) {
                Some(meant) => finding.help(format!("did you mean `{meant}`?")),
                None => finding.help("`providers` says who hosts models"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Diagnostics> {
        Config::read(text, ["openai", "ollama"])
    }

    fn config(text: &str) -> Config {
        read(text).unwrap_or_else(|found| panic!("{text}: {found:?}"))
    }

    #[test]
    fn a_config_says_where_models_are_and_what_they_cost() {
        let config = config(
            "providers:\n  local: { kind: anthropic, base_url: http://localhost:1/v1, key_env: LOCAL_KEY }\n\
             defaults: { model: local/qwen, jobs: 2 }\nprices: { local/qwen: { in: 0, out: 0.5 } }\n",
        );
        let local = &config.providers["local"];
        assert_eq!(local.kind, Some(ProviderKind::Anthropic));
        assert_eq!(local.base_url.as_deref(), Some("http://localhost:1/v1"));
        assert_eq!(local.key_env.as_deref(), Some("LOCAL_KEY"));
        assert_eq!((config.defaults.model.as_deref(), config.defaults.jobs), (Some("local/qwen"), Some(2)));
        assert_eq!(config.prices["local/qwen"], Price { input: 0.0, output: 0.5 });
    }

    #[test]
    fn a_config_says_how_fast_models_are_asked_and_how_long_they_may_be_silent() {
        let config = config(
            "limits:\n  openai: { in_flight: 8 }\n  openai/gpt-4o: { requests_per_minute: 500, tokens_per_minute: 30k }\n\
             providers: { ollama: { timeouts: { first_byte: 10m, idle: 1.5s } } }\n",
        );
        let limits = |name: &str| config.limits[name];
        let number = NonZeroU64::new;
        assert_eq!(limits("openai"), RateLimits { in_flight: number(8), ..RateLimits::default() });
        let own = RateLimits { requests_per_minute: number(500), tokens_per_minute: number(30_000), in_flight: None };
        assert_eq!(limits("openai/gpt-4o"), own);
        let timeouts = ProviderTimeouts {
            connect: None,
            first_byte: Some(Duration::from_secs(600)),
            idle: Some(Duration::from_millis(1500)),
        };
        assert_eq!(config.providers["ollama"].timeouts, timeouts);
    }

    #[test]
    fn an_empty_config_says_nothing() {
        for text in ["", "# nothing yet\n", "{}", "defaults: {}\n"] {
            assert_eq!(config(text), Config::default(), "{text}");
        }
    }

    /// Where a finding stands, what is wrong, and what to do.
    fn findings(text: &str) -> Vec<(&str, String, String)> {
        let found = read(text).expect_err(text);
        let place = |d: &Diagnostic| text.get(d.span.start..).unwrap_or_default().lines().next().unwrap_or_default();
        found.iter().map(|d| (place(d), d.message.clone(), d.help.clone().unwrap_or_default())).collect()
    }

    #[test]
    fn every_mistake_is_found_at_its_place_and_names_what_was_meant() {
        let text = "limits:\n  opnai/gpt-4o: {}\n  openai/gpt-4o:\n    requests_per_minut: 5\n\
                    prices: { elsewhere/x: { in: 1, out: 2 } }\nproviders:\n  local:\n    key: sk-1\n";
        let found = findings(text);
        let places: Vec<&str> = found.iter().map(|(place, ..)| *place).collect();
        let expected = ["requests_per_minut: 5", "key: sk-1", "opnai/gpt-4o: {}", "elsewhere/x: { in: 1, out: 2 } }"];
        assert_eq!(places.iter().collect::<std::collections::BTreeSet<_>>(), expected.iter().collect());
        let help = |place: &str| found.iter().find(|(p, ..)| p.starts_with(place)).map(|(_, _, h)| h.clone()).unwrap();
        assert_eq!(help("requests"), "did you mean `requests_per_minute`?");
        assert_eq!(help("opnai"), "did you mean `openai`?");
        assert!(help("key").contains("`key_env`"), "a key has no place in a config");
        assert_eq!(help("elsewhere"), "`providers` says who hosts models");
    }

    #[test]
    fn numbers_and_times_that_are_none_are_found_at_their_place() {
        for (text, words) in [
            ("defaults: { jobs: 0 }", "nonzero"),
            ("limits: { openai: { in_flight: 0 } }", "above zero"),
            ("limits: { openai: { tokens_per_minute: many } }", "as 500 or 30k, found `\"many\"`"),
            ("providers: { openai: { timeouts: { idle: 10 } } }", "expected a time with its unit"),
            ("providers: { openai: { timeouts: { idle: 0s } } }", "expected a time with its unit"),
        ] {
            let found = findings(text);
            assert!(found[0].1.contains(words), "{text}: {found:?}");
        }
    }
}
