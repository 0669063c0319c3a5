//! The rooms in an answer, whatever separates them.

/// Separates rooms even if names contain spaces.
const SEPARATORS: [char; 3] = [',', ';', '\n'];
/// Quotes that people put around a name.
const QUOTES: [(char, char); 4] = [('"', '"'), ('\'', '\''), ('“', '”'), ('„', '“')];

/// Rooms separated by commas, semicolons or spaces. A name may contain spaces if it is in quotes, or if `is_known` accepts it.
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

/// The answer at its separators and around names in quotes, but not in the braces of a glob.
fn parts(answer: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in answer.char_indices() {
        if at < start {
            continue;
        }
        let begins_word = answer[start..at].chars().next_back().is_none_or(char::is_whitespace);
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if depth == 0 && SEPARATORS.contains(&c) => {
                parts.push(&answer[start..at]);
                start = at + c.len_utf8();
            }
            _ if begins_word => {
                if let Some(length) = quoted_length(&answer[at..]) {
                    parts.extend([&answer[start..at], &answer[at..at + length]]);
                    start = at + length;
                }
            }
            _ => {}
        }
    }
    parts.push(&answer[start..]);
    parts.into_iter().map(str::trim).collect()
}

/// The length of the name in quotes at the beginning, with its quotes. An apostrophe in it, as in `'Anna's room'`, does not end it.
fn quoted_length(text: &str) -> Option<usize> {
    let (_, close) = QUOTES.into_iter().find(|(open, _)| text.starts_with(*open))?;
    let ends =
        |at: usize| text[at..].chars().next().is_none_or(|c| c.is_whitespace() || SEPARATORS.contains(&c));
    text.match_indices(close)
        .skip_while(|(at, _)| *at == 0)
        .map(|(at, _)| at + close.len_utf8())
        .find(|end| ends(*end))
}

fn unquoted(part: &str) -> Option<&str> {
    QUOTES.iter().find_map(|(open, close)| Some(part.strip_prefix(*open)?.strip_suffix(*close)?.trim()))
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
        assert_eq!(rooms("\"Pump room 3\" night 'Tank 4'"), ["Pump room 3", "night", "Tank 4"]);
        assert_eq!(rooms("Anna's room, night"), ["Anna's room", "night"]);
        assert_eq!(rooms("'Anna's room'; night"), ["Anna's room", "night"]);
        assert_eq!(rooms("\"Pump room"), ["\"Pump room"], "told as it was typed");
    }
}
