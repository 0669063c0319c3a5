//! Identifiers in the shapes that SIGNL4 uses.

use jiff::Timestamp;

/// Ticks (100 ns) from year 1 to the Unix epoch.
const TICKS_TO_EPOCH: i128 = 621_355_968_000_000_000;
/// The last tick of year 9999. SIGNL4's ids count down from it, so that newer ids sort first.
const LAST_TICK: i128 = 3_155_378_975_999_999_999;

/// A random (version 4) UUID.
pub(super) fn uuid() -> String {
    let bits = (rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// An id of an alert, an event or an annotation: `<ticks>_<uuid>`.
pub(super) fn ticked(now: Timestamp) -> String {
    let ticks = LAST_TICK - (TICKS_TO_EPOCH + now.as_nanosecond() / 100);
    format!("{ticks}_{}", uuid())
}

/// A secret in the shape of a team secret. It opens nothing but a simulator.
pub(super) fn secret() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_counts_its_ticks_down_from_the_year_9999() {
        // The sample in the documentation, 2518088743722201372_4ee5617b-…, is of the 29th of June 2020.
        let documented: Timestamp = "2020-06-29T10:27:07.7798627Z".parse().unwrap();
        assert!(ticked(documented).starts_with("2518088743722201372_"));
    }

    #[test]
    fn a_uuid_is_of_version_4() {
        let uuid = uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
    }
}
