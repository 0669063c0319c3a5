//! The event that raises an alert.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Longest text that is sent, in characters. SIGNL4 documents no limit; a pull request of the vendor elsewhere says about
/// 10,000.
const MAX_TEXT: usize = 10_000;

/// The event posted to the webhook. Names and meaning: <https://docs.signl4.com/integrations/webhook/webhook.html>.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertEvent {
    /// The alert's title.
    pub title: String,
    /// The alert's text, cut with an ellipsis after 10,000 characters.
    pub message: String,
    /// `X-S4-ExternalID`: repeated in notifications as [`AlertRef::external_id`](crate::AlertRef::external_id).
    pub external_id: Option<String>,
    /// `X-S4-SourceSystem`: the name of the system that raises the alert.
    pub source_system: Option<String>,
    /// `X-S4-Service`: the category's name.
    pub service: Option<String>,
    /// `X-S4-Location`: `lat,lon`.
    pub location: Option<String>,
    /// `X-S4-AlertingScenario`: `single_ack`, `multi_ack` or `emergency`.
    pub alerting_scenario: Option<String>,
    /// `X-S4-Filtering`: whether SIGNL4's event filters apply.
    pub filtering: Option<bool>,
    /// Further parameters, shown with the alert. They do not replace the ones above.
    pub fields: BTreeMap<String, String>,
}

impl AlertEvent {
    /// The JSON body of the call.
    pub fn to_json(&self) -> Value {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let parameters = [
            ("title", Some(self.title.as_str().into())),
            ("message", Some(shorten(&self.message, MAX_TEXT).into())),
            ("X-S4-Status", Some("new".into())),
            ("X-S4-ExternalID", text(&self.external_id)),
            ("X-S4-SourceSystem", text(&self.source_system)),
            ("X-S4-Service", text(&self.service)),
            ("X-S4-Location", text(&self.location)),
            ("X-S4-AlertingScenario", text(&self.alerting_scenario)),
            ("X-S4-Filtering", self.filtering.map(Value::from)),
        ];
        let fields = self.fields.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        let mut body: Map<String, Value> = fields.collect();
        for (name, value) in parameters.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            // SIGNL4 ignores the case of names, so `Title` would conflict with `title`.
            body.retain(|other, _| !other.eq_ignore_ascii_case(name));
            body.insert(name.to_owned(), value);
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
            external_id: Some("GENERAL".into()),
            source_system: Some("RocketChat".into()),
            ..AlertEvent::default()
        }
    }

    #[test]
    fn a_plain_event_has_only_what_is_set() {
        assert_eq!(
            event().to_json(),
            serde_json::json!({
                "title": "Alert from Rocket.Chat",
                "message": "SIGNL4 pump 3 is down",
                "X-S4-ExternalID": "GENERAL",
                "X-S4-SourceSystem": "RocketChat",
                "X-S4-Status": "new",
            })
        );
    }

    #[test]
    fn a_field_never_replaces_another_parameter() {
        let mut event = event();
        event.fields.insert("Severity".into(), "high".into());
        event.fields.insert("x-s4-externalid".into(), "stolen".into());
        let body = event.to_json();
        assert_eq!(body["Severity"], "high");
        assert_eq!(body["X-S4-ExternalID"], "GENERAL");
        assert!(body.get("x-s4-externalid").is_none());
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let mut event = event();
        event.message = "ü".repeat(MAX_TEXT + 1);
        let body = event.to_json();
        let message = body["message"].as_str().unwrap();
        assert_eq!(message.chars().count(), MAX_TEXT);
        assert!(message.ends_with('…'));
    }
}
