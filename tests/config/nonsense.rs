//! Values of the right type that make no sense: each gives one line, with the reason and the remedy.

use std::time::Duration;

use super::{
    SOUND, Setup,
    full::{FULL, complaint, reported, with},
};

#[test]
fn an_invalid_value_is_reported_with_the_reason_and_a_fix() {
    let cases = [
        // Addresses.
        ("rocketchat", "url = \"\"", "is not a URL", "write, for example, https://"),
        ("rocketchat", "url = \"chat.example.com\"", "is not a URL", "https://"),
        ("rocketchat", "url = \"wss://chat.example.com/websocket\"", "has the scheme \"wss\"", "https://"),
        ("rocketchat", "url = \"https://chat.example.com/api/v1\"", "ends in /api/v1", "browser"),
        ("rocketchat", "url = \"https://chat.example.com/?a=b\"", "has a ? or # part", "https://"),
        (
            "rocketchat",
            "url = \"https://bob:s3cret-of-the-tests@example.com\"",
            "a user name or password",
            "remove them",
        ),
        ("rocketchat", "url = \"https://bob:s3cret-of-the-tests@exa mple.com\"", "is not a URL", "https://"),
        ("rocketchat", "avatar = \"/signl4.png\"", "is not a URL", "avatar = \"https://"),
        ("rocketchat", "avatar = \"file:///signl4.png\"", "has the scheme \"file\"", "https://"),
        ("signl4", "api_url = \"connect.signl4.com/api\"", "is not a URL", "api_url = \"https://"),
        ("listener", "bind = \"8080\"", "is not an IP address with a port", "bind = \"0.0.0.0:8080\""),
        ("listener", "bind = \"localhost:8080\"", "is not an IP address with a port", "0.0.0.0:8080"),
        ("admin", "bind = \"127.0.0.1\"", "is not an IP address with a port", "127.0.0.1:9090"),
        ("admin", "bind = \"0.0.0.0:8080\"", "is also the address of [listener]", "two different ports"),
        ("admin", "bind = \"127.0.0.1:8080\"", "is also the address of [listener]", "two different ports"),
        // The account.
        ("rocketchat", "user_id = \"\"", "is empty", "account"),
        ("rocketchat", "user_id = \"…\"", "is still the placeholder", "account"),
        ("rocketchat", "username = \" \"", "is empty", "account"),
        // Secrets.
        ("rocketchat", "auth_token = \"\"", "is empty", "set the secret"),
        ("rocketchat", "auth_token = \"…\"", "is still the placeholder", "real secret"),
        ("rocketchat", "password = \"s3cret-of\\nthe-tests\"", "a line break", "on one line"),
        ("rocketchat", "auth_token_file = \"token\"", "is given together with auth_token", "one of the two"),
        (
            "rocketchat",
            "password_file = \"s3cret-of-the-tests\"",
            "names a file, which cannot be read",
            "a file that contains",
        ),
        (
            "rocketchat",
            "password_file = \"./nowhere/password\"",
            "names \"./nowhere/password\", which",
            "a file that contains",
        ),
        ("signl4", "webhook_url = \"s3cret-of-the-tests\"", "is not a URL", "copy it from SIGNL4"),
        ("signl4", "webhook_url = \"https://connect.signl4.com/webhook/\"", "has no team secret", "copy it"),
        (
            "signl4",
            "webhook_url = \"https://connect.signl4.com/webhook/{team-secret}\"",
            "placeholder",
            "copy it",
        ),
        (
            "signl4",
            "webhook_url = \"ftp://connect.signl4.com/s3cret-of-the-tests\"",
            "is not an http",
            "copy it",
        ),
        (
            "signl4",
            "webhook_url = \"https://a:s3cret-of-the-tests@example.com/b\"",
            "a user name or password",
            "copy it",
        ),
        ("signl4.team", "webhook_url = \"s3cret-of-the-tests\"", "is not a URL", "copy it from SIGNL4"),
        ("signl4.team", "name = \" \"", "is empty", "give the team a name"),
        ("signl4", "api_key = \" \"", "is empty", "leave the key out"),
        ("listener", "secret = \"\"", "is empty", "set the secret"),
        (
            "listener",
            "secret = \"s3cret-of-the-tests/with?signs\"",
            "has a character other than",
            "openssl rand",
        ),
        ("admin", "token = \"s3cret of the tests\"", "has a character other than", "openssl rand"),
        ("listener", "tls_cert = \"\"", "is empty", "PEM"),
        ("listener", "tls_key = \"\"", "is empty", "PEM"),
        // Durations, and their relations to each other.
        ("rocketchat", "catch_up = \"1 fortnight\"", "is not a duration", "\"24h\""),
        ("rocketchat", "catch_up = \"4000d\"", "is longer than ten years", "\"24h\""),
        ("signl4", "retry_for = \"0s\"", "is zero", "\"24h\""),
        ("store", "keep = \"1h\"", "is shorter than rocketchat.catch_up or signl4.retry_for", "\"90d\""),
        // The store.
        ("store", "url = \"bot.db\"", "does not begin with sqlite://", "sqlite://signl4-rocketchat.db"),
        ("store", "url = \"sqlite://\"", "names no file", "sqlite://signl4-rocketchat.db"),
        ("store", "url = \"sqlite::memory:\"", "does not begin with sqlite://", "sqlite://"),
        ("store", "url = \"sqlite://:memory:\"", "is kept in memory", "sqlite://signl4-rocketchat.db"),
        ("store", "url = \"sqlite://bot.db?mode=ro\"", "has parameters", "sqlite://"),
        (
            "store",
            "url = \"postgres://bot:s3cret-of-the-tests@db/bot?colour=red\"",
            "has a parameter that the bot does not support",
            "sslmode=verify-full",
        ),
        (
            "store",
            "url = \"postgres://bot:s3cret-of-the-tests@db/bot?sslmode=maybe\"",
            "has an sslmode that PostgreSQL does not know",
            "sslmode=verify-full",
        ),
        ("store", "url = \"postgres://bot:s3cret-of-the-tests@db\"", "names no database", "host/database"),
        (
            "store",
            "url = \"postgres://bot:s3cret-of-the-tests@a,b/bot\"",
            "names several hosts",
            "host/database",
        ),
        // Replies.
        (
            "replies",
            "on_sent = \"emoji\"",
            "is not one of the allowed words",
            "\"reaction\", \"reply\", \"none\"",
        ),
        ("replies", "reaction = \"rotating_light\"", "between colons", "\":rotating_light:\""),
        ("replies", "reaction = \"🚨\"", "between colons", "\":rotating_light:\""),
        ("replies", "closed = \"{{ usr }} closed it\"", "uses the variable \"usr\"", "did you mean user?"),
        (
            "replies",
            "closed = \"{{ xyzzy }}\"",
            "uses the variable \"xyzzy\"",
            "reason, team, text, trigger, user",
        ),
        ("replies", "closed = \"{{ user \"", "is not a template", "write variables as {{ text }}"),
        ("replies", "closed = \"{% if user %}\"", "is not a template", "Jinja"),
        ("replies", "closed = \"{{ user|shout }}\"", "is not a template", "Jinja"),
        (
            "replies",
            "sent = \"{% for x in range(99999) %}{{ x }}{% endfor %}\"",
            "is not a template",
            "over a variable with filters",
        ),
        // Triggers.
        ("trigger", "name = \"\"", "is empty", "give the trigger a name"),
        ("trigger", "pattern = ''", "is empty and would match every message", "'.*'"),
        ("trigger", "pattern = '(pump'", "is not a regular expression: unclosed group", "single quotes"),
        ("trigger", "pattern = 'pump(?!s)'", "is not a regular expression: look-around", "unless = '"),
        ("trigger", "pattern = '(?<=a)pump'", "is not a regular expression: look-around", "unless = '"),
        ("trigger", "pattern = \"\\bpump\\b\"", "contains a backspace", r"single quotes, as '\bpump\b'"),
        ("trigger", "patterns = [\"pump\\f\"]", "contains a control character", "single quotes"),
        ("trigger", "pattern = '/pump \\d+/i'", "is between slashes", r"write '(?i)pump \d+'"),
        ("trigger", "pattern = '/pump/'", "is between slashes", "write 'pump', or [/] for a literal slash"),
        ("trigger", "unless = '/ok/gm'", "is between slashes", "write '(?m)ok'"),
        ("trigger", "unless = ''", "is empty and would exclude every message", "leave the key out"),
        ("trigger", "unless = '(ok'", "is not a regular expression: unclosed group", "single quotes"),
        ("trigger", "unless = \"\\bok\"", "contains a backspace", "single quotes"),
        ("trigger", "words = [\" \"]", "is empty", "words such as [\"SIGNL4\"]"),
        ("trigger", "words = ['\\bpump\\b']", "looks like a regular expression", "write it as pattern"),
        ("trigger", "words = [\"pump\\nvalve\"]", "contains a control character", "on one line"),
        ("trigger", "pattern = '(?<text>.*)'", "a group named \"text\"", "(?<my_text>…)"),
        ("trigger", "pattern = '(?<room>.*)'", "a group named \"room\"", "(?<my_room>…)"),
        ("trigger", "pattern = '(?<none>x)'", "a group named \"none\"", "(?<my_none>…)"),
        ("trigger", "pattern = '\\w{1000}{1000}'", "it takes too much memory", "correct it"),
        ("trigger", "patterns = [\"pump\", \"\"]", "is empty and would match", "'.*'"),
        (
            "trigger",
            "team = \"netwrok\"",
            "names the team \"netwrok\", which does not exist",
            "did you mean \"network\"?",
        ),
        ("trigger", "team = \"xyzzy\"", "names the team \"xyzzy\", which does not exist", "[[signl4.team]]"),
        ("trigger", "rooms = []", "is empty, so it watches nothing", "rooms = [\"*\"]"),
        ("trigger", "rooms = [\"#\"]", "names no room", "\"#general\""),
        ("trigger", "rooms = [\"ok\", \"id:\"]", "names no room", "\"id:GENERAL\""),
        ("trigger", "rooms = [\"@anna\"]", "looks like a user", "\"id:\" and the ID of the direct message"),
        ("trigger", "users = [\"@\"]", "names nobody", "usernames"),
        ("trigger", "exclude_users = [\"\"]", "names nobody", "usernames"),
        (
            "trigger",
            "alerting_scenario = \"everybody\"",
            "is not one of the allowed words",
            "\"single_ack\", \"multi_ack\"",
        ),
        ("trigger", "location = \"Potsdam\"", "is not a location", "\"52.39,13.06\""),
        ("trigger", "location = \"91,0\"", "is not a location", "\"52.39,13.06\""),
        ("trigger", "title = \"{{ room }}\"", "uses the variable \"room\"", "room.id"),
        ("trigger", "message = \"{{ pmup }}\"", "uses the variable \"pmup\"", "did you mean pump?"),
        ("trigger", "external_id = \"{{ message.uid }}\"", "uses the variable \"message.uid\"", "message.id"),
        ("trigger", "service = \"{{ severity }}\"", "uses the variable \"severity\"", "use one of: "),
        (
            "trigger",
            "fields = { Severity = \"{{ sevrity }}\" }",
            "uses the variable \"sevrity\"",
            "use one of",
        ),
        ("trigger", "fields = { X-S4-Status = \"resolved\" }", "control parameters", "service, location"),
        (
            "trigger",
            "fields = { Title = \"x\" }",
            "a name that the alert already uses",
            "keys title and message",
        ),
        ("trigger", "fields = { \"\" = \"x\" }", "has no name", "Severity"),
        // Unknown keys.
        ("rocketchat", "aut_join = true", "is not a known key", "did you mean \"auto_join\"?"),
        (
            "listener",
            "token = \"s3cret-of-the-tests\"",
            "is not a known key",
            "did you mean \"admin.token\"?",
        ),
        (
            "signl4",
            "webhook = \"s3cret-of-the-tests\"",
            "is not a known key",
            "did you mean \"webhook_url\"?",
        ),
        ("signl4", "url = \"https://x.signl4.com\"", "is not a known key", "did you mean \"webhook_url\"?"),
        ("trigger", "room = [\"ops\"]", "is not a known key", "did you mean \"rooms\"?"),
        ("store", "xyzzy = 1", "is not a known key", "bot.toml.example explains every key"),
    ];
    for (table, line, why, fix) in cases {
        let complaint = complaint(table, line);
        let key = line.split(" = ").next().unwrap();
        let named = reported(table, key).iter().any(|path| complaint.contains(&format!(": {path}")));
        assert!(named, "{line}: {complaint}");
        assert!(complaint.contains(why) && complaint.contains(fix), "{line}: {complaint}");
    }
}

#[test]
fn unusual_but_meaningful_values_are_accepted() {
    for (table, line) in [
        ("signl4", "webhook_url = \"https://connect.signl4.com/webhook/s3cret-of-the-tests/?ExtIDParam=id\""),
        ("signl4", "retry_for = \"10s\""),
        ("listener", "secret = \"s3cret\""),
        ("admin", "token = \"x\""),
        ("store", "url = \"sqlite://bot.db?cache=shared&mode=rw\""),
        ("store", "url = \"postgres://bot@/bot?host=/run/postgresql\""),
        ("trigger", "rooms = [\"Ops [a\", \"[]a]\", \"{a,b\"]"),
    ] {
        let complaints = Setup::new(&with(FULL, table, line).0).complaints();
        assert!(complaints.is_empty(), "{line}: {complaints:?}");
    }
}

#[test]
fn what_is_kept_by_default_is_long_enough() {
    for (catch_up, days) in [("90d", 90), ("100d", 100)] {
        let text = SOUND.replace("[signl4]", &format!("catch_up = \"{catch_up}\"\n[signl4]"));
        assert_eq!(Setup::new(&text).loaded().store.keep, Duration::from_hours(days * 24));
    }
}
