//! Models over HTTP: one attempt, from the request to the last piece of the answer. The only file that knows reqwest.

use super::provider::{Kind, Provider, Timeouts};
use super::sse::Events;
use super::wire::{End, Manner, OnText, Partial, Shape};
use super::{anthropic, fault, openai};
use crate::run::ErrorName;
use crate::run::ports::{CallError, CallSite, Embedder, Model, Request, Response};
use futures::future::{BoxFuture, FutureExt};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, redirect};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

/// Longest time of an attempt, where the request says nothing.
const WHOLE: Duration = Duration::from_secs(600);

/// Longest silence, where neither the provider nor the request says anything. Servers that do not stream think for as long
/// as the answer takes; those that do say nothing while a model reasons.
const SILENCE: Duration = Duration::from_secs(300);

/// How long a server that never answered is taken for one that starts late. A new call to it fails for good after that; one
/// that is being tried again is tried as often as its flow says.
const LATE: Duration = Duration::from_secs(20);

/// How long the parts of an attempt may take.
#[derive(Debug, Clone, Copy)]
struct Times {
    first_byte: Duration,
    idle: Duration,
    whole: Duration,
}

impl Times {
    /// Of an attempt that may take so long in all.
    fn new(timeouts: &Timeouts, whole: Option<Duration>) -> Self {
        let silence = whole.unwrap_or(SILENCE);
        Self {
            first_byte: timeouts.first_byte.unwrap_or(silence),
            idle: timeouts.idle.unwrap_or(silence),
            whole: whole.unwrap_or(WHOLE),
        }
    }
}

/// A wait that has begun.
#[derive(Debug, Clone, Copy)]
struct Wait {
    since: Instant,
    most: Duration,
}

impl Wait {
    fn of(most: Duration) -> Self {
        Self { since: Instant::now(), most }
    }

    async fn on<T>(self, future: impl Future<Output = T>) -> Result<T, Elapsed> {
        timeout(self.most.saturating_sub(self.since.elapsed()), future).await
    }
}

/// Most bytes of the body of a refusal that are read; the sentence in it is short.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

/// Most bytes of an answer that comes whole: the longest text that is taken in, with every character escaped.
const MAX_BODY_BYTES: usize = 64 << 20;

/// How long the end of a stream is awaited after its last event, so that the connection can be used again.
const STREAM_END: Duration = Duration::from_millis(50);

/// Most texts of one request for vectors; providers take between 96 and 2048.
const EMBED_BATCH: usize = 96;

/// The models of several providers, asked over HTTP as `provider/model`.
#[derive(Debug)]
pub struct HttpModel {
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Debug)]
struct Endpoint {
    provider: Provider,
    /// Built when first used: a run on one provider does not pay for the others.
    client: OnceLock<Result<Client, String>>,
    /// What the server turned out not to know.
    learned: Mutex<Learned>,
}

/// What a server turned out not to know, by model. A request that learnt something is not sent in vain again.
#[derive(Debug, Default)]
struct Learned {
    manners: BTreeMap<String, Manner>,
    /// Schemas that were not enforced, as text. One that a server can't take says nothing of the next.
    shown: BTreeSet<(String, String)>,
    /// Models that were held to a schema once: an answer of theirs that is no JSON is a slip.
    obeyed: BTreeSet<String>,
    reach: Reach,
}

/// Whether a server was ever there.
#[derive(Debug, Clone, Copy, Default)]
enum Reach {
    #[default]
    Untried,
    /// No connection ever came about; the first was tried then.
    Never(Instant),
    Once,
}

impl HttpModel {
    /// Models of these providers; of two with one name, the later.
    pub fn new(providers: impl IntoIterator<Item = Provider>) -> Self {
        let endpoint = |provider: Provider| {
            let name = provider.name.clone();
            (name, Endpoint { provider, client: OnceLock::new(), learned: Mutex::default() })
        };
        Self { endpoints: providers.into_iter().map(endpoint).collect() }
    }

    /// The provider and its model that a name means; the model's part may hold slashes.
    fn route<'a>(&'a self, name: &'a str) -> Result<(&'a Endpoint, &'a str), CallError> {
        let rejected = |message| CallError { name: ErrorName::Rejected, message, retry_after: None };
        let Some((provider, model)) = name.split_once('/').filter(|(_, model)| !model.is_empty()) else {
            return Err(rejected(format!("model `{name}` names no provider; write `provider/model`")));
        };
        let Some(endpoint) = self.endpoints.get(provider) else {
            let known: Vec<String> = self.endpoints.keys().map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            return Err(rejected(format!("no provider is called `{provider}`; configured: {known}")));
        };
        Ok((endpoint, model))
    }
}

