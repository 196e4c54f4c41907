//! Certificates of people who administer a domain: its owner's and its auditors'.
//!
//! They lie directly under the policy certificate, as machines' do, and are told apart by their extended key usage: one of
//! ours and no other. No admission path can write it, and no TLS library takes such a certificate for a client's or a
//! server's. What a person may do is for the domain's record to say; a certificate alone opens nothing.

use std::fmt;
use std::str::FromStr;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::KeyUsage;

use super::der::{OID, SEQUENCE, tlv};
use super::extension::OID_BYTES;
use super::issue::{Issuer, check_subject_key, days};
use super::peer::{check_key_usage, verify_chain};
use super::policy::array;
use super::template::{self, EXTENDED_KEY_USAGE, Template};
use super::view::View;
use super::{Outside, PolicyCertificate, PrincipalName, Validity};
use crate::digest::sha256;
use crate::error::{CertificateError, IssueError};
use crate::key::SigningKey;

/// 2.25.66896966727031328491648568475713770257.1 (ITU-T X.667, a UUID of its own): administers the domain.
const OWNER: &[u8] = &[
    0x69, 0xe4, 0xd3, 0xf1, 0xc6, 0xf5, 0x94, 0xaa, 0xa4, 0x87, 0x84, 0x81, 0xe8, 0xcf, 0x9c, 0xc1, 0xee,
    0xa6, 0x11, 1,
];
/// The same with .2: reads the domain's audit trail and policy.
const AUDITOR: &[u8] = &[
    0x69, 0xe4, 0xd3, 0xf1, 0xc6, 0xf5, 0x94, 0xaa, 0xa4, 0x87, 0x84, 0x81, 0xe8, 0xcf, 0x9c, 0xc1, 0xee,
    0xa6, 0x11, 2,
];

/// Days of the certificate by which operators know a broker: they pin it, so its end says nothing that they rely on.
const FACE_DAYS: u32 = 3652;

/// What a person is in a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PersonRole {
    /// Administers it.
    Owner,
    /// Reads its audit trail and its policy.
    Auditor,
}

impl PersonRole {
    /// A word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Auditor => "auditor",
        }
    }

    fn usage(self) -> &'static [u8] {
        match self {
            Self::Owner => OWNER,
            Self::Auditor => AUDITOR,
        }
    }
}

impl fmt::Display for PersonRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PersonRole {
    type Err = IssueError;

    fn from_str(text: &str) -> Result<Self, IssueError> {
        let roles = [Self::Owner, Self::Auditor];
        roles.into_iter().find(|role| role.as_str() == text).ok_or(IssueError::PersonRole)
    }
}

/// Somebody whose certificate the domain's policy key signed for administering it.
#[derive(Clone, Debug)]
pub struct Person {
    role: PersonRole,
    name: PrincipalName,
    fingerprint: [u8; 32],
    validity: Validity,
}

impl Person {
    /// What they may be.
    pub fn role(&self) -> PersonRole {
        self.role
    }

    /// What they are called, for lists and records.
    pub fn name(&self) -> &PrincipalName {
        &self.name
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Last second of its validity.
    pub fn not_after(&self) -> UnixTime {
        self.validity.not_after
    }
}

/// Verifies a person's certificate: signed by this policy key, within its dates and the policy certificate's, with exactly
/// one of our two usages. A machine's certificate, whatever its role, is none.
pub fn verify_person(
    policy: &PolicyCertificate,
    leaf: &[u8],
    now: UnixTime,
) -> Result<Person, CertificateError> {
    let role = role_of(&View::parse(leaf)?)?;
    let leaf_der = CertificateDer::from(leaf);
    let (view, _) = verify_chain(policy, leaf, &leaf_der, now, KeyUsage::required(role.usage()))?;
    if view.extension(OID_BYTES)?.is_some() {
        return Err(CertificateError::Usage);
    }
    check_key_usage(&view, true)?;
    let names: Vec<_> = view.subject_common_names().collect();
    let [Some(name)] = names.as_slice() else { return Err(CertificateError::Usage) };
    let name = name.parse().map_err(|_| CertificateError::Usage)?;
    let validity = view.validity();
    validity.check(now).map_err(|outside| match outside {
        Outside::Before => CertificateError::NotYetValid,
        Outside::After => CertificateError::Expired,
    })?;
    Ok(Person { role, name, fingerprint: array(&sha256(leaf)), validity })
}

/// The one usage, in its one encoding.
fn role_of(view: &View<'_>) -> Result<PersonRole, CertificateError> {
    let usage = view.extension(EXTENDED_KEY_USAGE)?.ok_or(CertificateError::Usage)?;
    let is = |role: &PersonRole| usage == tlv(SEQUENCE, &[&tlv(OID, &[role.usage()])]);
    [PersonRole::Owner, PersonRole::Auditor].into_iter().find(is).ok_or(CertificateError::Usage)
}

impl Issuer {
    /// Issues a person's certificate, for `lasts` days from now, within the policy certificate's own dates.
    pub fn person(
        &self,
        role: PersonRole,
        name: &PrincipalName,
        spki: &[u8],
        now: UnixTime,
        lasts: u32,
    ) -> Result<Vec<u8>, IssueError> {
        check_subject_key(spki)?;
        let mut extensions = vec![
            template::basic_constraints(false),
            template::key_usage(template::DIGITAL_SIGNATURE),
            template::extended_key_usage(&[role.usage()]),
        ];
        extensions.extend(self.authority_key_id());
        let leaf = Template {
            issuer: self.certificate().subject_der(),
            subject: &template::name(&[(template::COMMON_NAME, name.as_str())]),
            spki,
            validity: self.validity(now, days(lasts))?,
            extensions: &extensions,
        }
        .sign(self.key())?;
        verify_person(self.certificate(), &leaf, now).map_err(IssueError::Unusable)?;
        Ok(leaf)
    }
}

/// Makes the certificate by which operators know a broker. They pin it, for nothing else vouches for it.
pub fn self_signed_face(key: &SigningKey, now: UnixTime) -> Result<Vec<u8>, IssueError> {
    self_signed(key, "claviger admin", template::SERVER_AUTH, now, FACE_DAYS)
}

/// Makes the certificate by which a broker knows an operator, for `lasts` days. The broker's configuration lists it, for
/// nothing else vouches for it.
pub fn self_signed_operator(
    key: &SigningKey,
    name: &PrincipalName,
    now: UnixTime,
    lasts: u32,
) -> Result<Vec<u8>, IssueError> {
    self_signed(key, name.as_str(), template::CLIENT_AUTH, now, lasts)
}

fn self_signed(
    key: &SigningKey,
    name: &str,
    usage: &[u8],
    now: UnixTime,
    lasts: u32,
) -> Result<Vec<u8>, IssueError> {
    let name = template::name(&[(template::COMMON_NAME, name)]);
    let end = now.as_secs().checked_add(days(lasts).as_secs()).ok_or(IssueError::Validity)?;
    Template {
        issuer: &name,
        subject: &name,
        spki: key.public().spki_der(),
        validity: (now.as_secs().saturating_sub(super::CLOCK_SKEW.as_secs()), end),
        extensions: &[
            template::basic_constraints(false),
            template::key_usage(template::DIGITAL_SIGNATURE),
            template::extended_key_usage(&[usage]),
        ],
    }
    .sign(key)
}
