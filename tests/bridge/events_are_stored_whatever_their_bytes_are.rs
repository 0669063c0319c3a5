//! Promise 3: an event with the secret is stored before it is answered with 2xx, whatever its bytes are, and takes
//! effect if it can be read at all.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use sandbox::signl4::Alert;

use crate::harness::{Harness, LISTENER_SECRET, http};

/// The note that events carry.
const NOTE: &str = "Grüße, 🔥 ist aus";

fn event(alert: &Alert, id: &str, note: &str) -> String {
    format!(
        r#"{{"eventType":203,"id":"{id}","user":{{"username":"Rene"}},"alert":{{"eventId":"{}"}},"annotation":{{"message":"{note}"}}}}"#,
        alert.event_id
    )
}

fn utf_16(text: &str, unit: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Each body, its `Content-Encoding`, and the note that it contains.
fn bodies(alert: &Alert) -> Vec<(Vec<u8>, Option<&'static str>, &'static str)> {
    let event = |id: &str, note: &str| event(alert, id, note);
    let plain = |id| event(id, NOTE);
    let with_bom = |id| format!("\u{FEFF}{}", plain(id));
    let latin_1 =
        event("n08", "Gr??e").into_bytes().into_iter().map(|byte| if byte == b'?' { 0xFC } else { byte });
    vec![
        (with_bom("n01").into_bytes(), None, NOTE),
        (utf_16(&plain("n02"), u16::to_le_bytes), None, NOTE),
        (utf_16(&with_bom("n03"), u16::to_be_bytes), None, NOTE),
        (gzip(plain("n04").as_bytes()), Some("gzip"), NOTE),
        (gzip(plain("n05").as_bytes()), None, NOTE),
        (zlib(plain("n06").as_bytes()), Some("deflate"), NOTE),
        (deflate(plain("n07").as_bytes()), Some("deflate"), NOTE),
        (latin_1.collect(), None, "Grüüe"),
        (event("n09", r"half a \ud83d").into_bytes(), None, "half a \u{FFFD}"),
        (plain("n10").replace("203,", r#"203,"\ud83d":"\udd25","#).into_bytes(), None, NOTE),
        (event("n11", "one\ttwo\u{1}").into_bytes(), None, "one\ttwo"),
        (plain("n12").replace("203,", r#"203,"duration":NaN,"#).into_bytes(), None, NOTE),
        (format!("{}\0", plain("n13")).into_bytes(), None, NOTE),
        (plain("n14").replace("eventType", "EventType").into_bytes(), None, NOTE),
    ]
}

#[tokio::test]
async fn an_event_in_any_encoding_and_with_small_errors_appears_once_in_its_thread() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    let url = format!("{}/signl4/{LISTENER_SECRET}", harness.listener_url());
    let mut expected = Vec::new();
    for (body, encoding, note) in bodies(&alert) {
        for _ in 0..2 {
            let mut call = http().post(&url).body(body.clone());
            if let Some(encoding) = encoding {
                call = call.header("Content-Encoding", encoding);
            }
            let answer = call.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{}", String::from_utf8_lossy(&body));
        }
        expected.push(format!("Rene: {note}"));
    }
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    expected.push("Rene: Alert acknowledged.".into());
    assert_eq!(harness.replies(&message), expected);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_kept_once_and_shown_to_the_operator() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let path = format!("/signl4/{LISTENER_SECRET}");
    let bodies: [&[u8]; 7] = [
        b"a secret note: not json",
        br#"{"eventType":201,"alert":"#,
        &[0xFF, 0xFE, 0x00],
        &[0x1F, 0x8B, 0x08, 0x00, 0x00],
        b"{}",
        br#"{"id":"n1","eventType":"now"}"#,
        &[b'['; 100_000],
    ];
    for body in bodies {
        for _ in 0..2 {
            assert_eq!(harness.post(&path, body.to_vec()).await.0, 200, "{}", String::from_utf8_lossy(body));
        }
    }
    // The same notification, by its id.
    assert_eq!(harness.post(&path, r#"{"id":"n1"}"#).await.0, 200);
    bot.wait_for_logs(bodies.len(), &["an event from SIGNL4 cannot be read", "\"row\":"]).await;
    assert_eq!(bot.count_in_log(&["an event from SIGNL4 cannot be read"]), bodies.len());
    assert_eq!(bot.count_in_log(&["a secret note"]), 0);
    let page = http().get(harness.admin_url()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("an event from SIGNL4 could not be read"), "{page}");
    let metrics = http().get(format!("{}/metrics", harness.admin_url())).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(
        metrics.lines().any(|line| {
            line.starts_with("signl4_bot_events_total{")
                && line.contains("correlation=\"unreadable\"")
                && line.ends_with(" 7")
        }),
        "{metrics}"
    );
    assert_eq!(harness.post(&path, "").await.0, 400, "check's own call");
}

#[tokio::test]
async fn an_event_about_an_alert_with_an_unknown_meaning_is_shown_to_the_operator() {
    const UNKNOWN: &str = "about an alert has an unknown meaning";
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    let path = format!("/signl4/{LISTENER_SECRET}");
    let event = |id: &str, event_type: u32, status: u32, event_id: &str| {
        format!(
            r#"{{"id":"{id}","eventType":{event_type},"alert":{{"statusCode":{status},"eventId":"{event_id}"}}}}"#
        )
    };
    let foreign = "2518783235949759942_fbc7b4a4-badd-47b8-9e1d-702fb6a1a0b2";
    let bodies = [
        event("n1", 201, 1, foreign),
        r#"{"id":"n2","eventType":1}"#.into(),
        r#"{"id":"n3","eventType":304}"#.into(),
        event("n4", 201, 1, &alert.event_id),
        event("n5", 207, 2, &alert.event_id),
        // SIGNL4's error, as a bit.
        event("n6", 201, 33, &alert.event_id),
    ];
    for body in bodies {
        assert_eq!(harness.post(&path, body).await.0, 200);
    }
    harness.wait_for_reply(&message, "This alert could not reach anybody. Please call somebody.").await;
    bot.wait_for_logs(2, &[UNKNOWN]).await;
    assert_eq!(bot.count_in_log(&[UNKNOWN]), 2);
    let page = http().get(harness.admin_url()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(UNKNOWN) && page.contains("eventType 207"), "{page}");
}

#[tokio::test]
async fn an_event_is_accepted_at_a_path_with_extra_slashes_or_escapes() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    let escaped: String = LISTENER_SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let paths = [
        format!("/signl4/{LISTENER_SECRET}/"),
        format!("//signl4/{LISTENER_SECRET}"),
        format!("/signl4//{LISTENER_SECRET}?source=signl4"),
        format!("/signl4/{escaped}"),
        format!("/%73ignl4%2F{LISTENER_SECRET}"),
    ];
    for (path, number) in paths.iter().zip(1..) {
        let body = event(&alert, &format!("n{number}"), &format!("note {number}"));
        assert_eq!(harness.post(path, body).await.0, 200, "{path}");
        harness.wait_for_reply(&message, &format!("Rene: note {number}")).await;
    }
    for path in [format!("/{LISTENER_SECRET}"), format!("/signl4/x/{LISTENER_SECRET}"), "/signl4/%FF".into()]
    {
        assert_eq!(harness.post(&path, event(&alert, "n9", "no")).await.0, 404, "{path}");
    }
}
