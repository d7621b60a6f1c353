//! Which model a prompt asks: its own, or what was given instead.

use super::error::{ErrorName, RunError};
use super::ports::Model;
use crate::check::flow::{
    Block, BudgetDef, CheckedFlow, FlowId, ModelUse, Node, Price, Rule, RuleTest, Settings, Verb,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Models given for a run, each `provider/model`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Models {
    /// In place of what the flow calls by an alias; wins over what follows.
    pub aliases: BTreeMap<String, String>,
    /// In place of whatever a prompt or judge names, or does not name.
    pub every: Option<String>,
    /// Where the flow names none.
    pub fallback: Option<String>,
}

/// USD per million tokens, by `provider/model`, or by provider for each of its models.
pub type Prices = BTreeMap<String, Price>;

/// The price of a model: its own, else that of all models of its provider.
fn price(prices: &Prices, model: &str) -> Option<Price> {
    let of_provider = || prices.get(model.split_once('/')?.0);
    prices.get(model).or_else(of_provider).copied()
}

impl Models {
    /// The models to try in turn, of a prompt or a judge. Empty when none is known.
    pub(super) fn of_prompt<'f>(&self, uses: &'f [ModelUse], prices: &Prices) -> Vec<Resolved<'f>> {
        let given = self.of_alias(uses).or(self.every.as_ref());
        self.resolve(given, uses, prices)
    }

    /// The models to try in turn, of an `embed`. What answers prompts does not embed, so `every` stands in only where the
    /// flow names none.
    pub(super) fn of_embed<'f>(&self, uses: &'f [ModelUse], prices: &Prices) -> Vec<Resolved<'f>> {
        let given = self.of_alias(uses).or(self.every.as_ref().filter(|_| uses.is_empty()));
        self.resolve(given, uses, prices)
    }

    fn of_alias(&self, uses: &[ModelUse]) -> Option<&String> {
        uses.iter().find_map(|one| self.aliases.get(one.alias.as_ref()?))
    }

    fn resolve<'f>(&self, given: Option<&String>, uses: &'f [ModelUse], prices: &Prices) -> Vec<Resolved<'f>> {
        let own = |one: &'f ModelUse| Resolved {
            name: one.name.clone(),
            settings: Some(&one.settings),
            price: one.price.or_else(|| price(prices, &one.name)),
        };
        match given.or(self.fallback.as_ref().filter(|_| uses.is_empty())) {
            // The settings of the alias are about what is asked, not about who answers; its price is not.
            Some(name) => vec![Resolved {
                name: name.clone(),
                settings: uses.first().map(|one| &one.settings),
                price: price(prices, name),
            }],
            None => uses.iter().map(own).collect(),
        }
    }
}

/// A model to ask.
#[derive(Debug, Clone)]
pub(super) struct Resolved<'f> {
    pub(super) name: String,
    pub(super) settings: Option<&'f Settings>,
    pub(super) price: Option<Price>,
}

/// Finds what would fail a run for its models alone: a prompt without one, an unknown price where money is counted.
pub(super) fn check(flow: &CheckedFlow, models: &Models, prices: &Prices, port: &dyn Model) -> Result<(), RunError> {
    Search { flow, models, prices, port }.flow(flow.root, false)
}

struct Search<'a> {
    flow: &'a CheckedFlow,
    models: &'a Models,
    prices: &'a Prices,
    port: &'a dyn Model,
}

impl Search<'_> {
    fn flow(&self, id: FlowId, counted: bool) -> Result<(), RunError> {
        let def = &self.flow.flows[id];
        self.block(&def.body, counted || counts_usd(def.budget.as_ref()))
    }

    fn block(&self, block: &Block, counted: bool) -> Result<(), RunError> {
        block.nodes.iter().try_for_each(|node| self.node(node, counted || counts_usd(node.budget.as_ref())))
    }

    fn node(&self, node: &Node, counted: bool) -> Result<(), RunError> {
        self.rules(node, &node.check, counted)?;
        match &node.verb {
            Verb::Prompt(prompt) => self.asked(node, &self.models.of_prompt(&prompt.models, self.prices), counted),
            // An embedding is no call, and spends no budget.
            Verb::Embed(embed) => self.known(node, &self.models.of_embed(&embed.models, self.prices), false),
            Verb::Validate { rules, .. } => self.rules(node, rules, counted),
            Verb::Call { flow, .. } => self.flow(*flow, counted),
            Verb::Block(block) => self.block(block, counted),
            Verb::Execute(_) | Verb::Let(_) | Verb::Human(_) => Ok(()),
        }
    }

    fn rules(&self, node: &Node, rules: &[Rule], counted: bool) -> Result<(), RunError> {
        rules.iter().try_for_each(|rule| match &rule.test {
            RuleTest::Judge { models, .. } => self.asked(node, &self.models.of_prompt(models, self.prices), counted),
            RuleTest::That(_) | RuleTest::Schema(_) | RuleTest::Wasm { .. } => Ok(()),
        })
    }

    /// One of the models can be asked, for all that is known; else the first one's reason ends the run before it begins.
    fn asked(&self, node: &Node, models: &[Resolved<'_>], counted: bool) -> Result<(), RunError> {
        self.known(node, models, counted)?;
        let mut reasons = models.iter().map(|model| self.port.ready(&model.name));
        match reasons.next() {
            Some(Err(error)) if reasons.all(|ready| ready.is_err()) => {
                Err(RunError { name: error.name, message: error.message, at: String::new() })
            }
            _ => Ok(()),
        }
    }

    fn known(&self, node: &Node, models: &[Resolved<'_>], counted: bool) -> Result<(), RunError> {
        let refuse = |message: String| Err(RunError { name: ErrorName::BadInput, message, at: String::new() });
        if models.is_empty() {
            return refuse(format!("no model is known for `{}`: name one in the flow, or give one with `-m`", node.at));
        }
        match models.iter().find(|model| counted && model.price.is_none()) {
            Some(model) => refuse(format!(
                "a budget counts `usd` around `{}`, and the price of `{}` is not known: the shipped table has none, so give \
                 its alias a `price: {{ in: …, out: … }}` in the flow, or name it under `prices` in flowctl.yaml",
                node.at, model.name
            )),
            None => Ok(()),
        }
    }
}

fn counts_usd(budget: Option<&BudgetDef>) -> bool {
    budget.is_some_and(|budget| budget.usd.is_some())
}
