//! The texts of replies.

use std::collections::BTreeMap;

use minijinja::context;
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::{RenderError, RoomPattern, Template, Vocabulary};

/// The settings for replies, and for confirming that an alert was sent.
#[derive(Clone, Debug)]
pub struct Replies {
    /// How the bot confirms that an alert was sent.
    pub on_sent: OnSent,
    /// The reaction for [`OnSent::Reaction`], as `:rotating_light:`.
    pub reaction: String,
    /// The room for events of alerts that were not raised by a message.
    pub other_alerts_to: Option<RoomPattern>,
    /// The text of each reply.
    pub(crate) texts: BTreeMap<ReplyKind, Template>,
}

/// How the author of a message sees that the alert was sent. A failure is always reported in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum OnSent {
    /// A reaction on the message.
    Reaction,
    /// A reply in its thread.
    Reply,
    /// Not at all.
    #[strum(serialize = "none")]
    Nothing,
}

/// What a reply reports, in the order in which `bot.toml.example` explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ReplyKind {
    /// SIGNL4 accepted the alert.
    Sent,
    /// The alert is queued behind many others.
    Queued,
    /// SIGNL4 does not answer; the bot keeps trying.
    Delayed,
    /// The bot gave up the alert, with the reason.
    NotSent,
    /// The trigger's cooldown suppressed the alert.
    Suppressed,
    /// SIGNL4 raised the alert (event 200).
    Raised,
    /// Somebody acknowledged it (event 201, status 2).
    Acknowledged,
    /// Somebody closed it (event 201, status 4).
    Closed,
    /// Somebody added a note (an annotation, usually event 203).
    Annotated,
    /// The alert was escalated to another team (event 202).
    Escalated,
    /// Nobody answered, or nobody is on duty (event 201, status 8).
    Unattended,
    /// SIGNL4 could not deliver it (event 201, status 16).
    Failed,
}

impl ReplyKind {
    /// The key in `[replies]`.
    pub fn key(self) -> &'static str {
        self.into()
    }

    /// The default text. If it is empty, nothing is posted.
    pub fn default_text(self) -> &'static str {
        match self {
            Self::Sent => "Alert sent{% if team %} to {{ team }}{% endif %}.",
            Self::Queued => "Many alerts at once: this one is queued and will be sent automatically.",
            Self::Delayed => "Alert not sent yet; still trying. If it is urgent, please call somebody.",
            Self::NotSent => {
                "Alert NOT sent{% if reason %}: {{ reason }}{% endif %}. Nobody was paged, please call somebody."
            }
            Self::Suppressed => "No new alert: one was raised here a short while ago.",
            Self::Raised => "",
            Self::Acknowledged => "{{ user }}: Alert acknowledged.",
            Self::Closed => "{{ user }}: Alert closed.",
            Self::Annotated => "{{ user }}: {{ text }}",
            Self::Escalated => {
                "Nobody has reacted yet. Alert escalated{% if team %} to {{ team }}{% endif %}."
            }
            Self::Unattended => "Nobody is on duty or nobody answered. Please call somebody.",
            Self::Failed => "This alert could not reach anybody. Please call somebody.",
        }
    }
}

/// The variables of a reply. Unknown values are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplyWords<'a> {
    /// Who acknowledged, closed or annotated the alert.
    pub user: &'a str,
    /// The note.
    pub text: &'a str,
    /// Why something failed, without a full stop.
    pub reason: &'a str,
    /// The paged team, or the one that the alert was escalated to.
    pub team: &'a str,
    /// The trigger's name.
    pub trigger: &'a str,
    /// Which of several alerts in the thread this is about; appended below the text.
    pub which: Option<&'a str>,
}

/// Identifies an alert among others in its thread, by its number and the first words of its text.
pub(crate) fn which_alert(number: impl std::fmt::Display, text: &str) -> String {
    const MOST: usize = 40;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let words: String = text.chars().take(MOST).collect();
    match (words.is_empty(), words.len() < text.len()) {
        (true, _) => format!("alert {number}"),
        (false, false) => format!("alert {number}: “{words}”"),
        (false, true) => format!("alert {number}: “{}…”", words.trim_end()),
    }
}

