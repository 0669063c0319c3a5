//! How Rocket.Chat writes plain values: text, flags and times, each in more than one way.

use jiff::Timestamp;
use serde_json::Value;

/// The text under `key`.
pub(super) fn text<'a>(document: &'a Value, key: &str) -> Option<&'a str> {
    document.get(key).and_then(Value::as_str)
}

/// The text under `key`, if it is more than blanks.
pub(super) fn filled<'a>(document: &'a Value, key: &str) -> Option<&'a str> {
    text(document, key).filter(|text| !text.trim().is_empty())
}

/// Whether `key` is `true`.
pub(super) fn flag(document: &Value, key: &str) -> bool {
    document.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// An identifier or error code, which some versions write as a number.
pub(super) fn code(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The texts of a list; whatever else stands in it is left out.
pub(super) fn texts(document: &Value, key: &str) -> Vec<String> {
    let list = document.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// A moment: `{"$date": ms}` on DDP, an ISO 8601 text in REST, bare milliseconds in a few places.
///
/// Only moments since 1970 and within reason, so that whoever adds or takes off a day need not fear the end of time.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    written_time(value).filter(|time| (0..LATEST).contains(&time.as_millisecond()))
}

/// The year 9000, in milliseconds.
const LATEST: i64 = 221_845_392_000_000;

fn written_time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Object(fields) => match fields.get("$date") {
            Some(inner @ (Value::Number(_) | Value::String(_))) => written_time(inner),
            _ => None,
        },
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => {
            // JavaScript has one kind of number, so a time may come with a fraction.
            let ms = number.as_i64().or_else(|| number.as_f64().map(|ms| ms as i64))?;
            Timestamp::from_millisecond(ms).ok()
        }
        _ => None,
    }
}

/// The moment under `key`.
pub(super) fn time_of(document: &Value, key: &str) -> Option<Timestamp> {
    document.get(key).and_then(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_read_in_every_form_it_is_written_in() {
        let moment = Timestamp::from_millisecond(1_696_417_505_309).unwrap();
        for form in [
            json!({"$date": 1_696_417_505_309_i64}),
            json!({"$date": "2023-10-04T11:05:05.309Z"}),
            json!("2023-10-04T11:05:05.309Z"),
            json!(1_696_417_505_309_i64),
            json!(1_696_417_505_309.25),
        ] {
            assert_eq!(time(&form), Some(moment), "{form}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for form in [
            json!(null),
            json!(""),
            json!("yesterday"),
            json!({}),
            json!({"$date": {"$date": 1}}),
            json!(i64::MAX),
            json!(-1),
            json!("9999-01-01T00:00:00Z"),
            json!(1e300),
            json!([1]),
        ] {
            assert_eq!(time(&form), None, "{form}");
        }
    }
}
