//! `functions`: the top-level function definitions of a program, as texts. No parser: strings and comments are stepped over, and
//! what is left is cut where a definition ends. A regular expression literal of JavaScript that holds a quote or brace misleads it.

use super::{Args, Row, RunFilter, expected, row};
use crate::template::eval::{Fault, Fuel};
use crate::template::val::Val;
use crate::value::Value;
use std::borrow::Cow;

pub(super) const FILTERS: &[Row<RunFilter>] = &[row(
    "functions",
    "functions(lang)",
    "the top-level functions of a program, as texts; lang is python, c, cpp, javascript or rust",
    functions,
)];

#[derive(Clone, Copy, PartialEq)]
enum Language {
    Python,
    C,
    JavaScript,
    Rust,
}

fn functions<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Result<Val<'e>, Fault> {
    let lang = args.text("lang")?.ok_or_else(|| expected("text", "lang", &Value::Null))?;
    let language = match lang {
        "python" => Language::Python,
        "c" | "cpp" => Language::C,
        "javascript" => Language::JavaScript,
        "rust" => Language::Rust,
        other => {
            let message = format!("`lang` is python, c, cpp, javascript or rust, not `{other}`");
            return Err(Fault::new(message));
        }
    };
    let code = value.into_text();
    let found = if language == Language::Python { of_python(&code) } else { of_braces(&code, language) };
    Ok(Val::Many(found.into_iter().map(|function| Cow::Owned(Value::from(function))).collect()))
}

/// What stands at a place of a program.
enum Piece {
    /// A comment, to its end.
    Comment(usize),
    /// A string or character, to its end.
    Quoted(usize),
    /// One character.
    Char(char),
}

impl Language {
    fn piece(self, code: &str, at: usize) -> Option<Piece> {
        let rest = &code[at..];
        let first = rest.chars().next()?;
        let line = || Piece::Comment(at + rest.find('\n').unwrap_or(rest.len()));
        Some(match (self, first) {
            (Self::Python, '#') => line(),
            (Self::C | Self::JavaScript | Self::Rust, '/') if rest.starts_with("//") => line(),
            (Self::C | Self::JavaScript | Self::Rust, '/') if rest.starts_with("/*") => {
                Piece::Comment(rest.find("*/").map_or(code.len(), |end| at + end + 2))
            }
            (Self::Python, '"' | '\'') => {
                let triple = first.to_string().repeat(3);
                let quote = if rest.starts_with(&triple) { triple.as_str() } else { &triple[..1] };
                Piece::Quoted(end_of_string(code, at + quote.len(), quote))
            }
            (Self::JavaScript, '"' | '\'' | '`') | (Self::C, '\'' | '"') | (Self::Rust, '"') => {
                Piece::Quoted(end_of_string(code, at + 1, &rest[..1]))
            }
            (Self::Rust, '\'') => match end_of_character(rest) {
                Some(length) => Piece::Quoted(at + length),
                // A lifetime.
                None => Piece::Char(first),
            },
            (Self::Rust | Self::C, 'r' | 'R') => match end_of_raw_string(self, code, at) {
                Some(end) => Piece::Quoted(end),
                None => Piece::Char(first),
            },
            _ => Piece::Char(first),
        })
    }
}

