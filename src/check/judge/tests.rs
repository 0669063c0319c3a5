//! Rooms judged without a server: a census made by hand.

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::check::census::Joined;
use crate::config::{Config, Sources};
use rocketchat::rest::{Permission, RoomInfo};

/// The triggers of a `bot.toml` with one trigger that watches these rooms.
fn triggers(rooms: &[&str]) -> TriggerSet {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("bot.toml");
    let text = format!(
        "[rocketchat]\nurl = \"http://localhost\"\nuser_id = \"u\"\nauth_token = \"t\"\n\
         [signl4]\nwebhook_url = \"http://localhost/webhook/a-team-secret\"\n\
         [listener]\nsecret = \"a-listener-secret-of-some-length\"\n\
         [[trigger]]\nname = \"pumps\"\npattern = \"x\"\nrooms = {rooms:?}\n"
    );
    fs::write(&file, text).unwrap();
    Config::load(&Sources { path: Some(file), env: vec![] }).unwrap().triggers
}

fn room(name: &str, more: Value) -> RoomInfo {
    let mut document = json!({ "_id": format!("{name}-id"), "t": "c", "name": name });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    RoomInfo::from_document(&document).unwrap()
}

fn joined(name: &str, more: Value) -> Joined {
    Joined { info: room(name, more), roles: vec![] }
}

fn rights(roles: &[&str], permissions: &[(&str, &[&str])]) -> Rights {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let permission = |(id, roles): &(&str, &[&str])| Permission { id: (*id).to_owned(), roles: owned(roles) };
    Rights::new(owned(roles), Some(permissions.iter().map(permission).collect()))
}

fn judged(census: &Census, rights: &Rights, rooms: &[&str]) -> Vec<RoomFinding> {
    Judge { census, rights, username: "signl4.bot", auto_join: true }.judge(&triggers(rooms))
}

/// The one finding of one entry.
fn only(census: &Census, rights: &Rights, entry: &str) -> Remark {
    let mut found = judged(census, rights, &[entry]);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).remark
}

#[track_caller]
fn assert_is(remark: &Remark, grade: Grade, words: &[&str]) {
    let whole = format!("{} → {}", remark.text, remark.mend.as_deref().unwrap_or_default());
    assert_eq!(remark.grade, grade, "{whole}");
    for word in words {
        assert!(whole.contains(word), "{word:?} is not in: {whole}");
    }
}

#[test]
fn a_room_is_found_whatever_its_capitals_as_when_the_bot_runs() {
    let census = Census { joined: vec![joined("Ops", json!({}))], ..Census::default() };
    assert_is(&only(&census, &Rights::default(), "#ops"), Grade::Fine, &["the bot is in it and may post"]);
}

#[test]
fn a_bot_that_is_muted_can_answer_nobody() {
    let muted = json!({ "muted": ["alice", "signl4.bot"] });
    let census = Census { joined: vec![joined("ops", muted)], ..Census::default() };
    assert_is(&only(&census, &Rights::default(), "ops"), Grade::Problem, &["muted", "/unmute @signl4.bot"]);
}

#[test]
fn in_a_read_only_room_it_depends_on_the_bots_rights() {
    let owners: (&str, &[&str]) = (POST_READONLY, &["owner", "moderator"]);
    let read_only = |roles: &[&str], more: Value| {
        let mut room = joined("news", json!({ "ro": true }));
        room.info.unmuted = RoomInfo::from_document(&json!({ "_id": "x", "unmuted": more })).unwrap().unmuted;
        room.roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Census { joined: vec![room], ..Census::default() }
    };
    let bot = rights(&["bot"], &[owners]);
    let as_bot = only(&read_only(&[], json!([])), &bot, "news");
    assert_is(&as_bot, Grade::Problem, &["read-only", "make @signl4.bot a moderator"]);
    let as_moderator = only(&read_only(&["moderator"], json!([])), &bot, "news");
    assert_is(&as_moderator, Grade::Fine, &["though it is read-only"]);
    let unmuted = only(&read_only(&[], json!(["signl4.bot"])), &bot, "news");
    assert_is(&unmuted, Grade::Fine, &["may post"]);
    let unknown = only(&read_only(&["moderator"], json!([])), &Rights::default(), "news");
    assert_is(&unknown, Grade::Warning, &["not known"]);
}

#[test]
fn a_bot_without_the_right_to_read_hears_nothing_even_where_it_is() {
    let census = Census { joined: vec![joined("board", json!({ "t": "p" }))], ..Census::default() };
    let of = |view_p: &[&str]| rights(&["pager"], &[(VIEW_JOINED, &["bot"]), ("view-p-room", view_p)]);
    assert_is(&only(&census, &of(&["user"]), "board"), Grade::Problem, &["no right to read", VIEW_JOINED]);
    assert_is(&only(&census, &of(&["pager"]), "board"), Grade::Fine, &["may post"]);
}

