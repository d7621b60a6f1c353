//! The one-line shorthand of a type: `"[Test] 6..8"`, `integer 1..5 = 3 -- ideas asked for`, `low | high`.

use super::parse::{MOST_DEPTH, Names, default_value};
use super::{Bound, Field, Length, Range, TextRule, Type};
use crate::diag::{Diagnostics, nearest};
use serde_json::{Number, Value};

/// The types that are words.
const WORDS: [&str; 7] = ["string", "integer", "number", "boolean", "any", "code", "null"];

/// What people of other languages write for them.
const FOREIGN: [(&str, &str); 14] = [
    ("str", "string"),
    ("text", "string"),
    ("int", "integer"),
    ("float", "number"),
    ("double", "number"),
    ("bool", "boolean"),
    ("true", "boolean"),
    ("false", "boolean"),
    ("none", "null"),
    ("list", "[T]"),
    ("array", "[T]"),
    ("object", "{ k: T }"),
    ("dict", "{ k: T }"),
    ("map", "{ k: T }"),
];

/// A type and what stands behind it.
pub(super) struct Written {
    pub(super) ty: Type,
    /// The text behind `=`.
    pub(super) default: Option<String>,
    /// The text behind `--`.
    pub(super) about: Option<String>,
}

impl From<Type> for Written {
    fn from(ty: Type) -> Self {
        Self { ty, default: None, about: None }
    }
}

