//! Rooms and the account's subscriptions to them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::listing::{Listing, pruned, quiet};
use super::sync::iso;
use super::{RestClient, RestError};
use crate::{Message, Room, RoomId, RoomKind, ServerUrl, wire};

/// A room, and the settings that decide whether the account can read and post there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoomInfo {
    /// The room.
    pub room: Room,
    /// Whether messages are end-to-end encrypted.
    pub encrypted: bool,
    /// Whether the room is archived: nobody can post.
    pub archived: bool,
    /// `ro`: only some users can post.
    pub read_only: bool,
    /// `unmuted`: usernames that can post although the room is read-only.
    pub unmuted: Vec<String>,
    /// `muted`: usernames that cannot post.
    pub muted: Vec<String>,
    /// `joinCodeRequired`: joining needs a code.
    pub needs_join_code: bool,
    /// `ts`: when the room was created.
    pub created_at: Option<Timestamp>,
    /// `lm`: when the last message was posted.
    pub last_message_at: Option<Timestamp>,
    /// `_updatedAt`.
    pub updated_at: Option<Timestamp>,
    /// `lastMessage`: the newest message outside of threads. Only [`RoomList::with_last_messages`] reads it, and a server keeps it
    /// only with `Store_Last_Message`, which is the default.
    pub last_message: Option<Box<Message>>,
}

impl RoomInfo {
    /// Reads a room's document, as REST and `rooms-changed` send it; `None` without an `_id`.
    pub fn from_document(document: &Value) -> Option<Self> {
        Some(Self {
            room: room(document, "_id")?,
            encrypted: wire::flag(document, "encrypted"),
            archived: wire::flag(document, "archived"),
            read_only: wire::flag(document, "ro"),
            unmuted: wire::texts(document, "unmuted"),
            muted: wire::texts(document, "muted"),
            needs_join_code: wire::flag(document, "joinCodeRequired"),
            created_at: wire::time_of(document, "ts"),
            last_message_at: wire::time_of(document, "lm"),
            updated_at: wire::time_of(document, "_updatedAt"),
            last_message: None,
        })
    }

    /// The time of the last change or message, messages in threads included.
    pub fn changed_at(&self) -> Option<Timestamp> {
        self.updated_at.max(self.last_message_at)
    }
}

/// The account's membership of a room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// `_id` of the subscription itself.
    pub id: Option<String>,
    /// The room.
    pub room: Room,
    /// The account's roles in this room (`owner`, `moderator`, …).
    pub roles: Vec<String>,
    /// Whether the room is archived.
    pub archived: bool,
    /// `ts`: when the account joined.
    pub joined_at: Option<Timestamp>,
    /// `_updatedAt`.
    pub updated_at: Option<Timestamp>,
}

impl Subscription {
    /// Reads a subscription's document, as REST and `subscriptions-changed` send it; `None` without a `rid`.
    pub fn from_document(document: &Value) -> Option<Self> {
        Some(Self {
            id: wire::filled(document, "_id").map(str::to_owned),
            room: room(document, "rid")?,
            roles: wire::texts(document, "roles"),
            archived: wire::flag(document, "archived"),
            joined_at: wire::time_of(document, "ts"),
            updated_at: wire::time_of(document, "_updatedAt"),
        })
    }
}

/// A list of rooms as the server answers it, each decoded only when it is asked for.
#[derive(Clone)]
pub struct RoomList {
    pub(super) listing: Listing,
    pub(super) server: ServerUrl,
}

impl RoomList {
    /// The rooms, without their last messages.
    pub fn rooms(&self) -> impl Iterator<Item = RoomInfo> {
        self.listing.items(RoomInfo::from_document)
    }

    /// The rooms, each with its last message, unless that is older than `from`: the list of many rooms is long, and most of them
    /// have been quiet.
    pub fn with_last_messages(&self, from: Timestamp) -> impl Iterator<Item = RoomInfo> {
        self.listing.documents().filter_map(move |document| {
            let document = pruned(document, &[]).or_else(|_| quiet(document)).ok()?;
            let info = RoomInfo::from_document(&document)?;
            let last = Message::from_document(&document["lastMessage"], &self.server).ok();
            let last = last.filter(|last| last.room == info.room.id && last.updated_at >= from);
            Some(RoomInfo { last_message: last.map(Box::new), ..info })
        })
    }
}

