//! Scripted models and people, and an embedder that hashes: a world whose every answer is known beforehand.

use crate::run::ErrorName;
use crate::run::ports::{CallError, CallSite, Embedder, Message, Model, People, Question, Request, Response, Usage};
use crate::value::Value;
use futures::future::{BoxFuture, FutureExt, ready};
use serde::Deserialize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One rule of a script: which calls it answers, and how.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The call's path; `*` stands for any text, other characters for themselves. Absent: every call.
    pub at: Option<String>,
    /// Only when a text of the conversation holds this.
    #[serde(rename = "if")]
    pub holds: Option<String>,
    /// For how many attempts it is good; absent: for ever.
    pub times: Option<u32>,
    /// The answer: text as it is, anything else as JSON.
    pub reply: Option<Value>,
    /// The attempt fails with this error.
    pub error: Option<ErrorName>,
    /// Why the answer ended.
    #[serde(default)]
    pub finish: Finish,
}

/// Why a scripted answer ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It was done.
    #[default]
    Stop,
    /// It was cut off.
    Length,
}

/// An attempt that a scripted model was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Where the call stands.
    pub site: CallSite,
    /// All that was sent, the whole conversation in it.
    pub request: Request,
    /// Which rule answered; none did when absent.
    pub rule: Option<usize>,
}

/// A model that answers by rules: the first that fits and is still good.
#[derive(Debug)]
pub struct Scripted {
    rules: Vec<Rule>,
    /// Attempts answered so far, oldest first; how often a rule was used is read off it.
    log: Mutex<Vec<Sent>>,
}

impl Scripted {
    /// A model that follows these rules.
    pub fn from_rules(rules: Vec<Rule>) -> Self {
        Self { rules, log: Mutex::default() }
    }

    /// The attempts made, in order.
    pub fn log(&self) -> Vec<Sent> {
        self.lock().clone()
    }

    /// The paths of the calls made, in order; trying again is not a call.
    pub fn calls(&self) -> Vec<String> {
        self.lock().iter().filter(|s| s.site.attempt == 1).map(|s| s.site.path.clone()).collect()
    }

    /// The paths of the attempts that no rule fitted.
    pub fn unanswered(&self) -> Vec<String> {
        self.lock().iter().filter(|s| s.rule.is_none()).map(|s| s.site.path.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sent>> {
        // A push is all that happens under the lock, so the list is whole even if a thread panicked.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, site: &CallSite, request: &Request) -> Result<Response, CallError> {
        let mut log = self.lock();
        let fits = |(i, rule): &(usize, &Rule)| {
            rule.at.as_deref().is_none_or(|at| fits(at, &site.path))
                && rule.holds.as_deref().is_none_or(|text| request.messages.iter().any(|m| m.text.contains(text)))
                && rule.times.is_none_or(|times| log.iter().filter(|s| s.rule == Some(*i)).count() < times as usize)
        };
        let found = self.rules.iter().enumerate().find(fits);
        log.push(Sent { site: site.clone(), request: request.clone(), rule: found.map(|(i, _)| i) });
        let Some((_, rule)) = found else {
            return Err(failure(ErrorName::Rejected, format!("no rule of the script fits the call `{}`", site.path)));
        };
        if let Some(name) = rule.error {
            return Err(failure(name, "the script says so".into()));
        }
        let text = match &rule.reply {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        Ok(Response {
            usage: Some(Usage { prompt_tokens: tokens(&request.messages), completion_tokens: words(&text) }),
            text,
            truncated: rule.finish == Finish::Length,
            schema_enforced: false,
            model: Some(request.model.clone()),
        })
    }
}

impl Model for Scripted {
    fn ask<'a>(
        &'a self,
        site: &'a CallSite,
        request: &'a Request,
        on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        let answer = self.answer(site, request);
        if let Ok(response) = &answer {
            on_text(&response.text);
        }
        ready(answer).boxed()
    }
}

fn failure(name: ErrorName, message: String) -> CallError {
    CallError { name, message, retry_after: None }
}

/// A count that is the same on every machine: a word is a token.
fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

fn tokens(messages: &[Message]) -> u64 {
    messages.iter().map(|m| words(&m.text)).sum()
}

/// Whether a path fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, path: &str) -> bool {
    let Some((head, mut rest)) = pattern.split_once('*') else {
        return pattern == path;
    };
    let Some(mut left) = path.strip_prefix(head) else {
        return false;
    };
    // The leftmost place for each middle part leaves the most for what follows, so no place need be tried twice.
    while let Some((part, after)) = rest.split_once('*') {
        let Some(at) = left.find(part) else {
            return false;
        };
        left = &left[at + part.len()..];
        rest = after;
    }
    left.ends_with(rest)
}

/// People who answer by the path of the question; a question without an answer is answered by nobody, at once.
#[derive(Debug, Clone, Default)]
pub struct ScriptedPeople {
    answers: Vec<(String, Value)>,
}

impl ScriptedPeople {
    /// Answers by path (`*` stands for any text), the first that fits.
    pub fn from_answers(answers: Vec<(String, Value)>) -> Self {
        Self { answers }
    }
}

impl People for ScriptedPeople {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Result<Option<Value>, String>> {
        let answer = self.answers.iter().find(|(at, _)| fits(at, &question.path)).map(|(_, value)| value.clone());
        ready(Ok(answer)).boxed()
    }
}

/// Length of the vectors of [`HashingEmbedder`]: enough that a few dozen words seldom meet in one place.
const DIMENSIONS: usize = 64;

/// An embedder that needs no model: a vector counts the words of its text, each at a place its hash chooses.
#[derive(Debug, Clone, Copy, Default)]
pub struct HashingEmbedder;

impl Embedder for HashingEmbedder {
    fn embed<'a>(&'a self, _model: &'a str, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f64>>, CallError>> {
        ready(Ok(texts.iter().map(|text| vector(text)).collect())).boxed()
    }
}

