//! What ends a session, and that the next one follows.

use std::time::{Duration, Instant};

use rocketchat::realtime::{ConnectionState, LostReason, Realtime, RealtimeEvent, Timing};
use sandbox::rocketchat::{Heartbeat, Options, Refusal, RestFault};
use serde_json::json;

use crate::listener::{Harness, Listener, SOON, timing, until};

#[tokio::test]
async fn after_a_restart_of_the_server_the_session_has_the_next_number() {
    let harness = Harness::new().await;
    let mut listener = harness.online().await;
    harness.chat.stop().await;
    listener.lost_for("refused").await;
    listener.state.wait_for(|state| matches!(state, ConnectionState::Waiting { .. })).await.unwrap();
    harness.chat.restart().await.unwrap();
    let session = listener.ready().await;
    assert!(session > 1);
    harness.say("after the restart");
    assert_eq!(listener.message().await.text, "after the restart");
}

#[tokio::test]
async fn subscriptions_refused_by_a_starting_server_are_retried() {
    let harness = Harness::new().await;
    let refusal = Refusal::meteor(404, "Subscription 'stream-room-messages' not found");
    harness.chat.faults().refuse_subscriptions(4, refusal);
    let mut listener = harness.listen();
    assert_eq!(listener.lost().await.0.name(), "nosub");
    listener.ready().await;
}

#[tokio::test]
async fn a_server_that_refuses_to_connect_is_retried() {
    let harness = Harness::new().await;
    harness.chat.faults().set(|switches| switches.refuse_connect = true);
    let mut listener = harness.listen();
    assert_eq!(listener.lost().await.0, LostReason::ConnectFailed);
    harness.chat.faults().clear();
    listener.ready().await;
}

#[tokio::test]
async fn a_server_that_accepts_and_closes_is_retried_with_growing_waits() {
    let harness = Harness::new().await;
    let mut listener = harness.online().await;
    harness.chat.faults().set(|switches| switches.accept_then_close = true);
    harness.chat.faults().cut_connections();
    let mut waits = Vec::new();
    for _ in 0..5 {
        waits.push(listener.lost().await.1);
    }
    // Each wait is drawn from the upper half of its step, and the steps double.
    for (wait, step) in waits.iter().zip([20, 40, 80, 160, 320]) {
        let step = Duration::from_millis(step);
        assert!(*wait >= step / 2 && *wait <= step, "{waits:?}");
    }
    harness.chat.faults().clear();
    listener.ready().await;
    harness.chat.faults().cut_connections();
    let (_, wait) = listener.lost().await;
    assert!(wait >= Duration::from_millis(250), "a session of a moment does not reset the waits: {wait:?}");
}

#[tokio::test]
async fn a_healthy_session_resets_the_waits() {
    let harness = Harness::new().await;
    harness.chat.faults().refuse_subscriptions(4, Refusal::meteor(404, "not found"));
    let always_healthy = Timing { healthy_after: Duration::ZERO, ..timing() };
    let mut listener = Listener::start(&harness, harness.token(), always_healthy, 16);
    listener.ready().await;
    harness.chat.faults().cut_connections();
    let (_, wait) = listener.lost().await;
    assert!(wait <= Duration::from_millis(20), "{wait:?}");
}

#[tokio::test]
async fn a_half_open_connection_is_detected_and_replaced() {
    let harness = Harness::new().await;
    let short =
        Timing { ping_after: Duration::from_millis(500), dead_after: Duration::from_secs(2), ..timing() };
    let mut listener = Listener::start(&harness, harness.token(), short, 1_024);
    listener.ready().await;
    harness.chat.stall_now();
    listener.lost_for("half_open").await;
    listener.ready().await;
    harness.say("on the new one");
    assert_eq!(listener.message().await.text, "on the new one");
}

#[tokio::test]
async fn a_silent_session_that_answers_pings_is_not_half_open() {
    let harness = Harness::new().await;
    let busy = Timing { ping_after: Duration::from_millis(20), dead_after: SOON, ..timing() };
    let mut listener = Listener::start(&harness, harness.token(), busy, 1_024);
    listener.ready().await;
    // Some ten frames are those on the way in, the rest are answers to pings.
    let counts = listener.counts.clone();
    until(|| counts.received() >= 30).await;
    harness.say("still here");
    assert_eq!(listener.message().await.text, "still here");
}

#[tokio::test]
async fn unreadable_frames_are_counted_and_skipped_and_do_not_end_the_session() {
    let harness = Harness::new().await;
    let mut listener = harness.online().await;
    let before = listener.counts.skipped();
    let message = |args| {
        json!({"msg": "changed", "collection": "stream-room-messages", "id": "id",
               "fields": {"eventName": "__my_messages__", "args": args}})
        .to_string()
    };
    let unreadable = [
        "o".to_owned(),
        String::new(),
        r#"a["{}"]"#.to_owned(),
        "[]".to_owned(),
        r#"{"msg":"result"}"#.to_owned(),
        r#"{"msg":"nosub"}"#.to_owned(),
        "[".repeat(50_000),
        message(json!([{"_id": "m", "rid": 7}])),
        message(json!([[null], {"roomParticipant": true}])),
    ];
    let harmless = [
        r#"{"msg":"ready","subs":["77"]}"#,
        r#"{"msg":"nosub","id":"77","error":{"error":404}}"#,
        r#"{"msg":"result","id":"1","error":{"error":403}}"#,
        r#"{"msg":"failed","version":"1"}"#,
        r#"{"msg":"connected","session":"s"}"#,
        r#"{"msg":"from-the-future"}"#,
        r#"{"msg":"error","reason":"Bad request"}"#,
    ];
    for text in unreadable.iter().map(String::as_str).chain(harmless) {
        harness.chat.send_raw_to_all(text);
    }
    harness.say("after the unreadable frames");
    assert_eq!(listener.message().await.text, "after the unreadable frames");
    assert_eq!(listener.counts.skipped() - before, unreadable.len() as u64);
    assert!(listener.state.borrow().is_online());
}

