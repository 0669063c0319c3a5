//! Secrets: given as they are, or as the path of a file that holds them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::problem::{Fault, quoted};
use super::section::{Section, Setting};

/// The longest secret file read, in bytes. The longest real secret has some hundred.
const LONGEST_FILE: u64 = 64 << 10;

/// The fewest characters of a secret that keeps strangers out.
const SHORTEST: usize = 16;

impl Section<'_> {
    /// A secret: `key`, or the content of the file that `file_key` (`<key>_file`) names. The environment wins over the
    /// file across the two forms.
    pub(super) fn secret(
        &mut self,
        key: &'static str,
        file_key: &'static str,
    ) -> Option<Setting<SecretString>> {
        let (inline, path) = (self.text(key), self.text(file_key));
        if let (Some(inline), Some(path)) = (&inline, &path)
            && inline.place.is_env() == path.place.is_env()
        {
            let why = format!("is given together with {key}");
            self.report.note(&path.place, Fault::new(why, "keep one of the two"));
            return None;
        }
        let (text, place) = match (inline, path) {
            (Some(inline), path) if path.is_none() || inline.place.is_env() => (inline.value, inline.place),
            (_, path) => {
                let path = path?;
                (self.report.accept(&path.place, read(&path.value))?, path.place)
            }
        };
        self.report.accept(&place, plausible(&text))?;
        Some(Setting { value: SecretString::from(text), place })
    }
}

/// Reads a secret file; the line break at its end is not part of the secret.
pub(super) fn read(path: &str) -> Result<String, Fault> {
    let file = shown(path);
    let unreadable = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::InvalidData => format!("names {file}, which holds no UTF-8 text"),
            _ => format!("names {file}, which cannot be read ({error})"),
        };
        Fault::new(why, "name a file that holds the secret and nothing else, readable by the bot's user")
    };
    let mut text = String::new();
    let opened = File::open(path).map_err(unreadable)?;
    opened.take(LONGEST_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LONGEST_FILE {
        return Err(Fault::new(
            format!("names {file}, which is far too long for a secret"),
            "name a file that holds the secret and nothing else",
        ));
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// The path for people. What does not look like one may be the secret itself, put under the wrong key.
fn shown(path: &str) -> String {
    let relative = path.starts_with("./") || path.starts_with("../");
    let top = path.strip_prefix('/').and_then(|rest| rest.split_once('/')).map(|(top, _)| top);
    let absolute = top.is_some_and(|top| !top.is_empty() && Path::new("/").join(top).is_dir());
    if relative || absolute { quoted(path) } else { "a file".to_owned() }
}

pub(super) fn plausible(secret: &str) -> Result<(), Fault> {
    if secret.trim().is_empty() {
        return Err(Fault::new("is empty", "give the secret, or leave the key out"));
    }
    if secret.chars().any(char::is_control) {
        return Err(Fault::new(
            "holds a line break or another control character",
            "give the secret alone, on one line",
        ));
    }
    if secret == "…" || secret == "..." {
        return Err(Fault::new("is still the placeholder", "put the real secret in its place"));
    }
    Ok(())
}

/// A secret that alone keeps strangers out, and that stands in a URL: long enough, and of letters that need no escaping.
pub(super) fn strong(secret: SecretString) -> Result<SecretString, Fault> {
    const FIX: &str = "make one, for example with: openssl rand -hex 24";
    let text = secret.expose_secret();
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)) {
        return Err(Fault::new("has a character other than a-z A-Z 0-9 - _ . ~", FIX));
    }
    if text.len() < SHORTEST {
        return Err(Fault::new(format!("is shorter than {SHORTEST} characters"), FIX));
    }
    Ok(secret)
}
