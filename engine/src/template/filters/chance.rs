//! Hashes, and chance that is none: what is drawn follows from seeds alone, the same on every machine.

use super::{Args, Row, RunFilter, row};
use crate::template::eval::{Fault, Fuel};
use crate::template::print::canonical;
use crate::template::val::Val;
use crate::value::Value;

type Made<'e> = Result<Val<'e>, Fault>;

pub(super) const FILTERS: &[Row<RunFilter>] = &[
    row("shuffle", "shuffle(seed, more…)", "the items in an order drawn by the seeds (any values)", shuffle),
    row("choice", "choice(seed, more…)", "an item drawn by the seeds (any values), or null when there is none", choice),
    row("hash", "hash()", "a short text that equal values share and others do not", hash),
];

fn shuffle<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let mut dice = Dice::new(&args.first_seed_and_more());
    let mut items = value.into_items()?;
    // Fisher and Yates: each item from the end changes places with one not behind it.
    for last in (1..items.len()).rev() {
        items.swap(last, dice.below(last + 1));
    }
    Ok(Val::Many(items))
}

fn choice<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let mut items = value.into_items()?;
    if items.is_empty() {
        return Ok(Val::NULL);
    }
    let drawn = Dice::new(&args.first_seed_and_more()).below(items.len());
    Ok(Val::One(items.swap_remove(drawn)))
}

fn hash<'e>(value: Val<'e>, _: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    /// 64 bits: among a million values, two share one once in forty million runs.
    const DIGITS: usize = 16;
    let text = canonical(&value.into_cow());
    fuel.spend_text(text.len())?;
    Ok(blake3::hash(text.as_bytes()).to_hex()[..DIGITS].into())
}

/// A SplitMix64 generator, started from the hash of the seeds.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seeds: &Value) -> Self {
        let hash = blake3::hash(canonical(seeds).as_bytes());
        let mut start = [0; 8];
        start.copy_from_slice(&hash.as_bytes()[..8]);
        Self(u64::from_le_bytes(start))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 and below `n`. Of 2^64 numbers some are drawn once more often than others: no list is long enough to show it.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let scaled = (u128::from(self.next()) * n as u128) >> 64;
        usize::try_from(scaled).expect("internal error: not below a usize")
    }

    /// A number from 0 and below 1, of 53 bits.
    pub(super) fn fraction(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let bits = (self.next() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers published with the generator, by which implementations in other languages are checked.
    #[test]
    fn the_generator_is_splitmix64() {
        let mut dice = Dice(1_234_567);
        let drawn = [dice.next(), dice.next(), dice.next()];
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut dice = Dice::new(&Value::from("seed"));
        assert!((1..1000).all(|n| dice.below(n) < n));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&dice.fraction())));
    }
}
