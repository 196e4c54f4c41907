//! Versions of a resource: 1, 2, 3…

use std::fmt;
use std::num::NonZeroU32;

use crate::error::ParseError;

/// One version of a resource, from 1 to `i32::MAX` (the stock field is an int32).
///
/// On the wire 0 stands for "the latest" (get) or "the next" (put); here that is `Option::<Version>::None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU32);

impl Version {
    /// The version that a resource's first put without a number gets.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The largest version.
    pub const MAX: u32 = i32::MAX.unsigned_abs();

    /// A version from its number, if it is within 1..=[`Version::MAX`].
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).filter(|n| n.get() <= Self::MAX).map(Self)
    }

    /// Reads the wire's int32: 0 is `None`, a positive number a version, a negative one an error.
    pub fn from_wire(number: i32) -> Result<Option<Self>, ParseError> {
        match u32::try_from(number) {
            Ok(0) => Ok(None),
            Ok(n) => Ok(Self::new(n)),
            Err(_) => Err(ParseError::NegativeVersion),
        }
    }

    /// The wire's int32 of an optional version; `None` is 0.
    pub fn to_wire(version: Option<Self>) -> i32 {
        version.map_or(0, |v| v.0.get().cast_signed())
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The version after this one, or `None` after the last.
    pub fn next(self) -> Option<Self> {
        Self::new(self.0.get().checked_add(1)?)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
