//! Time strings of the stock messages.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::error::ParseError;

/// Writes a time as stock programs do: `2026-11-24T05:42:42.00000Z`; seconds below 10 are padded with a
/// space (`printf`'s `%8.5lf`).
pub fn time_to_text(unix_seconds: i64) -> String {
    let t = OffsetDateTime::from_unix_timestamp(unix_seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:>2}.00000Z",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    )
}

/// Reads such a time; fractions of a second are dropped.
pub fn time_from_text(text: &str) -> Result<i64, ParseError> {
    parse(text).ok_or(ParseError::Time)
}

fn parse(text: &str) -> Option<i64> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-');
    let mut clock = clock.splitn(3, ':');
    let year = date.next()?.parse().ok()?;
    let month = Month::try_from(date.next()?.parse::<u8>().ok()?).ok()?;
    let day = date.next()?.parse().ok()?;
    let hour = clock.next()?.parse().ok()?;
    let minute = clock.next()?.parse().ok()?;
    let second = clock.next()?.trim_start().split('.').next()?.parse().ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    let time = Time::from_hms(hour, minute, second).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}
