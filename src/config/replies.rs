//! `[replies]`: the texts that the bot posts.

use strum::VariantArray;

use super::report::{Fault, fault};
use super::section::Section;
use super::trigger::room_pattern;
use super::values::{compile, one_of};
use crate::alerting::{OnSent, Replies, ReplyKind, ReplyWords, RoomPattern};

pub(super) fn read(mut section: Section<'_>) -> Replies {
    let reaction = section.checked("reaction", reaction).unwrap_or_else(|| ":rotating_light:".to_owned());
    let other_alerts_to = section.checked("other_alerts_to", single_room);
    let vocabulary = ReplyWords::vocabulary();
    let mut template = |kind: ReplyKind| {
        section.checked_or(kind.key(), kind.default_text(), |text| compile(text, &vocabulary))
    };
    let texts = ReplyKind::VARIANTS.iter().filter_map(|kind| Some((*kind, template(*kind)?))).collect();
    let on_sent = section.checked("on_sent", one_of).unwrap_or(OnSent::Reaction);
    Replies { on_sent, reaction, other_alerts_to, texts }
}

fn single_room(text: &str) -> Result<RoomPattern, Fault> {
    match room_pattern(text)? {
        RoomPattern::Any | RoomPattern::Glob(..) => {
            fault("matches several rooms", "write one room, as in other_alerts_to = \"#alerts\"")
        }
        room => Ok(room),
    }
}

fn reaction(text: &str) -> Result<String, Fault> {
    let name = text.strip_prefix(':').and_then(|text| text.strip_suffix(':'));
    let of_emoji = |c: char| c.is_ascii_alphanumeric() || "_+-".contains(c);
    match name {
        Some(name) if !name.is_empty() && name.chars().all(of_emoji) => Ok(text.to_owned()),
        _ => fault(
            "is not the name of an emoji between colons",
            "write, for example, reaction = \":rotating_light:\"",
        ),
    }
}
