//! `[replies]`: the texts that the bot posts.

use super::report::Fault;
use super::section::Section;
use super::values::{compile, one_of};
use crate::alerting::{OnSent, Replies, ReplyKind, ReplyWords};

pub(super) fn read(mut section: Section<'_>) -> Option<Replies> {
    let on_sent = section.checked("on_sent", |text| {
        one_of(text, [("reaction", OnSent::Reaction), ("reply", OnSent::Reply), ("none", OnSent::Nothing)])
    });
    let reaction = section.checked("reaction", reaction).unwrap_or_else(|| ":rotating_light:".to_owned());
    let vocabulary = ReplyWords::vocabulary();
    let texts = ReplyKind::ALL.into_iter().map(|kind| {
        let text = section.text_or(kind.key(), kind.default_text());
        Some((kind, section.report.accept(&text.place, compile(&text.value, &vocabulary))?))
    });
    let texts = texts.collect::<Vec<_>>().into_iter().collect::<Option<_>>();
    section.finish();
    Some(Replies { on_sent: on_sent.unwrap_or(OnSent::Reaction), reaction, texts: texts? })
}

fn reaction(text: &str) -> Result<String, Fault> {
    let name = text.strip_prefix(':').and_then(|text| text.strip_suffix(':'));
    let of_emoji = |c: char| c.is_ascii_alphanumeric() || "_+-".contains(c);
    match name {
        Some(name) if !name.is_empty() && name.chars().all(of_emoji) => Ok(text.to_owned()),
        _ => Err(Fault::new(
            "is not the name of an emoji between colons",
            "write for example reaction = \":rotating_light:\"",
        )),
    }
}