impl ReplyWords<'_> {
    /// The names that a reply's template may use.
    pub fn vocabulary() -> Vocabulary {
        ["user", "text", "reason", "team", "trigger"].map(String::from).into()
    }
}

/// A zero-width space. It is invisible, and is part of no username and no trigger word.
const ZERO_WIDTH_SPACE: char = '\u{200B}';

/// The text with the same appearance, but with mentions that notify nobody.
///
/// Rocket.Chat treats an `@` as a mention at the beginning of the text, after white space and after `>`, once links
/// are removed (`getUserMentions` in its `MentionsParser`). Its renderer treats more as mentions. So only an `@`
/// within a word, as in an email address, is left unchanged.
pub(crate) fn without_mentions(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = None::<char>;
    for c in text.chars() {
        shown.push(c);
        if c == '@' && !before.is_some_and(|before| before.is_ascii_alphanumeric()) {
            shown.push(ZERO_WIDTH_SPACE);
        }
        before = Some(c);
    }
    shown
}

/// A reason with the same appearance, but without the word that fires the default trigger: many reasons begin with
/// "SIGNL4 answered".
fn without_trigger_word(reason: &str) -> String {
    let mut shown = reason.to_owned();
    for (at, _) in reason.to_ascii_lowercase().rmatch_indices("signl4") {
        shown.insert(at + "signl".len(), ZERO_WIDTH_SPACE);
    }
    shown
}

