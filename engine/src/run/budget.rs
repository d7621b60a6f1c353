//! What a run may spend: reserved before each call against every budget around it, settled after.

use crate::check::flow::Price;
use crate::run::ports::{Message, Usage};
use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign, Sub, SubAssign};

/// Most tokens of an answer where a budget of tokens or money must know and neither prompt nor model says: a long program
/// with its reasons.
pub(super) const ASSUMED_MAX_TOKENS: u64 = 4096;

/// What something costs. Money in billionths of a dollar, so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Calls.
    pub calls: u64,
    /// Tokens sent.
    pub prompt_tokens: u64,
    /// Tokens answered.
    pub completion_tokens: u64,
    /// Money; 0 where a model has no price.
    pub nano_usd: u64,
}

impl Cost {
    /// One call of so many tokens.
    pub(super) fn of_call(usage: Usage, price: Option<Price>) -> Self {
        Self {
            calls: 1,
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            nano_usd: price.map_or(0, |p| {
                tokens_cost(usage.prompt_tokens, p.input) + tokens_cost(usage.completion_tokens, p.output)
            }),
        }
    }

    /// Tokens sent and answered.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// Money in dollars.
    pub fn usd(&self) -> f64 {
        self.nano_usd as f64 / 1e9
    }
}

impl Add for Cost {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            prompt_tokens: self.prompt_tokens.saturating_add(other.prompt_tokens),
            completion_tokens: self.completion_tokens.saturating_add(other.completion_tokens),
            nano_usd: self.nano_usd.saturating_add(other.nano_usd),
        }
    }
}

impl Sub for Cost {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            prompt_tokens: self.prompt_tokens.saturating_sub(other.prompt_tokens),
            completion_tokens: self.completion_tokens.saturating_sub(other.completion_tokens),
            nano_usd: self.nano_usd.saturating_sub(other.nano_usd),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Cost {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

/// The cost of tokens at USD per million, rounded up: a bound must not round down.
fn tokens_cost(tokens: u64, usd_per_million: f64) -> u64 {
    // Nano-USD a token is USD per million times a thousand. Prices are a few thousand at most, tokens below 2^40.
    (tokens as f64 * usd_per_million * 1e3).ceil().max(0.0) as u64
}

/// Tokens of a text, estimated: four bytes each, as tokenizers of English and of programs come out at or below.
pub(super) fn estimate(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

/// Tokens of a conversation, estimated.
pub(super) fn estimate_all(messages: &[Message]) -> u64 {
    messages.iter().map(|m| estimate(&m.text)).sum()
}

/// One budget and what was spent of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    /// What it is of: a node's path; empty for the run's own.
    pub(super) scope: String,
    /// Most calls.
    pub(super) calls: Option<u64>,
    /// Most tokens.
    pub(super) tokens: Option<u64>,
    /// Most money.
    pub(super) nano_usd: Option<u64>,
    /// True when its time is over.
    pub(super) expired: bool,
    /// What was settled.
    pub(super) spent: Cost,
    /// What calls at work may still cost.
    pub(super) reserved: Cost,
}

/// Whether a call may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afford {
    /// It may.
    Yes,
    /// Not before a call at work has been settled for less than was reserved.
    Later,
    /// Never, for this limit.
    Never(&'static str),
}

impl Budget {
    /// Whether a call of that worst cost may be sent.
    pub(super) fn affords(&self, cost: &Cost) -> Afford {
        if self.expired {
            return Afford::Never("time");
        }
        let held = self.spent + self.reserved;
        let limits = [
            ("calls", self.calls, self.spent.calls, held.calls, cost.calls),
            ("tokens", self.tokens, self.spent.tokens(), held.tokens(), cost.tokens()),
            ("usd", self.nano_usd, self.spent.nano_usd, held.nano_usd, cost.nano_usd),
        ];
        let mut answer = Afford::Yes;
        for (what, limit, spent, held, cost) in limits {
            let Some(limit) = limit else { continue };
            // A call at work always ends as a call spent, so waiting frees none.
            let sure = if what == "calls" { held } else { spent };
            if sure.saturating_add(cost) > limit {
                return Afford::Never(what);
            }
            if held.saturating_add(cost) > limit {
                answer = Afford::Later;
            }
        }
        answer
    }

    /// Whether tokens of calls must be known before they are sent.
    pub(super) fn counts_tokens(&self) -> bool {
        self.tokens.is_some() || self.nano_usd.is_some()
    }

    /// What is left, reservations taken off.
    pub(super) fn left(&self) -> Left {
        let held = self.spent + self.reserved;
        Left {
            calls: self.calls.map(|limit| limit.saturating_sub(held.calls)),
            tokens: self.tokens.map(|limit| limit.saturating_sub(held.tokens())),
            nano_usd: self.nano_usd.map(|limit| limit.saturating_sub(held.nano_usd)),
        }
    }
}

/// What budgets have left; `None` where none counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Left {
    pub(super) calls: Option<u64>,
    pub(super) tokens: Option<u64>,
    pub(super) nano_usd: Option<u64>,
}

impl Left {
    /// What the tighter of two has left.
    pub(super) fn tightest(self, other: Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        Self {
            calls: least(self.calls, other.calls),
            tokens: least(self.tokens, other.tokens),
            nano_usd: least(self.nano_usd, other.nano_usd),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(tokens: u64) -> Cost {
        Cost { calls: 1, prompt_tokens: tokens, ..Cost::default() }
    }

    #[test]
    fn a_call_that_a_settlement_may_make_room_for_waits() {
        let budget = Budget { tokens: Some(100), reserved: call(60), ..Budget::default() };
        assert_eq!(budget.affords(&call(40)), Afford::Yes);
        assert_eq!(budget.affords(&call(50)), Afford::Later);
        assert_eq!(budget.affords(&call(101)), Afford::Never("tokens"));
    }

    #[test]
    fn calls_at_work_are_calls_spent() {
        let budget = Budget { calls: Some(1), reserved: call(1), ..Budget::default() };
        assert_eq!(budget.affords(&call(1)), Afford::Never("calls"));
    }

    #[test]
    fn money_is_exact_and_rounded_up() {
        let price = Price { input: 2.5, output: 10.0 };
        let usage = Usage { prompt_tokens: 1000, completion_tokens: 100 };
        assert_eq!(Cost::of_call(usage, Some(price)).nano_usd, 2_500_000 + 1_000_000);
        let cheap = Price { input: 0.0001, output: 0.0 };
        assert_eq!(Cost::of_call(Usage { prompt_tokens: 1, completion_tokens: 0 }, Some(cheap)).nano_usd, 1);
    }
}
