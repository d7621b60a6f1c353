//! When an output counts as right, and how far from right a wrong one is.

use serde::{Deserialize, Serialize};

use crate::source::Source;

/// How an output is held against the right one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Comparison {
    /// Equal as sequences of words; how much white space stands between them does not matter, unless it does.
    Tokens {
        /// Letters match in either case.
        #[serde(default)]
        ignore_case: bool,
        /// Two numbers match when they are this close.
        #[serde(default)]
        float: Option<Tolerance>,
        /// White space must be the same too.
        #[serde(default)]
        same_space: bool,
    },
    /// Equal lines, but for space at their ends and empty lines at the end.
    Lines,
    /// The same bytes.
    Exact,
    /// The same lines in any order.
    Unordered,
    /// A program decides. It reads a JSON record `{input, expected, actual}`; exit code 0 holds, 1 does not and its
    /// standard output is the reason; anything else is an error of the checker, not a verdict.
    Checker(Box<Source>),
    /// An output validator of a problem package decides. It is called with the arguments `input answer feedback/` and
    /// these, reads the output, and exits with 42 (right) or 43 (wrong); anything else is an error of the validator. What
    /// it writes to `feedback/judgemessage.txt` is the reason.
    Validator {
        /// The validator.
        source: Box<Source>,
        /// Arguments after the three that are always there.
        #[serde(default)]
        args: Vec<String>,
    },
}

impl Default for Comparison {
    fn default() -> Self {
        Self::Tokens { ignore_case: false, float: None, same_space: false }
    }
}

impl Comparison {
    /// Whether an output is right; none where only a program can tell.
    pub fn holds(&self, expected: &str, actual: &str) -> Option<bool> {
        Some(match self {
            Self::Tokens { ignore_case, float, same_space } => {
                tokens_match(expected, actual, *ignore_case, *float) && (!same_space || spaces_match(expected, actual))
            }
            Self::Lines => lines(expected) == lines(actual),
            Self::Exact => expected == actual,
            Self::Unordered => unordered_match(expected, actual),
            Self::Checker(_) | Self::Validator { .. } => return None,
        })
    }
}

/// How close numbers must be: one of the two suffices.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// The largest difference.
    #[serde(default)]
    pub absolute: f64,
    /// The largest difference for each 1 of the right number.
    #[serde(default)]
    pub relative: f64,
}

impl Tolerance {
    fn holds(self, expected: &str, actual: &str) -> bool {
        match (number(expected), number(actual)) {
            (Some(expected), Some(actual)) => {
                let off = expected.minus(actual).abs();
                off <= self.absolute || off <= self.relative * expected.as_f64().abs()
            }
            _ => false,
        }
    }
}

/// Equal as words, with what else the comparison lets pass.
fn tokens_match(expected: &str, actual: &str, ignore_case: bool, float: Option<Tolerance>) -> bool {
    let (mut left, mut right) = (expected.split_whitespace(), actual.split_whitespace());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (Some(expected), Some(actual)) => {
                let same = expected == actual
                    || ignore_case && expected.to_lowercase() == actual.to_lowercase()
                    || float.is_some_and(|tolerance| tolerance.holds(expected, actual));
                if !same {
                    return false;
                }
            }
            (Some(_), None) | (None, Some(_)) => return false,
        }
    }
}

/// The same white space around and between words, of which there are as many.
fn spaces_match(expected: &str, actual: &str) -> bool {
    let begins = |text: &str| text.starts_with(char::is_whitespace);
    let spaces = |c: char| !c.is_whitespace();
    let (left, right) = (expected.split(spaces), actual.split(spaces));
    begins(expected) == begins(actual)
        && left.filter(|space| !space.is_empty()).eq(right.filter(|space| !space.is_empty()))
}

/// The same lines, however ordered.
fn unordered_match(expected: &str, actual: &str) -> bool {
    let (mut expected, mut actual) = (lines(expected), lines(actual));
    expected.sort_unstable();
    actual.sort_unstable();
    expected == actual
}

/// How far a wrong output is from the right one: the sum of differences when both are as many numbers, else the number
/// of lines that are not equal.
pub(crate) fn distance(expected: &str, actual: &str) -> f64 {
    let numbers = |text: &str| text.split_whitespace().map(number).collect::<Option<Vec<_>>>();
    if let (Some(expected), Some(actual)) = (numbers(expected), numbers(actual))
        && expected.len() == actual.len()
        && !expected.is_empty()
    {
        // An infinite sum could not be written as JSON.
        return expected.iter().zip(&actual).map(|(e, a)| e.minus(*a).abs()).sum::<f64>().min(f64::MAX);
    }
    let (expected, actual) = (lines(expected), lines(actual));
    let common = expected.iter().zip(&actual).filter(|(e, a)| e != a).count();
    (common + expected.len().abs_diff(actual.len())) as f64
}

