//! What a rule asks of the channel besides who the peer is: freshness, a principal.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use claviger_attest::PrincipalName;
use claviger_proto::key_service::Needs;

use crate::LineError;
use crate::asker::Proven;

/// Longest age that a rule can allow, in seconds: thirty days. A channel doesn't live longer.
const MAX_AGE: u64 = 30 * 86_400;

/// What has to hold on the channel. Nothing at all always holds; what isn't known doesn't.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Evidence on this channel, so old at most.
    fresh_within: Option<Duration>,
    /// This principal proved itself on this channel.
    principal: Option<PrincipalName>,
}

impl Condition {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whom it asks for.
    pub(crate) fn principal(&self) -> Option<&PrincipalName> {
        self.principal.as_ref()
    }

    /// What is missing for it to hold.
    pub(crate) fn lacks(&self, standing: &impl Proven) -> Needs {
        let fresh = |within| standing.age().is_some_and(|age| age <= within);
        Needs {
            freshness: self.fresh_within.is_some_and(|within| !fresh(within)),
            principal: self.principal.as_ref().is_some_and(|name| !standing.is_principal(name)),
        }
    }

    /// The same for casbin, which knows a channel's standing as text only: the age in nanoseconds or nothing, and the
    /// principals with a comma after each. A second way to the same answer, for tests to compare.
    pub(crate) fn holds_by_text(&self, age: &str, principals: &str) -> bool {
        let fresh = self.fresh_within.is_none_or(|within| {
            age.parse::<u128>().is_ok_and(|nanoseconds| nanoseconds <= within.as_nanos())
        });
        let there = |name: &PrincipalName| principals.split_terminator(',').any(|p| p == name.as_str());
        fresh && self.principal.as_ref().is_none_or(there)
    }
}

impl FromStr for Condition {
    type Err = LineError;

    /// `fresh-within 5m and principal ops`, or one of the two.
    fn from_str(text: &str) -> Result<Self, LineError> {
        let mut condition = Self::default();
        for part in text.split(" and ") {
            let mut words = part.split_whitespace();
            let (Some(word), Some(value), None) = (words.next(), words.next(), words.next()) else {
                return Err(LineError::Condition);
            };
            let new = match word {
                "fresh-within" => condition.fresh_within.replace(age(value)?).is_none(),
                "principal" => {
                    let name = value.parse().map_err(|_| LineError::Condition)?;
                    condition.principal.replace(name).is_none()
                }
                _ => false,
            };
            if !new {
                return Err(LineError::Condition);
            }
        }
        Ok(condition)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fresh = self.fresh_within.map(|within| format!("fresh-within {}s", within.as_secs()));
        let principal = self.principal.as_ref().map(|name| format!("principal {name}"));
        f.write_str(&fresh.into_iter().chain(principal).collect::<Vec<_>>().join(" and "))
    }
}

/// A number and s, m, h or d: at least a second, at most thirty days.
fn age(text: &str) -> Result<Duration, LineError> {
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(LineError::Condition)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(LineError::Condition),
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| plain).and_then(|number| number.checked_mul(unit));
    number.filter(|age| (1..=MAX_AGE).contains(age)).map(Duration::from_secs).ok_or(LineError::Condition)
}
