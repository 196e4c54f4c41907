//! Which resources a rule speaks of.

use std::fmt;
use std::str::FromStr;

use claviger_proto::ResourceName;
use claviger_proto::limits::MAX_RESOURCE_NAME;

use crate::LineError;

/// One whole segment, whatever it is.
const ANY: &str = "*";
/// All segments that follow, at least one; only at the end.
const REST: &str = "**";

/// A resource's name in which `*` stands for one whole segment, and `**` at the end for one or more.
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
                Piece::Any => true,
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

/// Whether a pattern's text matches a name's text, segment by segment: the function that casbin's matcher
/// calls. (The index holds patterns in another form and is tested against this one.)
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('/').map(piece);
    let mut segments = name.split('/');
    loop {
        match (pieces.next(), segments.next()) {
            (Some(Piece::Rest), Some(_)) | (None, None) => return true,
            (Some(Piece::Any), Some(_)) => {}
            (Some(Piece::Literal(literal)), Some(segment)) if literal == segment => {}
            _ => return false,
        }
    }
}
