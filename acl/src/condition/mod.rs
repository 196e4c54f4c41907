//! What a rule asks besides who the peer is: freshness, a principal, where it comes from, the time, a TCB.

mod network;
pub(crate) mod tcb;
mod window;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use claviger_attest::{PrincipalName, SnpTcb};
use claviger_proto::key_service::Needs;

use crate::LineError;
use crate::asker::Known;
use network::Network;
use window::Window;

/// Longest age that a rule can allow, in seconds: thirty days. A channel doesn't live longer.
const MAX_AGE: u64 = 30 * 86_400;

/// Most networks in one condition: they are looked through one by one, and shown in one line.
const MAX_NETWORKS: usize = 8;

/// What has to hold. Nothing at all always holds; what isn't known doesn't.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Evidence on this channel, so old at most.
    fresh_within: Option<Duration>,
    /// This principal proved itself on this channel.
    principal: Option<PrincipalName>,
    /// The peer's address is in one of these; empty is anywhere.
    source: Vec<Network>,
    /// It is asked in these hours.
    between: Option<Window>,
    /// The TCB in the peer's certificate is in no part lower.
    tcb_at_least: Option<SnpTcb>,
}

/// What of a condition doesn't hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lacks {
    /// What a proof on the channel could turn.
    pub needs: Needs,
    /// The peer's address is in none of the networks, or isn't known.
    pub source: bool,
    /// It isn't the time for it.
    pub time: bool,
    /// The peer's TCB is lower, or isn't known.
    pub tcb: bool,
}

impl Lacks {
    /// Whether all of the condition holds.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether no proof could make it hold.
    pub fn is_final(self) -> bool {
        self.source || self.time || self.tcb
    }

    /// In the words of conditions.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let Self { needs: Needs { freshness, principal }, source, time, tcb } = self;
        let words = [
            (freshness, "fresh-within"),
            (principal, "principal"),
            (source, "source"),
            (time, "between"),
            (tcb, "tcb-at-least"),
        ];
        words.into_iter().filter(|(lacks, _)| *lacks).map(|(_, word)| word)
    }
}

/// What casbin knows of who asks: text. Nothing is what isn't known.
pub(crate) struct Texts<'a> {
    /// Of fresh evidence, in nanoseconds.
    pub(crate) age: &'a str,
    /// A comma after each.
    pub(crate) principals: &'a str,
    pub(crate) source: &'a str,
    /// Seconds since 1970.
    pub(crate) time: &'a str,
    /// All parts, in the order of [`SnpTcb::parts`], with dots between them.
    pub(crate) tcb: &'a str,
}

impl Condition {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whom it asks for.
    pub(crate) fn principal(&self) -> Option<&PrincipalName> {
        self.principal.as_ref()
    }

    /// The same, and this principal as well.
    pub(crate) fn asking_for(mut self, name: &str) -> Result<Self, LineError> {
        let name = name.parse().map_err(|_| LineError::Subject)?;
        if self.principal.replace(name).is_none() { Ok(self) } else { Err(LineError::PrincipalSubject) }
    }

    /// What is missing for it to hold.
    pub(crate) fn lacks(&self, known: &impl Known, tcb: Option<SnpTcb>) -> Lacks {
        let fresh = |within| known.age().is_some_and(|age| age <= within);
        let there = || known.source().is_some_and(|address| self.source.iter().any(|net| net.has(address)));
        let open = |window: Window| known.time().is_some_and(|time| window.is_open(time));
        let high = |floor| tcb.is_some_and(|tcb| tcb::is_at_least(tcb, floor));
        Lacks {
            needs: Needs {
                freshness: self.fresh_within.is_some_and(|within| !fresh(within)),
                principal: self.principal.as_ref().is_some_and(|name| !known.is_principal(name)),
            },
            source: !self.source.is_empty() && !there(),
            time: self.between.is_some_and(|window| !open(window)),
            tcb: self.tcb_at_least.is_some_and(|floor| !high(floor)),
        }
    }

    /// The same for casbin. A second way to the same answer, for tests to compare.
    pub(crate) fn holds_by_text(&self, texts: &Texts<'_>) -> bool {
        let fresh = self.fresh_within.is_none_or(|within| {
            texts.age.parse::<u128>().is_ok_and(|nanoseconds| nanoseconds <= within.as_nanos())
        });
        let there = |name: &PrincipalName| texts.principals.split_terminator(',').any(|p| p == name.as_str());
        fresh
            && self.principal.as_ref().is_none_or(there)
            && (self.source.is_empty() || self.source.iter().any(|net| net.has_text(texts.source)))
            && self.between.is_none_or(|window| window.is_open_by_text(texts.time))
            && self.tcb_at_least.is_none_or(|floor| tcb::is_at_least_by_text(texts.tcb, floor))
    }

    /// Takes one part; each kind may be there once.
    fn take(&mut self, part: &str) -> Result<(), LineError> {
        let words: Vec<&str> = part.split_whitespace().collect();
        let [word, values @ ..] = &words[..] else { return Err(LineError::Condition) };
        let new = match (*word, values) {
            ("fresh-within", [value]) => self.fresh_within.replace(age(value)?).is_none(),
            ("principal", [value]) => {
                let name = value.parse().map_err(|_| LineError::Condition)?;
                self.principal.replace(name).is_none()
            }
            ("source", values) if (1..=MAX_NETWORKS).contains(&values.len()) => {
                let networks = values.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
                std::mem::replace(&mut self.source, networks).is_empty()
            }
            ("between", values) => self.between.replace(Window::parse(values)?).is_none(),
            ("tcb-at-least", values) => self.tcb_at_least.replace(tcb::parse(values)?).is_none(),
            _ => false,
        };
        if new { Ok(()) } else { Err(LineError::Condition) }
    }
}

impl FromStr for Condition {
    type Err = LineError;

    /// `fresh-within 5m and principal ops`, or any others of the parts.
    fn from_str(text: &str) -> Result<Self, LineError> {
        let mut condition = Self::default();
        text.split(" and ").try_for_each(|part| condition.take(part))?;
        Ok(condition)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<_> = self.source.iter().map(ToString::to_string).collect();
        let parts = [
            self.fresh_within.map(|within| format!("fresh-within {}s", within.as_secs())),
            self.principal.as_ref().map(|name| format!("principal {name}")),
            (!networks.is_empty()).then(|| format!("source {}", networks.join(" "))),
            self.between.map(|window| format!("between {window}")),
            self.tcb_at_least.map(|floor| format!("tcb-at-least {}", tcb::text(floor))),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(" and "))
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
