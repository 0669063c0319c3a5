//! Validation of single values, used by several tables and by `init`: URLs, addresses, secrets, templates, words.

use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use strum::VariantNames;
use url::Url;

use super::report::{Fault, closest, fault, quoted};
use super::section::Section;
use super::source::read_bounded;
use crate::alerting::{CompileError, Template, Vocabulary};
use signl4::WebhookUrl;

/// Maximum size of a secret file in bytes. Real secrets have a few hundred at most.
const MAX_SECRET_FILE: u64 = 64 << 10;
/// The longest duration, about ten years: a longer one is a typing error.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// The text without what copying and saving add around it: spaces, line ends, byte order marks. Quotes around it are
/// an error, because an environment file keeps them while a shell or TOML removes them. The inside is not changed.
pub(crate) fn bare(text: &str) -> Result<&str, Fault> {
    const QUOTES: [(char, char); 6] =
        [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('„', '“'), ('‘', '’')];
    let is_invisible = |next: char| {
        next.is_whitespace()
            || next.is_control()
            || matches!(next, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
    };
    let text = text.trim_matches(is_invisible);
    let is_quoted = |(open, close)| text.strip_prefix(open).is_some_and(|rest: &str| rest.ends_with(close));
    match QUOTES.into_iter().any(is_quoted) {
        true => fault("has quotes around it", "remove the quotes"),
        false => Ok(text),
    }
}

/// An `http` or `https` URL without credentials.
pub(super) fn web_url(text: &str, fix: &str) -> Result<Url, Fault> {
    let text = bare(text)?;
    // A text with an @ may contain a password, so it is not repeated.
    let shown = if text.contains('@') { String::new() } else { format!(" ({})", quoted(text)) };
    let url = match Url::parse(text) {
        Ok(url) if text.contains("://") => url,
        _ => return fault(format!("is not a URL{shown}"), fix),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return fault(format!("has the scheme {}, not https or http", quoted(url.scheme())), fix);
    }
    if has_credentials(&url) {
        return fault(CREDENTIALS, "remove them from the URL");
    }
    Ok(url)
}

const CREDENTIALS: &str = "contains a user name or password";

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// A server's base URL: no query, and no trailing slash after a path.
pub(crate) fn base_url(text: &str, fix: &str) -> Result<Url, Fault> {
    let mut url = web_url(text, fix)?;
    if url.query().is_some() || url.fragment().is_some() {
        return fault("has a ? or # part", fix);
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// A webhook with its secret. The error contains nothing of it.
pub(crate) fn webhook_url(secret: &SecretString) -> Result<WebhookUrl, Fault> {
    const FIX: &str =
        "copy it from SIGNL4 (Integrations, Webhook), as in https://connect.signl4.com/webhook/{team-secret}";
    let text = secret.expose_secret();
    let webhook = WebhookUrl::parse(text).map_err(|error| Fault::new(error.to_string(), FIX))?;
    match Url::parse(text) {
        Ok(url) if has_credentials(&url) => fault(CREDENTIALS, FIX),
        _ => Ok(webhook),
    }
}

/// An address to listen on.
pub(super) fn socket_address(text: &str, fix: &str) -> Result<SocketAddr, Fault> {
    let text = bare(text)?;
    text.parse().map_err(|_| Fault::new(format!("is not an IP address with a port ({})", quoted(text)), fix))
}

/// A duration with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    const FIX: &str = r#"write, for example, "30s", "5m", "24h" or "90d""#;
    match humantime::parse_duration(text) {
        Ok(duration) if duration > MAX_DURATION => {
            fault(format!("is longer than ten years ({})", quoted(text)), FIX)
        }
        // The parser takes it for months, and a person means minutes.
        Ok(duration) if !text.contains('M') => Ok(duration),
        _ => fault(format!("is not a duration ({})", quoted(text)), FIX),
    }
}

impl Section<'_> {
    /// A secret that passes a check: `key`, or the content of the file that `file_key` (`<key>_file`) names. The environment
    /// overrides the file, even if the two use different keys.
    pub(super) fn secret<T>(
        &mut self,
        key: &'static str,
        file_key: &'static str,
        check: impl FnOnce(SecretString) -> Result<T, Fault>,
    ) -> Option<T> {
        self.secret_if(key, file_key, |_| true, check)
    }

    /// The same; the configuration file may be readable for everybody if this does not hold for the text in it.
    pub(super) fn secret_if<T>(
        &mut self,
        key: &'static str,
        file_key: &'static str,
        is_secret: impl FnOnce(&str) -> bool,
        check: impl FnOnce(SecretString) -> Result<T, Fault>,
    ) -> Option<T> {
        let (inline, path) = (self.text(key), self.text(file_key));
        if let (Some(inline), Some(path)) = (&inline, &path)
            && inline.location.is_env() == path.location.is_env()
        {
            let why = format!("is given together with {key}");
            self.report.note(&path.location, Fault::new(why, "keep one of the two"));
            return None;
        }
        let (secret, location) = match (inline, path) {
            (Some(inline), path) if path.is_none() || inline.location.is_env() => {
                if !inline.location.is_env() && is_secret(&inline.value) {
                    self.report.note_secret_file(None);
                }
                (secret(&inline.value), inline.location)
            }
            (_, path) => {
                let path = path?;
                self.report.note_secret_file(Some(&path.value));
                (secret_of_file(Path::new(&path.value)), path.location)
            }
        };
        self.report.accept(&location, secret.and_then(check))
    }
}

/// A secret from a file.
pub(crate) fn secret_of_file(path: &Path) -> Result<SecretString, Fault> {
    let why = match read_bounded(path, MAX_SECRET_FILE).map(String::from_utf8) {
        Ok(Ok(text)) => return secret(&text),
        Ok(Err(_)) => "which is not UTF-8 text".to_owned(),
        Err(error) => format!("which cannot be read ({error})"),
    };
    let fix = "name a file that contains only the secret and is readable by the bot's user";
    fault(format!("names {}, {why}", display(&path.to_string_lossy())), fix)
}

/// The path for display. A text that does not look like a path may be the secret itself under the wrong key.
fn display(path: &str) -> String {
    let relative = path.starts_with("./") || path.starts_with("../");
    let top = path.strip_prefix('/').and_then(|rest| rest.split_once('/')).map(|(top, _)| top);
    let absolute = top.is_some_and(|top| !top.is_empty() && Path::new("/").join(top).is_dir());
    if relative || absolute { quoted(path) } else { "a file".to_owned() }
}

/// A secret as it was typed or read, without what is around it.
pub(crate) fn secret(text: &str) -> Result<SecretString, Fault> {
    let secret = bare(text)?;
    if secret.is_empty() {
        return fault("is empty", "set the secret, or leave the key out");
    }
    if secret.chars().any(char::is_control) {
        return fault(
            "contains a line break or another control character",
            "write only the secret, on one line",
        );
    }
    if secret == "…" || secret == "..." {
        return fault("is still the placeholder", "replace it with the real secret");
    }
    Ok(SecretString::from(secret))
}

/// A secret that protects a listener and may be part of a URL: without characters that need escaping.
pub(super) fn url_safe(secret: SecretString) -> Result<SecretString, Fault> {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    match secret.expose_secret().bytes().all(is_safe) {
        true => Ok(secret),
        false => fault(
            "has a character other than a-z A-Z 0-9 - _ . ~",
            "create one, for example with: openssl rand -hex 24",
        ),
    }
}

/// A template that uses only the names of its vocabulary.
pub(super) fn compile(text: &str, vocabulary: &Vocabulary) -> Result<Template, Fault> {
    Template::compile(text, vocabulary).map_err(|error| {
        let fix = match &error {
            CompileError::Invalid { .. } => "write variables as {{ text }}; the syntax is that of Jinja",
            CompileError::Tag(_) => "use {% if … %}, and {% for … in … %} over a variable with filters",
            CompileError::UnknownName(name) => {
                let fix = match closest(name, vocabulary.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => format!(
                        "use one of: {}",
                        vocabulary.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
                    ),
                };
                return Fault::new(format!("uses the variable {}, which does not exist", quoted(name)), fix);
            }
        };
        Fault::new(format!("is not a template: {error}"), fix)
    })
}

/// One of several words.
pub(super) fn one_of<T: FromStr + VariantNames>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| {
        let known: Vec<String> = T::VARIANTS.iter().map(|word| format!("\"{word}\"")).collect();
        Fault::new(
            format!("is not one of the allowed words ({})", quoted(text)),
            format!("write one of {}", known.join(", ")),
        )
    })
}

/// The name of one of several tables of a kind, such as a team. Adds it to the names that are in use.
pub(super) fn unique_name(kind: &str, name: &str, taken: &mut Vec<String>) -> Result<String, Fault> {
    if name.trim().is_empty() {
        return fault("is empty", format!("give the {kind} a name"));
    }
    if taken.iter().any(|other| other == name) {
        let why = format!("is used twice ({})", quoted(name));
        return fault(why, format!("give each {kind} its own name"));
    }
    taken.push(name.to_owned());
    Ok(name.to_owned())
}
