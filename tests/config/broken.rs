//! Files with mistakes other than a wrong value.

use std::time::{Duration, Instant};

use super::full::FULL;
use super::{SECRET, SOUND, Setup};

#[test]
fn a_table_of_the_wrong_type_is_reported_once_without_its_missing_keys() {
    for (broken, key) in [
        ("rocketchat = 5", "rocketchat"),
        ("rocketchat = []", "rocketchat"),
        ("signl4 = \"https://connect.signl4.com/webhook/s3cret-of-the-tests\"", "signl4"),
        ("listener = true", "listener"),
        ("admin = \"127.0.0.1:9090\"", "admin"),
        ("store = \"sqlite://bot.db\"", "store"),
        ("replies = []", "replies"),
        ("trigger = { name = \"pumps\", pattern = \"pump\" }", "trigger"),
        ("trigger = \"pump\"", "trigger"),
        ("trigger = [\"pump\"]", "trigger[0]"),
    ] {
        let table = broken.split(" = ").next().unwrap();
        let rest: String = SOUND
            .split_inclusive('\n')
            .scan(false, |inside, line| {
                *inside = if line.starts_with('[') { line.trim() == format!("[{table}]") } else { *inside };
                Some(if *inside { "" } else { line })
            })
            .collect();
        let complaints = Setup::new(&format!("{broken}\n{rest}")).complaints();
        assert_eq!(complaints.len(), 1, "{broken}: {complaints:#?}");
        assert!(complaints[0].starts_with(&format!("bot.toml:1: {key}: is ")), "{}", complaints[0]);
        assert!(!complaints[0].contains(SECRET), "{}", complaints[0]);
    }
}

#[test]
fn all_problems_of_a_trigger_are_reported_together() {
    let trigger = "[[trigger]]\nname = \"pumps\"\npattern = \"pump\"\ntitle = \"{{ titel }}\"\nfields = { Title = \"x\" }\n";
    let complaints = Setup::new(&format!("{SOUND}{trigger}")).complaints();
    let reported = |key: &str| complaints.iter().any(|complaint| complaint.contains(key));
    assert!(reported("title") && reported("fields") && complaints.len() == 2, "{complaints:#?}");
}

#[test]
fn a_missing_key_is_reported_with_the_line_to_write() {
    let cases = [
        (
            "url",
            "rocketchat.url: is missing: write url = \"https://chat.example.com\" under [rocketchat], or set SIGNL4_BOT_ROCKETCHAT__URL",
        ),
        ("user_id", "rocketchat.user_id: is missing: write user_id = "),
        ("auth_token", "rocketchat.auth_token: is missing: write auth_token = "),
        (
            "tls_cert",
            "listener.tls_cert: is missing: write tls_cert = \"cert.pem\" beside tls_key under [listener]",
        ),
        (
            "tls_key",
            "listener.tls_key: is missing: write tls_key = \"key.pem\" beside tls_cert under [listener]",
        ),
        ("secret", "listener.secret: is missing: write secret = "),
        (
            "pattern",
            "trigger \"pumps\".words: is missing: write words = [\"SIGNL4\"] there, or set SIGNL4_BOT_TRIGGER__0__WORDS",
        ),
    ];
    for (key, expected) in cases {
        let without: String =
            FULL.split_inclusive('\n').filter(|line| !line.starts_with(&format!("{key} = "))).collect();
        let complaints = Setup::new(&without).complaints();
        assert_eq!(complaints.len(), 1, "{complaints:#?}");
        assert!(complaints[0].contains(expected), "{}", complaints[0]);
    }
}

#[test]
fn a_misspelled_required_key_is_reported_once() {
    for (right, wrong) in [
        ("url = \"https://chat", "ulr = \"https://chat"),
        ("auth_token", "auth_tokn"),
        ("user_id", "userid"),
        ("secret = ", "secrt = "),
        ("pattern", "patern"),
    ] {
        let complaints = Setup::new(&FULL.replace(right, wrong)).complaints();
        assert_eq!(complaints.len(), 1, "{complaints:#?}");
        let meant = right.split(" = ").next().unwrap();
        assert!(complaints[0].ends_with(&format!("did you mean \"{meant}\"?")), "{}", complaints[0]);
    }
}

