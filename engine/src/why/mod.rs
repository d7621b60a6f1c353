//! Why something was asked, or was not: a call or work beside the same one of an earlier run, and the first thing of all
//! that its answer hangs on which is not the same.

mod texts;

use crate::check::flow::{Cache, CheckedFlow, Verb};
use crate::journal::{Event, Key, Record, RunStarted};
use crate::report::{is_within, node_of};
use crate::run::ports::{Request, Role};
use crate::run::{Asked, Diverged, ErrorName, Prices, RunState};
use crate::value::{Difference, Value, difference};
use serde::Serialize;

/// A run, for a look at it.
#[derive(Debug, Clone, Copy)]
pub struct Run<'r> {
    /// The flow it began with.
    pub flow: &'r CheckedFlow,
    /// Its records.
    pub records: &'r [Record],
}

/// Why a call or work was asked, or was answered by one of before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    /// What differs.
    pub what: What,
    /// It in words.
    pub says: String,
    /// Where a value or setting differs, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
}

/// The things that an answer hangs on, in the order in which they are looked at, and what else there can be to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Who is asked.
    Model,
    /// How: temperature and the like.
    Settings,
    /// The words of a prompt, in its file or in the flow.
    Template,
    /// The form of the answer.
    Schema,
    /// A value that is read.
    Value,
    /// What was said before.
    Conversation,
    /// The item it stands in.
    Place,
    /// The flow, in the node itself.
    Node,
    /// What judges programs, or what makes requests of all that.
    Engine,
    /// Nothing: the answer of before was not good.
    NotKept,
    /// Nothing: the cache is off here.
    Cache,
    /// Nothing: the answer of before stood in.
    Recalled,
    /// Nobody asked it before.
    First,
}

/// How a call or work was begun.
struct Stand<'r> {
    path: &'r str,
    start: &'r RunStarted,
    flow: &'r CheckedFlow,
    asked: Asked<'r>,
    request: Option<&'r Request>,
    recalled: bool,
    /// The records from its beginning on.
    after: &'r [Record],
}

/// The calls and works of a run in a place, in the order in which they were begun: the place may be one itself, a node, or
/// something that holds nodes.
pub fn begun_in<'r>(records: &'r [Record], place: &str) -> Vec<&'r str> {
    let mut found: Vec<&str> = Vec::new();
    for path in records.iter().filter_map(|record| begins(&record.event)) {
        if is_within(path, place) && !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

/// What its answer is found again by, of a call or work.
pub fn key_of(records: &[Record], path: &str) -> Option<Key> {
    records.iter().find_map(|record| match &record.event {
        Event::CallSent { path: own, key, .. }
        | Event::WorkStarted { path: own, key, .. }
        | Event::CacheHit { path: own, key, .. }
            if own == path =>
        {
            Some(*key)
        }
        _ => None,
    })
}

/// Whether an answer of before stood in for a call or work.
pub fn was_recalled(records: &[Record], path: &str) -> bool {
    let mut of_path = records.iter().filter(|record| begins(&record.event) == Some(path)).map(|record| &record.event);
    of_path.next_back().is_some_and(|event| matches!(event, Event::CacheHit { .. }))
}

/// Why the call or work of a path was asked in a run, beside the same path in an earlier one; none when it is not in both.
///
/// # Errors
/// The records are not of their flows.
pub fn why(run: Run<'_>, earlier: Run<'_>, path: &str) -> Result<Option<Why>, Diverged> {
    let (Some(new), Some(old)) = (stand(run, path)?, stand(earlier, path)?) else { return Ok(None) };
    if new.asked.key == old.asked.key {
        return Ok(Some(same(&new, &old)));
    }
    let found = request(&new, &old)
        .or_else(|| texts::changed(&new, &old))
        .or_else(|| schema(&new, &old))
        .or_else(|| value(&new, &old))
        .or_else(|| conversation(&new, &old))
        .or_else(|| place(&new, &old))
        .or_else(|| texts::node_changed(&new, &old))
        .or_else(|| engine(&new, &old));
    Ok(found)
}

fn begins(event: &Event) -> Option<&str> {
    match event {
        Event::CallSent { path, attempt: 1, .. }
        | Event::WorkStarted { path, attempt: 1, .. }
        | Event::CacheHit { path, .. } => Some(path),
        _ => None,
    }
}

/// A call or work as it stood when it was begun.
fn stand<'r>(run: Run<'r>, path: &str) -> Result<Option<Stand<'r>>, Diverged> {
    // Prices decide what budgets allow, which the journal already says.
    static PRICES: std::sync::LazyLock<Prices> = std::sync::LazyLock::new(Prices::default);
    let mut state = RunState::new(run.flow, &PRICES);
    let Some(Event::RunStarted(start)) = run.records.first().map(|record| &record.event) else { return Ok(None) };
    for (index, record) in run.records.iter().enumerate() {
        let begun = begins(&record.event).filter(|begun| *begun == path);
        if let (Some(path), Some(asked)) = (begun, begun.and_then(|path| state.next_asked(path))) {
            let request = match &record.event {
                Event::CallSent { request, .. } | Event::CacheHit { request: Some(request), .. } => Some(&**request),
                _ => None,
            };
            let recalled = matches!(record.event, Event::CacheHit { .. });
            let after = &run.records[index..];
            return Ok(Some(Stand { path, start, flow: run.flow, asked, request, recalled, after }));
        }
        state.apply(&record.event)?;
    }
    Ok(None)
}

