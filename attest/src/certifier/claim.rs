//! Reading a stock policy: every claim signed by the policy key, within its dates, and understood; or nothing.

use claviger_proto::certifier_policy::{
    BufferSequence, ENTITY_MEASUREMENT, ENTITY_PLATFORM, MAX_BLOCKS, PLATFORM_SEV_SNP, Platform,
    VERB_TRUSTED, VERB_TRUSTED_PLATFORM, exact,
};
use claviger_proto::evidence::{
    CLAIM_FORMAT, Claim, Clause, DESCRIPTOR_PLATFORM_RULE, ENTITY_KEY, Entity as Wire, SignedClaim,
    VERB_SAYS, VERB_TRUSTED_FOR_ATTESTATION,
};
use claviger_proto::key::{KeyKind, KeyMessage, MessageKey};
use claviger_proto::time_text::{time_from_text, time_to_text};
use claviger_proto::{ParseError, key::PublicKey};
use rustls_pki_types::UnixTime;

use super::error::{ClaimFault, StockPolicyError};
use super::property::Property;
use super::statement::{Entity, NamedKey, Quality, Statement};
use crate::cert::PolicyCertificate;
use crate::error::AttestError;
use crate::measurement::Measurement;
use crate::signature::Signed;

/// What the policy key says, until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyClaim {
    /// What it says is so.
    pub entity: Entity,
    /// And what it says that this is.
    pub quality: Quality,
    /// First second of the claim, since 1970.
    pub not_before: i64,
    /// Last one.
    pub not_after: i64,
}

/// A stock policy whose claims were verified. Only [`StockPolicy::read`] makes one.
#[derive(Clone, Debug)]
pub struct StockPolicy {
    key: NamedKey,
    claims: Vec<PolicyClaim>,
}

impl StockPolicy {
    /// Reads and verifies all of it; one claim that isn't good refuses them all.
    pub fn read(bytes: &[u8], certificate: &PolicyCertificate, now: i64) -> Result<Self, StockPolicyError> {
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.max(0).unsigned_abs()));
        certificate.check_dates(time)?;
        let sequence: BufferSequence = exact(bytes, "buffer_sequence").map_err(StockPolicyError::Sequence)?;
        if sequence.blocks.is_empty() || sequence.blocks.len() > MAX_BLOCKS {
            return Err(StockPolicyError::Count(sequence.blocks.len()));
        }
        let mut claims: Vec<PolicyClaim> = Vec::with_capacity(sequence.blocks.len());
        for (at, block) in sequence.blocks.iter().enumerate() {
            let claim = read_claim(block, certificate.public_key(), now)
                .and_then(|claim| check_new(&claims, &claim).map(|()| claim));
            claims.push(claim.map_err(|fault| StockPolicyError::Claim { number: at + 1, fault })?);
        }
        Ok(Self { key: NamedKey::new("policyKey", certificate.public_key().clone()), claims })
    }

    /// The policy key.
    pub fn key(&self) -> &NamedKey {
        &self.key
    }

    /// What it says, in order.
    pub fn claims(&self) -> &[PolicyClaim] {
        &self.claims
    }

    /// The claims as sentences of the policy key.
    pub fn statements(&self) -> Vec<Statement> {
        let said =
            |claim: &PolicyClaim| Statement::Is(claim.entity.clone(), claim.quality).said_by(&self.key);
        self.claims.iter().map(said).collect()
    }
}

/// Refuses what is said twice: which of both was meant isn't ours to guess.
fn check_new(before: &[PolicyClaim], claim: &PolicyClaim) -> Result<(), ClaimFault> {
    let place =
        |found: fn(&PolicyClaim, &PolicyClaim) -> bool| before.iter().position(|old| found(old, claim));
    if let Some(at) = place(|old, new| old.entity == new.entity) {
        return Err(ClaimFault::Duplicate(at + 1));
    }
    let is_platform = |claim: &PolicyClaim| claim.quality == Quality::TrustedPlatformProperty;
    match place(|old, new| old.quality == new.quality) {
        Some(at) if is_platform(claim) => Err(ClaimFault::SecondPlatform(at + 1)),
        _ => Ok(()),
    }
}

fn read_claim(block: &[u8], policy_key: &PublicKey, now: i64) -> Result<PolicyClaim, ClaimFault> {
    let outer: SignedClaim = exact(block, "signed_claim_message")?;
    let missing = |name| ClaimFault::Malformed(ParseError::Missing(name));
    let message = outer.claim.ok_or(missing("claim"))?;
    let signer = public_key(&outer.signing_key.ok_or(missing("signing key"))?)?;
    if signer.key() != policy_key {
        return Err(ClaimFault::OtherKey("who signed it"));
    }
    let claim: Claim = exact(&message, "claim_message")?;
    // Before anything that it says: an unsigned claim has nothing to say.
    let algorithm = outer.signing_algorithm.unwrap_or_default();
    let signature = outer.signature.ok_or(missing("signature"))?;
    let envelope = Signed { part: "claim", message, algorithm, signature };
    envelope.verify(policy_key).map_err(|error| match error {
        AttestError::Signature(_) => ClaimFault::Signature,
        _ => ClaimFault::Algorithm,
    })?;
    if claim.format.as_deref() != Some(CLAIM_FORMAT) {
        return Err(ClaimFault::Format);
    }
    if claim.descriptor.as_deref() == Some(DESCRIPTOR_PLATFORM_RULE) {
        return Err(ClaimFault::PlatformRule);
    }
    let (not_before, not_after) = dates(&claim, now)?;
    let clause: Clause = exact(&claim.clause.ok_or(missing("clause"))?, "vse_clause")?;
    let (entity, quality) = sentence(&clause, policy_key)?;
    Ok(PolicyClaim { entity, quality, not_before, not_after })
}

