//! Completions and manual pages.

use super::fixture::{Fixture, text};

#[tokio::test]
async fn every_shell_has_completions_that_know_the_commands() {
    let fixture = Fixture::new().await;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = fixture.run(&["completions", shell]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let script = text(&output.stdout);
        assert!(script.contains("init") && script.contains("public-url"), "{shell}:\n{script}");
    }
}

#[tokio::test]
async fn there_is_a_manual_page_for_the_program_and_for_each_command() {
    let fixture = Fixture::new().await;
    let page = text(&fixture.run(&["man"]).await.stdout);
    assert!(page.starts_with(".ie") && page.contains(".TH signl4-rocketchat 1"), "{page}");
    let page = text(&fixture.run(&["man", "check"]).await.stdout);
    assert!(page.contains(".TH signl4-rocketchat-check 1") && page.contains("json"), "{page}");
    let output = fixture.run(&["man", "chekc"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let reason = text(&output.stderr);
    assert!(reason.contains("no command \"chekc\"") && reason.contains("--help"), "{reason}");
}
