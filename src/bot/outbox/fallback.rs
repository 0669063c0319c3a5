//! What to post if Rocket.Chat rejects a reply: the next best form, one step at a time and each step once. A reply is
//! never dropped silently.
//!
//! Plain decisions: the next step, and the resulting message.

use std::collections::BTreeSet;

use strum::VariantArray;
use unicode_segmentation::UnicodeSegmentation;
use url::Url;

use super::reply::Reply;
use crate::alerting::without_mentions;
use rocketchat::RoomId;
use rocketchat::rest::{OutgoingMessage, RestError};

/// The maximum length of a reply if the server does not report its limit, in graphemes: below any sensible setting.
const SHORT_REPLY: usize = 400;
/// The status of a proxy that considers a call too large.
const CONTENT_TOO_LARGE: u16 = 413;

/// A way to post a reply that was rejected, from the smallest change to the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::VariantArray)]
pub(super) enum Step {
    /// Under the account's own name and picture.
    OwnName,
    /// With mentions that notify nobody.
    WithoutMentions,
    /// No longer than the server allows.
    Shortened,
    /// As a message in the room that quotes the original message.
    OutsideThread,
    /// As a direct message to the author of the message.
    Direct,
}

/// The step to try next; `None` if none is left. The refusal shows which one helps. If it does not, the smallest
/// change comes first. If the bot cannot post in the room or thread, a different text is useless.
pub(super) fn next_step(refusal: &RestError, tried: &BTreeSet<Step>) -> Option<Step> {
    use Step::{Direct, OutsideThread, OwnName, Shortened, WithoutMentions};
    let RestError::Rejected { status, code, reason } = refusal else { return None };
    let steps: &[Step] = match code.as_str() {
        // Threads are disabled, the room is encrypted, or the bot may not post in it: the code does not say which.
        "error-not-allowed" => &[OutsideThread, Direct],
        "error-invalid-room"
        | "error-room-not-found"
        | "error-room-archived"
        | "room_is_archived"
        | "room_is_blocked"
        | "error-user-not-in-room" => &[Direct],
        _ if is_closed(reason) => &[Direct],
        "error-action-not-allowed" => &[WithoutMentions, OwnName, Shortened, OutsideThread, Direct],
        code if code == "error-message-size-exceeded" || *status == CONTENT_TOO_LARGE => {
            &[Shortened, OwnName, WithoutMentions, OutsideThread, Direct]
        }
        // Including a missing right to impersonate.
        _ => Step::VARIANTS,
    };
    steps.iter().copied().find(|step| !tried.contains(step))
}

/// Whether nobody like the bot can post in the room. The server gives no code.
fn is_closed(reason: &str) -> bool {
    ["You can't send messages", "You have been muted"].iter().any(|closed| reason.starts_with(closed))
}

/// Whether the refusal is the server's decision. Without a code, the server may have a problem itself, for example
/// with its database.
pub(super) fn is_decision(refusal: &RestError) -> bool {
    let RestError::Rejected { status, code, reason } = refusal else { return false };
    let is_known = refusal.is_missing_impersonation() || refusal.is_invalid_avatar() || is_closed(reason);
    !code.is_empty() || *status == CONTENT_TOO_LARGE || is_known
}

/// How a reply is posted: the steps taken so far, and their parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Form {
    pub(super) steps: BTreeSet<Step>,
    /// Whether the first message of the thread was deleted. The server accepts a reply there but shows it nowhere.
    pub(super) parent_is_gone: bool,
    /// The server's own URL, if it is known.
    pub(super) site: Option<Url>,
    /// The server's limit in graphemes, if it is known.
    pub(super) longest: Option<usize>,
    /// The room for direct messages with the author, if there is one.
    pub(super) direct: Option<RoomId>,
}

impl Form {
    /// The message to post, under the account's own name. `link` is the URL of the message that it replies to.
    pub(super) fn message(&self, reply: &Reply, link: Option<&str>) -> OutgoingMessage {
        let takes = |step| self.steps.contains(&step);
        let text = match takes(Step::WithoutMentions) {
            true => without_mentions(&reply.text),
            false => reply.text.clone(),
        };
        let direct = self.direct.as_ref().filter(|_| takes(Step::Direct));
        let is_outside = direct.is_some() || takes(Step::OutsideThread) && reply.thread.is_some();
        let (mut before, mut after) = (String::new(), String::new());
        match link.filter(|_| is_outside) {
            None => {}
            Some(link) if direct.is_some() => {
                after = format!("\n(about {link}, where this could not be posted)");
            }
            Some(_) if self.parent_is_gone => after.push_str("\n(about a message that was deleted)"),
            // The text that clients send for a quotation: the server turns it into a link, and hides the rest.
            Some(link) => before = format!("[ ]({link}) "),
        }
        let text = match takes(Step::Shortened) {
            false => text,
            true => {
                let around = length(&before) + length(&after);
                shorten(&text, self.longest.unwrap_or(SHORT_REPLY).saturating_sub(around))
            }
        };
        OutgoingMessage {
            id: reply.id.clone(),
            room: direct.unwrap_or(&reply.room).clone(),
            text: format!("{before}{text}{after}"),
            thread: reply.thread.clone().filter(|_| !is_outside),
            alias: None,
            avatar: None,
        }
    }
}

