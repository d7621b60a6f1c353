//! Slips that models make in JSON and YAML, mended where only one thing can be meant.

use super::find::spaces;
use crate::spec::types::Type;
use std::collections::BTreeSet;

/// The JSON text with raw control characters and lone backslashes in its strings escaped, commas before closing brackets
/// dropped, and Python's constants as JSON's. What was done is added to `repairs`.
pub(super) fn json(text: &str, repairs: &mut Vec<String>) -> String {
    let mut mended = String::with_capacity(text.len() + 16);
    let (mut controls, mut backslashes, mut commas, mut constants) = (false, false, false, false);
    let mut quoted = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '"' => {
                quoted = !quoted;
                mended.push(c);
            }
            '\\' if quoted => {
                if is_escape(&rest[1..]) {
                    length = 2;
                    mended.push_str(&rest[..2]);
                } else {
                    backslashes = true;
                    mended.push_str("\\\\");
                }
            }
            c if quoted && u32::from(c) < 0x20 => {
                controls = true;
                match c {
                    '\n' => mended.push_str("\\n"),
                    '\r' => mended.push_str("\\r"),
                    '\t' => mended.push_str("\\t"),
                    other => mended.push_str(&format!("\\u{:04x}", u32::from(other))),
                }
            }
            ',' if !quoted && rest[1..].trim_start().starts_with(['}', ']']) => commas = true,
            'T' | 'F' | 'N' if !quoted => {
                let constant = [("True", "true"), ("False", "false"), ("None", "null")];
                match constant.iter().find(|(theirs, _)| rest.starts_with(theirs)) {
                    Some((theirs, ours)) => {
                        constants = true;
                        length = theirs.len();
                        mended.push_str(ours);
                    }
                    None => mended.push(c),
                }
            }
            other => mended.push(other),
        }
        rest = &rest[length..];
    }
    let done = [
        (controls, "escaped raw line ends in strings"),
        (backslashes, "doubled lone backslashes in strings"),
        (commas, "dropped commas before closing brackets"),
        (constants, "wrote constants of Python as JSON's"),
    ];
    repairs.extend(done.into_iter().filter(|(was, _)| *was).map(|(_, what)| what.to_owned()));
    mended
}

/// Whether a backslash before this text is an escape of JSON.
fn is_escape(text: &str) -> bool {
    match text.as_bytes() {
        [b'u', digits @ ..] => digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit),
        [first, ..] => b"\"\\/bfnrt".contains(first),
        [] => false,
    }
}

/// The YAML text with spaces for the tabs that indent it, and every value that the type wants as text written as a block
/// scalar. What was done is added to `repairs`.
pub(super) fn yaml(text: &str, ty: &Type, repairs: &mut Vec<String>) -> String {
    let tabs = text.lines().any(|line| line.starts_with(['\t', ' ']) && leading(line).contains('\t'));
    let spaced = if tabs { text.lines().map(without_tabs).collect::<Vec<_>>().join("\n") } else { text.to_owned() };
    if tabs {
        repairs.push("indented with spaces in place of tabs".to_owned());
    }
    let mut keys = Keys::default();
    keys.collect(ty, None);
    let mut blocks = Blocks { keys: &keys, out: Vec::new(), rewritten: BTreeSet::new() };
    blocks.write(&spaced.lines().collect::<Vec<_>>());
    repairs.extend(blocks.rewritten.iter().map(|key| format!("block scalar: `{key}`")));
    blocks.out.join("\n")
}

fn leading(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

fn without_tabs(line: &str) -> String {
    let before = leading(line);
    before.replace('\t', "    ") + &line[before.len()..]
}

/// What a type says of the keys of its records, wherever they stand in it.
#[derive(Default)]
struct Keys {
    all: BTreeSet<String>,
    texts: BTreeSet<String>,
    lists_of_text: BTreeSet<String>,
}

impl Keys {
    fn collect(&mut self, ty: &Type, key: Option<&str>) {
        match ty {
            Type::Record(fields) => {
                for field in fields {
                    self.all.insert(field.name.clone());
                    self.collect(&field.ty, Some(&field.name));
                }
            }
            Type::List(item, _) => {
                if item.is_text() {
                    self.lists_of_text.extend(key.map(str::to_owned));
                } else {
                    self.collect(item, None);
                }
            }
            Type::Union(members) => members.iter().for_each(|member| self.collect(member, key)),
            Type::Text(_) | Type::Code => self.texts.extend(key.map(str::to_owned)),
            Type::Any
            | Type::Null
            | Type::Boolean
            | Type::Integer(_)
            | Type::Number(_)
            | Type::Literals(_)
            | Type::Schema(_) => {}
        }
    }

    /// The line as `key: value`, if the key is one of the type's.
    fn line<'a>(&self, line: &'a str) -> Option<KeyLine<'a>> {
        let mut column = spaces(line);
        while let Some(after) = line[column..].strip_prefix("- ") {
            column += 2 + spaces(after);
        }
        let (key, value) = line[column..].split_once(':')?;
        let name = key.trim().trim_matches(['"', '\'']);
        let ends = value.is_empty() || value.starts_with([' ', '\t', '\r']);
        (ends && self.all.contains(name)).then_some(KeyLine {
            column,
            name,
            head: &line[..column],
            value: value.trim(),
        })
    }
}

