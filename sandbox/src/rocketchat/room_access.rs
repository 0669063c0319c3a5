//! Joining channels, and the room that `chat.postMessage` posts to.

use serde_json::json;

use super::refusal::Refusal;
use super::room::RoomKind;
use super::world::World;

impl World {
    /// `Room.join`: public channels only, with `view-c-room`; joining again does nothing.
    pub(super) fn join_channel(&mut self, user_id: &str, room_id: &str) -> Result<(), Refusal> {
        let room = self.room(room_id)?;
        let open = room.kind == RoomKind::Channel && self.may(user_id, "view-c-room");
        if !open && !room.members.contains(user_id) {
            return Err(Refusal::meteor("error-not-allowed", "Not allowed")
                .with_details(json!({ "method": "joinRoom" })));
        }
        self.join(room_id, user_id)
    }

    /// `getRoomByNameOrIdWithOptionToJoin`: `#name`, `@username`, or an id or name; a public channel is joined.
    pub(super) fn room_to_post_to(&mut self, user_id: &str, named: &str) -> Result<String, Refusal> {
        let by_user = named.strip_prefix('@').and_then(|name| self.account_named(name));
        if let Some(other) =
            by_user.or_else(|| self.accounts.get(named)).map(|account| account.user.id.clone())
        {
            return self.direct_message(user_id, &other).map(|room| room.id);
        }
        let bare = named.strip_prefix('#').unwrap_or(named);
        let room = self.rooms.get(bare).or_else(|| self.room_named(bare));
        let room = room.ok_or_else(|| Refusal::bare("invalid-channel"))?;
        let id = room.id.clone();
        if room.kind == RoomKind::Channel && !room.members.contains(user_id) {
            self.join_channel(user_id, &id)?;
        }
        Ok(id)
    }
}
