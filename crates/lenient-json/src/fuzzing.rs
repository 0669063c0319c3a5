//! What holds for any bytes. `fuzz/` calls this with bytes of its own making, and `cargo test` with those that it kept. No part of
//! a release.

use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use serde_json::Value;

use super::{MAX_TEXT, decoded, read, repair};

/// A body in any encoding.
pub fn json(bytes: &[u8]) {
    let text = decoded(bytes);
    // Latin-1 takes two bytes a character at most, and UTF-16 three.
    let most = 3 * bytes.len().max(MAX_TEXT as usize);
    assert!(text.len() <= most, "{} bytes from {}", text.len(), bytes.len());
    assert!(repair(bytes).len() <= 6 * text.len());
    let read_here = read(bytes);
    let Ok(strict) = serde_json::from_slice::<Value>(bytes) else { return };
    assert_eq!(read_here.ok().as_ref(), Some(&strict));
    // An object is the same in every other form, too.
    let Ok(text) = str::from_utf8(bytes) else { return };
    let text = text.trim();
    if !text.starts_with('{') || text.len() as u64 > MAX_TEXT / 2 {
        return;
    }
    let mut forms = vec![
        ("a byte order mark", ["\u{FEFF}", text].concat().into_bytes()),
        ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16, big endian", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("more behind it", [text, " and more"].concat().into_bytes()),
    ];
    let level = Compression::fast();
    let mut gzip = GzEncoder::new(Vec::new(), level);
    let mut zlib = ZlibEncoder::new(Vec::new(), level);
    let mut deflate = DeflateEncoder::new(Vec::new(), level);
    let encoders: [&mut dyn Write; 3] = [&mut gzip, &mut zlib, &mut deflate];
    for encoder in encoders {
        assert!(encoder.write_all(text.as_bytes()).is_ok());
    }
    let compressed = [("gzip", gzip.finish()), ("zlib", zlib.finish()), ("deflate", deflate.finish())];
    forms.extend(compressed.into_iter().filter_map(|(form, body)| Some((form, body.ok()?))));
    for (form, body) in forms {
        assert_eq!(read(&body).ok().as_ref(), Some(&strict), "as {form}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_of_the_fuzzer_passes() {
        arbitrary_json::replay("json", super::json);
    }
}
