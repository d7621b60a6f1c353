//! Recorded answers: a [`Recorder`] keeps what a model answered, a [`Replay`] answers from it, offline.
//!
//! Answers are keyed by the path of the call (sample, model, re-ask and judge are in it). A replay holds each request
//! against the recorded one and ends the run at the first difference: an answer to another question proves nothing.

use super::compare;
use crate::journal::{Event, Found, Record};
use crate::run::ErrorName;
use crate::run::ports::{CallError, CallSettings, CallSite, Message, Model, Request, Response, Role, Usage};
use crate::value::Value;
use futures::future::{BoxFuture, FutureExt, ready};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The version of the format that this engine writes and reads.
const VERSION: u32 = 1;

/// The recorded answers of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cassette {
    version: u32,
    /// The name of the flow that was run.
    pub flow: String,
    entries: Entries,
}

/// Calls by path, in the order they were first made.
#[derive(Debug, Clone, Default, PartialEq)]
struct Entries(Vec<(String, Entry)>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    request: Asked,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<Answered>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failed>,
}

/// What makes a request what it is; how long to wait for it does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) model: String,
    #[serde(default)]
    pub(super) settings: Settings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<Value>,
    pub(super) messages: Vec<Said>,
}

/// Settings that are not the provider's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Settings(pub(super) serde_json::Map<String, Value>);

impl From<&CallSettings> for Settings {
    fn from(settings: &CallSettings) -> Self {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(settings) else {
            unreachable!("internal error: settings are a record of plain values");
        };
        fields.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
        Self(fields)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub(super) role: Role,
    #[serde(with = "lines")]
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    #[serde(with = "lines")]
    text: String,
    #[serde(default, skip_serializing_if = "is_false")]
    truncated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(default, skip_serializing_if = "is_false")]
    schema_enforced: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    name: ErrorName,
    message: String,
}

/// Why a text is not a recording.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not have the form of one.
    #[error("the recording can't be read: {0}")]
    Form(#[from] serde_json::Error),
    /// Another engine wrote it.
    #[error("the recording has version {found}, this engine reads version {VERSION}")]
    Version {
        /// The version it says.
        found: u32,
    },
}

impl Cassette {
    /// The model that was asked, when it was always the same: what a replay asks in place of the flow's own.
    pub fn only_model(&self) -> Option<&str> {
        let mut models = self.entries.0.iter().map(|(_, entry)| entry.request.model.as_str());
        let first = models.next()?;
        models.all(|model| model == first).then_some(first)
    }

    /// The answers that a run came by, as its journal has them: what a recording of it would hold.
    pub fn of(flow: &str, records: &[Record]) -> Self {
        let mut calls = Calls::default();
        for record in records {
            match &record.event {
                Event::CallSent { path, request, .. } => calls.place(path, request),
                Event::CallSettled { path, response, .. } => calls.answered(path, response),
                Event::CallFailed { path, name, message, .. } => {
                    calls.ended(path, None, Some(Failed { name: *name, message: message.clone() }));
                }
                Event::CacheHit { path, request: Some(request), found: Found::Call { response, .. }, .. } => {
                    calls.place(path, request);
                    calls.answered(path, response);
                }
                _ => {}
            }
        }
        calls.cassette(flow)
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// The text has another form or version.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // The version first: what another version holds may have any form.
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let Head { version } = serde_json::from_str(text)?;
        if version != VERSION {
            return Err(Error::Version { found: version });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The recording as text for a file: indented, long texts line by line, calls in the order they were first made.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("internal error: a recording is plain data");
        text + "\n"
    }
}

/// A model that answers as another does and keeps a record of it.
pub struct Recorder {
    model: Arc<dyn Model>,
    flow: String,
    calls: Mutex<Calls>,
}

/// The calls so far. The outcome is that of the last attempt: what the run went on with.
#[derive(Default)]
struct Calls {
    entries: Vec<(String, Entry)>,
    places: HashMap<String, usize>,
}

impl Recorder {
    /// Records what this model answers in a run of that flow.
    pub fn new(model: Arc<dyn Model>, flow: impl Into<String>) -> Self {
        Self { model, flow: flow.into(), calls: Mutex::default() }
    }

    /// What was recorded so far: the calls that have an outcome.
    pub fn cassette(&self) -> Cassette {
        self.lock().cassette(&self.flow)
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // Nothing under the lock can stop half way, so the record is whole even if a thread panicked.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    /// Gives a call its place when it is first made, so that the order does not depend on who answers first.
    fn place(&mut self, path: &str, request: &Request) {
        if !self.places.contains_key(path) {
            self.places.insert(path.into(), self.entries.len());
            self.entries.push((path.into(), Entry { request: Asked::from(request), response: None, error: None }));
        }
    }

    fn answered(&mut self, path: &str, response: &Response) {
        self.ended(path, Some(Answered::from(response)), None);
    }

    fn ended(&mut self, path: &str, response: Option<Answered>, error: Option<Failed>) {
        if let Some(&place) = self.places.get(path) {
            let entry = &mut self.entries[place].1;
            (entry.response, entry.error) = (response, error);
        }
    }

    fn cassette(&self, flow: &str) -> Cassette {
        let mut entries = self.entries.clone();
        entries.retain(|(_, entry)| entry.response.is_some() || entry.error.is_some());
        Cassette { version: VERSION, flow: flow.to_owned(), entries: Entries(entries) }
    }
}

impl Model for Recorder {
    fn ready(&self, model: &str) -> Result<(), CallError> {
        self.model.ready(model)
    }

