//! A simulated platform: what a machine without one has instead. Keys in files, under stock names.

use claviger_proto::evidence::{
    ITEM_SIGNED_CLAIM, ITEM_SIGNED_REPORT, REPORT_FORMAT, ReportInfo, SignedReport, UserData,
};
use claviger_proto::key::{KeyMessage, MessageKey, PublicKey};
use claviger_proto::time_text::time_to_text;
use claviger_proto::trust::{EvidenceItem, EvidencePackage};
use claviger_proto::{ParseError, Secret};
use prost::Message as _;
use rustls_pki_types::UnixTime;

use super::endorsement::Endorsement;
use super::{KIND, signature};
use crate::cert::CLOCK_SKEW;
use crate::claim::Vouch;
use crate::error::{AttestError, KeyError};
use crate::key::{KeyAlgorithm, SigningKey};
use crate::measurement::Measurement;

const ATTEST_KEY_FILE: &str = "attest_key_file.bin";
const PLATFORM_KEY_FILE: &str = "platform_key_file.bin";
const MEASUREMENT_FILE: &str = "cf_utility.measurement";
const ENDORSEMENT_FILE: &str = "platform_attest_endorsement.bin";

const ATTEST_KEY: &str = "attestKey";
const PLATFORM_KEY: &str = "platformKey";

/// An endorsement lasts as long as a stock policy certificate: five years, in seconds.
const ENDORSEMENT_SECONDS: i64 = 5 * 365 * 86_400;

/// A report is made to be shown at once; an hour, in seconds, forgives a clock and serves nobody who keeps it.
const REPORT_SECONDS: i64 = 3_600;

/// Of a report for stock admission, in seconds: it reads no more of a date than the year, so the end has to lie in another
/// year than now. A leap year, as stock reports have a year.
const STOCK_REPORT_SECONDS: i64 = 366 * 86_400;

/// A simulated platform. No `Debug`, no `Clone`: it holds private keys.
pub struct SimulatedPlatform {
    attest_key: SigningKey,
    platform_key: Option<SigningKey>,
    measurement: Measurement,
    endorsement: Vec<u8>,
}

impl SimulatedPlatform {
    /// Makes a platform that will say of itself that it runs `measurement`, under `platform_key` or a new one.
    /// New keys are RSA-2048, which is what stock programs read.
    pub fn generate(
        measurement: Measurement,
        platform_key: Option<SigningKey>,
        now: UnixTime,
    ) -> Result<Self, KeyError> {
        let platform_key = match platform_key {
            Some(key) => key,
            None => SigningKey::generate(KeyAlgorithm::Rsa2048)?,
        };
        let attest_key = SigningKey::generate(KeyAlgorithm::Rsa2048)?;
        let endorsement = endorse(&platform_key, attest_key.public(), seconds(now))?;
        Ok(Self { attest_key, platform_key: Some(platform_key), measurement, endorsement })
    }

    /// Reads a platform from the contents of its files; the platform key isn't needed to attest.
    pub fn from_files(
        attest_key: &[u8],
        measurement: &[u8],
        endorsement: &[u8],
    ) -> Result<Self, AttestError> {
        let part = ATTEST_KEY_FILE;
        let key = KeyMessage::decode(attest_key).map_err(|cause| AttestError::Malformed { part, cause })?.key;
        let MessageKey::Private(key) = key else {
            return Err(AttestError::Statement { part, why: "it holds a private key" });
        };
        let attest_key = SigningKey::from_private(&key)
            .map_err(|_| AttestError::Malformed { part, cause: ParseError::Key("it can't sign") })?;
        let measurement = Measurement::from_bytes(measurement).map_err(|_| AttestError::Statement {
            part: MEASUREMENT_FILE,
            why: "it holds 32 or 48 raw bytes",
        })?;
        if !Endorsement::parse(endorsement)?.attest_key.same_numbers(attest_key.public()) {
            return Err(AttestError::Statement {
                part: ENDORSEMENT_FILE,
                why: "it endorses the key of attest_key_file.bin",
            });
        }
        Ok(Self { attest_key, platform_key: None, measurement, endorsement: endorsement.to_vec() })
    }

    /// The files' stock names and contents. All are handled as secrets, though only the keys are; the platform
    /// key is there only where the platform was just made.
    pub fn files(&self) -> Result<Vec<(&'static str, Secret)>, KeyError> {
        let mut files = vec![
            (ATTEST_KEY_FILE, private_message(ATTEST_KEY, &self.attest_key)?),
            (MEASUREMENT_FILE, Secret::copy_from(self.measurement.as_bytes())),
            (ENDORSEMENT_FILE, Secret::copy_from(&self.endorsement)),
        ];
        if let Some(key) = &self.platform_key {
            files.push((PLATFORM_KEY_FILE, private_message(PLATFORM_KEY, key)?));
        }
        Ok(files)
    }

