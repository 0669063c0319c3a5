//! `[signl4]`: the teams that are paged, and SIGNL4's API.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::report::fault;
use super::section::Section;
use super::values::{base_url, duration, unique_name, webhook_url};
use crate::alerting::TeamName;
use signl4::WebhookUrl;

/// `[signl4]`
#[derive(Clone, Debug)]
pub struct Signl4 {
    /// The webhook of the default team.
    pub webhook_url: WebhookUrl,
    /// `[[signl4.team]]`: the webhooks of further teams, by name.
    pub teams: BTreeMap<String, WebhookUrl>,
    /// The key of the REST API.
    pub api_key: Option<SecretString>,
    /// The REST API, without a trailing slash.
    pub api_url: Url,
    /// How long to retry the delivery of an alert.
    pub retry_for: Duration,
}

impl Signl4 {
    /// The webhook of every team, the default one's first.
    pub fn webhooks(&self) -> impl Iterator<Item = (TeamName, &WebhookUrl)> {
        let named = self.teams.iter().map(|(name, url)| (TeamName::Named(name.clone()), url));
        std::iter::once((TeamName::Default, &self.webhook_url)).chain(named)
    }
}

/// Reads the table, and adds the names of all its teams, some of which may have other problems.
pub(super) fn read(mut section: Section<'_>, team_names: &mut Vec<String>) -> Option<Signl4> {
    let webhook_url = webhook(&mut section);
    let mut teams = BTreeMap::new();
    for mut team in section.tables("team").unwrap_or_default() {
        team.require(&["name"], r#""network""#);
        let name = team.checked("name", |name| unique_name("team", name, team_names));
        let webhook = webhook(&mut team);
        teams.extend(name.zip(webhook));
    }
    let api_key = section.secret("api_key", "api_key_file", Ok);
    let api_url = api_url(&mut section);
    let retry_for = section.checked_or("retry_for", "24h", |text| match duration(text)? {
        Duration::ZERO => fault("is zero", r#"write, for example, "24h""#),
        retry_for => Ok(retry_for),
    });
    Some(Signl4 { webhook_url: webhook_url?, teams, api_key, api_url: api_url?, retry_for: retry_for? })
}

fn webhook(section: &mut Section<'_>) -> Option<WebhookUrl> {
    let example = r#""https://connect.signl4.com/webhook/{team-secret}""#;
    section.require(&["webhook_url", "webhook_url_file"], example);
    section.secret("webhook_url", "webhook_url_file", |secret| webhook_url(&secret))
}

fn api_url(section: &mut Section<'_>) -> Option<Url> {
    const DEFAULT: &str = "https://connect.signl4.com/api/v2";
    let fix = format!("write, for example, api_url = \"{DEFAULT}\"");
    section.checked_or("api_url", DEFAULT, |text| base_url(text, &fix))
}
