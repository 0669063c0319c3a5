//! Identifiers of SIGNL4 as types.

use std::{fmt, time::Duration};

/// `eventId` of the answer to a webhook call; repeated as `alert.eventId` in every notification about that alert.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventId(String);

/// The top-level `id` of a notification: unique for each, the same when SIGNL4 repeats one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NotificationId(String);

macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// Takes the identifier as SIGNL4 wrote it.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The identifier as SIGNL4 wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

impl EventId {
    /// How long after the other one this ID was made, by SIGNL4's clock. `None` if it was not, or if one of them does not show it.
    ///
    /// An ID begins with a number that counts down, by the documented samples: 100 ns to the end of the year 9999. Nothing
    /// documents it, so use it at most to rule out a guess.
    pub fn newer_by(&self, other: &Self) -> Option<Duration> {
        let ticks = other.countdown()?.checked_sub(self.countdown()?).filter(|ticks| *ticks > 0)?;
        Some(Duration::from_micros(ticks / 10))
    }

    fn countdown(&self) -> Option<u64> {
        const DIGITS: usize = 19;
        let (number, _) = self.0.split_once('_')?;
        (number.len() == DIGITS && number.starts_with('2')).then(|| number.parse().ok())?
    }
}

text_id!(EventId);
text_id!(NotificationId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_documented_form_show_which_is_newer() {
        let name = |text: &str| EventId::new(text);
        let (of_2017, of_2020) = (name("2518981069381242800_2ab1b5e0"), name("2518088743722201372_4ee5617b"));
        assert!(of_2020.newer_by(&of_2017).is_some());
        assert!(of_2017.newer_by(&of_2020).is_none() && of_2017.newer_by(&of_2017).is_none());
        assert_eq!(of_2020.newer_by(&of_2017).unwrap().as_secs(), 89_232_565);
        for other in ["", "e1", "1_2", "25180887437222013721_4ee5617b", "4ee5617b-2518088743722201372"] {
            assert!(
                of_2020.newer_by(&name(other)).is_none() && name(other).newer_by(&of_2017).is_none(),
                "{other}"
            );
        }
    }
}