    /// What it says that it runs.
    pub fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    /// The root that a domain must name to trust this platform; known only where the platform was just made.
    pub fn root(&self) -> Option<&PublicKey> {
        self.platform_key.as_ref().map(SigningKey::public)
    }

    /// Makes evidence for the key with this SPKI, bound to a channel.
    pub fn evidence(
        &self,
        spki: &[u8],
        binding: &[u8; 64],
        now: UnixTime,
    ) -> Result<EvidencePackage, KeyError> {
        self.evidence_with(spki, binding, None, now)
    }

    /// The same, with a serialized [`claviger_proto::evidence::EvidenceUserData`] that is signed along.
    pub fn evidence_with(
        &self,
        spki: &[u8],
        binding: &[u8; 64],
        user_data: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<EvidencePackage, KeyError> {
        let mut said = said(spki, now)?;
        said.binding = Some(binding.to_vec());
        said.evidence_data = user_data.map(<[u8]>::to_vec);
        self.package(&said, REPORT_SECONDS, now)
    }

    /// Makes evidence as the stock programs do: for the key with this SPKI, and bound to no channel.
    pub fn stock_evidence(&self, spki: &[u8], now: UnixTime) -> Result<EvidencePackage, KeyError> {
        self.package(&said(spki, now)?, STOCK_REPORT_SECONDS, now)
    }

    fn package(&self, said: &UserData, lasts: i64, now: UnixTime) -> Result<EvidencePackage, KeyError> {
        let now = seconds(now);
        let info = ReportInfo {
            enclave_type: Some(KIND.as_str().to_owned()),
            measurement: Some(self.measurement.as_bytes().to_vec()),
            not_before: Some(time_to_text(earlier(now))),
            not_after: Some(time_to_text(now.saturating_add(lasts))),
            user_data: Some(said.encode_to_vec()),
        };
        let report = self.sign_report(&info)?;
        let item = |kind: &str, serialized| EvidenceItem { evidence_type: kind.to_owned(), serialized };
        Ok(EvidencePackage {
            prover_type: "vse-verifier".to_owned(),
            enclave_type: KIND.as_str().to_owned(),
            items: vec![
                item(ITEM_SIGNED_CLAIM, self.endorsement.clone()),
                item(ITEM_SIGNED_REPORT, report.encode_to_vec()),
            ],
        })
    }

    fn sign_report(&self, info: &ReportInfo) -> Result<SignedReport, KeyError> {
        let message = info.encode_to_vec();
        let (algorithm, signature) = signature::sign(&self.attest_key, &message)?;
        Ok(SignedReport {
            format: Some(REPORT_FORMAT.to_owned()),
            report: Some(message),
            signing_key: Some(public_message(ATTEST_KEY, self.attest_key.public())),
            signing_algorithm: Some(algorithm),
            signature: Some(signature),
        })
    }
}

/// What an enclave says of its key, as the stock programs have it say.
fn said(spki: &[u8], now: UnixTime) -> Result<UserData, KeyError> {
    let enclave_key = PublicKey::from_spki_der(spki).map_err(|_| KeyError::Unsupported)?;
    Ok(UserData {
        enclave_type: Some(KIND.as_str().to_owned()),
        time: Some(time_to_text(seconds(now))),
        enclave_key: Some(public_message("auth-key", &enclave_key)),
        ..UserData::default()
    })
}

fn endorse(platform_key: &SigningKey, attest_key: &PublicKey, now: i64) -> Result<Vec<u8>, KeyError> {
    Vouch {
        says: public_message(PLATFORM_KEY, platform_key.public()),
        of: public_message(ATTEST_KEY, attest_key),
        descriptor: "",
        dates: (earlier(now), now.saturating_add(ENDORSEMENT_SECONDS)),
    }
    .sign(platform_key)
}

fn public_message(name: &str, key: &PublicKey) -> Vec<u8> {
    KeyMessage::of(name, MessageKey::Public(key.clone())).encode().to_vec()
}

fn private_message(name: &str, key: &SigningKey) -> Result<Secret, KeyError> {
    let mut bytes = KeyMessage::of(name, MessageKey::Private(key.to_private()?)).encode();
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

// Whoever checks it may have the slower clock.
fn earlier(now: i64) -> i64 {
    now.saturating_sub(i64::try_from(CLOCK_SKEW.as_secs()).unwrap_or(0)).max(0)
}