/// What is wrong with a type, before it has a place.
pub(super) struct Fault {
    pub(super) rule: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), help: None }
    }

    pub(super) fn too_deep() -> Self {
        Self::new("bad-value", format!("types nest more than {MOST_DEPTH} deep, names written out"))
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Reads the whole text of a scalar.
pub(super) fn read(text: &str, depth: usize, names: &mut dyn Names, found: &mut Diagnostics) -> Result<Written, Fault> {
    let mut reader = Reader { rest: text.trim(), inside: 0, depth, names, found };
    let written = reader.field()?;
    match reader.rest {
        "" => Ok(written),
        rest => Err(bad(format!("expected `|`, `=`, `--` or the end of the type, found `{rest}`"))),
    }
}

/// Whether a word is the name of a type: `Pair`, `lib.Pair`.
pub(super) fn is_type_name(word: &str) -> bool {
    let (scope, name) = word.rsplit_once('.').unwrap_or(("lib", word));
    let is_word =
        |w: &str| w.starts_with(|c: char| c.is_alphabetic() || c == '_') && !w.contains(|c: char| !is_word_char(c));
    name.starts_with(char::is_uppercase) && is_word(name) && is_word(scope)
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn bad(message: impl Into<String>) -> Fault {
    Fault::new("bad-value", message)
}

/// One member of a union, before it is known whether its words are literals.
enum Term {
    Type(Type),
    /// A lower-case word that names no type.
    Word(String),
    /// Certainly a literal: quoted, or a number.
    Literal(Value),
}

struct Reader<'t, 'n> {
    rest: &'t str,
    /// How many brackets are open: inside, `,` and a closing bracket end defaults and descriptions.
    inside: usize,
    depth: usize,
    names: &'n mut dyn Names,
    found: &'n mut Diagnostics,
}

impl<'t> Reader<'t, '_> {
    /// `type [= default] [-- description]`
    fn field(&mut self) -> Result<Written, Fault> {
        let mut written = Written::from(self.union()?);
        if self.eat("=") {
            let text = self.until_description().trim();
            if text.is_empty() {
                return Err(bad("a default value is missing behind `=`").help("empty text is written `= \"\"`"));
            }
            written.default = Some(text.to_owned());
        }
        if self.eat("--") {
            let end = self.closing(self.rest).unwrap_or(self.rest.len());
            let text = self.take(end).trim();
            written.about = (!text.is_empty()).then(|| text.to_owned());
        }
        self.skip_space();
        Ok(written)
    }

    /// `term | term | …`
    fn union(&mut self) -> Result<Type, Fault> {
        let mut terms = vec![self.term()?];
        while self.eat("|") {
            terms.push(self.term()?);
        }
        let (mut types, mut literals, mut words) = (Vec::new(), Vec::new(), Vec::new());
        for term in terms {
            match term {
                Term::Type(ty) => types.push(ty),
                Term::Literal(value) if literals.contains(&value) => {}
                Term::Literal(value) => literals.push(value),
                Term::Word(word) => {
                    let value = Value::String(word.clone());
                    words.push(word);
                    if !literals.contains(&value) {
                        literals.push(value);
                    }
                }
            }
        }
        let alone = types.iter().all(|ty| *ty == Type::Null);
        let foreign = words.len() == literals.len() && words.iter().all(|w| FOREIGN.iter().any(|(f, _)| f == w));
        if let Some(word) = words.first()
            && (!alone || foreign || literals.len() < 2)
        {
            return Err(unknown_word(word, alone));
        }
        if let [only] = &literals[..]
            && alone
        {
            let help = "write `a | b`; a value that never varies needs no type";
            return Err(
                Fault::new("unknown-type", format!("a literal type needs at least two words, found {only}")).help(help)
            );
        }
        if !literals.is_empty() {
            types.insert(0, Type::Literals(literals));
        }
        Ok(Type::union(types))
    }

    fn term(&mut self) -> Result<Term, Fault> {
        self.skip_space();
        if self.depth > MOST_DEPTH {
            return Err(Fault::too_deep());
        }
        self.depth += 1;
        let term = match self.rest.chars().next() {
            Some('[') => self.list().map(Term::Type),
            Some('{') => self.record().map(Term::Type),
            Some('\'' | '"') => self.quoted().map(|text| Term::Literal(Value::String(text))),
            Some('$') => Err(bad("a length read from the flow stands behind a list: `\"[string] $params.n\"`")),
            _ => self.word_term(),
        };
        self.depth -= 1;
        term
    }

    /// `[T]` and its length.
    fn list(&mut self) -> Result<Type, Fault> {
        self.take(1);
        self.inside += 1;
        let item = self.field()?;
        self.inside -= 1;
        if item.default.is_some() || item.about.is_some() {
            return Err(bad(
                "items of a list have no default and no description; they belong to the field that holds the list",
            ));
        }
        if !self.eat("]") {
            return Err(bad(format!("expected `]` behind the type of the items, found {}", self.next())));
        }
        self.skip_space();
        let min = if self.rest.starts_with("..") { None } else { self.bound()? };
        let length = if self.eat("..") {
            let max = self.bound()?;
            if min.is_none() && max.is_none() {
                return Err(bad("`..` wants a fewest or a most: `\"[string] 1..5\"`"));
            }
            Length { min, max }
        } else {
            Length { max: min.clone(), min }
        };
        if let (Some(min), Some(max)) = (length.fewest(), length.most())
            && min > max
        {
            return Err(bad(format!("no list has {min} to {max} items")).help(format!("write `{max}..{min}`")));
        }
        Ok(Type::List(Box::new(item.ty), length))
    }

    /// One end of a length: `3`, `$params.n`, `$( expression )`.
    fn bound(&mut self) -> Result<Option<Bound>, Fault> {
        self.skip_space();
        if self.rest.starts_with("$(") {
            let Some(end) = balanced_end(&self.rest[1..], "(", ")") else {
                return Err(bad("the `(` of a length read from the flow is never closed"));
            };
            let whole = self.take(end + 1);
            return Ok(Some(Bound::Flow(whole[2..end].trim().to_owned())));
        }
        if let Some(after) = self.rest.strip_prefix('$') {
            let end = path_end(after);
            if end == 0 {
                return Err(bad("a length read from the flow is `$path` or `$( expression )`"));
            }
            self.rest = &after[end..];
            return Ok(Some(Bound::Flow(after[..end].to_owned())));
        }
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        if end == 0 {
            return Ok(None);
        }
        let digits = self.take(end);
        digits.parse().map(|n| Some(Bound::Fixed(n))).map_err(|_| bad(format!("`{digits}` is too long for a length")))
    }

    /// `{ k: T, … }`
    fn record(&mut self) -> Result<Type, Fault> {
        self.take(1);
        self.inside += 1;
        let mut fields: Vec<Field> = Vec::new();
        while !self.eat("}") {
            if !fields.is_empty() && !self.eat(",") {
                return Err(bad(format!("expected `,` or `}}` behind a field, found {}", self.next())));
            }
            self.skip_space();
            let name = if self.rest.starts_with(['\'', '"']) {
                self.quoted()?
            } else {
                let end = self.rest.find(|c: char| !is_word_char(c) && c != '-').unwrap_or(self.rest.len());
                self.take(end).to_owned()
            };
            if name.is_empty() || !self.eat(":") {
                return Err(bad(format!("expected a field `name: type`, found {}", self.next())));
            }
            if fields.iter().any(|f| f.name == name) {
                return Err(bad(format!("the field `{name}` is named twice")));
            }
            let written = self.field()?;
            let default = match &written.default {
                Some(text) => Some(default_value(&written.ty, text).map_err(bad)?),
                None => None,
            };
            fields.push(Field { name, ty: written.ty, default, about: written.about });
        }
        self.inside -= 1;
        Ok(Type::Record(fields))
    }

    /// A word: a scalar type with its range, length or pattern, a named type, or what may be a literal.
    fn word_term(&mut self) -> Result<Term, Fault> {
        let end = self.rest.find(|c: char| c.is_whitespace() || "|=,[]{}()'\"$".contains(c)).unwrap_or(self.rest.len());
        let word = self.take(end);
        Ok(Term::Type(match word {
            "" => return Err(bad(format!("expected a type, found {}", self.next()))),
            "string" => self.text_rule()?,
            "integer" => {
                let range = self.range()?;
                if let Some(end) = [range.min, range.max].into_iter().flatten().find(|end| end.fract() != 0.0) {
                    return Err(bad(format!("an `integer` range ends at whole numbers, found `{end}`")));
                }
                Type::Integer(range)
            }
            "number" => Type::Number(self.range()?),
            "boolean" => Type::Boolean,
            "any" => Type::Any,
            "code" => Type::Code,
            "null" => Type::Null,
            name if is_type_name(name) => self.names.lookup(name, self.depth, self.found)?,
            other if other.contains("..") => {
                return Err(
                    bad(format!("the range `{other}` has no type before it")).help(format!("write `integer {other}`"))
                );
            }
            other => {
                return Ok(match literal_number(other) {
                    Some(number) => Term::Literal(Value::Number(number)),
                    None => Term::Word(other.to_owned()),
                });
            }
        }))
    }

    /// `1..5`, `1..`, `..5` or nothing.
    fn range(&mut self) -> Result<Range, Fault> {
        self.skip_space();
        let start = self.rest;
        let min = self.number()?;
        if !self.eat("..") {
            return match min {
                None => Ok(Range::default()),
                Some(n) => {
                    Err(bad(format!("`{n}` is not a range")).help(format!("write `{n}..{n}`, `{n}..` or `..{n}`")))
                }
            };
        }
        self.skip_space();
        let max = self.number()?;
        match (min, max) {
            (None, None) => Err(bad("`..` wants a smallest or a largest: `1..5`")),
            (Some(min), Some(max)) if min > max => {
                Err(bad(format!("no number lies in `{}`", start[..start.len() - self.rest.len()].trim())))
            }
            _ => Ok(Range { min, max }),
        }
    }

    /// A number at the start of what is left, if there is one.
    fn number(&mut self) -> Result<Option<f64>, Fault> {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let sign = usize::from(self.rest.starts_with(['-', '+']));
        let mut end = sign + digits(&self.rest[sign..]);
        if end == sign {
            return Ok(None);
        }
        if let Some(fraction) = self.rest[end..].strip_prefix('.')
            && fraction.starts_with(|c: char| c.is_ascii_digit())
        {
            end += 1 + digits(fraction);
        }
        end += usize::from(self.rest[end..].starts_with('k'));
        let text = self.take(end);
        plain_number(text).map(Some).ok_or_else(|| bad(format!("`{text}` is not a number")))
    }

    /// What stands behind `string`: `..200`, `/re/`, both or nothing.
    fn text_rule(&mut self) -> Result<Type, Fault> {
        let mut rule = TextRule::default();
        self.skip_space();
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            let help = "write `string ..200`; a fewest is a pattern: `string /^.{3,}/`";
            return Err(bad("text has no fewest characters, only a most").help(help));
        }
        if self.eat("..") {
            match self.bound()? {
                Some(Bound::Fixed(most)) => rule.max_chars = Some(most),
                Some(Bound::Flow(_)) => {
                    return Err(bad(
                        "the most characters of text is a number; only lists have lengths read from the flow",
                    ));
                }
                None => return Err(bad("`string ..` wants a most: `string ..200`")),
            }
        }
        if self.eat("/") {
            let Some(end) = closing_slash(self.rest) else {
                return Err(bad("the pattern behind `string` is never closed").help("write `string /^[a-z]+$/`"));
            };
            let pattern = self.take(end).replace("\\/", "/");
            self.take(1);
            regex::Regex::new(&pattern).map_err(|wrong| {
                let wrong = wrong.to_string();
                let cause = wrong.lines().last().unwrap_or_default().trim_start_matches("error: ");
                bad(format!("the pattern `{pattern}` is not a regular expression: {cause}"))
            })?;
            rule.pattern = Some(pattern);
        }
        Ok(Type::Text(rule))
    }

    /// A quoted text: `'it''s'` or `"a \"b\""`.
    fn quoted(&mut self) -> Result<String, Fault> {
        let whole = self.rest;
        let Some(end) = quote_end(whole) else { return Err(bad(format!("the quote in `{whole}` is never closed"))) };
        let inner = &whole[1..end - 1];
        self.rest = &whole[end..];
        Ok(if whole.starts_with('\'') {
            inner.replace("''", "'")
        } else {
            inner.replace("\\\"", "\"").replace("\\\\", "\\")
        })
    }

    /// The text of a default: up to a description, or to what closes the brackets around it.
    fn until_description(&mut self) -> &'t str {
        self.skip_space();
        let rest = self.rest;
        // Brackets and quotes at its start are YAML, in which nothing ends early.
        let whole = if rest.starts_with(['[', '{', '"', '\'']) { value_end(rest) } else { 0 };
        let after = &rest[whole..];
        let mut end = self.closing(after).unwrap_or(after.len());
        let described = after.match_indices("--").find(|(i, _)| {
            let before = after[..*i].chars().next_back().is_none_or(char::is_whitespace);
            before && after[i + 2..].chars().next().is_none_or(char::is_whitespace)
        });
        if let Some((start, _)) = described {
            end = end.min(start);
        }
        self.take(whole + end)
    }

    /// Where, inside brackets, the next `,` or closing bracket stands.
    fn closing(&self, text: &str) -> Option<usize> {
        if self.inside == 0 { None } else { text.find([',', ']', '}']) }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes `token` if it comes next, space aside.
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        rest.strip_prefix(token).map(|rest| self.rest = rest).is_some()
    }

    fn take(&mut self, end: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// What comes next, for a message.
    fn next(&self) -> String {
        if self.rest.is_empty() { "the end".to_owned() } else { format!("`{}`", self.rest) }
    }
}