#[test]
fn duplicate_names_are_reported_at_the_second_one() {
    let triggers = format!("{FULL}[[trigger]]\nname = \"pumps\"\npattern = 'x'\n");
    let complaints = Setup::new(&triggers).complaints();
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(
        complaints[0].starts_with("bot.toml:21: trigger \"pumps\".name: is used twice (\"pumps\")"),
        "{complaints:?}"
    );

    let teams = format!(
        "{FULL}[[signl4.team]]\nname = \"network\"\nwebhook_url = \"https://connect.signl4.com/webhook/x\"\n"
    );
    let complaints = Setup::new(&teams).complaints();
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    assert!(
        complaints[0].starts_with("bot.toml:21: signl4.team \"network\".name: is used twice"),
        "{complaints:?}"
    );
}

#[test]
fn two_accounts_are_refused() {
    let complaint = complaint_of(
        &FULL.replace("[signl4]", "username = \"bot\"\npassword = \"s3cret-of-the-tests\"\n[signl4]"),
    );
    assert_eq!(
        complaint,
        "bot.toml:5: rocketchat.username: configures a second account: keep user_id and auth_token, or username and password"
    );
}

#[test]
fn a_listener_that_others_can_reach_needs_a_token_for_its_private_pages() {
    let complaint = complaint_of(&FULL.replace("[admin]", "[admin]\nbind = \"0.0.0.0:9090\""));
    assert!(complaint.contains(": admin.token: is missing: write token = "), "{complaint}");
    assert!(complaint.contains("or bind to 127.0.0.1"), "{complaint}");
}

fn complaint_of(text: &str) -> String {
    let complaints = Setup::new(text).complaints();
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    complaints.concat()
}

#[test]
fn invalid_toml_is_reported_with_the_fix_for_its_mistake() {
    for (text, fix) in [
        (
            "[[trigger]]\npattern = \"\\d+\"\n",
            r"in double quotes \ begins an escape: write this text in single quotes, as in '\d+'",
        ),
        ("[signl4]\napi_key = \"C:\\keys\"\n", r"in double quotes \ begins an escape"),
        ("[store]\nkeep = \"90d\"\nkeep = \"91d\"\n", "keep one of the two"),
        ("[signl4]\n[store]\n[signl4]\n", "a table such as [signl4], may appear only once"),
        ("[store]\nkeep = 90d\n", "text needs quotes, as in key = \"text\""),
    ] {
        let complaint = complaint_of(text);
        assert!(complaint.contains(": is not TOML (") && complaint.contains(fix), "{text}: {complaint}");
    }
}

#[test]
fn patterns_that_are_too_large_together_are_reported() {
    let one = |at| format!("[[trigger]]\nname = \"t{at}\"\npattern = '\\w{{60}}{at}'\n");
    let complaint = complaint_of(&format!("{SOUND}{}", (0..20).map(one).collect::<String>()));
    assert!(complaint.contains("has patterns that together take too much memory"), "{complaint}");
}

#[test]
fn an_unknown_key_of_any_length_is_reported_at_once() {
    let started = Instant::now();
    let complaint = complaint_of(&format!("{SOUND}[store]\n{} = 1\n", "x".repeat(300_000)));
    let shown = format!("bot.toml:10: store.{}…: is not a known key: ", "x".repeat(100));
    assert!(complaint.starts_with(&shown), "{}", complaint.len());
    assert!(complaint.ends_with(": remove it; bot.toml.example explains every key"), "{}", complaint.len());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());

    let field = format!(
        "{SOUND}[[trigger]]\nname = \"t\"\npattern = 'x'\n[trigger.fields]\n\"{}\" = 1\n",
        "é".repeat(300)
    );
    let shown = format!(": trigger \"t\".fields.{0}…: is a number, not text: write {0}… = ", "é".repeat(100));
    let complaint = complaint_of(&field);
    assert!(complaint.contains(&shown), "{complaint}");

    let variable = Setup::new(SOUND).set(&"X".repeat(3_000), "1").complaints().concat();
    let shown = format!("SIGNL4_BOT_{}…: ", "X".repeat(89));
    assert!(variable.starts_with(&shown) && variable.len() < 600, "{variable}");
}

