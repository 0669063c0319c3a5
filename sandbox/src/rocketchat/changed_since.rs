//! The user's rooms and subscriptions, all or those changed since a time.

use serde_json::{Value, json};

use super::room::Room;
use super::time::{Millis, date};
use super::world::World;

impl World {
    /// The rooms the user is in (`rooms/get`), and the rooms deleted since.
    pub(super) fn rooms_since(&self, user_id: &str, since: Option<Millis>) -> (Vec<Value>, Vec<Value>) {
        let changed = |at: Millis| since.is_none_or(|since| at > since);
        let mine = self.rooms.values().filter(|room| room.members.contains(user_id));
        let update =
            mine.filter(|room| changed(room.updated_at)).map(|room| self.room_with_last(room)).collect();
        let remove = self
            .deleted_rooms
            .iter()
            .filter(|(_, at)| since.is_some() && changed(*at))
            .map(|(id, at)| json!({ "_id": id, "_deletedAt": date(*at) }))
            .collect();
        (update, remove)
    }

    /// The room's document with `lastMessage` (`Store_Last_Message`): the newest message that is not in a thread alone.
    fn room_with_last(&self, room: &Room) -> Value {
        let mut document = room.document();
        let mut in_room = self
            .messages_of(&room.id)
            .rev()
            .filter(|message| message.thread_id.is_none() || message.shown_in_room);
        if self.stores_last_message
            && let Some(last) = in_room.next()
        {
            document["lastMessage"] = last.document(None);
        }
        document
    }

    /// The user's subscriptions (`subscriptions/get`), and those removed since.
    pub(super) fn subscriptions_since(
        &self,
        user_id: &str,
        since: Option<Millis>,
    ) -> (Vec<Value>, Vec<Value>) {
        let changed = |at: Millis| since.is_none_or(|since| at > since);
        let mine = self.subscriptions.iter().filter(|entry| entry.user_id == user_id);
        let update = mine
            .filter(|entry| changed(entry.updated_at))
            .filter_map(|entry| self.subscription_document(entry))
            .collect();
        let remove = self
            .removed_subscriptions
            .iter()
            .filter(|(entry, at)| since.is_some() && entry.user_id == user_id && changed(*at))
            .map(|(entry, at)| Self::removed_subscription_document(entry, *at))
            .collect();
        (update, remove)
    }
}
