//! The words of a reply: what the thread of a message is told of its alert.

use std::collections::BTreeMap;

use minijinja::context;

use super::{RenderError, Template, Vocabulary};

/// What the bot says in a thread, and how it confirms that an alert went out.
#[derive(Clone, Debug)]
pub struct Replies {
    /// How it is shown that an alert was sent.
    pub on_sent: OnSent,
    /// The reaction for [`OnSent::Reaction`], as `:rotating_light:`.
    pub reaction: String,
    /// The text of each reply.
    pub(crate) texts: BTreeMap<ReplyKind, Template>,
}

/// How the author of a message learns that the alert went out. That it did not is always a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSent {
    /// A reaction on the message.
    Reaction,
    /// A reply in its thread.
    Reply,
    /// Not at all.
    Nothing,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplyKind {
    /// SIGNL4 took the alert.
    Sent,
    /// It waits for its turn behind many others.
    Queued,
    /// SIGNL4 does not answer; the bot keeps trying.
    Delayed,
    /// It was given up, with the reason.
    NotSent,
    /// The trigger's cooldown held it back.
    Suppressed,
    /// SIGNL4 raised the alert (event 200).
    Raised,
    /// Somebody acknowledged it (event 201, status 2).
    Acknowledged,
    /// Somebody closed it (event 201, status 4).
    Closed,
    /// Somebody wrote a note (an annotation, mostly event 203).
    Annotated,
    /// It went on to another team (event 202).
    Escalated,
    /// Nobody answered or was on duty (event 201, status 8).
    Unattended,
    /// SIGNL4 could not deliver it (event 201, status 16).
    Failed,
}

impl ReplyKind {
    /// Every kind, in the order in which `bot.toml.example` explains them.
    pub const ALL: [Self; 12] = [
        Self::Sent,
        Self::Queued,
        Self::Delayed,
        Self::NotSent,
        Self::Suppressed,
        Self::Raised,
        Self::Acknowledged,
        Self::Closed,
        Self::Annotated,
        Self::Escalated,
        Self::Unattended,
        Self::Failed,
    ];

    /// Its key in `[replies]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Queued => "queued",
            Self::Delayed => "delayed",
            Self::NotSent => "not_sent",
            Self::Suppressed => "suppressed",
            Self::Raised => "raised",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
            Self::Annotated => "annotated",
            Self::Escalated => "escalated",
            Self::Unattended => "unattended",
            Self::Failed => "failed",
        }
    }

    /// What it says unless `bot.toml` has other words. Empty: nothing is said.
    pub fn default_text(self) -> &'static str {
        match self {
            Self::Sent => "Alert sent{% if team %} to {{ team }}{% endif %}.",
            Self::Queued => "Many alerts at once: this one waits its turn and goes out by itself.",
            Self::Delayed => "SIGNL4 does not answer; still trying. If it is urgent, please call somebody.",
            Self::NotSent => {
                "Alert NOT sent{% if reason %}: {{ reason }}{% endif %}. Nobody was paged, please call somebody."
            }
            Self::Suppressed => "No new alert: \"{{ trigger }}\" raised one here a short while ago.",
            Self::Raised => "",
            Self::Acknowledged => "{{ user }}: Alert acknowledged.",
            Self::Closed => "{{ user }}: Alert closed.",
            Self::Annotated => "{{ user }}: {{ text }}",
            Self::Escalated => {
                "Nobody has reacted yet. Alert escalated{% if team %} to {{ team }}{% endif %}."
            }
            Self::Unattended => "Nobody is on duty or nobody answered. Please call somebody.",
            Self::Failed => "SIGNL4 could not reach anybody with this alert. Please call somebody.",
        }
    }
}

/// The variables of a reply. What is not known stays empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplyWords<'a> {
    /// Who acknowledged, closed or wrote.
    pub user: &'a str,
    /// The note.
    pub text: &'a str,
    /// Why something did not work, without a full stop.
    pub reason: &'a str,
    /// The team paged or escalated to.
    pub team: &'a str,
    /// The trigger's name.
    pub trigger: &'a str,
}

impl ReplyWords<'_> {
    /// The names a reply's template may use.
    pub fn vocabulary() -> Vocabulary {
        Vocabulary::new(["user", "text", "reason", "team", "trigger"])
    }
}

impl Replies {
    /// The reply in words, or `None` where this kind is switched off by an empty text, or comes out blank.
    ///
    /// # Errors
    /// When the template does not suit the values.
    pub fn text(&self, kind: ReplyKind, words: &ReplyWords<'_>) -> Result<Option<String>, RenderError> {
        let Some(template) = self.texts.get(&kind) else {
            return Ok(None);
        };
        let ReplyWords { user, text, reason, team, trigger } = *words;
        let text = template.render(kind.key(), &context! { user, text, reason, team, trigger })?;
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }
}
