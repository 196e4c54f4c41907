//! Renewal: a machine that has an admission certificate gets the next one before that ends.

use claviger_attest::{KeyAlgorithm, Purpose, SigningKey, prove_possession};
use claviger_proto::trust::{KeyToCertify, PURPOSE_RENEWAL};
use rustls_pki_types::UnixTime;

use crate::address::Address;
use crate::admission::{bind, challenge, check, collect, request, submit};
use crate::channel::Options;
use crate::enroll::Admitted;
use crate::error::Error;
use crate::evidence::Collector;
use crate::identity::Identity;
use crate::ticket::LaunchTicket;
use crate::tls::{Session, Trust};
use crate::wire::Wire;

/// What to renew, and with which proof.
pub struct Renewal<'a> {
    /// Who the machine is now; its certificate has to be valid still.
    pub identity: &'a Identity,
    /// Where the evidence comes from.
    pub collector: &'a Collector,
    /// A launch ticket, for a machine whose certificate doesn't say yet which one it is.
    pub ticket: Option<&'a LaunchTicket>,
    /// The key of the new certificate.
    pub key: RenewedKey,
}

/// The key of a renewed certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewedKey {
    /// A new one of this kind.
    New(KeyAlgorithm),
    /// The one that there is.
    Kept,
}

/// Opens a channel to the broker's admission port as who the machine is now, proves anew what it runs, and
/// returns the identity that it is from now on. The certificate was checked as [`enroll`](crate::enroll()) does.
///
/// Nothing is kept anywhere, and the old identity stays valid until its end: channels that are open under it go on.
/// [`StateLock::renew_identity`](crate::state::StateLock::renew_identity) puts the new one in its place.
pub async fn renew(admission: &Address, renewal: &Renewal<'_>, options: &Options) -> Result<Admitted, Error> {
    let old = renewal.identity;
    let key = match renewal.key {
        RenewedKey::New(algorithm) => SigningKey::generate(algorithm)?,
        RenewedKey::Kept => SigningKey::from_private(old.key())?,
    };
    let now = options.time.current_time().ok_or(Error::NoClock)?;
    let (domain, policy) = (old.domain().clone(), old.policy().clone());
    let brokers = old.demands(&options.measurements);
    let trust = Trust::new(&domain, &policy, &brokers);
    let session = Session::admitted(trust, old, &options.time)?;
    let mut wire = Wire::connect(admission, &session, options.timeouts).await?;
    let nonce = challenge(&mut wire).await?;
    let spki = Some(key.public().spki_der());
    let binding = bind(&wire, Purpose::Renew, &policy, old.certificate(), spki, &nonce)?;
    let said = renewal.ticket.map(LaunchTicket::user_data);
    let said = said.as_deref().map(Vec::as_slice);
    let evidence = collect(&mut wire, renewal.collector, key.public(), &binding, said, now).await?;
    let mut request = request(PURPOSE_RENEWAL, renewal.collector, evidence);
    let proof = prove_possession(&key, &binding)?;
    request.new_key = Some(KeyToCertify { spki: key.public().spki_der().to_vec(), proof });
    let given = submit(&mut wire, &request).await?;
    let peer = check(admission, &domain, &policy, &given, &key, now)?;
    let identity =
        Identity::new(domain, policy, given.certificate, key.to_private()?).by_issuer(given.issuer);
    Ok(Admitted { identity: identity.with_brokers(brokers), peer })
}

/// From when on a certificate is due for renewal: a third of its life is left.
pub fn due_from(not_before: UnixTime, not_after: UnixTime) -> UnixTime {
    let life = not_after.as_secs().saturating_sub(not_before.as_secs());
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(not_after.as_secs() - life / 3))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_certificate_is_due_in_its_last_third() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        assert_eq!(due_from(at(10), at(100)), at(70));
        assert_eq!(due_from(at(100), at(100)), at(100));
        assert_eq!(due_from(at(200), at(100)), at(100), "dates that contradict each other");
    }
}
