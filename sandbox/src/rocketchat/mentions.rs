//! What a text mentions and quotes (`MentionsParser`, `BeforeSaveJumpToMessage`).

use serde_json::{Value, json};

use super::message::Message;
use super::refusal::Refusal;
use super::world::World;

impl World {
    /// Who is notified by a text, as `mentions` of the document has it: `all` and `here`, and users that there are.
    pub(super) fn mentions(&self, text: &str) -> Vec<Value> {
        let mut mentions: Vec<Value> = Vec::new();
        for name in mentioned(text) {
            let mention = match name.as_str() {
                "all" | "here" => json!({ "_id": name, "username": name }),
                _ => match self.account_named(&name) {
                    Some(account) => json!({ "_id": account.user.id, "username": account.user.username }),
                    None => continue,
                },
            };
            if !mentions.contains(&mention) {
                mentions.push(mention);
            }
        }
        mentions
    }

    /// Whether the user may notify everybody (`BeforeSaveCheckMentions`).
    pub(super) fn may_mention(&self, user_id: &str, text: &str) -> Result<(), Refusal> {
        for (name, action) in [("all", "Notify_all_in_this_room"), ("here", "Notify_active_in_this_room")] {
            let is_mentioned = self.mentions(text).iter().any(|mention| mention["_id"] == name);
            if is_mentioned && !self.may(user_id, &format!("mention-{name}")) {
                let reason = format!("Notify {name} in this room not allowed");
                return Err(Refusal::meteor("error-action-not-allowed", reason)
                    .with_details(json!({ "method": "filterATAllTag", "action": action })));
            }
        }
        Ok(())
    }

    /// The quotations that the server makes of links to messages which the author can read.
    pub(super) fn quotations(&self, user_id: &str, text: &str) -> Vec<Value> {
        let quotation = |link: String| {
            let (_, id) = link.split_once("msg=")?;
            let message = self.messages.get(id.split('&').next()?)?;
            let room = self.rooms.get(&message.room_id)?;
            self.can_access(user_id, room).then(|| quotation_of(message, &link))
        };
        let is_ours = |link: &String| self.site_url.as_ref().is_none_or(|site| link.starts_with(site));
        links(text).into_iter().filter(is_ours).filter_map(quotation).collect()
    }
}

fn quotation_of(message: &Message, link: &str) -> Value {
    json!({
        "message_link": link,
        "author_name": message.username,
        "author_icon": format!("/avatar/{}", message.username),
        "text": message.text,
        "ts": super::time::date(message.ts),
        "attachments": message.attachments,
    })
}

/// The links in a text, also in the form `[text](link)`.
pub(super) fn links(text: &str) -> Vec<String> {
    let starts = text.match_indices("http").map(|(at, _)| &text[at..]);
    starts
        .filter(|rest| rest.starts_with("http://") || rest.starts_with("https://"))
        .filter_map(|rest| rest.split(|c: char| c.is_whitespace() || c == ')').next().map(str::to_owned))
        .collect()
}

/// The names after an `@` at the beginning, after white space or after `>`, once links in Markdown are removed.
fn mentioned(text: &str) -> Vec<String> {
    let text = without_links(text);
    let is_start = |at: usize| text[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || c == '>');
    let name = |at: usize| {
        let of_name = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
        text[at + 1..].chars().take_while(of_name).collect::<String>()
    };
    let starts = text.match_indices('@').filter(|(at, _)| is_start(*at));
    starts.map(|(at, _)| name(at)).filter(|name| !name.is_empty()).collect()
}

/// `msg.replace(/\[[^\]]*\]\([^)]+\)/g, '')`.
fn without_links(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        let (before, link) = rest.split_at(start);
        kept.push_str(before);
        let end = link.find("](").and_then(|close| {
            let is_one = !link[..close].contains(']');
            let end = link[close + 2..].find(')').filter(|length| *length > 0)?;
            is_one.then_some(close + 2 + end + 1)
        });
        match end {
            Some(end) => rest = &link[end..],
            None => {
                kept.push('[');
                rest = &link[1..];
            }
        }
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_are_read_as_the_server_reads_them() {
        assert_eq!(mentioned("@all hi @anna.b,>@here mail@bob"), ["all", "anna.b", "here"]);
        assert_eq!(mentioned("@[x](y)all [@bob](http://x)"), ["all"]);
        assert!(mentioned("@\u{200B}all (@all @").is_empty());
    }

    #[test]
    fn links_are_found_within_a_text() {
        assert_eq!(links("[ ](http://a/b?msg=1) x https://c"), ["http://a/b?msg=1", "https://c"]);
    }
}
