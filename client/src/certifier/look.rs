//! Which certificate a server shows, for who is about to pin it.

use std::collections::BTreeSet;

use claviger_attest::{CertificateError, CertificateFacts, verify_pinned};

use super::Fingerprint;
use crate::address::Address;
use crate::channel::Options;
use crate::error::{BrokerFault, Error};
use crate::identity::Identity;
use crate::tls::{Seen, Session, Trust};
use crate::wire::Wire;

/// What a server shows. It hasn't proven anything with it: whoever is in between shows the same.
pub struct Look {
    /// SHA-256 of its certificate.
    pub fingerprint: Fingerprint,
    /// What the certificate says, where it can be read.
    pub facts: Option<CertificateFacts>,
    /// Why it wouldn't be accepted even if it were pinned; `None` where it would.
    pub fault: Option<CertificateError>,
}

/// Begins a handshake, and ends it once the server's certificate has come. Nothing of this machine's is sent.
pub async fn look(address: &Address, identity: &Identity, options: &Options) -> Result<Look, Error> {
    let mut trust = Trust::pinned(identity.domain(), identity.policy(), []);
    let seen = Seen::default();
    trust.seen = Some(seen.clone());
    let session = Session::admitted(trust, identity, &options.time)?;
    match Wire::connect(address, &session, options.timeouts).await {
        Err(Error::BrokerRefused {
            reason: BrokerFault::Certificate(CertificateError::NotPinned { found }),
            ..
        }) => {
            let now = options.time.current_time().ok_or(Error::NoClock)?;
            let leaf = seen.get().map(|(leaf, _)| leaf.clone()).unwrap_or_default();
            Ok(Look {
                fingerprint: Fingerprint(found),
                facts: CertificateFacts::read(&leaf).ok(),
                fault: verify_pinned(identity.policy(), &BTreeSet::from([found]), &leaf, now).err(),
            })
        }
        Err(error) => Err(error),
        // No server is accepted that isn't pinned, and none is.
        Ok(_) => Err(super::CertifierError::NoPin.into()),
    }
}
