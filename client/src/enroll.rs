//! Admission: a machine proves what it runs and gets a certificate for a key that it just made.

use claviger_attest::{KeyAlgorithm, Peer, PolicyCertificate, Purpose, SigningKey, self_signed_agent};
use claviger_proto::DomainName;
use claviger_proto::trust::PURPOSE_AUTHENTICATION;

use crate::address::Address;
use crate::admission::{bind, challenge, check, collect, request, submit};
use crate::channel::Options;
use crate::error::Error;
use crate::evidence::Collector;
use crate::identity::Identity;
use crate::ticket::LaunchTicket;
use crate::tls::{Session, Trust};
use crate::wire::Wire;

/// What to enroll as, and with which proof.
pub struct Enrollment<'a> {
    /// The domain to become a member of.
    pub domain: &'a DomainName,
    /// Its policy certificate, which the broker has to be under and the admission certificate as well.
    pub policy: &'a PolicyCertificate,
    /// Where the evidence comes from.
    pub collector: &'a Collector,
    /// The launch ticket, where the domain's owner gave one.
    pub ticket: Option<&'a LaunchTicket>,
    /// Of which kind the new key is; P-256 unless there is a reason.
    pub algorithm: KeyAlgorithm,
}

/// An enrolment that succeeded.
pub struct Admitted {
    /// The machine's new identity.
    pub identity: Identity,
    /// What its certificate says: measurement, dates, fingerprint.
    pub peer: Peer,
}

/// Makes a key, proves what this machine runs to the broker's admission port, and returns the identity that
/// it is admitted as. The certificate was checked: it is under the policy certificate, an agent's, valid
/// now, and for that key.
///
/// Nothing is kept anywhere: put the identity into a [`StateDir`](crate::state::StateDir).
pub async fn enroll(
    admission: &Address,
    enrollment: &Enrollment<'_>,
    options: &Options,
) -> Result<Admitted, Error> {
    let key = SigningKey::generate(enrollment.algorithm)?;
    let now = options.time.current_time().ok_or(Error::NoClock)?;
    let leaf = self_signed_agent(&key, now)?;
    let trust = Trust::new(enrollment.domain, enrollment.policy, &options.measurements);
    let session = Session::self_signed(trust, &leaf, key.pkcs8_der(), &options.time)?;
    let mut wire = Wire::connect(admission, &session, options.timeouts).await?;
    let nonce = challenge(&mut wire).await?;
    let spki = Some(key.public().spki_der());
    let binding = bind(&wire, Purpose::Enroll, enrollment.policy, &leaf, spki, &nonce)?;
    let said = enrollment.ticket.map(LaunchTicket::user_data);
    let said = said.as_deref().map(Vec::as_slice);
    let evidence = collect(&mut wire, enrollment.collector, key.public(), &binding, said, now).await?;
    let request = request(PURPOSE_AUTHENTICATION, enrollment.collector, evidence);
    let given = submit(&mut wire, &request).await?;
    let peer = check(admission, enrollment.domain, enrollment.policy, &given, &key, now)?;
    let (domain, policy) = (enrollment.domain.clone(), enrollment.policy.clone());
    let identity =
        Identity::new(domain, policy, given.certificate, key.to_private()?).by_issuer(given.issuer);
    Ok(Admitted { identity: identity.with_brokers(options.measurements.clone()), peer })
}
