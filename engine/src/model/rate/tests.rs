use super::*;
use crate::run::ports::{CallSettings, Message, Role, Usage};
use futures::future::join_all;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a server says to one request, and after how many milliseconds.
type Says = (u64, Result<Option<Usage>, (ErrorName, Option<u64>)>);

/// A server that answers each request as its text says, and knows when each came and how many there were at once.
#[derive(Default)]
struct Server {
    came: Mutex<Vec<(u64, String)>>,
    now: AtomicU64,
    most: AtomicU64,
    start: Mutex<Option<Instant>>,
}

impl Server {
    /// The second and the text of each request, in the order in which they came.
    fn came(&self) -> Vec<(u64, String)> {
        self.came.lock().expect("no panic").clone()
    }

    fn seconds(&self) -> Vec<u64> {
        self.came().iter().map(|(ms, _)| ms / 1000).collect()
    }

    fn millis(&self) -> u64 {
        let start = *self.start.lock().expect("no panic").get_or_insert_with(Instant::now);
        u64::try_from(start.elapsed().as_millis()).expect("a test is short")
    }
}

fn written(says: &Says) -> String {
    let (ms, what) = says;
    match what {
        Ok(usage) => format!("{ms} ok {}", usage.map_or(0, |u| u.completion_tokens)),
        Err((name, wait)) => format!("{ms} {name} {}", wait.unwrap_or_default()),
    }
}

impl Model for Server {
    fn ask<'a>(
        &'a self,
        _site: &'a CallSite,
        request: &'a Request,
        _on_text: &'a (dyn Fn(&str) + Send + Sync),
    ) -> BoxFuture<'a, Result<Response, CallError>> {
        async move {
            let text = &request.messages[0].text;
            self.came.lock().expect("no panic").push((self.millis(), text.clone()));
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let words: Vec<&str> = text.split(' ').collect();
            let number = |i: usize| words[i].parse::<u64>().expect("a number");
            tokio::time::sleep(Duration::from_millis(number(0))).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            let retry_after = Some(number(2)).filter(|wait| *wait > 0).map(Duration::from_secs);
            match ErrorName::parse(words[1]) {
                Some(name) => Err(CallError { name, message: String::new(), retry_after }),
                None => Ok(Response {
                    text: String::new(),
                    truncated: false,
                    usage: Some(Usage { prompt_tokens: 0, completion_tokens: number(2) }).filter(|_| number(2) > 0),
                    schema_enforced: false,
                    model: None,
                }),
            }
        }
        .boxed()
    }
}

fn limits(name: &str, requests: u64, tokens: u64, in_flight: u64) -> BTreeMap<String, RateLimits> {
    let number = NonZeroU64::new;
    let limits = RateLimits {
        requests_per_minute: number(requests),
        tokens_per_minute: number(tokens),
        in_flight: number(in_flight),
    };
    BTreeMap::from([(name.to_owned(), limits)])
}

fn limited(limits: BTreeMap<String, RateLimits>) -> (Arc<Server>, Limited<Server>) {
    let server = Arc::new(Server::default());
    server.millis();
    (Arc::clone(&server), Limited::new(server, limits))
}

fn request(model: &str, text: &str, max_tokens: Option<u64>) -> Request {
    Request {
        model: model.into(),
        messages: vec![Message { role: Role::User, text: text.into() }],
        schema: None,
        settings: CallSettings { max_tokens, ..CallSettings::default() },
        timeout: None,
    }
}

async fn ask(model: &Limited<Server>, name: &str, says: Says) -> Result<Response, CallError> {
    let site = CallSite { path: String::new(), attempt: 1 };
    model.ask(&site, &request(name, &written(&says), Some(100)), &|_| {}).await
}

const SECOND: Says = (1000, Ok(None));

async fn ask_all(model: &Limited<Server>, name: &str, says: &[Says]) {
    join_all(says.iter().map(|says| ask(model, name, *says))).await;
}

#[tokio::test(start_paused = true)]
async fn without_limits_nothing_waits() {
    let (server, model) = limited(BTreeMap::new());
    ask_all(&model, "p/m", &[SECOND; 50]).await;
    assert_eq!(server.seconds(), [0; 50]);
}

