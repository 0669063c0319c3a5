//! Waiting for a condition with a deadline, so that no test sleeps for a fixed time.

use std::time::Duration;

use super::RocketChat;
use crate::rocketchat::message::Message;

/// A condition did not become true in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} did not come within {} ms", .within.as_millis())]
pub struct TimedOut {
    /// The condition, and what there was instead.
    pub what: String,
    /// The deadline.
    pub within: Duration,
}

impl RocketChat {
    /// Waits until `look` finds something. It is called now and after each change.
    ///
    /// # Errors
    /// If it found nothing in time.
    pub async fn wait_for<T>(
        &self,
        within: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, TimedOut> {
        let mut version = self.shared.version();
        let search = async {
            loop {
                version.mark_unchanged();
                if let Some(found) = look(self) {
                    return found;
                }
                if version.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(within, search)
            .await
            .map_err(|_| TimedOut { what: "a condition".to_owned(), within })
    }

    /// Waits until the thread of a message has at least so many replies, and returns them all.
    ///
    /// # Errors
    /// If they did not arrive in time; the error contains the thread's messages.
    pub async fn wait_for_replies(
        &self,
        message: impl AsRef<str>,
        count: usize,
        within: Duration,
    ) -> Result<Vec<Message>, TimedOut> {
        let message = message.as_ref();
        self.wait_for(within, |chat| {
            Some(chat.thread_replies(message)).filter(|replies| replies.len() >= count)
        })
        .await
        .map_err(|_| self.timed_out(&format!("{count} replies"), message, within))
    }

    /// Waits for a reply in the thread of a message that the predicate accepts.
    ///
    /// # Errors
    /// If none arrived in time; the error contains the thread's messages.
    pub async fn wait_for_reply(
        &self,
        message: impl AsRef<str>,
        within: Duration,
        mut accept: impl FnMut(&Message) -> bool,
    ) -> Result<Message, TimedOut> {
        let message = message.as_ref();
        self.wait_for(within, |chat| chat.thread_replies(message).into_iter().find(|reply| accept(reply)))
            .await
            .map_err(|_| self.timed_out("a reply", message, within))
    }

    /// Waits until somebody has reacted to the message with the emoji, and returns the usernames.
    ///
    /// # Errors
    /// If nobody did in time.
    pub async fn wait_for_reaction(
        &self,
        message: impl AsRef<str>,
        emoji: &str,
        within: Duration,
    ) -> Result<std::collections::BTreeSet<String>, TimedOut> {
        let message = message.as_ref();
        let reacted = |chat: &Self| chat.message(message).map(|message| message.reacted_with(emoji));
        self.wait_for(within, |chat| reacted(chat).filter(|usernames| !usernames.is_empty()))
            .await
            .map_err(|_| self.timed_out(&format!("a reaction {emoji}"), message, within))
    }

    fn timed_out(&self, wanted: &str, message: &str, within: Duration) -> TimedOut {
        let texts: Vec<String> = self.thread_replies(message).into_iter().map(|reply| reply.text).collect();
        TimedOut { what: format!("{wanted} to message {message}; its thread holds {texts:?}"), within }
    }
}