#[tokio::test]
async fn a_slow_receiver_loses_neither_an_event_nor_the_connection() {
    const MESSAGES: usize = 6_000;
    let harness = Harness::new().await;
    // No ping wakes the session: it must continue on its own as soon as there is room.
    let long = Timing { ping_after: SOON * 10, dead_after: SOON * 20, ..timing() };
    let mut listener = Listener::start(&harness, harness.token(), long, 1);
    listener.ready().await;
    for n in 0..MESSAGES {
        harness.say(n.to_string());
    }
    let counts = listener.counts.clone();
    let (mut last, mut still) = (0, 0);
    until(|| {
        let now = counts.received();
        still = if now == last { still + 1 } else { 0 };
        last = now;
        now >= 4_000 && still >= 40
    })
    .await;
    // Each message is a frame, and so is the change of its room.
    assert!(last < 9_000, "no more is read than may wait: {last}");
    for n in 0..MESSAGES {
        assert_eq!(listener.message().await.text, n.to_string());
    }
    harness.say("and one more");
    assert_eq!(listener.message().await.text, "and one more");
}

#[tokio::test]
async fn a_connection_that_is_not_read_for_long_is_kept_alive_by_pings() {
    const MESSAGES: usize = 6_000;
    // Nothing but its pings keeps the server from closing, and only if they come more often than those of a silent connection.
    let heartbeat = Heartbeat { interval: Duration::from_secs(3), timeout: Duration::from_millis(1_500) };
    let harness = Harness::with(Options { heartbeat, ..Options::default() }).await;
    let short = Timing { ping_after: Duration::from_secs(5), dead_after: Duration::from_secs(6), ..timing() };
    let mut listener = Listener::start(&harness, harness.token(), short, 1);
    listener.ready().await;
    for n in 0..MESSAGES {
        harness.say(n.to_string());
    }
    let counts = listener.counts.clone();
    let (mut last, mut since) = (0, Instant::now());
    until(|| {
        if last != counts.received() {
            (last, since) = (counts.received(), Instant::now());
        }
        last >= 4_000 && since.elapsed() > Duration::from_secs(7)
    })
    .await;
    for n in 0..MESSAGES {
        assert_eq!(listener.message().await.text, n.to_string());
    }
    harness.say("and one more");
    assert_eq!(listener.message().await.text, "and one more");
}

#[tokio::test]
async fn a_proxy_that_answers_for_rest_keeps_no_personal_access_token_from_a_session() {
    let page = |status| RestFault::Answer {
        status,
        content_type: "text/html",
        body: "<html><body>No</body></html>".into(),
    };
    for fault in [RestFault::proxy_unauthorized(), RestFault::bad_gateway(), page(401), page(403), page(404)]
    {
        let harness = Harness::new().await;
        harness.chat.faults().rest_always("*", fault);
        let mut listener = harness.listen();
        assert!(matches!(listener.next().await, RealtimeEvent::Ready { .. }), "at the first attempt");
        harness.say("while REST is down");
        assert_eq!(listener.message().await.text, "while REST is down");
    }
}

#[tokio::test]
async fn a_proxy_that_answers_a_password_login_is_not_fatal() {
    let harness = Harness::new().await;
    // A streamer accepts no password.
    harness.chat.faults().set(|switches| switches.streamer = true);
    for fault in [RestFault::proxy_unauthorized(), RestFault::bad_gateway(), RestFault::Cut] {
        harness.chat.faults().rest_next("login", 1, fault);
    }
    let mut listener = Listener::start(&harness, harness.password(), timing(), 16);
    for reason in ["login", "login", "rest"] {
        assert_eq!(listener.lost().await.0.name(), reason);
    }
    listener.ready().await;
}

#[tokio::test]
async fn cancelling_is_no_failure() {
    let harness = Harness::new().await;
    let mut listener = harness.online().await;
    listener.cancel();
    listener.end().await;
    assert_eq!(*listener.state.borrow(), ConnectionState::Stopped);
}

#[tokio::test]
async fn it_stops_if_the_receiver_is_dropped() {
    let harness = Harness::new().await;
    let account = harness.account(harness.token());
    let realtime = Realtime::new(account).with_timing(timing());
    let (sender, receiver) = tokio::sync::mpsc::channel::<RealtimeEvent>(1);
    drop(receiver);
    let run = realtime.run(sender, tokio_util::sync::CancellationToken::new());
    tokio::time::timeout(SOON, run).await.unwrap();
}
