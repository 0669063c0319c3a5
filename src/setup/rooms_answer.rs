//! The rooms in an answer, however a person separates them.

/// What separates rooms even in a name with spaces.
const SEPARATORS: [char; 3] = [',', ';', '\n'];
/// What people put around a name.
const QUOTES: [(char, char); 4] = [('"', '"'), ('\'', '\''), ('“', '”'), ('„', '“')];

/// Rooms separated by commas, semicolons or spaces. A name may have spaces itself: in quotes, or where `is_known` knows it.
pub(super) fn rooms_in(answer: &str, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let mut rooms = Vec::new();
    for part in parts(answer) {
        match unquoted(part) {
            Some(name) => rooms.push(name.to_owned()),
            None => rooms.extend(by_spaces(part, &is_known)),
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

/// The answer at its separators, except for those in quotes or in the braces of a glob.
fn parts(answer: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    for (at, c) in answer.char_indices() {
        let opens = answer[start..at].trim().is_empty();
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (Some(_), _) => {}
            (None, '{') => depth += 1,
            (None, '}') => depth = depth.saturating_sub(1),
            (None, c) if depth == 0 && SEPARATORS.contains(&c) => {
                parts.push(answer[start..at].trim());
                start = at + c.len_utf8();
            }
            (None, c) if opens => quote = QUOTES.iter().find(|(open, _)| *open == c).map(|(_, close)| *close),
            (None, _) => {}
        }
    }
    parts.push(answer[start..].trim());
    parts
}

fn unquoted(part: &str) -> Option<&str> {
    QUOTES.iter().find_map(|(open, close)| {
        let inner = part.strip_prefix(*open)?.strip_suffix(*close)?;
        (!inner.contains([*open, *close])).then(|| inner.trim())
    })
}

/// The longest known names from the left; words that belong to none stay together.
fn by_spaces(part: &str, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let words: Vec<&str> = part.split_whitespace().collect();
    let is_room = |text: &str| is_known(text) || text.starts_with("id:") || text.contains(['*', '?']);
    let (mut rooms, mut unknown): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < words.len() {
        let joined = |end: usize| words[at..end].join(" ");
        let known = (at + 1..=words.len()).rev().find(|end| match end - at {
            1 => is_room(words[at]),
            _ => is_known(&joined(*end)),
        });
        // Another name begins here.
        if known.is_some() || words[at].starts_with('#') {
            rooms.push(std::mem::take(&mut unknown).join(" "));
        }
        match known {
            Some(end) => {
                rooms.push(joined(end));
                at = end;
            }
            None => {
                unknown.push(words[at]);
                at += 1;
            }
        }
    }
    rooms.push(unknown.join(" "));
    rooms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(answer: &str) -> Vec<String> {
        const KNOWN: [&str; 4] = ["operations", "night", "störung halle 3", "störung halle"];
        rooms_in(answer, |text| KNOWN.contains(&text.trim_start_matches('#').to_lowercase().as_str()))
    }

    #[test]
    fn rooms_are_separated_as_people_separate_them() {
        for text in [
            "#operations, alerts-*",
            "#operations; alerts-*",
            "#operations alerts-*",
            " #operations ,;alerts-*,",
            "\"#operations\" , 'alerts-*'",
        ] {
            assert_eq!(rooms(text), ["#operations", "alerts-*"], "{text}");
        }
        assert_eq!(rooms("operations night"), ["operations", "night"]);
        assert_eq!(rooms("#ops #night"), ["#ops", "#night"], "known or not");
        assert_eq!(rooms("id:GENERAL night"), ["id:GENERAL", "night"]);
        assert_eq!(rooms("{ops,net}-*; night"), ["{ops,net}-*", "night"]);
        assert_eq!(rooms(""), Vec::<String>::new());
    }

    #[test]
    fn a_name_with_spaces_is_one_room() {
        assert_eq!(rooms("Störung Halle 3"), ["Störung Halle 3"]);
        assert_eq!(rooms("night Störung Halle 3 operations"), ["night", "Störung Halle 3", "operations"]);
        assert_eq!(rooms("“Pumps, hall 3”, night"), ["Pumps, hall 3", "night"]);
        assert_eq!(rooms("Pump room 3"), ["Pump room 3"], "unknown, and told as it was typed");
        assert_eq!(rooms("Anna's room, night"), ["Anna's room", "night"]);
    }
}
