//! SIGHUP: the configuration changes under the running bot, without dropping the connection or a message.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use sandbox::rocketchat::{NewRoom, Options};
use sandbox::signl4::{self, Team};

use crate::harness::{Bot, Harness, TEAM};

/// The bot knows the server's time with a precision of two seconds. It still reads messages from some seconds before a room is
/// watched, but they must not page.
const CLOCKS_DIFFER: Duration = Duration::from_secs(3);

/// A trigger for `word` in `room`, which pages `team`.
fn trigger(word: &str, room: &str, more: &str) -> String {
    format!("[[trigger]]\nname = {word:?}\npattern = '\\b{word}\\b'\nrooms = [{room:?}]\n{more}\n")
}

/// The trigger that `Harness::flush` needs beside others.
fn usual() -> String {
    trigger("SIGNL4", "*", "")
}

impl Harness {
    fn assert_never_reconnected(&self, bot: &Bot) {
        assert_eq!(self.chat.sessions_of(&self.bot), 1);
        assert_eq!(bot.log().matches("the realtime session is online").count(), 1, "{}", bot.log());
    }
}

#[tokio::test]
async fn a_new_trigger_works_at_once_and_an_old_one_no_longer() {
    let mut harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.say("fire in hall 3");
    harness.flush().await;
    harness.reconfigure(&trigger("fire", "operations", "title = \"Fire\""));
    bot.reload().await;
    harness.say("SIGNL4 is the previous word");
    harness.say("fire in hall 4");
    let alert = harness.alert("fire in hall 4").await;
    assert_eq!(alert.title, "Fire");
    assert_eq!(
        harness.pages(),
        ["fire in hall 4"],
        "messages from before the change were matched against the old triggers"
    );
    harness.assert_never_reconnected(&bot);
}

#[tokio::test]
async fn an_invalid_file_changes_nothing_and_every_problem_is_logged() {
    let mut harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.reconfigure(&format!(
        "{}\n[replies]\non_sent = \"shout\"\n",
        trigger("fi(re", "operations", "titel = \"x\"")
    ));
    let log = bot.reload().await;
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
    for (key, fix) in
        [("pattern", ""), ("titel", "did you mean \\\"title\\\"?"), ("replies.on_sent", "reaction")]
    {
        let reported = |line: &&&str| line.contains("bot.toml:") && line.contains(key) && line.contains(fix);
        assert_eq!(errors.iter().filter(reported).count(), 1, "{key}: {errors:#?}");
    }
    assert_eq!(errors.len(), 4, "three problems, and that nothing changed: {errors:#?}");
    harness.say("SIGNL4 still the word");
    harness.alert("SIGNL4 still the word").await;
    harness.assert_never_reconnected(&bot);
}

#[tokio::test]
async fn messages_written_while_the_configuration_changes_again_and_again_page_once_each() {
    let mut harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let mut written = Vec::new();
    for round in 0..5 {
        harness.reconfigure(&format!("{}{}", usual(), trigger(&format!("word{round}"), "*", "")));
        for message in 0..10 {
            written.push(format!("SIGNL4 {round}.{message}"));
            harness.say(&written[written.len() - 1]);
            if message == 4 {
                bot.reload().await;
            }
        }
    }
    harness.wait_for_texts(&written.iter().map(String::as_str).collect::<Vec<_>>()).await;
    harness.flush().await;
    assert_eq!(harness.pages(), written);
    harness.assert_never_reconnected(&bot);
}

#[tokio::test]
async fn other_words_are_used_at_once() {
    let mut harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump");
    let alert = harness.alert("SIGNL4 pump").await;
    harness.reconfigure("[replies]\nacknowledged = \"{{ user }} is on it\"\n");
    bot.reload().await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene is on it").await;
}

#[tokio::test]
async fn a_room_is_watched_from_one_reload_to_the_next() {
    let mut harness = Harness::new().await;
    let plant =
        harness.chat.create_room(NewRoom::channel("plant").members([&harness.alice, &harness.bot])).unwrap();
    let here = trigger("SIGNL4", "operations", "");
    let both = format!("{here}{}", trigger("pump", "plant", ""));
    harness.reconfigure(&here);
    let bot = harness.start_bot().await;
    let say = |harness: &Harness, text: &str| harness.chat.post(&plant, &harness.alice, text).unwrap();
    let before = say(&harness, "pump 1");
    harness.wait_until_past(&before, CLOCKS_DIFFER).await;
    harness.reconfigure(&both);
    bot.reload().await;
    say(&harness, "pump 2");
    harness.alert("pump 2").await;
    harness.reconfigure(&here);
    bot.reload().await;
    let between = say(&harness, "pump 3");
    harness.wait_until_past(&between, CLOCKS_DIFFER).await;
    harness.reconfigure(&both);
    bot.reload().await;
    say(&harness, "pump 4");
    harness.alert("pump 4").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["pump 2", "pump 4"]);
    harness.assert_never_reconnected(&bot);
}

