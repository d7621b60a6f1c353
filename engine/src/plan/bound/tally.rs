//! Calls, counted: how few and how many, of a node and of all that is in it.

use super::Formula;
use super::value::{Interval, both};

/// How few and how many of something.
#[derive(Debug, Clone, PartialEq)]
pub struct Count {
    /// Fewest.
    pub fewest: Formula,
    /// Most; absent when nothing bounds it.
    pub most: Option<Formula>,
}

/// Whether a node runs when it is reached: what its condition comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// Each time.
    Always,
    /// It may be skipped.
    Maybe,
    /// It is skipped each time.
    Never,
}

/// The calls of a node, and of the nodes in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Whether it runs; absent when it is never reached.
    pub runs: Option<Runs>,
    /// Its calls and those of all that is in it.
    pub calls: Count,
    /// How often it repeats each time it runs, for a loop or an `each` that is reached.
    pub repeats: Option<Count>,
    /// The nodes of its block or sub-flow, in file order; empty when it has none or is never reached.
    pub inside: Vec<Tally>,
}

impl Default for Count {
    fn default() -> Self {
        Self { fewest: Formula::default(), most: Some(Formula::default()) }
    }
}

impl From<&Interval> for Count {
    fn from(range: &Interval) -> Self {
        let range = range.clamped();
        Self { fewest: range.min.unwrap_or_default(), most: range.max }
    }
}

impl Count {
    /// From `fewest` to `most`.
    pub fn new(fewest: impl Into<Formula>, most: impl Into<Formula>) -> Self {
        Self { fewest: fewest.into(), most: Some(most.into()) }
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self { fewest: self.fewest.plus(&other.fewest), most: both(&self.most, &other.most).map(|(a, b)| a.plus(b)) }
    }

    /// One for each of the other.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        let none = |count: &Self| count.most.as_ref().is_some_and(|most| most.as_number() == Some(0.0));
        if none(self) || none(other) {
            return Self::default();
        }
        Self { fewest: self.fewest.times(&other.fewest), most: both(&self.most, &other.most).map(|(a, b)| a.times(b)) }
    }

    fn join(&self, other: &Self) -> Self {
        Self {
            fewest: self.fewest.least(&other.fewest),
            most: both(&self.most, &other.most).map(|(a, b)| a.greatest(b)),
        }
    }

    fn cap(&mut self, most: &Formula) {
        self.fewest = self.fewest.least(most);
        self.most = Some(self.most.as_ref().map_or_else(|| most.clone(), |own| own.least(most)));
    }
}

impl Tally {
    /// So many calls, and nothing inside.
    pub fn of(calls: Count) -> Self {
        Self { calls, ..Self::default() }
    }

    /// A node that holds these.
    pub fn around(inside: Vec<Self>) -> Self {
        let calls = inside.iter().fold(Count::default(), |sum, node| sum.plus(&node.calls));
        Self { calls, inside, ..Self::default() }
    }

    /// Adds the calls of another time that the same node runs.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.plus(&other.calls);
        self.runs = match (self.runs, other.runs) {
            (Some(a), Some(b)) => Some(if a == b { a } else { Runs::Maybe }),
            (a, b) => a.or(b),
        };
        self.repeats = match (&self.repeats, &other.repeats) {
            (Some(a), Some(b)) => Some(a.join(b)),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        self.inside.resize(self.inside.len().max(other.inside.len()), Self::default());
        for (own, more) in self.inside.iter_mut().zip(&other.inside) {
            own.add(more);
        }
    }

    /// The calls of running it so many times.
    #[must_use]
    pub fn times(&self, count: &Count) -> Self {
        Self {
            runs: self.runs,
            calls: self.calls.times(count),
            repeats: self.repeats.clone(),
            inside: self.inside.iter().map(|node| node.times(count)).collect(),
        }
    }

    /// It may not run at all.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.each_count(&|count| count.fewest = Formula::default());
        self
    }

    /// It makes no more than so many calls.
    pub fn cap(&mut self, most: &Formula) {
        self.each_count(&|count| count.cap(most));
    }

    /// How many nodes it counts, itself included.
    pub(super) fn size(&self) -> usize {
        1 + self.inside.iter().map(Self::size).sum::<usize>()
    }

    fn each_count(&mut self, change: &impl Fn(&mut Count)) {
        change(&mut self.calls);
        for node in &mut self.inside {
            node.each_count(change);
        }
    }
}
