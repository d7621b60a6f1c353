//! Holds models to a pace: so many requests and tokens of any minute, so many requests at once. All callers of a process
//! that share one [`Limited`] share the pace, and who comes first goes first.
//!
//! What a provider says about its pace is obeyed too. When it complains (`rate_limit`, `overloaded`), the model is asked
//! half as much at once, and not at all before the time that the provider names; with each full round of answers after
//! that, it is asked once more at once. Trying again is the run's.

use crate::run::ErrorName;
use crate::run::ports::{CallError, CallSite, Embedder, Model, Request, Response};
use crate::spec::config::RateLimits;
use futures::future::{BoxFuture, FutureExt};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

const MINUTE: Duration = Duration::from_secs(60);

/// Tokens of an answer where the request sets no limit: a program with a few words. It is corrected when the answer comes.
const ASSUMED_ANSWER: u64 = 1024;

/// Longest wait that a provider is believed: some name the end of a day's quota.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// Models, or what turns texts into vectors, held to a pace. Waiting to be let in is no part of an attempt's time.
#[derive(Debug)]
pub struct Limited<M: ?Sized> {
    /// By `provider/model`, and by provider for each of its models.
    limits: BTreeMap<String, RateLimits>,
    lanes: Mutex<BTreeMap<String, Arc<Lane>>>,
    inner: Arc<M>,
}

impl<M: ?Sized> Limited<M> {
    /// Holds `inner` to these limits, by `provider/model` or by provider; what a model leaves out is as for its provider.
    pub fn new(inner: Arc<M>, limits: BTreeMap<String, RateLimits>) -> Self {
        Self { limits, lanes: Mutex::default(), inner }
    }

    fn lane(&self, model: &str) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(model) {
            return Arc::clone(lane);
        }
        let given = |name: &str| self.limits.get(name).copied().unwrap_or_default();
        let (own, provider) = (given(model), given(model.split('/').next().unwrap_or_default()));
        let lane = Arc::new(Lane::new(RateLimits {
            requests_per_minute: own.requests_per_minute.or(provider.requests_per_minute),
            tokens_per_minute: own.tokens_per_minute.or(provider.tokens_per_minute),
            in_flight: own.in_flight.or(provider.in_flight),
        }));
        lanes.insert(model.to_owned(), Arc::clone(&lane));
        lane
    }
}

impl<M: Model + ?Sized> Model for Limited<M> {
    fn ready(&self, model: &str) -> Result<(), CallError> {
        self.inner.ready(model)
    }

    fn keeps_time(&self) -> bool {
        self.inner.keeps_time()
    }

    fn ask<'a>(
        &'a self,
        site: &'a CallSite,
        request: &'a Request,
        on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        async move {
            let sent = tokens(request.messages.iter().map(|message| message.text.as_str()));
            let worst = sent.saturating_add(request.settings.max_tokens.unwrap_or(ASSUMED_ANSWER));
            let place = enter(self.lane(&request.model), worst).await;
            let answer = self.inner.ask(site, request, on_text).await;
            let usage = answer.as_ref().ok().and_then(|answer| answer.usage);
            place.learn(answer.as_ref().err(), usage.map(|usage| usage.prompt_tokens + usage.completion_tokens));
            answer
        }
        .boxed()
    }
}

impl<M: Embedder + ?Sized> Embedder for Limited<M> {
    fn embed<'a>(&'a self, model: &'a str, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f64>>, CallError>> {
        async move {
            let place = enter(self.lane(model), tokens(texts.iter().map(String::as_str))).await;
            let vectors = self.inner.embed(model, texts).await;
            place.learn(vectors.as_ref().err(), None);
            vectors
        }
        .boxed()
    }
}

/// Tokens of texts, estimated as budgets do: four bytes each.
fn tokens<'t>(texts: impl Iterator<Item = &'t str>) -> u64 {
    texts.map(|text| text.len() as u64).sum::<u64>().div_ceil(4)
}

/// The pace of one model.
#[derive(Debug)]
struct Lane {
    limits: RateLimits,
    /// Whose turn it is to look for a place. The queue before it is in order of arrival, and who is dropped leaves it.
    turn: tokio::sync::Mutex<()>,
    /// Tells who looks for a place that there may be one.
    changed: Notify,
    pace: Mutex<Pace>,
}

/// What was asked lately, and what the provider said to it.
#[derive(Debug)]
struct Pace {
    in_flight: u64,
    /// Most requests at once; infinite where neither configuration nor provider says anything.
    allowed: f64,
    /// Nothing is asked before.
    paused_until: Option<Instant>,
    /// The number of the next request.
    next: u64,
    /// Requests with a lower number began before the provider last complained: its complaints about them are not news.
    heeded: u64,
    /// The requests of the last minute, oldest first.
    minute: VecDeque<Begun>,
}

