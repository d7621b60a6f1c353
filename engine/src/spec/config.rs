//! `flowctl.yaml`: where models are found and what they cost, for every flow run from its folder. It holds no keys, only
//! the names of the environment variables that do.

use super::Price;
use super::schema::draft07;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

/// Settings of flowctl for every flow run from this folder.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who hosts models, by the name before the `/` of a model. Example:
    /// `providers: { local: { base_url: http://localhost:8080/v1 } }`.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// What holds where nothing is said. Example: `defaults: { model: openai/gpt-4o, jobs: 8 }`.
    pub defaults: RunDefaults,
    /// US dollars per million tokens, by model. Example: `prices: { openai/gpt-4o: { in: 2.5, out: 10 } }`.
    pub prices: BTreeMap<String, Price>,
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

/// The JSON Schema of `flowctl.yaml`.
pub fn config_schema() -> serde_json::Value {
    draft07::<Config>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_says_where_models_are_and_what_they_cost() {
        let config: Config = serde_yaml::from_str(
            "providers:\n  local: { kind: anthropic, base_url: http://localhost:1/v1, key_env: LOCAL_KEY }\n\
             defaults: { model: local/qwen, jobs: 2 }\nprices: { local/qwen: { in: 0, out: 0.5 } }\n",
        )
        .expect("it is well built");
        let local = &config.providers["local"];
        assert_eq!(local.kind, Some(ProviderKind::Anthropic));
        assert_eq!(local.base_url.as_deref(), Some("http://localhost:1/v1"));
        assert_eq!(local.key_env.as_deref(), Some("LOCAL_KEY"));
        assert_eq!((config.defaults.model.as_deref(), config.defaults.jobs), (Some("local/qwen"), Some(2)));
        assert_eq!(config.prices["local/qwen"], Price { input: 0.0, output: 0.5 });
    }

    #[test]
    fn an_empty_config_says_nothing() {
        for text in ["", "# nothing yet\n", "{}", "defaults: {}\n"] {
            assert_eq!(serde_yaml::from_str::<Config>(text).expect(text), Config::default());
        }
    }

    #[test]
    fn a_key_has_no_place_in_a_config_and_a_run_needs_a_job() {
        let wrong =
            serde_yaml::from_str::<Config>("providers:\n  local:\n    key: sk-1\n").expect_err("no place for keys");
        assert!(wrong.to_string().contains("key_env"), "{wrong}");
        assert!(serde_yaml::from_str::<Config>("defaults: { jobs: 0 }").is_err());
    }
}
