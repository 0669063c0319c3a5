//! The example, run as its own process against a simulated SIGNL4. `cargo test` builds it; with `--test`, add `--examples`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics")]

use sandbox::signl4::{Options, Signl4};
use tokio::process::Command;

#[tokio::test]
async fn it_raises_an_alert_and_prints_its_event_id() {
    let signl4 = Signl4::start(Options::default()).await.unwrap();
    let target = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    let output = Command::new(target.join("examples").join("raise"))
        .args([signl4.webhook_url("operations").as_str(), "Pump 3", "Pressure is low"])
        .output()
        .await
        .expect("cargo has built the example");
    assert!(output.status.success(), "{output:?}");
    let alerts = signl4.alerts();
    assert_eq!((alerts.len(), alerts[0].title.as_str()), (1, "Pump 3"));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), alerts[0].event_id);
}
