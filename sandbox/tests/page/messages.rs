//! The actions in the chat.

use reqwest::StatusCode;
use sandbox::rocketchat::NewMessage;
use serde_json::{Value, json};

use super::browser::{Browser, SOON, message};

#[tokio::test]
async fn a_message_is_posted_in_its_room_and_its_reply_in_its_thread() {
    let browser = Browser::start().await;
    let mut states = browser.stream().await;
    let first = browser.write("alice", "pump 3 <b>is</b> down").await;
    let reply = json!({"user": browser.id("bob"), "text": " on it "});
    assert_eq!(browser.post(&format!("api/messages/{first}/replies"), reply).await.0, StatusCode::CREATED);
    let shown = states
        .find(|state| {
            message(state, "pump 3 <b>is</b> down").filter(|it| it["replies"][0] != Value::Null).cloned()
        })
        .await;
    assert_eq!((&shown["author"], &shown["bot"]), (&json!("Alice Meyer"), &json!(false)));
    assert_eq!(
        (&shown["replies"][0]["author"], &shown["replies"][0]["text"]),
        (&json!("Bob Tanaka"), &json!("on it"))
    );
    assert_eq!(browser.servers.chat().thread_replies(&first).len(), 1);
}

#[tokio::test]
async fn a_bot_is_shown_by_its_alias_and_marked() {
    let browser = Browser::start().await;
    let (chat, bot) = (browser.servers.chat(), browser.servers.bot_user_id());
    chat.post("GENERAL", bot, NewMessage::text("Rene: Alert closed.").alias("SIGNL4")).unwrap();
    let shown = browser.state_with(|state| message(state, "Rene: Alert closed.").cloned()).await;
    assert_eq!((&shown["author"], &shown["bot"]), (&json!("SIGNL4"), &json!(true)));
    let people = browser.state_with(|state| state["people"].as_array().cloned()).await;
    assert!(people.iter().all(|person| person["id"] != bot), "{people:?}");
}

#[tokio::test]
async fn people_edit_their_own_messages_only() {
    let browser = Browser::start().await;
    let id = browser.write("alice", "pump 3 is down").await;
    let path = format!("api/messages/{id}");
    let (status, answer) = browser.put(&path, json!({"user": browser.id("bob"), "text": "no"})).await;
    assert_eq!((status, answer["error"].is_string()), (StatusCode::FORBIDDEN, true));
    let (status, _) =
        browser.put(&path, json!({"user": browser.id("alice"), "text": "SIGNL4 pump 3 is down"})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let edited = browser.state_with(|state| message(state, "SIGNL4 pump 3 is down").cloned()).await;
    assert_eq!(edited["edited"], true);
    let (status, _) =
        browser.put("api/messages/none", json!({"user": browser.id("alice"), "text": "x"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_second_reaction_removes_the_first_one() {
    let browser = Browser::start().await;
    let id = browser.write("alice", "pump 3 is down").await;
    let path = format!("api/messages/{id}/reactions");
    let like = json!({"user": browser.id("bob"), "emoji": "+1"});
    for expected in [1, 0] {
        assert_eq!(browser.post(&path, like.clone()).await.0, StatusCode::NO_CONTENT);
        assert_eq!(browser.servers.chat().message(&id).unwrap().reacted_with("+1").len(), expected);
    }
    let (status, _) = browser.post(&path, json!({"user": browser.id("bob"), "emoji": "<b>"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_text_that_is_too_long_or_empty_is_refused() {
    let browser = Browser::start().await;
    let draft = |text: &str| json!({"room": "GENERAL", "user": browser.id("alice"), "text": text});
    let refused = [
        (draft("  \n"), StatusCode::UNPROCESSABLE_ENTITY),
        (draft(&"ä".repeat(5_001)), StatusCode::UNPROCESSABLE_ENTITY),
        (draft(&"x".repeat(70_000)), StatusCode::PAYLOAD_TOO_LARGE),
        (json!({"room": "none", "user": browser.id("alice"), "text": "x"}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({"room": "GENERAL", "user": "nobody", "text": "x"}), StatusCode::UNPROCESSABLE_ENTITY),
    ];
    let before = browser.servers.chat().messages("GENERAL").len();
    for (body, expected) in refused {
        assert_eq!(browser.post("api/messages", body).await.0, expected);
    }
    assert_eq!(browser.servers.chat().messages("GENERAL").len(), before);
    browser.write("alice", &"ä".repeat(5_000)).await;
}

#[tokio::test]
async fn the_address_of_a_message_leads_to_the_page() {
    let browser = Browser::start().await;
    let from = format!("{}/channel/general?msg=abc", browser.servers.chat_url());
    let answer = browser.http.get(from).timeout(SOON).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.url().as_str(), format!("{}?msg=abc", browser.page.url()));
}
