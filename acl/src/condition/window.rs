//! Hours of the day, UTC, on all days of the week or some.

use std::fmt;
use std::str::FromStr;

use crate::LineError;

const DAY: u64 = 24 * 60;
const WEEK: u64 = 7 * DAY;

/// In the order of the week.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// 1 January 1970 was a Thursday.
const FIRST: u64 = 3;

/// From a minute of the day until another, which isn't in it. One that ends before it begins ends on the next day, and
/// is of the day on which it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The first and the last day; it may go on from Sunday to Monday. None is every day.
    days: Option<(u8, u8)>,
    from: u16,
    until: u16,
}

impl Window {
    /// Whether it is open at this time, seconds since 1970.
    pub(super) fn is_open(self, time: u64) -> bool {
        let (minute, day) = (time / 60 % DAY, (time / 60 / DAY + FIRST) % 7);
        let (from, until) = (u64::from(self.from), u64::from(self.until));
        if from < until {
            return (from..until).contains(&minute) && self.is_on(day);
        }
        (minute >= from && self.is_on(day)) || (minute < until && self.is_on((day + 6) % 7))
    }

    fn is_on(self, day: u64) -> bool {
        self.days.is_none_or(|(first, last)| {
            let (first, last) = (u64::from(first), u64::from(last));
            if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
        })
    }

    /// The same of a time that is text, by how long ago it opened last. A second way to the same answer.
    pub(super) fn is_open_by_text(self, time: &str) -> bool {
        let Ok(time) = time.parse::<u64>() else { return false };
        let now = (time / 60 + FIRST * DAY) % WEEK;
        let (from, until) = (u64::from(self.from), u64::from(self.until));
        let lasts = if until > from { until - from } else { until + DAY - from };
        let (first, last) = self.days.map_or((0, 6), |(first, last)| (u64::from(first), u64::from(last)));
        let count = (last + 7 - first) % 7 + 1;
        (first..first + count).any(|day| (now + 2 * WEEK - (day * DAY + from)) % WEEK < lasts)
    }
}

impl Window {
    /// `22:00-06:00`, `mon-fri 08:00-18:00` or `sat 00:00-24:00`.
    pub(super) fn parse(words: &[&str]) -> Result<Self, LineError> {
        let (days, hours) = match words {
            [hours] => (None, hours),
            [days, hours] => (Some(parse_days(days)?), hours),
            _ => return Err(LineError::Condition),
        };
        let (from, until) = hours.split_once('-').ok_or(LineError::Condition)?;
        let (from, until) = (minute(from)?, minute(until)?);
        // A day ends at 24:00, and begins at 00:00 only; and what begins where it ends is always or never.
        if u64::from(from) == DAY || from == until {
            return Err(LineError::Condition);
        }
        Ok(Self { days, from, until })
    }
}

fn parse_days(text: &str) -> Result<(u8, u8), LineError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let day = |text: &str| {
        let place = DAYS.iter().position(|day| *day == text).ok_or(LineError::Condition)?;
        u8::try_from(place).map_err(|_| LineError::Condition)
    };
    Ok((day(first)?, day(last)?))
}

fn minute(text: &str) -> Result<u16, LineError> {
    let (hours, minutes) = text.split_once(':').ok_or(LineError::Condition)?;
    let two = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        u16::from_str(text).ok().filter(|_| plain).ok_or(LineError::Condition)
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let minute = hours * 60 + minutes;
    if minutes < 60 && u64::from(minute) <= DAY { Ok(minute) } else { Err(LineError::Condition) }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((first, last)) = self.days {
            let [first, last] = [first, last].map(|day| DAYS[usize::from(day)]);
            if first == last { write!(f, "{first} ")? } else { write!(f, "{first}-{last} ")? }
        }
        let [from, until] = [self.from, self.until].map(|minute| (minute / 60, minute % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, until.0, until.1)
    }
}
