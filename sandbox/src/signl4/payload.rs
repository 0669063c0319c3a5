//! How SIGNL4 reads the body of a webhook call: control keys, title, text, parameters.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Where the title is looked for, best first. Names are case-insensitive (inferred).
const TITLE_KEYS: [&str; 6] = ["title", "subject", "job", "task", "case", "incident"];
/// Where the text is looked for, best first.
const TEXT_KEYS: [&str; 6] = ["text", "message", "messagetext", "description", "body", "content"];

/// A webhook call's body, understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Payload {
    pub title: String,
    pub text: String,
    pub parameters: BTreeMap<String, String>,
    pub external_id: Option<String>,
    pub status: RequestedStatus,
    pub service: Option<String>,
    pub location: Option<String>,
    pub alerting_scenario: Option<String>,
    pub filtering: Option<bool>,
    pub source_system: Option<String>,
}

/// `X-S4-Status`. A value that is none of the documented ones raises an alert (inferred).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RequestedStatus {
    #[default]
    New,
    Acknowledged,
    Resolved,
}

impl Payload {
    /// Reads a body's members.
    pub(super) fn read(body: &Map<String, Value>) -> Self {
        let mut payload = Self::default();
        let mut rest: Vec<(&String, &Value)> =
            body.iter().filter(|(key, value)| !payload.take_control_key(key, value)).collect();
        payload.title = take_first(&mut rest, &TITLE_KEYS);
        payload.text = take_first(&mut rest, &TEXT_KEYS);
        for (key, value) in rest {
            flatten(key, value, &mut payload.parameters);
        }
        payload
    }

    /// Whether `key` is a control key; its value is kept.
    fn take_control_key(&mut self, key: &str, value: &Value) -> bool {
        let text = Some(plain(value));
        match key.to_ascii_lowercase().as_str() {
            "x-s4-externalid" => self.external_id = text,
            "x-s4-service" => self.service = text,
            "x-s4-location" => self.location = text,
            "x-s4-alertingscenario" => self.alerting_scenario = text,
            "x-s4-sourcesystem" => self.source_system = text,
            "x-s4-filtering" => self.filtering = Some(plain(value).eq_ignore_ascii_case("true")),
            "x-s4-status" => self.status = requested_status(&plain(value)),
            _ => return false,
        }
        true
    }
}

fn requested_status(value: &str) -> RequestedStatus {
    match value.to_ascii_lowercase().as_str() {
        "acknowledged" => RequestedStatus::Acknowledged,
        "resolved" => RequestedStatus::Resolved,
        _ => RequestedStatus::New,
    }
}

fn take_first(members: &mut Vec<(&String, &Value)>, keys: &[&str]) -> String {
    let found =
        keys.iter().find_map(|wanted| members.iter().position(|(key, _)| key.eq_ignore_ascii_case(wanted)));
    found.map(|index| plain(members.remove(index).1)).unwrap_or_default()
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, into))
        }
        other => drop(into.insert(path.to_owned(), plain(other))),
    }
}

/// A value as a person reads it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: Value) -> Payload {
        Payload::read(body.as_object().unwrap())
    }

    #[test]
    fn the_title_comes_from_the_first_name_in_the_documented_order() {
        let payload =
            read(json!({"Incident": "c", "subject": "b", "TITLE": "a", "Body": "y", "Message": "x"}));
        assert_eq!((payload.title.as_str(), payload.text.as_str()), ("a", "x"));
        let left: Vec<_> = payload.parameters.keys().map(String::as_str).collect();
        assert_eq!(left, ["Body", "Incident", "subject"]);
    }

    #[test]
    fn control_keys_are_found_in_any_case_and_are_no_parameters() {
        let payload =
            read(json!({"x-s4-EXTERNALID": "R1", "X-S4-Status": "Resolved", "x-s4-filtering": true}));
        assert_eq!(payload.external_id.as_deref(), Some("R1"));
        assert_eq!(payload.status, RequestedStatus::Resolved);
        assert_eq!(payload.filtering, Some(true));
        assert!(payload.parameters.is_empty());
    }

    #[test]
    fn nested_values_are_flattened_with_dots() {
        let payload = read(json!({"host": {"name": "db1", "load": {"1m": 4.5}}, "tags": ["a", 1]}));
        let expected = [("host.load.1m", "4.5"), ("host.name", "db1"), ("tags", "[\"a\",1]")];
        let found: Vec<_> = payload.parameters.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(found, expected);
    }
}
