//! The readable text of a message: what was typed, then the text of its attachments, without quotes.
//!
//! Monitoring systems post attachments with an empty `msg`, so their text counts. A quoted message is an attachment too,
//! with a `message_link`: it is left out, as is the invisible link to it at the start of `msg`.

use serde_json::Value;

use super::wire;

/// Longest text taken from one message, in bytes. Servers allow 5,000 characters unless told otherwise.
const MAX_TEXT: usize = 64 * 1024;
/// How deep attachments within attachments are followed.
const MAX_DEPTH: usize = 4;
/// How many attachments and fields of one message are read.
const MAX_PARTS: usize = 200;

/// The readable text of a message's document, bounded in size.
pub(super) fn readable_text(document: &Value) -> String {
    let mut text = Text::default();
    text.add(typed_text(wire::text(document, "msg").unwrap_or_default()));
    text.add_attachments(document, 0);
    text.lines
}

/// The typed part of `msg`, which is the whole text of a message without attachments.
pub(super) fn typed_text(msg: &str) -> &str {
    let text = without_quote_links(msg);
    if text.trim().is_empty() { "" } else { &text[..text.floor_char_boundary(MAX_TEXT - 1)] }
}

/// `msg` without the links that quote other messages: `[ ](https://chat/…?msg=id) what I say`, several in a row.
fn without_quote_links(msg: &str) -> &str {
    let mut rest = msg;
    while let Some(stripped) = strip_quote_link(rest.trim_start()) {
        rest = stripped;
    }
    if rest.len() == msg.len() { msg } else { rest.trim_start() }
}

fn strip_quote_link(text: &str) -> Option<&str> {
    let link = text.strip_prefix("[")?.trim_start_matches(' ').strip_prefix("](")?;
    let (url, rest) = link.split_once(')')?;
    let is_quote = url.contains("?msg=") || url.contains("&msg=");
    (is_quote && !url.contains(char::is_whitespace)).then_some(rest)
}

#[derive(Default)]
struct Text {
    lines: String,
    parts: usize,
}

impl Text {
    fn add_attachments(&mut self, holder: &Value, depth: usize) {
        let attachments = holder.get("attachments").and_then(Value::as_array);
        for attachment in attachments.into_iter().flatten() {
            if depth >= MAX_DEPTH || !self.take_part() {
                return;
            }
            if wire::filled(attachment, "message_link").is_none() {
                self.add_attachment(attachment, depth);
            }
        }
    }

    fn add_attachment(&mut self, attachment: &Value, depth: usize) {
        let start = self.lines.len();
        for key in ["pretext", "title", "text", "description"] {
            self.add(wire::text(attachment, key).unwrap_or_default());
        }
        self.add_fields(attachment);
        // The fallback mostly repeats the rest, so it is added only if it does not.
        let fallback = wire::text(attachment, "fallback").unwrap_or_default().trim();
        if !self.lines[start..].contains(fallback) {
            self.add(fallback);
        }
        self.add_attachments(attachment, depth + 1);
    }

    fn add_fields(&mut self, attachment: &Value) {
        let fields = attachment.get("fields").and_then(Value::as_array);
        for field in fields.into_iter().flatten() {
            if !self.take_part() {
                return;
            }
            let title = wire::text(field, "title").unwrap_or_default().trim();
            let value = field.get("value").map(plain).unwrap_or_default();
            match (title, value.trim()) {
                ("", value) => self.add(value),
                (title, "") => self.add(title),
                (title, value) => self.add(&format!("{title}: {value}")),
            }
        }
    }

    fn take_part(&mut self) -> bool {
        self.parts += 1;
        self.parts <= MAX_PARTS
    }

    /// Adds a line, cut at the longest text.
    fn add(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let room = MAX_TEXT.saturating_sub(self.lines.len() + 1);
        let line = &line[..line.floor_char_boundary(room)];
        if line.is_empty() {
            return;
        }
        if !self.lines.is_empty() {
            self.lines.push('\n');
        }
        self.lines.push_str(line);
    }
}

/// A field's value is a text, a number or a boolean.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn typed_text_is_kept_as_it_is() {
        assert_eq!(readable_text(&json!({"msg": "  two\n lines "})), "  two\n lines ");
        assert_eq!(readable_text(&json!({"msg": ""})), "");
        assert_eq!(readable_text(&json!({})), "");
    }

    #[test]
    fn a_monitoring_post_is_read_from_its_attachments() {
        let post = json!({"msg": "", "attachments": [{
            "pretext": "Zabbix", "title": "PROBLEM: pump 3", "text": "pressure is low", "fallback": "pump 3: PROBLEM",
            "fields": [{"title": "Severity", "value": "High"}, {"title": "Count", "value": 3}, {"value": true}],
            "attachments": [{"text": "nested"}],
        }]});
        assert_eq!(
            readable_text(&post),
            "Zabbix\nPROBLEM: pump 3\npressure is low\nSeverity: High\nCount: 3\ntrue\npump 3: PROBLEM\nnested"
        );
    }

    #[test]
    fn a_fallback_that_repeats_the_text_is_left_out() {
        let post = json!({"attachments": [{"text": "pressure is low", "fallback": "pressure is low"}]});
        assert_eq!(readable_text(&post), "pressure is low");
    }

    #[test]
    fn a_quoted_message_is_left_out_with_its_own_quotes() {
        let reply = json!({
            "msg": "[ ](https://chat.example.com/channel/general?msg=abc) I look into it",
            "attachments": [
                {"message_link": "https://chat.example.com/channel/general?msg=abc", "text": "SIGNL4 pump 3 is down",
                 "attachments": [{"text": "SIGNL4 deeper"}]},
                {"text": "my own"},
            ],
        });
        assert_eq!(readable_text(&reply), "I look into it\nmy own");
    }

    #[test]
    fn several_quotes_in_a_row_are_all_stripped_and_other_links_stay() {
        let strip = without_quote_links;
        assert_eq!(strip("[ ](https://a/b?msg=1) [ ](https://a/b?x=1&msg=2)\nyes"), "yes");
        assert_eq!(strip("[](https://a/b?msg=1) yes"), "yes");
        assert_eq!(strip("[ ](https://a/b) yes"), "[ ](https://a/b) yes");
        assert_eq!(strip("[docs](https://a/b?msg=1) yes"), "[docs](https://a/b?msg=1) yes");
        assert_eq!(strip("yes [ ](https://a/b?msg=1)"), "yes [ ](https://a/b?msg=1)");
        assert_eq!(strip("[ ](https://a/b?msg=1"), "[ ](https://a/b?msg=1");
    }

    #[test]
    fn size_depth_and_number_of_parts_are_bounded() {
        let long = json!({"msg": "ä".repeat(MAX_TEXT)});
        let text = readable_text(&long);
        assert!(text.len() <= MAX_TEXT && text.len() > MAX_TEXT - 4, "{}", text.len());

        let mut deep = json!({"text": "bottom"});
        for level in 0..20 {
            deep = json!({"text": format!("level {level}"), "attachments": [deep]});
        }
        let text = readable_text(&json!({"attachments": [deep]}));
        assert_eq!(text.lines().count(), MAX_DEPTH);

        let many: Vec<_> = (0..10_000).map(|n| json!({"text": n.to_string()})).collect();
        assert_eq!(readable_text(&json!({"attachments": many})).lines().count(), MAX_PARTS);
    }
}
