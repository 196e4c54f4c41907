//! The report: what runs, and what it had to say, signed by the attestation key.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use claviger_proto::ParseError;
use claviger_proto::evidence::{REPORT_FORMAT, ReportInfo, SignedReport, UserData};
use claviger_proto::key::PublicKey;
use prost::Message as _;

use super::signature::Signed;
use super::{Dates, KIND, public_key, required};
use crate::attested::Expected;
use crate::digest::sha256;
use crate::error::AttestError;
use crate::instance::{TicketId, ticket_of};
use crate::measurement::Measurement;
use crate::stock::{Said, StockExpected};

const PART: &str = "report";

/// A parsed report; nothing it says is verified yet.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) measurement: Measurement,
    enclave_key: PublicKey,
    user_data: UserData,
    /// SHA-256 of the launch ticket that it carries.
    pub(super) ticket: Option<TicketId>,
    signing_key: PublicKey,
    dates: Dates,
    signed: Signed,
}

impl Report {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let outer = SignedReport::decode(bytes).map_err(|_| malformed("signed_report"))?;
        if outer.format.as_deref() != Some(REPORT_FORMAT) {
            return Err(says("its format is vse-attestation-report"));
        }
        let message = required(PART, "report", outer.report)?;
        let info =
            ReportInfo::decode(message.as_slice()).map_err(|_| malformed("vse_attestation_report_info"))?;
        let user_data = required(PART, "user_data", info.user_data)?;
        let user_data =
            UserData::decode(user_data.as_slice()).map_err(|_| malformed("attestation_user_data"))?;
        let kind = Some(KIND.as_str());
        if info.enclave_type.as_deref() != kind || user_data.enclave_type.as_deref() != kind {
            return Err(says("its enclave type is simulated-enclave, outside and inside"));
        }
        let measurement = required(PART, "measurement", info.measurement)?;
        Ok(Self {
            measurement: Measurement::from_bytes(&measurement)
                .map_err(|_| says("a measurement has 32 or 48 bytes"))?,
            enclave_key: public_key(PART, required(PART, "enclave_key", user_data.enclave_key.as_ref())?)?,
            ticket: user_data.evidence_data.as_deref().map(ticket_of).transpose()?.flatten(),
            user_data,
            signing_key: public_key(PART, &required(PART, "signing_key", outer.signing_key)?)?,
            dates: Dates::parse(PART, info.not_before.as_deref(), info.not_after.as_deref())?,
            signed: Signed {
                part: PART,
                message,
                algorithm: outer.signing_algorithm.unwrap_or_default(),
                signature: required(PART, "signature", outer.signature)?,
            },
        })
    }

    /// All that costs no signature: this channel, this key, this time.
    pub(super) fn check(&self, expected: &Expected<'_>, now: i64) -> Result<(), AttestError> {
        let asking = PublicKey::from_spki_der(expected.spki).map_err(|_| AttestError::OtherKey)?;
        if !self.enclave_key.same_numbers(&asking) {
            return Err(AttestError::OtherKey);
        }
        let binding = self.user_data.binding.as_deref().ok_or(AttestError::Unbound)?;
        verify_slices_are_equal(binding, expected.binding).map_err(|_| AttestError::OtherBinding)?;
        self.dates.check(now)
    }

    /// The same for a report of a stock program, which is for no channel: what it said, and what was signed of it.
    pub(super) fn check_stock(
        &self,
        expected: &StockExpected<'_>,
        now: i64,
    ) -> Result<(Said, [u8; 32]), AttestError> {
        let said = Said::of(PART, &self.user_data, self.enclave_key.clone(), expected, now)?;
        // Its clock may be a little ahead, and it says "from now on".
        self.dates.check(now.max(said.time))?;
        Ok((said, sha256(&self.signed.message)))
    }

    /// The report must be signed by the attestation key that the platform vouched for, and by no other.
    pub(super) fn verify_signature(&self, attest_key: &PublicKey) -> Result<(), AttestError> {
        if !self.signing_key.same_numbers(attest_key) {
            return Err(says("who signs it is who is endorsed"));
        }
        self.signed.verify(attest_key)
    }
}

const fn says(why: &'static str) -> AttestError {
    AttestError::Statement { part: PART, why }
}

const fn malformed(message: &'static str) -> AttestError {
    AttestError::Malformed { part: PART, cause: ParseError::Message(message) }
}
