//! Servers below HTTP: connections that break, fall silent, trickle or are let go of.

use super::{answer, ask, ended, events, failure, openai, provider, request, said};
use flow_engine::model::{HttpModel, Kind, Provider, Timeouts};
use flow_engine::run::ErrorName;
use flow_engine::run::ports::{CallSite, Model, Request};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A server of one connection, which reads a request and then does as it is told.
fn raw(then: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let (connection, _) = listener.accept().expect("a connection");
        then(read_request(connection));
    });
    format!("http://{address}")
}

/// Reads a whole request: to close with bytes unread would throw away what was written.
fn read_request(connection: TcpStream) -> TcpStream {
    let (mut reader, mut line, mut length) = (BufReader::new(connection), String::new(), 0);
    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
        if let Some(told) = line.to_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().expect("a number");
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length]).expect("the whole body");
    reader.into_inner()
}

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A piece of a stream, as HTTP frames it.
fn framed(pieces: &[Value]) -> String {
    let text = events(pieces);
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn with_timeouts(kind: Kind, base_url: &str, timeouts: Timeouts) -> HttpModel {
    HttpModel::new([Provider { timeouts, ..provider(kind, base_url) }])
}

/// What a server may have said before it breaks: nothing, its head, a part of the answer.
fn beginnings() -> [String; 3] {
    [String::new(), STREAM_HEAD.into(), format!("{STREAM_HEAD}{}", framed(&[said("half")]))]
}

/// Reads until the other side closes.
fn wait_for_close(mut connection: TcpStream) {
    connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let mut rest = [0; 1024];
    loop {
        match connection.read(&mut rest) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("the other side did not close: {error}"),
        }
    }
}

#[tokio::test]
async fn no_connection_is_network() {
    // The port was free a moment ago and nobody listens on it now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = failure(&openai(&format!("http://127.0.0.1:{port}")), "hi").await;
    assert_eq!(error.name, ErrorName::Network);
    assert!(error.message.contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[tokio::test]
async fn a_server_that_was_never_there_is_given_up_by_new_calls_and_one_that_was_there_is_not() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let model = openai(&format!("http://{address}"));
    let attempt = async |number: u32| {
        let site = CallSite { path: "a".into(), attempt: number };
        model.ask(&site, &request("hi"), &|_| {}).await.map_err(|error| error.name)
    };
    let later = async |seconds| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    };
    assert_eq!(attempt(1).await, Err(ErrorName::Network), "it may be starting");
    later(19).await;
    assert_eq!(attempt(1).await, Err(ErrorName::Network));
    later(1).await;
    assert_eq!(attempt(1).await, Err(ErrorName::Rejected));
    assert_eq!(attempt(2).await, Err(ErrorName::Network), "the flow says how often a call is tried again");
    let start = format!("{STREAM_HEAD}{}", framed(&[said("x"), ended("stop")]));
    let listener = TcpListener::bind(address).expect("the port is still free");
    let server = thread::spawn(move || {
        let connection = listener.accept().expect("a connection").0;
        read_request(connection).write_all(start.as_bytes()).expect("is read");
    });
    assert_eq!(attempt(1).await.map(|answer| answer.text), Ok("x".to_owned()));
    server.join().expect("it answered");
    later(60).await;
    assert_eq!(attempt(1).await, Err(ErrorName::Network), "it was there, so it may come back");
}

#[tokio::test]
async fn a_connection_that_closes_early_is_network() {
    for start in beginnings() {
        let url = raw(move |mut connection| connection.write_all(start.as_bytes()).expect("is read"));
        assert_eq!(failure(&openai(&url), "hi").await.name, ErrorName::Network);
    }
}

