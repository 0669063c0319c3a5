//! The example, run as its own process against a simulated server. `cargo test` builds it; with `--test`, add `--examples`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics")]

use std::process::Stdio;
use std::time::Duration;

use sandbox::rocketchat::{NewRoom, NewUser, RocketChat};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::Command;
use tokio::time::timeout;

/// The next line that contains `words`.
async fn line_with(words: &str, lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>) -> String {
    let find = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the example has ended");
            if line.contains(words) {
                return line;
            }
        }
    };
    timeout(Duration::from_secs(30), find).await.expect("no such line in time")
}

#[tokio::test]
async fn it_prints_what_is_written() {
    let chat = RocketChat::start().await.unwrap();
    let alice = chat.create_user("alice").unwrap();
    let bot = chat.create_user(NewUser::bot("my.bot").password("pa55word")).unwrap();
    let room = chat.create_room(NewRoom::channel("ops").members([&alice, &bot])).unwrap();
    let target = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    let mut example = Command::new(target.join("examples").join("listen"))
        .args([chat.url().as_str(), "my.bot", "pa55word"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("cargo has built the example");
    let mut stdout = BufReader::new(example.stdout.take().unwrap()).lines();
    let mut stderr = BufReader::new(example.stderr.take().unwrap()).lines();
    line_with("Ready", &mut stderr).await;
    chat.post(&room, &alice, "pump 3 is down").unwrap();
    assert_eq!(line_with("pump", &mut stdout).await, "alice: pump 3 is down");
}
