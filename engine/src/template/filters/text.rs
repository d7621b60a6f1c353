//! Filters of text. What is no text is taken as `{{ }}` prints it.

use super::{Args, Row, RunFilter, expected, row};
use crate::template::eval::{Fault, Fuel};
use crate::template::print;
use crate::template::val::{Val, at_path};
use crate::value::Value;
use regex::Regex;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

type Made<'e> = Result<Val<'e>, Fault>;

pub(super) const FILTERS: &[Row<RunFilter>] = &[
    row("string", "string()", "as `{{ }}` prints it", string),
    row("trim", "trim(chars=none)", "without white space, or these characters, at both ends", trim),
    row("upper", "upper()", "in capitals", upper),
    row("lower", "lower()", "in small letters", lower),
    row("capitalize", "capitalize()", "the first letter a capital, the others small", capitalize),
    row("title", "title()", "the first letter of each word a capital", title),
    row("replace", "replace(from, to)", "each `from` replaced", replace),
    row("split", "split(separator=none, most=none)", "a list of what stands between separators, or white space", split),
    row("lines", "lines()", "a list of the lines", lines),
    row("join", "join(separator=\"\", attribute=none)", "the items as one text", join),
    row(
        "indent",
        "indent(width=4, first=false, blank=false)",
        "each line moved in, the first and blank ones if asked",
        indent,
    ),
    row("clip", "clip(lines)", "at most so many lines, cut out of the middle; it says how many are missing", clip),
    row("fence", "fence(lang=\"\")", "as a fenced code block", fence),
    row("bullets", "bullets()", "a list, one `- ` line for each item", bullets),
    row("matches", "matches(regex)", "whether the regular expression is found in it", matches),
    row("to_json", "to_json(indent=none)", "as JSON, on one line without `indent`", to_json),
    row("to_yaml", "to_yaml()", "as YAML", to_yaml),
];

fn string<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    Ok(value.into_text().into())
}

fn trim<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let text = value.into_text();
    Ok(match args.text("chars")? {
        Some(chars) => text.trim_matches(|c| chars.contains(c)).into(),
        None => text.trim().into(),
    })
}

fn upper<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    Ok(value.into_text().to_uppercase().into())
}

fn lower<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    Ok(value.into_text().to_lowercase().into())
}

fn capitalize<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    let text = value.into_text();
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    Ok(first.into_iter().flatten().chain(chars.as_str().to_lowercase().chars()).collect::<String>().into())
}

fn title<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    let mut titled = String::new();
    let mut at_start = true;
    for c in value.into_text().chars() {
        let between_words = c.is_whitespace() || "-({[<".contains(c);
        match (between_words, at_start) {
            (true, _) => titled.push(c),
            (false, true) => titled.extend(c.to_uppercase()),
            (false, false) => titled.extend(c.to_lowercase()),
        }
        at_start = between_words;
    }
    Ok(titled.into())
}

fn replace<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let text = value.into_text();
    let (from, to) = (args.value("from").into_text(), args.value("to").into_text());
    // Paid for before it is made: a short text can become a very long one.
    fuel.spend_text(text.matches(from.as_ref()).count().saturating_mul(to.len()))?;
    Ok(text.replace(from.as_ref(), &to).into())
}

fn split<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let text = value.into_text();
    let pieces = args.whole("most")?.and_then(|most| usize::try_from(most).ok()).map(|most| most + 1);
    let pieces: Vec<&str> = match (args.text("separator")?, pieces) {
        (Some(separator), Some(n)) => text.splitn(n, separator).collect(),
        (Some(separator), None) => text.split(separator).collect(),
        (None, None) => text.split_whitespace().collect(),
        (None, Some(n)) => words(&text, n),
    };
    Ok(texts(pieces))
}

/// At most `n` words, the last one with all that is left.
fn words(text: &str, n: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.split_once(char::is_whitespace) {
            Some(cut) if words.len() + 1 < n => cut,
            _ => (rest, ""),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}

fn texts<'e>(pieces: Vec<&str>) -> Val<'e> {
    Val::Many(pieces.into_iter().map(|piece| Cow::Owned(Value::from(piece))).collect())
}

fn lines<'e>(value: Val<'e>, _: &Args<'e>, _: &Fuel) -> Made<'e> {
    Ok(texts(value.into_text().lines().collect()))
}

fn join<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let (separator, attribute) = (args.text("separator")?.unwrap_or(""), args.path("attribute")?);
    let mut joined = String::new();
    for (i, item) in value.into_items()?.iter().enumerate() {
        let before = joined.len();
        if i > 0 {
            joined.push_str(separator);
        }
        match &attribute {
            Some(path) => print::write_text(&mut joined, at_path(item, path)),
            None => print::write_text(&mut joined, item),
        }
        fuel.spend_text(joined.len() - before)?;
    }
    Ok(joined.into())
}

