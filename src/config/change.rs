//! Which settings a running bot adopts from a new configuration, and which only take effect at the next start.

use secrecy::ExposeSecret;

use rocketchat::Credentials;

use super::{Admin, Config, Listener, RocketChat, Store};

impl Config {
    /// The new configuration as far as a bot that runs with `running` can adopt it. Settings that it cannot change
    /// keep their running values, and their keys are returned: they take effect at the next start.
    pub fn taken_over(self, running: &Self) -> (Self, Vec<&'static str>) {
        let differ = [
            ("rocketchat.url", self.rocketchat.url != running.rocketchat.url),
            (
                "the account of [rocketchat]",
                account(&self.rocketchat.account) != account(&running.rocketchat.account),
            ),
            ("listener.bind", self.listener.bind != running.listener.bind),
            ("admin.bind", self.admin.bind != running.admin.bind),
            ("admin.token", token(&self.admin) != token(&running.admin)),
            ("store.url", self.store.url != running.store.url),
        ];
        let later = differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect();
        let (url, account) = (running.rocketchat.url.clone(), running.rocketchat.account.clone());
        let config = Self {
            rocketchat: RocketChat { url, account, ..self.rocketchat },
            listener: Listener { bind: running.listener.bind, ..self.listener },
            admin: running.admin.clone(),
            store: Store { url: running.store.url.clone(), ..self.store },
            ..self
        };
        (config, later)
    }
}

/// What distinguishes one account from another.
fn account(account: &Credentials) -> (bool, &str, &str) {
    match account {
        Credentials::Token { user_id, token } => (true, user_id.as_str(), token.expose_secret()),
        Credentials::Password { username, password } => (false, username, password.expose_secret()),
    }
}

fn token(admin: &Admin) -> Option<&str> {
    admin.token.as_ref().map(|token| token.expose_secret())
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
        assert_eq!(account(&taken.rocketchat.account), account(&running.rocketchat.account));
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
