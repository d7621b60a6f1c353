//! What went wrong with an attempt, as one of the names of the language.

use super::provider::Provider;
use crate::run::ErrorName;
use crate::run::ports::CallError;
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Most characters of a server's own words in a message.
const SHOWN: usize = 500;

/// Words of a refusal that say that money or a quota is spent: to wait and try again would not help.
const SPENT: [&str; 8] = [
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "enforced_spend_limit",
    "insufficient_credits",
    "insufficient balance",
    "credit balance is too low",
    "perdayperproject",
];

/// Words of a refusal that say that a filter did not let the prompt pass.
const FILTERED: [&str; 3] = ["content_filter", "content_policy_violation", "responsibleaipolicyviolation"];

/// An error of this provider.
pub(super) fn error(provider: &Provider, name: ErrorName, what: &str) -> CallError {
    CallError { name, message: format!("`{}` {what}", provider.name), retry_after: None }
}

/// The server answered with a status that is no success. `header` gives a header by its name.
pub(super) fn of_status(
    provider: &Provider,
    status: u16,
    header: &dyn Fn(&str) -> Option<String>,
    body: &str,
) -> CallError {
    let mut what = format!("answers {status}: {}", words(body));
    if let (401 | 403, None, Some(variable)) = (status, &provider.key, &provider.key_variable) {
        what.push_str(&format!("; no key was sent: set `{variable}`"));
    }
    CallError { retry_after: retry_after(header), ..error(provider, name(status, body), &what) }
}

