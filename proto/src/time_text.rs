//! Time strings of the stock messages.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::error::ParseError;

/// Writes a time as stock programs do: `2026-11-24T05:42:42.00000Z`; seconds below 10 are padded with a
/// space (`printf`'s `%8.5lf`).
pub fn time_to_text(unix_seconds: i64) -> String {
    let t = OffsetDateTime::from_unix_timestamp(unix_seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    if !(0..=9999).contains(&t.year()) {
        return time_to_text(0);
    }
    // By hand: the text is part of every answer, and formatting it costs more than sealing what is in it.
    let mut text = b"0000-00-00T00:00: 0.00000Z".to_owned();
    put_digits(&mut text[..4], t.year().unsigned_abs());
    for (at, number) in [(5, u8::from(t.month())), (8, t.day()), (11, t.hour()), (14, t.minute())] {
        put_digits(&mut text[at..at + 2], number.into());
    }
    let second = t.second();
    put_digits(if second < 10 { &mut text[18..19] } else { &mut text[17..19] }, second.into());
    String::from_utf8(text.to_vec()).unwrap_or_default()
}

/// Writes the last digits of a number, as many as there is room for.
fn put_digits(room: &mut [u8], mut number: u32) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
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