impl RestClient {
    /// The rooms the account is in (`rooms.get`), all or those changed since a time. A new message changes its room.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn rooms(&self, updated_since: Option<Timestamp>) -> Result<RoomList, RestError> {
        let listing = self.list("rooms.get", &since(updated_since)).await?;
        Ok(RoomList { listing, server: self.account().server().clone() })
    }

    /// The account's subscriptions (`subscriptions.get`), all or those changed since a time.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn subscriptions(
        &self,
        updated_since: Option<Timestamp>,
    ) -> Result<Vec<Subscription>, RestError> {
        let listing = self.list("subscriptions.get", &since(updated_since)).await?;
        Ok(listing.items(Subscription::from_document).collect())
    }

    /// One room by its `_id` (`rooms.info`).
    ///
    /// # Errors
    /// See [`RestError`]. `Rejected` if there is no such room or the account cannot see it.
    pub async fn room_by_id(&self, room: &RoomId) -> Result<RoomInfo, RestError> {
        self.room(("roomId", room.to_string())).await
    }

    /// One room by its name, without `#` (`rooms.info`).
    ///
    /// # Errors
    /// As [`room_by_id`](Self::room_by_id).
    pub async fn room_by_name(&self, name: &str) -> Result<RoomInfo, RestError> {
        self.room(("roomName", name.to_owned())).await
    }

    async fn room(&self, by: (&str, String)) -> Result<RoomInfo, RestError> {
        let answer = self.get("rooms.info", &[by]).await?;
        answer
            .get("room")
            .and_then(RoomInfo::from_document)
            .ok_or_else(|| RestError::unavailable("an answer without a room"))
    }

    /// Joins a public channel (`channels.join`); does nothing if the account is a member.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn join_channel(&self, room: &RoomId) -> Result<(), RestError> {
        self.post("channels.join", &json!({ "roomId": room })).await.map(drop)
    }

    /// One page of the public channels (`channels.list`), joined or not, last changed first, and the length of the whole list. A
    /// new message changes its channel. Source for `sort`: `parseJsonQuery` in Rocket.Chat's `app/api/server/helpers`.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn channels(&self, offset: usize, count: usize) -> Result<(Vec<RoomInfo>, usize), RestError> {
        let query = [
            ("offset", offset.to_string()),
            ("count", count.to_string()),
            ("sort", r#"{"_updatedAt":-1}"#.to_owned()),
        ];
        let listing = self.list("channels.list", &query).await?;
        // Without a total, the list ends at the first empty page.
        let total = listing.total().unwrap_or(usize::MAX);
        Ok((listing.items(RoomInfo::from_document).collect(), total))
    }

    async fn list(&self, route: &'static str, query: &[(&str, String)]) -> Result<Listing, RestError> {
        let answer = self.get_raw(route, query).await?;
        Listing::new(answer).ok_or_else(|| RestError::unavailable("an answer without a list"))
    }
}

fn since(updated_since: Option<Timestamp>) -> Vec<(&'static str, String)> {
    updated_since.map(|time| ("updatedSince", iso(time))).into_iter().collect()
}

fn room(document: &Value, id: &str) -> Option<Room> {
    let kind = RoomKind::from_letter(wire::text(document, "t").unwrap_or_default());
    // The subscription to a direct message has the other user's names, which are not the room's.
    let named = |key| wire::filled(document, key).filter(|_| kind != RoomKind::Direct);
    let name = named("name");
    let display_name = named("fname").filter(|shown| Some(*shown) != name).map(Into::into);
    let id = RoomId::new(wire::filled(document, id)?);
    Some(Room { display_name, ..Room::new(id, name.map(str::to_owned), kind) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_read_from_its_document() {
        let info = RoomInfo::from_document(&json!({
            "_id": "r1", "t": "p", "name": "ops", "fname": "Ops Team", "encrypted": true, "ro": true,
            "lm": "2023-10-04T11:05:05.309Z", "_updatedAt": "2023-10-04T11:05:05.309Z", "usersCount": 3,
        }))
        .unwrap();
        let room = Room::new(RoomId::new("r1"), Some("ops".into()), RoomKind::Group);
        assert_eq!(info.room, Room { display_name: Some("Ops Team".into()), ..room });
        assert!(info.encrypted && info.read_only && !info.archived);
        assert_eq!(info.last_message_at, Timestamp::from_millisecond(1_696_417_505_309).ok());
        assert_eq!(RoomInfo::from_document(&json!({"t": "c", "name": "no id"})), None);
    }

    #[test]
    fn the_last_message_is_read_if_it_is_readable_and_of_that_room() {
        let last = |last: Value| {
            let server = "https://chat.example.com".parse().unwrap();
            let rooms =
                json!({"update": [{"_id": "r0", "t": "c"}, {"_id": "r1", "t": "c", "lastMessage": last}]});
            let listing = Listing::new(rooms.to_string().into_bytes()).unwrap();
            let from = Timestamp::from_millisecond(1).unwrap();
            let list = RoomList { listing, server };
            let rooms: Vec<_> = list.with_last_messages(from).map(|info| info.last_message).collect();
            let [None, last] = &rooms[..] else { panic!("{rooms:?}") };
            last.clone()
        };
        let message =
            json!({"_id": "m1", "rid": "r1", "msg": "hello", "ts": {"$date": 1}, "u": {"_id": "u1"}});
        assert_eq!(last(message.clone()).unwrap().text, "hello");
        let mut older = message.clone();
        older["ts"] = json!({"$date": 0});
        assert_eq!(last(older), None);
        let mut other = message;
        other["rid"] = json!("r2");
        assert_eq!((last(other), last(json!(null)), last(json!({"_id": "m1"}))), (None, None, None));
    }

    #[test]
    fn a_direct_message_has_no_name_of_its_own() {
        let direct = Subscription::from_document(
            &json!({"rid": "d1", "t": "d", "name": "rene", "fname": "René", "roles": ["owner", 3]}),
        )
        .unwrap();
        assert_eq!(direct.room, Room::new(RoomId::new("d1"), None, RoomKind::Direct));
        assert_eq!(direct.roles, ["owner"]);
    }
}
