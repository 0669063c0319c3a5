//! Planned faults of REST calls, and the journal of calls.

use std::time::Duration;

use sandbox::rocketchat::{Options, RestFault, RocketChat};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::wire::{Office, Rest, SOON};

fn message(office: &Office, id: &str) -> Value {
    json!({ "message": { "_id": id, "rid": office.ops.id, "msg": "Alert sent." } })
}

#[tokio::test]
async fn an_injected_answer_replaces_the_call() {
    let office = Office::open().await;
    let (chat, rest) = (&office.chat, Rest::of(&office.chat, &office.bot));
    chat.faults().rest_next("chat.sendMessage", 1, RestFault::status(503));
    let failed = rest.post("chat.sendMessage", message(&office, "a")).await;
    assert_eq!((failed.status, &failed.body["success"]), (503, &json!(false)));
    chat.faults().rest_next("chat.sendMessage", 1, RestFault::bad_gateway());
    let failed = rest.post("chat.sendMessage", message(&office, "a")).await;
    assert_eq!((failed.status, failed.header("content-type")), (502, "text/html"));
    assert!(failed.body.as_str().unwrap().contains("nginx"));
    chat.faults().rest_next("me", 1, RestFault::plain_unauthorized());
    let failed = rest.get("me", &[]).await;
    assert_eq!((failed.status, failed.body), (401, json!("You must be logged in to do this.")));
    assert!(chat.messages(&office.ops).is_empty());
    assert_eq!(rest.post("chat.sendMessage", message(&office, "a")).await.status, 200);
}

#[tokio::test]
async fn too_many_requests_names_the_reset_in_milliseconds_by_the_servers_clock() {
    let office = Office::open().await;
    let (chat, rest) = (&office.chat, Rest::of(&office.chat, &office.bot));
    chat.clock_forward(Duration::from_secs(3600));
    let reset_in = Duration::from_millis(2500);
    chat.faults().rest_next("chat.sendMessage", 1, RestFault::TooManyRequests { reset_in });
    let before = chat.now();
    let refused = rest.post("chat.sendMessage", message(&office, "a")).await;
    let reset: i64 = refused.header("x-ratelimit-reset").parse().unwrap();
    assert!((before + 2500..=chat.now() + 2500).contains(&reset), "{reset}");
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (429, "0"));
    assert_eq!(
        refused.body["error"],
        "Error, too many requests. Please slow down. You must wait 3 seconds before trying this endpoint again. \
         [error-too-many-requests]"
    );
    assert!(chat.messages(&office.ops).is_empty());
}

