//! Issuing: policy certificates, machines' certificates, and the temporary one that enrols.

use std::sync::Arc;
use std::time::Duration;

use claviger_proto::DomainName;
use claviger_proto::evidence::DESCRIPTOR_PLATFORM_RULE;
use claviger_proto::key::{KeyMessage, MessageKey, PublicKey};
use rustls_pki_types::UnixTime;

use super::der::{SEQUENCE, context, tlv};
use super::extension::OID_BYTES;
use super::template::{self, Template, extension};
use super::{
    AdmissionExtension, BrokerMeasurements, CERTIFIER_USERS, DelegatedIssuer, IssuerCertificate, MEASURED,
    POLICY_AUTHORITY, PolicyCertificate, verify_agent, verify_broker,
};
use crate::attested::Attested;
use crate::claim::Vouch;
use crate::error::{CertificateError, IssueError};
use crate::instance::{Identified, Instance};
use crate::key::{KeyAlgorithm, SigningKey};
use crate::measurement::Measurement;
use crate::reference::ListedBroker;
use crate::role::Role;

/// How far the clocks of a domain's machines may lie apart: certificates begin this much before their issue.
pub const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// Days for which an agent is admitted, as in the stock implementation, and at most; less where the domain's owner says so,
/// or the policy certificate ends sooner.
pub const ADMISSION_DAYS: u32 = 365;

/// The shortest time for which an owner can have agents admitted: below it, clocks that differ by [`CLOCK_SKEW`] and a
/// renewal that has to be tried twice would not fit into the last third.
pub const SHORTEST_ADMISSION: Duration = Duration::from_mins(30);

/// Days for which a broker elsewhere is certified, and so for how long it may be without its home; less where the policy
/// certificate ends sooner.
pub const BROKER_DAYS: u32 = 90;

/// Days of the certificate with which an agent enrols: long enough for a slow admission, no identity.
const TEMPORARY_DAYS: u32 = 1;

/// Makes a domain's policy certificate, named as stock tools name it: `CN=policyKey`,
/// `O=<domain>/policyAuthority`; valid from `from`, for `days`.
pub fn self_signed_policy(
    key: &SigningKey,
    domain: &DomainName,
    from: UnixTime,
    days: u32,
) -> Result<PolicyCertificate, IssueError> {
    let authority = format!("{domain}{POLICY_AUTHORITY}");
    let name = template::name(&[(template::COMMON_NAME, "policyKey"), (template::ORGANIZATION, &authority)]);
    let spki = key.public().spki_der();
    let der = Template {
        issuer: &name,
        subject: &name,
        spki,
        validity: (from.as_secs(), end(from, self::days(days))?),
        extensions: &[
            template::basic_constraints(true),
            template::key_usage(template::DIGITAL_SIGNATURE | template::KEY_CERT_SIGN | template::CRL_SIGN),
            template::subject_key_id(spki),
        ],
    }
    .sign(key)?;
    Ok(PolicyCertificate::from_der(&der)?)
}

/// Makes the temporary certificate with which an agent opens its admission channel: it proves the new key,
/// and nothing else.
pub fn self_signed_agent(key: &SigningKey, now: UnixTime) -> Result<Vec<u8>, IssueError> {
    let name = template::name(&[(template::COMMON_NAME, "enrolling")]);
    Template {
        issuer: &name,
        subject: &name,
        spki: key.public().spki_der(),
        validity: (before(now), end(now, days(TEMPORARY_DAYS))?),
        extensions: &[
            template::basic_constraints(false),
            template::key_usage(template::DIGITAL_SIGNATURE),
            template::extended_key_usage(&[template::CLIENT_AUTH]),
        ],
    }
    .sign(key)
}

/// A policy key together with its certificate: it can make any machine's certificate. No `Debug`, no `Clone`.
pub struct Issuer {
    key: SigningKey,
    certificate: PolicyCertificate,
    domain: DomainName,
}

impl Issuer {
    /// Joins a policy key with its certificate, for the domain of this name, and makes sure that what it
    /// issues will be accepted: an agent's and a broker's probe must verify.
    pub fn new(
        key: SigningKey,
        certificate: PolicyCertificate,
        domain: &DomainName,
    ) -> Result<Self, IssueError> {
        if !key.public().same_numbers(certificate.public_key()) {
            return Err(IssueError::KeyMismatch);
        }
        let issuer = Self { key, certificate, domain: domain.clone() };
        issuer.probe()?;
        Ok(issuer)
    }

