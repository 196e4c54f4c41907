//! The system's time, and how it is told.

use rustls_pki_types::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Now, in seconds since 1970.
pub fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// Now, for certificates.
pub fn unix_time() -> UnixTime {
    UnixTime::now()
}

/// A certificate's time in seconds since 1970.
pub fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// A time in seconds since 1970 as people read it: `2027-11-24T05:42:42Z`.
pub fn text(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds} s after 1970"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(super::text(1_795_498_962), "2026-11-24T05:42:42Z");
        assert_eq!(super::text(i64::MAX), format!("{} s after 1970", i64::MAX));
    }
}