    fn keeps_time(&self) -> bool {
        self.model.keeps_time()
    }

    fn ask<'a>(
        &'a self,
        site: &'a CallSite,
        request: &'a Request,
        on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        self.lock().place(&site.path, request);
        async move {
            let answer = self.model.ask(site, request, on_text).await;
            match &answer {
                Ok(response) => self.lock().answered(&site.path, response),
                Err(CallError { name, message, .. }) => {
                    self.lock().ended(&site.path, None, Some(Failed { name: *name, message: message.clone() }));
                }
            }
            answer
        }
        .boxed()
    }
}

/// A model that answers from a recording. At the first call that is not recorded, or whose request differs, it fails
/// with `cancelled`, the one error that no part of a flow catches, and so does every call after it.
pub struct Replay {
    flow: String,
    entries: HashMap<String, Entry>,
    divergence: OnceLock<String>,
}

impl Replay {
    /// Answers from this recording.
    pub fn new(cassette: Cassette) -> Self {
        let Cassette { flow, entries: Entries(entries), version: _ } = cassette;
        Self { flow, entries: entries.into_iter().collect(), divergence: OnceLock::new() }
    }

    /// How the run first differed from the recording, if it did.
    pub fn divergence(&self) -> Option<&str> {
        self.divergence.get().map(String::as_str)
    }

    fn answer(&self, site: &CallSite, request: &Request) -> Result<Response, CallError> {
        if self.divergence().is_none() {
            match self.recorded(&site.path, request) {
                Ok(Entry { response: Some(answered), .. }) => return Ok(answered.into()),
                Ok(Entry { error: Some(failed), .. }) => {
                    let (name, message) = (failed.name, failed.message.clone());
                    return Err(CallError { name, message, retry_after: None });
                }
                Ok(_) => self.diverge(format!("the recording has no outcome of the call `{}`", site.path)),
                Err(what) => self.diverge(what),
            }
        }
        let message = self.divergence().unwrap_or_default().to_string();
        Err(CallError { name: ErrorName::Cancelled, message, retry_after: None })
    }

    fn recorded(&self, path: &str, request: &Request) -> Result<&Entry, String> {
        let entry = self.entries.get(path).ok_or_else(|| {
            format!("the call `{path}` is not in the recording of `{}`; record the run again", self.flow)
        })?;
        match compare::difference(&entry.request, &Asked::from(request)) {
            None => Ok(entry),
            Some(what) => Err(format!("the call `{path}` differs from the recording: {what}")),
        }
    }

