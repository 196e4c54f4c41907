//! Makes `data/`, the world that the targets of attestation live in, and seeds from it. Its private keys are
//! forgotten: `cargo run --manifest-path fuzz/Cargo.toml --no-default-features --example world`

use std::error::Error;
use std::fs;
use std::path::Path;

use claviger_attest::{
    AdmissionExtension, Issuer, KeyAlgorithm, Measurement, Role, SigningKey, SimulatedPlatform,
    self_signed_agent, self_signed_policy,
};
use claviger_fuzz::attestation::{BINDING, ELSEWHERE, now};
use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    let domain = "dom0".parse()?;
    let policy_key = SigningKey::generate(KeyAlgorithm::P256)?;
    let policy = self_signed_policy(&policy_key, &domain, now(), 3650)?;
    let agent = SigningKey::generate(KeyAlgorithm::P256)?;
    let spki = agent.public().spki_der();
    let measurement = Measurement::from_bytes(&[0x5a; 32])?;
    let platform_key = SigningKey::generate(KeyAlgorithm::P256)?;
    let root = platform_key.public().spki_der().to_vec();
    let platform = SimulatedPlatform::generate(measurement, Some(platform_key), now())?;
    put("data/policy.der", policy.der())?;
    put("data/agent.spki", spki)?;
    put("data/platform.spki", &root)?;
    put("data/measurement", measurement.as_bytes())?;

    put("seeds/evidence/good", &platform.evidence(spki, &BINDING, now())?.encode_to_vec())?;
    put("seeds/evidence/elsewhere", &platform.evidence(spki, &ELSEWHERE, now())?.encode_to_vec())?;
    put("seeds/policy_certificate/p256", policy.der())?;
    let temporary = self_signed_agent(&agent, now())?;
    put("seeds/policy_certificate/no-authority", &temporary)?;
    let issuer = Issuer::new(policy_key, policy, &domain)?;
    put("seeds/certificate/agent", &issuer.identity(Role::Agent, spki, Some(&measurement), now(), 365)?)?;
    put("seeds/certificate/broker", &issuer.identity(Role::Broker, spki, None, now(), 365)?)?;
    put("seeds/certificate/self-signed", &temporary)?;

    let mut whole = AdmissionExtension::new(Role::Agent);
    whole.reported_tcb = Some(3);
    whole.chip_id = Some([4; 64]);
    whole.instance = Some(b"i-1".to_vec());
    whole.challenge_fresh = Some(true);
    whole.evidence_digest = Some([5; 48]);
    put("seeds/admission_extension/whole", &whole.encode())?;
    put("seeds/admission_extension/broker", &AdmissionExtension::new(Role::Broker).encode())?;
    Ok(())
}

fn put(path: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::create_dir_all(path.parent().ok_or("a folder")?)?;
    Ok(fs::write(path, bytes)?)
}
