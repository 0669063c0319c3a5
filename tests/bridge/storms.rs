//! Rate limits and storms: limited deliveries wait, all of them arrive, and nothing urgent waits behind them.

use std::time::Duration;

use sandbox::rocketchat::{Limit, Limits, NewUser};
use sandbox::signl4::{Plan, Signl4};
use signl4_rocketchat::bot::Tempo;

use crate::harness::{Harness, SOON, TEAM};

/// Longer than SIGNL4 blocks a subscription that passed its limit.
const BLOCKED: Duration = Duration::from_secs(60);
/// How long a thousand alerts may take on a slow and busy machine.
const STORM_IS_OVER: Duration = Duration::from_secs(300);

#[tokio::test]
async fn a_storm_is_delivered_completely_at_signl4s_rate_oldest_first_and_the_threads_say_queued() {
    // This plan takes 50 alerts in 5 s, then none for 5 s.
    const STORM: usize = 60;
    let options = sandbox::signl4::Options { plan: Plan::Brisk, ..Default::default() };
    let harness = Harness::with_options(sandbox::rocketchat::Options::default(), options).await;
    let _bot =
        harness.start_in_process(Tempo { late_after: Duration::from_secs(2), ..Tempo::default() }).await;
    let texts: Vec<String> = (0..STORM).map(|at| format!("SIGNL4 number {at:04}")).collect();
    let messages: Vec<_> = texts.iter().map(|text| harness.say(text)).collect();
    harness.signl4.wait_for_alerts(STORM, BLOCKED).await.unwrap();
    assert_eq!(harness.texts(), texts);
    let queued = "Many alerts at once: this one is queued and will be sent automatically.";
    harness.wait_for_reply(&messages[STORM - 1], queued).await;
    harness.wait_for_reply(&messages[STORM - 1], "Alert sent.").await;
    assert!(harness.replies(&messages[0]).is_empty(), "the first one did not wait");
}

/// `cargo test --test bridge commercial -- --ignored`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes nine minutes: SIGNL4 takes 600 alerts in one"]
async fn five_thousand_messages_at_once_are_delivered_completely_and_oldest_first_at_the_commercial_plans_rate()
 {
    const STORM: usize = 5_000;
    let options = sandbox::signl4::Options { plan: Plan::Commercial, ..Default::default() };
    let harness = Harness::with_options(sandbox::rocketchat::Options::default(), options).await;
    let bot = harness.start_bot().await;
    let texts: Vec<String> = (0..STORM).map(|at| format!("SIGNL4 number {at:04}")).collect();
    let messages: Vec<_> = texts.iter().map(|text| harness.say(text)).collect();
    harness.signl4.wait_for_alerts(STORM, Duration::from_secs(1_800)).await.unwrap();
    assert_eq!(harness.texts(), texts);
    let queued = "Many alerts at once: this one is queued and will be sent automatically.";
    harness.wait_for_reply(&messages[STORM - 1], queued).await;
    let throttled = bot.count_in_log(&["paused", "throttles"]);
    println!("{throttled} calls were throttled");
    assert!(throttled <= 20, "the limit is learned from the answers, not run against: {throttled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_messages_at_once_all_arrive_and_an_acknowledgement_does_not_wait_for_them() {
    const STORM: usize = 1_000;
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let texts: Vec<String> = (0..STORM).map(|at| format!("SIGNL4 number {at:04}")).collect();
    let first = harness.say(&texts[0]);
    texts[1..].iter().for_each(|text| drop(harness.say(text)));
    let alert = harness.alert(&texts[0]).await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&first, "Rene: Alert acknowledged.").await;
    assert!(harness.texts().len() < STORM, "the storm is still going on");
    harness.signl4.wait_for_alerts(STORM, STORM_IS_OVER).await.unwrap();
    // An attempt that takes longer than half a second, as on a busy machine, may be overtaken.
    let mut raised = harness.texts();
    raised.sort();
    assert_eq!(raised, texts);
}

#[tokio::test]
async fn a_team_that_cannot_be_reached_delays_no_other_team() {
    let mut harness = Harness::new().await.with_fast_tempo();
    let other = Signl4::start(Default::default()).await.unwrap();
    harness.configure(&format!(
        "[[signl4.team]]\nname = \"network\"\nwebhook_url = {:?}\n\
         [[trigger]]\nname = \"network\"\npattern = 'router'\nteam = \"network\"\n\
         [[trigger]]\nname = \"other\"\npattern = 'SIGNL4'",
        other.webhook_url(TEAM)
    ));
    let bot = harness.start_bot().await;
    harness.signl4.refuse().await;
    harness.say("SIGNL4 pump 3 is down");
    bot.wait_for_log(&["not delivered yet"]).await;
    harness.say("router 1 is down");
    let alerts = other.wait_for_alerts(1, SOON).await.unwrap();
    assert_eq!(alerts[0].text, "router 1 is down");
    assert!(harness.texts().is_empty());
    harness.signl4.listen_again().await.unwrap();
    harness.alert("SIGNL4 pump 3 is down").await;
}

#[tokio::test]
async fn without_the_right_to_bypass_limits_replies_keep_to_them_and_all_arrive() {
    const MESSAGES: usize = 12;
    let limits = Limits { rest: Some(Limit::per_seconds(5, 3)), ..Limits::default() };
    let options = sandbox::rocketchat::Options { limits, ..Default::default() };
    let mut harness = Harness::with_options(options, Default::default()).await;
    harness.chat.deny(&harness.bot, "api-bypass-rate-limit").unwrap();
    harness.configure("[replies]\non_sent = \"reply\"\nsent = \"Paged.\"");
    let _bot = harness.start_bot().await;
    let messages: Vec<_> = (0..MESSAGES).map(|at| harness.say(&format!("SIGNL4 number {at}"))).collect();
    let alert = harness.alert("SIGNL4 number 0").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    for message in &messages {
        harness.wait_for_reply(message, "Paged.").await;
    }
    harness.wait_for_reply(&messages[0], "Rene: Alert acknowledged.").await;
    let refused =
        harness.chat.calls_of("chat.sendMessage").into_iter().filter(|call| call.status == Some(429));
    assert!(refused.count() <= 2, "the limit is learned from the answers, not run against");
}

#[tokio::test]
async fn an_account_without_the_role_bot_works_as_well() {
    let mut harness = Harness::new().await;
    let user = harness.chat.create_user(NewUser::named("ops.account")).unwrap();
    harness.chat.join(&harness.room, &user).unwrap();
    (harness.token, harness.bot) = (harness.chat.create_token(&user).unwrap(), user);
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    let reply = harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert_eq!((reply.alias, reply.username.as_str()), (None, "ops.account"));
}