/// The length as the server counts it: in graphemes (`messageProperties` in Rocket.Chat's
/// `app/ui-utils/lib/MessageProperties.ts`). An accented letter, a flag, or an emoji with a skin tone counts as one.
fn length(text: &str) -> usize {
    text.graphemes(true).map(weight).sum()
}

/// How many graphemes the server may count for one. Its tables are those of Unicode 10 (`grapheme-splitter`), so it
/// counts newer joined emoji, such as a firefighter, as several.
fn weight(grapheme: &str) -> usize {
    1 + grapheme.matches('\u{200D}').count()
}

/// Truncates at a grapheme boundary.
fn shorten(text: &str, longest: usize) -> String {
    if length(text) <= longest {
        return text.to_owned();
    }
    // One for the ellipsis.
    let mut left = longest.saturating_sub(1);
    let fits = |grapheme: &&str| {
        let weight = weight(grapheme);
        let fits = weight <= left;
        left = left.saturating_sub(weight);
        fits
    };
    text.graphemes(true).take_while(fits).chain(["…"]).collect()
}

#[cfg(test)]
mod tests {
    use rocketchat::MessageId;

    use super::super::reply::About;
    use super::*;

    fn refusal(status: u16, code: &str, reason: &str) -> RestError {
        RestError::Rejected { status, code: code.into(), reason: reason.into() }
    }

    /// The steps that are taken if every form is rejected with this error.
    fn ladder(refusal: &RestError) -> Vec<Step> {
        let mut tried = BTreeSet::new();
        let take = || {
            let step = next_step(refusal, &tried)?;
            tried.insert(step).then_some(step)
        };
        std::iter::from_fn(take).collect()
    }

    #[test]
    fn an_unexplained_refusal_leads_through_every_step_once() {
        for refusal in [
            refusal(400, "error-of-the-next-release", "?"),
            refusal(403, "error-forbidden", "User does not have the permissions required for this action"),
            refusal(400, "", "Not enough permission"),
            refusal(400, "", "Invalid href value provided"),
        ] {
            assert_eq!(ladder(&refusal), Step::VARIANTS);
        }
    }

    #[test]
    fn an_explained_refusal_leads_to_the_step_that_helps() {
        use Step::{Direct, OutsideThread, OwnName, Shortened, WithoutMentions};
        for (refusal, first) in [
            (refusal(400, "error-message-size-exceeded", ""), Shortened),
            (refusal(413, "", "the call is too large"), Shortened),
            (
                refusal(400, "error-action-not-allowed", "Notify all in this room not allowed"),
                WithoutMentions,
            ),
            (refusal(400, "", "Not enough permission"), OwnName),
        ] {
            let steps = ladder(&refusal);
            assert_eq!((steps[0], steps.len()), (first, 5), "{refusal}");
        }
        assert_eq!(ladder(&refusal(400, "error-not-allowed", "not-allowed")), [OutsideThread, Direct]);
        for closed in [
            refusal(400, "error-invalid-room", "error-invalid-room"),
            refusal(400, "room_is_archived", "room_is_archived"),
            refusal(400, "", "You can't send messages because the room is readonly."),
        ] {
            assert_eq!(ladder(&closed), [Direct]);
        }
    }

    #[test]
    fn an_error_that_is_no_refusal_does_not_change_the_form() {
        for error in [RestError::unavailable("HTTP 502"), RestError::unavailable("refused")] {
            assert_eq!(ladder(&error), []);
            assert!(!is_decision(&error));
        }
        assert!(!is_decision(&refusal(400, "", "not primary and secondaryOk=false")));
        assert!(is_decision(&refusal(403, "error-forbidden", "")));
        assert!(is_decision(&refusal(400, "", "Invalid href value provided")));
    }

    fn reply(text: &str) -> Reply {
        Reply {
            thread: Some(MessageId::new("t")),
            about: Some(About { message: MessageId::new("m"), author: Some("alice".into()) }),
            ..Reply::in_room(RoomId::new("r"), text.into())
        }
    }