fn says(what: What, says: impl Into<String>) -> Why {
    Why { what, says: says.into(), difference: None }
}

fn differs(what: What, name: &str, difference: Difference) -> Why {
    let at = joined(name, &difference.at);
    let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), clipped);
    let says = format!("`{at}` differs: {}, and was {}", shown(&difference.b), shown(&difference.a));
    Why { what, says, difference: Some(Difference { at, ..difference }) }
}

fn joined(name: &str, at: &str) -> String {
    match at {
        "" => name.to_owned(),
        at if at.starts_with('[') => format!("{name}{at}"),
        at => format!("{name}.{at}"),
    }
}

fn clipped(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

/// Model and settings.
fn request(new: &Stand<'_>, old: &Stand<'_>) -> Option<Why> {
    let (asked, before) = (new.request?, old.request?);
    if asked.model != before.model {
        return Some(says(What::Model, format!("the model is `{}`, and was `{}`", asked.model, before.model)));
    }
    let data = |request: &Request| serde_json::to_value(&request.settings).unwrap_or_default();
    let difference = difference(&data(before), &data(asked))?;
    let name = difference.at.clone();
    Some(differs(What::Settings, &name, Difference { at: String::new(), ..difference }))
}

/// The form of the answer: of the request, or, where that stands in the question, of the prompt.
fn schema(new: &Stand<'_>, old: &Stand<'_>) -> Option<Why> {
    let declared = |stand: &Stand<'_>| match &stand.asked.node.verb {
        Verb::Prompt(prompt) => prompt.returns.as_ref().map(|ty| ty.json_schema()).unwrap_or_default(),
        _ => Value::Null,
    };
    let sent = |stand: &Stand<'_>| stand.request.and_then(|request| request.schema.clone()).unwrap_or_default();
    let found = difference(&sent(old), &sent(new)).or_else(|| difference(&declared(old), &declared(new)))?;
    Some(differs(What::Schema, "returns", found))
}

/// A value that is read.
fn value(new: &Stand<'_>, old: &Stand<'_>) -> Option<Why> {
    new.asked.reads.iter().find_map(|(name, value)| {
        let (_, before) = old.asked.reads.iter().find(|(known, _)| known == name)?;
        difference(before, value).map(|found| differs(What::Value, name, found))
    })
}