impl Model for HttpModel {
    fn ready(&self, model: &str) -> Result<(), CallError> {
        self.route(model)?.0.has_key()
    }

    fn keeps_time(&self) -> bool {
        true
    }

    fn ask<'a>(
        &'a self,
        site: &'a CallSite,
        request: &'a Request,
        on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        async move {
            let (endpoint, model) = self.route(&request.model)?;
            let times = Times::new(&endpoint.provider.timeouts, request.timeout);
            let answer = endpoint.within(times.whole, endpoint.ask(model, request, times, on_text)).await;
            answer.map_err(|error| endpoint.or_gone(error, site.attempt))
        }
        .boxed()
    }
}

impl Embedder for HttpModel {
    fn embed<'a>(&'a self, model: &'a str, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f64>>, CallError>> {
        async move {
            let (endpoint, model) = self.route(model)?;
            let times = Times::new(&endpoint.provider.timeouts, None);
            endpoint.within(times.whole, endpoint.embed(model, texts, times)).await
        }
        .boxed()
    }
}

/// An answer of the server: what was asked for, or why not.
enum Reply {
    Good(reqwest::Response),
    Refused(CallError, String),
}

impl Endpoint {
    /// Work with a limit of time, and its errors without the key.
    async fn within<T>(
        &self,
        whole: Duration,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let late = || self.error(ErrorName::Timeout, &format!("gave no answer in {} s", whole.as_secs_f64()));
        let done = timeout(whole, work).await.unwrap_or_else(|_| Err(late()));
        done.map_err(|error| CallError { message: self.provider.without_key(&error.message), ..error })
    }

    /// The error of an attempt; that of a new call to a server that is not there is one that trying again does not mend.
    fn or_gone(&self, error: CallError, attempt: u32) -> CallError {
        match self.learned().reach {
            Reach::Never(since) if attempt == 1 && since.elapsed() >= LATE && error.name.is_transport() => {
                let message =
                    format!("{}; nothing was ever there, for {} s now", error.message, since.elapsed().as_secs());
                CallError { name: ErrorName::Rejected, message, retry_after: None }
            }
            Reach::Never(_) | Reach::Untried | Reach::Once => error,
        }
    }

    fn connected(&self, connected: bool) {
        let reach = &mut self.learned().reach;
        *reach = match *reach {
            _ if connected => Reach::Once,
            Reach::Untried => Reach::Never(Instant::now()),
            before @ (Reach::Never(_) | Reach::Once) => before,
        };
    }

    fn error(&self, name: ErrorName, what: &str) -> CallError {
        fault::error(&self.provider, name, what)
    }

    async fn ask(
        &self,
        model: &str,
        request: &Request,
        times: Times,
        on_text: OnText<'_>,
    ) -> Result<Response, CallError> {
        let mut manner = self.manner(model, request);
        let path = match self.provider.kind {
            Kind::OpenAi => openai::PATH,
            Kind::Anthropic => anthropic::PATH,
        };
        // Each refusal makes the manner smaller, or is the end.
        let (reply, first_byte) = loop {
            let first_byte = Wait::of(times.first_byte);
            let body = match self.provider.kind {
                Kind::OpenAi => openai::body(model, request, &manner),
                Kind::Anthropic => anthropic::body(model, request, &manner),
            };
            match self.post(path, &body, first_byte).await? {
                Reply::Good(reply) => break (reply, first_byte),
                Reply::Refused(error, words) => match manner.without(&words, request) {
                    Some(less) if error.name == ErrorName::Rejected => manner = less,
                    _ => return Err(error),
                },
            }
        };
        let partial = self.read(reply, first_byte, times.idle, on_text).await?;
        let response = self.response(partial, &manner)?;
        self.learn(model, request, manner, &response);
        Ok(response)
    }