    fn posted(steps: &[Step], form: Form, text: &str) -> OutgoingMessage {
        let form = Form { steps: steps.iter().copied().collect(), ..form };
        form.message(&reply(text), Some("https://chat/channel/ops?msg=m"))
    }

    #[test]
    fn each_step_changes_what_it_says_and_nothing_else() {
        let as_meant = posted(&[], Form::default(), "@all done");
        assert_eq!(as_meant.text, "@all done");
        assert_eq!((as_meant.room.as_str(), as_meant.thread.as_ref().unwrap().as_str()), ("r", "t"));
        let defused = posted(&[Step::WithoutMentions], Form::default(), "@all done");
        assert_eq!(defused.text, "@\u{200B}all done");
        let outside = posted(&[Step::OutsideThread], Form::default(), "done");
        assert_eq!(
            (outside.text.as_str(), outside.thread),
            ("[ ](https://chat/channel/ops?msg=m) done", None)
        );
        let gone = Form { parent_is_gone: true, ..Form::default() };
        let outside = posted(&[Step::OutsideThread], gone, "done");
        assert_eq!(
            (outside.text.as_str(), outside.thread),
            ("done\n(about a message that was deleted)", None)
        );
        let direct = Form { direct: Some(RoomId::new("d")), ..Form::default() };
        let direct = posted(&[Step::Direct], direct, "done");
        assert_eq!((direct.room.as_str(), direct.thread), ("d", None));
        assert_eq!(
            direct.text,
            "done\n(about https://chat/channel/ops?msg=m, where this could not be posted)"
        );
    }

    #[test]
    fn a_direct_message_needs_somebody_to_write_to() {
        assert_eq!(posted(&[Step::Direct], Form::default(), "done").room.as_str(), "r");
    }

    #[test]
    fn a_text_is_cut_at_the_boundary_of_a_grapheme_to_what_the_server_counts() {
        assert_eq!(shorten("🚨🚨🚨", 3), "🚨🚨🚨");
        assert_eq!(shorten("🚨🚨🚨", 2), "🚨…");
        assert_eq!(shorten("ab", 1), "…");
        assert_eq!(shorten("👍🏽👍🏽👍🏽", 3), "👍🏽👍🏽👍🏽");
        assert_eq!(shorten("🇩🇪🇫🇷🇩🇰", 2), "🇩🇪…");
        assert_eq!(shorten("e\u{301}te\u{301}", 2), "e\u{301}…");
        assert_eq!(shorten("🧑‍🚒🧑‍🚒", 3), "🧑‍🚒…");
        assert_eq!(shorten("🧑‍🚒🧑‍🚒", 2), "…");
        for longest in 60..90 {
            let form = Form { longest: Some(longest), ..Form::default() };
            let text = "🚨 pump é ".repeat(40);
            let outside = posted(&[Step::Shortened, Step::OutsideThread], form, &text);
            assert_eq!(length(&outside.text), longest, "{}", outside.text);
            assert!(outside.text.ends_with('…'));
        }
        let unknown = posted(&[Step::Shortened], Form::default(), &"x".repeat(4_000));
        assert_eq!(length(&unknown.text), SHORT_REPLY);
    }
}

/// Properties of every reply's text.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    use super::*;

    /// The text of a reply. Its first byte is the longest text that the server allows.
    pub fn reply(bytes: &[u8]) {
        let (Some(longest), text) = (bytes.first().map(|byte| usize::from(*byte)), bytes.get(1..)) else {
            return;
        };
        let text = String::from_utf8_lossy(text.unwrap_or_default());
        let short = shorten(&text, longest);
        assert!(length(&short) <= longest.max(1), "{short:?} has more than {longest}");
        if short != text {
            assert!(length(&text) > longest);
            let kept = short.strip_suffix('…').unwrap_or(&short);
            let ends: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
            assert!(text.starts_with(kept) && ends.contains(&kept.len()), "{short:?} of {text:?}");
        }
        let reply = Reply::in_room(RoomId::new("r"), text.into_owned());
        let form = |steps: &[Step]| Form {
            steps: steps.iter().copied().collect(),
            longest: Some(longest),
            direct: Some(RoomId::new("d")),
            ..Form::default()
        };
        let link = "https://chat.example.com/channel/general?msg=m";
        for steps in [&Step::VARIANTS[..3], &Step::VARIANTS[..4], Step::VARIANTS] {
            let message = form(steps).message(&reply, Some(link));
            let most = longest.max(1) + if steps.contains(&Step::Direct) { 150 } else { 0 };
            assert!(length(&message.text) <= most, "{:?} has more than {most}", message.text);
        }
    }
}