#[tokio::test]
async fn no_answer_leaves_the_call_undone_and_the_caller_waiting() {
    let office = Office::open().await;
    let (chat, rest) = (&office.chat, Rest::of(&office.chat, &office.bot));
    chat.faults().rest_next("chat.sendMessage", 1, RestFault::NoAnswer);
    let request = rest.posting("chat.sendMessage", message(&office, "a")).timeout(Duration::from_millis(300));
    assert!(rest.try_send(request).await.unwrap_err().is_timeout());
    assert!(chat.messages(&office.ops).is_empty());
    assert_eq!(chat.calls_of("chat.sendMessage")[0].status, None);
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_carried_out() {
    let office = Office::open().await;
    let (chat, rest) = (&office.chat, Rest::of(&office.chat, &office.bot));
    chat.faults().rest_next("chat.sendMessage", 1, RestFault::LostAnswer);
    let lost = rest.try_send(rest.posting("chat.sendMessage", message(&office, "a"))).await.unwrap_err();
    assert!(!lost.is_timeout(), "{lost}");
    assert!(chat.message("a").is_some());
    let again = rest.post("chat.sendMessage", message(&office, "a")).await;
    assert_eq!(again.status, 400, "the retry meets the message that is there");
    assert_eq!(chat.messages(&office.ops).len(), 1);
}

#[tokio::test]
async fn a_cut_call_is_not_carried_out() {
    let office = Office::open().await;
    let (chat, rest) = (&office.chat, Rest::of(&office.chat, &office.bot));
    chat.faults().rest_next("chat.sendMessage", 1, RestFault::Cut);
    let cut = rest.try_send(rest.posting("chat.sendMessage", message(&office, "a"))).await.unwrap_err();
    assert!(!cut.is_timeout(), "{cut}");
    assert!(chat.messages(&office.ops).is_empty());
}

#[tokio::test]
async fn a_slow_call_is_carried_out_at_once_and_answered_later() {
    let office = Office::open().await;
    let (chat, rest) = (office.chat.clone(), Rest::of(&office.chat, &office.bot));
    chat.faults().rest_next("chat.sendMessage", 1, RestFault::Slow(Duration::from_millis(300)));
    let sent = Instant::now();
    let answer = rest.post("chat.sendMessage", message(&office, "a"));
    let arrived = async {
        chat.wait_for(SOON, |chat| chat.message("a")).await.unwrap();
        chat.calls_of("chat.sendMessage")[0].status
    };
    let (answer, status_then) = tokio::join!(answer, arrived);
    assert_eq!((answer.status, status_then), (200, None));
    assert!(sent.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_plan_holds_for_its_route_and_count_and_the_star_for_every_route() {
    let office = Office::open().await;
    let (chat, rest) = (&office.chat, Rest::of(&office.chat, &office.bot));
    let faults = chat.faults();
    faults.rest_next("me", 2, RestFault::status(500));
    let mut statuses = Vec::new();
    for route in ["me", "rooms.get", "me", "me"] {
        statuses.push(rest.get(route, &[]).await.status);
    }
    assert_eq!(statuses, [500, 200, 500, 200]);
    faults.rest_always("*", RestFault::status(502));
    for route in ["me", "rooms.get", "no.such"] {
        assert_eq!(rest.get(route, &[]).await.status, 502);
    }
    faults.clear_rest();
    assert_eq!(rest.get("me", &[]).await.status, 200);
}

#[tokio::test]
async fn plans_are_used_oldest_first() {
    let office = Office::open().await;
    let rest = Rest::of(&office.chat, &office.bot);
    office.chat.faults().rest_next("me", 1, RestFault::status(500));
    office.chat.faults().rest_next("*", 1, RestFault::status(502));
    assert_eq!(rest.get("me", &[]).await.status, 500);
    assert_eq!(rest.get("me", &[]).await.status, 502);
}

#[tokio::test]
async fn every_call_is_recorded_with_its_user_and_outcome() {
    let office = Office::open().await;
    let (chat, rest) = (&office.chat, Rest::of(&office.chat, &office.bot));
    let before = chat.now();
    rest.post("chat.sendMessage", message(&office, "a")).await;
    rest.post("chat.sendMessage", message(&office, "a")).await;
    Rest::nobody(chat).get("me", &[]).await;
    rest.get("no.such.route", &[]).await;
    let made: Vec<_> =
        chat.calls().into_iter().map(|call| (call.method, call.route, call.user, call.status)).collect();
    let bot = Some(office.bot.id.clone());
    let call = |method: &str, route: &str, user: &Option<String>, status| {
        (method.to_owned(), route.to_owned(), user.clone(), Some(status))
    };
    assert_eq!(
        made,
        [
            call("POST", "chat.sendMessage", &bot, 200),
            call("POST", "chat.sendMessage", &bot, 400),
            call("GET", "me", &None, 401),
            call("GET", "no.such.route", &bot, 404),
        ]
    );
    assert_eq!(chat.calls_of("chat.sendMessage").len(), 2);
    assert!(chat.calls().iter().all(|call| (before..=chat.now()).contains(&call.at)));
}

#[tokio::test]
async fn a_waiter_is_woken_by_a_call() {
    let chat =
        RocketChat::start_with(Options { prefix: "/chat".into(), ..Options::default() }).await.unwrap();
    let waiting = chat.clone();
    let asked = tokio::spawn(async move {
        waiting
            .wait_for(SOON, |chat| {
                chat.calls_of("info").first().cloned().filter(|call| call.status.is_some())
            })
            .await
    });
    Rest::nobody(&chat).get("info", &[]).await;
    assert_eq!(asked.await.unwrap().unwrap().status, Some(200));
}
