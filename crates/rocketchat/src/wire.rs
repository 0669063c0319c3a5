//! Reads plain JSON values, each of which servers write in more than one form: text, flags, times.

use jiff::Timestamp;
use serde_json::Value;

/// The text under `key`.
pub(super) fn text<'a>(document: &'a Value, key: &str) -> Option<&'a str> {
    document.get(key).and_then(Value::as_str)
}

/// The text under `key`, unless it is blank.
pub(super) fn filled<'a>(document: &'a Value, key: &str) -> Option<&'a str> {
    text(document, key).filter(|text| !text.trim().is_empty())
}

/// Whether `key` is `true`.
pub(super) fn flag(document: &Value, key: &str) -> bool {
    document.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// An identifier or error code; some versions write it as a number.
pub(super) fn code(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The texts in a list; other items are skipped.
pub(super) fn texts(document: &Value, key: &str) -> Vec<String> {
    items(document, key).iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// The items of a list; none if it is anything else.
pub(super) fn items<'a>(document: &'a Value, key: &str) -> &'a [Value] {
    document.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A time: `{"$date": ms}` in DDP, ISO 8601 in REST, plain milliseconds in a few places.
///
/// Only times between 1970 and the year 9000, so that arithmetic with them cannot overflow.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    unbounded_time(value).filter(|time| (0..LATEST).contains(&time.as_millisecond()))
}

/// The year 9000, in milliseconds.
const LATEST: i64 = 221_845_392_000_000;

fn unbounded_time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Object(fields) => match fields.get("$date") {
            Some(inner @ (Value::Number(_) | Value::String(_))) => unbounded_time(inner),
            _ => None,
        },
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => {
            // JavaScript numbers are floats, so a time may have a fraction.
            let ms = number.as_i64().or_else(|| number.as_f64().map(|ms| ms as i64))?;
            Timestamp::from_millisecond(ms).ok()
        }
        _ => None,
    }
}

/// The time under `key`.
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
    fn anything_else_is_none() {
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
