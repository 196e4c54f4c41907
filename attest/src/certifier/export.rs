//! A policy of ours as a stock one, signed by the policy key.

use claviger_proto::certifier_policy::{
    ENTITY_MEASUREMENT, ENTITY_PLATFORM, PLATFORM_SEV_SNP, Platform, Properties, VERB_TRUSTED,
    VERB_TRUSTED_PLATFORM, write_sequence,
};
use claviger_proto::evidence::{
    CLAIM_FORMAT, Claim, Clause, ENTITY_KEY, Entity as Wire, SignedClaim, VERB_SAYS,
    VERB_TRUSTED_FOR_ATTESTATION,
};
use claviger_proto::key::{KeyMessage, MessageKey, PublicKey};
use claviger_proto::time_text::time_to_text;
use prost::Message as _;
use rustls_pki_types::UnixTime;

use super::demands::properties;
use super::error::ExportError;
use super::import::amd_root;
use super::losses::{EXPORTED, losses};
use super::property::Property;
use super::statement::{Entity, NamedKey, Quality, Statement};
use crate::cert::PolicyCertificate;
use crate::key::SigningKey;
use crate::kind::EvidenceKind;
use crate::kind::sev_snp::SnpProduct;
use crate::reference::{MilanRule, ReferenceValue, TrustPolicy};
use crate::signature::{STOCK_RSA, is_rsa};

/// The names under which stock tools know keys.
const POLICY_KEY: &str = "policyKey";
const PLATFORM_KEY: &str = "platformKey";
const SNP_ROOT: &str = "ARKKey";

/// How a policy is exported.
#[derive(Clone, Copy, Debug)]
pub struct ExportTerms {
    /// Only what is of this kind.
    pub kind: Option<EvidenceKind>,
    /// Also where stock verifiers would admit more than the policy does.
    pub wider: bool,
    /// Now, seconds since 1970: from when the claims are valid.
    pub now: i64,
    /// Their last second, where nothing ends them before.
    pub not_after: i64,
}

/// A stock policy.
#[derive(Clone, Debug)]
pub struct Export {
    /// The file.
    pub bytes: Vec<u8>,
    /// What it says, claim by claim, and until which second, since 1970.
    pub claims: Vec<(String, i64)>,
    /// What it doesn't say, each as a sentence without its full stop.
    pub warnings: Vec<String>,
}

/// One claim to be.
struct Said {
    entity: Entity,
    quality: Quality,
    not_after: i64,
}

/// Writes what of a policy can be said in stock claims. Where stock verifiers would admit more than it does, that is an
/// error, unless the terms allow it.
pub fn export(
    policy: &TrustPolicy,
    key: &SigningKey,
    certificate: &PolicyCertificate,
    terms: &ExportTerms,
) -> Result<Export, ExportError> {
    if !is_rsa(key.public().kind()) {
        return Err(ExportError::Key);
    }
    if key.public() != certificate.public_key() {
        return Err(ExportError::OtherKey);
    }
    certificate.check_dates(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        terms.now.max(0).unsigned_abs(),
    )))?;
    let (policy, mut warnings) = of_kind(policy, terms.kind);
    let (wider, narrower): (Vec<_>, Vec<_>) =
        losses(&policy, terms.now).into_iter().partition(|loss| loss.wider);
    let wider: Vec<String> = wider.into_iter().map(|loss| loss.what).collect();
    if !wider.is_empty() && !terms.wider {
        return Err(ExportError::Wider(wider));
    }
    warnings.extend(wider);
    warnings.extend(narrower.into_iter().map(|loss| loss.what));
    let said = claims(&policy, terms, &mut warnings);
    if said.is_empty() {
        return Err(ExportError::Nothing);
    }
    sign_all(&said, key, certificate, terms, warnings)
}

fn of_kind(policy: &TrustPolicy, kind: Option<EvidenceKind>) -> (TrustPolicy, Vec<String>) {
    let mut kept = policy.clone();
    let Some(kind) = kind else { return (kept, Vec::new()) };
    let other: Vec<_> = policy.references.iter().filter(|value| value.kind() != kind).collect();
    for value in &other {
        kept.references.remove(value.kind(), value.measurement());
    }
    let left = (!other.is_empty()).then(|| format!("measurements of other kinds than {kind} are left out"));
    (kept, left.into_iter().collect())
}

fn claims(policy: &TrustPolicy, terms: &ExportTerms, warnings: &mut Vec<String>) -> Vec<Said> {
    let (mut said, mut platform): (Vec<Said>, bool) = (Vec::new(), false);
    for kind in EXPORTED {
        let current = |value: &&ReferenceValue| value.kind() == kind && !value.is_expired(terms.now);
        let values: Vec<_> = policy.references.iter().filter(current).collect();
        if values.is_empty() {
            continue;
        }
        let roots = roots(policy, kind, &values, warnings);
        if roots.is_empty() {
            warnings.push(format!("no {kind} machine is admitted, so its measurements are left out"));
            continue;
        }
        let keys = roots.into_iter().map(|key| Said {
            entity: Entity::Key(key),
            quality: Quality::TrustedForAttestation,
            not_after: terms.not_after,
        });
        said.extend(keys);
        for value in values {
            // In the second of its end a value is trusted no longer, a claim still is.
            let not_after = value.expires().map_or(terms.not_after, |end| terms.not_after.min(end - 1));
            let entity = Entity::Measurement(*value.measurement());
            if !said.iter().any(|other| other.entity == entity) {
                said.push(Said { entity, quality: Quality::Trusted, not_after });
            }
        }
        platform |= kind != EvidenceKind::SimulatedEnclave;
    }
    if platform {
        said.push(Said {
            entity: Entity::Platform(properties(policy.references.snp())),
            quality: Quality::TrustedPlatformProperty,
            not_after: terms.not_after,
        });
    }
    if said.iter().any(|claim| claim.not_after < terms.not_after) {
        warnings.push("of a claim's end, stock verifiers look only at the year".to_owned());
    }
    said
}

