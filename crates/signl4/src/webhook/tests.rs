use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, body_json, header, method, path},
};

use super::*;

const SECRET: &str = "s3cr3t-of-the-team";

fn client() -> WebhookClient {
    client_with(reqwest::Client::builder())
}

fn client_with(http: reqwest::ClientBuilder) -> WebhookClient {
    // Another test may have done so before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    WebhookClient::new(http.no_proxy()).unwrap()
}

fn url_at(origin: &str) -> WebhookUrl {
    WebhookUrl::parse(&format!("{origin}/webhook/{SECRET}")).unwrap()
}

async fn raise(answer: ResponseTemplate) -> Result<Option<EventId>, RaiseError> {
    Ok(raised(answer).await?.event_id)
}

async fn raised(answer: ResponseTemplate) -> Result<Raised, RaiseError> {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(format!("/webhook/{SECRET}")))
        .and(header("content-type", "application/json"))
        .and(body_json(json!({"title": "t"})))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;
    client().raise(&url_at(&server.uri()), &json!({"title": "t"})).await
}

async fn refused(answer: ResponseTemplate) -> RaiseError {
    let error = raise(answer).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    error
}

/// The error of a call to a server that does this with the connection.
async fn raise_at<F>(http: reqwest::ClientBuilder, serve: impl FnOnce(TcpStream) -> F) -> RaiseError
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url_at(&format!("http://{}", listener.local_addr().unwrap()));
    let client = client_with(http);
    let event = json!({"title": "t"});
    let (outcome, stream) = tokio::join!(client.raise(&url, &event), async {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await;
    });
    let () = stream;
    let error = outcome.unwrap_err();
    assert!(!error.to_string().contains(SECRET), "{error}");
    error
}

fn closed_port() -> WebhookUrl {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    url_at(&format!("http://{}", socket.local_addr().unwrap()))
}

async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0);
        request.extend_from_slice(&chunk[..read]);
    }
}

#[tokio::test]
async fn any_2xx_is_received_and_its_event_id_is_kept() {
    let body = json!({"eventId": "2518088743722201372_4ee5617b"});
    for status in [200, 201, 202] {
        let id = raise(ResponseTemplate::new(status).set_body_json(&body)).await.unwrap();
        assert_eq!(id.unwrap().as_str(), "2518088743722201372_4ee5617b");
    }
}

