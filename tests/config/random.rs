//! Whatever the file contains: the program says what is wrong, and neither panics nor repeats a secret.

use proptest::prelude::*;
use proptest::sample::select;

use super::{SECRET, Setup};

const TABLES: [&str; 9] = [
    "[rocketchat]",
    "[signl4]",
    "[[signl4.team]]",
    "[listener]",
    "[admin]",
    "[store]",
    "[replies]",
    "[[trigger]]",
    "[[rocketchat]]",
];

const KEYS: [&str; 26] = [
    "url",
    "user_id",
    "auth_token",
    "username",
    "password",
    "password_file",
    "webhook_url",
    "api_key",
    "retry_for",
    "secret",
    "token",
    "bind",
    "tls_cert",
    "keep",
    "closed",
    "name",
    "pattern",
    "patterns",
    "words",
    "unless",
    "rooms",
    "title",
    "location",
    "fields",
    "fields.Severity",
    "cooldown",
];

/// Keys that contain a secret, each in its table.
const SECRETS: [&str; 9] = [
    "[rocketchat]\nauth_token",
    "[rocketchat]\nauth_token_file",
    "[rocketchat]\npassword",
    "[rocketchat]\npassword_file",
    "[signl4]\nwebhook_url",
    "[signl4]\nwebhook_url_file",
    "[signl4]\napi_key",
    "[listener]\nsecret",
    "[admin]\ntoken",
];

fn value() -> impl Strategy<Value = String> {
    let sensible = select(&[
        "true",
        "5",
        "\"\"",
        "\"5m\"",
        "\"https://chat.example.com\"",
        "\"127.0.0.1:0\"",
        "'(?<pump>\\d+'",
        "\"{{ text }}\"",
        "\"{% if user %}\"",
        "[\"#ops\", \"ops-*\", 5]",
        "{ Severity = \"{{ pump }}\" }",
        "[[[]]]",
        "1979-05-27T07:32:00Z",
        "\"\"\"\nseveral\nlines\"\"\"",
    ]);
    let text = "\\PC{0,30}".prop_map(|text| format!("{text:?}"));
    prop_oneof![sensible.prop_map(str::to_owned), text, "\\PC{0,12}"]
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => select(&TABLES[..]).prop_map(str::to_owned),
        6 => (select(&KEYS[..]), value()).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => "\\PC{0,20}",
    ]
}

fn file() -> impl Strategy<Value = String> {
    proptest::collection::vec(line(), 0..30).prop_map(|lines| lines.join("\n"))
}

/// The secret, and what may surround it by mistake.
fn mistake() -> impl Strategy<Value = String> {
    let before = select(&["\"", "'", "", "\"\"\"", "[\"", "{ a = \"", "\"https://", "\"https://me:"]);
    let after =
        select(&["\"", "'", "", "\"\"\"", "\"]", "\" }", "\\q\"", "@host/\"", "/\"", "\n\"", " \" x"]);
    (before, after).prop_map(|(before, after)| format!("{before}{SECRET}{after}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_causes_a_panic_and_every_problem_is_one_line(text in file()) {
        let setup = Setup::new(&text);
        if let Err(errors) = setup.load() {
            let lines = errors.to_string().lines().count();
            prop_assert_eq!(lines, errors.problems().len());
            prop_assert!(lines > 0);
        }
    }

    #[test]
    fn no_variable_causes_a_panic(name in "(TRIGGER|SIGNL4|ROCKETCHAT|[A-Z]{1,5})(__([A-Z_]{1,8}|[0-9]{1,3})){0,4}", value in "\\PC{0,40}") {
        let _ = Setup::new("").set(&name, &value).load();
    }

    #[test]
    fn no_error_reveals_a_secret(key in select(&SECRETS[..]), mistake in mistake(), rest in file()) {
        let complaints = Setup::new(&format!("{key} = {mistake}\n{rest}")).complaints();
        prop_assert!(!complaints.concat().contains(SECRET), "{:?}", complaints);
    }

    #[test]
    fn no_error_reveals_a_secret_of_the_environment(
        key in select(&SECRETS[..]),
        below in select(&["", "__0", "__HOST"]),
        mistake in mistake(),
    ) {
        let name = key.trim_start_matches('[').replace("]\n", "__").to_uppercase() + below;
        let complaints = Setup::new("").set(&name, &mistake).complaints();
        prop_assert!(!complaints.concat().contains(SECRET), "{:?}", complaints);
    }
}