    /// The manner in which this model is asked, as far as the server is known by now.
    fn manner(&self, model: &str, request: &Request) -> Manner {
        let learned = self.learned();
        let shape = match &request.schema {
            None => Shape::Free,
            Some(schema) if learned.shown.contains(&(model.into(), schema.to_string())) => Shape::Shown(schema.clone()),
            Some(schema) => Shape::best(schema, self.provider.schema),
        };
        let stream_usage = self.provider.kind == Kind::OpenAi;
        let first = Manner { stream: true, stream_usage, new_limit: false, shape: Shape::Free };
        Manner { shape, ..learned.manners.get(model).cloned().unwrap_or(first) }
    }

    /// Keeps what the server turned out not to know: only an answer shows that what was left away was the trouble.
    fn learn(&self, model: &str, request: &Request, manner: Manner, response: &Response) {
        let mut learned = self.learned();
        if response.schema_enforced && !response.truncated {
            learned.obeyed.insert(model.into());
        }
        let asked = manner.shape.enforced().is_some();
        let ignored = asked && !response.schema_enforced && !learned.obeyed.contains(model);
        let refused = matches!(manner.shape, Shape::Shown(_));
        if let Some(schema) = request.schema.as_ref().filter(|_| ignored || refused) {
            learned.shown.insert((model.into(), schema.to_string()));
        }
        learned.manners.insert(model.into(), Manner { shape: Shape::Free, ..manner });
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        // Whatever part of it was written when a thread panicked, it holds true things.
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn response(&self, partial: Partial, manner: &Manner) -> Result<Response, CallError> {
        let refused = |why: &str| {
            let why = if why.is_empty() { "without a reason" } else { why };
            self.error(ErrorName::Refused, &format!("refuses to answer: {why}"))
        };
        let truncated = match partial.end {
            Some(End::Refused) => return Err(refused(&partial.refusal)),
            Some(End::Failed) => return Err(self.error(ErrorName::Overloaded, "failed in the middle of the answer")),
            _ if partial.text.is_empty() && !partial.refusal.is_empty() => return Err(refused(&partial.refusal)),
            Some(End::Cut) => true,
            Some(End::Complete) | None => false,
        };
        // Reasoning that a server leaves before the answer is under no schema.
        let answer = partial.text.rsplit("</think>").next().unwrap_or_default();
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(answer.trim()).is_ok();
        let text = match &manner.shape {
            Shape::Strict(lowered) => lowered.raise(partial.text),
            Shape::Free | Shape::Whole(_) | Shape::Record(_) | Shape::Shown(_) => partial.text,
        };
        Ok(Response {
            text,
            truncated,
            // No prompt has no tokens: a server that says so does not count them.
            usage: partial.usage.filter(|usage| usage.prompt_tokens > 0),
            // Some servers take a schema and do nothing with it.
            schema_enforced: manner.shape.enforced().is_some() && (truncated || is_json),
            model: partial.model,
        })
    }

    /// Reads an answer: a stream of events, or one JSON body from servers that do not stream.
    async fn read(
        &self,
        mut reply: reqwest::Response,
        first_byte: Wait,
        idle: Duration,
        on_text: OnText<'_>,
    ) -> Result<Partial, CallError> {
        let mut partial = Partial::default();
        // The first byte tells the two apart: no line of a stream of events begins so. Its header is often wrong.
        let mut start = Vec::new();
        let first = loop {
            if let Some(first) = start.iter().copied().find(|byte: &u8| !byte.is_ascii_whitespace()) {
                break first;
            }
            match self.chunk(&mut reply, first_byte, "").await? {
                Some(bytes) => start.extend_from_slice(&bytes),
                None => return Err(self.cut("", "it is empty")),
            }
        };
        if first == b'{' {
            let body = self.body(reply, start, MAX_BODY_BYTES, idle).await?;
            let broken =
                |e: serde_json::Error| if e.is_eof() { self.cut("", "its JSON is cut") } else { self.no_answer() };
            self.take(&mut partial, &serde_json::from_slice(&body).map_err(broken)?, on_text)?;
            return if partial.done { Ok(partial) } else { Err(self.no_answer()) };
        }
        self.read_events(reply, start, idle, &mut partial, on_text).await?;
        Ok(partial)
    }

    async fn read_events(
        &self,
        mut reply: reqwest::Response,
        start: Vec<u8>,
        idle: Duration,
        partial: &mut Partial,
        on_text: OnText<'_>,
    ) -> Result<(), CallError> {
        let (mut events, mut next) = (Events::default(), Some(start));
        let mut any =
            reply.headers().get(CONTENT_TYPE).is_some_and(|ty| ty.as_bytes().starts_with(b"text/event-stream"));
        while let Some(bytes) = next {
            let pieces =
                events.push(&bytes).map_err(|_| self.error(ErrorName::Network, "sends an event without end"))?;
            any |= !pieces.is_empty();
            for piece in pieces {
                if piece.trim() == "[DONE]" {
                    partial.done = true;
                } else {
                    let broken = |_| self.error(ErrorName::Network, "sends an event that is not JSON");
                    self.take(partial, &serde_json::from_str(&piece).map_err(broken)?, on_text)?;
                }
            }
            if partial.done {
                // The rest of the body is its end mark; without it read, the connection could not be used again.
                let _ = timeout(STREAM_END, reply.chunk()).await;
                return Ok(());
            }
            next = match self.chunk(&mut reply, Wait::of(idle), &partial.text).await {
                // The answer said that it ended; that the stream then broke takes nothing from it.
                Err(_) if partial.end.is_some() => None,
                bytes => bytes?,
            };
        }
        match partial.end {
            Some(_) => Ok(()),
            None if any => Err(self.cut(&partial.text, "it ended without its end mark")),
            None => Err(self.no_answer()),
        }
    }

    fn take(&self, partial: &mut Partial, piece: &Value, on_text: OnText<'_>) -> Result<(), CallError> {
        let taken = match self.provider.kind {
            Kind::OpenAi => openai::read(partial, piece, on_text),
            Kind::Anthropic => anthropic::read(partial, piece, on_text),
        };
        taken.map_err(|told| fault::of_error(&self.provider, &told))
    }

    /// The next bytes of a body; none at its end.
    async fn chunk(
        &self,
        reply: &mut reqwest::Response,
        wait: Wait,
        so_far: &str,
    ) -> Result<Option<Vec<u8>>, CallError> {
        match wait.on(reply.chunk()).await {
            Err(_) => Err(self.error(ErrorName::Timeout, &format!("was silent for {} s", wait.most.as_secs_f64()))),
            Ok(Err(error)) => Err(self.cut(so_far, &cause(&error))),
            Ok(Ok(bytes)) => Ok(bytes.map(|bytes| bytes.to_vec())),
        }
    }

    fn cut(&self, so_far: &str, why: &str) -> CallError {
        let got = so_far.chars().count();
        self.error(ErrorName::Network, &format!("broke off after {got} characters of the answer: {why}"))
    }

    fn no_answer(&self) -> CallError {
        self.error(ErrorName::Rejected, "answers with something that is no answer of a model; is the base URL right?")
    }

    /// The rest of a body; what is over the limit is left unread.
    async fn body(
        &self,
        mut reply: reqwest::Response,
        mut body: Vec<u8>,
        most: usize,
        idle: Duration,
    ) -> Result<Vec<u8>, CallError> {
        while body.len() < most {
            match self.chunk(&mut reply, Wait::of(idle), "").await? {
                Some(bytes) => body.extend_from_slice(&bytes),
                None => break,
            }
        }
        Ok(body)
    }

    fn has_key(&self) -> Result<(), CallError> {
        if self.provider.key.is_none() && self.provider.needs_key() {
            let variable = self.provider.key_variable.as_deref().unwrap_or("its key");
            return Err(self.error(ErrorName::Rejected, &format!("needs a key: set `{variable}`")));
        }
        Ok(())
    }

    async fn post(&self, path: &str, body: &Value, first_byte: Wait) -> Result<Reply, CallError> {
        self.has_key()?;
        let request = self.request(path, body)?;
        let reply = match first_byte.on(request.send()).await {
            Ok(reply) => {
                self.connected(!reply.as_ref().is_err_and(reqwest::Error::is_connect));
                reply.map_err(|error| self.unsent(&error))?
            }
            Err(_) => {
                let what = format!("sent nothing for {} s", first_byte.most.as_secs_f64());
                return Err(self.error(ErrorName::Timeout, &what));
            }
        };
        let status = reply.status();
        if status.is_success() {
            return Ok(Reply::Good(reply));
        }
        let headers = reply.headers().clone();
        let header = |name: &str| headers.get(name)?.to_str().ok().map(String::from);
        // The status says enough when its body does not come.
        let body = self.body(reply, Vec::new(), MAX_REFUSAL_BYTES, first_byte.most).await.unwrap_or_default();
        let words = String::from_utf8_lossy(&body).into_owned();
        Ok(Reply::Refused(fault::of_status(&self.provider, status.as_u16(), &header, &words), words))
    }

    fn request(&self, path: &str, body: &Value) -> Result<RequestBuilder, CallError> {
        let base_url = self.provider.base_url.trim_end_matches('/');
        // People write Anthropic's base URL with its version and without.
        let base_url = if path.starts_with("/v1/") { base_url.trim_end_matches("/v1") } else { base_url };
        let url = reqwest::Url::parse(&format!("{base_url}{path}"))
            .map_err(|error| self.error(ErrorName::Rejected, &format!("has a base URL that is none: {error}")))?;
        let client = self.client.get_or_init(|| client(&url, self.provider.timeouts.connect));
        let client =
            client.as_ref().map_err(|why| self.error(ErrorName::Network, &format!("can't be reached: {why}")))?;
        let body = serde_json::to_vec(body).expect("internal error: a JSON value is written");
        Ok(client.post(url).headers(self.headers()?).body(body))
    }

    fn headers(&self) -> Result<HeaderMap, CallError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.provider.kind == Kind::Anthropic {
            headers.insert("anthropic-version", HeaderValue::from_static(anthropic::VERSION));
        }
        if let Some(key) = &self.provider.key {
            let (name, value) = match self.provider.kind {
                Kind::OpenAi => (AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
                Kind::Anthropic => {
                    ("x-api-key".parse().expect("internal error: it is a name"), key.expose_secret().into())
                }
            };
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| self.error(ErrorName::Rejected, "has a key with characters that no header can hold"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// Why a request had no answer at all.
    fn unsent(&self, error: &reqwest::Error) -> CallError {
        let place = |url: &reqwest::Url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?));
        let host = error.url().and_then(place).unwrap_or_else(|| "its host".into());
        if error.is_timeout() {
            let most = self.provider.timeouts.connect.as_secs_f64();
            let what = format!("could not be connected to in {most} s (`{host}`)");
            return self.error(ErrorName::Timeout, &what);
        }
        let what = if error.is_connect() { "can't be reached at" } else { "gave no answer from" };
        self.error(ErrorName::Network, &format!("{what} `{host}`: {}", cause(error)))
    }

    async fn embed(&self, model: &str, texts: &[String], times: Times) -> Result<Vec<Vec<f64>>, CallError> {
        if self.provider.kind == Kind::Anthropic {
            return Err(self.error(ErrorName::Rejected, "has no models that turn texts into vectors"));
        }
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(EMBED_BATCH) {
            let body = json!({ "model": model, "input": batch, "encoding_format": "float" });
            let reply = match self.post("/embeddings", &body, Wait::of(times.first_byte)).await? {
                Reply::Good(reply) => reply,
                Reply::Refused(error, _) => return Err(error),
            };
            let body = self.body(reply, Vec::new(), MAX_BODY_BYTES, times.idle).await?;
            let body = serde_json::from_slice::<Value>(&body).map_err(|_| self.no_answer())?;
            let rows = body["data"].as_array().filter(|rows| rows.len() == batch.len());
            let mut rows: Vec<&Value> = rows.ok_or_else(|| self.no_answer())?.iter().collect();
            rows.sort_by_key(|row| row["index"].as_u64());
            for row in rows {
                let vector: Option<Vec<f64>> =
                    row["embedding"].as_array().into_iter().flatten().map(Value::as_f64).collect();
                vectors.push(vector.ok_or_else(|| self.no_answer())?);
            }
        }
        Ok(vectors)
    }
}

/// A client for one place.
fn client(url: &reqwest::Url, connect: Duration) -> Result<Client, String> {
    // Fails when one is installed already, by us or by who embeds the engine: then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A redirect could take the key to another host.
    let mut client = Client::builder().connect_timeout(connect).redirect(redirect::Policy::none());
    if url.scheme() == "http" {
        // Reading the system's certificates is the most of building a client, and no plain connection asks for them.
        client = client.tls_certs_only([]);
    }
    if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
        client = client.no_proxy();
    }
    client.build().map_err(|error| cause(&error))
}

/// The innermost reason of an error, which is the one that says something; never its URL, which may hold secrets.
fn cause(error: &reqwest::Error) -> String {
    let Some(mut inner) = error.source() else {
        return if error.is_body() { "the body broke".into() } else { "the request failed".into() };
    };
    while let Some(deeper) = inner.source() {
        inner = deeper;
    }
    inner.to_string()
}
