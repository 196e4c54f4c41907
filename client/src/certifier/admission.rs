//! A certificate from stock admission: evidence in, certificate out. No challenge, and nothing says who answers but the
//! certificate itself, which only the policy key can make.

use claviger_attest::{KeyAlgorithm, SigningKey};
use claviger_proto::trust::{PURPOSE_AUTHENTICATION, TrustResponse};

use super::{CertifierError, plain};
use crate::address::Address;
use crate::admission::{Given, check, request};
use crate::channel::Options;
use crate::enroll::{Admitted, Enrollment};
use crate::error::{Error, ProtocolFault};
use crate::evidence::stock_evidence;
use crate::identity::Identity;
use crate::renew::{Renewal, RenewedKey};

/// Makes a key, has the platform sign that it lives here, and returns the identity that stock admission certifies. The
/// certificate was checked: it is under the policy certificate, valid now, and for that key.
pub async fn certify(
    admission: &Address,
    enrollment: &Enrollment<'_>,
    options: &Options,
) -> Result<Admitted, Error> {
    if enrollment.ticket.is_some() {
        return Err(CertifierError::Lacks { what: "launch tickets" }.into());
    }
    admit(admission, enrollment, SigningKey::generate(enrollment.algorithm)?, options).await
}

/// The same for a machine that has an identity already. Stock admission knows no renewal: it admits the machine anew, and
/// the old certificate isn't looked at.
pub async fn recertify(
    admission: &Address,
    renewal: &Renewal<'_>,
    options: &Options,
) -> Result<Admitted, Error> {
    if renewal.ticket.is_some() {
        return Err(CertifierError::Lacks { what: "launch tickets" }.into());
    }
    let old = renewal.identity;
    let key = match renewal.key {
        RenewedKey::New(algorithm) => SigningKey::generate(algorithm)?,
        RenewedKey::Kept => SigningKey::from_private(old.key())?,
    };
    let enrollment = Enrollment {
        domain: old.domain(),
        policy: old.policy(),
        collector: renewal.collector,
        ticket: None,
        algorithm: key.algorithm(),
    };
    let Admitted { identity, peer } = admit(admission, &enrollment, key, options).await?;
    Ok(Admitted { identity: identity.with_brokers(old.brokers().clone()), peer })
}

async fn admit(
    admission: &Address,
    enrollment: &Enrollment<'_>,
    key: SigningKey,
    options: &Options,
) -> Result<Admitted, Error> {
    if !matches!(key.algorithm(), KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096) {
        return Err(CertifierError::Lacks {
            what: "certificate for a key other than RSA (its admission ends over one)",
        }
        .into());
    }
    let now = options.time.current_time().ok_or(Error::NoClock)?;
    let (submitted, evidence) = stock_evidence(enrollment.collector, key.public(), now).await?;
    let mut request = request(PURPOSE_AUTHENTICATION, enrollment.collector, evidence);
    submitted.clone_into(&mut request.submitted_evidence_type);
    let answer = plain::exchange(admission, &request.encode_body(), options.timeouts).await?;
    let fault = |fault| Error::Protocol { address: admission.clone(), fault };
    let (answer, _) = TrustResponse::decode_body(&answer).map_err(|error| fault(error.into()))?;
    let given = match answer {
        TrustResponse::Admitted(certificate) => Given { certificate, issuer: None },
        TrustResponse::Refused(_) => {
            return Err(CertifierError::NotAdmitted { address: admission.clone() }.into());
        }
        TrustResponse::Challenge(_) | TrustResponse::AdmittedBy { .. } => {
            return Err(fault(ProtocolFault::Unrelated));
        }
    };
    let (domain, policy) = (enrollment.domain.clone(), enrollment.policy.clone());
    let peer = check(admission, &domain, &policy, &given, &key, now)?;
    Ok(Admitted { identity: Identity::new(domain, policy, given.certificate, key.to_private()?), peer })
}
