//! Expected and actual output side by side, with the place where they part.

use super::verdicts::push;

/// Lines shown around the first that differs, and at each end.
const AROUND: usize = 3;
const ENDS: usize = 2;

/// The most columns of each side.
const WIDTH: usize = 48;

/// Adds both outputs, line by line. `holds` says whether two lines count as the same.
pub(super) fn side_by_side(into: &mut String, expected: &str, actual: &str, holds: &dyn Fn(&str, &str) -> bool) {
    let (left, right): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let all = left.len().max(right.len());
    let differ = |i: usize| match (left.get(i), right.get(i)) {
        (Some(left), Some(right)) => !holds(left, right),
        // A line that only one has is no difference when nothing is on it.
        (Some(one), None) | (None, Some(one)) => !one.trim().is_empty(),
        (None, None) => false,
    };
    // Where a program compares, no line may be wrong by itself: then nothing is marked.
    let first = (0..all).find(|i| differ(*i));
    let near = |i: usize| i < ENDS || i + ENDS >= all || first.is_none_or(|first| i.abs_diff(first) <= AROUND);
    let shown: Vec<usize> = (0..all).filter(|i| near(*i)).take(4 * (AROUND + ENDS)).collect();
    let number = all.to_string().len().max(4);
    let wide = shown.iter().filter_map(|i| left.get(*i)).map(|line| line.chars().count()).max().unwrap_or(0);
    let width = wide.clamp("(no line)".len(), WIDTH);
    push(into, format_args!("  {:>number$}  {:<width$}   actual\n", "line", "expected"));
    let mut next = 0;
    for i in shown {
        if i > next {
            push(into, format_args!("  {:>number$}  … {} lines …\n", "", i - next));
        }
        next = i + 1;
        let (one, two) = (left.get(i).copied(), right.get(i).copied());
        let here = first == Some(i);
        let parts = here.then(|| parting(one.unwrap_or_default(), two.unwrap_or_default()));
        let side = |text: Option<&str>| text.map_or("(no line)".to_owned(), |text| window(text, parts.unwrap_or(0)).0);
        push(
            into,
            format_args!(
                "{} {:>number$}  {:<width$} {} {}\n",
                if here { ">" } else { " " },
                i + 1,
                side(one),
                if here { "≠" } else { "|" },
                side(two)
            ),
        );
        if let (Some(at), Some(one), Some(_)) = (parts, one, two) {
            let column = window(one, at).1;
            push(into, format_args!("  {:>number$}  {}^\n", "", " ".repeat(column)));
        }
    }
    if all > next {
        push(into, format_args!("  {:>number$}  … {} lines …\n", "", all - next));
    }
}

/// The character at which two lines part.
fn parting(one: &str, two: &str) -> usize {
    one.chars().zip(two.chars()).take_while(|(a, b)| a == b).count()
}

/// What is shown of a line so that the character `at` is, and the column where that stands.
fn window(line: &str, at: usize) -> (String, usize) {
    let all: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if all.len() <= WIDTH {
        return (all.into_iter().collect(), at);
    }
    let from = at.saturating_sub(WIDTH / 2).min(all.len() - WIDTH);
    let mut part: Vec<char> = all[from..from + WIDTH].to_vec();
    if from > 0 {
        part[0] = '…';
    }
    if from + WIDTH < all.len() {
        part[WIDTH - 1] = '…';
    }
    (part.into_iter().collect(), at - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(expected: &str, actual: &str) -> String {
        let mut text = String::new();
        side_by_side(&mut text, expected, actual, &|a, b| a.split_whitespace().eq(b.split_whitespace()));
        text
    }

    #[test]
    fn the_first_line_that_differs_is_marked_where_it_differs() {
        let text = shown("1 2\n3 45 6\n7\n", "1  2\n3 44 6\n8\n");
        let marked: Vec<&str> = text.lines().filter(|line| line.starts_with('>')).collect();
        assert_eq!(marked.len(), 1, "{text}");
        let line = text.lines().position(|line| line.starts_with('>')).unwrap();
        let (line, caret) = (text.lines().nth(line).unwrap(), text.lines().nth(line + 1).unwrap());
        assert_eq!(line.chars().nth(caret.find('^').unwrap()), Some('5'), "{text}");
        assert!(line.contains("≠ 3 44 6"), "{text}");
    }

    #[test]
    fn the_middle_of_long_outputs_is_left_out_and_the_difference_is_not() {
        let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
        let text = shown(&expected, &expected.replace("\n500\n", "\nfive hundred\n"));
        assert!(text.contains("five hundred") && text.contains("… 495 lines …") && text.contains("999"), "{text}");
        assert!(text.lines().count() < 20, "{text}");
    }

    #[test]
    fn a_long_line_is_shown_around_the_difference() {
        let expected = format!("{}x{}", "a".repeat(300), "b".repeat(300));
        let text = shown(&expected, &expected.replace('x', "y"));
        assert!(text.contains("…aaaa") && text.contains("axb") && text.contains("ayb"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let at = lines[2].find('^').unwrap();
        assert_eq!(lines[1].chars().nth(at), Some('x'), "{text}");
    }

    #[test]
    fn a_line_too_few_and_one_too_many_are_told() {
        assert!(shown("1\n2\n", "1\n").contains("(no line)"));
        assert!(shown("1\n", "1\n2\n").contains("(no line)"));
        assert!(!shown("1\n", "1\n\n").contains('>'));
    }
}
