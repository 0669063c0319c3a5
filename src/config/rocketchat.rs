//! `[rocketchat]`: the server, the account, and the name that replies are posted under.

use std::time::Duration;

use url::Url;

use super::report::{Fault, fault};
use super::section::Section;
use super::values::{bare, base_url, duration, web_url};
use rocketchat::{Credentials, ServerUrl, ServerUrlError, UserId};

/// `[rocketchat]`
#[derive(Clone, Debug)]
pub struct RocketChat {
    /// The server, with its sub-path.
    pub url: ServerUrl,
    /// The account to log in with.
    pub account: Credentials,
    /// The name to post under; `None` for the account's own.
    pub alias: Option<String>,
    /// The avatar to post with; `None` for the account's own.
    pub avatar: Option<Url>,
    /// Whether to join public channels that a trigger names.
    pub auto_join: bool,
    /// How old messages that the bot missed may be and still raise alerts; zero for never.
    pub catch_up: Duration,
}

pub(super) fn read(mut section: Section<'_>) -> Option<RocketChat> {
    section.require(&["url"], r#""https://chat.example.com""#);
    let url = section.checked("url", server_url);
    let account = read_account(&mut section);
    let alias = section.text("alias").map_or_else(|| "SIGNL4".to_owned(), |alias| alias.value);
    let avatar = section.checked("avatar", |text| {
        web_url(text, r#"write, for example, avatar = "https://example.com/signl4.png""#)
    });
    let auto_join = section.flag("auto_join").unwrap_or(true);
    let catch_up = section.checked_or("catch_up", "24h", duration);
    let alias = Some(alias).filter(|alias| !alias.trim().is_empty());
    Some(RocketChat { url: url?, account: account?, alias, avatar, auto_join, catch_up: catch_up? })
}

pub(crate) fn server_url(text: &str) -> Result<ServerUrl, Fault> {
    const FIX: &str = "write, for example, https://chat.example.com";
    let url = base_url(text, FIX)?;
    for end in ["/websocket", "/api/v1"] {
        if url.path().ends_with(end) {
            return fault(format!("ends in {end}"), "write the address that people open in the browser");
        }
    }
    url.as_str().parse().map_err(|error: ServerUrlError| Fault::new(error.to_string(), FIX))
}

/// Exactly one of the two forms.
fn read_account(section: &mut Section<'_>) -> Option<Credentials> {
    let by_token = section.has(&["user_id", "auth_token", "auth_token_file"]);
    let by_password = section.has(&["username", "password", "password_file"]);
    match (by_token, by_password) {
        (true, true) => {
            let second = section.location(if section.has(&["username"]) { "username" } else { "password" });
            let fix = "keep user_id and auth_token, or username and password";
            section.report.note(&second, Fault::new("configures a second account", fix));
        }
        (true, false) => {
            section.require(&["user_id"], r#""…""#);
            let example = r#""…", a personal access token (or auth_token_file = "…"),"#;
            section.require(&["auth_token", "auth_token_file"], example);
        }
        (false, true) => {
            section.require(&["username"], r#""…""#);
            section.require(&["password", "password_file"], r#""…" (or password_file = "…")"#);
        }
        (false, false) => {
            let example = r#""…" and auth_token = "…" (a personal access token), or username and password,"#;
            section.require(&["user_id"], example);
        }
    }
    let user_id = section.checked("user_id", account_name);
    let token = section.secret("auth_token", "auth_token_file", Ok);
    let username = section.checked("username", account_name);
    let password = section.secret("password", "password_file", Ok);
    match by_token {
        true => Some(Credentials::Token { user_id: UserId::new(user_id?), token: token? }),
        false => Some(Credentials::Password { username: username?, password: password? }),
    }
}

pub(crate) fn account_name(text: &str) -> Result<String, Fault> {
    match bare(text)? {
        "" => fault("is empty", "replace it with that of the bot's account"),
        "…" | "..." => fault("is still the placeholder", "replace it with that of the bot's account"),
        name => Ok(name.to_owned()),
    }
}