/// The fault of a lower-case word that is no type.
fn unknown_word(word: &str, alone: bool) -> Fault {
    let fault = Fault::new("unknown-type", format!("`{word}` is not a type"));
    if let Some((_, ours)) = FOREIGN.iter().find(|(foreign, _)| *foreign == word) {
        return fault.help(format!("write `{ours}`"));
    }
    match nearest(word, WORDS) {
        Some(near) => fault.help(format!("a type with a similar name exists: `{near}`")),
        None if alone => {
            fault.help("a literal type needs at least two words: `a | b`; named types begin with a capital letter")
        }
        None => fault.help(format!("beside a type, a literal wants quotes: `'{word}'`")),
    }
}

/// The number of a literal: whole where it is written so.
fn literal_number(text: &str) -> Option<Number> {
    let looks =
        text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && text.ends_with(|c: char| c.is_ascii_digit());
    if !looks {
        return None;
    }
    text.parse::<i64>().ok().map(Number::from).or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
}

/// A decimal number, which may end in `k` for thousands.
pub(super) fn plain_number(text: &str) -> Option<f64> {
    let (digits, factor) = text.strip_suffix('k').map_or((text, 1.0), |digits| (digits, 1000.0));
    let decimal = digits.ends_with(|c: char| c.is_ascii_digit()) && !digits.contains(|c: char| c.is_alphabetic());
    let number = if decimal { digits.parse::<f64>().ok()? } else { return None };
    Some(number * factor).filter(|n| n.is_finite())
}