    /// Issues a machine's certificate on the owner's word: there is no evidence in it. Valid from now (and a
    /// little before, for slow clocks) for `days`, within the policy certificate's own dates.
    pub fn identity(
        &self,
        role: Role,
        spki: &[u8],
        measurement: Option<&Measurement>,
        now: UnixTime,
        days: u32,
    ) -> Result<Vec<u8>, IssueError> {
        self.issue(&Profile::of(AdmissionExtension::new(role)), spki, measurement, now, self::days(days))
    }

    /// The same key and certificate, able to admit agents only.
    pub fn into_admission(self: Arc<Self>) -> AdmissionIssuer {
        AdmissionIssuer { signer: Signer::Policy(self), life: days(ADMISSION_DAYS) }
    }

    /// The same key and certificate, able to admit brokers elsewhere only.
    pub fn into_broker_admission(self: Arc<Self>) -> BrokerIssuer {
        BrokerIssuer(self)
    }

    /// The policy certificate.
    pub fn certificate(&self) -> &PolicyCertificate {
        &self.certificate
    }

    /// The domain.
    pub fn domain(&self) -> &DomainName {
        &self.domain
    }

    fn issue(
        &self,
        profile: &Profile,
        spki: &[u8],
        measurement: Option<&Measurement>,
        now: UnixTime,
        life: Duration,
    ) -> Result<Vec<u8>, IssueError> {
        self.within(now, life)?.issue(profile, spki, measurement)
    }

    fn within(&self, now: UnixTime, life: Duration) -> Result<Within<'_>, IssueError> {
        Ok(Within {
            key: &self.key,
            subject: self.certificate.subject_der(),
            domain: &self.domain,
            key_id: self.certificate.key_id(),
            validity: self.validity(now, life)?,
        })
    }

    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(super) fn validity(&self, now: UnixTime, life: Duration) -> Result<(u64, u64), IssueError> {
        self.certificate.check_dates(now).map_err(IssueError::Policy)?;
        let not_before = before(now).max(self.certificate.not_before().as_secs());
        let not_after = end(now, life)?.min(self.certificate.not_after().as_secs());
        Ok((not_before, not_after))
    }

    /// authorityKeyIdentifier, where the policy certificate has one to be named.
    pub(super) fn authority_key_id(&self) -> Option<Vec<u8>> {
        self.certificate.key_id().map(authority_key_id)
    }

    // A policy certificate can carry constraints that no leaf of ours would satisfy; better found out here than
    // by every machine of the domain.
    fn probe(&self) -> Result<(), IssueError> {
        let now = self.certificate.not_before();
        let measurement = Measurement::from_bytes(&[0; 48]).expect("48 bytes are a measurement");
        let spki = self.certificate.spki_der();
        let agent = self.identity(Role::Agent, spki, Some(&measurement), now, 1)?;
        let broker = self.identity(Role::Broker, spki, None, now, 1)?;
        let any = BrokerMeasurements::Any;
        verify_agent(&self.certificate, &self.domain, &agent, now).map_err(IssueError::Unusable)?;
        verify_broker(&self.certificate, &self.domain, &broker, &any, now).map_err(IssueError::Unusable)?;
        Ok(())
    }
}

/// Who signs, and what holds for all that it signs.
pub(super) struct Within<'a> {
    /// The issuer's key.
    pub(super) key: &'a SigningKey,
    /// Its whole Name, as in its own certificate.
    pub(super) subject: &'a [u8],
    /// The domain.
    pub(super) domain: &'a DomainName,
    /// Its subjectKeyIdentifier, where it has one.
    pub(super) key_id: Option<&'a [u8]>,
    /// First and last second of what is signed.
    pub(super) validity: (u64, u64),
}

