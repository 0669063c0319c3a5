//! What fires a trigger: a trigger word, or a regular expression.

use std::fmt;

use regex::{Captures, Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// The maximum memory for one compiled pattern, in bytes.
const SIZE_LIMIT: usize = 4 << 20;
/// The same for the patterns of all triggers together.
const SET_SIZE_LIMIT: usize = 16 << 20;

/// A trigger word or a regular expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    /// The word as written; `None` for a regular expression.
    word: Option<String>,
}

impl Pattern {
    /// Compiles a regular expression. `.` also matches line breaks, because text that people see as one message, such
    /// as the title and the text of an attachment, has several lines here.
    ///
    /// # Errors
    /// When it is not a regular expression, or is too large.
    pub fn expression(text: &str) -> Result<Self, regex::Error> {
        let regex = RegexBuilder::new(text).dot_matches_new_line(true).size_limit(SIZE_LIMIT).build()?;
        Ok(Self { regex, word: None })
    }

    /// A trigger word: matches in upper or lower case, and only as a whole word.
    ///
    /// # Errors
    /// When it is too large.
    pub fn word(word: &str) -> Result<Self, regex::Error> {
        let literal = format!("(?i:{})", regex::escape(word));
        Ok(Self { word: Some(word.to_owned()), ..Self::expression(&literal)? })
    }

    /// One set of all patterns, for the first test of every text. It also finds a word within a longer one;
    /// [`Pattern::is_match`] then decides. Searching for literals only is several times faster than searching for
    /// literals with their surroundings.
    pub(super) fn set<'a>(patterns: impl IntoIterator<Item = &'a Self>) -> Result<RegexSet, regex::Error> {
        RegexSetBuilder::new(patterns.into_iter().map(|pattern| pattern.regex.as_str()))
            .dot_matches_new_line(true)
            .size_limit(SET_SIZE_LIMIT)
            .build()
    }

    /// Whether the text matches.
    pub fn is_match(&self, text: &str) -> bool {
        match self.word {
            Some(_) => self.stands_alone_in(text),
            None => self.regex.is_match(text),
        }
    }

    /// The names of its groups.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.regex.capture_names().flatten()
    }

    /// The text that its groups match.
    pub(super) fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.regex.captures(text)
    }

    fn stands_alone_in(&self, text: &str) -> bool {
        let mut from = 0;
        while let Some(found) = self.regex.find_at(text, from) {
            let (before, after) = (&text[..found.start()], &text[found.end()..]);
            if !is_joined(before.chars().rev()) && !is_joined(after.chars()) {
                return true;
            }
            // The next one may start within this one.
            from = found.start() + found.as_str().chars().next().map_or(1, char::len_utf8);
        }
        false
    }
}

/// Whether the characters beside a word, read outwards from it, make it part of something longer: an ASCII letter or
/// digit, or one after a character that joins names, as in `docs.signl4.com`.
fn is_joined(mut outwards: impl Iterator<Item = char>) -> bool {
    match outwards.next() {
        Some('@' | '.' | '/' | '-') => outwards.next().is_some_and(|next| next.is_ascii_alphanumeric()),
        Some(next) => next.is_ascii_alphanumeric(),
        None => false,
    }
}

impl fmt::Display for Pattern {
    /// A word in quotes, as in `bot.toml`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.word {
            Some(word) => write!(f, "\"{word}\""),
            None => f.write_str(self.regex.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn has_word(word: &str, text: &str) -> bool {
        Pattern::word(word).unwrap().is_match(text)
    }

    #[test]
    fn a_word_matches_if_it_stands_alone() {
        for text in [
            "SIGNL4",
            "signl4 pump 3",
            "please: Signl4!",
            "_SIGNL4_",
            "*SIGNL4*",
            "`SIGNL4`",
            "⚠️SIGNL4",
            "泵SIGNL4故障",
            "SIGNL4.",
            "SIGNL4...",
            "SIGNL4 - pump 3",
            "SIGNL4: pump 3",
            "@SIGNL4 pump 3",
            "#SIGNL4",
            "(SIGNL4)",
            "PROBLEM\nSIGNL4\npump",
            "see docs.signl4.com: SIGNL4 pump 3",
            "signl4.signl4 signl4",
        ] {
            assert!(has_word("SIGNL4", text), "{text}");
        }
    }

    #[test]
    fn a_word_within_a_name_does_not_match() {
        for text in [
            "",
            "docs.signl4.com",
            "https://signl4.com/",
            "https://connect.signl4.com/webhook/x",
            "@signl4.bot",
            "ops@signl4.com",
            "anna@signl4",
            "signl4-manual.pdf",
            "my-signl4",
            "SIGNL4s",
            "SIGNL42",
            "xSIGNL4",
            "SIGNL",
            "https://example.com/signl4/x",
        ] {
            assert!(!has_word("SIGNL4", text), "{text}");
        }
    }

    #[test]
    fn a_word_is_literal_and_may_overlap_itself() {
        assert!(has_word("a.c*", "x A.C* x") && !has_word("a.c*", "abcc"));
        assert!(has_word("pump 3", "the PUMP 3 is down"));
        assert!(has_word("Störung", "STÖRUNG in Halle 3") && !has_word("Störung", "Störungen"));
        assert!(has_word("!!", "x!!!"), "the second one stands alone");
    }

    #[test]
    fn a_dot_matches_line_breaks_alone_and_in_the_set() {
        let [across, line] =
            ["PROBLEM.*pump", "(?-s)PROBLEM.*pump"].map(|text| Pattern::expression(text).unwrap());
        let text = "PROBLEM\npump";
        assert_eq!((across.is_match(text), line.is_match(text)), (true, false));
        let set = Pattern::set([&across, &line]).unwrap();
        assert_eq!(set.matches(text).into_iter().collect::<Vec<_>>(), [0]);
    }

    /// The rule of `is_joined` as one regular expression.
    const AS_REGEX: &str = "(?:^|[^0-9A-Za-z@./-]|(?:^|[^0-9A-Za-z])[@./-])(?i:WORD)(?:$|[^0-9A-Za-z@./-]|[@./-](?:$|[^0-9A-Za-z]))";

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn both_implementations_of_the_word_rule_agree(text in "[aAbä@./ _-]{0,12}", word in "[ab@.-]{1,2}") {
            let as_regex = Regex::new(&AS_REGEX.replace("WORD", &regex::escape(&word))).unwrap();
            let pattern = Pattern::word(&word).unwrap();
            prop_assert_eq!(pattern.is_match(&text), as_regex.is_match(&text));
            if pattern.is_match(&text) {
                prop_assert!(Pattern::set([&pattern]).unwrap().is_match(&text));
            }
        }
    }
}
