//! Why a conversion isn't made.

use super::{Format, Shape, either};
use crate::{EntryType, ErrorCode, ParseError};

/// Why something isn't written, or read, as was asked. Never carries the input: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// No format has this name.
    #[error("a format is one of {}", either(Format::ALL.into_iter().map(Format::as_str)))]
    Unknown,
    /// What is there can't be written so.
    #[error("{shape} can't be written as {format}; it can be as {}", either(shape.written().map(Format::as_str)))]
    NotWritten {
        /// What is there.
        shape: Shape,
        /// What was asked for.
        format: Format,
    },
    /// What is there can't be read so.
    #[error(
        "{shape} can't be read as {format}; it can be as {}", either(shape.read_from().map(Format::as_str))
    )]
    NotRead {
        /// What is there.
        shape: Shape,
        /// As what it was given.
        format: Format,
    },
    /// The format is one for writing only.
    #[error("{format} isn't a format that is read; use raw")]
    WriteOnly {
        /// As what it was given.
        format: Format,
    },
    /// An entry of this type can't hold it.
    #[error("an entry of type {entry_type} can't hold {shape}; it holds {holds}")]
    Type {
        /// The type that was asked for.
        entry_type: EntryType,
        /// What was given.
        shape: Shape,
        /// What one of this type holds.
        holds: &'static str,
    },
    /// The file is a whole entry of another type.
    #[error("the file is an entry of type {found}, not {asked}")]
    OtherType {
        /// The type that was asked for.
        asked: EntryType,
        /// The file's.
        found: EntryType,
    },
    /// A PEM file for one thing holds several, or none.
    #[error("the PEM file holds {found} blocks; it must hold one, the one that is meant")]
    Blocks {
        /// How many it holds.
        found: usize,
    },
    /// A PEM file with another label.
    #[error("the PEM file isn't a {expected}; use the format that its first line names, or pem")]
    Label {
        /// The label expected.
        expected: &'static str,
    },
    /// The bytes aren't what they are said to be.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

impl FormatError {
    /// The stable code: `malformed` or `too-large` where the bytes are wrong, `refused` where the question is.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Parse(error) => (*error).into(),
            Self::Blocks { .. } | Self::Label { .. } => ErrorCode::Malformed,
            _ => ErrorCode::Refused,
        }
    }
}
