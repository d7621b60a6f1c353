//! Where in a model's text the answer may stand.

use crate::spec::types::Type;
use std::borrow::Cow;

/// Tags of fences that hold data; a fence without one may.
const DATA_TAGS: [&str; 4] = ["json", "yaml", "yml", "json5"];
/// Openings tried for an object in running text. Each costs a walk over the text, and real answers have few.
const MOST_OPENINGS: usize = 8;

/// A fenced block.
#[derive(Debug, PartialEq)]
pub(super) struct Fence<'a> {
    /// The word behind the opening fence, lower case.
    pub(super) tag: String,
    /// The lines between the fences, moved left as far as the fence stands.
    pub(super) body: Cow<'a, str>,
}

impl Fence<'_> {
    pub(super) fn holds_data(&self) -> bool {
        DATA_TAGS.contains(&self.tag.as_str())
    }
}

/// The text without the reasoning before the answer: a block in `<think>` tags at its start, or all up to a closing tag
/// whose opening one stood in the server's own template.
pub(super) fn without_reasoning(text: &str) -> &str {
    for tag in ["think", "thinking", "reasoning", "thought"] {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let starts = text.trim_start().starts_with(&open);
        match text.find(&close) {
            Some(end) if starts || !text[..end].contains(&open) => return &text[end + close.len()..],
            None if starts => return "",
            _ => {}
        }
    }
    text
}

/// The fenced blocks of a text, in order. A fence is closed by one that stands no further in, so that a fence inside an
/// indented block scalar does not end the block; the last one may be left open.
pub(super) fn fences(text: &str) -> Vec<Fence<'_>> {
    let mut found = Vec::new();
    let mut lines = lines(text);
    while let Some((_, line)) = lines.next() {
        let Some((indent, mark, rest)) = fence_mark(line) else { continue };
        let tag = rest.trim();
        if tag.contains(['`', '~']) {
            continue;
        }
        let (mut start, mut end) = (text.len(), text.len());
        for (at, inner) in lines.by_ref() {
            start = start.min(at);
            end = at;
            let closes = |(inside, other, rest): (usize, &str, &str)| {
                inside <= indent && other.starts_with(mark) && rest.trim().is_empty()
            };
            if fence_mark(inner).is_some_and(closes) {
                break;
            }
            end = text.len();
        }
        let body = &text[start..end.max(start)];
        let tag = tag.split_whitespace().next().unwrap_or_default().to_lowercase();
        found.push(Fence { tag, body: moved_left(body, indent) });
    }
    found
}

/// What may be the answer, the likeliest first; each is a part of the text.
pub(super) fn candidates<'a>(text: &'a str, ty: &Type) -> Vec<Cow<'a, str>> {
    let mut found: Vec<Cow<'a, str>> = Vec::new();
    if text.trim_start().starts_with(['{', '[']) {
        found.push(text.into());
    }
    let (data, other): (Vec<_>, Vec<_>) = fences(text).into_iter().partition(Fence::holds_data);
    let (bare, other): (Vec<_>, Vec<_>) = other.into_iter().partition(|f| f.tag.is_empty());
    // Drafts come before the answer, so the last one counts.
    found.extend(data.into_iter().rev().chain(bare.into_iter().rev()).map(|f| f.body));
    found.push(text.into());
    found.extend(from_first_field(text, ty).map(Cow::from));
    found.extend(objects(text).map(Cow::from));
    found.extend(other.into_iter().rev().map(|f| f.body));
    let mut unique: Vec<Cow<'a, str>> = Vec::new();
    for candidate in found {
        if !unique.contains(&candidate) {
            unique.push(candidate);
        }
    }
    unique
}

/// The text from the line on that begins with a field of the record.
pub(super) fn from_first_field<'a>(text: &'a str, ty: &Type) -> Option<&'a str> {
    let fields = ty.members().iter().find_map(|member| match member {
        Type::Record(fields) => Some(fields),
        _ => None,
    })?;
    let names = |line: &str| {
        let (key, _) = line.split_once(':')?;
        fields.iter().any(|f| f.name == key.trim_matches(['"', '\'', ' '])).then_some(())
    };
    lines(text).find(|(_, line)| names(line).is_some()).map(|(start, _)| &text[start..])
}

