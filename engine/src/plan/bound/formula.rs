//! Numbers that may depend on sizes of inputs: sums of products of sizes, and the least and greatest of such sums.
//!
//! Every size is zero or more; all comparisons here hold for every such size, or are not made.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A number, or a formula in the sizes of inputs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Formula {
    /// Coefficients by product; none is zero. Empty for a number, which most formulas are: numbers are cheap, and stand
    /// first when formulas are ordered.
    terms: BTreeMap<Product, Coefficient>,
    constant: Coefficient,
}

/// Factors, in order, repeated for powers; never empty.
type Product = Vec<Factor>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Factor {
    /// How a size is shown: `|problem.public_tests|`.
    Size(String),
    Least(Vec<Formula>),
    Greatest(Vec<Formula>),
}

#[derive(Debug, Clone, Copy, Default)]
struct Coefficient(f64);

impl PartialEq for Coefficient {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Coefficient {}
impl PartialOrd for Coefficient {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Coefficient {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl From<u64> for Formula {
    fn from(n: u64) -> Self {
        // Beyond 2^53 counts of calls mean nothing to anyone.
        Self::number(n as f64)
    }
}

impl From<usize> for Formula {
    fn from(n: usize) -> Self {
        Self::from(n as u64)
    }
}

impl Formula {
    /// A number.
    pub fn number(n: f64) -> Self {
        // There is one zero.
        Self { constant: Coefficient(if n == 0.0 { 0.0 } else { n }), terms: BTreeMap::new() }
    }

    /// A size that is not known yet, by how it is shown.
    pub fn size(shown: impl Into<String>) -> Self {
        Self::of_factor(Factor::Size(shown.into()))
    }

    /// The number, when no size stands in it.
    pub fn as_number(&self) -> Option<f64> {
        self.terms.is_empty().then_some(self.constant.0)
    }

    fn of_factor(factor: Factor) -> Self {
        Self { terms: BTreeMap::from([(vec![factor], Coefficient(1.0))]), ..Self::default() }
    }

    /// The sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = Self { terms: self.terms.clone(), ..Self::number(self.constant.0 + other.constant.0) };
        for (product, coefficient) in &other.terms {
            let entry = sum.terms.entry(product.clone()).or_insert(Coefficient(0.0));
            entry.0 += coefficient.0;
            if entry.0 == 0.0 {
                sum.terms.remove(product);
            }
        }
        sum
    }

    /// The difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.plus(&other.scaled(-1.0))
    }

    /// The product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        let mut result = self.scaled(other.constant.0);
        for (a, x) in &other.terms {
            let alone = Self { terms: BTreeMap::from([(a.clone(), Coefficient(1.0))]), ..Self::default() };
            result = result.plus(&alone.scaled(self.constant.0 * x.0));
            for (b, y) in &self.terms {
                let mut product: Product = a.iter().chain(b).cloned().collect();
                product.sort();
                let term = BTreeMap::from([(product, Coefficient(x.0 * y.0))]);
                result = result.plus(&Self { terms: term, ..Self::default() });
            }
        }
        result
    }

    fn scaled(&self, by: f64) -> Self {
        let terms =
            self.terms.iter().filter(|_| by != 0.0).map(|(product, c)| (product.clone(), Coefficient(c.0 * by)));
        Self { terms: terms.collect(), ..Self::number(self.constant.0 * by) }
    }

    /// The lesser of the two.
    #[must_use]
    pub fn least(&self, other: &Self) -> Self {
        Self::extreme(self, other, Self::at_most, Factor::Least, |f| match f {
            Factor::Least(arms) => Some(arms),
            Factor::Greatest(_) | Factor::Size(_) => None,
        })
    }

    /// The greater of the two.
    #[must_use]
    pub fn greatest(&self, other: &Self) -> Self {
        Self::extreme(
            self,
            other,
            |a, b| b.at_most(a),
            Factor::Greatest,
            |f| match f {
                Factor::Greatest(arms) => Some(arms),
                Factor::Least(_) | Factor::Size(_) => None,
            },
        )
    }

