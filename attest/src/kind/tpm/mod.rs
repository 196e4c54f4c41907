//! A TPM 2.0: a quote of its registers, by a key that a domain's root certifies.
//!
//! The measurement is the quote's digest of its registers, and says nothing without which registers those are: the same
//! digest is met by others, for instance by those that anybody can set. So a domain trusts a digest together with a
//! [selection](PcrSelection), and a quote counts only where both are the same.
//!
//! The key's certificate is what says that a TPM holds it. In stock domains the policy key signs it, as it signs admissions;
//! so what is taken for one says that it is one ([`QuoteCertificate`]).

mod activate;
mod credential;
mod package;
mod pcrs;
mod public;
mod quote;
mod read;
mod signature;
mod stock;

pub use activate::{ACTIVATION_SECONDS, ActivationError, EndorsementKey, TpmActivation};
pub use package::{ITEM_TPM_QUOTE, ITEM_TPM_SIGNATURE, tpm_package, tpm_qualifying_data};
pub use pcrs::PcrSelection;
pub use public::TpmPublic;
pub use quote::{TpmClock, TpmQuote};

pub(super) use stock::screen_stock;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use claviger_proto::key::PublicKey;
use claviger_proto::trust::EvidencePackage;

use self::signature::Signature;
use super::{Claims, EvidenceKind};
use crate::attested::{EndorsementNeeded, Endorsements, Expected};
use crate::cert::QuoteCertificate;
use crate::error::AttestError;
use crate::instance::{MachineClaims, TicketId};
use crate::measurement::Measurement;
use crate::reference::{ReferenceValue, ReferenceValues};

pub(super) const SUBMITTED_TYPE: &str = "tpm-quote-package";

/// Makers of TPMs sign what is the TPM's; that a key quotes is certified by somebody whom the domain names.
pub(super) const NEEDS_ROOT: bool = true;

pub(super) const HAS_VMPL: bool = false;

/// Bytes of a measurement, a SHA-256 over registers.
pub(super) const MEASUREMENT: usize = 32;

const KIND: EvidenceKind = EvidenceKind::Tpm;

/// Evidence of which everything but the signatures was checked.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    quote: TpmQuote,
    signature: Signature,
    certificate: QuoteCertificate,
    /// Those of the values that trust this quote.
    roots: Vec<PublicKey>,
    ticket: Option<TicketId>,
}

/// A quote, and what it must say.
struct Submitted<'a> {
    quote: TpmQuote,
    signature: Signature,
    certificate: &'a [u8],
    extra_data: [u8; 32],
    ticket: Option<TicketId>,
    /// Whether a stock program sent it.
    stock: bool,
}

/// Checks all that costs no signature.
pub(super) fn screen(
    package: &EvidencePackage,
    policy: &ReferenceValues,
    expected: &Expected<'_>,
    now: i64,
) -> Result<Pending, AttestError> {
    // The binding has the key in it.
    package::submitted(package, expected.binding)?.screen(policy, now)
}

impl Submitted<'_> {
    fn screen(self, policy: &ReferenceValues, now: i64) -> Result<Pending, AttestError> {
        let Self { quote, signature, certificate, extra_data, ticket, stock } = self;
        verify_slices_are_equal(quote.extra_data(), &extra_data).map_err(|_| AttestError::OtherBinding)?;
        let measurement = quote.measurement();
        let trusted = policy.trusted(KIND, &measurement, now)?;
        // A value without a selection trusts none.
        let same = |value: &&ReferenceValue| value.pcrs() == Some(quote.pcrs());
        let roots: Vec<_> = trusted.filter(same).flat_map(ReferenceValue::roots).cloned().collect();
        if roots.is_empty() {
            return Err(AttestError::OtherRegisters { measurement, pcrs: quote.pcrs().clone() });
        }
        let certificate = QuoteCertificate::parse(certificate, stock)?;
        certificate.check_dates(now)?;
        Ok(Pending { quote, signature, certificate, roots, ticket })
    }
}

impl TpmQuote {
    /// The digest of its registers as a measurement.
    pub fn measurement(&self) -> Measurement {
        Measurement::of_sha256(self.pcr_digest())
    }
}

impl Pending {
    /// The certificate is part of the evidence.
    #[expect(clippy::unused_self, reason = "other kinds look at it")]
    pub(crate) fn needs(&self) -> Option<EndorsementNeeded> {
        None
    }

    pub(crate) fn verify(&self, _: &Endorsements<'_>, _: i64) -> Result<Claims, AttestError> {
        let measurement = self.quote.measurement();
        if !self.roots.iter().any(|root| self.certificate.is_signed_by(root)) {
            return Err(AttestError::UntrustedRoot(measurement));
        }
        self.signature.verify(self.certificate.key(), self.quote.signed())?;
        let machine = MachineClaims { ticket: self.ticket, ..MachineClaims::default() };
        Ok(Claims { measurement, challenge_fresh: true, machine })
    }
}