#[test]
fn a_channel_that_asks_for_a_code_is_not_joined_without_the_right_to() {
    let closed = room("closed", json!({ "joinCodeRequired": true }));
    let found = Lookup::Found(closed);
    let census = Census { names: [("closed".to_owned(), found)].into(), ..Census::default() };
    let user = rights(&["user"], &[(JOIN_WITHOUT_CODE, &["bot"])]);
    assert_is(&only(&census, &user, "closed"), Grade::Problem, &["code", "/invite @signl4.bot"]);
    let bot = rights(&["bot"], &[(JOIN_WITHOUT_CODE, &["bot"])]);
    assert_is(&only(&census, &bot, "closed"), Grade::Fine, &["will join it"]);
}

#[test]
fn an_answer_that_never_came_is_no_verdict_on_the_room() {
    let census = Census {
        names: [("ops".to_owned(), Lookup::Unknown("HTTP 502".into()))].into(),
        ..Census::default()
    };
    assert_is(&only(&census, &Rights::default(), "ops"), Grade::Problem, &["HTTP 502", "again"]);
}

#[test]
fn near_names_are_proposed_the_nearest_first() {
    let census = Census {
        joined: vec![joined("pumps-night", json!({})), joined("general", json!({}))],
        channels: vec![room("pumps", json!({}))],
        names: [("pumsp".to_owned(), Lookup::Missing)].into(),
        ..Census::default()
    };
    let remark = only(&census, &Rights::default(), "#pumsp");
    assert_is(&remark, Grade::Problem, &["no such room", "did you mean #pumps or #pumps-night?"]);
}

#[test]
fn what_is_wrong_in_one_of_many_rooms_is_told_once_and_as_a_warning() {
    let census = Census {
        joined: vec![
            joined("ops-1", json!({})),
            joined("ops-2", json!({ "encrypted": true })),
            joined("other", json!({ "archived": true })),
        ],
        ..Census::default()
    };
    let found = judged(&census, &Rights::default(), &["ops-*", "*", "#ops-2"]);
    let shown: Vec<_> = found.iter().map(|row| (row.rooms.as_str(), row.is_part, row.remark.grade)).collect();
    assert_eq!(
        shown,
        [
            ("#ops-*", false, Grade::Fine),
            ("#ops-2", true, Grade::Warning),
            ("*", false, Grade::Fine),
            ("#other", true, Grade::Warning),
            ("#ops-2", false, Grade::Problem),
        ]
    );
}

#[test]
fn a_long_list_of_rooms_ends_in_how_many_more_there_are() {
    let rooms = (0..40).map(|n| joined(&format!("ops-{n:02}"), json!({ "archived": true })));
    let census = Census { joined: rooms.collect(), ..Census::default() };
    let found = judged(&census, &Rights::default(), &["ops-*"]);
    assert_eq!(found.len(), 1 + MOST_PARTS + 1);
    assert_is(&found.last().unwrap().remark, Grade::Warning, &["28 rooms more"]);
}

#[test]
fn where_not_all_channels_were_listed_a_glob_says_so() {
    let census = Census {
        joined: vec![joined("ops-1", json!({}))],
        channels_missing: Some("HTTP 502".into()),
        ..Census::default()
    };
    let remark = only(&census, &Rights::default(), "ops-*");
    assert_is(&remark, Grade::Warning, &["1 room, and perhaps more", "HTTP 502"]);
}

#[test]
fn a_direct_message_is_shown_by_its_id_for_it_has_no_name() {
    let direct = RoomInfo::from_document(&json!({ "_id": "d1", "t": "d", "encrypted": true })).unwrap();
    let census = Census { joined: vec![Joined { info: direct, roles: vec![] }], ..Census::default() };
    let found = judged(&census, &Rights::default(), &["*"]);
    assert_eq!(found[1].rooms, "direct message d1");
}

#[test]
fn only_what_the_rooms_of_the_bot_do_not_answer_is_asked_of_the_server() {
    let triggers = triggers(&["#ops", "#night", "id:X", "id:Y", "*"]);
    let joined = [
        Room { id: RoomId::new("1"), name: Some("OPS".into()), kind: RoomKind::Group },
        Room { id: RoomId::new("Y"), name: None, kind: RoomKind::Direct },
    ];
    let unfound = triggers.unfound(joined.iter());
    assert_eq!(unfound.names, ["night"].into());
    assert_eq!(unfound.ids, [&RoomId::new("X")].into());
    assert!(!unfound.channels);
    assert!(self::triggers(&["ops-*"]).unfound(joined.iter()).channels);
}
