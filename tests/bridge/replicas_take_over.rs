//! Promises 1 to 3 with replicas that share a PostgreSQL: one works, the others stand by, and whatever happens to the one that
//! works, no alert is lost or doubled, and no reply is in the wrong thread.
//!
//! `tests/postgres.sh cargo test --test bridge -- --ignored replicas` starts the server that they need.

use std::{collections::BTreeSet, time::Duration};

use sandbox::rocketchat::RestFault;
use sandbox::signl4::{OutboundFault, Times, WebhookFault};
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use url::Url;

use crate::database_link::{Database, Link, end_all_sessions};
use crate::harness::{Bot, Harness, LISTENER_SECRET, SOON, fast, http};

/// How soon after the active replica is killed another one has taken over.
const AFTER_A_KILL: Duration = Duration::from_secs(15);
/// The same after it was cut off or stopped.
const AFTER_A_CUT: Duration = Duration::from_secs(45);
const LOOK: Duration = Duration::from_millis(50);

const ONE: &str = "SIGNL4 pump 1 is down";
const TWO: &str = "SIGNL4 pump 2 is down";
const THREE: &str = "SIGNL4 pump 3 is down";

/// Two replicas of one installation, each with a link of its own to their database.
struct Replicas {
    one: Harness,
    other: Harness,
    one_link: watch::Sender<Link>,
    other_link: watch::Sender<Link>,
    url: Url,
}

impl Replicas {
    async fn new() -> Self {
        Self::of(Harness::new().await).await
    }

    async fn of(servers: Harness) -> Self {
        let url = Database::create().await;
        let servers = servers.with_fast_tempo();
        let mut replicas = vec![];
        for mut harness in [servers.replica(), servers.replica()] {
            let Database { url, link } = Database::through_a_link(&url).await;
            harness.configure(&format!("[store]\nurl = {:?}", url.as_str()));
            replicas.push((harness, link));
        }
        let [(other, other_link), (one, one_link)] = <[_; 2]>::try_from(replicas).ok().unwrap();
        let replicas = Self { one, other, one_link, other_link, url };
        replicas.call_back(&replicas.one);
        replicas
    }

    /// The first one active, the other one standby.
    async fn start(&self) -> (Bot, Bot) {
        let active = self.one.start_bot().await;
        let standby = self.other.start_bot().await;
        assert_eq!(state(&self.one).await, "ready");
        assert_eq!(state(&self.other).await, "standby");
        (active, standby)
    }

    /// SIGNL4's events go to this replica from now on, as a load balancer would send them.
    fn call_back(&self, replica: &Harness) {
        let url = format!("{}/signl4/{LISTENER_SECRET}", replica.listener_url());
        self.one.signl4.set_outbound_url(&url);
    }

    /// Waits until the other replica is active; how long that took.
    async fn other_is_active(&self, within: Duration) -> Duration {
        let since = Instant::now();
        while state(&self.other).await == "standby" {
            assert!(since.elapsed() < within, "still standby after {within:?}");
            sleep(LOOK).await;
        }
        since.elapsed()
    }
}