/// Where a path ends: names, `.name`, `[0]`; not the `..` of a length.
fn path_end(text: &str) -> usize {
    let word = |text: &str| text.find(|c: char| !is_word_char(c)).unwrap_or(text.len());
    let mut end = word(text);
    while end > 0 {
        let rest = &text[end..];
        if let Some(after) = rest.strip_prefix('.')
            && word(after) > 0
        {
            end += 1 + word(after);
        } else if let Some(index) =
            rest.strip_prefix('[').and_then(|after| after.split_once(']')).map(|(index, _)| index)
            && !index.is_empty()
            && index.bytes().all(|b| b.is_ascii_digit())
        {
            end += index.len() + 2;
        } else {
            break;
        }
    }
    end
}

/// Where the quote that opens `text` ends, one past it.
fn quote_end(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut skip = false;
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        if skip {
            skip = false;
        } else if c == '\\' && quote == '"' {
            skip = true;
        } else if c == quote {
            if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                chars.next();
            } else {
                return Some(i + 1);
            }
        }
    }
    None
}

/// Where the bracket or quote that opens `text` is closed, one past it; the whole text if it never is.
fn value_end(text: &str) -> usize {
    balanced_end(text, "[{", "]}").unwrap_or(text.len())
}

/// Where brackets, quotes aside, are balanced again, one past it.
fn balanced_end(text: &str, open: &str, close: &str) -> Option<usize> {
    let mut deep = 0usize;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c == '"' || c == '\'' {
            at += quote_end(&text[at..])?;
        } else {
            deep += usize::from(open.contains(c));
            deep = deep.saturating_sub(usize::from(close.contains(c)));
            at += c.len_utf8();
        }
        if deep == 0 {
            return Some(at);
        }
    }
    None
}

/// The next slash that no backslash stands before.
fn closing_slash(text: &str) -> Option<usize> {
    let mut skip = false;
    text.char_indices()
        .find(|(_, c)| {
            let closes = *c == '/' && !skip;
            skip = *c == '\\' && !skip;
            closes
        })
        .map(|(i, _)| i)
}
