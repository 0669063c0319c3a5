//! The permissions of each role: the part of Rocket.Chat's default table
//! (`apps/meteor/app/authorization/server/constant/permissions.ts`) that matters to a bot.

/// Permission and the roles that have it by default.
pub(super) const DEFAULTS: &[(&str, &[&str])] = &[
    ("access-permissions", &["admin"]),
    ("api-bypass-rate-limit", &["admin", "bot", "app"]),
    ("bypass-time-limit-edit-and-delete", &["bot", "app"]),
    ("create-c", &["admin", "user", "bot", "app"]),
    ("create-d", &["admin", "user", "bot", "app"]),
    ("create-p", &["admin", "user", "bot", "app"]),
    ("create-personal-access-tokens", &["admin", "user"]),
    ("delete-message", &["admin", "owner", "moderator"]),
    ("delete-own-message", &["admin", "user"]),
    ("edit-message", &["admin", "owner", "moderator"]),
    ("force-delete-message", &["admin", "owner"]),
    ("join-without-join-code", &["admin", "bot", "app"]),
    ("mention-all", &["admin", "owner", "moderator", "user"]),
    ("mention-here", &["admin", "owner", "moderator", "user"]),
    ("message-impersonate", &["bot", "app"]),
    ("pin-message", &["owner", "moderator", "admin"]),
    ("post-readonly", &["admin", "owner", "moderator"]),
    ("preview-c-room", &["admin", "user", "anonymous"]),
    ("send-many-messages", &["admin", "bot", "app"]),
    ("view-c-room", &["admin", "user", "bot", "app", "anonymous"]),
    ("view-d-room", &["admin", "user", "bot", "app"]),
    ("view-p-room", &["admin", "user", "anonymous"]),
    ("view-statistics", &["admin"]),
];

/// Whether any of the roles has the permission by default.
pub(super) fn granted_by_role<'a>(roles: impl IntoIterator<Item = &'a String>, permission: &str) -> bool {
    let Some((_, holders)) = DEFAULTS.iter().find(|(name, _)| *name == permission) else {
        return false;
    };
    roles.into_iter().any(|role| holders.contains(&role.as_str()))
}
