//! `test --send` pages for real, and shows that both directions work.

use std::process::Output;

use sandbox::signl4::{Times, WebhookFault};

use crate::harness::Harness;

const TEXT: &str = "SIGNL4 pump 3 is down";

/// Runs the command; somebody acknowledges the alert that it raises.
async fn acknowledged(harness: &Harness) -> Output {
    let acknowledging = async {
        let alert = harness.signl4.wait_for_alerts(1, crate::harness::SOON).await.unwrap().remove(0);
        assert!(alert.text.starts_with("This is a test"), "{}", alert.text);
        assert!(alert.text.ends_with(TEXT) && alert.title.starts_with("TEST: "));
        harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    };
    let arguments = ["test", TEXT, "--send"];
    let (output, ()) = tokio::join!(harness.command(&arguments), acknowledging);
    output
}

fn reported(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn without_a_running_bot_it_listens_itself() {
    let harness = Harness::new().await;
    let output = acknowledged(&harness).await;
    assert!(
        output.status.success() && reported(&output).contains("both directions work"),
        "{}",
        reported(&output)
    );
    let sent_as = "The first event is sent as a test: its title begins with TEST, its message with a note";
    assert!(reported(&output).contains(sent_as), "{}", reported(&output));
}

#[tokio::test]
async fn beside_a_running_bot_it_reads_that_bots_events_and_posts_nothing() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let output = acknowledged(&harness).await;
    assert!(
        output.status.success() && reported(&output).contains("both directions work"),
        "{}",
        reported(&output)
    );
    harness.flush().await;
    let posted = harness.chat.messages(&harness.room);
    assert_eq!(posted.len(), 1, "only the message of `flush`: {posted:?}");
}

#[tokio::test]
async fn a_refusal_is_reported_and_fails_the_command() {
    let harness = Harness::new().await;
    harness.signl4.faults().webhook(WebhookFault::Status(404), Times::Next(1));
    let output = harness.command(&["test", TEXT, "--send"]).await;
    assert!(!output.status.success() && reported(&output).contains("NOT sent: "), "{}", reported(&output));
    let output = harness.command(&["test", "nothing that pages", "--send"]).await;
    assert!(
        !output.status.success() && reported(&output).contains("No trigger matches"),
        "{}",
        reported(&output)
    );
}

#[tokio::test]
async fn a_lost_answer_is_not_reported_as_not_sent_and_the_event_still_counts() {
    let harness = Harness::new().await;
    harness.signl4.faults().webhook(WebhookFault::LoseAnswer, Times::Next(1));
    let output = acknowledged(&harness).await;
    assert!(reported(&output).contains("Unknown whether it was sent: "), "{}", reported(&output));
    assert!(
        output.status.success() && reported(&output).contains("both directions work"),
        "{}",
        reported(&output)
    );
}
