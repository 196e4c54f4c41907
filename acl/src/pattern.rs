//! Which resources a rule speaks of.

use std::fmt;
use std::str::FromStr;

use claviger_proto::ResourceName;
use claviger_proto::limits::MAX_RESOURCE_NAME;

use crate::LineError;

/// One whole segment, whatever it is.
const ANY: &str = "*";
/// One whole segment, which is the id of the instance that asks, in hex.
const INSTANCE: &str = "{instance}";
/// All segments that follow, at least one; only at the end.
const REST: &str = "**";

/// A resource's name in which `*` stands for one whole segment, `{instance}` for one that is the asking machine's own
/// instance, and `**` at the end for one or more.
/// Characters inside a segment are never patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// This segment.
    Literal(&'a str),
    /// Any one segment.
    Any,
    /// The one that is the asker's instance.
    Instance,
    /// All that follow.
    Rest,
}

impl Pattern {
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.0.split('/').map(piece)
    }
}

fn piece(segment: &str) -> Piece<'_> {
    match segment {
        ANY => Piece::Any,
        INSTANCE => Piece::Instance,
        REST => Piece::Rest,
        literal => Piece::Literal(literal),
    }
}

impl FromStr for Pattern {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let mut segments = text.split('/').peekable();
        let mut whole = text.len() <= MAX_RESOURCE_NAME;
        while let Some(segment) = segments.next() {
            whole &= match piece(segment) {
                Piece::Literal(literal) => literal.parse::<ResourceName>().is_ok(),
                Piece::Any | Piece::Instance => true,
                Piece::Rest => segments.peek().is_none(),
            };
        }
        if whole { Ok(Self(text.to_owned())) } else { Err(LineError::Resource) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a segment is the id of this instance, in its one spelling.
pub(crate) fn is_id(segment: &str, instance: &[u8]) -> bool {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = instance.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    segment.len() == 2 * instance.len()
        && segment.bytes().zip(digits).all(|(is, digit)| is == DIGITS[usize::from(digit)])
}

/// Whether a pattern's text matches a name's text, segment by segment, for an asker with this instance (hex; empty
/// for one without): the function that casbin's matcher
/// calls. (The index holds patterns in another form and is tested against this one.)
pub(crate) fn matches(pattern: &str, name: &str, instance: &str) -> bool {
    let mut pieces = pattern.split('/').map(piece);
    let mut segments = name.split('/');
    loop {
        match (pieces.next(), segments.next()) {
            (Some(Piece::Rest), Some(_)) | (None, None) => return true,
            (Some(Piece::Any), Some(_)) => {}
            // A segment is never empty, so who has no instance has none of these names.
            (Some(Piece::Instance), Some(segment)) if segment == instance => {}
            (Some(Piece::Literal(literal)), Some(segment)) if literal == segment => {}
            _ => return false,
        }
    }
}
