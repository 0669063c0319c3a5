//! The rooms in an answer.

/// Separates rooms even if names contain spaces.
const SEPARATORS: [char; 3] = [',', ';', '\n'];
/// Quotes that people put around a name.
const QUOTES: [(char, char); 4] = [('"', '"'), ('\'', '\''), ('“', '”'), ('„', '“')];

/// Rooms separated by commas or semicolons, or else by spaces, but not in the braces of a glob. The whole answer may be one name
/// with spaces, in quotes or accepted by `is_known`.
pub(super) fn rooms_in(answer: &str, is_known: impl Fn(&str) -> bool) -> Vec<String> {
    let answer = answer.trim();
    let is_one = is_known(answer) || unquoted(answer) != answer && !answer.contains(SEPARATORS);
    let by_space = !is_one && !answer.contains(SEPARATORS);
    let mut depth = 0_usize;
    let separates = |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && !is_one && (SEPARATORS.contains(&c) || by_space && c.is_whitespace())
    };
    let rooms = answer.split(separates).map(|room| unquoted(room.trim()).to_owned());
    rooms.filter(|room| !room.is_empty()).collect()
}

fn unquoted(name: &str) -> &str {
    let inner = QUOTES.iter().find_map(|(open, close)| name.strip_prefix(*open)?.strip_suffix(*close));
    inner.unwrap_or(name).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(answer: &str) -> Vec<String> {
        rooms_in(answer, |text| ["operations", "Störung Halle 3"].contains(&text))
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
        assert_eq!(rooms("{ops,net}-*; night"), ["{ops,net}-*", "night"]);
        assert_eq!(rooms(""), Vec::<String>::new());
    }

    #[test]
    fn a_name_with_spaces_is_one_room() {
        assert_eq!(rooms("Störung Halle 3"), ["Störung Halle 3"]);
        assert_eq!(rooms("night, Störung Halle 3, operations"), ["night", "Störung Halle 3", "operations"]);
        assert_eq!(rooms("“Pump room 3”"), ["Pump room 3"]);
        assert_eq!(rooms("\"Pump room 3\", 'Tank 4'"), ["Pump room 3", "Tank 4"]);
        assert_eq!(rooms("Anna's room, night"), ["Anna's room", "night"]);
    }
}