    fn diverge(&self, what: String) {
        // Of two calls that differ at once, either is the first.
        let _ = self.divergence.set(what);
    }
}

impl Model for Replay {
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

impl From<&Request> for Asked {
    fn from(request: &Request) -> Self {
        let said = |m: &Message| Said { role: m.role, text: m.text.clone() };
        Self {
            model: request.model.clone(),
            settings: Settings::from(&request.settings),
            schema: request.schema.clone(),
            messages: request.messages.iter().map(said).collect(),
        }
    }
}

impl From<&Response> for Answered {
    fn from(response: &Response) -> Self {
        Self {
            text: response.text.clone(),
            truncated: response.truncated,
            usage: response.usage,
            schema_enforced: response.schema_enforced,
            model: response.model.clone(),
        }
    }
}

impl From<&Answered> for Response {
    fn from(answered: &Answered) -> Self {
        Self {
            text: answered.text.clone(),
            truncated: answered.truncated,
            usage: answered.usage,
            schema_enforced: answered.schema_enforced,
            model: answered.model.clone(),
        }
    }
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (path, entry) in &self.0 {
            map.serialize_entry(path, entry)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("calls by path")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A text of several lines stands in a recording as a list of them, so that a change shows as the line that changed.
mod lines {
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        if text.contains('\n') {
            text.split('\n').collect::<Vec<_>>().serialize(serializer)
        } else {
            text.serialize(serializer)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(text),
            Value::Array(lines) => {
                let lines: Option<Vec<&str>> = lines.iter().map(Value::as_str).collect();
                let lines = lines.ok_or_else(|| D::Error::invalid_type(Unexpected::Seq, &"a list of lines"))?;
                Ok(lines.join("\n"))
            }
            other => Err(D::Error::custom(format!("expected a text or a list of lines, found `{other}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::scripted::Scripted;
    use futures::executor::block_on;
    use serde_json::json;

    fn scripted(rules: &str) -> Arc<Scripted> {
        Arc::new(Scripted::from_rules(serde_yaml::from_str(rules).expect("rules parse")))
    }

    fn request(text: &str) -> Request {
        Request {
            model: "test/m".into(),
            messages: vec![
                Message { role: Role::System, text: "be brief".into() },
                Message { role: Role::User, text: text.into() },
            ],
            schema: Some(json!({ "type": "object", "properties": { "n": { "type": "integer" } } })),
            settings: CallSettings { temperature: Some(0.2), ..CallSettings::default() },
            timeout: None,
        }
    }

    fn ask(model: &dyn Model, path: &str, attempt: u32, request: &Request) -> Result<Response, CallError> {
        block_on(model.ask(&CallSite { path: path.into(), attempt }, request, &|_| {}))
    }

    fn recorded() -> Cassette {
        let model = scripted(
            "[{ at: b, error: rate_limit, times: 1 }, { at: b, reply: \"line 1\\nline 2\\n\" }, { at: c, error: refused }, { reply: { n: 1 } }]",
        );
        let recorder = Recorder::new(model, "demo");
        ask(&recorder, "b", 1, &request("one\ntwo\nthree")).unwrap_err();
        ask(&recorder, "a@2^2~1!1", 1, &request("a")).unwrap();
        ask(&recorder, "b", 2, &request("one\ntwo\nthree")).unwrap();
        ask(&recorder, "c", 1, &request("c")).unwrap_err();
        recorder.cassette()
    }

    #[test]
    fn a_recording_answers_as_the_model_did() {
        let cassette = Cassette::parse(&recorded().to_text()).unwrap();
        assert_eq!(cassette, recorded());
        let replay = Replay::new(cassette);
        assert_eq!(ask(&replay, "b", 1, &request("one\ntwo\nthree")).unwrap().text, "line 1\nline 2\n");
        assert_eq!(ask(&replay, "a@2^2~1!1", 1, &request("a")).unwrap().text, r#"{"n":1}"#);
        assert_eq!(ask(&replay, "c", 1, &request("c")).unwrap_err().name, ErrorName::Refused);
        assert_eq!(replay.divergence(), None);
    }

    #[test]
    fn how_long_to_wait_is_no_part_of_a_request() {
        let replay = Replay::new(recorded());
        let patient = Request { timeout: Some(std::time::Duration::from_secs(9)), ..request("a") };
        ask(&replay, "a@2^2~1!1", 1, &patient).unwrap();
    }

    #[test]
    fn calls_stand_in_the_order_they_were_first_made_and_texts_line_by_line() {
        let text = recorded().to_text();
        let value: Value = serde_json::from_str(&text).unwrap();
        let paths: Vec<&String> = value["entries"].as_object().unwrap().keys().collect();
        assert_eq!(paths, ["b", "a@2^2~1!1", "c"]);
        assert_eq!(value["entries"]["b"]["request"]["messages"][1]["text"], json!(["one", "two", "three"]));
        assert_eq!(value["entries"]["b"]["response"]["text"], json!(["line 1", "line 2", ""]));
        assert_eq!(value["entries"]["b"]["request"]["settings"], json!({ "temperature": 0.2 }));
        assert_eq!((value["version"].as_u64(), value["flow"].as_str()), (Some(1), Some("demo")));
    }

    #[test]
    fn the_first_divergence_ends_every_later_call() {
        let replay = Replay::new(recorded());
        let error = ask(&replay, "b", 1, &request("one\n2\nthree")).unwrap_err();
        assert_eq!(error.name, ErrorName::Cancelled);
        assert!(error.message.contains("the call `b`"), "{}", error.message);
        assert!(error.message.contains("line 2"), "{}", error.message);
        assert!(error.message.contains("expected `two`, got `2`"), "{}", error.message);
        assert_eq!(replay.divergence(), Some(error.message.as_str()));
        assert_eq!(ask(&replay, "a@2^2~1!1", 1, &request("a")).unwrap_err(), error);
    }

    #[test]
    fn a_call_that_is_not_recorded_is_a_divergence() {
        let replay = Replay::new(recorded());
        let error = ask(&replay, "b~1", 1, &request("one\ntwo\nthree")).unwrap_err();
        assert!(error.message.contains("`b~1` is not in the recording of `demo`"), "{}", error.message);
    }

    #[test]
    fn a_recording_of_another_version_says_so() {
        let text = recorded().to_text().replace("\"version\": 1", "\"version\": 7");
        assert!(matches!(Cassette::parse(&text), Err(Error::Version { found: 7 })));
        assert!(matches!(Cassette::parse("{\"version\": 1}"), Err(Error::Form(_))));
    }
}