#[tokio::test]
async fn an_unreadable_answer_to_an_accepted_event_is_no_failure() {
    let huge = format!(r#"{{"eventId":"{}"}}"#, "x".repeat(MAX_ANSWER));
    for body in ["", "OK", "[]", "{}", r#"{"eventId":[]}"#, r#"{"eventId":" "}"#, "<result/>", &huge] {
        assert_eq!(raise(ResponseTemplate::new(201).set_body_string(body)).await, Ok(None));
    }
    assert_eq!(raise(ResponseTemplate::new(204)).await, Ok(None));
}

#[tokio::test]
async fn the_event_id_is_read_in_any_letter_case_and_encoding() {
    let utf_16: Vec<u8> = "{\"eventId\":\"e1\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, br#"{"eventId":"e1"}"#).unwrap();
    for body in [
        br#"{"EventId":"e1"}"#.to_vec(),
        br#"{"eventid":" e1\n","note":"\ud83d"}"#.to_vec(),
        "\u{FEFF}{\"eventId\":\"e1\"}".into(),
        utf_16,
        gzip.finish().unwrap(),
    ] {
        let answer = ResponseTemplate::new(200).set_body_raw(body, "text/html");
        assert_eq!(raise(answer).await, Ok(Some(EventId::new("e1"))));
    }
}

#[tokio::test]
async fn a_web_page_is_not_signl4_and_raised_nothing() {
    let page = |body: &str| ResponseTemplate::new(200).set_body_string(body);
    let big = format!("<!-- {} -->", "x".repeat(MAX_ANSWER));
    let in_utf_16: Vec<u8> = "\u{FEFF}<html>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for answer in [
        ResponseTemplate::new(200).set_body_raw("", "text/html; charset=utf-8"),
        ResponseTemplate::new(201).set_body_raw("Welcome", "application/xhtml+xml"),
        page("<!DOCTYPE html><title>Please log in</title>"),
        page("\r\n <HTML lang=en>"),
        page("\u{FEFF}<head>"),
        page(&big),
        ResponseTemplate::new(200).set_body_raw(in_utf_16, "application/json"),
    ] {
        let error = raise(answer.clone()).await.unwrap_err();
        assert!(
            matches!(&error, RaiseError::NotRaised(reason) if reason.contains("web page (20")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_accepted_event_whose_answer_breaks_off_is_no_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url_at(&format!("http://{}", listener.local_addr().unwrap()));
    let (client, event) = (client(), json!({"title": "t"}));
    let (outcome, ()) = tokio::join!(client.raise(&url, &event), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 60\r\n\r\n{\"eventId\":\"25")
            .await
            .unwrap();
    });
    assert_eq!(outcome.map(|raised| raised.event_id), Ok(None));
}

#[tokio::test]
async fn the_last_call_that_the_limits_allow_says_when_they_are_lifted() {
    let answer_within = |limit: &str, remaining: &str, seconds| {
        let reset = (Timestamp::now() + SignedDuration::from_secs(seconds)).as_second();
        ResponseTemplate::new(201)
            .set_body_json(json!({"eventId": "e1"}))
            .insert_header("X-RateLimit-Limit", limit)
            .insert_header("X-RateLimit-Remaining", remaining)
            .insert_header("X-RateLimit-Reset", reset.to_string())
    };
    let answer = |remaining: &str, seconds| answer_within("150", remaining, seconds);
    let pause = async |answer| Some(raised(answer).await.unwrap().pause?.as_secs_f64());
    for remaining in ["1", "149", "", "none", "-1"] {
        assert_eq!(pause(answer(remaining, 9)).await, None, "{remaining}");
    }
    assert_eq!(pause(answer_within("0", "0", 9)).await, None, "no limit");
    let wait = pause(answer("0", 9)).await.unwrap();
    assert!((6.0..=10.0).contains(&wait), "{wait}");
    let endless = pause(answer("0", 3_000)).await.unwrap();
    assert!(endless <= 60.0, "{endless}: a 429 is about an hour");
}

#[tokio::test]
async fn a_bad_body_or_secret_is_rejected_for_good_and_says_which() {
    for (status, words) in
        [(400, "invalid"), (404, "secret is wrong"), (405, "405"), (413, "413"), (422, "422")]
    {
        let error = refused(ResponseTemplate::new(status)).await;
        let RaiseError::Rejected(reason) = error else { panic!("{status}: {error:?}") };
        assert!(reason.contains(words), "{status}: {reason}");
    }
    let reported =
        ResponseTemplate::new(400).set_body_json(json!({"message": "Body is empty. ".repeat(100)}));
    let RaiseError::Rejected(reason) = refused(reported).await else { panic!() };
    assert!(reason.contains("Body is empty") && reason.len() < 300, "{reason}");
}

#[tokio::test]
async fn an_answer_that_excludes_an_alert_is_distinguished_from_an_ambiguous_one() {
    for status in [500, 504, 520, 599] {
        let error = refused(ResponseTemplate::new(status)).await;
        assert!(matches!(error, RaiseError::Unanswered(_)), "{status}: {error:?}");
    }
    for status in [502, 503, 302, 307, 401, 403, 407, 408, 425] {
        let error = refused(ResponseTemplate::new(status)).await;
        assert!(matches!(error, RaiseError::NotRaised(_)), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn a_web_page_with_an_error_is_of_a_gateway_unless_the_call_is_too_large_or_too_early() {
    let page =
        |status| ResponseTemplate::new(status).set_body_raw("<html>404 Web Site not found", "text/html");
    for status in [400, 404, 405, 418, 421, 451] {
        let error = refused(page(status)).await;
        let RaiseError::NotRaised(reason) = &error else { panic!("{status}: {error:?}") };
        assert!(reason.contains("gateway") && reason.contains(&status.to_string()), "{reason}");
    }
    assert!(matches!(refused(page(413)).await, RaiseError::Rejected(_)));
    assert!(matches!(refused(page(429)).await, RaiseError::Throttled(_)));
    assert!(matches!(refused(page(504)).await, RaiseError::Unanswered(_)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(201)).expect(0).mount(&elsewhere).await;
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/webhook/{SECRET}", elsewhere.uri());
        let error = refused(ResponseTemplate::new(status).insert_header("Location", to)).await;
        assert!(error.to_string().contains("redirects"), "{error}");
    }
}

#[tokio::test]
async fn throttling_waits_as_long_as_the_answer_says() {
    let before = Timestamp::now();
    let reset = before.as_second() + 40;
    let answer = ResponseTemplate::new(429).insert_header("X-RateLimit-Reset", reset.to_string());
    let RaiseError::Throttled(wait) = refused(answer).await else { panic!() };
    let wait = wait.as_secs();
    // The answer's Date has whole seconds, and the call takes its time.
    assert!((38..=60).contains(&wait), "{wait} s");
}

#[tokio::test]
async fn an_unreachable_server_cannot_have_raised_an_alert() {
    let error = client().raise(&closed_port(), &json!({})).await.unwrap_err();
    let RaiseError::NotRaised(reason) = error else { panic!("{error:?}") };
    assert!(reason.contains("cannot be reached"), "{reason}");
    assert!(!reason.contains(SECRET), "{reason}");
}

#[tokio::test]
async fn a_server_that_fails_at_tls_cannot_have_raised_an_alert() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url_at(&format!("https://{}", listener.local_addr().unwrap()));
    let (client, event) = (client(), json!({}));
    let (outcome, ()) = tokio::join!(client.raise(&url, &event), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let error = outcome.unwrap_err();
    assert!(matches!(error, RaiseError::NotRaised(_)), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_leaves_open_whether_an_alert_was_raised() {
    let error = raise_at(reqwest::Client::builder(), |mut stream| async move {
        read_request(&mut stream).await;
    })
    .await;
    assert!(matches!(error, RaiseError::Unanswered(_)), "{error:?}");

    let error = raise_at(reqwest::Client::builder(), |mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"SSH-2.0-OpenSSH\r\n").await.unwrap();
    })
    .await;
    assert!(matches!(error, RaiseError::Unanswered(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_leaves_open_whether_an_alert_was_raised() {
    let error = raise_at(reqwest::Client::builder(), |mut stream| async move {
        read_request(&mut stream).await;
        // From here on nothing but the clock moves.
        tokio::time::pause();
        tokio::time::sleep(CALL_TIMEOUT * 2).await;
    })
    .await;
    let RaiseError::Unanswered(reason) = error else { panic!("{error:?}") };
    assert!(reason.contains("in time"), "{reason}");
}

#[tokio::test]
async fn each_failed_call_is_reported_to_the_hook() {
    let codes = Arc::new(Mutex::new(Vec::new()));
    let hook = Arc::clone(&codes);
    let client = client().on_http_error(move |code| hook.lock().unwrap().push(code.to_owned()));
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(503)).mount(&server).await;
    for url in [url_at(&server.uri()), closed_port()] {
        client.raise(&url, &json!({})).await.unwrap_err();
    }
    assert_eq!(*codes.lock().unwrap(), ["503", "connect"]);
}

#[tokio::test]
async fn probing_pages_nobody_and_does_not_reveal_the_secret() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/"))
        .respond_with(ResponseTemplate::new(404))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(client().reach(&url_at(&server.uri())).await, Ok(()));
    let gone = server.uri();
    drop(server);
    // Another test may use the port meanwhile and answer; it never receives the secret.
    if let Err(reason) = client().reach(&url_at(&gone)).await {
        assert!(!reason.contains(SECRET), "{reason}");
    }
}

#[test]
fn the_time_of_a_429_is_read_by_the_servers_clock_and_kept_sane() {
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let wait = |headers: &[(&'static str, &str)]| {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        pause_of(&headers, now).as_secs()
    };
    assert_eq!(wait(&[("x-ratelimit-reset", "1700000020")]), 20);
    // The server's clock is an hour ahead of ours.
    let ahead = [("x-ratelimit-reset", "1700003620"), ("date", "Tue, 14 Nov 2023 23:13:20 GMT")];
    assert_eq!(wait(&ahead), 20);
    assert_eq!(wait(&[("x-ratelimit-reset", "1699999990")]), 1, "over already");
    assert_eq!(wait(&[("x-ratelimit-reset", "1800000000")]), 3600, "absurd");
    assert_eq!(wait(&[("x-ratelimit-reset", "1700000020000")]), 15, "milliseconds");
    assert_eq!(wait(&[("x-ratelimit-reset", "soon"), ("retry-after", "7")]), 7);
    assert_eq!(wait(&[]), 15);
}

#[test]
fn a_webhook_url_needs_its_secret_and_never_shows_it() {
    let url = WebhookUrl::parse(&format!(" https://connect.signl4.com/webhook/{SECRET}\n")).unwrap();
    assert_eq!(url.host(), "connect.signl4.com");
    assert!(!format!("{url:?}").contains(SECRET));
    for wrong in [
        "connect.signl4.com/webhook/x",
        "ftp://connect.signl4.com/webhook/x",
        "https://connect.signl4.com/webhook/",
        "https://connect.signl4.com/webhook",
        "https://connect.signl4.com/webhook/{team-secret}",
        "https://connect.signl4.com",
    ] {
        assert!(WebhookUrl::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_slash_after_the_secret_does_not_matter() {
    let parse = |text: &str| WebhookUrl::parse(&format!("https://connect.signl4.com/webhook/{text}"));
    for query in ["", "?ExtIDParam=id/"] {
        let url = parse(&format!("m5xk3qv7ty//{query}")).unwrap();
        assert_eq!(url, parse(&format!("m5xk3qv7ty{query}")).unwrap());
        assert_eq!((url.doubt(), url.redacted("m5xk3qv7ty")), (None, "…".to_owned()));
    }
    assert!(parse("{team-secret}/").unwrap_err().to_string().contains("placeholder"));
}

#[test]
fn text_that_is_no_webhook_url_is_refused_with_the_reason() {
    for (text, reported) in [
        ("m5xk3qv7ty@mail.signl4.com", "e-mail"),
        ("m5xk3qv7ty", "API key"),
        ("aGVsbG8gd29ybGQ_-gd29ybGQ=", "API key"),
        ("https://connect.signl4.com/webhook/", "no team secret"),
        ("https://connect.signl4.com/webhook/{team-secret}", "placeholder"),
        ("https://connect.signl4.com/webhook/<team secret>", "placeholder"),
        ("https://connect.signl4.com/webhook/…", "placeholder"),
        ("https://connect.signl4.com/webhook/m5xk3 qv7ty", "a space"),
    ] {
        let error = WebhookUrl::parse(text).unwrap_err().to_string();
        assert!(error.contains(reported) && !error.contains("m5xk3"), "{text}: {error}");
    }
}

#[test]
fn a_url_that_may_not_be_a_teams_webhook_is_doubted_and_a_real_one_is_not() {
    let doubt = |url: &str| WebhookUrl::parse(url).unwrap().doubt();
    for secret in ["m5xk3qv7", "0f9a8b7c6d5e4f3a", "Abc-DEF_0123", "acf80142-2f2d-4503-88d7-f7d05b46744f"] {
        for host in ["connect", "devconnect"] {
            let url = format!("https://{host}.signl4.com/webhook/{secret}");
            assert_eq!(doubt(&url), None, "{url}");
            assert_eq!(doubt(&format!("{url}?ExtIDParam=id&ResolvedStatus=Up")), None);
        }
    }
    for (url, expected) in [
        ("https://connect.signl4.com.example/webhook/m5xk3qv7ty", Doubt::OtherHost),
        ("https://notsignl4.com/webhook/m5xk3qv7ty", Doubt::OtherHost),
        ("https://account.signl4.com/manage/Integrations", Doubt::Website),
        ("https://docs.signl4.com/integrations/webhook/webhook.html", Doubt::Website),
        ("https://connect.signl4.com/webhook/docs/index.html", Doubt::Website),
        ("https://connect.signl4.com/api/v2/events/m5xk3qv7ty", Doubt::Api),
        ("https://connect.signl4.com/webhook/m5xk3/qv7ty", Doubt::Path),
        ("https://connect.signl4.com/m5xk3qv7ty", Doubt::Path),
        ("https://connect.signl4.com/webhook/abc", Doubt::Secret),
        ("https://connect.signl4.com/webhook/team-secret", Doubt::Secret),
        ("https://connect.signl4.com/webhook/YOUR_SIGNL4_ID", Doubt::Secret),
        ("https://connect.signl4.com/webhook/abc.def.ghi", Doubt::Secret),
    ] {
        assert_eq!(doubt(url), Some(expected), "{url}");
    }
}

#[tokio::test]
async fn an_answer_that_repeats_the_url_does_not_reveal_the_secret() {
    for status in [400, 405, 410, 422] {
        let words =
            format!("The requested resource '/webhook/{SECRET}' does not support http method 'POST'.");
        let error = refused(ResponseTemplate::new(status).set_body_json(json!({ "message": words }))).await;
        assert!(matches!(&error, RaiseError::Rejected(reason) if reason.contains("/webhook/…")), "{error:?}");
    }
}