fn dates(claim: &Claim, now: i64) -> Result<(i64, i64), ClaimFault> {
    let whole = |name, text: Option<&str>| text.and_then(whole_date).ok_or(ClaimFault::Date(name));
    let not_before = whole("not_before", claim.not_before.as_deref())?;
    let not_after = whole("not_after", claim.not_after.as_deref())?;
    if now < not_before {
        Err(ClaimFault::NotYetValid(not_before))
    } else if now > not_after {
        Err(ClaimFault::Expired(not_after))
    } else {
        Ok((not_before, not_after))
    }
}

/// A date in the one spelling that stock tools give it, but for the fraction of its second, which is dropped.
pub(super) fn whole_date(text: &str) -> Option<i64> {
    let time = time_from_text(text).ok()?;
    let (seconds, fraction) = text.split_once('.')?;
    let digits = fraction.strip_suffix('Z')?;
    let plain = digits.len() == 5 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let spelled = time_to_text(time);
    (plain && spelled.split_once('.').is_some_and(|(same, _)| same == seconds)).then_some(time)
}

/// "policyKey says …", and what.
fn sentence(clause: &Clause, policy_key: &PublicKey) -> Result<(Entity, Quality), ClaimFault> {
    let Clause { subject: Some(speaker), verb: Some(verb), object: None, clause: Some(said) } = clause else {
        return Err(ClaimFault::Sentence);
    };
    if verb != VERB_SAYS {
        return Err(ClaimFault::Verb(verb.clone(), "the policy key"));
    }
    let Entity::Key(speaker) = entity(speaker)? else { return Err(ClaimFault::Sentence) };
    if speaker.key() != policy_key {
        return Err(ClaimFault::OtherKey("who says it"));
    }
    let Clause { subject: Some(about), verb: Some(verb), object: None, clause: None } = said.as_ref() else {
        return Err(ClaimFault::Sentence);
    };
    let entity = entity(about)?;
    let quality = match (&entity, verb.as_str()) {
        (Entity::Key(key), VERB_TRUSTED_FOR_ATTESTATION) => {
            root(key).map(|()| Quality::TrustedForAttestation)?
        }
        (Entity::Measurement(_), VERB_TRUSTED) => Quality::Trusted,
        (Entity::Platform(_), VERB_TRUSTED_PLATFORM) => Quality::TrustedPlatformProperty,
        (Entity::Key(_), _) => return Err(ClaimFault::Verb(verb.clone(), "a key")),
        (Entity::Measurement(_), _) => return Err(ClaimFault::Verb(verb.clone(), "a measurement")),
        (Entity::Platform(_), _) => return Err(ClaimFault::Verb(verb.clone(), "a platform")),
        (Entity::Environment(_), _) => return Err(ClaimFault::Verb(verb.clone(), "an environment")),
    };
    Ok((entity, quality))
}

/// A key that is too weak to vouch for anything, or of no kind that does.
fn root(key: &NamedKey) -> Result<(), ClaimFault> {
    match key.key().kind() {
        KeyKind::Rsa1024 | KeyKind::Ed25519 => {
            Err(ClaimFault::Key("a root is RSA of 2048 bits or more, P-256 or P-384"))
        }
        _ => Ok(()),
    }
}

fn entity(wire: &Wire) -> Result<Entity, ClaimFault> {
    let parts = [&wire.key, &wire.measurement, &wire.platform, &wire.environment];
    if parts.iter().filter(|part| part.is_some()).count() != 1 {
        return Err(ClaimFault::Entity);
    }
    match (wire.entity_type.as_deref(), wire) {
        (Some(ENTITY_KEY), Wire { key: Some(key), .. }) => public_key(key).map(Entity::Key),
        (Some(ENTITY_MEASUREMENT), Wire { measurement: Some(bytes), .. }) => Measurement::from_bytes(bytes)
            .map(Entity::Measurement)
            .map_err(|_| ClaimFault::Measurement(bytes.len())),
        (Some(ENTITY_PLATFORM), Wire { platform: Some(bytes), .. }) => platform(bytes).map(Entity::Platform),
        _ => Err(ClaimFault::Entity),
    }
}

pub(super) fn public_key(message: &[u8]) -> Result<NamedKey, ClaimFault> {
    let message = KeyMessage::decode(message)?;
    match message.key {
        MessageKey::Public(key) => Ok(NamedKey::new(&message.name, key)),
        _ => Err(ClaimFault::Key("only public keys have a place in a claim")),
    }
}

fn platform(bytes: &[u8]) -> Result<Vec<Property>, ClaimFault> {
    let platform: Platform = exact(bytes, "platform")?;
    let known = platform.platform_type.as_deref() == Some(PLATFORM_SEV_SNP);
    if !known || platform.attest_key.is_some() || platform.has_key == Some(true) {
        return Err(ClaimFault::Platform);
    }
    let mut properties: Vec<Property> = Vec::new();
    for wire in platform.properties.unwrap_or_default().list {
        let property = Property::read(&wire)?;
        if properties.iter().any(|other| other.name == property.name) {
            return Err(ClaimFault::PropertyTwice(property.name));
        }
        properties.push(property);
    }
    if properties.is_empty() { Err(ClaimFault::NoProperties) } else { Ok(properties) }
}
