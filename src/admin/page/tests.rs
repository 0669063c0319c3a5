//! What the page shows, and what it never contains.

use jiff::{Timestamp, ToSpan};
use regex::Regex;

use super::{count, page as render, sections, time_ago};
use crate::{
    admin::{
        status::{Status, Stored},
        timeline::{AlertTimeline, Step, Tone},
    },
    health::{Readiness, State, Warning, WatchedBy, WatchedRoom},
    logging::Line,
    store::{Callbacks, InboxDepth, Queue, QueueDepth},
};
use rocketchat::{
    Room, RoomId, RoomKind,
    realtime::{ConnectionState, LostReason},
};

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + 400_000.hours()
}

/// A bot in trouble whose every text is this one.
fn troubled(text: &str) -> Status {
    let own = || text.to_owned();
    let step = Step { at: now(), tone: Tone::Bad, what: own(), detail: Some(own()) };
    let depth = QueueDepth {
        queue: Queue::new(text),
        waiting: 3,
        oldest: now(),
        attempts: 2,
        last_error: Some(own()),
    };
    let room = Room::new(RoomId::new(text), Some(own()), RoomKind::Channel);
    Status {
        taken_at: now(),
        started_at: now(),
        server: "https://chat.example.com/".into(),
        user: Some(own()),
        readiness: Readiness {
            ready: false,
            state: State::Down,
            missing: vec![own()],
            warnings: vec![Warning { what: own(), since: Some(now()) }],
            active: None,
        },
        connection: ConnectionState::Waiting { reason: LostReason::Network(own()), retry_at: now() },
        offline_since: Some(now()),
        watched: vec![WatchedBy {
            trigger: own(),
            team: own(),
            rooms: vec![WatchedRoom { room, joined: false }],
            unfound: vec![own()],
        }],
        stored: Ok(Stored {
            waiting: vec![(own(), depth)],
            inbox: InboxDepth { waiting: 1, oldest: Some(now()) },
            callbacks: Callbacks { sent: 3, first_sent: Some(now()), last_event: None },
            alerts: vec![AlertTimeline {
                id: own(),
                trigger: own(),
                room: own(),
                link: "https://chat.example.com/channel/x?msg=m1".into(),
                queued_at: now(),
                state: "not sent",
                tone: Tone::Bad,
                steps: vec![step],
            }],
        }),
        log: vec![Line { at: now(), is_error: true, message: own(), fields: own(), times: 7 }],
    }
}

fn ready() -> Readiness {
    Readiness { ready: true, state: State::Ready, missing: vec![], warnings: vec![], active: None }
}

/// A healthy bot with nothing to do.
fn idle() -> Status {
    Status {
        readiness: ready(),
        connection: ConnectionState::Online { since: now() },
        offline_since: None,
        stored: Ok(Stored {
            waiting: vec![],
            inbox: InboxDepth::default(),
            callbacks: Callbacks::default(),
            alerts: vec![],
        }),
        log: vec![],
        ..troubled("fine")
    }
}

fn page(status: &Status) -> String {
    render(status).into_string()
}

fn section(status: &Status, name: &str) -> String {
    let found = sections(status).into_iter().find(|(section, _)| *section == name);
    found.unwrap().1.into_string()
}

