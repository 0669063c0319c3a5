//! Every key with values of every wrong type: each gives one line, with the file and its line, the key, what is wrong and
//! what to do.

use std::collections::BTreeSet;

use super::full::{complaint, reported};

const TEXTS: [&str; 50] = [
    "rocketchat.url",
    "rocketchat.user_id",
    "rocketchat.auth_token",
    "rocketchat.auth_token_file",
    "rocketchat.username",
    "rocketchat.password",
    "rocketchat.password_file",
    "rocketchat.alias",
    "rocketchat.avatar",
    "signl4.webhook_url",
    "signl4.webhook_url_file",
    "signl4.api_key",
    "signl4.api_key_file",
    "signl4.api_url",
    "signl4.team.name",
    "signl4.team.webhook_url",
    "listener.bind",
    "listener.secret",
    "listener.secret_file",
    "listener.tls_cert",
    "listener.tls_key",
    "admin.bind",
    "admin.token",
    "admin.token_file",
    "store.url",
    "store.url_file",
    "replies.on_sent",
    "replies.reaction",
    "replies.sent",
    "replies.queued",
    "replies.delayed",
    "replies.not_sent",
    "replies.suppressed",
    "replies.raised",
    "replies.other_alerts_to",
    "replies.acknowledged",
    "replies.closed",
    "replies.annotated",
    "replies.escalated",
    "replies.unattended",
    "replies.failed",
    "trigger.name",
    "trigger.pattern",
    "trigger.unless",
    "trigger.team",
    "trigger.title",
    "trigger.message",
    "trigger.external_id",
    "trigger.service",
    "trigger.location",
];
const WORDS: [&str; 1] = ["trigger.alerting_scenario"];
const FLAGS: [&str; 7] = [
    "rocketchat.auto_join",
    "trigger.bots",
    "trigger.threads",
    "trigger.run_on_edits",
    "trigger.page_deleted",
    "trigger.continue",
    "trigger.filtering",
];
const DURATIONS: [&str; 4] = ["rocketchat.catch_up", "signl4.retry_for", "store.keep", "trigger.cooldown"];
const LISTS: [&str; 5] =
    ["trigger.words", "trigger.patterns", "trigger.rooms", "trigger.users", "trigger.exclude_users"];
const TABLES: [&str; 1] = ["trigger.fields"];

/// What a secret could be written as by mistake, or what else people write.
const NO_TEXT: [&str; 6] =
    ["5", "1.5", "true", "1979-05-27", r#"["s3cret-of-the-tests"]"#, "{ a = 's3cret-of-the-tests' }"];
const NO_FLAG: [&str; 4] = ["1", r#""true""#, r#""s3cret-of-the-tests""#, "[true]"];
const NO_DURATION: [&str; 5] = ["5", "true", r#""soon""#, r#""5""#, r#"["5m"]"#];
const NO_LIST: [&str; 5] = [r#""anna""#, "5", "true", "[5]", r#"["anna", true]"#];
const NO_TABLE: [&str; 4] = [r#""Severity""#, "5", r#"["Severity"]"#, "{ Severity = 5 }"];

#[test]
fn every_key_is_tried_below() {
    let tried = [&TEXTS[..], &WORDS, &FLAGS, &DURATIONS, &LISTS, &TABLES].concat();
    let tried: BTreeSet<String> = tried.into_iter().map(str::to_owned).collect();
    let mut table = "";
    let mut known = BTreeSet::new();
    for line in include_str!("../../bot.toml.example").lines() {
        let line = line.strip_prefix("# ").unwrap_or(line).split("  # ").next().unwrap().trim();
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_matches(['[', ']']);
        }
        if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains([' ', '"'])) {
            known.insert(format!("{table}.{key}"));
        }
    }
    assert_eq!(tried, known);
}

#[test]
fn a_value_of_the_wrong_type_is_reported_in_one_line_for_every_key() {
    let kinds: [(&[&str], &[&str]); 6] = [
        (&TEXTS, &NO_TEXT),
        (&WORDS, &NO_TEXT),
        (&FLAGS, &NO_FLAG),
        (&DURATIONS, &NO_DURATION),
        (&LISTS, &NO_LIST),
        (&TABLES, &NO_TABLE),
    ];
    for (keys, values) in kinds {
        for path in keys {
            let (table, key) = path.rsplit_once('.').unwrap();
            for value in values {
                let complaint = complaint(table, &format!("{key} = {value}"));
                let named = reported(table, key).iter().any(|path| complaint.contains(&format!(": {path}")));
                assert!(named, "{path} = {value}: {complaint}");
                // What is wrong, and what to do.
                assert!(complaint.matches(": ").count() >= 3, "{complaint}");
            }
        }
    }
}
