//! A valid file with every table, in which tests break one line.

use super::{SECRET, Setup};

/// A valid file with every table.
pub const FULL: &str = r#"[rocketchat]
url = "https://chat.example.com"
user_id = "bot-id"
auth_token = "s3cret-of-the-tests"
[signl4]
webhook_url = "https://connect.signl4.com/webhook/s3cret-of-the-tests"
[[signl4.team]]
name = "network"
webhook_url = "https://connect.signl4.com/webhook/s3cret-of-the-tests"
[listener]
secret = "s3cret-of-the-tests"
tls_cert = "cert.pem"
tls_key = "key.pem"
[admin]
[store]
[replies]
[[trigger]]
name = "pumps"
pattern = 'pump (?<pump>\d+)'
"#;

/// The file with one line added or changed, and the number of that line.
pub fn with(text: &str, table: &str, line: &str) -> (String, usize) {
    let key = line.split(" = ").next().unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let headers = [format!("[{table}]"), format!("[[{table}]]")];
    let header = lines.iter().position(|line| headers.iter().any(|header| header == line));
    let header = header.unwrap_or_else(|| panic!("there is no {table}"));
    let end = lines[header + 1..].iter().position(|line| line.starts_with('['));
    let end = end.map_or(lines.len(), |length| header + 1 + length);
    let there = (header + 1..end).find(|at| lines[*at].starts_with(&format!("{key} = ")));
    match there {
        Some(at) => {
            lines[at] = line;
            (lines.join("\n"), at + 1)
        }
        None => {
            lines.insert(header + 1, line);
            (lines.join("\n"), header + 2)
        }
    }
}

/// The one complaint about a file with one line changed.
pub fn complaint(table: &str, line: &str) -> String {
    let account = ["username", "password", "password_file"].iter().any(|key| line.starts_with(key));
    let full = match (account, line.starts_with("password_file")) {
        (false, _) => FULL.to_owned(),
        (true, true) => {
            FULL.replace("user_id", "username").replace("auth_token = \"s3cret-of-the-tests\"\n", "")
        }
        (true, false) => FULL.replace("user_id", "username").replace("auth_token", "password"),
    };
    let (text, number) = with(&full, table, line);
    let complaints = Setup::new(&text).complaints();
    assert_eq!(complaints.len(), 1, "{line}: {complaints:#?}");
    let [complaint] = complaints.try_into().unwrap();
    assert!(complaint.starts_with(&format!("bot.toml:{number}: ")), "{line}, line {number}: {complaint}");
    assert!(!complaint.contains(SECRET), "{complaint}");
    complaint
}

/// The path of a key as the program shows it.
pub fn reported(table: &str, key: &str) -> Vec<String> {
    let tables = match table {
        "trigger" => vec!["trigger \"pumps\"", "trigger[0]"],
        "signl4.team" => vec!["signl4.team \"network\"", "signl4.team[0]"],
        table => vec![table],
    };
    tables.iter().map(|table| format!("{table}.{key}")).collect()
}

#[test]
fn the_file_that_other_tests_break_is_valid() {
    Setup::new(FULL).loaded();
}