/// The roots of a kind, each once. AMD's own are those of the products that are admitted at all.
fn roots(
    policy: &TrustPolicy,
    kind: EvidenceKind,
    values: &[&ReferenceValue],
    warnings: &mut Vec<String>,
) -> Vec<NamedKey> {
    let mut roots: Vec<NamedKey> = Vec::new();
    let name = if kind == EvidenceKind::SimulatedEnclave { PLATFORM_KEY } else { SNP_ROOT };
    for root in values.iter().flat_map(|value| value.roots()) {
        let root = NamedKey::new(name, root.clone());
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    if kind == EvidenceKind::SevSnp && values.iter().any(|value| value.roots().is_empty()) {
        for product in &policy.references.snp().products {
            if *product == SnpProduct::Milan && policy.milan() == MilanRule::Refused {
                warnings.push(
                    "AMD's root of product milan is left out, whose machines this policy refuses".to_owned(),
                );
                continue;
            }
            let root = amd_root(*product);
            roots.extend(root.map(|key| NamedKey::new(&format!("ARK-{}", product.certificate_name()), key)));
        }
    }
    roots
}

fn sign_all(
    said: &[Said],
    key: &SigningKey,
    certificate: &PolicyCertificate,
    terms: &ExportTerms,
    warnings: Vec<String>,
) -> Result<Export, ExportError> {
    let policy_key = NamedKey::new(POLICY_KEY, key.public().clone());
    let mut public = KeyMessage::new(POLICY_KEY, MessageKey::Public(key.public().clone()));
    public.certificate = Some(certificate.der().to_vec());
    let public = public.encode().to_vec();
    let (mut blocks, mut claims) = (Vec::new(), Vec::new());
    for claim in said {
        let message = Claim {
            format: Some(CLAIM_FORMAT.to_owned()),
            descriptor: Some(String::new()),
            not_before: Some(time_to_text(terms.now)),
            not_after: Some(time_to_text(claim.not_after)),
            clause: Some(clause(&public, claim).encode_to_vec()),
        }
        .encode_to_vec();
        // With an RSA key that is SHA-256, whatever its size.
        let signature = key.sign(&message)?;
        let signed = SignedClaim {
            claim: Some(message),
            signing_key: Some(public.clone()),
            signing_algorithm: Some(STOCK_RSA.to_owned()),
            signature: Some(signature),
        };
        blocks.push(signed.encode_to_vec());
        let statement = Statement::Is(claim.entity.clone(), claim.quality).said_by(&policy_key);
        claims.push((statement.to_string(), claim.not_after));
    }
    Ok(Export { bytes: write_sequence(blocks), claims, warnings })
}

/// "policyKey says something is …"
fn clause(policy_key: &[u8], claim: &Said) -> Clause {
    let verb = match claim.quality {
        Quality::TrustedForAttestation => VERB_TRUSTED_FOR_ATTESTATION,
        Quality::TrustedPlatformProperty => VERB_TRUSTED_PLATFORM,
        _ => VERB_TRUSTED,
    };
    let inner =
        Clause { subject: Some(entity(&claim.entity)), verb: Some(verb.to_owned()), ..Clause::default() };
    Clause {
        subject: Some(Wire {
            entity_type: Some(ENTITY_KEY.to_owned()),
            key: Some(policy_key.to_vec()),
            ..Wire::default()
        }),
        verb: Some(VERB_SAYS.to_owned()),
        object: None,
        clause: Some(Box::new(inner)),
    }
}

fn entity(entity: &Entity) -> Wire {
    let typed = |kind: &str| Wire { entity_type: Some(kind.to_owned()), ..Wire::default() };
    match entity {
        Entity::Key(key) => Wire { key: Some(key_message(key.name(), key.key())), ..typed(ENTITY_KEY) },
        Entity::Measurement(measurement) => {
            Wire { measurement: Some(measurement.as_bytes().to_vec()), ..typed(ENTITY_MEASUREMENT) }
        }
        Entity::Platform(properties) => {
            Wire { platform: Some(platform(properties)), ..typed(ENTITY_PLATFORM) }
        }
        // No policy says anything about one.
        Entity::Environment(_) => Wire::default(),
    }
}

fn key_message(name: &str, key: &PublicKey) -> Vec<u8> {
    KeyMessage::new(name, MessageKey::Public(key.clone())).encode().to_vec()
}

fn platform(properties: &[Property]) -> Vec<u8> {
    let platform = Platform {
        platform_type: Some(PLATFORM_SEV_SNP.to_owned()),
        attest_key: None,
        properties: Some(Properties { list: properties.iter().map(Property::wire).collect() }),
        has_key: Some(false),
    };
    platform.encode_to_vec()
}