/// Objects and lists in running text, each to where its brackets balance.
fn objects(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(['{', '[']).take(MOST_OPENINGS).filter_map(|(start, _)| balanced(&text[start..]))
}

/// What stands between the bracket at the start of a text and the one that closes it, both included.
fn balanced(text: &str) -> Option<&str> {
    let (mut deep, mut quoted, mut skip) = (0usize, false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if skip => skip = false,
            '\\' if quoted => skip = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => deep += 1,
            '}' | ']' if !quoted => {
                deep -= 1;
                if deep == 0 {
                    return Some(&text[..=i]);
                }
            }
            _ => {}
        }
    }
    None
}

/// The lines of a text, each with the byte it begins at.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let at = start;
        start += line.len();
        (at, line)
    })
}

/// Where a fence stands in a line, its backticks or tildes, and what follows them.
fn fence_mark(line: &str) -> Option<(usize, &str, &str)> {
    let trimmed = line.trim_start();
    let c = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = trimmed.len() - trimmed.trim_start_matches(c).len();
    let (mark, rest) = trimmed.split_at(length);
    (length >= 3).then_some((line.len() - trimmed.len(), mark, rest))
}

/// The text with as many spaces less before each line, where it has them.
fn moved_left(text: &str, by: usize) -> Cow<'_, str> {
    if by == 0 {
        return text.into();
    }
    let line = |line: &'_ str| -> String { line[spaces(line).min(by)..].to_owned() };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n").into()
}

/// How many spaces a line begins with.
pub(super) fn spaces(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(text: &str) -> Vec<(String, String)> {
        fences(text).into_iter().map(|f| (f.tag, f.body.into_owned())).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn fences_are_found_with_their_tags() {
        assert_eq!(
            bodies("a\n```Python title=x\nb\n\nc\n```\nd\n~~~\ne\n~~~"),
            pairs(&[("python", "b\n\nc\n"), ("", "e\n")])
        );
        assert_eq!(bodies("```\n```"), pairs(&[("", "")]));
        assert_eq!(bodies("```json\n{}"), pairs(&[("json", "{}")]));
        assert_eq!(bodies("```"), pairs(&[("", "")]));
        assert_eq!(bodies("use ```x``` here\n```x```\n"), []);
    }

    #[test]
    fn a_fence_further_in_does_not_close_the_one_around_it() {
        let text = "```yaml\nwhy: w\ncode: |\n  ```python\n  print(1)\n  ```\n```\ndone";
        assert_eq!(bodies(text), pairs(&[("yaml", "why: w\ncode: |\n  ```python\n  print(1)\n  ```\n")]));
        assert_eq!(bodies("````md\n```\nx\n```\n````"), pairs(&[("md", "```\nx\n```\n")]));
        assert_eq!(bodies("1. so:\n   ```py\n   if a:\n     b\n   ```\n"), pairs(&[("py", "if a:\n  b\n")]));
    }

    #[test]
    fn reasoning_before_the_answer_is_left_out() {
        assert_eq!(without_reasoning("<think>{\"n\": 1}</think>\n{\"n\": 2}"), "\n{\"n\": 2}");
        assert_eq!(without_reasoning("so it is 1</think>2"), "2");
        assert_eq!(without_reasoning("<think>for ever"), "");
        let program = "print('<think>x</think>')";
        assert_eq!(without_reasoning(program), program);
    }

    #[test]
    fn an_object_in_running_text_is_found_to_its_end() {
        assert_eq!(objects("it is {\"a\": \"}\", \"b\": [1]} I think").next(), Some("{\"a\": \"}\", \"b\": [1]}"));
        assert_eq!(objects("never {closed").next(), None);
    }
}