#[tokio::test]
async fn a_connection_that_closes_after_the_end_was_said_takes_nothing() {
    let start = format!("{STREAM_HEAD}{}", framed(&[said("all of it"), ended("stop")]));
    let url = raw(move |mut connection| connection.write_all(start.as_bytes()).expect("is read"));
    assert_eq!(answer(&openai(&url), "hi").await.text, "all of it");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_a_timeout() {
    let short = Some(Duration::from_millis(100));
    let (first_byte, idle) = (
        Timeouts { first_byte: short, ..Timeouts::default() },
        Timeouts { idle: short, first_byte: Some(Duration::from_secs(9)), ..Timeouts::default() },
    );
    let [nothing, head, half] = beginnings();
    // Anthropic's first event is no text, and a byte all the same.
    let ping = format!("{STREAM_HEAD}{}", framed(&[json!({ "type": "ping" })]));
    let whole_head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n".to_owned();
    let half_whole = format!("{whole_head}{{\"choices\": [");
    for (kind, start, timeouts) in [
        (Kind::OpenAi, nothing.clone(), first_byte),
        (Kind::OpenAi, head.clone(), first_byte),
        (Kind::OpenAi, half, idle),
        (Kind::OpenAi, whole_head, first_byte),
        (Kind::OpenAi, half_whole, idle),
        (Kind::Anthropic, nothing, first_byte),
        (Kind::Anthropic, head, first_byte),
        (Kind::Anthropic, ping, idle),
    ] {
        let shown = format!("{kind:?} {start:?}");
        let url = raw(move |mut connection| {
            connection.write_all(start.as_bytes()).expect("is read");
            wait_for_close(connection);
        });
        let error = failure(&with_timeouts(kind, &url, timeouts), "hi").await;
        assert_eq!(error.name, ErrorName::Timeout, "{shown}");
        assert!(error.message.contains("0.1 s"), "{shown}: {error}");
    }
}

#[tokio::test]
async fn a_provider_that_may_be_silent_for_long_is_silent_no_longer_than_the_prompt_allows() {
    let url = raw(wait_for_close);
    let patient = Timeouts { first_byte: Some(Duration::from_secs(3600)), ..Timeouts::default() };
    let hurried = Request { timeout: Some(Duration::from_millis(100)), ..request("hi") };
    let error = ask(&with_timeouts(Kind::OpenAi, &url, patient), &hurried).await.0.unwrap_err();
    assert_eq!(error.name, ErrorName::Timeout);
    assert!(error.message.contains("0.1 s"), "{error}");
}

#[tokio::test]
async fn a_host_that_takes_no_connection_is_a_timeout() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("an address");
    // Nobody accepts: once the queue is full, a connection is neither taken nor refused.
    let mut queue = Vec::new();
    while let Ok(taken) =
        tokio::time::timeout(Duration::from_millis(100), tokio::net::TcpStream::connect(address)).await
    {
        queue.push(taken.expect("a connection"));
    }
    let timeouts = Timeouts { connect: Duration::from_millis(100), ..Timeouts::default() };
    let error = failure(&with_timeouts(Kind::OpenAi, &format!("http://{address}"), timeouts), "hi").await;
    assert_eq!(error.name, ErrorName::Timeout);
    assert!(error.message.contains("could not be connected to in 0.1 s"), "{error}");
}

/// A server that says one letter after another.
fn trickle(letters: usize) -> String {
    raw(move |mut connection| {
        let mut send = || {
            connection.write_all(STREAM_HEAD.as_bytes())?;
            for _ in 0..letters {
                thread::sleep(Duration::from_millis(20));
                connection.write_all(framed(&[said("x")]).as_bytes())?;
            }
            connection.write_all(framed(&[ended("stop")]).as_bytes())
        };
        // It fails when the other side closes, which one of the cases is about.
        let _: std::io::Result<()> = send();
    })
}

#[tokio::test]
async fn a_slow_stream_is_no_timeout_until_the_whole_attempt_is() {
    let timeouts = Timeouts { idle: Some(Duration::from_secs(5)), ..Timeouts::default() };
    let slow = with_timeouts(Kind::OpenAi, &trickle(20), timeouts);
    assert_eq!(answer(&slow, "hi").await.text, "x".repeat(20));
    let hurried = Request { timeout: Some(Duration::from_millis(300)), ..request("hi") };
    let error = ask(&openai(&trickle(100_000)), &hurried).await.0.unwrap_err();
    assert_eq!(error.name, ErrorName::Timeout);
}

#[tokio::test]
async fn letting_go_of_an_attempt_closes_its_connection() {
    let (closed, wait) = mpsc::channel();
    let url = raw(move |mut connection| {
        connection.write_all(format!("{STREAM_HEAD}{}", framed(&[said("x")])).as_bytes()).expect("is read");
        wait_for_close(connection);
        closed.send(()).expect("someone waits");
    });
    let (model, request) = (openai(&url), request("hi"));
    let site = CallSite { path: "a".into(), attempt: 1 };
    let (first, mut shown) = tokio::sync::mpsc::unbounded_channel();
    let on_text = move |_: &str| first.send(()).expect("someone waits");
    tokio::select! {
        answer = model.ask(&site, &request, &on_text) => panic!("it never ends: {answer:?}"),
        _ = shown.recv() => {}
    }
    let waited = tokio::task::spawn_blocking(move || wait.recv_timeout(Duration::from_secs(20))).await;
    waited.unwrap().expect("it was closed");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let url = raw(|mut connection| {
        for turn in 0..3 {
            if turn > 0 {
                connection = read_request(connection);
            }
            let said = framed(&[said("x"), ended("stop")]);
            connection.write_all(format!("{STREAM_HEAD}{said}e\r\ndata: [DONE]\n\n\r\n").as_bytes()).expect("is read");
            thread::sleep(Duration::from_millis(5));
            connection.write_all(b"0\r\n\r\n").expect("is read");
        }
    });
    let model = openai(&url);
    for _ in 0..3 {
        assert_eq!(answer(&model, "hi").await.text, "x");
    }
}
