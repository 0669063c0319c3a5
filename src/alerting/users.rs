//! Whose messages count for a trigger: usernames, IDs and display names.

use super::rooms::same_name;
use rocketchat::{Author, UserId};

/// One entry of a trigger's `users` or `exclude_users`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserPattern {
    /// `"anna"`, `"@anna"`, `"@anna:example.org"`: the username, here without the `@`, case-insensitive; or the `_id`,
    /// case-sensitive.
    Username(String),
    /// `"id:rocketcat"`: the user with this `_id`.
    Id(UserId),
    /// `"name:Anna Berg"`: everybody with this display name, case-insensitive. People can change theirs.
    ShownName(String),
}

impl UserPattern {
    /// Parses one entry; `None` if it is empty.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (pattern, named): (fn(&str) -> Self, &str) = match text.split_once(':') {
            Some(("id", id)) => (|id| Self::Id(UserId::new(id)), id),
            Some(("name", name)) => (|name| Self::ShownName(name.to_owned()), name),
            _ => (|name| Self::Username(name.to_owned()), bare(text)),
        };
        let named = named.trim();
        (!named.is_empty()).then(|| pattern(named))
    }

    /// Whether the entry matches the author.
    pub fn matches(&self, author: &Author) -> bool {
        match self {
            // A federated username begins with its own `@`.
            Self::Username(name) => {
                same_name(name, bare(&author.username)) || name.as_str() == author.id.as_str()
            }
            Self::Id(id) => *id == author.id,
            Self::ShownName(name) => author.name.as_deref().is_some_and(|shown| same_name(name, shown)),
        }
    }
}

fn bare(username: &str) -> &str {
    username.strip_prefix('@').unwrap_or(username)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(entry: &str, username: &str) -> bool {
        let author =
            Author { id: UserId::new("aXb3"), username: username.into(), name: Some("Anna Ärger".into()) };
        UserPattern::parse(entry).unwrap().matches(&author)
    }

    #[test]
    fn a_username_matches_with_or_without_the_at_in_any_case() {
        for entry in ["anna", "@anna", " Anna ", "@ANNA"] {
            assert!(matches(entry, "anna"), "{entry}");
        }
        assert!(!matches("ann", "anna") && !matches("anna:example.org", "anna"));
    }

    #[test]
    fn a_federated_username_matches_as_it_is_displayed() {
        for entry in ["@anna:example.org", "anna:example.org", "@Anna:Example.org"] {
            assert!(matches(entry, "@anna:example.org"), "{entry}");
        }
        assert!(!matches("@anna", "@anna:example.org"), "the one of this server");
    }

    #[test]
    fn an_id_matches_exactly_and_a_display_name_in_any_case() {
        for entry in ["id:aXb3", "id: aXb3", "aXb3", "name:Anna Ärger", "name: anna ÄRGER"] {
            assert!(matches(entry, "anna"), "{entry}");
        }
        for entry in ["id:axb3", "axb3", "id:anna", "name:anna", "Anna Ärger"] {
            assert!(!matches(entry, "anna"), "{entry}");
        }
    }

    #[test]
    fn an_empty_entry_is_invalid() {
        for entry in ["", " ", "@", "id:", "name: "] {
            assert_eq!(UserPattern::parse(entry), None, "{entry:?}");
        }
    }
}
