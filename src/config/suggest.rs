//! "Did you mean …?"

/// How alike two names must be, from 0 to 1.
const ALIKE: f64 = 0.8;

/// The candidate most like `name`, if any is like it at all.
pub(super) fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    alike(name, candidates).into_iter().next()
}

/// The candidates that are like `name`, the most alike first.
pub(crate) fn alike<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let name = folded(name);
    let scored = candidates.into_iter().map(|candidate| (likeness(&name, &folded(candidate)), candidate));
    let mut found: Vec<_> = scored.filter(|(likeness, _)| *likeness >= ALIKE).collect();
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

fn likeness(name: &str, candidate: &str) -> f64 {
    // `token` for `auth_token`: spelled right, but a part is missing.
    let part = name.len() >= 3 && candidate.contains(name);
    // `ulr` for `url`: in a short name one slip is a large part of it.
    let slip = name.len() >= 3 && strsim::osa_distance(name, candidate) == 1;
    strsim::jaro_winkler(name, candidate).max(if part || slip { ALIKE } else { 0.0 })
}

/// Case and separators are what people get wrong first.
fn folded(name: &str) -> String {
    name.to_lowercase().replace("__", ".").replace(['-', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 6] = ["url", "user_id", "auth_token", "auto_join", "alias", "password"];

    #[test]
    fn what_people_mistype_is_understood() {
        for (typed, meant) in [
            ("ulr", "url"),
            ("ur", "url"),
            ("userid", "user_id"),
            ("User-ID", "user_id"),
            ("AUTH_TOKEN", "auth_token"),
            ("token", "auth_token"),
            ("autojoin", "auto_join"),
            ("passwort", "password"),
        ] {
            assert_eq!(closest(typed, KEYS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn what_is_like_nothing_is_left_alone() {
        for typed in ["", "x", "xyzzy", "colour", "retry_for"] {
            assert_eq!(closest(typed, KEYS), None, "{typed}");
        }
        assert_eq!(closest("url", []), None);
    }
}
