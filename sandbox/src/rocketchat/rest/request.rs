//! The input of a route.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answer::Failure;
use crate::rocketchat::faults::Switches;
use crate::rocketchat::options::Options;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::time::{Millis, parse_iso};

/// A request after the checks that all routes share.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// The parameters: from the query for GET, otherwise from the body.
    pub(super) params: Map<String, Value>,
    /// The user that the headers authenticate.
    pub(super) user: Option<String>,
    /// The token of these headers.
    pub(super) token: String,
    pub(super) options: &'a Options,
    pub(super) switches: Switches,
}

impl Request<'_> {
    /// The user; routes that need one are not called without.
    pub(super) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or_default()
    }

    /// A text parameter that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.params.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// A parameter that is, or reads as, a number.
    pub(super) fn number(&self, name: &str) -> Option<usize> {
        let value = self.params.get(name)?;
        value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .and_then(|number| usize::try_from(number).ok())
    }

    /// A parameter that is true, as a boolean or as a text.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        let value = self.params.get(name)?;
        value.as_bool().or_else(|| value.as_str().map(|text| text == "true"))
    }

    /// `offset` and `count` (`getPaginationItems`): 50 at a time, never more than 100.
    pub(super) fn page(&self) -> (usize, usize) {
        let count = self.number("count").unwrap_or(50).min(100);
        (self.number("offset").unwrap_or(0), count)
    }

    /// `updatedSince`, if it was given.
    pub(super) fn updated_since(&self, wrong: impl FnOnce() -> Refusal) -> Result<Option<Millis>, Failure> {
        match self.text("updatedSince") {
            None => Ok(None),
            Some(text) => parse_iso(text).map(Some).ok_or_else(|| wrong().into()),
        }
    }
}

/// The query's parameters, as the body's would be.
pub(super) fn from_query(query: BTreeMap<String, String>) -> Map<String, Value> {
    query.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}