/// The state that `/readyz` tells.
async fn state(harness: &Harness) -> String {
    let answer = http().get(format!("{}/readyz", harness.admin_url())).send().await.unwrap();
    let readiness: serde_json::Value = answer.json().await.unwrap();
    readiness["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_killed_replica_is_replaced_and_nothing_is_lost_or_doubled() {
    let replicas = Replicas::new().await;
    let (active, _standby) = replicas.start().await;
    let harness = &replicas.other;
    let first = harness.say(ONE);
    harness.alert(ONE).await;
    harness.chat.wait_for_reaction(&first, ":rotating_light:", SOON).await.unwrap();
    active.kill().await;
    let second = harness.say(TWO);
    harness.wait_for_texts_within(&[TWO], AFTER_A_KILL).await;
    replicas.call_back(harness);
    for (message, text) in [(&first, ONE), (&second, TWO)] {
        harness.signl4.acknowledge(&harness.alert(text).await.id, "Rene").unwrap();
        harness.wait_for_reply(message, "Rene: Alert acknowledged.").await;
    }
    harness.flush().await;
    assert_eq!(harness.pages(), [ONE, TWO]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_replica_that_takes_over_needs_no_login_of_its_own() {
    let replicas = Replicas::of(Harness::new().await.with_password()).await;
    let (active, _standby) = replicas.start().await;
    let harness = &replicas.other;
    active.wait_for_log(&["login at Rocket.Chat saved"]).await;
    active.kill().await;
    harness.say(ONE);
    harness.wait_for_texts_within(&[ONE], AFTER_A_KILL).await;
    harness.flush().await;
    assert_eq!(harness.pages(), [ONE]);
    assert_eq!(harness.chat.calls_of("login").len(), 1);
    assert_eq!(harness.chat.tokens(&harness.bot).len(), 2, "the login, and the token made by hand");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_standby_that_cannot_take_over_says_so() {
    let replicas = Replicas::new().await;
    let (active, _standby) = replicas.start().await;
    let mut other_session = PgConnection::connect(replicas.url.as_str()).await.unwrap();
    let mut lock = other_session.begin().await.unwrap();
    lock.execute("SELECT * FROM term FOR SHARE").await.unwrap();
    active.kill().await;
    let harness = &replicas.other;
    harness.say(ONE);
    harness.wait_for_readiness(503, "this standby cannot take over").await;
    lock.rollback().await.unwrap();
    harness.alert(ONE).await;
    harness.wait_for_readiness(200, r#""state":"ready""#).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn on_sigterm_a_replica_hands_over_at_once() {
    let replicas = Replicas::new().await;
    let (active, _standby) = replicas.start().await;
    assert!(active.stop().await.success());
    let took = replicas.other_is_active(Duration::from_secs(5)).await;
    assert!(took < Duration::from_secs(5));
    replicas.other.say(ONE);
    replicas.other.alert(ONE).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn an_event_received_by_a_standby_is_posted_by_the_active_replica() {
    let replicas = Replicas::new().await;
    let (_active, _standby) = replicas.start().await;
    let harness = &replicas.one;
    replicas.call_back(&replicas.other);
    let message = harness.say(ONE);
    harness.signl4.acknowledge(&harness.alert(ONE).await.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert_eq!(state(&replicas.other).await, "standby");
    assert_eq!(harness.chat.sessions_of(&harness.bot), 1, "a standby does not connect to Rocket.Chat");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_suspended_replica_sends_nothing_when_it_resumes() {
    let replicas = Replicas::new().await;
    let (mut active, _standby) = replicas.start().await;
    let harness = &replicas.other;
    active.signal("-STOP").await;
    harness.say(ONE);
    harness.wait_for_texts_within(&[ONE], AFTER_A_CUT).await;
    active.signal("-CONT").await;
    harness.say(TWO);
    harness.alert(TWO).await;
    assert_eq!(active.wait().await.code(), Some(1), "it stops: another one is active");
    harness.flush().await;
    assert_eq!(harness.pages(), [ONE, TWO]);
}

/// It looked whether its message was still there, which took long.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_replica_suspended_between_claim_and_call_does_not_call_when_it_resumes() {
    let replicas = Replicas::new().await;
    let (mut active, _standby) = replicas.start().await;
    let harness = &replicas.other;
    harness.signl4.faults().webhook(WebhookFault::Status(503), Times::Next(1));
    harness.chat.faults().rest_next("chat.getMessage", 1, RestFault::Slow(Duration::from_secs(1)));
    harness.say(ONE);
    let mut server = PgConnection::connect(replicas.url.as_str()).await.unwrap();
    let claimed = "SELECT 1 FROM delivery WHERE kind = 'alert' AND state = 'under_way' AND attempts = 2";
    let since = Instant::now();
    while server.fetch_optional(claimed).await.unwrap().is_none() {
        assert!(since.elapsed() < SOON, "not claimed again");
        sleep(LOOK).await;
    }
    active.signal("-STOP").await;
    harness.wait_for_texts_within(&[ONE], AFTER_A_CUT).await;
    active.signal("-CONT").await;
    assert_eq!(active.wait().await.code(), Some(1), "it stops: another one is active");
    harness.flush().await;
    assert_eq!(harness.pages(), [ONE]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_replica_that_is_cut_off_from_the_database_is_replaced_and_sends_nothing_more() {
    let replicas = Replicas::new().await;
    let (mut active, _standby) = replicas.start().await;
    let harness = &replicas.other;
    replicas.one_link.send_replace(Link::Frozen);
    // It still sees the messages.
    harness.say(ONE);
    harness.wait_for_texts_within(&[ONE], AFTER_A_CUT).await;
    harness.say(TWO);
    harness.alert(TWO).await;
    replicas.one_link.send_replace(Link::Up);
    assert_eq!(active.wait().await.code(), Some(1));
    harness.flush().await;
    assert_eq!(harness.pages(), [ONE, TWO]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_call_lost_with_its_replica_is_not_repeated_if_its_event_comes() {
    let replicas = Replicas::new().await;
    let (active, _standby) = replicas.start().await;
    let harness = &replicas.other;
    replicas.call_back(harness);
    harness.signl4.faults().webhook(WebhookFault::LoseAnswer, Times::Next(1));
    harness.signl4.faults().outbound(OutboundFault::Delay(Duration::from_secs(2)), Times::Next(1));
    let message = harness.say(ONE);
    harness.alert(ONE).await;
    active.kill().await;
    harness.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    harness.flush().await;
    assert_eq!(harness.pages(), [ONE]);
}

/// It is due, and may have been raised, when the replica goes on: the stored event comes first.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn an_alert_whose_event_was_stored_while_the_active_replica_hung_is_not_repeated() {
    let replicas = Replicas::new().await;
    let (active, _standby) = replicas.start().await;
    let harness = &replicas.one;
    replicas.call_back(&replicas.other);
    let mut server = PgConnection::connect(replicas.url.as_str()).await.unwrap();
    let texts = [ONE, TWO, THREE];
    for (at, text) in texts.into_iter().enumerate() {
        harness.signl4.faults().webhook(WebhookFault::LoseAnswer, Times::Next(1));
        harness.signl4.faults().outbound(OutboundFault::Delay(Duration::from_secs(1)), Times::Next(1));
        let message = harness.say(text);
        active.wait_for_logs(at + 1, &["unknown whether it was delivered"]).await;
        let unanswered = Instant::now();
        active.signal("-STOP").await;
        while server.fetch_optional("SELECT 1 FROM event WHERE state = 'waiting'").await.unwrap().is_none() {
            assert!(unanswered.elapsed() < SOON, "no event");
            sleep(LOOK).await;
        }
        // Until it is due, and shorter than the replica remains active.
        sleep_until(unanswered + fast().confirmation_wait).await;
        active.signal("-CONT").await;
        harness.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    }
    harness.flush().await;
    assert_eq!(harness.pages(), texts);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_database_that_is_restarted_loses_nothing_and_changes_no_roles() {
    let replicas = Replicas::new().await;
    let (mut active, mut standby) = replicas.start().await;
    let harness = &replicas.one;
    harness.say(ONE);
    harness.alert(ONE).await;
    for link in [&replicas.one_link, &replicas.other_link] {
        link.send_replace(Link::Refused);
    }
    harness.say(TWO);
    let down =
        || async { http().get(format!("{}/readyz", harness.admin_url())).send().await.unwrap().status() };
    while down().await != 503 {
        sleep(LOOK).await;
    }
    end_all_sessions(&replicas.url).await;
    for link in [&replicas.one_link, &replicas.other_link] {
        link.send_replace(Link::Up);
    }
    harness.alert(TWO).await;
    harness.say(THREE);
    harness.alert(THREE).await;
    replicas.other.wait_for_readiness(200, "standby").await;
    active.assert_runs();
    standby.assert_runs();
    harness.flush().await;
    assert_eq!(harness.pages(), [ONE, TWO, THREE]);
}

/// The standby reaches the database first, and does not take what the active replica had.
#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_standby_lets_the_active_replica_recover_first() {
    let replicas = Replicas::new().await;
    let (mut active, standby) = replicas.start().await;
    for link in [&replicas.one_link, &replicas.other_link] {
        link.send_replace(Link::Refused);
    }
    end_all_sessions(&replicas.url).await;
    standby.wait_for_log(&["cannot find out whether another replica is active"]).await;
    active.wait_for_log(&["the database does not answer"]).await;
    replicas.other_link.send_replace(Link::Up);
    // Longer than it takes to take over.
    sleep(Duration::from_millis(2500)).await;
    replicas.one_link.send_replace(Link::Up);
    replicas.one.say(ONE);
    replicas.one.alert(ONE).await;
    active.wait_for_log(&["the database answers again"]).await;
    active.assert_runs();
    let mut server = PgConnection::connect(replicas.url.as_str()).await.unwrap();
    let term: i64 = sqlx::query_scalar("SELECT number FROM term").fetch_one(&mut server).await.unwrap();
    assert_eq!(term, 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_replica_that_finishes_its_calls_before_it_stops_remains_active_meanwhile() {
    const HEARTBEAT: &str = "SELECT query_start::text FROM pg_stat_activity a JOIN pg_locks l USING (pid) \
        WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()";
    let replicas = Replicas::new().await;
    let (mut active, _standby) = replicas.start().await;
    let harness = &replicas.other;
    harness.signl4.faults().webhook(WebhookFault::Slow(Duration::from_secs(7)), Times::Next(1));
    let message = harness.say(ONE);
    let mut server = PgConnection::connect(replicas.url.as_str()).await.unwrap();
    let under_way = "SELECT 1 FROM delivery WHERE kind = 'alert' AND state = 'under_way'";
    while server.fetch_optional(under_way).await.unwrap().is_none() {
        sleep(LOOK).await;
    }
    active.signal("-TERM").await;
    let mut heartbeats = BTreeSet::new();
    while active.ended().is_none() {
        let last: Option<String> = sqlx::query_scalar(HEARTBEAT).fetch_optional(&mut server).await.unwrap();
        heartbeats.extend(last);
        sleep(LOOK).await;
    }
    assert!(heartbeats.len() >= 3, "{heartbeats:?}");
    replicas.other_is_active(Duration::from_secs(5)).await;
    harness.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    harness.flush().await;
    assert_eq!(harness.pages(), [ONE]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_replica_of_an_older_release_does_not_become_active() {
    let replicas = Replicas::new().await;
    let (active, mut standby) = replicas.start().await;
    let mut server = PgConnection::connect(replicas.url.as_str()).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        VALUES (9999, 'newer', true, '', 0)";
    server.execute(newer).await.unwrap();
    active.kill().await;
    assert_eq!(standby.wait().await.code(), Some(1));
    assert!(standby.log().contains("run the release that wrote it last"), "{}", standby.log());
}
