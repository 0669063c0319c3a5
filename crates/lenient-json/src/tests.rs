use std::io::Write;

use arbitrary_json::{any_json, repeatable};
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What bodies in other forms say.
fn expected() -> Value {
    json!({"id": "n1", "user": "Jürgen", "note": "🔥 down"})
}

fn utf_16(text: &str, unit: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), level);
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The text in every encoding that is read.
fn encodings(text: &str) -> Vec<Vec<u8>> {
    let with_bom = format!("\u{FEFF}{text}");
    let mut encodings = vec![text.as_bytes().to_vec(), with_bom.as_bytes().to_vec()];
    for text in [text, &with_bom] {
        encodings.push(utf_16(text, u16::to_le_bytes));
        encodings.push(utf_16(text, u16::to_be_bytes));
    }
    encodings
}

/// The bytes, as they are and in every compression that is read.
fn compressions(bytes: &[u8]) -> Vec<Vec<u8>> {
    vec![
        bytes.to_vec(),
        gzip(bytes),
        zlib(bytes, Compression::none()),
        zlib(bytes, Compression::default()),
        zlib(bytes, Compression::best()),
        deflate(bytes),
    ]
}

#[test]
fn every_encoding_and_compression_is_read() {
    for encoded in encodings(&expected().to_string()) {
        for body in compressions(&encoded) {
            assert_eq!(read(&body).unwrap(), expected(), "{body:02x?}");
        }
    }
    let parts = [gzip(br#"{"id":"#), gzip(br#"7}"#)].concat();
    assert_eq!(read(&parts).unwrap(), json!({"id": 7}), "a file of two members");
}

#[test]
fn what_json_forbids_is_repaired() {
    for (body, read_as) in [
        (&b"{\"a\":\"J\xFCrgen \xC3\xBC\"}"[..], json!({"a": "Jürgen ü"})),
        (b"{\"a\":\"one\ttwo\nthree\x01\"}", json!({"a": "one\ttwo\nthree\u{1}"})),
        (b"{\"a\":1}\0", json!({"a": 1})),
        (b"\0\0 {\"a\":\0 1}\r\n\0\0", json!({"a": 1})),
        (br#"{"a":"x\ud83d"}"#, json!({"a": "x\u{FFFD}"})),
        (br#"{"a":"\ud83dx\udd25"}"#, json!({"a": "\u{FFFD}x\u{FFFD}"})),
        (br#"{"a":"\ud83d\ud83d\udd25"}"#, json!({"a": "\u{FFFD}🔥"})),
        (br#"{"\udd25":"\\ud83d"}"#, json!({"\u{FFFD}": "\\ud83d"})),
        (br#"{"a":"\u12"}"#, json!({"a": "\\u12"})),
        (br#"{"a":"C:\temp\x"}"#, json!({"a": "C:\temp\\x"})),
        (br#"{"a":NaN,"b":-Infinity,"c":[Infinity,nan]}"#, json!({"a": null, "b": null, "c": [null, null]})),
        (br#"{"a":1e400,"b":[-9.5E+999,2],"c":7}"#, json!({"a": null, "b": [null, 2], "c": 7})),
        (
            br#"{"a":NaN,"b":"NaN","c":-1.5e3,"d":true,"e":false,"f":null}"#,
            json!({"a": null, "b": "NaN", "c": -1500.0, "d": true, "e": false, "f": null}),
        ),
        (br#"{"a":1}{"a":2}"#, json!({"a": 1})),
        (br#"{"a":1} and more"#, json!({"a": 1})),
    ] {
        assert_eq!(read(body).unwrap(), read_as, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn text_that_is_not_json_stays_an_error() {
    for body in [
        &b""[..],
        b"\0",
        b"\xFF\xFE",
        b"hello",
        b"<html>",
        br#"{"a":"#,
        br#"{"a":"b}"#,
        b"\x1F\x8B",
        b"x\x9C",
    ] {
        assert!(read(body).is_err(), "{body:02x?}");
    }
    let deep = "[".repeat(100_000);
    assert!(read(deep.as_bytes()).is_err());
}

#[test]
fn a_small_body_that_decompresses_to_a_huge_one_is_cut_off() {
    let huge = format!(r#"{{"a":"{}"}}"#, "x".repeat(50_000_000));
    let body = gzip(huge.as_bytes());
    assert!(body.len() < 100_000);
    assert_eq!(decoded(&body).len() as u64, MAX_TEXT);
    assert!(read(&body).is_err());
}

#[test]
fn a_field_is_found_in_any_letter_case_its_own_first() {
    let object = json!({"EVENTID": 1, "eventId": 2, "Other": 3});
    assert_eq!(field(&object, "eventId"), &json!(2));
    assert_eq!(field(&object, "other"), &json!(3));
    assert_eq!(field(&object, "missing"), &Value::Null);
    assert_eq!(field(&json!("text"), "length"), &Value::Null);
}

proptest! {
    #![proptest_config(repeatable(500))]

    #[test]
    fn any_bytes_are_read_or_an_error(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&body);
    }

    #[test]
    fn repair_changes_no_valid_json(value in any_json()) {
        let text = value.to_string();
        prop_assert_eq!(repaired(&text), text.as_str());
    }

    #[test]
    fn an_object_is_read_in_every_encoding_and_compression(value in any_json()) {
        // Rounded once, as numbers are when they are read.
        let text = json!({ "a": value }).to_string();
        let value: Value = serde_json::from_str(&text).unwrap();
        for encoded in encodings(&text) {
            for body in compressions(&encoded) {
                prop_assert_eq!(&read(&body).unwrap(), &value);
            }
        }
    }

    #[test]
    fn a_damaged_object_is_an_error_or_an_object(value in any_json(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut body = json!({ "a": value }).to_string().into_bytes();
        let at = at.index(body.len());
        body[at] = with;
        let _ = read(&body);
    }
}
