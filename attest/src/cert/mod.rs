//! Certificates: the domain's own, those under it, and who a peer is by them.

mod delegate;
pub(crate) mod der;
mod endorsement;
mod extension;
mod facts;
mod issue;
mod peer;
mod person;
mod policy;
mod principal;
mod principal_name;
mod quote;
mod signed;
mod template;
mod view;

#[cfg(test)]
mod tests;

pub use delegate::{DELEGATION_DAYS, DelegatedIssuer, IssuerCertificate, certificate_request};
pub use extension::{ADMISSION_EXTENSION_OID, AdmissionExtension};
pub use facts::{CertificateFacts, certificate_spki};
pub use issue::{
    ADMISSION_DAYS, AdmissionIssuer, BROKER_DAYS, BrokerIssuer, CLOCK_SKEW, Issuer, SHORTEST_ADMISSION,
    self_signed_agent, self_signed_policy,
};
pub use peer::{BrokerMeasurements, Peer, verify_agent, verify_agent_chain, verify_broker, verify_pinned};
pub use person::{Person, PersonRole, self_signed_face, self_signed_operator, verify_person};
pub use policy::PolicyCertificate;
pub use principal::{Principal, Principals, TrustedPrincipal, sign_as_principal};
pub use principal_name::PrincipalName;
pub use signed::{sign_as_broker, verify_signed_by_broker};

pub(crate) use endorsement::EndorsementCertificate;
pub(crate) use quote::QuoteCertificate;

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use webpki::aws_lc_rs as algs;

/// The signatures that a policy certificate may have, and make. No SHA-1, no RSA below 2048 bits.
static SIGNATURES: &[&dyn SignatureVerificationAlgorithm] = &[
    algs::ECDSA_P384_SHA384,
    algs::ECDSA_P256_SHA256,
    algs::ED25519,
    algs::RSA_PKCS1_2048_8192_SHA256,
    algs::ECDSA_P384_SHA256,
    algs::ECDSA_P256_SHA384,
    algs::RSA_PKCS1_2048_8192_SHA384,
    algs::RSA_PKCS1_2048_8192_SHA512,
];

/// What an admission certificate's organization begins with; the measurement in hex follows.
const MEASURED: &str = "Measured-";

/// What a policy certificate's organization ends with; the domain comes before it.
const POLICY_AUTHORITY: &str = "/policyAuthority";

/// The common name of all machines, as in stock certificates.
const CERTIFIER_USERS: &str = "CertifierUsers";

/// First and last second in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Validity {
    not_before: UnixTime,
    not_after: UnixTime,
}

/// Where a time lies outside a validity.
enum Outside {
    Before,
    After,
}

impl Validity {
    fn check(&self, now: UnixTime) -> Result<(), Outside> {
        if now < self.not_before {
            Err(Outside::Before)
        } else if now > self.not_after {
            Err(Outside::After)
        } else {
            Ok(())
        }
    }
}
