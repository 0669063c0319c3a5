//! The simulated server's clock and the two forms of a date on the wire: `{"$date": ms}` in DDP (EJSON) and an ISO
//! string in REST. Documents are built with EJSON dates and converted to the REST form at the edge.

use serde_json::{Map, Value, json};

/// Milliseconds since the Unix epoch, the resolution of every date in Rocket.Chat.
pub type Millis = i64;

/// An EJSON date.
pub(super) fn date(at: Millis) -> Value {
    json!({ "$date": at })
}

/// An ISO 8601 string with milliseconds and `Z`, as JavaScript's `toISOString` writes it.
pub(super) fn iso(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map(|stamp| format!("{stamp:.3}")).unwrap_or_default()
}

/// Reads an ISO 8601 date as JavaScript's `Date.parse` would take it from a REST parameter.
pub(super) fn parse_iso(text: &str) -> Option<Millis> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(stamp.as_millisecond());
    }
    let day = text.parse::<jiff::civil::Date>().ok()?;
    format!("{day}T00:00:00Z").parse::<jiff::Timestamp>().ok().map(|stamp| stamp.as_millisecond())
}

/// A date as a client sends it: EJSON on DDP, an ISO string in REST.
pub(super) fn from_wire(value: &Value) -> Option<Millis> {
    value["$date"].as_i64().or_else(|| value.as_str().and_then(parse_iso))
}

/// The REST form of a document: every `{"$date": ms}` within becomes an ISO string.
pub(super) fn rest_form(document: Value) -> Value {
    match document {
        Value::Object(fields) => match as_date(&fields) {
            Some(at) => Value::String(iso(at)),
            None => Value::Object(fields.into_iter().map(|(key, value)| (key, rest_form(value))).collect()),
        },
        Value::Array(items) => Value::Array(items.into_iter().map(rest_form).collect()),
        other => other,
    }
}

fn as_date(fields: &Map<String, Value>) -> Option<Millis> {
    if fields.len() == 1 { fields.get("$date")?.as_i64() } else { None }
}

/// The machine's clock, in milliseconds since the epoch.
pub(super) fn system_now() -> Millis {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_iso_strings_at_any_depth_and_parse_back() {
        let document =
            json!({ "ts": { "$date": 1_696_417_505_309_i64 }, "list": [{ "at": { "$date": 0 } }], "n": 1 });
        assert_eq!(
            rest_form(document),
            json!({ "ts": "2023-10-04T11:05:05.309Z", "list": [{ "at": "1970-01-01T00:00:00.000Z" }], "n": 1 })
        );
        assert_eq!(parse_iso("2023-10-04T11:05:05.309Z"), Some(1_696_417_505_309));
        assert_eq!(parse_iso("2023-10-04"), Some(1_696_377_600_000));
        assert_eq!(parse_iso("yesterday"), None);
    }
}