#[test]
fn invalid_toml_is_reported_by_its_line_without_quoting_it() {
    for (text, line) in [
        ("[rocketchat]\nauth_token = s3cret-of-the-tests\n", 2),
        ("[rocketchat]\nauth_token = \"s3cret-of-the-tests\n", 2),
        ("\n[rocketchat]\nauth_token \"s3cret-of-the-tests\"\n", 3),
        ("[rocketchat]\nauth_token = \"s3cret-of-the-tests\"\nauth_token = \"s3cret-of-the-tests\"\n", 3),
        ("[rocketchat\n", 1),
        ("[listener]\nsecret = \"s3cret-of-the-tests\\q\"\n", 2),
    ] {
        let complaints = Setup::new(text).complaints();
        assert_eq!(complaints.len(), 1, "{complaints:#?}");
        assert!(complaints[0].starts_with(&format!("bot.toml:{line}: is not TOML (")), "{}", complaints[0]);
        assert!(!complaints[0].contains(SECRET), "{}", complaints[0]);
    }
    let setup = Setup::new("");
    setup.file("bot.toml", b"[rocketchat]\nurl = \"\xff\"");
    assert_eq!(setup.complaints(), ["bot.toml: is not UTF-8 text: save it as UTF-8"]);
    setup.file("bot.toml", "#".repeat(2 << 20));
    assert_eq!(
        setup.complaints(),
        ["bot.toml: is far too long for a configuration: name another file with --config"]
    );
}

#[test]
fn all_problems_are_reported_together_in_file_order() {
    let text = "[rocketchat]\nurl = 5\ncatch_up = \"soon\"\n[signl4]\n[store]\nurl = \"x\"\n";
    let complaints = Setup::new(text).set("ADMIN__BIND", "here").complaints();
    let starts: Vec<_> =
        complaints.iter().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        starts,
        [
            "bot.toml listener.secret",
            "bot.toml:1 rocketchat.user_id",
            "bot.toml:2 rocketchat.url",
            "bot.toml:3 rocketchat.catch_up",
            "bot.toml:4 signl4.webhook_url",
            "bot.toml:6 store.url",
            "SIGNL4_BOT_ADMIN__BIND admin.bind",
        ]
    );
}

#[test]
fn an_invalid_value_of_a_variable_is_reported_by_its_name() {
    let cases = [
        ("ROCKETCHAT__AUTO_JOIN", "yes please", "is neither true nor false"),
        ("ROCKETCHAT__CATCH_UP", "soon", "is not a duration"),
        ("TRIGGER__0__ROOMS", "ops, general", "is neither TOML nor JSON"),
        ("TRIGGER__0__ROOMS", "5", "is a number, not a list"),
        ("TRIGGER__0__ROOMS__3", "ops", "is number 3 of a list that has 0"),
        ("TRIGGER__0__FIELDS", "[]", "is a list, not a table"),
        ("TRIGGER__NAME", "pumps", "names a key of a list"),
        ("TRIGGER__5__NAME", "pumps", "is number 5 of a list that has 1"),
        ("ROCKETCHAT__URL__HOST", "chat.example.com", "names a part of text"),
        ("", "x", "is not a setting of the bot"),
    ];
    for (variable, value, why) in cases {
        let complaints = Setup::new(FULL).set(variable, value).complaints();
        assert_eq!(complaints.len(), 1, "{variable}: {complaints:#?}");
        assert!(complaints[0].starts_with(&format!("SIGNL4_BOT_{variable}: ")), "{}", complaints[0]);
        assert!(complaints[0].contains(why), "{}", complaints[0]);
    }
}

#[test]
fn a_line_break_in_a_key_or_value_does_not_break_the_line() {
    let complaints = Setup::new(&format!("{SOUND}[\"a\\nb\"]\n")).complaints();
    assert_eq!(
        complaints,
        ["bot.toml:9: a\\nb: is not a known key: remove it; bot.toml.example explains every key"]
    );
}

#[test]
fn a_capital_m_is_not_taken_for_months() {
    for text in ["5M", "1h 30M"] {
        let complaint = complaint_of(&format!("{FULL}cooldown = \"{text}\"\n"));
        assert!(complaint.contains("cooldown: is not a duration"), "{complaint}");
    }
    for text in ["5m", "1month"] {
        Setup::new(&format!("{FULL}cooldown = \"{text}\"\n")).loaded();
    }
}