impl Replies {
    /// Renders the reply; `None` if this kind is disabled by an empty text, or renders to nothing. Mentions in the
    /// values notify nobody; those in the template do.
    ///
    /// # Errors
    /// When the values do not fit the template.
    pub fn text(&self, kind: ReplyKind, words: &ReplyWords<'_>) -> Result<Option<String>, RenderError> {
        let Some(template) = self.texts.get(&kind) else {
            return Ok(None);
        };
        let ReplyWords { user, text, reason, team, trigger, which } = *words;
        let reason = without_trigger_word(reason);
        let [user, text, reason, team, trigger] = [user, text, &reason, team, trigger].map(without_mentions);
        let text = template.render(kind.key(), &context! { user, text, reason, team, trigger })?;
        let text = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(match which {
            Some(which) => text.map(|text| format!("{text}\n— {}", without_mentions(which))),
            None => text,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn replies(texts: &[(ReplyKind, &str)]) -> Replies {
        let compile = |text: &str| Template::compile(text, &ReplyWords::vocabulary()).unwrap();
        let mut all: BTreeMap<_, _> =
            ReplyKind::VARIANTS.iter().map(|kind| (*kind, compile(kind.default_text()))).collect();
        all.extend(texts.iter().map(|(kind, text)| (*kind, compile(text))));
        Replies {
            on_sent: OnSent::Reaction,
            reaction: ":rotating_light:".into(),
            other_alerts_to: None,
            texts: all,
        }
    }

    fn said(kind: ReplyKind, words: ReplyWords<'_>) -> Option<String> {
        replies(&[]).text(kind, &words).unwrap()
    }

    #[test]
    fn an_alert_is_distinguished_by_its_number_and_first_words() {
        assert_eq!(which_alert(12, "pump 3\nis down"), "alert 12: “pump 3 is down”");
        assert_eq!(which_alert(12, &"ü".repeat(41)), format!("alert 12: “{}…”", "ü".repeat(40)));
        assert_eq!(which_alert(12, " "), "alert 12");
        let words = ReplyWords { user: "Rene", which: Some("alert 1: “@all”"), ..ReplyWords::default() };
        let reported = said(ReplyKind::Closed, words).unwrap();
        assert_eq!(reported, "Rene: Alert closed.\n— alert 1: “@\u{200B}all”");
    }

    #[test]
    fn the_words_are_those_that_people_know_from_the_webhook_recipe() {
        let words =
            ReplyWords { user: "Rene", text: "OK, I'll take care about it.", ..ReplyWords::default() };
        for (kind, text) in [
            (ReplyKind::Acknowledged, "Rene: Alert acknowledged."),
            (ReplyKind::Closed, "Rene: Alert closed."),
            (ReplyKind::Annotated, "Rene: OK, I'll take care about it."),
        ] {
            assert_eq!(said(kind, words).as_deref(), Some(text));
        }
    }

    #[test]
    fn an_unknown_value_leaves_no_gap() {
        let nobody = ReplyWords::default();
        let known = ReplyWords { team: "network", reason: "the webhook secret is wrong", ..nobody };
        for (kind, without, with) in [
            (ReplyKind::Sent, "Alert sent.", "Alert sent to network."),
            (
                ReplyKind::NotSent,
                "Alert NOT sent. Nobody was paged, please call somebody.",
                "Alert NOT sent: the webhook secret is wrong. Nobody was paged, please call somebody.",
            ),
            (
                ReplyKind::Escalated,
                "Nobody has reacted yet. Alert escalated.",
                "Nobody has reacted yet. Alert escalated to network.",
            ),
        ] {
            assert_eq!(said(kind, nobody).as_deref(), Some(without));
            assert_eq!(said(kind, known).as_deref(), Some(with));
        }
    }

    #[test]
    fn mentions_in_values_are_shown_and_notify_nobody() {
        let words = ReplyWords { user: "@anna:example.org", text: "@all got it", ..ReplyWords::default() };
        assert_eq!(
            said(ReplyKind::Annotated, words).as_deref(),
            Some("@\u{200B}anna:example.org: @\u{200B}all got it")
        );
        for (text, defused) in [
            (">@here", ">@\u{200B}here"),
            ("*@all* _@all_", "*@\u{200B}all* _@\u{200B}all_"),
            ("@[x](y)all", "@\u{200B}[x](y)all"),
            ("[x](y)@all", "[x](y)@\u{200B}all"),
            ("Ä@all @@all", "Ä@\u{200B}all @\u{200B}@\u{200B}all"),
            ("mail rene@signl4.com @", "mail rene@signl4.com @\u{200B}"),
        ] {
            assert_eq!(without_mentions(text), defused);
        }
        let replies = replies(&[(ReplyKind::Closed, "@here: {{ user }} closed it")]);
        let words = ReplyWords { user: "@all", ..ReplyWords::default() };
        let closed = replies.text(ReplyKind::Closed, &words).unwrap();
        assert_eq!(closed.as_deref(), Some("@here: @\u{200B}all closed it"), "the administrator means it");
    }

    #[test]
    fn an_empty_or_blank_text_posts_nothing() {
        assert_eq!(said(ReplyKind::Raised, ReplyWords { user: "Rene", ..ReplyWords::default() }), None);
        let replies = replies(&[(ReplyKind::Closed, "  {{ text }}\n"), (ReplyKind::Acknowledged, "")]);
        assert_eq!(replies.text(ReplyKind::Acknowledged, &ReplyWords::default()), Ok(None));
        assert_eq!(replies.text(ReplyKind::Closed, &ReplyWords::default()), Ok(None));
        let words = ReplyWords { text: " done ", ..ReplyWords::default() };
        assert_eq!(replies.text(ReplyKind::Closed, &words), Ok(Some("done".into())));
    }

    #[test]
    fn every_kind_but_one_has_words_and_every_kind_a_key_of_its_own() {
        let silent: Vec<_> =
            ReplyKind::VARIANTS.iter().filter(|kind| kind.default_text().is_empty()).collect();
        assert_eq!(silent, [&ReplyKind::Raised]);
        assert_eq!(
            ReplyKind::VARIANTS.iter().map(|kind| kind.key()).collect::<BTreeSet<_>>().len(),
            ReplyKind::VARIANTS.len()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_name_and_no_note_makes_a_reply_fail(user in "\\PC*", text in "\\PC*", team in "\\PC*") {
            let words = ReplyWords { user: &user, text: &text, reason: &text, team: &team, trigger: &team, which: None };
            let replies = replies(&[]);
            for &kind in ReplyKind::VARIANTS {
                prop_assert!(replies.text(kind, &words).is_ok());
            }
        }
    }
}
