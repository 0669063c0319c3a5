//! JSON as it arrives in practice: compressed, in another encoding, or with small errors.
//!
//! The clients of Rocket.Chat and SIGNL4 share it.
//!
//! Valid JSON is read unchanged. Otherwise the text is decompressed, decoded and repaired, and then read again. The
//! first bytes show what a body is, because headers are often missing or wrong.

#![warn(clippy::missing_errors_doc)]

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, io::Read, sync::LazyLock};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use regex::{Captures, Regex};
use serde::Deserialize;
use serde_json::Value;

/// The longest text that is decompressed, in bytes. The rest of a longer one is cut off.
const MAX_TEXT: u64 = 1024 * 1024;

/// Reads the first JSON value of a body.
///
/// # Errors
/// If there is none, even after repair.
pub fn read(body: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(body).or_else(|_| {
        let repaired = repair(body);
        // Not `from_str`: what follows the value does not matter.
        Value::deserialize(&mut serde_json::Deserializer::from_str(&repaired))
    })
}

/// The text of a body, decompressed, decoded and repaired.
pub fn repair(body: &[u8]) -> String {
    repaired(&decoded(body)).into_owned()
}

/// The text of a body, decompressed and decoded.
pub fn decoded(body: &[u8]) -> String {
    let plain = decompressed(body);
    match *plain {
        [0xFF, 0xFE, ref units @ ..] => utf_16(units, u16::from_le_bytes),
        [0xFE, 0xFF, ref units @ ..] => utf_16(units, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, ref text @ ..] => utf_8(text),
        // JSON begins with an ASCII character, whose other byte is zero in UTF-16.
        [1..=0xFF, 0, ..] => utf_16(&plain, u16::from_le_bytes),
        [0, 1..=0xFF, ..] => utf_16(&plain, u16::from_be_bytes),
        _ => utf_8(&plain),
    }
}

/// The value of an object's field, its name in any letter case.
pub fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    const NONE: &Value = &Value::Null;
    let Value::Object(fields) = object else { return NONE };
    let other_case = || fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    fields.get(name).or_else(|| other_case().map(|(_, value)| value)).unwrap_or(NONE)
}

/// A text that is not blank, or a number in its place.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            // Control characters do not belong in names and notes, and databases refuse some of them.
            let text: String =
                text.chars().filter(|next| !next.is_control() || next.is_whitespace()).collect();
            Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
        }
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn decompressed(body: &[u8]) -> Cow<'_, [u8]> {
    let inflated = match *body {
        [0x1F, 0x8B, ..] => inflated(MultiGzDecoder::new(body)),
        // RFC 1950: the method is 8, and the first two bytes are a multiple of 31.
        [method, flags, ..] if method & 0x8F == 8 && u16::from_be_bytes([method, flags]) % 31 == 0 => {
            inflated(ZlibDecoder::new(body))
        }
        // Some senders omit the zlib header of `deflate`. Only its decompressed content shows what such a body is.
        _ => inflated(DeflateDecoder::new(body)).filter(|text| decoded(text).trim_start().starts_with('{')),
    };
    inflated.map_or(Cow::Borrowed(body), Cow::Owned)
}

fn inflated(from: impl Read) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    from.take(MAX_TEXT).read_to_end(&mut text).ok()?;
    (!text.is_empty()).then_some(text)
}

fn utf_16(bytes: &[u8], unit: impl Fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

/// Bytes that are not UTF-8 are read as Latin-1.
fn utf_8(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::with_capacity(bytes.len()), |mut text, chunk| {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().copied().map(char::from));
        text
    })
}

/// Repairs what JSON forbids but senders write anyway: control characters and halves of surrogate pairs in strings,
/// other control characters anywhere, `NaN` and `Infinity`, and numbers that are too large.
fn repaired(text: &str) -> Cow<'_, str> {
    // A string, perhaps without an end; a character that no other place allows; a word or a number.
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
        regex(r#"(?s)"(?:[^"\\]|\\.)*"?|[\p{Cc}\x{FEFF}--[\t\n\r]]|[-0-9A-Za-z][-+.0-9A-Za-z]*"#)
    });
    TOKEN.replace_all(text, |found: &Captures<'_>| match &found[0] {
        string if string.starts_with('"') => repaired_string(string).into_owned(),
        next if next.starts_with(|next: char| !next.is_ascii() || next.is_control()) => String::new(),
        // Also infinite: `NaN` and `Infinity`.
        word if word.parse::<f64>().is_ok_and(|number| !number.is_finite()) => "null".to_owned(),
        word => word.to_owned(),
    })
}

fn repaired_string(string: &str) -> Cow<'_, str> {
    // A surrogate pair; half of one; another escape; a backslash that was not escaped itself; a control character.
    static PART: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r#"(?x) \\u[dD][89abAB][[:xdigit:]]{2} \\u[dD][c-fC-F][[:xdigit:]]{2}
                | (?<half> \\u[dD][89a-fA-F][[:xdigit:]]{2} )
                | \\u[[:xdigit:]]{4} | \\["\\/bfnrt] | \\ | [\x00-\x1F]"#,
        )
    });
    PART.replace_all(string, |found: &Captures<'_>| match &found[0] {
        _ if found.name("half").is_some() => r"\ufffd".to_owned(),
        r"\" => r"\\".to_owned(),
        escape if escape.starts_with('\\') => escape.to_owned(),
        control => control.chars().map(|next| format!("\\u{:04x}", u32::from(next))).collect(),
    })
}

#[expect(clippy::expect_used, reason = "the patterns are constants")]
fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}
