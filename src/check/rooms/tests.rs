//! Rooms checked without a server.

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::config::{Config, Sources};
use rocketchat::rest::RoomInfo;

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

fn joined(name: &str, more: Value) -> SeenRoom {
    SeenRoom { info: room(name, more), roles: Some(vec![]) }
}

fn rights(roles: &[&str], permissions: &[(&str, &[&str])]) -> Rights {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let holders = permissions.iter().map(|(id, roles)| ((*id).to_owned(), owned(roles))).collect();
    Rights { roles: owned(roles), holders: Some(holders) }
}

fn findings(inventory: &RoomInventory, rights: &Rights, rooms: &[&str]) -> Vec<Finding> {
    let check = RoomCheck { inventory, rights, username: "signl4.bot", auto_join: true };
    check.check(&triggers(rooms)).remove(0).findings
}

/// The one finding of one entry.
fn only(inventory: &RoomInventory, rights: &Rights, entry: &str) -> Remark {
    let mut found = findings(inventory, rights, &[entry]);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).remark
}

#[track_caller]
fn assert_is(remark: &Remark, grade: Grade, words: &[&str]) {
    let text = format!("{} → {}", remark.text, remark.fix.as_deref().unwrap_or_default());
    assert_eq!(remark.grade, grade, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn a_joined_room_is_found_in_any_case_as_when_the_bot_runs() {
    let inventory = RoomInventory { joined: vec![joined("Ops", json!({}))], ..RoomInventory::default() };
    assert_is(&only(&inventory, &Rights::default(), "#ops"), Grade::Fine, &["the bot is in it and may post"]);
}

#[test]
fn a_muted_bot_cannot_reply() {
    let muted = json!({ "muted": ["alice", "signl4.bot"] });
    let inventory = RoomInventory { joined: vec![joined("ops", muted)], ..RoomInventory::default() };
    assert_is(
        &only(&inventory, &Rights::default(), "ops"),
        Grade::Problem,
        &["muted", "/unmute @signl4.bot"],
    );
}

#[test]
fn in_a_read_only_room_it_depends_on_the_bots_permissions() {
    let owners: (&str, &[&str]) = (POST_READONLY, &["owner", "moderator"]);
    let read_only = |roles: &[&str], more: Value| {
        let mut room = joined("news", json!({ "ro": true }));
        room.info.unmuted = RoomInfo::from_document(&json!({ "_id": "x", "unmuted": more })).unwrap().unmuted;
        room.roles = Some(roles.iter().map(|role| (*role).to_owned()).collect());
        RoomInventory { joined: vec![room], ..RoomInventory::default() }
    };
    let bot = rights(&["bot"], &[owners]);
    let as_bot = only(&read_only(&[], json!([])), &bot, "news");
    assert_is(&as_bot, Grade::Problem, &["read-only", "make @signl4.bot a moderator"]);
    let as_moderator = only(&read_only(&["moderator"], json!([])), &bot, "news");
    assert_is(&as_moderator, Grade::Fine, &["though it is read-only"]);
    let unmuted = only(&read_only(&[], json!(["signl4.bot"])), &bot, "news");
    assert_is(&unmuted, Grade::Fine, &["may post"]);
    let unknown = only(&read_only(&["moderator"], json!([])), &Rights::default(), "news");
    assert_is(&unknown, Grade::Warning, &["unknown"]);
}

#[test]
fn a_bot_without_permission_to_read_receives_nothing_even_as_a_member() {
    let inventory =
        RoomInventory { joined: vec![joined("board", json!({ "t": "p" }))], ..RoomInventory::default() };
    let of = |view_p: &[&str]| rights(&["pager"], &[(VIEW_JOINED, &["bot"]), ("view-p-room", view_p)]);
    assert_is(
        &only(&inventory, &of(&["user"]), "board"),
        Grade::Problem,
        &["no permission to read", VIEW_JOINED],
    );
    assert_is(&only(&inventory, &of(&["pager"]), "board"), Grade::Fine, &["may post"]);
}

#[test]
fn a_channel_with_a_join_code_needs_a_permission() {
    let closed = room("closed", json!({ "joinCodeRequired": true }));
    let found = Lookup::Found(Box::new(SeenRoom { info: closed, roles: None }));
    let inventory =
        RoomInventory { looked_up: [("#closed".to_owned(), found)].into(), ..RoomInventory::default() };
    let user = rights(&["user"], &[(JOIN_WITHOUT_CODE, &["bot"])]);
    assert_is(&only(&inventory, &user, "closed"), Grade::Problem, &["join code", "/invite @signl4.bot"]);
    let bot = rights(&["bot"], &[(JOIN_WITHOUT_CODE, &["bot"])]);
    assert_is(&only(&inventory, &bot, "closed"), Grade::Fine, &["will join it"]);
}

#[test]
fn a_failed_lookup_does_not_mean_that_the_room_is_missing() {
    let inventory = RoomInventory {
        looked_up: [("#ops".to_owned(), Lookup::Unknown("HTTP 502".into()))].into(),
        ..RoomInventory::default()
    };
    assert_is(&only(&inventory, &Rights::default(), "ops"), Grade::Problem, &["HTTP 502", "again"]);
}

#[test]
fn similar_names_are_proposed_the_most_similar_first() {
    let inventory = RoomInventory {
        joined: vec![joined("pumps-night", json!({})), joined("general", json!({}))],
        channels: vec![SeenRoom { info: room("pumps", json!({})), roles: None }],
        looked_up: [("#pumsp".to_owned(), Lookup::Missing)].into(),
        ..RoomInventory::default()
    };
    let remark = only(&inventory, &Rights::default(), "#pumsp");
    assert_is(&remark, Grade::Problem, &["no such room", "did you mean #pumps or #pumps-night?"]);
}

#[test]
fn a_problem_in_one_of_many_rooms_is_reported_once_and_as_a_warning() {
    let inventory = RoomInventory {
        joined: vec![
            joined("ops-1", json!({})),
            joined("ops-2", json!({ "encrypted": true })),
            joined("other", json!({ "archived": true })),
        ],
        ..RoomInventory::default()
    };
    let found = findings(&inventory, &Rights::default(), &["ops-*", "*", "#ops-2"]);
    let shown: Vec<_> =
        found.iter().map(|row| (row.subject.as_str(), row.is_part, row.remark.grade)).collect();
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
fn a_long_list_of_rooms_ends_with_the_number_of_others() {
    let rooms = (0..40).map(|n| joined(&format!("ops-{n:02}"), json!({ "archived": true })));
    let inventory = RoomInventory { joined: rooms.collect(), ..RoomInventory::default() };
    let found = findings(&inventory, &Rights::default(), &["ops-*"]);
    assert_eq!(found.len(), 1 + MAX_PARTS + 1);
    assert_is(&found.last().unwrap().remark, Grade::Warning, &["28 more rooms with problems"]);
}

#[test]
fn a_glob_says_when_not_all_channels_were_listed() {
    let inventory = RoomInventory {
        joined: vec![joined("ops-1", json!({}))],
        channels_missing: Some("HTTP 502".into()),
        ..RoomInventory::default()
    };
    let remark = only(&inventory, &Rights::default(), "ops-*");
    assert_is(&remark, Grade::Warning, &["1 room, and perhaps more", "HTTP 502"]);
}

#[test]
fn a_direct_message_has_no_name_and_is_shown_by_its_id() {
    let direct = RoomInfo::from_document(&json!({ "_id": "d1", "t": "d", "encrypted": true })).unwrap();
    let inventory = RoomInventory {
        joined: vec![SeenRoom { info: direct, roles: Some(vec![]) }],
        ..RoomInventory::default()
    };
    let found = findings(&inventory, &Rights::default(), &["*"]);
    assert_eq!(found[1].subject, "direct message d1");
}

#[test]
fn only_what_the_bots_rooms_do_not_answer_is_asked_of_the_server() {
    let triggers = triggers(&["#ops", "#night", "id:X", "id:Y", "*"]);
    let joined = [
        Room::new(RoomId::new("1"), Some("OPS".into()), RoomKind::Group),
        Room::new(RoomId::new("Y"), None, RoomKind::Direct),
    ];
    let unfound = triggers.unfound(joined.iter());
    assert_eq!(unfound.names, ["night"].into());
    assert_eq!(unfound.ids, [&RoomId::new("X")].into());
    assert!(!unfound.channels);
    assert!(self::triggers(&["ops-*"]).unfound(joined.iter()).channels);
}

fn rights_of(roles: &[&str], known: bool) -> Rights {
    let all = rights(roles, &[(IMPERSONATE, &["bot", "app"]), (POST_READONLY, &["owner", "moderator"])]);
    Rights { holders: all.holders.filter(|_| known), ..all }
}

#[test]
fn a_permission_comes_from_a_role_on_the_server_or_in_the_room() {
    let bot = rights_of(&["bot"], true);
    assert_eq!(bot.may(IMPERSONATE, &[]), Some(true));
    assert_eq!(bot.may(POST_READONLY, &[]), Some(false));
    assert_eq!(bot.may(POST_READONLY, &["moderator".to_owned()]), Some(true));
    assert_eq!(rights_of(&["user"], true).may(IMPERSONATE, &[]), Some(false));
}

#[test]
fn a_permission_that_is_not_listed_is_unknown() {
    assert_eq!(rights_of(&["bot"], false).may(IMPERSONATE, &[]), None);
    assert_eq!(rights_of(&["bot"], true).may("unheard-of", &[]), None);
}