fn vector(text: &str) -> Vec<f64> {
    let mut counts = vec![0.0; DIMENSIONS];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        let hash = blake3::hash(word.to_lowercase().as_bytes());
        counts[usize::from(hash.as_bytes()[0]) % DIMENSIONS] += 1.0;
    }
    let length = counts.iter().map(|c| c * c).sum::<f64>().sqrt();
    if length > 0.0 {
        counts.iter_mut().for_each(|c| *c /= length);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::ports::{CallSettings, Role};
    use crate::spec::types::Type;
    use futures::executor::block_on;
    use serde_json::json;

    fn rules(text: &str) -> Scripted {
        Scripted::from_rules(serde_yaml::from_str(text).expect("rules parse"))
    }

    fn ask(model: &Scripted, path: &str, attempt: u32, text: &str) -> Result<Response, CallError> {
        let site = CallSite { path: path.into(), attempt };
        let request = Request {
            model: "test/m".into(),
            messages: vec![Message { role: Role::User, text: text.into() }],
            schema: None,
            settings: CallSettings::default(),
            timeout: None,
        };
        block_on(model.ask(&site, &request, &|_| {}))
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, path, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("l#*/fix", "l#2/fix", true),
            ("l#*/fix", "l#2/fix~1", false),
            ("l#*/fix*", "l#2/fix~1", true),
            ("*a*a", "a", false),
            ("*a*a", "ba/a", true),
            ("a[1]", "a[1]", true),
            ("a.b", "axb", false),
        ] {
            assert_eq!(fits(pattern, path), expected, "`{pattern}` on `{path}`");
        }
    }

    #[test]
    fn the_first_rule_with_times_left_answers() {
        let model = rules("[{ at: a, error: rate_limit, times: 2 }, { at: a, reply: ok }, { reply: { n: [1, x] } }]");
        assert_eq!(ask(&model, "a", 1, "").unwrap_err().name, ErrorName::RateLimit);
        assert_eq!(ask(&model, "a", 2, "").unwrap_err().name, ErrorName::RateLimit);
        assert_eq!(ask(&model, "a", 3, "").unwrap().text, "ok");
        assert_eq!(ask(&model, "b", 1, "").unwrap().text, r#"{"n":[1,"x"]}"#);
        assert_eq!(model.calls(), ["a", "b"]);
        assert_eq!(model.log().iter().map(|s| s.site.attempt).collect::<Vec<_>>(), [1, 2, 3, 1]);
    }

    #[test]
    fn a_condition_looks_at_the_conversation() {
        let model = rules("[{ if: wrong answer, reply: mended }, { reply: first, finish: length }]");
        let first = ask(&model, "a", 1, "solve it").unwrap();
        assert_eq!((first.text.as_str(), first.truncated), ("first", true));
        assert_eq!(ask(&model, "a", 1, "it was a wrong answer").unwrap().text, "mended");
    }

    #[test]
    fn a_call_without_a_rule_is_known() {
        let model = rules("[{ at: a, reply: x }]");
        assert!(ask(&model, "b", 1, "").unwrap_err().message.contains("`b`"));
        assert_eq!(model.unanswered(), ["b"]);
    }

    #[test]
    fn people_answer_by_path_or_not_at_all() {
        let people = ScriptedPeople::from_answers(vec![("*/ok".into(), json!(true))]);
        let mut question =
            Question { path: "a/ok".into(), ask: String::new(), show: None, returns: Type::Any, wait: None };
        assert_eq!(block_on(people.ask(&question)), Ok(Some(json!(true))));
        question.path = "a/no".into();
        assert_eq!(block_on(people.ask(&question)), Ok(None));
    }

    #[test]
    fn texts_of_the_same_words_have_the_same_vector() {
        let texts = ["sort the list".to_string(), "The list: sort!".into(), "graph".into(), String::new()];
        let vectors = block_on(HashingEmbedder.embed("any", &texts)).unwrap();
        assert_eq!(vectors[0], vectors[1]);
        assert_ne!(vectors[0], vectors[2]);
        assert!((vectors[2].iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(vectors[3].iter().all(|x| *x == 0.0));
    }
}