impl Within<'_> {
    fn issue(
        &self,
        profile: &Profile,
        spki: &[u8],
        measurement: Option<&Measurement>,
    ) -> Result<Vec<u8>, IssueError> {
        if profile.admission.role == Role::Agent && measurement.is_none() {
            return Err(IssueError::NoMeasurement);
        }
        check_subject_key(spki)?;
        Template {
            issuer: self.subject,
            subject: &machine_name(measurement),
            spki,
            validity: self.validity,
            extensions: &self.extensions(profile),
        }
        .sign(self.key)
    }

    fn extensions(&self, profile: &Profile) -> Vec<Vec<u8>> {
        let mut extensions =
            vec![template::basic_constraints(false), template::key_usage(template::DIGITAL_SIGNATURE)];
        match profile.admission.role {
            Role::Agent if profile.stock => {
                extensions
                    .push(template::extended_key_usage(&[template::CLIENT_AUTH, template::SERVER_AUTH]));
            }
            Role::Agent => extensions.push(template::extended_key_usage(&[template::CLIENT_AUTH])),
            Role::Broker => {
                extensions.push(template::extended_key_usage(&[template::SERVER_AUTH]));
                extensions.push(template::dns_name(self.domain.as_str()));
            }
        }
        extensions.extend(self.key_id.map(authority_key_id));
        extensions.push(extension(OID_BYTES, false, &profile.admission.encode()));
        extensions
    }
}

fn authority_key_id(key_id: &[u8]) -> Vec<u8> {
    extension(template::AUTHORITY_KEY_ID, false, &tlv(SEQUENCE, &[&tlv(context(0), &[key_id])]))
}

/// An issuer on the admission path: it admits what was attested, as an agent, and can do nothing else. No
/// method of it, and nothing reachable from it, takes a role.
#[derive(Clone)]
pub struct AdmissionIssuer {
    signer: Signer,
    pub(super) life: Duration,
}

/// Whose key admits.
#[derive(Clone)]
enum Signer {
    Policy(Arc<Issuer>),
    Delegated(Arc<DelegatedIssuer>),
}

impl DelegatedIssuer {
    /// The same key and certificate, on the admission path.
    pub fn into_admission(self: Arc<Self>) -> AdmissionIssuer {
        AdmissionIssuer { signer: Signer::Delegated(self), life: days(ADMISSION_DAYS) }
    }
}

impl AdmissionIssuer {
    /// The same, whose admissions last this long, at least [`SHORTEST_ADMISSION`] and at most [`ADMISSION_DAYS`].
    #[must_use]
    pub fn lasting(self, life: Duration) -> Self {
        Self { life: life.clamp(SHORTEST_ADMISSION, days(ADMISSION_DAYS)), ..self }
    }

    /// The certificate between the policy certificate and those that this issues, where there is one.
    pub fn delegate(&self) -> Option<&IssuerCertificate> {
        match &self.signer {
            Signer::Policy(_) => None,
            Signer::Delegated(issuer) => Some(issuer.certificate()),
        }
    }

    /// Whether it can issue now, as far as its own dates go.
    pub fn check_dates(&self, now: UnixTime) -> Result<(), CertificateError> {
        match &self.signer {
            Signer::Policy(issuer) => issuer.certificate.check_dates(now),
            Signer::Delegated(issuer) => issuer.certificate().check_dates(now),
        }
    }

    /// The policy key itself, without which stock programs get nothing: they know no issuer between.
    fn policy_key(&self) -> Result<&Issuer, IssueError> {
        match &self.signer {
            Signer::Policy(issuer) => Ok(issuer),
            Signer::Delegated(_) => Err(IssueError::StockDelegate),
        }
    }

    /// Issues the admission certificate of a machine that is attested and identified, for [`ADMISSION_DAYS`] or as long as
    /// they last here.
    pub fn admit(&self, machine: &Identified, now: UnixTime) -> Result<Vec<u8>, IssueError> {
        self.admit_as(&Profile::of(admission_of(machine)), machine, now)
    }

    /// The same for a stock program, which may be a server to its own kind as well: beside clientAuth its certificate has
    /// serverAuth. Its role stays an agent's, so ours take it for no broker.
    pub fn admit_stock(&self, machine: &Identified, now: UnixTime) -> Result<Vec<u8>, IssueError> {
        self.policy_key()?;
        self.admit_as(&Profile { stock: true, ..Profile::of(admission_of(machine)) }, machine, now)
    }

    fn admit_as(
        &self,
        profile: &Profile,
        machine: &Identified,
        now: UnixTime,
    ) -> Result<Vec<u8>, IssueError> {
        let attested = machine.attested();
        let signer = match &self.signer {
            Signer::Policy(issuer) => issuer.within(now, self.life)?,
            Signer::Delegated(issuer) => issuer.within(now, self.life)?,
        };
        signer.issue(profile, attested.spki(), Some(attested.measurement()))
    }

