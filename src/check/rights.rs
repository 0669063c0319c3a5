//! What the bot's account may do, as far as the server tells.

use std::collections::HashMap;

use rocketchat::rest::Permission;

/// Posting under another name or picture (`validateMessage` in Rocket.Chat's `sendMessage.ts`).
pub(super) const IMPERSONATE: &str = "message-impersonate";
/// Posting in a read-only room (`validateRoomMessagePermissions` in `canSendMessage.ts`).
pub(super) const POST_READONLY: &str = "post-readonly";
/// Reading rooms that the account is in; `view-c-room`, `view-p-room` and `view-d-room` do for those of their kind
/// (`canAccessRoom.ts`).
pub(super) const VIEW_JOINED: &str = "view-joined-room";
/// More than ten REST calls of a kind in a minute.
pub(super) const NO_RATE_LIMIT: &str = "api-bypass-rate-limit";
/// Joining a channel that asks for a code.
pub(super) const JOIN_WITHOUT_CODE: &str = "join-without-join-code";

/// The account's roles, and what they are good for.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    roles: Vec<String>,
    /// The roles that have each permission; `None` where the account may not ask.
    holders: Option<HashMap<String, Vec<String>>>,
}

impl Rights {
    /// Of an account with these roles on the server.
    pub(super) fn new(roles: Vec<String>, permissions: Option<Vec<Permission>>) -> Self {
        let holders = permissions
            .map(|list| list.into_iter().map(|permission| (permission.id, permission.roles)).collect());
        Self { roles, holders }
    }

    /// Whether the account has a permission, on the server or by its roles in a room. `None` where that is not known:
    /// the account may not ask, or the server has no such permission.
    pub(super) fn may(&self, permission: &str, in_room: &[String]) -> Option<bool> {
        let holders = self.holders.as_ref()?.get(permission)?;
        Some(self.roles.iter().chain(in_room).any(|role| holders.contains(role)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(roles: &[&str], known: bool) -> Rights {
        let permission = |id: &str, roles: &[&str]| Permission {
            id: id.to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        };
        let list = vec![
            permission(IMPERSONATE, &["bot", "app"]),
            permission(POST_READONLY, &["owner", "moderator"]),
        ];
        Rights::new(roles.iter().map(|role| (*role).to_owned()).collect(), known.then_some(list))
    }

    #[test]
    fn a_permission_comes_by_a_role_on_the_server_or_in_the_room() {
        let bot = rights(&["bot"], true);
        assert_eq!(bot.may(IMPERSONATE, &[]), Some(true));
        assert_eq!(bot.may(POST_READONLY, &[]), Some(false));
        assert_eq!(bot.may(POST_READONLY, &["moderator".to_owned()]), Some(true));
        assert_eq!(rights(&["user"], true).may(IMPERSONATE, &[]), Some(false));
    }

    #[test]
    fn nothing_is_known_where_the_account_may_not_ask_or_the_server_has_no_such_permission() {
        assert_eq!(rights(&["bot"], false).may(IMPERSONATE, &[]), None);
        assert_eq!(rights(&["bot"], true).may("unheard-of", &[]), None);
    }
}
