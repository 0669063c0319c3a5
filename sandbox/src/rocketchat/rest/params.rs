//! The parameters of a route, checked like its JSON schema in `packages/rest-typings`, with ajv's messages.

use serde_json::{Map, Value};

use crate::rocketchat::refusal::Refusal;

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Flag,
    Number,
    Object,
    List,
    /// A text or a list of them.
    Texts,
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Param {
    name: &'static str,
    kind: Kind,
    required: bool,
}

impl Param {
    const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, required: false }
    }

    /// A required parameter.
    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    fn fits(self, value: &Value) -> bool {
        let number = |text: &str| text.parse::<f64>().is_ok();
        match self.kind {
            _ if value.is_null() => !self.required,
            Kind::Text => value.is_string(),
            Kind::Flag => value.is_boolean() || matches!(value.as_str(), Some("true" | "false")),
            Kind::Number => value.is_number() || value.as_str().is_some_and(number),
            Kind::Object => value.is_object(),
            Kind::List => value.is_array(),
            Kind::Texts => value.is_string() || value.is_array(),
        }
    }
}

pub(super) const fn text(name: &'static str) -> Param {
    Param::of(name, Kind::Text)
}

pub(super) const fn flag(name: &'static str) -> Param {
    Param::of(name, Kind::Flag)
}

pub(super) const fn number(name: &'static str) -> Param {
    Param::of(name, Kind::Number)
}

pub(super) const fn object(name: &'static str) -> Param {
    Param::of(name, Kind::Object)
}

pub(super) const fn list(name: &'static str) -> Param {
    Param::of(name, Kind::List)
}

pub(super) const fn texts(name: &'static str) -> Param {
    Param::of(name, Kind::Texts)
}

/// Refuses parameters that are missing, of the wrong type, or unknown to the route.
pub(super) fn check(known: &[Param], given: &Map<String, Value>) -> Result<(), Refusal> {
    let missing = known.iter().find(|param| param.required && !given.contains_key(param.name));
    if let Some(param) = missing {
        return Err(invalid(format!("must have required property '{}'", param.name)));
    }
    if !given.keys().all(|name| known.iter().any(|param| param.name == name)) {
        return Err(invalid("must NOT have additional properties".to_owned()));
    }
    check_types(known, given)
}

/// Refuses parameters of the wrong type; unknown ones pass.
pub(super) fn check_types(known: &[Param], given: &Map<String, Value>) -> Result<(), Refusal> {
    let wrong = known.iter().find(|param| given.get(param.name).is_some_and(|value| !param.fits(value)));
    match wrong {
        Some(param) => Err(invalid(format!("must be {}", word(param.kind)))),
        None => Ok(()),
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Texts => "string",
        Kind::Flag => "boolean",
        Kind::Number => "number",
        Kind::Object => "object",
        Kind::List => "array",
    }
}

fn invalid(reason: String) -> Refusal {
    Refusal::meteor("invalid-params", reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(known: &[Param], given: Value) -> Option<String> {
        check(known, given.as_object().unwrap()).err().map(|refusal| refusal.to_string())
    }

    #[test]
    fn parameters_are_refused_as_the_schema_validator_does() {
        let known = [text("roomId").required(), number("count"), flag("inclusive")];
        assert_eq!(refusal(&known, json!({ "roomId": "r", "count": "20", "inclusive": "true" })), None);
        let said = |given| refusal(&known, given).unwrap();
        assert_eq!(said(json!({})), "must have required property 'roomId' [invalid-params]");
        assert_eq!(said(json!({ "roomId": 3 })), "must be string [invalid-params]");
        assert_eq!(said(json!({ "roomId": "r", "count": "many" })), "must be number [invalid-params]");
        assert_eq!(
            said(json!({ "roomId": "r", "x": 1 })),
            "must NOT have additional properties [invalid-params]"
        );
    }
}
