//! Creating and changing users, their tokens and their permissions.

use super::RocketChat;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::time::Millis;
use crate::rocketchat::user::{NewUser, User};

impl RocketChat {
    /// Creates a user: `create_user("alice")` or `create_user(NewUser::bot("signl4.bot").password("…"))`.
    ///
    /// # Errors
    /// If the username is taken.
    pub fn create_user(&self, new: impl Into<NewUser>) -> Result<User, Refusal> {
        self.shared.act(|world| world.create_user(new.into()))
    }

    /// The user with this `_id` or username.
    pub fn user(&self, id_or_username: impl AsRef<str>) -> Option<User> {
        let wanted = id_or_username.as_ref();
        self.shared.look(|world| {
            world
                .accounts
                .get(wanted)
                .or_else(|| world.account_named(wanted))
                .map(|account| account.user.clone())
        })
    }

    /// Every user.
    pub fn users(&self) -> Vec<User> {
        self.shared.look(|world| world.accounts.values().map(|account| account.user.clone()).collect())
    }

    /// Gives the user another password. Tokens stay valid.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn set_password(&self, user: impl AsRef<str>, password: &str) -> Result<User, Refusal> {
        self.shared.act(|world| world.set_password(user.as_ref(), password))
    }

    /// Gives the user one more role.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn add_role(&self, user: impl AsRef<str>, role: &str) -> Result<User, Refusal> {
        self.shared.act(|world| {
            world.change_user(user.as_ref(), |account| {
                account.user.roles.insert(role.to_owned());
            })
        })
    }

    /// Removes a role from the user.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn remove_role(&self, user: impl AsRef<str>, role: &str) -> Result<User, Refusal> {
        self.shared.act(|world| {
            world.change_user(user.as_ref(), |account| {
                account.user.roles.remove(role);
            })
        })
    }

    /// Deactivates the account or activates it again.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn set_active(&self, user: impl AsRef<str>, active: bool) -> Result<User, Refusal> {
        self.shared.act(|world| world.change_user(user.as_ref(), |account| account.user.active = active))
    }

    /// Denies a permission to this user, even if its roles grant it: `message-impersonate`, `view-c-room`, ….
    ///
    /// # Errors
    /// If there is no such user.
    pub fn deny(&self, user: impl AsRef<str>, permission: &str) -> Result<User, Refusal> {
        self.shared.act(|world| {
            world.change_user(user.as_ref(), |account| {
                account.granted.remove(permission);
                account.denied.insert(permission.to_owned());
            })
        })
    }

    /// Grants a permission to this user, also after [`deny`](Self::deny).
    ///
    /// # Errors
    /// If there is no such user.
    pub fn grant(&self, user: impl AsRef<str>, permission: &str) -> Result<User, Refusal> {
        self.shared.act(|world| {
            world.change_user(user.as_ref(), |account| {
                account.denied.remove(permission);
                account.granted.insert(permission.to_owned());
            })
        })
    }

    /// A new personal access token of the user; it never expires on its own.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn create_token(&self, user: impl AsRef<str>) -> Result<String, Refusal> {
        self.shared.act(|world| world.create_token(user.as_ref()))
    }

    /// A new login token of the user, as a login by password gives, and when it expires (ms since the epoch).
    ///
    /// # Errors
    /// If there is no such user.
    pub fn create_login(&self, user: impl AsRef<str>) -> Result<(String, Option<Millis>), Refusal> {
        self.shared.act(|world| world.log_in(user.as_ref())).map(|login| (login.token, login.expires))
    }

    /// Every token of the user that works or once worked, oldest first.
    pub fn tokens(&self, user: impl AsRef<str>) -> Vec<String> {
        self.shared.look(|world| {
            let account = world.accounts.get(user.as_ref());
            account.into_iter().flat_map(|account| &account.tokens).map(|token| token.value.clone()).collect()
        })
    }

    /// Removes one token, as an administrator or the user does in the settings; its realtime connections are closed.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn revoke_token(&self, user: impl AsRef<str>, token: &str) -> Result<(), Refusal> {
        self.shared.act(|world| world.revoke(user.as_ref(), Some(token)))
    }

    /// Removes every token of the user; its realtime connections are closed.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn revoke_tokens(&self, user: impl AsRef<str>) -> Result<(), Refusal> {
        self.shared.act(|world| world.revoke(user.as_ref(), None))
    }

    /// Expires every token of the user: "Your session has expired". Open connections stay.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn expire_tokens(&self, user: impl AsRef<str>) -> Result<(), Refusal> {
        self.shared.act(|world| world.expire(user.as_ref(), None))
    }

    /// Logs the user out everywhere: `force_logout` to its sessions, its login tokens gone, personal ones kept.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn force_logout(&self, user: impl AsRef<str>) -> Result<(), Refusal> {
        self.shared.act(|world| world.force_logout(user.as_ref()))
    }
}
