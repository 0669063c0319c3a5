//! The readable text of a message: the typed text, then the text of its blocks, attachments and files, without quotes.
//!
//! Monitoring systems post attachments or blocks with an empty `msg`, so their text counts. A quoted message is also
//! an attachment, whose `message_link` points to a message on this server. It is omitted, as is the invisible link to
//! it at the start of `msg`. A message that contains nothing else forwards the other one, and its text is the quoted
//! text.

use serde_json::Value;
use url::Url;

use super::{ServerUrl, wire};

/// Longest text taken from one message, in bytes. Servers allow 5,000 characters by default.
const MAX_TEXT: usize = 64 * 1024;
/// How deeply attachments within attachments are followed.
const MAX_DEPTH: usize = 4;
/// How many attachments, fields and parts of blocks of one message are read.
const MAX_PARTS: usize = 200;

/// The readable text of a message's document, bounded in size.
pub(super) fn readable_text(document: &Value, server: &ServerUrl) -> String {
    let msg = wire::text(document, "msg").unwrap_or_default();
    let (links, _) = split_quote_links(msg);
    let mut text = Text { server, links: &links, with_quotes: false, lines: String::new(), parts: MAX_PARTS };
    text.add(typed_text(msg));
    text.add_blocks(document);
    text.add_attachments(document, 0);
    text.add_files(document);
    if text.lines.is_empty() && !links.is_empty() {
        text.with_quotes = true;
        text.add_attachments(document, 0);
    }
    text.lines
}

/// The typed part of `msg`, which is the whole text of a message without blocks, attachments and files.
pub(super) fn typed_text(msg: &str) -> &str {
    let (_, text) = split_quote_links(msg);
    if text.trim().is_empty() { "" } else { &text[..text.floor_char_boundary(MAX_TEXT - 1)] }
}

/// The links that quote other messages at the start of `msg`, several in a row, and what follows them:
/// `[ ](https://chat/…?msg=id) what I say`.
fn split_quote_links(msg: &str) -> (Vec<&str>, &str) {
    let mut links = Vec::new();
    let mut rest = msg;
    while let Some((link, after)) = strip_quote_link(rest.trim_start()) {
        links.push(link);
        rest = after;
    }
    let rest = if links.is_empty() { msg } else { rest.trim_start() };
    (links, rest)
}

fn strip_quote_link(text: &str) -> Option<(&str, &str)> {
    let link = text.strip_prefix("[")?.trim_start_matches(' ').strip_prefix("](")?;
    let (url, rest) = link.split_once(')')?;
    (names_message(url) && !url.contains(char::is_whitespace)).then_some((url, rest))
}

/// Whether a link has the form of one to a message.
fn names_message(link: &str) -> bool {
    link.contains("?msg=") || link.contains("&msg=")
}

struct Text<'a> {
    server: &'a ServerUrl,
    /// The links to quoted messages at the start of `msg`.
    links: &'a [&'a str],
    /// Whether the attachments that quote messages are read.
    with_quotes: bool,
    lines: String,
    /// How many more parts are read.
    parts: usize,
}

