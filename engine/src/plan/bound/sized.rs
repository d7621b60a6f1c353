//! Counts by the size of an input that is not known yet: a formula, and what it does not fit.

use super::Formula;
use super::of_type::Sizes;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

/// Sizes that are counted one by one before a formula takes over: where a flow looks at a size, it asks for none or one.
const ONE_BY_ONE: usize = 2;

/// Steps in which a formula is tried for being free of cases once its size is large enough, to show it.
const FREE_OF_CASES_BY: u32 = 16;

/// A count, or a formula in the sizes of inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Sized {
    /// How the one size is shown that the count depends on, if it is one.
    of: Option<String>,
    /// The counts for size 0, 1, … of it, where the formula does not fit them.
    first: Vec<f64>,
    /// The count for all other sizes.
    formula: Formula,
}

impl Sized {
    /// The same formula for every size.
    pub(super) fn always(formula: Formula) -> Self {
        Self { of: None, first: Vec::new(), formula }
    }

    /// The number, when it depends on no size.
    pub fn number(&self) -> Option<u64> {
        if self.first.is_empty() { self.formula.as_number().map(count) } else { None }
    }

    /// The number, once the sizes are known, by how they are shown: `|problem.public_tests|`.
    pub fn at(&self, size: &dyn Fn(&str) -> u64) -> u64 {
        if let Some(shown) = &self.of
            && let Some(first) = usize::try_from(size(shown)).ok().and_then(|size| self.first.get(size))
        {
            return count(*first);
        }
        self.formula.replace(&|shown| Formula::from(size(shown))).as_number().map(count).unwrap_or_default()
    }
}

/// A count of calls; budgets may be written as fractions, of which no call is made.
fn count(n: f64) -> u64 {
    n.max(0.0).floor() as u64
}

/// Counts with the sizes of inputs left open. `counts` is asked with what each size is.
pub(super) fn by_size<const N: usize>(counts: &dyn Fn(Sizes<'_>) -> [Option<Formula>; N]) -> [Option<Sized>; N] {
    let asked = RefCell::new(BTreeSet::new());
    let open = counts(&|shown| {
        asked.borrow_mut().insert(shown.clone());
        Formula::size(shown)
    });
    let named: BTreeSet<String> = open.iter().flatten().flat_map(Formula::sizes).collect();
    let sizes = if named.is_empty() { asked.into_inner() } else { named };
    // Of one size the first numbers are counted for themselves; of several the formula alone has to do.
    let (Some(only), 1) = (sizes.first(), sizes.len()) else { return open.map(|formula| formula.map(Sized::always)) };
    let with = |of: &Formula| {
        let size = |shown: &str| if shown == only { of.clone() } else { Formula::size(shown) };
        // The size of an input of any type comes up only where it is read: what is left of it is replaced in the end.
        counts(&|shown| size(&shown)).map(|formula| formula.map(|formula| formula.replace(&size)))
    };
    let first: Vec<[Option<Formula>; N]> = (0..ONE_BY_ONE).map(|n| with(&Formula::from(n))).collect();
    let (beyond, from) = (format!("{only} beyond"), Formula::from(ONE_BY_ONE));
    let rest = with(&Formula::size(beyond.clone()).plus(&from));
    std::array::from_fn(|i| {
        let of = |shown: &str| {
            if shown == beyond { Formula::size(only.as_str()).minus(&from) } else { Formula::size(shown) }
        };
        let formula = rest[i].as_ref()?.replace(&of);
        let first = first.iter().map(|counts| counts[i].as_ref()?.as_number()).collect::<Option<Vec<_>>>()?;
        Some(Sized { of: Some(only.clone()), first: only_unfit(first, &formula), formula })
    })
}

impl fmt::Display for Sized {
    /// `25 + |xs|, or 17 when |xs| is 0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(shown) = &self.of else { return write!(f, "{}", self.formula) };
        let mut first = self.first.clone();
        let mut formula = self.formula.clone();
        // Once its size is large enough, a formula may have no cases left: then the small sizes are told apart.
        let free = (0..FREE_OF_CASES_BY).find(|by| !formula.shift(f64::from(*by)).has_cases());
        if let Some(by) = free.filter(|by| *by > 0) {
            formula = formula.shift(f64::from(by)).shift(-f64::from(by));
            first = only_unfit((0..u64::from(by)).map(|n| self.at(&|_| n) as f64).collect(), &formula);
        }
        write!(f, "{formula}")?;
        let unfit = first.iter().enumerate().filter(|(n, count)| !fits(&formula, *n, **count));
        for (i, (n, count)) in unfit.enumerate() {
            write!(f, "{} {count} when {shown} is {n}", if i == 0 { ", or" } else { "," })?;
        }
        Ok(())
    }
}

/// Whether a formula of one size gives that count for that size.
fn fits(formula: &Formula, size: usize, count: f64) -> bool {
    formula.replace(&|_| Formula::from(size)).as_number() == Some(count)
}

/// Drops the counts of the largest sizes, as far as the formula gives the same.
fn only_unfit(mut first: Vec<f64>, formula: &Formula) -> Vec<f64> {
    while first.last().is_some_and(|count| fits(formula, first.len() - 1, *count)) {
        first.pop();
    }
    first
}