    /// Joins the arms of both, dropping each that another one always `beats`.
    fn extreme(
        a: &Self,
        b: &Self,
        beats: impl Fn(&Self, &Self) -> bool,
        make: impl Fn(Vec<Self>) -> Factor,
        arms_of: impl Fn(&Factor) -> Option<&Vec<Self>>,
    ) -> Self {
        let mut kept: Vec<Self> = Vec::new();
        for side in [a, b] {
            let arms = side.lone_factor().and_then(&arms_of).cloned().unwrap_or_else(|| vec![side.clone()]);
            for arm in arms {
                if !kept.iter().any(|k| beats(k, &arm)) {
                    kept.retain(|k| !beats(&arm, k));
                    kept.push(arm);
                }
            }
        }
        kept.sort();
        if kept.len() == 1 {
            return kept.remove(0);
        }
        Self::of_factor(make(kept))
    }

    /// The factor that this formula is, when it is nothing else.
    fn lone_factor(&self) -> Option<&Factor> {
        let (product, coefficient) = self.terms.first_key_value()?;
        let alone = self.constant.0 == 0.0 && self.terms.len() == 1 && product.len() == 1;
        (alone && coefficient.0 == 1.0).then(|| &product[0])
    }

    /// True when it is no greater than `other`, whatever the sizes; false when it may be greater or that is not known.
    pub fn at_most(&self, other: &Self) -> bool {
        other.minus(self).never_negative()
    }

    /// True when it is less than `other`, whatever the sizes.
    pub fn below(&self, other: &Self) -> bool {
        let gap = other.minus(self);
        gap.never_negative() && gap.constant.0 > 0.0
    }

    fn never_negative(&self) -> bool {
        self.constant.0 >= 0.0
            && self.terms.iter().all(|(product, c)| c.0 >= 0.0 && product.iter().all(Factor::never_negative))
    }

    /// The sizes in it, as shown.
    pub fn sizes(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for factor in self.terms.keys().flatten() {
            match factor {
                Factor::Size(shown) => {
                    found.insert(shown.clone());
                }
                Factor::Least(arms) | Factor::Greatest(arms) => found.extend(arms.iter().flat_map(Self::sizes)),
            }
        }
        found
    }

    /// The formula with each size replaced.
    #[must_use]
    pub fn replace(&self, by: &dyn Fn(&str) -> Self) -> Self {
        let mut result = Self::number(self.constant.0);
        for (product, coefficient) in &self.terms {
            let term = product.iter().fold(Self::number(coefficient.0), |term, factor| {
                term.times(&match factor {
                    Factor::Size(shown) => by(shown),
                    Factor::Least(arms) => Self::fold(arms, by, Self::least),
                    Factor::Greatest(arms) => Self::fold(arms, by, Self::greatest),
                })
            });
            result = result.plus(&term);
        }
        result
    }

    fn fold(arms: &[Self], by: &dyn Fn(&str) -> Self, join: impl Fn(&Self, &Self) -> Self) -> Self {
        arms.iter().map(|arm| arm.replace(by)).reduce(|a, b| join(&a, &b)).unwrap_or_default()
    }

    /// The formula with every size `by` greater.
    #[must_use]
    pub fn shift(&self, by: f64) -> Self {
        self.replace(&|shown| Self::size(shown).plus(&Self::number(by)))
    }

    /// True when a least or greatest stands in it.
    pub fn has_cases(&self) -> bool {
        self.terms.keys().flatten().any(|f| !matches!(f, Factor::Size(_)))
    }
}

impl Factor {
    fn never_negative(&self) -> bool {
        match self {
            Self::Size(_) => true,
            Self::Least(arms) => arms.iter().all(Formula::never_negative),
            Self::Greatest(arms) => arms.iter().any(Formula::never_negative),
        }
    }
}