/// Lines without the space at their ends, without the empty ones at the end.
fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

/// A number as written: whole ones are kept exactly, so that answers near 10^18 are told apart.
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    fn as_f64(self) -> f64 {
        match self {
            Self::Whole(n) => n as f64,
            Self::Real(x) => x,
        }
    }

    fn minus(self, other: Self) -> f64 {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.checked_sub(b).map_or(a as f64 - b as f64, |d| d as f64),
            (a, b) => a.as_f64() - b.as_f64(),
        }
    }
}

fn number(token: &str) -> Option<Number> {
    if let Ok(whole) = token.parse() {
        return Some(Number::Whole(whole));
    }
    token.parse().ok().filter(|x: &f64| x.is_finite()).map(Number::Real)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(expected: &str, actual: &str) -> bool {
        tokens_match(expected, actual, false, None)
    }

    fn holds(comparison: &Comparison, expected: &str, actual: &str) -> bool {
        comparison.holds(expected, actual).expect("no program is asked")
    }

    fn float(e: f64) -> Option<Tolerance> {
        Some(Tolerance { absolute: e, relative: e })
    }

    #[test]
    fn tokens_are_whitespace_apart_and_case_counts() {
        assert!(tokens("1 2\n3\n", " 1  2 3"));
        assert!(!tokens("1 2", "12"));
        assert!(!tokens("Yes", "yes"));
        assert!(tokens_match("Yes", "yes", true, None));
        assert!(!tokens("1 2", "1"));
        assert!(!tokens("1", "1 2"));
    }

    #[test]
    fn numbers_may_be_off_by_epsilon_times_the_larger_of_one_and_the_right_one() {
        assert!(tokens_match("0.5", "0.5000009", false, float(1e-6)));
        assert!(!tokens_match("0.5", "0.500002", false, float(1e-6)));
        assert!(tokens_match("1000000", "1000000.9", false, float(1e-6)));
        assert!(!tokens_match("1000000", "1000001.1", false, float(1e-6)));
        assert!(!tokens_match("x", "1", false, float(1e9)));
        assert!(!tokens_match("1", "nan", false, float(1e9)));
    }

    #[test]
    fn white_space_may_have_to_be_the_same_with_everything_else_as_it_was() {
        let same = Comparison::Tokens { ignore_case: true, float: float(1e-6), same_space: true };
        assert!(holds(&same, "Yes 0.5\n", "yes 0.50000001\n"));
        for wrong in ["yes  0.5\n", "yes 0.5", " yes 0.5\n", "yes 0.5\n\n", "yes\n0.5\n", "yes 0.6\n"] {
            assert!(!holds(&same, "Yes 0.5\n", wrong), "{wrong:?}");
        }
        assert!(!holds(&same, " a", "a "));
        assert!(holds(&same, "", "") && !holds(&same, "", " "));
    }

    #[test]
    fn a_token_is_right_within_either_of_two_tolerances() {
        let both = Some(Tolerance { absolute: 0.1, relative: 1e-3 });
        assert!(tokens_match("0.0314", "3.14000000e-2", false, both));
        assert!(tokens_match("1", "1.09", false, both) && !tokens_match("1", "1.11", false, both));
        assert!(tokens_match("1000", "1000.9", false, both) && !tokens_match("1000", "1001.1", false, both));
        let absolute = Some(Tolerance { absolute: 0.1, relative: 0.0 });
        assert!(tokens_match("1000", "1000.05", false, absolute) && !tokens_match("1000", "1000.9", false, absolute));
    }

    #[test]
    fn lines_forgive_space_at_their_ends_only() {
        assert!(holds(&Comparison::Lines, "a \nb\n", "a\nb\n\n"));
        assert!(!holds(&Comparison::Lines, "a\nb", " a\nb"));
        assert!(!holds(&Comparison::Lines, "a b", "a  b"));
    }

    #[test]
    fn unordered_lines_are_a_multiset() {
        assert!(unordered_match("a\nb\na\n", "a\na\nb"));
        assert!(!unordered_match("a\nb\na\n", "a\nb\nb\n"));
    }

    #[test]
    fn distance_sums_differences_of_as_many_numbers() {
        assert_eq!(distance("1 2 3", "1 4 2"), 3.0);
        assert_eq!(distance("5\n", "4"), 1.0);
        assert_eq!(distance("1000000000000000000", "1000000000000000001"), 1.0);
        assert_eq!(distance("0.5", "0.25"), 0.25);
    }

    #[test]
    fn distance_counts_unequal_lines_otherwise() {
        assert_eq!(distance("1 2", "12"), 1.0);
        assert_eq!(distance("a\nb\nc", "a\nx"), 2.0);
        assert_eq!(distance("yes", ""), 1.0);
    }
}
