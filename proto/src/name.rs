//! Names: parsed once, before any decision, and compared only as what the parse gave.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::ParseError;
use crate::limits::{MAX_DOMAIN_NAME, MAX_RESOURCE_NAME};

/// A domain's name: one label of `[a-z0-9_-]`, starting with a letter, not ending in a hyphen, at most
/// 63 bytes. It is the SNI of the domain's channels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DomainName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bytes = text.as_bytes();
        let allowed = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let whole = bytes.len() <= MAX_DOMAIN_NAME
            && bytes.first().is_some_and(u8::is_ascii_lowercase)
            && bytes.last() != Some(&b'-')
            && bytes.iter().all(allowed);
        if whole { Ok(Self(text.into())) } else { Err(ParseError::DomainName) }
    }
}

/// A resource's name inside its domain: segments of `[A-Za-z0-9._-]` joined by `/`, none empty, `.` or
/// `..`, at most 255 bytes, case kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceName(Arc<str>);

impl ResourceName {
    /// Parses a name as a peer of `domain` sent it. If its first segment is the domain itself, that is
    /// stripped, once; any other first segment is just part of a local name, so no other domain can be named.
    pub fn parse_in(domain: &DomainName, text: &str) -> Result<Self, ParseError> {
        // The length counts as sent: a prefix must not smuggle in a longer name than a plain one may have.
        let whole: Self = text.parse()?;
        match whole.0.strip_prefix(domain.as_str()).and_then(|rest| rest.strip_prefix('/')) {
            Some(local) => Ok(Self(local.into())),
            None => Ok(whole),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it is sent on a channel of `domain`: with the domain in front where the other end's parse
    /// would otherwise take the first segment for it. `parse_in` of this is the name again.
    pub fn to_wire(&self, domain: &DomainName) -> String {
        if self.segments().next() == Some(domain.as_str()) && self.0.len() > domain.as_str().len() {
            format!("{domain}/{self}")
        } else {
            self.0.as_ref().to_owned()
        }
    }

    /// Its segments, in order; never empty.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether the name is one of the two that every domain reserves for the machines' own identity:
    /// `<domain>-private-auth-key` and `<domain>-admission-certificate`, as any segment, with `-` or `_`,
    /// in any case, and the bare role as the whole name (what `<domain>/private-auth-key` becomes).
    ///
    /// Refusing a little too much costs a tenant a name; refusing too little costs a machine its key.
    pub fn is_reserved_in(&self, domain: &DomainName) -> bool {
        const ROLES: [&str; 2] = ["private-auth-key", "admission-certificate"];
        let of_domain = |segment: &str, role: &str| {
            segment.split_at_checked(domain.as_str().len()).is_some_and(|(head, tail)| {
                folded_eq(head, domain.as_str())
                    && tail
                        .split_at_checked(1)
                        .is_some_and(|(dash, tail)| folded_eq(dash, "-") && folded_eq(tail, role))
            })
        };
        ROLES
            .into_iter()
            .any(|role| folded_eq(&self.0, role) || self.segments().any(|segment| of_domain(segment, role)))
    }
}

/// Whether both are the same but for case and the kind of dash. On every request's way: nothing is copied.
fn folded_eq(a: &str, b: &str) -> bool {
    let folded = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| folded(a) == folded(b))
}

impl Borrow<str> for ResourceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.len() > MAX_RESOURCE_NAME {
            return Err(ParseError::ResourceNameTooLong);
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let segment = |s: &str| !matches!(s, "" | "." | "..") && s.bytes().all(allowed);
        if text.split('/').all(segment) { Ok(Self(text.into())) } else { Err(ParseError::ResourceName) }
    }
}

macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseError;

            fn try_from(text: String) -> Result<Self, ParseError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl From<$name> for Arc<str> {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )*};
}

text_conversions!(DomainName, ResourceName);
