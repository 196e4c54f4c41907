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

/// A time as typed, in RFC 3339, whole seconds: `2027-03-31T00:00:00Z`. In seconds since 1970.
pub fn time(text: &str) -> Result<i64, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|time| time.nanosecond() == 0);
    time.map(OffsetDateTime::unix_timestamp)
        .ok_or_else(|| "a time is in RFC 3339, as 2027-03-31T00:00:00Z".to_owned())
}

/// A time span as typed, in seconds: `45s`, `30m`, `12h`, `90d`. Never none, and at most a hundred years.
pub fn duration(text: &str) -> Result<i64, String> {
    const MOST: i64 = 100 * 365 * 86_400;
    let unit = text.chars().last().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    });
    let number = |unit: i64| {
        let digits = &text[..text.len() - 1];
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|_| plain)?.checked_mul(unit)
    };
    let seconds = unit.and_then(number).filter(|seconds| (1..=MOST).contains(seconds));
    seconds.ok_or_else(|| "a time is a number and s, m, h or d, as in 90d; at most 36500d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_have_one_unit() {
        let good = [("1s", 1), ("30m", 1_800), ("12h", 43_200), ("90d", 7_776_000)];
        assert!(good.iter().all(|(text, seconds)| duration(text) == Ok(*seconds)));
        for bad in ["", "s", "5", "0d", "-1d", "+1d", "1.5h", "1d2h", "36501d", "99999999999999999999d", "1ä"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(super::text(1_795_498_962), "2026-11-24T05:42:42Z");
        assert_eq!(super::text(i64::MAX), format!("{} s after 1970", i64::MAX));
    }
}
