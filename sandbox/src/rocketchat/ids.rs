//! Identifiers in Meteor's form: 17 characters of an alphabet without look-alikes. They come from a seed, so that a failing
//! test has the same identifiers when it runs again.

/// Meteor's `UNMISTAKABLE_CHARS` (`packages/random/AbstractRandomGenerator.js`).
const ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz";

/// A source of identifiers; two sources with the same seed give the same sequence.
#[derive(Debug)]
pub(super) struct Ids(u64);

impl Ids {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The `_id` of a document: 17 characters.
    pub(super) fn document(&mut self) -> String {
        self.draw(17)
    }

    /// A login token or personal access token: `Random.secret()`, 43 characters.
    pub(super) fn token(&mut self) -> String {
        self.draw(43)
    }

    fn draw(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(ALPHABET[(self.next() % ALPHABET.len() as u64) as usize])).collect()
    }

    /// splitmix64: small and well mixed; no secret depends on it.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_length_and_alphabet_of_meteor_and_do_not_repeat() {
        let mut ids = Ids::seeded(1);
        let drawn: std::collections::BTreeSet<_> = (0..10_000).map(|_| ids.document()).collect();
        assert_eq!(drawn.len(), 10_000);
        assert!(drawn.iter().all(|id| id.len() == 17 && id.bytes().all(|byte| ALPHABET.contains(&byte))));
    }
}
