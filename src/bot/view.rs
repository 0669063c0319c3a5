//! The data that the admin listener can read.

use std::sync::Arc;

use jiff::Timestamp;

use super::context::Context;
use super::outbox::{labels, team_label};
use super::rooms::{Known, Rooms};
use super::settings::Current;
use crate::admin::{BotView, Directory, QueueLabel};
use crate::alerting::{RoomPattern, Trigger};
use crate::health::{WatchedBy, WatchedRoom};
use rocketchat::{Room, RoomId, realtime::Realtime};

/// The view of a bot that is starting now.
pub(super) fn view(context: &Context, realtime: &Realtime) -> BotView {
    BotView {
        account: context.rest.account().clone(),
        connection: realtime.state(),
        frames: realtime.counts(),
        directory: Arc::new(Names { current: context.current.clone(), rooms: context.rooms.clone() }),
        store: context.store.clone(),
        health: context.health.clone(),
        started_at: Timestamp::now(),
    }
}

/// The display names, by the current configuration.
#[derive(Debug)]
struct Names {
    current: Current,
    rooms: Arc<Rooms>,
}

impl Directory for Names {
    fn room(&self, id: &RoomId) -> Option<Room> {
        self.rooms.get(id).map(|known| known.room.clone())
    }

    fn watched(&self) -> Vec<WatchedBy> {
        let (settings, rooms) = (self.current.now(), self.rooms.select(|known| known.watched));
        settings.config.triggers.iter().map(|trigger| watched_by(trigger, &rooms)).collect()
    }

    fn queues(&self) -> Vec<QueueLabel> {
        labels(&self.current.now().config.signl4)
    }
}

fn watched_by(trigger: &Trigger, rooms: &[Arc<Known>]) -> WatchedBy {
    let watched: Vec<_> = rooms.iter().filter(|known| trigger.watches(&known.room, known.joined)).collect();
    // The others cannot page anybody.
    let is_readable = |known: &Known| !known.encrypted && !known.archived;
    let readable = watched.iter().filter(|known| is_readable(known));
    let mut rooms: Vec<WatchedRoom> =
        readable.map(|known| WatchedRoom { room: known.room.clone(), joined: known.joined }).collect();
    rooms.sort_by(|one, other| {
        (one.room.shown_name(), &one.room.id).cmp(&(other.room.shown_name(), &other.room.id))
    });
    // A single room that cannot be read is reported as such.
    let finds = |pattern: &RoomPattern| {
        let is_single = matches!(pattern, RoomPattern::Name(_) | RoomPattern::Id(_));
        let counts = |known: &Known| is_single || is_readable(known);
        watched.iter().any(|known| counts(known) && pattern.matches(&known.room, known.joined))
    };
    let unfound = trigger.rooms.iter().filter(|pattern| !finds(pattern)).map(ToString::to_string).collect();
    WatchedBy { trigger: trigger.name.clone(), team: team_label(&trigger.team), rooms, unfound }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use rocketchat::RoomKind;

    fn names(toml: &str) -> Names {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!(
            "[rocketchat]\nurl = \"https://chat.example.com\"\nuser_id = \"u\"\nauth_token = \"{t}\"\n\
             [signl4]\nwebhook_url = \"https://connect.signl4.com/webhook/{t}\"\n\
             [listener]\nsecret = \"{t}\"\n{toml}",
            t = "a-secret-of-some-length-0123456789"
        );
        std::fs::write(file.path(), text).unwrap();
        let config = Config::load(&Sources { path: Some(file.path().to_owned()), env: vec![] }).unwrap();
        let current = Current::new(config);
        Names { rooms: Arc::new(Rooms::new(current.now())), current }
    }

    #[test]
    fn each_trigger_lists_its_rooms_by_name_and_what_it_did_not_find() {
        let names = names(
            "[[trigger]]\nname = \"t\"\npattern = \"x\"\nrooms = [\"ops-*\", \"#general\", \"id:gone\"]\n",
        );
        for (id, name, joined) in
            [("2", "ops-b", true), ("1", "ops-a", false), ("GENERAL", "general", true), ("4", "other", true)]
        {
            let room = Room::new(RoomId::new(id), Some(name.into()), RoomKind::Channel);
            names.rooms.learn(room, Some(joined));
        }
        let [watched] = &names.watched()[..] else { panic!("one trigger") };
        let rooms = watched.rooms.iter();
        let rooms: Vec<_> = rooms.map(|it| (it.room.name.as_deref().unwrap(), it.joined)).collect();
        assert_eq!(rooms, [("general", true), ("ops-a", false), ("ops-b", true)]);
        assert_eq!(watched.unfound, ["id:gone"]);
        assert_eq!((watched.trigger.as_str(), watched.team.as_str()), ("t", "SIGNL4"));
        assert_eq!(names.room(&RoomId::new("4")).unwrap().name.as_deref(), Some("other"));
    }

    #[test]
    fn a_room_whose_messages_cannot_be_read_is_found_but_not_watched() {
        for (archived, encrypted) in [(true, false), (false, true)] {
            let names = names("[[trigger]]\nname = \"t\"\npattern = \"x\"\nrooms = [\"#ops\"]\n");
            let id = RoomId::new("1");
            names.rooms.learn(Room::new(id.clone(), Some("ops".into()), RoomKind::Channel), Some(true));
            assert_eq!(names.watched()[0].rooms.len(), 1);
            names.rooms.set_state(&id, archived, Some(encrypted));
            let [watched] = &names.watched()[..] else { panic!("one trigger") };
            assert!(watched.rooms.is_empty() && watched.unfound.is_empty());
        }
    }

    #[test]
    fn a_glob_that_matches_only_rooms_whose_messages_cannot_be_read_finds_none() {
        for rooms in ["ops-*", "*"] {
            let names =
                names(&format!("[[trigger]]\nname = \"t\"\npattern = \"x\"\nrooms = [\"{rooms}\"]\n"));
            let room = |id: &str| Room::new(RoomId::new(id), Some(format!("ops-{id}")), RoomKind::Channel);
            names.rooms.learn(room("1"), Some(true));
            names.rooms.set_state(&RoomId::new("1"), false, Some(true));
            let [watched] = &names.watched()[..] else { panic!() };
            assert_eq!((watched.rooms.len(), watched.unfound.len()), (0, 1), "{rooms}");
            names.rooms.learn(room("2"), Some(true));
            let [watched] = &names.watched()[..] else { panic!() };
            assert_eq!((watched.rooms.len(), watched.unfound.len()), (1, 0), "{rooms}");
        }
    }

    #[test]
    fn every_queue_has_a_name() {
        let names = names(
            "[[signl4.team]]\nname = \"night\"\nwebhook_url = \"https://connect.signl4.com/webhook/another-secret-of-some-length\"\n",
        );
        let queues: Vec<String> =
            names.queues().into_iter().map(|label| format!("{} = {}", label.queue, label.name)).collect();
        assert_eq!(
            queues,
            [
                "signl4 = SIGNL4",
                "signl4:night = SIGNL4 team night",
                "rocketchat:reply = Rocket.Chat: replies",
                "rocketchat:confirmation = Rocket.Chat: confirmations",
                "rocketchat:reaction = Rocket.Chat: reactions",
            ]
        );
    }
}