/// The server put an error in place of the answer, or of the rest of it.
pub(super) fn of_error(provider: &Provider, told: &Value) -> CallError {
    let number = told["code"].as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| *code >= 400);
    let status = number.unwrap_or_else(|| match told["type"].as_str().or(told["code"].as_str()).unwrap_or_default() {
        "rate_limit_error" | "rate_limit_exceeded" | "requests" | "tokens" | "insufficient_quota" => 429,
        "invalid_request_error" | "context_length_exceeded" | "exceed_context_size_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    });
    let body = told.to_string();
    error(provider, name(status, &body), &format!("broke off: {}", words(&body)))
}

fn name(status: u16, body: &str) -> ErrorName {
    let body = body.to_lowercase();
    let says = |list: &[&str]| list.iter().any(|word| body.contains(word));
    match status {
        429 if says(&SPENT) => ErrorName::Rejected,
        429 => ErrorName::RateLimit,
        400 if says(&FILTERED) => ErrorName::Refused,
        408 | 504 | 524 => ErrorName::Timeout,
        // A conflict is another request at work on the same thing: it passes.
        409 => ErrorName::Overloaded,
        501 | 505 => ErrorName::Rejected,
        500.. => ErrorName::Overloaded,
        _ => ErrorName::Rejected,
    }
}

/// The sentence in an error body: providers agree that there is one, not where.
fn words(body: &str) -> String {
    let parsed = serde_json::from_str::<Value>(body).unwrap_or_default();
    let places = ["/error/message", "/message", "/error", "/detail"];
    let found = places.iter().filter_map(|place| parsed.pointer(place)).find(|found| !found.is_null());
    let text = match found {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => body.trim().into(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if text.is_empty() => "(nothing)".into(),
        None => text,
    }
}

/// How long the server asks to wait, in any of the three ways in which servers say it.
fn retry_after(header: &dyn Fn(&str) -> Option<String>) -> Option<Duration> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    if let Some(ms) = header("retry-after-ms").as_deref().and_then(number) {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    let told = header("retry-after")?;
    if let Some(seconds) = number(&told) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    // A date is meant by the server's clock, so it is held against the server's date.
    let until = httpdate::parse_http_date(told.trim()).ok()?;
    let now = header("date").and_then(|date| httpdate::parse_http_date(&date).ok()).unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::provider::KNOWN;
    use serde_json::json;

    fn provider() -> Provider {
        Provider::known(&KNOWN[0], &|_| None)
    }

    fn told(status: u16, body: &str) -> ErrorName {
        of_status(&provider(), status, &|_| None, body).name
    }

    #[test]
    fn statuses_have_names() {
        let coded = |code: &str| json!({ "error": { "message": "no", "code": code } }).to_string();
        for (status, body, name) in [
            (429, coded("rate_limit_exceeded"), ErrorName::RateLimit),
            (429, coded("insufficient_quota"), ErrorName::Rejected),
            (
                429,
                json!({ "error": { "details": { "error_code": "enforced_spend_limit_reached" } } }).to_string(),
                ErrorName::Rejected,
            ),
            (400, coded("context_length_exceeded"), ErrorName::Rejected),
            (400, coded("content_filter"), ErrorName::Refused),
            (401, String::new(), ErrorName::Rejected),
            (402, String::new(), ErrorName::Rejected),
            (403, String::new(), ErrorName::Rejected),
            (404, String::new(), ErrorName::Rejected),
            (413, String::new(), ErrorName::Rejected),
            (422, String::new(), ErrorName::Rejected),
            (307, String::new(), ErrorName::Rejected),
            (408, String::new(), ErrorName::Timeout),
            (504, String::new(), ErrorName::Timeout),
            (409, String::new(), ErrorName::Overloaded),
            (500, String::new(), ErrorName::Overloaded),
            (502, String::new(), ErrorName::Overloaded),
            (503, String::new(), ErrorName::Overloaded),
            (529, String::new(), ErrorName::Overloaded),
        ] {
            assert_eq!(told(status, &body), name, "{status} {body}");
        }
    }

    #[test]
    fn errors_inside_a_stream_have_names_too() {
        for (error, name) in [
            (json!({ "type": "overloaded_error", "message": "Overloaded" }), ErrorName::Overloaded),
            (json!({ "type": "rate_limit_error", "message": "x" }), ErrorName::RateLimit),
            (json!({ "type": "invalid_request_error", "message": "x" }), ErrorName::Rejected),
            (json!({ "type": "server_error", "message": "x" }), ErrorName::Overloaded),
            (json!({ "code": 429, "message": "x" }), ErrorName::RateLimit),
            (json!({ "code": "insufficient_quota", "message": "x" }), ErrorName::Rejected),
            (json!("gone"), ErrorName::Overloaded),
        ] {
            assert_eq!(of_error(&provider(), &error).name, name, "{error}");
        }
    }

    #[test]
    fn the_sentence_is_found_wherever_it_stands() {
        for (body, sentence) in [
            (r#"{"error":{"message":"a b"}}"#, "a b"),
            (r#"{"error":"a b"}"#, "a b"),
            (r#"{"message":"a b"}"#, "a b"),
            (r#"{"detail":[{"loc":["x"]}]}"#, r#"[{"loc":["x"]}]"#),
            (" bad gateway\n", "bad gateway"),
            ("", "(nothing)"),
        ] {
            assert_eq!(words(body), sentence);
        }
        assert_eq!(words(&"é".repeat(600)).chars().count(), SHOWN + 1);
    }

    #[test]
    fn the_time_to_wait_is_read_in_all_its_forms() {
        let read = |headers: &[(&str, &str)]| {
            retry_after(&|name| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_string()))
        };
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(read(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(read(&[("retry-after", "2"), ("retry-after-ms", "1500")]), Some(Duration::from_millis(1500)));
        let date = ("date", "Fri, 20 Nov 2026 10:00:00 GMT");
        assert_eq!(read(&[date, ("retry-after", "Fri, 20 Nov 2026 10:01:30 GMT")]), Some(Duration::from_secs(90)));
        assert_eq!(read(&[date, ("retry-after", "Fri, 20 Nov 2026 09:00:00 GMT")]), Some(Duration::ZERO));
        for nonsense in ["-3", "soon", "inf", "NaN"] {
            assert_eq!(read(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = of_status(&provider(), 401, &|_| None, "{}");
        assert!(error.message.contains("`openai` answers 401") && error.message.contains("set `OPENAI_API_KEY`"));
    }
}