fn indent<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let text = value.into_text();
    let width = args.count("width")?.unwrap_or(4);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    fuel.spend_text(text.split('\n').count().saturating_mul(width))?;
    let (first, blank) = (args.flag("first"), args.flag("blank"));
    let margin = " ".repeat(width);
    let moved = text.split('\n').enumerate().map(|(i, line)| {
        let stays = (i == 0 && !first) || (matches!(line, "" | "\r") && !blank);
        if stays { line.to_owned() } else { format!("{margin}{line}") }
    });
    Ok(moved.collect::<Vec<_>>().join("\n").into())
}

fn clip<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let most = args.count("lines")?.ok_or_else(|| expected("a whole number", "lines", &Value::Null))?;
    let text = value.into_text();
    let lines: Vec<&str> = text.lines().collect();
    let Some(missing) = lines.len().checked_sub(most).filter(|missing| *missing > 0) else { return Ok(text.into()) };
    // The beginning has the line more: that is where an error is named.
    let (head, tail) = (most.div_ceil(2), most / 2);
    let gap = format!("[… {missing} {} left out …]", if missing == 1 { "line" } else { "lines" });
    let kept = lines[..head].iter().copied().chain([gap.as_str()]).chain(lines[lines.len() - tail..].iter().copied());
    Ok(kept.collect::<Vec<_>>().join("\n").into())
}

fn fence<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    let text = value.into_text();
    // Longer than any run of backticks within, so that nothing in the text closes it.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let lang = args.text("lang")?.unwrap_or("");
    Ok(format!("{fence}{lang}\n{}\n{fence}", text.trim_end_matches('\n')).into())
}

fn bullets<'e>(value: Val<'e>, _: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let items = match value {
        // A text alone is one item, not a list of characters.
        Val::One(text) if text.is_string() => vec![text],
        list => list.into_items()?,
    };
    let mut made = Vec::with_capacity(items.len());
    for item in items {
        // The lines after the first belong to the item: they stand under it.
        let item = print::text(&item).trim_end().replace('\n', "\n  ");
        fuel.spend_text(item.len())?;
        made.push(format!("- {item}"));
    }
    Ok(made.join("\n").into())
}

fn to_json<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    /// Wider than anyone reads.
    const WIDEST: usize = 16;
    let value = value.into_cow();
    let text = match args.count("indent")? {
        None => print::json(&value),
        Some(indent) if indent <= WIDEST => print::json_indented(&value, indent),
        Some(_) => return Err(Fault::new(format!("`indent` is at most {WIDEST}"))),
    };
    fuel.spend_text(text.len())?;
    Ok(text.into())
}

fn to_yaml<'e>(value: Val<'e>, _: &Args<'e>, fuel: &Fuel) -> Made<'e> {
    let text = print::yaml(&value.into_cow());
    fuel.spend_text(text.len())?;
    Ok(text.into())
}

fn matches<'e>(value: Val<'e>, args: &Args<'e>, _: &Fuel) -> Made<'e> {
    Ok(found(&value.into_cow(), args)?.into())
}

/// Whether the regular expression is found in a value as it is printed; nothing is found in null.
pub(super) fn found(value: &Value, args: &Args<'_>) -> Result<bool, Fault> {
    let pattern = args.text("regex")?.ok_or_else(|| expected("text", "regex", &Value::Null))?;
    let regex = regex(pattern).map_err(Fault::new)?;
    Ok(match value {
        Value::Null => false,
        Value::String(text) => regex.is_match(text),
        other => regex.is_match(&print::text(other)),
    })
}

/// Refuses what is no regular expression.
pub(super) fn check_regex(pattern: &str) -> Result<(), String> {
    regex(pattern).map(|_| ())
}

/// Compiled once: compiling takes a thousand times as long as a short match.
fn regex(pattern: &str) -> Result<Regex, String> {
    /// More patterns than the flows of one process have; patterns made at run time can't fill the memory.
    const KEPT: usize = 256;
    static COMPILED: LazyLock<Mutex<BTreeMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = compiled.get(pattern) {
        return Ok(regex.clone());
    }
    let regex = Regex::new(pattern).map_err(|error| {
        // The last line says what is wrong; those before draw the pattern.
        let error = error.to_string();
        format!(
            "`{pattern}` is no regular expression: {}",
            error.lines().last().unwrap_or("").trim_start_matches("error: ")
        )
    })?;
    if compiled.len() >= KEPT {
        compiled.clear();
    }
    compiled.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}
