//! The whole state of both simulators as the browser sees it, as one JSON document.
//!
//! Whole states instead of changes: a browser that reconnects needs no special case, and nothing can drift.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::bot::BotStatus;
use super::faults::ActiveFaults;
use crate::rocketchat::{Message, Millis, RocketChat, Room, RoomKind, User};
use crate::signl4::{Alert, AlertStatus, HistoryEntry, Signl4};

/// The most messages shown of a room, without thread replies.
const MESSAGES_SHOWN: usize = 100;
/// The most replies shown of a thread.
const REPLIES_SHOWN: usize = 100;
/// The most alerts shown.
const ALERTS_SHOWN: usize = 50;

/// Everything the page shows.
#[derive(Serialize)]
pub(super) struct Snapshot {
    people: Vec<PersonView>,
    rooms: Vec<RoomView>,
    /// Newest first.
    alerts: Vec<AlertView>,
    /// The name of the person on duty.
    on_duty: Option<String>,
    /// Who can be on duty.
    staff: Vec<String>,
    faults: ActiveFaults,
    bot: BotStatus,
    /// How many alerts the bot cannot deliver to SIGNL4 for now.
    waiting: u64,
}

impl Snapshot {
    pub(super) fn take(chat: &RocketChat, signl4: &Signl4, bot: BotStatus) -> Self {
        let users: HashMap<String, User> =
            chat.users().into_iter().map(|user| (user.id.clone(), user)).collect();
        let mut rooms = chat.rooms();
        rooms.sort_by_key(|room| (room.kind.letter(), room.created_at, room.name.clone()));
        let names = rooms.iter().map(|room| (room.id.as_str(), signed_name(room))).collect();
        let alerts = signl4.alerts();
        let faults = ActiveFaults::now(chat, signl4);
        let held_up = bot.waiting.held_up || faults.keep_alerts_waiting();
        Self {
            people: people(&users),
            alerts: alerts
                .iter()
                .rev()
                .take(ALERTS_SHOWN)
                .map(|alert| AlertView::of(alert, &names))
                .collect(),
            rooms: rooms.iter().map(|room| RoomView::of(room, chat.messages(room), &users)).collect(),
            on_duty: signl4.on_duty().map(|person| person.name),
            staff: signl4.people().iter().map(|person| person.name.clone()).collect(),
            faults,
            waiting: if held_up { bot.waiting.alerts } else { 0 },
            bot,
        }
    }

    pub(super) fn to_json(&self) -> Arc<str> {
        // Cannot fail: plain structs with text keys.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned()).into()
    }
}

/// A user of the chat.
#[derive(Serialize)]
struct PersonView {
    id: String,
    username: String,
    name: String,
}

fn people(users: &HashMap<String, User>) -> Vec<PersonView> {
    let mut people: Vec<&User> = users.values().filter(|user| !is_bot(user)).collect();
    people.sort_by_key(|user| &user.username);
    let view = |user: &User| PersonView {
        id: user.id.clone(),
        username: user.username.clone(),
        name: user.name.clone(),
    };
    people.into_iter().map(view).collect()
}

fn is_bot(user: &User) -> bool {
    user.roles.contains("bot")
}

/// A room and its last messages, oldest first.
#[derive(Serialize)]
struct RoomView {
    id: String,
    name: String,
    private: bool,
    /// How many members it has.
    members: usize,
    messages: Vec<MessageView>,
}

impl RoomView {
    fn of(room: &Room, messages: Vec<Message>, users: &HashMap<String, User>) -> Self {
        Self {
            id: room.id.clone(),
            name: plain_name(room),
            private: room.kind != RoomKind::Channel,
            members: room.members.len(),
            messages: with_threads(messages, users),
        }
    }
}

fn plain_name(room: &Room) -> String {
    match room.kind {
        RoomKind::Direct => room.usernames.values().cloned().collect::<Vec<_>>().join(", "),
        RoomKind::Channel | RoomKind::Group | RoomKind::Livechat => room.display_name.clone(),
    }
}

/// The name, with `#` in front for a public channel.
fn signed_name(room: &Room) -> String {
    let sign = if room.kind == RoomKind::Channel { "#" } else { "" };
    format!("{sign}{}", plain_name(room))
}

/// A message with the replies of its thread.
#[derive(Serialize)]
struct MessageView {
    id: String,
    user: String,
    username: String,
    /// The display name.
    author: String,
    bot: bool,
    text: String,
    at: Millis,
    /// `t` of a system message.
    kind: Option<String>,
    edited: bool,
    /// Usernames by emoji.
    reactions: BTreeMap<String, BTreeSet<String>>,
    /// Oldest first; empty for a reply.
    replies: Vec<MessageView>,
}

impl MessageView {
    fn of(message: Message, users: &HashMap<String, User>) -> Self {
        let bot = message.integration.is_some() || users.get(&message.user_id).is_some_and(is_bot);
        Self {
            bot,
            id: message.id,
            user: message.user_id,
            username: message.username,
            author: message.alias.unwrap_or(message.user_name),
            text: message.text,
            at: message.ts,
            kind: message.kind,
            edited: message.edited.is_some(),
            reactions: message.reactions,
            replies: Vec::new(),
        }
    }
}

fn with_threads(messages: Vec<Message>, users: &HashMap<String, User>) -> Vec<MessageView> {
    let (replies, firsts): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|message| message.thread_id.is_some());
    let mut threads: HashMap<String, Vec<MessageView>> = HashMap::new();
    for reply in replies {
        let thread = reply.thread().to_owned();
        threads.entry(thread).or_default().push(MessageView::of(reply, users));
    }
    let shown = firsts.len().saturating_sub(MESSAGES_SHOWN);
    let with_replies = |message: Message| {
        let mut view = MessageView::of(message, users);
        let mut replies = threads.remove(&view.id).unwrap_or_default();
        view.replies = replies.split_off(replies.len().saturating_sub(REPLIES_SHOWN));
        view
    };
    firsts.into_iter().skip(shown).map(with_replies).collect()
}

/// An alert as the phone shows it.
#[derive(Serialize)]
struct AlertView {
    id: String,
    title: String,
    text: String,
    status: AlertStatus,
    external_id: Option<String>,
    /// The name of the room whose ID is the external ID, if there is one: `#general`.
    room: Option<String>,
    team: String,
    at: Millis,
    parameters: BTreeMap<String, String>,
    history: Vec<HistoryEntry>,
}

impl AlertView {
    fn of(alert: &Alert, room_names: &HashMap<&str, String>) -> Self {
        let room = alert.external_id.as_deref().and_then(|id| room_names.get(id));
        Self {
            id: alert.id.clone(),
            title: alert.title.clone(),
            text: alert.text.clone(),
            status: alert.status,
            external_id: alert.external_id.clone(),
            room: room.cloned(),
            team: alert.team.clone(),
            at: alert.received.at.as_millisecond(),
            parameters: alert.parameters.clone(),
            history: alert.history.clone(),
        }
    }
}