/// What was said before, by line; then all else that is sent.
fn conversation(new: &Stand<'_>, old: &Stand<'_>) -> Option<Why> {
    let (asked, before) = (&new.request?.messages, &old.request?.messages);
    let at = (0..asked.len().max(before.len())).find(|at| asked.get(*at) != before.get(*at))?;
    let thread = match &new.asked.node.verb {
        Verb::Prompt(prompt) => prompt.thread.as_ref().map(|thread| format!(" of `{thread}`")).unwrap_or_default(),
        _ => String::new(),
    };
    let (a, b) = match (before.get(at), asked.get(at)) {
        (Some(a), Some(b)) => (a, b),
        _ => {
            let (now, then) = (asked.len(), before.len());
            return Some(says(
                What::Conversation,
                format!("the conversation{thread} has {now} messages, and had {then}"),
            ));
        }
    };
    let line = a.text.lines().zip(b.text.lines()).take_while(|(a, b)| a == b).count();
    let who = match b.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let text = |text: &str| Some(Value::from(text.lines().nth(line).unwrap_or_default()));
    let found = Difference { at: String::new(), a: text(&a.text), b: text(&b.text) };
    let place = format!("message {} ({who}), line {}", at + 1, line + 1);
    Some(Why {
        says: format!("the conversation{thread} differs at {place}"),
        ..differs(What::Conversation, &place, found)
    })
}

/// The items it stands in; passes and samples are in its path.
fn place(new: &Stand<'_>, old: &Stand<'_>) -> Option<Why> {
    new.asked.items.iter().zip(&old.asked.items).find_map(|((path, item), (_, before))| {
        let why = differs(What::Place, path, difference(before, item)?);
        Some(Why { says: format!("it stands in another item: {}", why.says), ..why })
    })
}

fn engine(new: &Stand<'_>, old: &Stand<'_>) -> Option<Why> {
    let (now, then) = (new.start, old.start);
    Some(if now.sandbox != then.sandbox {
        let text = format!("programs are judged by `{}`, and were by `{}`", now.sandbox, then.sandbox);
        says(What::Engine, text)
    } else {
        let text = format!("what is asked is made otherwise by engine {} than by {}", now.engine, then.engine);
        says(What::Engine, text)
    })
}

/// Nothing that the answer hangs on differs.
fn same(new: &Stand<'_>, old: &Stand<'_>) -> Why {
    if new.recalled && was_recalled(new.after, new.path) {
        return says(What::Recalled, "it was answered from the cache: nothing that its answer hangs on differs");
    }
    if new.recalled {
        return says(What::NotKept, "the answer of before does not hold any more: it was read, and asked for again");
    }
    match new.asked.cache {
        Cache::Off => return says(What::Cache, "nothing differs: `cache: off` asks it each time"),
        Cache::Refresh => return says(What::Cache, "nothing differs: `cache: refresh` asks it each time"),
        Cache::Auto => {}
    }
    match ended(old) {
        Some(why) => says(What::NotKept, format!("nothing differs, and the answer of before was not kept: {why}")),
        None => says(
            What::Cache,
            "nothing differs: one of the two runs took no part in the cache (`--no-cache`, `--record`, `--replay`, a fork), \
             or `gc` swept the answer",
        ),
    }
}

/// Why an answer was not good.
fn ended(old: &Stand<'_>) -> Option<String> {
    let mut answered = false;
    let mut failed = None;
    for event in old.after.iter().map(|record| &record.event) {
        match event {
            Event::CallSettled { path, response, .. } if path == old.path => {
                (answered, failed) = (true, None);
                if response.truncated {
                    return Some("it was cut off".to_owned());
                }
            }
            Event::CallFailed { path, name, message, .. } | Event::WorkFailed { path, name, message, .. }
                if path == old.path =>
            {
                failed = Some(error(*name, message));
            }
            Event::WorkDone { path, .. } if path == old.path => (answered, failed) = (true, None),
            Event::NodeFailed { path, error: found, .. }
            | Event::NodeDone { path, caught: Some(found), .. }
            | Event::NodeSkipped { path, error: Some(found), .. }
                if path == node_of(old.path) =>
            {
                return Some(error(found.name, &found.message));
            }
            _ => {}
        }
    }
    failed.or_else(|| (!answered).then(|| "it never came".to_owned()))
}

fn error(name: ErrorName, message: &str) -> String {
    format!("it ended with {name} ({message})")
}