impl fmt::Display for Formula {
    /// `25 + |xs| - 2 × |ys|`: the constant first, then products as they come.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plus, minus): (Vec<_>, Vec<_>) = self.terms.iter().partition(|(_, c)| c.0 > 0.0);
        let none = Product::new();
        let constant = (&none, &self.constant);
        let alone = self.terms.is_empty();
        // A sum that begins with a minus reads badly: what is positive comes first.
        let terms = std::iter::once(constant).filter(|(_, c)| c.0 > 0.0 || alone).chain(plus);
        let less = std::iter::once(constant).filter(|(_, c)| c.0 < 0.0 && !alone).chain(minus);
        for (i, (product, coefficient)) in terms.chain(less).enumerate() {
            match (i == 0, coefficient.0 < 0.0) {
                (true, true) => f.write_str("-")?,
                (true, false) => {}
                (false, true) => f.write_str(" - ")?,
                (false, false) => f.write_str(" + ")?,
            }
            let size = coefficient.0.abs();
            if product.is_empty() {
                write!(f, "{size}")?;
                continue;
            }
            if size != 1.0 {
                write!(f, "{size} × ")?;
            }
            for (i, factor) in product.iter().enumerate() {
                write!(f, "{}{factor}", if i > 0 { " × " } else { "" })?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, arms) = match self {
            Self::Size(shown) => return f.write_str(shown),
            Self::Least(arms) => ("min", arms),
            Self::Greatest(arms) => ("max", arms),
        };
        write!(f, "{name}(")?;
        for (i, arm) in arms.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{arm}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::Formula;
    use proptest::prelude::*;

    fn n(value: u64) -> Formula {
        Formula::from(value)
    }
    fn xs() -> Formula {
        Formula::size("|xs|")
    }

    #[test]
    fn sums_and_products_are_gathered() {
        assert_eq!(n(2).plus(&xs()).times(&n(3)).to_string(), "6 + 3 × |xs|");
        assert_eq!(xs().minus(&xs()).to_string(), "0");
        assert_eq!(xs().minus(&n(1)).to_string(), "|xs| - 1");
        assert_eq!(xs().times(&Formula::size("|ys|")).to_string(), "|xs| × |ys|");
    }

    #[test]
    fn an_arm_that_never_wins_is_dropped() {
        let budget = n(4).plus(&xs());
        let passes = n(12).plus(&xs().times(&n(2)));
        assert_eq!(passes.least(&budget).to_string(), "4 + |xs|");
        assert_eq!(passes.greatest(&budget).to_string(), "12 + 2 × |xs|");
        assert_eq!(n(8).least(&xs().times(&n(8))).to_string(), "min(8, 8 × |xs|)");
    }

    #[test]
    fn a_case_goes_away_once_the_sizes_are_large_enough() {
        let f = n(8).least(&xs().times(&n(8))).plus(&xs());
        assert!(f.has_cases());
        assert_eq!(f.shift(1.0).to_string(), "9 + |xs|");
        assert_eq!(f.shift(1.0).shift(-1.0).to_string(), "8 + |xs|");
    }

    proptest! {
        #[test]
        fn comparisons_hold_for_every_size(a in 0u64..9, b in 0u64..9, c in 0u64..9, d in 0u64..9, size in 0u64..20) {
            let left = n(a).plus(&xs().times(&n(b)));
            let right = n(c).plus(&xs().times(&n(d)));
            let at = |f: &Formula| f.replace(&|_| n(size)).as_number().unwrap();
            prop_assert_eq!(at(&left.least(&right)), at(&left).min(at(&right)));
            prop_assert_eq!(at(&left.greatest(&right)), at(&left).max(at(&right)));
            if left.at_most(&right) { prop_assert!(at(&left) <= at(&right)); }
            if left.below(&right) { prop_assert!(at(&left) < at(&right)); }
        }
    }
}
