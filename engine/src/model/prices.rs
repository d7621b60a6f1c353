//! What models cost, as far as it is known without being told: a shipped table, and that one's own server costs nothing.

use super::provider::Provider;
use crate::spec::Price;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The shipped table of prices.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// The day on which the prices were written down. The providers were not asked.
    pub as_of: String,
    /// By `provider/model`.
    pub prices: BTreeMap<String, Price>,
}

/// The shipped table of prices.
pub static PRICES: LazyLock<PriceTable> = LazyLock::new(|| {
    serde_yaml::from_str(include_str!("prices.yaml")).expect("internal error: the shipped prices are well built")
});

/// The prices that are known, by `provider/model`, or by provider for each of its models: those that are given, then those
/// of servers that people run themselves, then the shipped table.
pub fn known_prices(given: &BTreeMap<String, Price>, providers: &[Provider]) -> BTreeMap<String, Price> {
    let own = providers.iter().filter(|provider| provider.costs_nothing());
    let mut known: BTreeMap<String, Price> =
        own.map(|provider| (provider.name.clone(), Price { input: 0.0, output: 0.0 })).collect();
    known.extend(given.iter().map(|(name, price)| (name.clone(), *price)));
    // A price for all models of a provider is one for those in the table too.
    let of_provider = |model: &str| model.split_once('/').is_some_and(|(provider, _)| known.contains_key(provider));
    let shipped: Vec<_> = PRICES.prices.iter().filter(|(model, _)| !of_provider(model)).collect();
    for (model, price) in shipped {
        known.entry(model.clone()).or_insert(*price);
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KNOWN;

    fn price(input: f64, output: f64) -> Price {
        Price { input, output }
    }

    fn providers(environment: &[(&str, &str)]) -> Vec<Provider> {
        let set = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        KNOWN.iter().map(|known| Provider::known(known, &set)).collect()
    }

    #[test]
    fn what_is_given_wins_over_the_table() {
        let given = BTreeMap::from([
            ("openai/gpt-4o".to_owned(), price(1.0, 2.0)),
            ("openai/mine".to_owned(), price(3.0, 4.0)),
            ("anthropic".to_owned(), price(5.0, 6.0)),
        ]);
        let known = known_prices(&given, &providers(&[]));
        assert_eq!(known["openai/gpt-4o"], price(1.0, 2.0));
        assert_eq!(known["openai/mine"], price(3.0, 4.0));
        assert_eq!(known["openai/gpt-4o-mini"], price(0.15, 0.6), "the table");
        assert_eq!(known["anthropic"], price(5.0, 6.0));
        assert!(!known.contains_key("anthropic/claude-haiku-4-5"), "the provider's price is given");
    }

    #[test]
    fn ones_own_server_costs_nothing_and_a_hosted_one_is_not_ones_own() {
        let free = |environment: &[(&str, &str)]| {
            let known = known_prices(&BTreeMap::new(), &providers(environment));
            known.iter().filter(|(name, _)| !name.contains('/')).map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(free(&[]), ["llamacpp", "ollama", "vllm"]);
        assert_eq!(free(&[("VLLM_BASE_URL", "http://10.0.0.5:8000/v1")]), ["llamacpp", "ollama", "vllm"]);
        assert_eq!(free(&[("OLLAMA_BASE_URL", "https://ollama.com/v1")]), ["llamacpp", "vllm"]);
        let known = known_prices(&BTreeMap::from([("ollama".to_owned(), price(1.0, 1.0))]), &providers(&[]));
        assert_eq!(known["ollama"], price(1.0, 1.0), "electricity, say");
    }

    #[test]
    fn the_table_is_of_known_providers_and_dated_names_have_their_own_price() {
        let table = &PRICES.prices;
        for (model, price) in table {
            let provider = model.split_once('/').expect("a model has a provider").0;
            assert!(KNOWN.iter().any(|known| known.name == provider), "{model}");
            assert!(price.input > 0.0 && price.output >= price.input, "{model}");
            assert!(!model.contains("latest") && !model.contains("preview"), "{model} means what its provider likes");
        }
        assert_eq!(PRICES.as_of.split('-').map(str::len).collect::<Vec<_>>(), [4, 2, 2]);
        assert_eq!(table["openai/gpt-4o-2024-08-06"], table["openai/gpt-4o"]);
        assert_eq!(table["openai/gpt-4o-2024-05-13"], price(5.0, 15.0), "dearer than what came after it");
    }
}