#[tokio::test(start_paused = true)]
async fn so_many_requests_begin_in_a_minute() {
    let (server, model) = limited(limits("p/m", 3, 0, 0));
    ask_all(&model, "p/m", &[SECOND; 8]).await;
    assert_eq!(server.seconds(), [0, 0, 0, 60, 60, 60, 120, 120]);
}

#[tokio::test(start_paused = true)]
async fn so_many_are_in_flight_and_who_comes_first_goes_first() {
    let (server, model) = limited(limits("p/m", 0, 0, 2));
    let says: Vec<Says> = (0..9).map(|n| (1000 + n, Ok(None))).collect();
    ask_all(&model, "p/m", &says).await;
    assert_eq!(server.most.load(Ordering::SeqCst), 2);
    let order: Vec<String> = server.came().into_iter().map(|(_, text)| text).collect();
    assert_eq!(order, says.iter().map(written).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn tokens_are_guessed_before_and_counted_after() {
    // 12 bytes and 100 tokens of an answer are 103.
    let (server, model) = limited(limits("p/m", 0, 206, 0));
    let counted = |tokens| (1000, Ok(Some(Usage { prompt_tokens: 0, completion_tokens: tokens })));
    // Two fit. What the first two turn out to be leaves room for the third, and with that for no fourth.
    ask_all(&model, "p/m", &[counted(10), counted(20), counted(99), counted(98)]).await;
    assert_eq!(server.seconds(), [0, 0, 1, 60]);
    let (server, model) = limited(limits("p/m", 0, 206, 0));
    // A provider that does not count is believed to have used what was guessed.
    ask_all(&model, "p/m", &[SECOND; 3]).await;
    assert_eq!(server.seconds(), [0, 0, 60]);
}

#[tokio::test(start_paused = true)]
async fn a_request_larger_than_a_minute_has_one_for_itself() {
    let (server, model) = limited(limits("p/m", 0, 50, 0));
    ask_all(&model, "p/m", &[SECOND; 3]).await;
    assert_eq!(server.seconds(), [0, 60, 120]);
}

#[tokio::test(start_paused = true)]
async fn a_model_has_its_own_limits_over_those_of_its_provider() {
    let mut both = limits("p", 2, 0, 1);
    both.extend(limits("p/fast", 3, 0, 0));
    let (server, model) = limited(both);
    for (name, expected) in [("p/fast", vec![0, 1, 2, 60]), ("p/slow", vec![0, 1, 60]), ("q/free", vec![0, 0, 0])] {
        server.came.lock().unwrap().clear();
        *server.start.lock().unwrap() = Some(Instant::now());
        ask_all(&model, name, &vec![SECOND; expected.len()]).await;
        assert_eq!(server.seconds(), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_provider_names_is_kept_by_all_callers_of_the_model_and_by_no_other() {
    let (server, model) = limited(BTreeMap::new());
    ask_all(
        &model,
        "p/m",
        &[(500, Err((ErrorName::RateLimit, Some(7)))), (600, Err((ErrorName::Overloaded, Some(3))))],
    )
    .await;
    let other = ask_all(&model, "p/other", &[(1, Ok(None))]);
    tokio::join!(ask_all(&model, "p/m", &[(10, Ok(None)); 3]), other);
    let came = server.came();
    let times: Vec<u64> = came[2..].iter().map(|(ms, _)| *ms).collect();
    // One at once is what is left of two after both complained, the second of the two being no news; then one more.
    assert_eq!(times, [600, 7500, 7510, 7510]);
    assert!(came[2].1.starts_with("1 "), "the other model is asked at once");
}

#[tokio::test(start_paused = true)]
async fn a_complaint_halves_what_is_asked_at_once_and_answers_bring_it_back() {
    let (server, model) = limited(limits("p/m", 0, 0, 8));
    let most_of = async |says: &[Says]| {
        server.most.store(0, Ordering::SeqCst);
        ask_all(&model, "p/m", says).await;
        server.most.load(Ordering::SeqCst)
    };
    assert_eq!(most_of(&[(1000, Err((ErrorName::RateLimit, None))); 8]).await, 8);
    assert_eq!(model.lane("p/m").pace().allowed, 4.0, "eight complaints of one round are one");
    assert_eq!(most_of(&[SECOND; 4]).await, 4);
    let mut rounds = Vec::new();
    while rounds.len() < 12 && rounds.last() != Some(&8) {
        rounds.push(most_of(&[SECOND; 12]).await);
    }
    assert!(rounds.is_sorted() && rounds.last() == Some(&8), "{rounds:?}");
    assert_eq!(most_of(&[SECOND; 100]).await, 8, "never more than configured");
    for name in [ErrorName::Timeout, ErrorName::Network, ErrorName::Rejected, ErrorName::Refused] {
        most_of(&[(1000, Err((name, None))); 8]).await;
        assert_eq!(model.lane("p/m").pace().allowed, 8.0, "{name} is no complaint about the pace");
    }
}

#[tokio::test(start_paused = true)]
async fn however_much_a_provider_complains_one_is_asked_at_once() {
    let (server, model) = limited(BTreeMap::new());
    for _ in 0..9 {
        ask_all(&model, "p/m", &[(1000, Err((ErrorName::Overloaded, None))); 3]).await;
    }
    assert_eq!(server.came().len(), 27);
    assert_eq!(model.lane("p/m").pace().allowed, 1.0);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_leaves_the_queue_and_who_gives_up_an_attempt_leaves_its_place() {
    let (server, model) = limited(limits("p/m", 0, 0, 1));
    let model = Arc::new(model);
    let spawn = |ms| {
        let model = Arc::clone(&model);
        tokio::spawn(async move { ask(&model, "p/m", (ms, Ok(None))).await })
    };
    let tasks: Vec<_> = [10_000, 20_000, 30_000, 40_000, 5000].map(spawn).into();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The one at the head of the queue, one behind it, and then the one in flight.
    for (task, second) in [(1, 1), (3, 1), (0, 2)] {
        tokio::time::sleep(Duration::from_secs(second - server.millis() / 1000)).await;
        tasks[task].abort();
    }
    for task in tasks {
        let _ = task.await;
    }
    let came: Vec<(u64, String)> = server.came().into_iter().map(|(ms, text)| (ms / 1000, text)).collect();
    let expected = [(0, "10000 ok 0"), (2, "30000 ok 0"), (32, "5000 ok 0")];
    assert_eq!(came, expected.map(|(second, text)| (second, text.to_owned())));
    assert_eq!(model.lane("p/m").pace().in_flight, 0);
}

fn says() -> impl Strategy<Value = Says> {
    let usage = |tokens| Usage { prompt_tokens: 0, completion_tokens: tokens };
    let what = prop_oneof![
        6 => (1..200u64).prop_map(move |tokens| Ok(Some(usage(tokens)))),
        1 => Just(Ok(None)),
        1 => proptest::option::of(1..90u64).prop_map(|wait| Err((ErrorName::RateLimit, wait))),
        1 => Just(Err((ErrorName::Network, None))),
    ];
    (0..40_000u64, what)
}

proptest! {
    #[test]
    fn no_minute_has_more_than_is_allowed_and_all_are_served(
        says in prop::collection::vec((says(), 0..60_000u64, 0..10u8), 1..60),
        requests in 1..6u64,
        in_flight in 1..4u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (served, came, most) = runtime.block_on(async {
            let (server, model) = limited(limits("p/m", requests, 0, in_flight));
            let calls = says.iter().map(|(says, after, patience)| {
                let model = &model;
                async move {
                    tokio::time::sleep(Duration::from_millis(*after)).await;
                    // Some give up after a while.
                    let patience = if *patience == 0 { 30 } else { 1_000_000 };
                    tokio::time::timeout(Duration::from_secs(patience), ask(model, "p/m", *says)).await.is_ok()
                }
            });
            let served = join_all(calls).await.into_iter().filter(|served| *served).count();
            let in_flight = model.lane("p/m").pace().in_flight;
            assert_eq!(in_flight, 0, "a place was never given back");
            (served, server.came(), server.most.load(Ordering::SeqCst))
        });
        let patient = says.iter().filter(|(_, _, patience)| *patience > 0).count();
        prop_assert!(served >= patient);
        // Those that gave up in flight are counted by the server as if they were still there, so only without them.
        if patient == says.len() {
            prop_assert!(most <= in_flight, "{most} at once");
        }
        let times: Vec<u64> = came.iter().map(|(ms, _)| *ms).collect();
        let window = usize::try_from(requests).unwrap();
        prop_assert!(times.windows(window + 1).all(|w| w[window] - w[0] >= 60_000), "{times:?}");
        prop_assert!(served <= came.len());
    }
}