fn end_of_string(code: &str, from: usize, quote: &str) -> usize {
    let mut chars = code[from..].char_indices();
    while let Some((i, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if code[from + i..].starts_with(quote) {
            return from + i + quote.len();
        }
    }
    code.len()
}

/// The length of `'x'` or `'\…'`; none for a lifetime.
fn end_of_character(rest: &str) -> Option<usize> {
    let inner = &rest[1..];
    if inner.starts_with('\\') {
        return Some(end_of_string(rest, 1, "'"));
    }
    let c = inner.chars().next()?;
    inner[c.len_utf8()..].starts_with('\'').then_some(c.len_utf8() + 2)
}

/// `r#"…"#` of Rust, `R"tag(…)tag"` of C++.
fn end_of_raw_string(language: Language, code: &str, at: usize) -> Option<usize> {
    if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let rest = &code[at + 1..];
    let (tag, close) = match language {
        Language::Rust => {
            let tag = rest.split_once('"')?.0;
            (tag, tag.chars().all(|c| c == '#').then(|| format!("\"{tag}"))?)
        }
        _ => {
            let tag = rest.strip_prefix('"')?.split_once('(')?.0;
            (tag, (!tag.contains(char::is_whitespace)).then(|| format!("){tag}\""))?)
        }
    };
    let body = at + 1 + tag.len() + 1;
    Some(code[body..].find(&close).map_or(code.len(), |end| body + end + close.len()))
}

/// By indentation: a definition goes from its `def`, or the decorators above it, to the next line that begins a statement.
fn of_python(code: &str) -> Vec<String> {
    let starts = python_statements(code);
    let ends = starts.iter().skip(1).copied().chain([code.len()]);
    let mut found = Vec::new();
    let mut decorators = None;
    for (start, end) in starts.iter().copied().zip(ends) {
        let statement = &code[start..end];
        if statement.starts_with('@') {
            decorators.get_or_insert(start);
            continue;
        }
        let first = decorators.take().unwrap_or(start);
        let definition = statement.strip_prefix("async").map_or(statement, str::trim_start);
        if definition.strip_prefix("def").is_some_and(|name| name.starts_with(char::is_whitespace)) {
            found.push(without_trailing_comments(&code[first..end]));
        }
    }
    found
}

/// Where the statements begin that stand at the margin.
fn python_statements(code: &str) -> Vec<usize> {
    let (mut at, mut open, mut line_starts, mut joined) = (0, 0_usize, true, false);
    let mut starts = Vec::new();
    while let Some(piece) = Language::Python.piece(code, at) {
        let begins = line_starts && open == 0 && !joined;
        let next = match piece {
            Piece::Comment(end) => end,
            Piece::Quoted(end) => {
                if begins {
                    starts.push(at);
                }
                end
            }
            Piece::Char(c) => {
                match c {
                    '(' | '[' | '{' => open += 1,
                    ')' | ']' | '}' => open = open.saturating_sub(1),
                    _ => {}
                }
                if begins && !c.is_whitespace() {
                    starts.push(at);
                }
                if c == '\n' {
                    joined = code[..at].trim_end_matches('\r').ends_with('\\');
                }
                at + c.len_utf8()
            }
        };
        line_starts = code[..next].ends_with('\n') && !matches!(piece, Piece::Quoted(_));
        at = next;
    }
    starts
}

/// Comments at the margin below a definition belong to what follows.
fn without_trailing_comments(definition: &str) -> String {
    let mut lines: Vec<&str> = definition.lines().collect();
    while lines.last().is_some_and(|line| line.trim().is_empty() || line.starts_with('#')) {
        lines.pop();
    }
    lines.join("\n")
}

/// By braces: an item goes to its `;` or closing brace outside of all others; the head before its first brace tells what it is.
fn of_braces(code: &str, language: Language) -> Vec<String> {
    let mut found = Vec::new();
    let (mut at, mut start, mut body, mut braces, mut parentheses) = (0, None, None, 0_usize, 0_usize);
    while let Some(piece) = language.piece(code, at) {
        let next = match piece {
            Piece::Comment(end) => {
                at = end;
                continue;
            }
            // A preprocessor line is no part of an item.
            Piece::Char('#') if language == Language::C && start.is_none() => {
                at = end_of_directive(code, at);
                continue;
            }
            Piece::Char(c) if c.is_whitespace() && start.is_none() => {
                at += c.len_utf8();
                continue;
            }
            Piece::Quoted(end) => end,
            Piece::Char(c) => {
                match c {
                    '(' | '[' => parentheses += 1,
                    ')' | ']' => parentheses = parentheses.saturating_sub(1),
                    '{' => {
                        if braces == 0 && parentheses == 0 {
                            body.get_or_insert(at);
                        }
                        braces += 1;
                    }
                    '}' => braces = braces.saturating_sub(1),
                    _ => {}
                }
                at + c.len_utf8()
            }
        };
        let first = *start.get_or_insert(at);
        let ends = braces == 0 && parentheses == 0 && matches!(piece, Piece::Char(';' | '}'));
        if ends {
            if let Some(body) = body.take()
                && is_function(&code[first..body], language)
            {
                found.push(code[first..next].to_owned());
            }
            start = None;
        }
        at = next;
    }
    found
}

fn end_of_directive(code: &str, at: usize) -> usize {
    let mut end = at;
    for line in code[at..].split_inclusive('\n') {
        end += line.len();
        if !line.trim_end().ends_with('\\') {
            break;
        }
    }
    end
}

/// Whether an item is a function, by its head: what stands before its body.
fn is_function(head: &str, language: Language) -> bool {
    let words: Vec<&str> = head.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty()).collect();
    match language {
        Language::Rust => words.contains(&"fn") && !["impl", "trait", "mod"].contains(&words[0]),
        Language::JavaScript => words.contains(&"function") || (head.contains("=>") && words[0] != "class"),
        Language::C => {
            // `struct P f(int x) {` is a function; `struct P {` and `int x[] = {` are not.
            let name = head.split('(').next().unwrap_or(head);
            head.contains(')') && (!name.contains('=') || words.contains(&"operator"))
        }
        Language::Python => unreachable!("internal error: Python has no braces"),
    }
}