#[derive(Debug)]
struct Begun {
    number: u64,
    at: Instant,
    tokens: u64,
}

/// When to look again for a place.
#[derive(Debug, PartialEq, Eq)]
enum Full {
    /// At that time, or when something changed.
    Until(Instant),
    /// When something changed.
    UntilChanged,
}

impl Lane {
    fn new(limits: RateLimits) -> Self {
        let pace = Pace {
            in_flight: 0,
            allowed: most_at_once(&limits),
            paused_until: None,
            next: 0,
            heeded: 0,
            minute: VecDeque::new(),
        };
        Self { limits, turn: tokio::sync::Mutex::default(), changed: Notify::new(), pace: Mutex::new(pace) }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // Nothing under the lock panics but for broken invariants, so what is there is whole.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn most_at_once(limits: &RateLimits) -> f64 {
    limits.in_flight.map_or(f64::INFINITY, |most| most.get() as f64)
}

/// Waits for a place. Dropping it gives up the wait.
async fn enter(lane: Arc<Lane>, tokens: u64) -> Place {
    let turn = lane.turn.lock().await;
    let number = loop {
        // Only who has the turn waits here, and a change that comes before is kept for it.
        let changed = lane.changed.notified();
        let full = lane.pace().begin(&lane.limits, tokens, Instant::now());
        match full {
            Ok(number) => break number,
            Err(Full::UntilChanged) => changed.await,
            Err(Full::Until(time)) => tokio::select! {
                () = sleep_until(time) => {}
                () = changed => {}
            },
        }
    };
    drop(turn);
    Place { lane, number }
}

/// The place of a request in flight; dropping it makes room for another.
struct Place {
    lane: Arc<Lane>,
    number: u64,
}

impl Place {
    /// Takes in what came of the request: an error, or how many tokens it was.
    fn learn(&self, error: Option<&CallError>, tokens: Option<u64>) {
        let mut pace = self.lane.pace();
        match error {
            Some(error) => pace.failed(self.number, error, Instant::now()),
            None => pace.answered(self.number, tokens, most_at_once(&self.lane.limits)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.pace().in_flight -= 1;
        self.lane.changed.notify_one();
    }
}

impl Pace {
    /// Begins a request, or says when there may be a place for it.
    fn begin(&mut self, limits: &RateLimits, tokens: u64, now: Instant) -> Result<u64, Full> {
        if let Some(time) = self.paused_until.filter(|time| *time > now) {
            return Err(Full::Until(time));
        }
        if self.in_flight as f64 >= self.allowed.floor() {
            return Err(Full::UntilChanged);
        }
        while self.minute.front().is_some_and(|begun| begun.at + MINUTE <= now) {
            self.minute.pop_front();
        }
        // A request that is too large for any minute has one for itself.
        if let Some(oldest) = self.minute.front() {
            let over = |most: Option<NonZeroU64>, sum: u64| most.is_some_and(|most| sum > most.get());
            let all = self.minute.iter().fold(tokens, |sum, begun| sum.saturating_add(begun.tokens));
            if over(limits.requests_per_minute, self.minute.len() as u64 + 1) || over(limits.tokens_per_minute, all) {
                return Err(Full::Until(oldest.at + MINUTE));
            }
        }
        let number = self.next;
        self.next += 1;
        self.in_flight += 1;
        if limits.requests_per_minute.is_some() || limits.tokens_per_minute.is_some() {
            self.minute.push_back(Begun { number, at: now, tokens });
        }
        Ok(number)
    }

    /// A request was answered, with so many tokens if they were counted.
    fn answered(&mut self, number: u64, tokens: Option<u64>, most: f64) {
        // Where far less is asked than is allowed, an answer says nothing about asking more.
        if number >= self.heeded && self.in_flight as f64 * 2.0 >= self.allowed {
            self.allowed = (self.allowed + 1.0 / self.allowed).min(most);
        }
        let begun = self.minute.binary_search_by_key(&number, |begun| begun.number);
        if let (Ok(index), Some(tokens)) = (begun, tokens) {
            self.minute[index].tokens = tokens;
        }
    }

    /// A request failed.
    fn failed(&mut self, number: u64, error: &CallError, now: Instant) {
        if !matches!(error.name, ErrorName::RateLimit | ErrorName::Overloaded) {
            return;
        }
        if let Some(wait) = error.retry_after {
            let time = now + wait.min(LONGEST_PAUSE);
            self.paused_until = self.paused_until.max(Some(time));
        }
        if number >= self.heeded {
            self.heeded = self.next;
            self.allowed = (self.allowed.min(self.in_flight as f64) / 2.0).max(1.0);
        }
    }
}

#[cfg(test)]
mod tests;
