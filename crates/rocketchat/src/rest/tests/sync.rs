//! Catching up page by page, and on servers without paging.

use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::{path, query_param, query_param_is_missing};
use wiremock::{Mock, MockBuilder, ResponseTemplate};

use super::chat::{Chat, ok, refused};
use crate::RoomId;
use crate::rest::SyncPage;

const START: i64 = 1_700_000_000_000;

fn at(offset: i64) -> Timestamp {
    Timestamp::from_millisecond(START + offset).unwrap()
}

fn document(id: &str, offset: i64) -> Value {
    let time = at(offset).to_string();
    json!({"_id": id, "rid": "r", "msg": "x", "ts": time, "_updatedAt": time, "u": {"_id": "alice"}})
}

fn page(documents: &[Value], next: Option<i64>) -> ResponseTemplate {
    let cursor = json!({"next": next.map(|offset| (START + offset).to_string()), "previous": null});
    ok(json!({"success": true, "result": {"updated": documents, "deleted": [], "cursor": cursor}}))
}

fn asked(offset: i64, count: &str) -> MockBuilder {
    Mock::given(path("/api/v1/chat.syncMessages"))
        .and(query_param("roomId", "r"))
        .and(query_param("type", "UPDATED"))
        .and(query_param("next", (START + offset).to_string()))
        .and(query_param("count", count))
}

async fn sync(chat: &Chat, offset: i64) -> SyncPage {
    chat.client.sync_messages(&RoomId::new("r"), at(offset)).await.unwrap()
}

fn ids(page: &SyncPage) -> Vec<&str> {
    page.messages.iter().map(|message| message.id.as_str()).collect()
}

#[tokio::test]
async fn pages_overlap_by_a_millisecond_so_that_no_message_is_lost_between_them() {
    let chat = Chat::new().await;
    let first = page(&[document("a", 1), document("b", 5)], Some(5));
    asked(0, "100").respond_with(first).expect(1).mount(&chat.server).await;
    // c has the time of b, and came behind the seam.
    let second = page(&[document("b", 5), document("c", 5)], None);
    asked(4, "100").respond_with(second).expect(1).mount(&chat.server).await;

    let first = sync(&chat, 0).await;
    assert_eq!((ids(&first), first.next), (vec!["a", "b"], Some(at(4))));
    let second = sync(&chat, 4).await;
    assert_eq!((ids(&second), second.next), (vec!["b", "c"], None));
}

#[tokio::test]
async fn a_page_of_one_millisecond_is_requested_again_and_larger() {
    let chat = Chat::new().await;
    asked(0, "100").respond_with(page(&[document("a", 1)], Some(1))).expect(1).mount(&chat.server).await;
    asked(0, "800")
        .respond_with(page(&[document("a", 1), document("b", 9)], None))
        .expect(1)
        .mount(&chat.server)
        .await;
    assert_eq!(ids(&sync(&chat, 0).await), ["a", "b"]);
}

#[tokio::test]
async fn a_server_without_paging_is_asked_for_everything_and_remembered() {
    let chat = Chat::new().await;
    let error = json!({"success": false, "error": "must NOT have additional properties [invalid-params]",
                       "errorType": "invalid-params"});
    asked(0, "100").respond_with(refused(400, error)).expect(1).mount(&chat.server).await;
    let whole = ok(json!({"success": true, "result": {
        "updated": [document("b", 9), document("a", 1)], "deleted": [{"_id": "gone"}],
    }}));
    Mock::given(path("/api/v1/chat.syncMessages"))
        .and(query_param("lastUpdate", "2023-11-14T22:13:20.000Z"))
        .and(query_param_is_missing("type"))
        .respond_with(whole)
        .expect(2)
        .mount(&chat.server)
        .await;
    for _ in 0..2 {
        let page = sync(&chat, 0).await;
        assert_eq!((ids(&page), page.next), (vec!["a", "b"], None));
    }
}

#[tokio::test]
async fn a_refused_room_is_not_taken_for_a_server_without_paging() {
    let chat = Chat::new().await;
    let error = json!({"success": false, "error": "Not allowed [error-not-allowed]", "errorType": "error-not-allowed"});
    asked(0, "100").respond_with(refused(400, error)).expect(1).mount(&chat.server).await;
    let error = chat.client.sync_messages(&RoomId::new("r"), at(0)).await.unwrap_err();
    assert_eq!(error.code(), Some("error-not-allowed"));
}

#[tokio::test]
async fn an_implausible_cursor_is_ignored() {
    for next in [json!(i64::MIN), json!(i64::MAX), json!("-377705023201000"), json!("soon"), json!({})] {
        let chat = Chat::new().await;
        let answer =
            json!({"success": true, "result": {"updated": [], "deleted": [], "cursor": {"next": next}}});
        chat.answers("chat.syncMessages", "first", ok(answer), 1).await;
        assert_eq!(sync(&chat, 0).await.next, None, "{next}");
    }
}

#[tokio::test]
async fn a_page_with_a_damaged_message_is_read() {
    let body = |text: &[u8]| {
        let (before, after) = (json!([document("a", 1), document("b", 2)]).to_string(), b"}}");
        let damaged = before.replacen("\"x\"", "\"@\"", 1);
        let (head, tail) = damaged.split_once('@').unwrap();
        [br#"{"success":true,"result":{"updated":"#, head.as_bytes(), text, tail.as_bytes(), after].concat()
    };
    for text in [&br"SIGNL4 \ud83d"[..], b"SIGNL4 St\xf6rung", b"SIGNL4\tpump", b"SIGNL4\x01", b"SIGNL4"] {
        let chat = Chat::new().await;
        let answer = ResponseTemplate::new(200).set_body_raw(body(text), "application/json");
        chat.answers("chat.syncMessages", "first", answer, 1).await;
        let page = sync(&chat, 0).await;
        assert_eq!((ids(&page), page.unreadable.len()), (vec!["a", "b"], 0));
        assert!(page.messages[0].text.starts_with("SIGNL4"), "{}", page.messages[0].text);
    }
}
