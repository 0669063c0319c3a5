//! Differences between servers and their versions, none of which is a failure.

use rocketchat::RoomKind;
use rocketchat::realtime::{ConnectionState, RealtimeEvent, StreamedMessage};
use sandbox::rocketchat::{Heartbeat, NewMessage, Options, RestFault, Switches};
use serde_json::json;

use crate::listener::{Harness, Listener, timing, until};

/// Receives a message from a server with this behaviour.
async fn receives_a_message(behaviour: impl FnOnce(&mut Switches)) {
    let harness = Harness::new().await;
    harness.chat.faults().set(behaviour);
    let mut listener = harness.listen();
    assert!(matches!(listener.next().await, RealtimeEvent::Ready { .. }));
    harness.say("SIGNL4 pump 3 is down");
    let message = listener.message().await;
    assert_eq!(message.text, "SIGNL4 pump 3 is down");
    assert_eq!(
        (message.room.as_str(), message.author.username.as_str()),
        (harness.room.id.as_str(), "alice")
    );
    assert!(!message.has_type);
}

#[tokio::test]
async fn a_healthy_monolith() {
    receives_a_message(|_| {}).await;
}

#[tokio::test]
async fn a_server_id_before_connect() {
    receives_a_message(|switches| switches.send_server_id = true).await;
}

#[tokio::test]
async fn a_ping_before_connected() {
    receives_a_message(|switches| switches.ping_before_connected = true).await;
}

#[tokio::test]
async fn updated_before_result() {
    receives_a_message(|switches| switches.updated_first = true).await;
}

#[tokio::test]
async fn nested_args() {
    receives_a_message(|switches| switches.nested_args = true).await;
}

#[tokio::test]
async fn a_streamer() {
    receives_a_message(|switches| switches.streamer = true).await;
}

#[tokio::test]
async fn a_password_with_a_username_or_an_e_mail_address_logs_in_to_every_version() {
    for version in ["6.13.0", "7.7.1", "8.0.1", "9.0.0"] {
        for name in ["signl4.bot", "signl4.bot@example.com"] {
            let options = Options { version: version.into(), ..Options::default() };
            let harness = Harness::with(options).await;
            let rocketchat::Credentials::Password { password, .. } = harness.password() else { panic!() };
            let credentials = rocketchat::Credentials::Password { username: name.into(), password };
            let mut listener = Listener::start(&harness, credentials, timing(), 16);
            assert!(matches!(listener.next().await, RealtimeEvent::Ready { .. }), "{version} {name}");
        }
    }
}

#[tokio::test]
async fn a_streamer_accepts_no_password_so_it_is_used_over_rest() {
    let harness = Harness::new().await;
    harness.chat.faults().set(|switches| switches.streamer = true);
    let mut listener = Listener::start(&harness, harness.password(), timing(), 16);
    assert!(matches!(listener.next().await, RealtimeEvent::Ready { .. }));
    assert_eq!(harness.chat.calls_of("login").len(), 1);
}

#[tokio::test]
async fn a_monolith_without_login_over_rest_accepts_the_password_over_ddp() {
    let harness = Harness::new().await;
    harness.chat.faults().rest_always("login", RestFault::status(403));
    let mut listener = Listener::start(&harness, harness.password(), timing(), 16);
    let RealtimeEvent::Ready { identity, .. } = listener.next().await else { panic!() };
    assert_eq!(identity.user_id.as_str(), harness.bot.id);
}

#[tokio::test]
async fn ready_has_the_account() {
    let harness = Harness::new().await;
    let mut listener = harness.listen();
    let RealtimeEvent::Ready { session, identity, .. } = listener.next().await else { panic!() };
    assert_eq!((session, identity.username.as_str()), (1, "signl4.bot"));
    listener.state.wait_for(ConnectionState::is_online).await.unwrap();
}

#[tokio::test]
async fn the_room_comes_with_the_message_as_far_as_the_version_sends_it() {
    let harness = Harness::new().await;
    let mut listener = harness.online().await;
    let hint = async |listener: &mut Listener| {
        harness.say("hello");
        listener
            .until(|event| match event {
                RealtimeEvent::Message(streamed) => Some(streamed),
                _ => None,
            })
            .await
    };
    let StreamedMessage { participant, room_kind, room_name, .. } = hint(&mut listener).await;
    assert_eq!((room_kind, room_name.as_deref()), (Some(RoomKind::Channel), Some("ops")));
    assert_eq!(participant, Some(true));
    harness.chat.faults().set(|switches| switches.omit_room_name = true);
    let StreamedMessage { room_kind, room_name, .. } = hint(&mut listener).await;
    assert_eq!((room_kind, room_name), (Some(RoomKind::Channel), None));
}

#[tokio::test]
async fn a_changed_message_comes_again_with_its_id_and_the_newest_text() {
    let harness = Harness::new().await;
    let mut listener = harness.online().await;
    let posted = harness.chat.post(&harness.room, &harness.alice, "first").unwrap();
    let first = listener.message().await;
    assert_eq!(
        (first.id.as_str(), first.text.as_str(), first.edited_at),
        (posted.id.as_str(), "first", None)
    );
    harness.chat.react(&posted, &harness.alice, ":eyes:").unwrap();
    let again = listener.message().await;
    assert_eq!((&again.id, &again.text, again.sent_at), (&first.id, &first.text, first.sent_at));
    harness.chat.edit(&posted, &harness.alice, "second").unwrap();
    let edited = listener.message().await;
    assert_eq!((&edited.id, edited.text.as_str()), (&first.id, "second"));
    assert!(edited.edited_at.is_some());
}

#[tokio::test]
async fn system_messages_ciphertext_and_integrations_are_distinguished() {
    let harness = Harness::new().await;
    let mut listener = harness.online().await;
    harness.say(NewMessage::system("room_changed_topic", "pumps"));
    assert!(listener.message().await.has_type);
    harness.say(NewMessage::encrypted("Zm9v"));
    assert!(listener.message().await.has_type);
    let attachment = json!({"title": "PROBLEM", "text": "disk full"});
    harness.say(NewMessage::text("").by_integration("zabbix").attachment(attachment));
    let posted = listener.message().await;
    assert!(posted.from_integration && !posted.has_type);
    assert_eq!(posted.text, "PROBLEM\ndisk full");
}

#[tokio::test]
async fn a_message_of_megabytes_is_received_and_its_text_is_bounded() {
    let harness = Harness::new().await;
    let mut listener = harness.online().await;
    harness.say("x".repeat(3_000_000));
    harness.say("after it");
    assert!((60_000..70_000).contains(&listener.message().await.text.len()));
    assert_eq!(listener.message().await.text, "after it");
}

#[tokio::test]
async fn a_server_that_pings_often_keeps_a_silent_session() {
    let heartbeat = Heartbeat {
        interval: std::time::Duration::from_millis(50),
        timeout: std::time::Duration::from_secs(20),
    };
    let harness = Harness::with(Options { heartbeat, ..Options::default() }).await;
    let mut listener = harness.online().await;
    // Connected, the login and the subscriptions are some ten frames; the rest are pings.
    let counts = listener.counts.clone();
    until(|| counts.received() >= 30).await;
    harness.say("still here");
    assert_eq!(listener.message().await.text, "still here");
}

#[tokio::test]
async fn a_server_under_a_sub_path() {
    let harness = Harness::with(Options { prefix: "/chat".into(), ..Options::default() }).await;
    let mut listener = harness.online().await;
    harness.say("below");
    assert_eq!(listener.message().await.text, "below");
}
