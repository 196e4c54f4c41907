//! Requests to a stock key server, each on a connection of its own: it reads one request and takes no notice of a second.

use std::sync::Arc;

use claviger_proto::key_service::{
    Outcome, PutOptions, Refusal, Retrieve, Store, decode_response, encode_stock_retrieve, encode_stock_store,
};
use claviger_proto::limits::MAX_KEY_SERVICE_FRAME;
use claviger_proto::{Entry, ErrorCode, ResourceName, Version};
use rustls::time_provider::TimeProvider;

use super::{CertifierError, Fingerprint};
use crate::address::Address;
use crate::channel::Options;
use crate::error::{Error, ProtocolFault};
use crate::identity::Identity;
use crate::timeouts::Timeouts;
use crate::tls::{Session, Trust};
use crate::wire::Wire;

/// A stock key server, and who this machine is to it.
pub struct KeyServer {
    address: Address,
    session: Session,
    timeouts: Timeouts,
    time: Arc<dyn TimeProvider>,
}

impl KeyServer {
    /// Prepares; nothing is sent yet. A server is accepted by one of these fingerprints alone, and if its certificate is
    /// under the domain's policy certificate and within its dates.
    pub fn new<'a>(
        address: &Address,
        identity: &Identity,
        pinned: impl IntoIterator<Item = &'a Fingerprint>,
        options: &Options,
    ) -> Result<Self, Error> {
        let trust = Trust::pinned(identity.domain(), identity.policy(), pinned);
        if trust.accepts_nobody() {
            return Err(CertifierError::NoPin.into());
        }
        let session = Session::admitted(trust, identity, &options.time)?;
        let (timeouts, time) = (options.timeouts, Arc::clone(&options.time));
        Ok(Self { address: address.clone(), session, timeouts, time })
    }

    /// Gets an entry: the first that the server has of the name, for it returns no other. One that isn't the version that
    /// was asked for is refused. The entry's version is `None` where the server's has none.
    pub async fn retrieve(&self, retrieve: Retrieve) -> Result<Entry, Error> {
        let Retrieve { name, version } = retrieve;
        self.check_name(&name)?;
        let entry = self.first(&name, version).await?;
        match version {
            Some(asked) if entry.version != Some(asked) => {
                let given = entry.version.map_or(0, Version::get);
                Err(CertifierError::OtherVersion { name: name.to_string(), asked, given }.into())
            }
            _ => Ok(entry),
        }
    }

    /// Puts an entry where a retrieve returns it, and looks whether one does.
    ///
    /// A stock server keeps whatever comes, and says nothing of the version. Without a number it puts a second entry
    /// behind the first, which no retrieve returns; with a number it writes over the first. So what is there is looked
    /// at before: a new name becomes version 1, one that is there is replaced by its next number only, when that is
    /// asked for. Another writer in between isn't seen before the last look.
    ///
    /// Returns the version; `None` for what isn't exportable, which can't be looked at.
    pub async fn store(&self, store: Store) -> Result<Option<Version>, Error> {
        let Store { name, version, entry_type, exportable, blob, options } = store;
        self.check_name(&name)?;
        if options != PutOptions::default() {
            return Err(CertifierError::Lacks {
                what: "conditions (--if-latest) and no expiry (--expires-in)",
            }
            .into());
        }
        let now = self.time.current_time().ok_or(Error::NoClock)?;
        let entered = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut entry = Entry { tag: name.to_string(), entry_type, version, entered, exportable, blob };
        let there = match self.first(&name, None).await {
            Ok(there) => Some(there),
            Err(Error::Certifier(CertifierError::Failed { .. })) => None,
            Err(error) => return Err(error),
        };
        match place(&name, there.as_ref(), &entry)? {
            Place::Kept(version) => return Ok(Some(version)),
            Place::At(version) => entry.version = version,
        }
        match self.exchange(&encode_stock_store(&entry)).await? {
            Outcome::Stored(_) => {}
            _ => return Err(self.unrelated()),
        }
        if !entry.exportable {
            return Ok(None);
        }
        match self.first(&name, entry.version).await {
            Ok(kept) if is_same(&kept, &entry) && at(&kept, entry.version) => Ok(kept.version),
            Ok(_) | Err(Error::Certifier(CertifierError::Failed { .. })) => {
                Err(CertifierError::NotKept { name: name.to_string() }.into())
            }
            Err(error) => Err(error),
        }
    }

    /// A machine's own entries are nobody's resource, though a stock server gives and takes them.
    fn check_name(&self, name: &ResourceName) -> Result<(), Error> {
        if !name.is_reserved_in(&self.session.domain) {
            return Ok(());
        }
        let text = "this name is reserved for machines' own keys and certificates; nothing was sent";
        Err(Error::Refused { refusal: Refusal::new(ErrorCode::ReservedName, text), request_id: None })
    }

    /// The server's first entry of a name, whatever its version.
    async fn first(&self, name: &ResourceName, asked: Option<Version>) -> Result<Entry, Error> {
        match self.exchange(&encode_stock_retrieve(name, asked)).await? {
            Outcome::Retrieved(entry) if entry.tag == name.as_str() => Ok(entry),
            _ => Err(self.unrelated()),
        }
    }

    async fn exchange(&self, body: &[u8]) -> Result<Outcome, Error> {
        let mut wire = Wire::connect(&self.address, &self.session, self.timeouts).await?;
        let answer = wire.exchange(body, MAX_KEY_SERVICE_FRAME).await?;
        let outcome = decode_response(answer, None).map_err(|fault| wire.fault(fault))?.outcome;
        match outcome {
            Outcome::Refused(_) => Err(CertifierError::Failed { address: self.address.clone() }.into()),
            outcome => Ok(outcome),
        }
    }

    fn unrelated(&self) -> Error {
        Error::Protocol { address: self.address.clone(), fault: ProtocolFault::Unrelated }
    }
}

/// What becomes of a store.
enum Place {
    /// It is there already.
    Kept(Version),
    /// It is sent with this version.
    At(Option<Version>),
}

fn place(name: &ResourceName, there: Option<&Entry>, entry: &Entry) -> Result<Place, CertifierError> {
    let text = name.to_string();
    let Some(there) = there else {
        return match entry.version {
            None | Some(Version::FIRST) => Ok(Place::At(entry.version)),
            Some(asked) => Err(CertifierError::NotFirst { name: text, asked }),
        };
    };
    let number = there.version.unwrap_or(Version::FIRST);
    match entry.version {
        None => Err(CertifierError::Hidden { name: text, there: number }),
        Some(asked) if asked == number && is_same(there, entry) => Ok(Place::Kept(number)),
        Some(asked) if Some(asked) == number.next() => Ok(Place::At(Some(asked))),
        Some(asked) => Err(CertifierError::NotNext { name: text, there: number, asked }),
    }
}

fn at(kept: &Entry, asked: Option<Version>) -> bool {
    asked.is_none() || kept.version == asked
}

fn is_same(kept: &Entry, entry: &Entry) -> bool {
    kept.blob == entry.blob && kept.entry_type == entry.entry_type && kept.exportable == entry.exportable
}
