//! The report as people see it.

use regex::Regex;

use super::*;
use crate::check::report::Section;

const WIDE: &str = r#"Rocket.Chat
  ✓ server  https://chat.example.com runs version 8.0
  ! name    replies cannot be posted as "SIGNL4", only as @pager: it lacks message-impersonate
          → give @pager the role bot; or set rocketchat.alias = ""

SIGNL4
  ✓ [signl4]  connect.signl4.com answers

Triggers and rooms
    TRIGGER      PAGES     ROOMS
  ✓ pumps        [signl4]  #general    the bot is in it and may post
  ✗                        #pumsp      there is no such room
                                     → did you mean #pumps? If it is private, type /invite @pager in
                                       it
  ✓ the network  network   #net-*      3 rooms, 1 of which the bot will join
  !                        └ #net-old  is archived: nobody can post there
                                     → unarchive it, or take it out

SIGNL4's outbound webhook
  has to call this address, or the address of a proxy that passes it on:
  http://<this machine>:8080/signl4/<listener.secret>

1 problem, 2 warnings: the bot would not do everything that bot.toml asks for.
"#;

const NARROW: &str = r#"Rocket.Chat
  ✓ server  https://chat.example.com runs version 8.0
  ! name    replies cannot be posted as "SIGNL4", only as
            @pager: it lacks message-impersonate
          → give @pager the role bot; or set
            rocketchat.alias = ""

SIGNL4
  ✓ [signl4]  connect.signl4.com answers

Triggers and rooms
    TRIGGER      PAGES     ROOMS
  ✓ pumps        [signl4]  #general    the bot is in it and
                                       may post
  ✗                        #pumsp      there is no such room
                                     → did you mean #pumps?
                                       If it is private,
                                       type /invite @pager
                                       in it
  ✓ the network  network   #net-*      3 rooms, 1 of which
                                       the bot will join
  !                        └ #net-old  is archived: nobody
                                       can post there
                                     → unarchive it, or take
                                       it out

SIGNL4's outbound webhook
  has to call this address, or the address of a proxy that
  passes it on:
  http://<this machine>:8080/signl4/<listener.secret>

1 problem, 2 warnings: the bot would not do everything that
bot.toml asks for.
"#;

fn rooms(trigger: &str, team: &str, findings: Vec<Finding>) -> TriggerRooms {
    TriggerRooms { trigger: trigger.into(), team: team.into(), findings }
}

fn report() -> Report {
    Report {
        sections: vec![
            Section {
                title: "Rocket.Chat",
                findings: vec![
                    Finding::new("server", Remark::fine("https://chat.example.com runs version 8.0")),
                    Finding::new(
                        "name",
                        Remark::warning(
                            "replies cannot be posted as \"SIGNL4\", only as @pager: it lacks message-impersonate",
                            "give @pager the role bot; or set rocketchat.alias = \"\"",
                        ),
                    ),
                ],
            },
            Section {
                title: "SIGNL4",
                findings: vec![Finding::new("[signl4]", Remark::fine("connect.signl4.com answers"))],
            },
        ],
        rooms: Some(vec![
            rooms(
                "pumps",
                "[signl4]",
                vec![
                    Finding::new("#general", Remark::fine("the bot is in it and may post")),
                    Finding::new(
                        "#pumsp",
                        Remark::problem(
                            "there is no such room",
                            "did you mean #pumps? If it is private, type /invite @pager in it",
                        ),
                    ),
                ],
            ),
            rooms(
                "the network",
                "network",
                vec![
                    Finding::new("#net-*", Remark::fine("3 rooms, 1 of which the bot will join")),
                    Finding {
                        subject: "#net-old".into(),
                        is_part: true,
                        remark: Remark::warning(
                            "is archived: nobody can post there",
                            "unarchive it, or take it out",
                        ),
                    },
                ],
            ),
        ]),
        webhook: "http://<this machine>:8080/signl4/<listener.secret>".into(),
    }
}

fn plain(width: u16) -> String {
    // A non-breaking space looks like any other.
    print(&report(), Look { width, colour: false }).replace('\u{a0}', " ")
}

#[test]
fn a_wide_terminal_shows_the_table_as_a_table() {
    assert_eq!(plain(100), WIDE);
}

#[test]
fn a_narrow_terminal_shows_the_same_in_more_lines() {
    assert_eq!(plain(60), NARROW);
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let coloured = print(&report(), Look { width: 100, colour: true });
    assert!(coloured.contains("\u{1b}[38;5;1m  ✗ "), "{coloured}");
    let bare = Regex::new("\u{1b}\\[[0-9;]*m").unwrap().replace_all(&coloured, "").replace('\u{a0}', " ");
    let trimmed: String = bare.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    assert_eq!(trimmed, plain(100));
}

#[test]
fn the_last_line_says_whether_the_bot_can_run() {
    let last = |report: &Report| {
        print(report, Look { width: 100, colour: false }).lines().last().unwrap_or_default().to_owned()
    };
    let mut report = report();
    assert_eq!(
        last(&report),
        "1 problem, 2 warnings: the bot would not do everything that bot.toml asks for."
    );
    assert!(!report.works());
    for finding in report.rooms.iter_mut().flatten().flat_map(|trigger| &mut trigger.findings) {
        finding.remark = finding.remark.clone().at_most_warning();
    }
    assert_eq!(last(&report), "3 warnings; the bot can run.");
    assert!(report.works());
    report.sections.clear();
    report.rooms = Some(vec![]);
    assert_eq!(last(&report), "All is well: the bot can run.");
    report.rooms = None;
    assert!(!report.works(), "what was not looked at is not well");
}

#[test]
fn an_address_to_copy_is_never_broken() {
    let mut report = report();
    report.webhook = format!("http://{}/signl4/<listener.secret>", "a".repeat(200));
    assert!(
        print(&report, Look { width: 60, colour: false }).lines().any(|line| line.trim() == report.webhook)
    );
}

#[test]
fn control_characters_in_a_name_do_not_reach_the_terminal() {
    let mut report = report();
    report.sections[0].findings[0].subject = "ops\u{1b}[2J\u{7}\u{9b}\n".into();
    let text = print(&report, Look { width: 100, colour: false });
    assert!(text.contains("ops\u{fffd}[2J\u{fffd}\u{fffd} "), "{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal_however_long_the_cells() {
    let long = "word ".repeat(40);
    let name = "a-room-with-a-name-that-is-far-too-long-for-any-table-of-this-world";
    for width in [60, 80, 100, 120] {
        let mut report = report();
        let part = Finding { subject: name.into(), is_part: true, remark: Remark::problem(&*long, &*long) };
        report.rooms = Some(vec![rooms(name, name, vec![part])]);
        for line in print(&report, Look { width, colour: false }).lines() {
            assert!(line.chars().count() <= width.into(), "{width}: {line}");
        }
    }
}
