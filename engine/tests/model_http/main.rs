//! Models over HTTP against servers that behave, misbehave and break; and what every adapter of `Model` must do.

mod connections;
mod faults;
mod runs;

use flow_engine::model::cassette::{Recorder, Replay};
use flow_engine::model::scripted::Scripted;
use flow_engine::model::{HttpModel, KNOWN, Kind, Provider, SchemaSupport, Timeouts};
use flow_engine::run::ErrorName;
use flow_engine::run::ports::{
    CallError, CallSettings, CallSite, Embedder, Message, Model, Request, Response, Role, Usage,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wiremock::matchers::{any, body_partial_json, body_string_contains, header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A key that must stand in no error, whatever a server does with it.
const KEY: &str = "sk-planted-0123456789";

fn provider(kind: Kind, base_url: &str) -> Provider {
    Provider {
        name: "p".into(),
        kind,
        base_url: base_url.into(),
        key: Some(KEY.into()),
        key_variable: Some("P_API_KEY".into()),
        schema: SchemaSupport::Whole,
        timeouts: Timeouts::default(),
    }
}

fn openai(base_url: &str) -> HttpModel {
    HttpModel::new([provider(Kind::OpenAi, base_url)])
}

fn anthropic(base_url: &str) -> HttpModel {
    HttpModel::new([provider(Kind::Anthropic, base_url)])
}

fn request(text: &str) -> Request {
    Request {
        model: "p/m".into(),
        messages: vec![Message { role: Role::User, text: text.into() }],
        schema: None,
        settings: CallSettings::default(),
        timeout: None,
    }
}

/// One attempt, with the pieces it showed.
async fn ask(model: &dyn Model, request: &Request) -> (Result<Response, CallError>, String) {
    let shown = Mutex::new(String::new());
    let site = CallSite { path: request.messages[0].text.clone(), attempt: 1 };
    let answer = model.ask(&site, request, &|piece| shown.lock().expect("no panic").push_str(piece)).await;
    if let Err(error) = &answer {
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains(KEY), "the key stands in {printed}");
    }
    (answer, shown.into_inner().expect("no panic"))
}

async fn answer(model: &dyn Model, text: &str) -> Response {
    ask(model, &request(text)).await.0.expect("an answer")
}

async fn failure(model: &dyn Model, text: &str) -> CallError {
    ask(model, &request(text)).await.0.expect_err("an error")
}

fn events(pieces: &[Value]) -> String {
    pieces.iter().map(|piece| format!("data: {piece}\n\n")).collect()
}

fn said(text: &str) -> Value {
    json!({ "model": "m-1", "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }] })
}

fn ended(reason: &str) -> Value {
    json!({ "model": "m-1", "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] })
}

fn openai_stream(text: &str, reason: &str) -> String {
    let (a, b) = text.split_at(text.len() / 2);
    let usage = json!({ "choices": [], "usage": { "prompt_tokens": 3, "completion_tokens": 2 } });
    events(&[said(a), said(b), ended(reason), usage]) + "data: [DONE]\n\n"
}

fn anthropic_stream(text: &str, reason: &str) -> String {
    let (a, b) = text.split_at(text.len() / 2);
    let delta = |t: &str| json!({ "type": "content_block_delta", "delta": { "type": "text_delta", "text": t } });
    let usage = json!({ "input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 1 });
    events(&[
        json!({ "type": "message_start", "message": { "model": "m-1", "usage": usage } }),
        json!({ "type": "content_block_start", "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "ping" }),
        delta(a),
        delta(b),
        json!({ "type": "content_block_stop" }),
        json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": { "output_tokens": 2 } }),
        json!({ "type": "message_stop" }),
    ])
}

fn stream(body: String) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body, "text/event-stream")
}

/// A server that answers every request in one way.
async fn always(reply: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(reply).mount(&server).await;
    server
}

/// A server that answers so, but refuses, in these words, what holds a text.
async fn refusing(text: &str, words: &str, reply: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    let refusal = ResponseTemplate::new(400).set_body_json(json!({ "error": { "message": words } }));
    Mock::given(body_string_contains(text)).respond_with(refusal).with_priority(1).mount(&server).await;
    Mock::given(any()).respond_with(reply).mount(&server).await;
    server
}

/// The bodies that a server was sent.
async fn sent(server: &MockServer) -> Vec<Value> {
    let requests = server.received_requests().await.expect("requests are kept");
    requests.iter().map(|r| serde_json::from_slice(&r.body).expect("JSON is sent")).collect()
}

// What every adapter must do: three questions, answered alike by all of them.

async fn conforms(model: &dyn Model) {
    let (pong, shown) = ask(model, &request("say pong")).await;
    let pong = pong.expect("an answer");
    assert_eq!((pong.text.as_str(), pong.truncated), ("pong", false));
    assert_eq!(shown, "pong", "the pieces shown are the answer");
    assert!(!pong.schema_enforced, "no schema was asked for");
    let cut = answer(model, "say much").await;
    assert_eq!((cut.text.as_str(), cut.truncated), ("much and", true));
    let refused = failure(model, "say no").await;
    assert_eq!((refused.name, refused.retry_after), (ErrorName::Refused, None));
}

async fn answers(server: &MockServer, prompt: &str, reply: String) {
    Mock::given(body_string_contains(prompt)).respond_with(stream(reply)).mount(server).await;
}

#[tokio::test]
async fn openai_conforms() {
    let server = MockServer::start().await;
    answers(&server, "say pong", openai_stream("pong", "stop")).await;
    answers(&server, "say much", openai_stream("much and", "length")).await;
    answers(&server, "say no", openai_stream("I", "content_filter")).await;
    conforms(&openai(&server.uri())).await;
}

#[tokio::test]
async fn anthropic_conforms() {
    let server = MockServer::start().await;
    answers(&server, "say pong", anthropic_stream("pong", "end_turn")).await;
    answers(&server, "say much", anthropic_stream("much and", "max_tokens")).await;
    answers(&server, "say no", anthropic_stream("I", "refusal")).await;
    conforms(&anthropic(&server.uri())).await;
}

#[tokio::test]
async fn scripted_recorded_and_replayed_models_conform() {
    let rules = json!([
        { "at": "say pong", "reply": "pong" },
        { "at": "say much", "reply": "much and", "finish": "length" },
        { "at": "say no", "error": "refused" },
    ]);
    let scripted: Arc<dyn Model> = Arc::new(Scripted::from_rules(serde_json::from_value(rules).unwrap()));
    conforms(scripted.as_ref()).await;
    let recorder = Recorder::new(scripted, "f");
    conforms(&recorder).await;
    conforms(&Replay::new(recorder.cassette())).await;
}

// The forms.

#[tokio::test]
async fn openai_is_asked_in_its_form_and_counts_tokens() {
    let server = MockServer::start().await;
    let expected = json!({
        "model": "org/m:free", "messages": [{ "role": "user", "content": "hi" }],
        "stream": true, "stream_options": { "include_usage": true },
    });
    Mock::given(path("/v1/chat/completions"))
        .and(header("authorization", format!("Bearer {KEY}")))
        .and(body_partial_json(expected))
        .respond_with(stream(openai_stream("hello", "stop")))
        .mount(&server)
        .await;
    let model = openai(&format!("{}/v1/", server.uri()));
    let request = Request { model: "p/org/m:free".into(), ..request("hi") };
    let response = ask(&model, &request).await.0.unwrap();
    assert_eq!(response.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 2 }));
    assert_eq!(response.model.as_deref(), Some("m-1"));
}

#[tokio::test]
async fn anthropic_is_asked_in_its_form_and_counts_tokens() {
    for base in ["", "/v1"] {
        let server = MockServer::start().await;
        Mock::given(path("/v1/messages"))
            .and(header("x-api-key", KEY))
            .and(header("anthropic-version", "2023-06-01"))
            .respond_with(stream(anthropic_stream("hello", "end_turn")))
            .mount(&server)
            .await;
        let response = answer(&anthropic(&format!("{}{base}", server.uri())), "hi").await;
        assert_eq!((response.text.as_str(), response.truncated), ("hello", false));
        assert_eq!(response.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 2 }));
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let whole = json!({
        "model": "m-1", "usage": { "prompt_tokens": 3, "completion_tokens": 2 },
        "choices": [{ "message": { "content": "hello" }, "finish_reason": "length" }],
    });
    let server = always(ResponseTemplate::new(200).set_body_json(whole)).await;
    let (response, shown) = ask(&openai(&server.uri()), &request("hi")).await;
    let response = response.unwrap();
    assert_eq!((response.text.as_str(), response.truncated, shown.as_str()), ("hello", true, "hello"));
    assert_eq!(response.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 2 }));

    let text = |text: &str| json!({ "type": "text", "text": text });
    for (reason, truncated) in [("end_turn", false), ("max_tokens", true)] {
        let whole = json!({
            "type": "message", "model": "m-1", "stop_reason": reason,
            "content": [{ "type": "thinking", "thinking": "hm" }, text("hel"), text("lo")],
            "usage": { "input_tokens": 3, "output_tokens": 2 },
        });
        let server = always(ResponseTemplate::new(200).set_body_json(whole)).await;
        let response = answer(&anthropic(&server.uri()), "hi").await;
        assert_eq!((response.text.as_str(), response.truncated), ("hello", truncated));
    }
}

#[tokio::test]
async fn a_server_that_refuses_an_option_is_asked_without_it_and_remembered() {
    let reply = stream(openai_stream("ok", "stop"));
    let server = refusing("stream_options", "Unknown parameter: 'stream_options'", reply).await;
    let model = openai(&server.uri());
    for _ in 0..2 {
        assert_eq!(answer(&model, "hi").await.text, "ok");
    }
    let options: Vec<bool> = sent(&server).await.iter().map(|body| body.get("stream_options").is_some()).collect();
    assert_eq!(options, [true, false, false]);
}

// Schemas.

fn with_schema(text: &str) -> Request {
    let schema = json!({
        "type": "object", "additionalProperties": false,
        "properties": { "n": { "type": "integer", "minimum": 1 }, "note": { "type": "string" } },
        "required": ["n"],
    });
    Request { schema: Some(schema), ..request(text) }
}

fn with_support(base_url: &str, schema: SchemaSupport) -> HttpModel {
    HttpModel::new([Provider { schema, ..provider(Kind::OpenAi, base_url) }])
}

#[tokio::test]
async fn a_server_that_takes_schemas_is_sent_the_whole_one() {
    let server = always(stream(openai_stream("{\"n\": 1}", "stop"))).await;
    let request = with_schema("count");
    let response = ask(&openai(&server.uri()), &request).await.0.unwrap();
    assert!(response.schema_enforced);
    let body = &sent(&server).await[0];
    assert_eq!(body["response_format"]["type"], "json_schema");
    assert_eq!(Some(&body["response_format"]["json_schema"]["schema"]), request.schema.as_ref());
    let content = body["messages"][0]["content"].as_str().unwrap();
    assert!(content.contains("\"minimum\":1"), "such a server does not tell the model: {content}");
}

#[tokio::test]
async fn a_strict_server_is_sent_the_strict_part_and_its_answer_is_the_one_asked_for() {
    let server = always(stream(openai_stream("{\"n\": 1, \"note\": null}", "stop"))).await;
    let model = with_support(&server.uri(), SchemaSupport::Strict);
    let response = ask(&model, &with_schema("count")).await.0.unwrap();
    assert_eq!((response.text.as_str(), response.schema_enforced), ("{\"n\":1}", true));
    let form = sent(&server).await[0]["response_format"]["json_schema"].clone();
    assert_eq!((form["strict"].as_bool(), &form["schema"]["required"]), (Some(true), &json!(["n", "note"])));
    assert_eq!(form["schema"]["properties"]["n"].get("minimum"), None);
    assert_eq!(sent(&server).await[0]["messages"][0]["content"], "count", "such a provider tells the model");
}

#[tokio::test]
async fn a_server_with_json_mode_is_shown_the_schema() {
    let server = always(stream(openai_stream("{\"n\": 1}", "stop"))).await;
    let model = with_support(&server.uri(), SchemaSupport::JsonMode);
    for _ in 0..2 {
        assert!(!ask(&model, &with_schema("count")).await.0.unwrap().schema_enforced);
    }
    for body in sent(&server).await {
        assert_eq!(body["response_format"], json!({ "type": "json_object" }));
        let content = body["messages"][0]["content"].as_str().unwrap();
        assert!(content.starts_with("count\n") && content.contains("\"minimum\":1"), "{content}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_schemas_is_shown_them_from_then_on() {
    let reply = stream(openai_stream("{\"n\": 1}", "stop"));
    let server = refusing("json_schema", "response_format is not supported by this model", reply).await;
    let model = openai(&server.uri());
    for _ in 0..2 {
        assert!(!ask(&model, &with_schema("count")).await.0.unwrap().schema_enforced);
    }
    let bodies = sent(&server).await;
    let enforced: Vec<bool> = bodies.iter().map(|body| body.get("response_format").is_some()).collect();
    assert_eq!(enforced, [true, false, false]);
    assert!(bodies[2]["messages"][0]["content"].as_str().unwrap().contains("\"minimum\":1"));
}

#[tokio::test]
async fn a_server_that_ignores_a_schema_is_found_out() {
    let server = always(stream(openai_stream("I count one.", "stop"))).await;
    let model = openai(&server.uri());
    for _ in 0..2 {
        assert!(!ask(&model, &with_schema("count")).await.0.unwrap().schema_enforced);
    }
    let asked: Vec<bool> = sent(&server).await.iter().map(|body| body.get("response_format").is_some()).collect();
    assert_eq!(asked, [true, false]);
}

#[tokio::test]
async fn a_server_that_once_obeyed_a_schema_is_trusted_after_a_slip() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(stream(openai_stream("{}", "stop"))).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(stream(openai_stream("oh", "stop"))).mount(&server).await;
    let model = openai(&server.uri());
    let mut enforced = Vec::new();
    for _ in 0..3 {
        enforced.push(ask(&model, &with_schema("count")).await.0.unwrap().schema_enforced);
    }
    assert_eq!(enforced, [true, false, false]);
    assert!(sent(&server).await.iter().all(|body| body.get("response_format").is_some()));
}

// What goes wrong.

#[tokio::test]
async fn failures_have_names_and_the_time_to_wait() {
    let told = |status: u16, message: &str| {
        ResponseTemplate::new(status).set_body_json(json!({ "error": { "message": format!("{message}, key {KEY}") } }))
    };
    for (reply, name, wait) in [
        (told(429, "slow down").insert_header("retry-after", "7"), ErrorName::RateLimit, Some(7)),
        (told(429, "insufficient_quota"), ErrorName::Rejected, None),
        (told(500, "oops"), ErrorName::Overloaded, None),
        (told(529, "busy").insert_header("retry-after", "2"), ErrorName::Overloaded, Some(2)),
        (told(401, "wrong key"), ErrorName::Rejected, None),
        (told(400, "maximum context length"), ErrorName::Rejected, None),
        (ResponseTemplate::new(302).insert_header("location", "/else"), ErrorName::Rejected, None),
    ] {
        let server = always(reply).await;
        for model in [openai(&server.uri()), anthropic(&server.uri())] {
            let error = failure(&model, "hi").await;
            assert_eq!((error.name, error.retry_after), (name, wait.map(Duration::from_secs)), "{error}");
            assert!(error.message.starts_with("`p` answers "), "{error}");
        }
    }
}

#[tokio::test]
async fn a_key_that_a_stream_echoes_is_taken_out() {
    let echo = events(&[said("x"), json!({ "error": { "message": format!("bad key {KEY}"), "code": 401 } })]);
    let error = failure(&openai(&always(stream(echo)).await.uri()), "hi").await;
    assert_eq!(error.name, ErrorName::Rejected);
    assert!(error.message.contains("bad key [key]"), "{error}");
}

#[tokio::test]
async fn streams_that_break_have_names() {
    let overloaded = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    let ping = json!({ "type": "ping" });
    for (kind, body, name) in [
        (Kind::OpenAi, events(&[said("half")]), ErrorName::Network),
        (Kind::OpenAi, events(&[said("half")]) + "data: {\"choices\": [{\"del\n\n", ErrorName::Network),
        (Kind::OpenAi, ": processing\n\n".into(), ErrorName::Network),
        (Kind::OpenAi, String::new(), ErrorName::Network),
        (Kind::OpenAi, events(&[said("half"), ended("error")]), ErrorName::Overloaded),
        (Kind::Anthropic, events(std::slice::from_ref(&ping)), ErrorName::Network),
        (Kind::Anthropic, events(&[ping, overloaded]), ErrorName::Overloaded),
    ] {
        let server = always(stream(body.clone())).await;
        let model = HttpModel::new([provider(kind, &server.uri())]);
        assert_eq!(failure(&model, "hi").await.name, name, "{body}");
    }
}

#[tokio::test]
async fn a_page_is_no_answer() {
    for page in ["<html>please log in</html>", "{\"hello\": \"world\"}"] {
        let server = always(ResponseTemplate::new(200).set_body_raw(page, "text/html")).await;
        let error = failure(&openai(&server.uri()), "hi").await;
        assert_eq!(error.name, ErrorName::Rejected);
        assert!(error.message.contains("is the base URL right?"), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_in_words_is_refused() {
    let said = json!({ "choices": [{ "delta": { "refusal": "I can't help with that" }, "finish_reason": null }] });
    let server = always(stream(events(&[said, ended("stop")]))).await;
    let error = failure(&openai(&server.uri()), "hi").await;
    assert_eq!(error.name, ErrorName::Refused);
    assert!(error.message.contains("I can't help with that"), "{error}");
}

#[tokio::test]
async fn names_that_lead_nowhere_are_rejected() {
    let model = openai("http://127.0.0.1:1");
    for (name, words) in [("gpt", "names no provider"), ("q/m", "configured: `p`"), ("p/", "names no provider")] {
        let error = ask(&model, &Request { model: name.into(), ..request("hi") }).await.0.unwrap_err();
        assert_eq!(error.name, ErrorName::Rejected);
        assert!(error.message.contains(words), "{error}");
    }
    assert_eq!(failure(&openai("not a url"), "hi").await.name, ErrorName::Rejected);
}

#[tokio::test]
async fn a_hosted_provider_without_a_key_is_not_even_asked() {
    let known = KNOWN.iter().find(|known| known.name == "anthropic").expect("is known");
    let model = HttpModel::new([Provider::known(known, &|_| None)]);
    let error = ask(&model, &Request { model: "anthropic/m".into(), ..request("hi") }).await.0.unwrap_err();
    assert_eq!(error.name, ErrorName::Rejected);
    assert!(error.message.contains("set `ANTHROPIC_API_KEY`"), "{error}");
}

// Vectors.

#[tokio::test]
async fn vectors_come_in_the_order_of_the_texts() {
    let server = MockServer::start().await;
    Mock::given(path("/embeddings"))
        .respond_with(|request: &wiremock::Request| {
            let body: Value = serde_json::from_slice(&request.body).expect("JSON is sent");
            let texts = body["input"].as_array().expect("a list of texts");
            let row = |(i, text): (usize, &Value)| json!({ "index": i, "embedding": [text.as_str().unwrap().len()] });
            let rows: Vec<Value> = texts.iter().enumerate().map(row).rev().collect();
            ResponseTemplate::new(200).set_body_json(json!({ "data": rows }))
        })
        .mount(&server)
        .await;
    let texts: Vec<String> = (0..200).map(|n| "x".repeat(n)).collect();
    let vectors = openai(&server.uri()).embed("p/m", &texts).await.unwrap();
    assert_eq!(vectors, (0..200u32).map(|n| vec![f64::from(n)]).collect::<Vec<_>>());
    let server = always(ResponseTemplate::new(200).set_body_json(json!({ "data": [] }))).await;
    assert_eq!(openai(&server.uri()).embed("p/m", &texts).await.unwrap_err().name, ErrorName::Rejected);
}