#[tokio::test]
async fn a_room_is_watched_from_a_reload_on_while_the_bot_is_disconnected() {
    let mut harness = Harness::new().await;
    let plant =
        harness.chat.create_room(NewRoom::channel("plant").members([&harness.alice, &harness.bot])).unwrap();
    // The bot has been in the room for so long that the last list of rooms had it.
    harness.chat.clock_forward(Duration::from_secs(600));
    let here = trigger("SIGNL4", "operations", "");
    harness.reconfigure(&here);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.chat.faults().cut_connections();
    bot.wait_for_log(&["no realtime session"]).await;
    let say = |harness: &Harness, text: &str| harness.chat.post(&plant, &harness.alice, text).unwrap();
    let before = say(&harness, "pump 1");
    harness.wait_until_past(&before, CLOCKS_DIFFER).await;
    harness.reconfigure(&format!("{here}{}", trigger("pump", "plant", "")));
    bot.reload().await;
    let since = say(&harness, "pump 2");
    // So that it is from well before the next session.
    harness.wait_until_past(&since, CLOCKS_DIFFER).await;
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    harness.alert("pump 2").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["pump 2"]);
}

#[tokio::test]
async fn a_public_channel_that_a_new_trigger_names_is_joined() {
    let mut harness = Harness::new().await;
    let plant = harness.chat.create_room(NewRoom::channel("plant").members([&harness.alice])).unwrap();
    let bot = harness.start_bot().await;
    harness.reconfigure(&format!("{}{}", usual(), trigger("pump", "plant", "")));
    bot.reload().await;
    bot.wait_for_log(&["joined a watched channel"]).await;
    harness.chat.post(&plant, &harness.alice, "pump 1").unwrap();
    harness.alert("pump 1").await;
    harness.assert_never_reconnected(&bot);
}

#[tokio::test]
async fn a_new_team_is_paged_and_a_removed_one_leaves_its_alerts_to_the_default_team() {
    let mut options = signl4::Options::default();
    options.teams.push(Team::new("network"));
    let mut harness = Harness::with_options(Options::default(), options).await;
    let bot = harness.start_bot().await;
    let team = |url: &str| format!("[[signl4.team]]\nname = \"network\"\nwebhook_url = {url:?}\n");
    let router = trigger("router", "*", "team = \"network\"");
    let network = harness.signl4.webhook_url("network");

    harness.reconfigure(&format!("{}{}{router}", team(&network), usual()));
    bot.reload().await;
    harness.say("router 1");
    assert_eq!(harness.alert("router 1").await.team, "network");

    // Nobody listens at this port, so that the alert waits.
    harness.reconfigure(&format!("{}{}{router}", team("http://127.0.0.1:9/webhook/network"), usual()));
    bot.reload().await;
    harness.say("router 2");
    bot.wait_for_log(&["not delivered yet", "signl4:network"]).await;
    harness.reconfigure(&format!("{}{}{router}", team(&network), usual()));
    bot.reload().await;
    assert_eq!(harness.alert("router 2").await.team, "network", "what waits takes the new way");

    harness.reconfigure(&format!("{}{}{router}", team("http://127.0.0.1:9/webhook/network"), usual()));
    bot.reload().await;
    let refused = || bot.log().matches("not delivered yet").count();
    let before = refused();
    harness.say("router 3");
    bot.wait_until("the third alert is refused", || refused() > before).await;
    harness.reconfigure(&usual());
    bot.reload().await;
    assert_eq!(harness.alert("router 3").await.team, TEAM);
    bot.wait_for_log(&["that bot.toml no longer names"]).await;
}

#[tokio::test]
async fn changes_that_need_a_restart_are_reported_and_the_others_are_applied() {
    let mut harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.reconfigure(&format!("[store]\nurl = \"sqlite://other.db\"\n{}", trigger("fire", "*", "")));
    let log = bot.reload().await;
    let reported: Vec<&str> =
        log.lines().filter(|line| line.contains("takes effect at the next start")).collect();
    assert_eq!(reported.len(), 1, "{log}");
    assert!(reported[0].contains("\"key\":\"store.url\""), "{reported:?}");
    harness.say("fire");
    harness.alert("fire").await;
}

#[tokio::test]
async fn a_reload_applies_tls_and_invalid_files_change_nothing() {
    let mut harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let (cert, key) = (harness.path("cert.pem"), harness.path("key.pem"));
    harness.reconfigure_listener(&format!("tls_cert = {cert:?}\ntls_key = {key:?}"));
    harness.reconfigure(&trigger("fire", "*", ""));
    let log = bot.reload().await;
    let reported = log.lines().find(|line| line.contains("listener.tls_cert: ")).expect("the key is named");
    assert!(
        reported.contains("\"level\":\"ERROR\"") && reported.contains("cert.pem cannot be read"),
        "{reported}"
    );
    harness.flush().await;

    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    assert!(bot.reload().await.contains("configuration reloaded"));
    let address = harness.listener_url().replace("http://", "");
    let stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let shown = handshake(stream, made.cert.der()).await;
    assert_eq!(&shown, made.cert.der());
    harness.say("fire");
    harness.alert("fire").await;
}

/// Shakes hands trusting only this certificate; the certificate that was shown.
async fn handshake(
    stream: tokio::net::TcpStream,
    trusted: &CertificateDer<'static>,
) -> CertificateDer<'static> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = connector.connect("127.0.0.1".try_into().unwrap(), stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}
