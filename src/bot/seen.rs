//! Remembers which messages were processed, and with which text.
//!
//! A server sends a message again at every reaction, link preview and thread reply. This memory distinguishes a new
//! text from a repetition. It is bounded and not on disk. A message that it does not know, or no longer knows, is
//! judged by its age compared with the room's cursor (see `oldest` in [`ingest`](super::ingest)). The store's pairs of
//! message and trigger keep anything from paging twice.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use parking_lot::Mutex;

/// Messages per generation: as many as fill a table of 32,768 slots. Two generations are kept: 1 MB in total.
const GENERATION: usize = 28_672;

/// Whether a message was processed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeenState {
    /// It is new, or was forgotten.
    First,
    /// It was processed with the same text.
    Same,
    /// It was processed with another text.
    NewText,
}

/// The hashes of recent texts.
///
/// Two IDs, or two texts of a message, with the same 64-bit hash count as equal. The hashes use a random key for each
/// process, so nobody can search for collisions.
#[derive(Debug, Default)]
pub(super) struct SeenTexts {
    hasher: RandomState,
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: Texts,
    old: Texts,
}

/// The hash of each message's text, by the hash of its ID.
type Texts = HashMap<u64, u64>;

impl SeenTexts {
    /// Whether the message was processed before, and with which text.
    pub(super) fn state(&self, id: &str, text: &str) -> SeenState {
        let (id, text) = self.hash(id, text);
        let generations = self.generations.lock();
        match generations.young.get(&id).or_else(|| generations.old.get(&id)) {
            None => SeenState::First,
            Some(known) if *known == text => SeenState::Same,
            Some(_) => SeenState::NewText,
        }
    }

    /// Whether the message was processed with this text.
    pub(super) fn knows(&self, id: &str, text: &str) -> bool {
        self.state(id, text) == SeenState::Same
    }

    /// Records that the message was processed with this text. Returns whether that is new.
    pub(super) fn remember(&self, id: &str, text: &str) -> bool {
        let (id, text) = self.hash(id, text);
        let mut generations = self.generations.lock();
        if generations.young.len() >= GENERATION {
            generations.old = std::mem::take(&mut generations.young);
        }
        let before = generations.young.insert(id, text).or_else(|| generations.old.get(&id).copied());
        before != Some(text)
    }

    fn hash(&self, id: &str, text: &str) -> (u64, u64) {
        (self.hasher.hash_one(id), self.hasher.hash_one(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_same_message_are_distinguished() {
        let seen = SeenTexts::default();
        assert_eq!(seen.state("m", "a"), SeenState::First);
        assert!(seen.remember("m", "a"));
        assert_eq!((seen.state("m", "a"), seen.state("m", "b")), (SeenState::Same, SeenState::NewText));
        assert!(!seen.remember("m", "a"));
        assert!(seen.remember("m", "b"));
        assert_eq!((seen.state("m", "b"), seen.state("n", "b")), (SeenState::Same, SeenState::First));
    }

    #[test]
    fn a_flood_is_forgotten_in_time_and_never_the_last_generation() {
        let seen = SeenTexts::default();
        for message in 0..3 * GENERATION {
            seen.remember(&message.to_string(), "text");
        }
        let state = |message: usize| seen.state(&message.to_string(), "text");
        assert_eq!(state(0), SeenState::First);
        assert!((2 * GENERATION..3 * GENERATION).all(|message| state(message) == SeenState::Same));
        let generations = seen.generations.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