impl Text<'_> {
    fn add_attachments(&mut self, holder: &Value, depth: usize) {
        if depth >= MAX_DEPTH {
            return;
        }
        for attachment in self.take(wire::items(holder, "attachments")) {
            // What a quoted message quotes is never its own text.
            if !self.is_quote(attachment) || (self.with_quotes && depth == 0) {
                self.add_attachment(attachment, depth);
            }
        }
    }

    /// Whether an attachment is a quoted message. Integrations use `message_link` for their own links, so only a link
    /// to a message on this server is a quote: to its host, a path alone, or to the message that the invisible link in
    /// `msg` names. The latter is needed because the server may have different host names for people and for programs.
    fn is_quote(&self, attachment: &Value) -> bool {
        let Some(link) = wire::filled(attachment, "message_link").filter(|link| names_message(link)) else {
            return false;
        };
        match Url::parse(link) {
            Ok(url) => url.host_str() == Some(self.server.host()) || self.links.contains(&link),
            Err(_) => link.starts_with('/'),
        }
    }

    fn add_attachment(&mut self, attachment: &Value, depth: usize) {
        for key in ["pretext", "title", "text", "description"] {
            self.add(wire::text(attachment, key).unwrap_or_default());
        }
        self.add_blocks(attachment);
        self.add_fields(attachment);
        // It usually repeats the rest.
        self.add_once(wire::text(attachment, "fallback").unwrap_or_default());
        self.add_attachments(attachment, depth + 1);
    }

    fn add_fields(&mut self, attachment: &Value) {
        for field in self.take(wire::items(attachment, "fields")) {
            let title = wire::text(field, "title").unwrap_or_default().trim();
            let value = field.get("value").map(plain).unwrap_or_default();
            match (title, value.trim()) {
                ("", value) => self.add(value),
                (title, "") => self.add(title),
                (title, value) => self.add(&format!("{title}: {value}")),
            }
        }
    }

    /// The blocks of Rocket.Chat's UI kit: sections, headers, contexts, cards and so on. `msg` often repeats them.
    fn add_blocks(&mut self, holder: &Value) {
        for block in self.take(wire::items(holder, "blocks")) {
            for key in ["title", "text", "description", "fields", "elements", "rows"] {
                self.add_block_part(block.get(key).unwrap_or(&Value::Null), 0);
            }
        }
    }

    /// A text, a text object (`{"type": "mrkdwn", "text": …}`), a list of them, or a part of a block that has such.
    /// A button's label is an object within an object and is not read, because nobody wrote it.
    fn add_block_part(&mut self, part: &Value, depth: usize) {
        match part {
            Value::String(text) => self.add_once(text),
            Value::Array(parts) if depth < MAX_DEPTH => {
                for part in self.take(parts) {
                    self.add_block_part(part, depth + 1);
                }
            }
            Value::Object(_) => match wire::text(part, "text") {
                Some(text) => self.add_once(text),
                None => self.add_block_part(part.get("elements").unwrap_or(&Value::Null), depth + 1),
            },
            _ => {}
        }
    }

    /// The names of files; usually an attachment has the same name as its title.
    fn add_files(&mut self, document: &Value) {
        let files = self.take(wire::items(document, "files"));
        for file in document.get("file").into_iter().chain(files) {
            for key in ["name", "description"] {
                self.add_once(wire::text(file, key).unwrap_or_default());
            }
        }
    }

    /// As many of these parts as may still be read.
    fn take<'v>(&mut self, parts: &'v [Value]) -> &'v [Value] {
        let taken = &parts[..parts.len().min(self.parts)];
        self.parts -= taken.len();
        taken
    }

    /// Adds a line unless it is there already.
    fn add_once(&mut self, text: &str) {
        let text = text.trim();
        let mut found = self.lines.match_indices(text);
        let is_there = found.any(|(at, _)| {
            let (before, after) = (&self.lines[..at], &self.lines[at + text.len()..]);
            (before.is_empty() || before.ends_with('\n')) && (after.is_empty() || after.starts_with('\n'))
        });
        if !is_there {
            self.add(text);
        }
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
    if value.is_boolean() { value.to_string() } else { wire::code(value).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use arbitrary_json::{any_json, mutated, repeatable};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn readable_text(document: &Value) -> String {
        super::readable_text(document, &"https://chat.example.com/team".parse().unwrap())
    }

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
    fn only_a_link_to_a_message_of_this_server_makes_a_quote() {
        let text = |link: &str, msg: &str| {
            let attachment = json!({"title": "Pump", "text": "SIGNL4 pump 3 is down", "message_link": link});
            readable_text(&json!({"msg": msg, "attachments": [attachment]}))
        };
        for (link, msg) in [
            ("https://zabbix.example.com/x", ""),
            ("https://zabbix.example.com/x?msg=7", ""),
            ("https://zabbix.example.com/x?msg=7", "see https://zabbix.example.com/x?msg=7"),
            ("https://chat.example.com/channel/general", ""),
            ("https://chat.example.com.evil.example/channel/general?msg=abc", ""),
            ("see the runbook", ""),
        ] {
            assert!(text(link, msg).ends_with("Pump\nSIGNL4 pump 3 is down"), "{link}");
        }
        let inside = "http://10.0.0.7:3000/channel/general?msg=abc";
        for (link, msg) in [
            ("https://chat.example.com/team/channel/general?msg=abc", "yes"),
            ("HTTPS://CHAT.example.com/group/x?jump=1&msg=abc", "yes"),
            ("/channel/general?msg=abc", "yes"),
            (inside, &format!("[ ]({inside}) yes")),
        ] {
            assert_eq!(text(link, msg), "yes", "{link}");
        }
    }

    #[test]
    fn a_message_that_only_forwards_another_says_what_that_one_says() {
        let link = "https://chat.example.com/channel/general?msg=abc";
        let older =
            json!({"message_link": "https://chat.example.com/channel/general?msg=old", "text": "older"});
        let quote =
            json!({"message_link": link, "text": "SIGNL4 pump 3", "attachments": [older, {"text": "graph"}]});
        let forwarded = json!({"msg": format!("[ ]({link}) "), "attachments": [quote]});
        assert_eq!(readable_text(&forwarded), "SIGNL4 pump 3\ngraph");
        // The first message of a discussion quotes the message that it discusses, and nobody wrote it.
        assert_eq!(readable_text(&json!({"attachments": [quote]})), "");
    }

    #[test]
    fn every_text_of_blocks_is_read_but_no_button() {
        let blocks = json!([
            {"type": "header", "text": {"type": "plain_text", "text": "PROBLEM"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "*pump 3* is down"},
             "fields": [{"type": "mrkdwn", "text": "hall 7"}, {"type": "plain_text", "text": "high"}],
             "accessory": {"type": "button", "text": {"type": "plain_text", "text": "Open"}}},
            {"type": "context", "elements": [{"type": "image", "imageUrl": "x", "altText": "graph"},
                                             {"type": "mrkdwn", "text": "from Zabbix"}]},
            {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Ack"}}]},
            {"type": "divider"},
            {"type": "callout", "title": {"type": "plain_text", "text": "Note"}, "text": {"type": "mrkdwn", "text": "call us"}},
            {"type": "preview", "title": [{"type": "mrkdwn", "text": "A page"}], "description": [{"type": "mrkdwn", "text": "of it"}]},
            {"type": "info_card", "rows": [{"elements": [{"type": "mrkdwn", "text": "row"}]}]},
        ]);
        let read = "PROBLEM\n*pump 3* is down\nhall 7\nhigh\nfrom Zabbix\nNote\ncall us\nA page\nof it\nrow";
        assert_eq!(readable_text(&json!({"msg": "", "blocks": blocks})), read);
        assert_eq!(
            readable_text(&json!({"msg": "PROBLEM", "blocks": blocks})),
            read,
            "what msg repeats comes once"
        );
        assert_eq!(readable_text(&json!({"attachments": [{"blocks": blocks}]})), read);
    }

    #[test]
    fn files_are_read_by_their_names_and_descriptions() {
        let upload = json!({
            "msg": "", "file": {"_id": "f", "name": "SIGNL4 pump.png", "type": "image/png"},
            "files": [{"_id": "f", "name": "SIGNL4 pump.png"}, {"_id": "g", "name": "thumb.png"}],
            "attachments": [{"title": "SIGNL4 pump.png", "type": "file", "description": "it leaks", "image_url": "/x"}],
        });
        assert_eq!(readable_text(&upload), "SIGNL4 pump.png\nit leaks\nthumb.png");
        assert_eq!(readable_text(&json!({"msg": "", "file": {"name": "log.txt"}})), "log.txt");
    }

    #[test]
    fn a_text_is_left_out_only_if_it_already_is_a_line() {
        let text = |msg: &str, block: &str| readable_text(&json!({"msg": msg, "blocks": [{"text": block}]}));
        assert_eq!(text("see docs.signl4.com", "signl4"), "see docs.signl4.com\nsignl4");
        assert_eq!(text("a\nb\nc", "a\nb"), "a\nb\nc");
        assert_eq!(text("ab\nb", "b"), "ab\nb");
    }

    #[test]
    fn several_quotes_in_a_row_are_all_stripped_and_other_links_stay() {
        let strip = |msg| split_quote_links(msg).1;
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

    proptest! {
        #![proptest_config(repeatable(2_000))]

        #[test]
        fn anything_in_the_place_of_a_part_is_read_within_bounds(
            at in any::<usize>(), with in any_json(), also_at in any::<usize>(), also_with in any_json(),
        ) {
            let part = json!({"text": {"type": "mrkdwn", "text": "x"}, "elements": [{"text": "y"}], "rows": [{"elements": []}]});
            let document = json!({
                "msg": "[ ](https://chat.example.com/x?msg=a)", "blocks": [part, part], "file": {"name": "f"}, "files": [{"name": "g"}],
                "attachments": [{"title": "t", "fields": [{"title": "a", "value": 1}], "blocks": [part], "message_link": "x?msg=1",
                                 "attachments": [{"text": "z"}]}],
            });
            let text = readable_text(&mutated(mutated(document, at, &with), also_at, &also_with));
            prop_assert!(text.len() <= MAX_TEXT);
        }
    }
}
