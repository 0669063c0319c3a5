use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn refusal(body: &Value) -> Option<Refusal> {
    read_head(body.to_string().into_bytes()).1.and_then(Refusal::of)
}

fn classified(status: u16, body: Value) -> RestError {
    classify(status, refusal(&body), &HeaderMap::new())
}

#[test]
fn the_code_is_found_wherever_the_server_puts_it() {
    for (body, code) in [
        (
            json!({"success": false, "error": "Too long", "errorType": "error-message-size-exceeded"}),
            "error-message-size-exceeded",
        ),
        (json!({"success": false, "error": "Not allowed [error-not-allowed]"}), "error-not-allowed"),
        (json!({"success": false, "error": "error-message-size-exceeded"}), "error-message-size-exceeded"),
        (json!({"status": "error", "error": "totp-required", "message": "TOTP Required"}), "totp-required"),
        (json!({"status": "error", "error": 403, "message": "User not found"}), "403"),
        (json!({"success": false, "error": "Cannot read properties of undefined"}), ""),
        (json!({"success": false}), ""),
    ] {
        assert_eq!(refusal(&body).unwrap().code, code, "{body}");
    }
}

#[test]
fn statuses_are_classified_by_what_the_caller_does_next() {
    let said = |status: u16, error: &str| classified(status, json!({"success": false, "error": error}));
    assert!(matches!(said(401, "You must be logged in to do this."), RestError::Unauthorized { .. }));
    for status in [401, 403] {
        let error = said(status, "No right [error-unauthorized]");
        assert_eq!(error.code(), Some("error-unauthorized"), "{status}");
    }
    for status in [200, 400, 403, 404] {
        assert!(!said(status, "whatever").is_retryable(), "{status}");
    }
    assert!(matches!(said(429, ""), RestError::RateLimited { .. }));
    let by_code = json!({"success": false, "errorType": "error-too-many-requests"});
    assert!(matches!(classified(400, by_code), RestError::RateLimited { .. }));
}

#[test]
fn the_errors_of_7_and_older_are_recognized() {
    let error = classified(401, json!({"status": "error", "message": "You must be logged in to do this."}));
    assert_eq!(
        error,
        RestError::Unauthorized {
            code: String::new(),
            reason: "You must be logged in to do this. (HTTP 401)".into()
        }
    );
}

#[test]
fn a_proxys_answer_says_nothing_about_account_or_call() {
    for status in [400, 401, 403, 404, 405, 407] {
        for body in [json!(null), json!({}), json!({"message": "Unauthorized"}), json!([])] {
            let error = classified(status, body.clone());
            assert!(matches!(error, RestError::Unavailable { .. }), "{status} {body}: {error:?}");
            // The URL may simply be wrong.
            assert!(error.to_string().contains("another server, or a proxy"), "{error}");
        }
    }
    for status in [200, 408, 500, 502, 503, 504] {
        assert!(classified(status, json!({})).is_retryable(), "{status}");
    }
    assert!(matches!(classified(429, json!({})), RestError::RateLimited { .. }));
    assert!(!classified(413, json!({})).is_retryable(), "the same call is as large the next time");
}

#[test]
fn missing_impersonation_is_distinguished_from_other_refusals() {
    assert!(
        classified(400, json!({"success": false, "error": "Not enough permission"}))
            .is_missing_impersonation()
    );
    assert!(
        !classified(400, json!({"success": false, "error": "error-not-allowed"})).is_missing_impersonation()
    );
}

#[test]
fn the_reset_is_milliseconds_by_the_servers_clock() {
    // Ten minutes ahead of ours, and thirty seconds to wait.
    let headers = headers(&[
        ("date", "Thu, 01 Jan 1970 00:26:40 GMT"),
        ("x-ratelimit-reset", "1630000"),
        ("x-ratelimit-remaining", "0"),
    ]);
    let wait = Duration::from_secs(30);
    assert_eq!(wait_after_refusal(&headers, ""), wait);
    assert_eq!(wait_after_last(&headers), Some(wait));
}

#[test]
fn a_proxys_own_time_is_limited_by_the_end_of_the_servers_window() {
    let at = |s| Timestamp::from_second(s);
    let time = |reset: &str| {
        server_time(&headers(&[("date", "Thu, 01 Jan 1970 00:26:40 GMT"), ("x-ratelimit-reset", reset)]))
    };
    assert_eq!(time("1000000"), at(1_000).ok(), "ten minutes ahead");
    for reset in ["1600000", "1630000", "99999999999", "never", ""] {
        assert_eq!(time(reset), at(1_600).ok(), "{reset}");
    }
    assert_eq!(server_time(&headers(&[("x-ratelimit-reset", "1000000")])), None);
    let in_seconds =
        headers(&[("date", "Fri, 27 Nov 2026 12:00:00 GMT"), ("x-ratelimit-reset", "1795780800")]);
    assert_eq!(server_time(&in_seconds), date(&in_seconds), "of a gateway");
}

#[test]
fn without_a_reset_other_hints_count_and_then_a_minute() {
    let seconds =
        |pairs: &[(&'static str, &str)], reason| wait_after_refusal(&headers(pairs), reason).as_secs();
    let words = "Error, too many requests. You must wait 23 seconds before trying this endpoint again.";
    assert_eq!(seconds(&[], words), 23);
    assert_eq!(seconds(&[("retry-after", "7")], ""), 7);
    assert_eq!(seconds(&[], ""), 60);
    assert_eq!(seconds(&[("x-ratelimit-reset", "5")], ""), 60, "in the past");
    assert_eq!(seconds(&[("x-ratelimit-reset", "99999999999999")], ""), 900, "far off");
    assert_eq!(wait_after_last(&HeaderMap::new()), None);
}

#[test]
fn a_redirect_names_the_host_and_nothing_else() {
    let error = redirected(&headers(&[("location", "https://new.example.com/api/v1/me?token=x")]));
    assert!(error.to_string().contains("https://new.example.com;"), "{error}");
    assert!(!error.to_string().contains("token") && error.is_retryable());
}

/// The outcome of a call to a server that breaks the first connection and answers on the others, and how many there were.
async fn after_a_broken_connection(method: Method) -> (Result<u16, Failure>, usize) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = async {
        for accepted in 1.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4_096]).await.unwrap() > 0);
            if accepted > 1 {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                return accepted;
            }
        }
        unreachable!()
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = send(client.request(method, url));
    tokio::pin!(server);
    tokio::select! {
        outcome = call => (outcome.map(|answer| answer.status().as_u16()).map_err(|error| error.failure), 1),
        accepted = &mut server => (Ok(200), accepted),
    }
}

#[tokio::test]
async fn only_a_call_that_reads_is_repeated_when_its_connection_breaks() {
    assert_eq!(after_a_broken_connection(Method::GET).await, (Ok(200), 2));
    assert_eq!(after_a_broken_connection(Method::POST).await, (Err(Failure::Broken), 1));
}