    /// What stock programs call the platform rule: "policyKey says KEY is-trusted-for-attestation", a serialized
    /// `signed_claim_message` over the attested key, for as long as an admission. It is a word of the domain's to
    /// stock verifiers; nothing of ours believes it.
    pub fn platform_rule(&self, machine: &Identified, now: UnixTime) -> Result<Vec<u8>, IssueError> {
        let issuer = self.policy_key()?;
        let key = PublicKey::from_spki_der(machine.attested().spki()).map_err(|_| IssueError::SubjectKey)?;
        let (from, until) = issuer.validity(now, self.life)?;
        let seconds = |time: u64| i64::try_from(time).map_err(|_| IssueError::Validity);
        let rule = Vouch {
            says: public_message("policyKey", &issuer.certificate, issuer.key.public()),
            of: KeyMessage::of("auth-key", MessageKey::Public(key)).encode().to_vec(),
            descriptor: DESCRIPTOR_PLATFORM_RULE,
            dates: (seconds(from)?, seconds(until)?),
        };
        Ok(rule.sign(&issuer.key)?)
    }
}

/// A certificate's role, and what else is said of its holder; and whether that is a stock program.
struct Profile {
    admission: AdmissionExtension,
    stock: bool,
}

impl Profile {
    fn of(admission: AdmissionExtension) -> Self {
        Self { admission, stock: false }
    }
}

fn admission_of(machine: &Identified) -> AdmissionExtension {
    let attested = machine.attested();
    AdmissionExtension {
        instance: machine.instance().map(|instance| instance.id().to_vec()),
        instance_label: machine.instance().and_then(Instance::label).map(str::to_owned),
        enrolment: machine.enrolment().copied(),
        ..said_of(attested, Role::Agent)
    }
}

fn said_of(attested: &Attested, role: Role) -> AdmissionExtension {
    AdmissionExtension {
        reported_tcb: attested.machine().reported_tcb,
        chip_id: attested.machine().chip_id,
        evidence_kind: Some(attested.kind()),
        challenge_fresh: Some(attested.challenge_fresh()),
        evidence_digest: Some(*attested.evidence_digest()),
        ..AdmissionExtension::new(role)
    }
}

/// A policy key as stock programs carry it: with its certificate.
fn public_message(name: &str, certificate: &PolicyCertificate, key: &PublicKey) -> Vec<u8> {
    let message = KeyMessage::of(name, MessageKey::Public(key.clone()));
    KeyMessage { certificate: Some(certificate.der().to_vec()), ..message }.encode().to_vec()
}

/// An issuer on the path of brokers elsewhere: it certifies what was attested and is listed as a broker, as a broker,
/// and can do nothing else.
#[derive(Clone)]
pub struct BrokerIssuer(Arc<Issuer>);

impl BrokerIssuer {
    /// Issues the certificate of a listed broker, for [`BROKER_DAYS`].
    pub fn admit(&self, broker: &ListedBroker, now: UnixTime) -> Result<Vec<u8>, IssueError> {
        let attested = broker.attested();
        let profile = Profile::of(said_of(attested, Role::Broker));
        self.0.issue(&profile, attested.spki(), Some(attested.measurement()), now, days(BROKER_DAYS))
    }
}

fn machine_name(measurement: Option<&Measurement>) -> Vec<u8> {
    let users = (template::COMMON_NAME, CERTIFIER_USERS);
    match measurement {
        Some(measurement) => {
            template::name(&[(template::ORGANIZATION, &format!("{MEASURED}{measurement}")), users])
        }
        None => template::name(&[users]),
    }
}

pub(super) fn check_subject_key(spki: &[u8]) -> Result<(), IssueError> {
    let key = PublicKey::from_spki_der(spki).map_err(|_| IssueError::SubjectKey)?;
    KeyAlgorithm::of_kind(key.kind()).map(|_| ()).ok_or(IssueError::SubjectKey)
}

fn before(now: UnixTime) -> u64 {
    now.as_secs().saturating_sub(CLOCK_SKEW.as_secs())
}

pub(super) fn days(number: u32) -> Duration {
    Duration::from_secs(u64::from(number) * 86_400)
}

pub(super) fn end(from: UnixTime, life: Duration) -> Result<u64, IssueError> {
    if life.is_zero() {
        return Err(IssueError::Validity);
    }
    from.as_secs().checked_add(life.as_secs()).ok_or(IssueError::Validity)
}
