//! Long texts, shortened in the middle.

use flow_engine::value::Value;

/// Characters of a line that are shown.
const WIDTH: usize = 160;

/// A text of at most so many lines, indented by so many blanks.
pub(crate) fn block(text: &str, most: usize, indent: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let line = |line: &&str| format!("{:indent$}{}\n", "", middle(line, WIDTH));
    if lines.len() <= most {
        return lines.iter().map(line).collect();
    }
    let (head, tail) = (most.div_ceil(2), most / 2);
    let left_out = format!("{:indent$}… {} lines …\n", "", lines.len() - head - tail);
    lines[..head].iter().map(line).chain([left_out]).chain(lines[lines.len() - tail..].iter().map(line)).collect()
}

/// A line of at most so many characters.
pub(crate) fn middle(line: &str, most: usize) -> String {
    let count = line.chars().count();
    if count <= most {
        return line.to_owned();
    }
    let (head, tail) = (most / 2, most - most / 2 - 1);
    line.chars().take(head).chain(['…']).chain(line.chars().skip(count - tail)).collect()
}

/// A value in one line.
pub(crate) fn value(value: &Value, most: usize) -> String {
    middle(&value.to_string(), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_loses_its_middle() {
        assert_eq!(middle("abcdefghij", 5), "ab…ij");
        assert_eq!(middle("abc", 3), "abc");
        assert_eq!(block("1\n2\n3\n4\n5\n", 3, 1), " 1\n 2\n … 2 lines …\n 5\n");
        assert_eq!(block("1\n2\n", 2, 0), "1\n2\n");
    }
}
