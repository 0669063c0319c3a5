//! Which settings a running bot adopts from a new configuration, and which only take effect at the next start.

use secrecy::ExposeSecret;

use rocketchat::Credentials;

use super::{Admin, Config};

impl Config {
    /// The new configuration as far as a bot that runs with `running` can adopt it. Settings that it cannot change
    /// keep their running values, and their keys are returned: they take effect at the next start.
    pub fn taken_over(mut self, running: &Self) -> (Self, Vec<&'static str>) {
        let mut later = Vec::new();
        let (ours, theirs) = (&mut self.rocketchat, &running.rocketchat);
        keep(&mut ours.url, &theirs.url, PartialEq::eq, "rocketchat.url", &mut later);
        keep(&mut ours.account, &theirs.account, same_account, "the account of [rocketchat]", &mut later);
        keep(&mut self.listener.bind, &running.listener.bind, PartialEq::eq, "listener.bind", &mut later);
        keep(&mut self.admin.bind, &running.admin.bind, PartialEq::eq, "admin.bind", &mut later);
        keep(&mut self.admin, &running.admin, same_token, "admin.token", &mut later);
        keep(&mut self.store.url, &running.store.url, PartialEq::eq, "store.url", &mut later);
        (self, later)
    }
}

/// Restores the running value, and adds the key, if the two differ.
fn keep<T: Clone>(
    new: &mut T,
    running: &T,
    same: fn(&T, &T) -> bool,
    key: &'static str,
    later: &mut Vec<&'static str>,
) {
    if !same(new, running) {
        new.clone_from(running);
        later.push(key);
    }
}

fn same_account(one: &Credentials, other: &Credentials) -> bool {
    let parts = |account: &Credentials| match account {
        Credentials::Token { user_id, token: auth_token } => {
            (true, user_id.to_string(), auth_token.expose_secret().to_owned())
        }
        Credentials::Password { username, password } => {
            (false, username.clone(), password.expose_secret().to_owned())
        }
    };
    parts(one) == parts(other)
}

fn same_token(one: &Admin, other: &Admin) -> bool {
    let token = |admin: &Admin| admin.token.as_ref().map(|token| token.expose_secret().to_owned());
    token(one) == token(other)
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::*;

    const RUNNING: [(&str, &str); 9] = [
        ("ROCKETCHAT__URL", "https://chat.example.com"),
        ("ROCKETCHAT__USER_ID", "user"),
        ("ROCKETCHAT__AUTH_TOKEN", "token"),
        ("SIGNL4__WEBHOOK_URL", "https://connect.signl4.com/webhook/team"),
        ("LISTENER__SECRET", "a-secret-of-sixteen"),
        ("LISTENER__BIND", "127.0.0.1:8080"),
        ("ADMIN__BIND", "127.0.0.1:9090"),
        ("ADMIN__TOKEN", "a-token-of-sixteen-letters"),
        ("STORE__URL", "sqlite://bot.db"),
    ];

    fn config(changes: &[(&str, &str)]) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bot.toml");
        std::fs::write(&file, "").unwrap();
        let kept = RUNNING.iter().filter(|(key, _)| changes.iter().all(|(changed, _)| changed != key));
        let env = kept.chain(changes).filter(|(_, value)| !value.is_empty());
        let env = env.map(|(key, value)| (format!("SIGNL4_BOT_{key}"), (*value).to_owned())).collect();
        Config::load(&Sources { path: Some(file), env }).unwrap()
    }

    #[test]
    fn settings_that_can_change_need_no_restart() {
        let changes = [("LISTENER__SECRET", "another-secret-of-many"), ("ROCKETCHAT__ALIAS", "Pager")];
        let (taken, later) = config(&changes).taken_over(&config(&[]));
        assert!(later.is_empty(), "{later:?}");
        assert_eq!(taken.listener.secret.expose_secret(), "another-secret-of-many");
        assert_eq!(taken.rocketchat.alias.as_deref(), Some("Pager"));
    }

    #[test]
    fn settings_that_need_a_restart_keep_their_running_values_and_are_returned() {
        let changes = [
            ("ROCKETCHAT__URL", "https://talk.example.com"),
            ("ROCKETCHAT__AUTH_TOKEN", "another"),
            ("LISTENER__BIND", "127.0.0.1:8081"),
            ("ADMIN__BIND", "127.0.0.1:9091"),
            ("ADMIN__TOKEN", "another-token-of-many-letters"),
            ("STORE__URL", "sqlite://other.db"),
            ("ROCKETCHAT__CATCH_UP", "1h"),
        ];
        let running = config(&[]);
        let (taken, later) = config(&changes).taken_over(&running);
        let keys =
            ["rocketchat.url", "the account of [rocketchat]", "listener.bind", "admin.bind", "admin.token"];
        assert_eq!(later, [&keys[..], &["store.url"]].concat());
        assert_eq!(taken.rocketchat.url.base(), running.rocketchat.url.base());
        assert!(same_account(&taken.rocketchat.account, &running.rocketchat.account));
        assert_eq!((taken.listener.bind, taken.admin.bind), (running.listener.bind, running.admin.bind));
        assert_eq!(taken.store.url.to_string(), "sqlite://bot.db");
        assert_eq!(taken.rocketchat.catch_up, std::time::Duration::from_secs(3600), "the rest is taken over");
        assert_eq!(taken.taken_over(&running).1, Vec::<&str>::new(), "and returned once");
    }

    #[test]
    fn another_login_method_is_another_account() {
        let by_password = [
            ("ROCKETCHAT__USER_ID", ""),
            ("ROCKETCHAT__AUTH_TOKEN", ""),
            ("ROCKETCHAT__USERNAME", "user"),
            ("ROCKETCHAT__PASSWORD", "token"),
        ];
        let (_, later) = config(&by_password).taken_over(&config(&[]));
        assert_eq!(later, ["the account of [rocketchat]"]);
    }
}
