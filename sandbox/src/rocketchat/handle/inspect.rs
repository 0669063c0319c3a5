//! Who is connected, which calls were made, and raw frames to every session.

use super::RocketChat;
use crate::rocketchat::rest::Call;

impl RocketChat {
    /// How many realtime sessions are logged in as this user.
    pub fn sessions_of(&self, user: impl AsRef<str>) -> usize {
        self.shared.sessions.of_user(user.as_ref())
    }

    /// The `(stream, event)` pairs that realtime sessions of this user are subscribed to.
    pub fn ddp_subscriptions_of(&self, user: impl AsRef<str>) -> Vec<(String, String)> {
        self.shared.sessions.subscriptions_of(user.as_ref())
    }

    /// Makes every current realtime session half-open: it never sends anything again, not even the end of its
    /// connection. New sessions work.
    pub fn stall_now(&self) {
        self.shared.sessions.stall();
    }

    /// Sends a text frame to every realtime session, whatever the text is.
    pub fn send_raw_to_all(&self, text: &str) {
        self.shared.sessions.send_text(text);
    }

    /// The REST calls so far, oldest first; only the newest 16,384 are kept.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.journal.calls()
    }

    /// The REST calls of one route, such as `chat.sendMessage`, oldest first.
    pub fn calls_of(&self, route: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.route == route).collect()
    }
}
