//! Session ids: the second a session began, in UTC, and six random characters, so that names sort by age.

use std::{fmt::Write, time::SystemTime};

use super::record::unix_seconds;

const TAIL: usize = 6;
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

pub fn new(now: SystemTime) -> String {
    let mut id = stamp(unix_seconds(now));
    id.push('-');
    id.extend((0..TAIL).map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())])));
    id
}

/// Whether this is the shape of [`new`]'s ids, and so harmless in a path on every platform.
pub fn is_valid(id: &str) -> bool {
    let bytes = id.as_bytes();
    bytes.len() == 16 + TAIL
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 15 => *byte == b'-',
            0..16 => byte.is_ascii_digit(),
            _ => ALPHABET.contains(byte),
        })
}

/// `20261121-091503`.
fn stamp(seconds: u64) -> String {
    let ((year, month, day), (hour, minute, second)) = moment(seconds);
    let mut stamp = String::with_capacity(16 + TAIL);
    // Writing to a string cannot fail.
    let _ = write!(stamp, "{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}");
    stamp
}

/// Seconds since 1970-01-01T00:00:00Z as RFC 3339 writes them: `2026-11-21T09:15:03Z`.
pub fn rfc3339(seconds: u64) -> String {
    let ((year, month, day), (hour, minute, second)) = moment(seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date and the time of day, in UTC.
fn moment(seconds: u64) -> ((u64, u64, u64), (u64, u64, u64)) {
    let second = seconds % 86_400;
    (date(seconds / 86_400), (second / 3600, second / 60 % 60, second % 60))
}

/// The date of a day since 1970-01-01, by Howard Hinnant's `civil_from_days`: years begin in March, so that the day that
/// may be missing is the last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_dates_in_utc() {
        // From `date -u -d @SECONDS +%Y%m%d-%H%M%S`.
        let cases = [
            (0, "19700101-000000"),
            (951_782_400, "20000229-000000"),
            (1_709_251_199, "20240229-235959"),
            (1_709_251_200, "20240301-000000"),
            (1_795_252_503, "20261121-091503"),
            (4_107_542_400, "21000301-000000"),
        ];
        for (seconds, expect) in cases {
            assert_eq!(stamp(seconds), expect);
        }
        assert_eq!(rfc3339(1_795_252_503), "2026-11-21T09:15:03Z");
    }

    #[test]
    fn ids_are_valid_and_differ() {
        let (one, two) = (new(SystemTime::now()), new(SystemTime::now()));
        assert!(is_valid(&one), "{one}");
        assert_ne!(one, two);
    }

    #[test]
    fn nothing_else_is_an_id() {
        for id in [
            "",
            ".",
            "..",
            "../../etc/passwd",
            "20261121-091503-k3f9x",
            "20261121-091503-k3f9x22",
            "20261121-091503-K3F9X2",
            "20261121-091503-../..",
            "20261121/091503-k3f9x2",
            "20261121-091503-k3f9x\0",
            "20261121-091503-k3f9é",
            "con",
            "20261121-091503-k3f9x2.jsonl",
        ] {
            assert!(!is_valid(id), "{id:?}");
        }
    }
}
