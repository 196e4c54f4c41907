//! Requests, validated: every name in one is of the channel's own domain.

use crate::limits::MAX_PAGE;
use crate::{EntryType, ResourceName, Secret, Version};

/// A request.
pub enum Request {
    /// Put a new version of a resource.
    Store(Store),
    /// Get a version of a resource.
    Retrieve(Retrieve),
    /// Make a new key in the broker, and put it as a new version of a resource.
    Generate(Generate),
    /// Make a new key of the same kind as the latest version, and put it as a new version.
    Rotate(Rotate),
    /// Which names there are.
    List(List),
    /// Which versions a resource has.
    Versions(Versions),
    /// What is known of one version, without its secret.
    Describe(Retrieve),
    /// Make versions unavailable, so that it can be undone.
    Delete(Target),
    /// Undo a deletion.
    Undelete(Target),
    /// Destroy the secrets of versions for good.
    Destroy(Target),
}

/// Put a new version of a resource.
pub struct Store {
    /// Which resource.
    pub name: ResourceName,
    /// The version asked for; `None` is the next.
    pub version: Option<Version>,
    /// What the blob is.
    pub entry_type: EntryType,
    /// Whether a retrieve may return it.
    pub exportable: bool,
    /// The secret.
    pub blob: Secret,
    /// What else is asked of the put.
    pub options: PutOptions,
}

/// What else is asked of a put, whatever makes the secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// Put only if this is the latest version: compare-and-set.
    pub if_latest: Option<Latest>,
    /// From when on it can't be retrieved, seconds since 1970; `None` is never.
    pub expires: Option<i64>,
}

/// Which version of a resource is its latest, in whatever state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latest {
    /// It has never had one.
    None,
    /// This one.
    Is(Version),
}

impl Latest {
    /// The latest as the highest version there ever was.
    pub fn of(highest: Option<Version>) -> Self {
        highest.map_or(Self::None, Self::Is)
    }
}

/// Get a version of a resource, or what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrieve {
    /// Which resource.
    pub name: ResourceName,
    /// Which version; `None` is the latest.
    pub version: Option<Version>,
}

/// Make a new key in the broker, and put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generate {
    /// Which resource.
    pub name: ResourceName,
    /// Which kind of key, as `key-client cryptstore generate` and the documentation name them. Not looked at here.
    pub kind: String,
    /// Whether a retrieve may return it.
    pub exportable: bool,
    /// What else is asked of the put.
    pub options: PutOptions,
}

/// Make a new key of the same kind as the latest version, and put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotate {
    /// Which resource.
    pub name: ResourceName,
    /// What else is asked of the put.
    pub options: PutOptions,
}

/// Which names there are: those that the peer may list, in the order of their bytes, a page at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Names that begin so; empty is all. Compared byte by byte with local names.
    pub prefix: String,
    /// Names after this one: the last of the page before.
    pub after: Option<ResourceName>,
    /// At most so many, from 1 to [`MAX_PAGE`].
    pub limit: PageSize,
}

/// Which versions a resource has, from the newest, a page at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Which resource.
    pub name: ResourceName,
    /// Versions before this one: the last of the page before.
    pub before: Option<Version>,
    /// At most so many, from 1 to [`MAX_PAGE`].
    pub limit: PageSize,
}

/// How many things a page has at most: 1 to [`MAX_PAGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(usize);

impl PageSize {
    /// A page of at most so many; beyond what is possible it is as large as is possible, and 0 is no page.
    pub fn new(size: usize) -> Option<Self> {
        (size > 0).then_some(Self(size.min(MAX_PAGE)))
    }

    /// How many.
    pub fn get(self) -> usize {
        self.0
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(MAX_PAGE)
    }
}

/// Versions whose state is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Of which resource.
    pub name: ResourceName,
    /// Which versions.
    pub versions: Which,
}

/// One version or all. There is no default: a deletion of everything is asked for in so many words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(Version),
    /// All that there are.
    All,
}

impl Request {
    /// The only name that decisions and stores use; none for a list.
    pub fn name(&self) -> Option<&ResourceName> {
        match self {
            Self::Store(store) => Some(&store.name),
            Self::Retrieve(retrieve) | Self::Describe(retrieve) => Some(&retrieve.name),
            Self::Generate(generate) => Some(&generate.name),
            Self::Rotate(rotate) => Some(&rotate.name),
            Self::Versions(versions) => Some(&versions.name),
            Self::Delete(target) | Self::Undelete(target) | Self::Destroy(target) => Some(&target.name),
            Self::List(_) => None,
        }
    }

    /// Every request type, the most frequent first.
    pub const KINDS: [&'static str; 10] = [
        kind::RETRIEVE,
        kind::STORE,
        kind::LIST,
        kind::VERSIONS,
        kind::DESCRIBE,
        kind::GENERATE,
        kind::ROTATE,
        kind::DELETE,
        kind::UNDELETE,
        kind::DESTROY,
    ];

    /// The request type, as on the wire and in logs; one of [`Request::KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Store(_) => kind::STORE,
            Self::Retrieve(_) => kind::RETRIEVE,
            Self::Generate(_) => kind::GENERATE,
            Self::Rotate(_) => kind::ROTATE,
            Self::List(_) => kind::LIST,
            Self::Versions(_) => kind::VERSIONS,
            Self::Describe(_) => kind::DESCRIBE,
            Self::Delete(_) => kind::DELETE,
            Self::Undelete(_) => kind::UNDELETE,
            Self::Destroy(_) => kind::DESTROY,
        }
    }
}

/// Request types on the wire.
pub(super) mod kind {
    pub(crate) const STORE: &str = "store";
    pub(crate) const RETRIEVE: &str = "retrieve";
    pub(crate) const GENERATE: &str = "generate";
    pub(crate) const ROTATE: &str = "rotate";
    pub(crate) const LIST: &str = "list";
    pub(crate) const VERSIONS: &str = "versions";
    pub(crate) const DESCRIBE: &str = "describe";
    pub(crate) const DELETE: &str = "delete";
    pub(crate) const UNDELETE: &str = "undelete";
    pub(crate) const DESTROY: &str = "destroy";
    /// Asks for a challenge before a request needs one.
    pub(crate) const CHALLENGE: &str = "challenge";
    /// Answers the challenge with evidence.
    pub(crate) const FRESHNESS: &str = "freshness";
    /// Answers the challenge with credentials; the stock protocol's word.
    pub(crate) const SIGNED_NONCE: &str = "signed-nonce";
}