#[test]
fn markup_in_a_name_or_a_reason_is_escaped() {
    let evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;";
    let html = page(&troubled(evil));
    assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
    assert!(html.contains("&quot;'&gt;&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
    // In an attribute too.
    assert!(html.contains("data-key=\"queue-&quot;'&gt;"), "{html}");
}

#[test]
fn the_page_has_no_inline_script_or_style_and_loads_nothing_from_other_hosts() {
    let html = page(&troubled("x"));
    assert_eq!(html.matches("<script").count(), 1);
    assert!(html.contains("<script type=\"module\" src=\"status.js\"></script>"));
    assert!(!Regex::new("<style|<[^>]* (style|on[a-z]+)=").unwrap().is_match(&html), "{html}");
    for source in html.split(" src=\"").skip(1).chain(html.split("<link ").skip(1)) {
        let source = source.split('>').next().unwrap();
        assert!(!source.contains("//"), "{source}");
    }
}

#[test]
fn a_bot_in_trouble_says_what_is_missing_what_waits_and_why() {
    let status = troubled("the reason");
    let html = page(&status);
    assert!(html.contains("<title>NOT READY – signl4-rocketchat</title>"), "{html}");
    for words in [
        "not connected",
        "Offline since",
        "Next attempt",
        "tried 2 times",
        "1 step, the last: ",
        "not a member, cannot reply",
    ] {
        assert!(html.contains(words), "{words}");
    }
    assert!(section(&status, "readiness").contains("<li>the reason</li>"));
    assert!(
        section(&status, "overview").contains("<p class=\"number\" data-tone=\"bad\">4</p>"),
        "3 deliveries, 1 event"
    );
    assert!(section(&status, "outbox").contains("1 event from SIGNL4 not processed yet"));
    assert!(section(&status, "log").contains("×7"));
    assert!(section(&status, "alerts").contains("href=\"https://chat.example.com/channel/x?msg=m1\""));
}

#[test]
fn what_waits_without_an_error_was_not_necessarily_never_tried() {
    for (attempts, why) in
        [(0, "not tried yet"), (1, "being sent, or its rate limit is reached<span class=\"sub\">tried once")]
    {
        let depth =
            QueueDepth { queue: Queue::new("signl4"), waiting: 1, oldest: now(), attempts, last_error: None };
        let mut status = idle();
        status.stored.as_mut().unwrap().waiting = vec![("SIGNL4".into(), depth)];
        let outbox = section(&status, "outbox");
        assert!(outbox.contains(&format!("Why\">{why}")), "{outbox}");
        assert_eq!(outbox.contains("not tried yet"), attempts == 0, "{outbox}");
    }
}

#[test]
fn a_healthy_bot_says_so() {
    let html = page(&idle());
    for words in [
        "<title>Ready",
        "online",
        "every room the bot is in",
        "Everything is delivered.",
        "None since the start.",
    ] {
        assert!(html.contains(words), "{words}");
    }
}

#[test]
fn after_failed_deliveries_the_page_does_not_claim_that_alerts_are_sent() {
    let status = Status { readiness: ready(), ..troubled("the reason") };
    let banner = section(&status, "readiness");
    assert!(banner.contains("see the outbox") && !banner.contains("alerts get out"), "{banner}");
    assert!(section(&idle(), "readiness").contains("alerts get out"));
}

#[test]
fn a_store_that_does_not_answer_is_reported_and_nothing_is_invented() {
    let status = Status { stored: Err("the store does not answer".into()), ..idle() };
    assert!(section(&status, "overview").contains("the store does not answer"));
    assert!(!page(&status).contains("Everything is delivered."));
    assert!(!section(&status, "alerts").contains("No alerts"));
}

#[test]
fn an_unchanged_section_renders_to_the_same_text() {
    let later = Status { taken_at: now() + 1.hour(), ..idle() };
    for (one, other) in sections(&idle()).into_iter().zip(sections(&later)) {
        assert_eq!(one.1.into_string(), other.1.into_string(), "{}", one.0);
    }
}

#[test]
fn of_very_many_rooms_some_are_listed_and_the_others_counted() {
    let watched = |number: usize| {
        let room = Room::new(RoomId::new("r"), Some(format!("room-{number}")), RoomKind::Channel);
        WatchedRoom { room, joined: true }
    };
    let mut status = idle();
    status.watched[0].rooms = (0..1_000).map(watched).collect();
    let rooms = section(&status, "rooms");
    assert!(rooms.contains("#room-59<") && !rooms.contains("#room-60<"), "{rooms}");
    assert!(rooms.contains("and 940 more"));
}

#[test]
fn numbers_agree_with_their_nouns() {
    assert_eq!([0, 1, 2].map(|number| count(number, "alert")), ["0 alerts", "1 alert", "2 alerts"]);
}

#[test]
fn a_time_is_the_same_for_people_and_machines() {
    let at = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
    assert_eq!(
        time_ago(at).into_string(),
        "<time class=\"ago\" datetime=\"2023-11-14T22:13:20Z\">2023-11-14 22:13:20 UTC</time>"
    );
}

#[test]
fn a_tile_says_when_signl4_called_back_and_that_it_never_did() {
    assert!(section(&troubled("x"), "overview").contains("although SIGNL4 accepted 3 alerts"));
    let mut status = idle();
    let called = Callbacks { last_event: Some(now()), ..Callbacks::default() };
    status.stored = status.stored.map(|stored| Stored { callbacks: called, ..stored });
    assert!(section(&status, "overview").contains("the last <time"));
}
