//! The event that raises an alert.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Longest text that is sent, in characters. SIGNL4 documents no limit; a vendor's pull request elsewhere says about
/// 10,000, and a page nobody can read is worth less than one that arrives.
const MAX_TEXT: usize = 10_000;

/// What is posted to the webhook. Every value is already rendered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertEvent {
    /// Headline of the alert.
    pub title: String,
    /// Text of the alert; longer than 10,000 characters it is cut, with an ellipsis.
    pub message: String,
    /// Who wrote the message.
    pub user: String,
    /// The room it was written in.
    pub channel: String,
    /// Permalink of the message.
    pub link: Option<String>,
    /// `X-S4-ExternalID`.
    pub external_id: String,
    /// `X-S4-Service`: the category's name.
    pub service: Option<String>,
    /// `X-S4-Location`: `lat,lon`.
    pub location: Option<String>,
    /// `X-S4-AlertingScenario`: `single_ack`, `multi_ack` or `emergency`.
    pub alerting_scenario: Option<String>,
    /// `X-S4-Filtering`.
    pub filtering: Option<bool>,
    /// Further parameters, shown with the alert. A name of the fields above does not replace them.
    pub fields: BTreeMap<String, String>,
}

impl AlertEvent {
    /// The JSON body as SIGNL4 takes it.
    pub fn to_json(&self) -> Value {
        let mut body: Map<String, Value> =
            self.fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let mut put = |name: &str, value: Value| {
            // Names are case-insensitive on the other side, so `Title` would fight with `title`.
            body.retain(|other, _| !other.eq_ignore_ascii_case(name));
            body.insert(name.to_owned(), value);
        };
        put("title", self.title.as_str().into());
        put("message", shorten(&self.message, MAX_TEXT).into());
        put("user", self.user.as_str().into());
        put("channel", self.channel.as_str().into());
        if let Some(link) = &self.link {
            put("link", link.as_str().into());
        }
        put("X-S4-ExternalID", self.external_id.as_str().into());
        put("X-S4-SourceSystem", "RocketChat".into());
        put("X-S4-Status", "new".into());
        if let Some(service) = &self.service {
            put("X-S4-Service", service.as_str().into());
        }
        if let Some(location) = &self.location {
            put("X-S4-Location", location.as_str().into());
        }
        if let Some(scenario) = &self.alerting_scenario {
            put("X-S4-AlertingScenario", scenario.as_str().into());
        }
        if let Some(filtering) = self.filtering {
            put("X-S4-Filtering", filtering.into());
        }
        Value::Object(body)
    }
}

fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> AlertEvent {
        AlertEvent {
            title: "Alert from Rocket.Chat".into(),
            message: "SIGNL4 pump 3 is down".into(),
            user: "alice".into(),
            channel: "general".into(),
            link: Some("https://chat.example.com/channel/general?msg=m1".into()),
            external_id: "GENERAL".into(),
            ..AlertEvent::default()
        }
    }

    #[test]
    fn a_plain_event_carries_the_contract_and_nothing_else() {
        assert_eq!(
            event().to_json(),
            serde_json::json!({
                "title": "Alert from Rocket.Chat",
                "message": "SIGNL4 pump 3 is down",
                "user": "alice",
                "channel": "general",
                "link": "https://chat.example.com/channel/general?msg=m1",
                "X-S4-ExternalID": "GENERAL",
                "X-S4-SourceSystem": "RocketChat",
                "X-S4-Status": "new",
            })
        );
    }

    #[test]
    fn a_field_never_replaces_what_the_bridge_says() {
        let mut event = event();
        event.fields.insert("Severity".into(), "high".into());
        event.fields.insert("x-s4-externalid".into(), "stolen".into());
        let body = event.to_json();
        assert_eq!(body["Severity"], "high");
        assert_eq!(body["X-S4-ExternalID"], "GENERAL");
        assert!(body.get("x-s4-externalid").is_none());
    }

    #[test]
    fn an_endless_text_is_cut_at_a_character() {
        let mut event = event();
        event.message = "ü".repeat(MAX_TEXT + 1);
        let body = event.to_json();
        let message = body["message"].as_str().unwrap();
        assert_eq!(message.chars().count(), MAX_TEXT);
        assert!(message.ends_with('…'));
    }
}