/// A line `  - key: value`.
struct KeyLine<'a> {
    /// Where the key stands.
    column: usize,
    name: &'a str,
    /// What stands before the key: spaces and dashes.
    head: &'a str,
    value: &'a str,
}

struct Blocks<'a> {
    keys: &'a Keys,
    out: Vec<String>,
    rewritten: BTreeSet<String>,
}

impl Blocks<'_> {
    fn write(&mut self, lines: &[&str]) {
        let mut i = 0;
        // The list of texts that the lines stand in: its key.
        let mut list: Option<&str> = None;
        while i < lines.len() {
            let line = lines[i];
            i += 1;
            let (head, value, column, name) = if let Some(key) = self.keys.line(line) {
                list = Some(key.name).filter(|name| self.keys.lists_of_text.contains(*name));
                if !self.keys.texts.contains(key.name) {
                    self.out.push(line.to_owned());
                    continue;
                }
                (format!("{}{}:", key.head, key.name), key.value, key.column, key.name)
            } else if let Some(key) = list
                && let Some(value) = line.trim_start().strip_prefix("- ")
            {
                // The item's text stands one further in than its dash.
                (format!("{}-", &line[..spaces(line)]), value.trim(), spaces(line) + 1, key)
            } else {
                self.out.push(line.to_owned());
                continue;
            };
            let more = lines[i..].iter().take_while(|line| !self.ends(line, column)).count();
            let body = &lines[i..i + more];
            i += more;
            self.value(line, &head, value, column, name, body);
        }
    }

    /// Whether a line is no part of the text that began at `column`.
    fn ends(&self, line: &str, column: usize) -> bool {
        let item = line.trim_start().starts_with("- ") && spaces(line) < column;
        item || self.keys.line(line).is_some_and(|key| key.column <= column)
    }

    /// Writes one value and the lines below that belong to it.
    fn value(&mut self, line: &str, head: &str, value: &str, column: usize, name: &str, body: &[&str]) {
        let indent = " ".repeat(column + 2);
        let inside = body.iter().filter(|l| !l.trim().is_empty()).map(|l| spaces(l)).min();
        let is_block = value.starts_with(['|', '>']) && value.len() <= 3 && !value.contains(' ');
        if inside.is_none() && (value.is_empty() || is_plain(value))
            || is_quoted(value, body)
            || is_block && inside.is_none_or(|inside| inside > column)
        {
            self.out.push(line.to_owned());
            self.out.extend(body.iter().map(|l| (*l).to_owned()));
            return;
        }
        self.rewritten.insert(name.to_owned());
        self.out.push(format!("{head} {}", if is_block { value } else { "|-" }));
        if !is_block && !value.is_empty() {
            self.out.push(format!("{indent}{value}"));
        }
        let left = inside.unwrap_or_default();
        for line in body {
            self.out.push(if line.trim().is_empty() { String::new() } else { format!("{indent}{}", &line[left..]) });
        }
    }
}

/// Whether a value on one line is a plain scalar that YAML reads as it is written.
fn is_plain(value: &str) -> bool {
    !value.starts_with(|c: char| {
        c.is_ascii_punctuation() && !matches!(c, '(' | '.' | '/' | '+' | '_' | '<' | '$' | '=' | '~')
    }) && !value.contains(": ")
        && !value.ends_with(':')
        && !value.contains(" #")
}

/// Whether a value, with the lines below that belong to it, is one quoted text.
fn is_quoted(value: &str, body: &[&str]) -> bool {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return false };
    let whole = format!("{value}\n{}", body.join("\n"));
    let inner = whole.trim_end().strip_prefix(quote).and_then(|inner| inner.strip_suffix(quote));
    let Some(inner) = inner else { return false };
    let unescaped = if quote == '"' { inner.replace("\\\\", "").replace("\\\"", "") } else { inner.replace("''", "") };
    !unescaped.contains(quote)
}
