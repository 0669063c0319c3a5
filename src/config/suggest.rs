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
    strsim::jaro_winkler(name, candidate).max(if part { ALIKE } else { 0.0 })
}

/// Case and separators are what people get wrong first.
fn folded(name: &str) -> String {
    name.to_lowercase().replace("__", ".").replace(['-', ' '], "_")
}
