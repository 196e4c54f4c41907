//! What a peer could do, answered by what decides requests.

use std::time::Duration;

use claviger_acl::{Action, Decider, Denied, Explanation, Supposed};
use claviger_attest::{CertificateError, Measurement, PrincipalName, verify_agent};
use claviger_proto::admin::{AclAnswer, AclQuestion, AclRule};
use claviger_proto::{DomainName, ResourceName};
use rustls::pki_types::UnixTime;

use super::change::unhex;
use super::{AdminError, Registry};
use crate::domain::Domain;

impl Registry {
    /// From the snapshot that every shard decides by.
    pub(super) fn decision(
        &self,
        name: &DomainName,
        question: &AclQuestion,
    ) -> Result<AclAnswer, AdminError> {
        let domain = self.find(name)?;
        let Who { supposed, revoked, warnings } = who(&domain, question, UnixTime::now())?;
        let action: Action = question.action.parse().map_err(|error: claviger_acl::LineError| {
            AdminError::Invalid(format!("{:?} is no action: {error}", question.action))
        })?;
        let resource: ResourceName = question.resource.parse()?;
        if let Err(refusal) = domain.access.check_suspended() {
            // Before any rule, as for requests.
            let (code, why) = (Some(refusal.code), refusal.message);
            return Ok(AclAnswer { allowed: false, code, why, rules: Vec::new(), warnings });
        }
        if let Some(error) = revoked {
            let (code, why) = (Some(error.code()), error.to_string());
            return Ok(AclAnswer { allowed: false, code, why, rules: Vec::new(), warnings });
        }
        let explained = domain.acl.suppose(&supposed, action, &resource);
        Ok(answer(&explained, warnings))
    }
}

/// Whom a question supposes.
struct Who {
    supposed: Supposed,
    /// Where it is revoked, as far as the question says who it is.
    revoked: Option<CertificateError>,
    /// What is odd about it.
    warnings: Vec<String>,
}

fn who(domain: &Domain, question: &AclQuestion, now: UnixTime) -> Result<Who, AdminError> {
    let mut who = Supposed::default();
    let (mut warnings, mut revoked) = (Vec::new(), None);
    if let Some(certificate) = &question.certificate {
        alone(question)?;
        let leaf = unhex("certificate", certificate)?;
        let peer = verify_agent(&domain.policy, &domain.name, &leaf, now)?;
        revoked = domain.access.revocations.check_peer(&peer, now).err();
        who.measurement = peer.measurement().copied();
        who.set_tcb_of(&peer);
        who.fingerprint = Some(*peer.fingerprint());
        who.instance = peer.instance().and_then(|id| id.try_into().ok());
        who.instance_label = peer.instance_label().map(str::to_owned);
    }
    if let Some(measurement) = &question.measurement {
        who.measurement = Some(measurement.parse()?);
    }
    if let Some(label) = &question.label {
        if question.measurement.is_some() {
            return Err(AdminError::Invalid("name the measurement or its label, not both".to_owned()));
        }
        who.measurement = Some(labelled(domain, label, now)?);
    }
    if let Some(fingerprint) = &question.fingerprint {
        let bytes = unhex("fingerprint", fingerprint)?.try_into();
        let wrong = |_| AdminError::Invalid("a fingerprint is a SHA-256, 64 hex digits".to_owned());
        who.fingerprint = Some(bytes.map_err(wrong)?);
    }
    if let Some(instance) = &question.instance {
        who.set_instance(instance)?;
    }
    if let Some(measurement) = &who.measurement
        && !domain.trust.policy.references.iter().any(|value| value.measurement() == measurement)
    {
        let untrusted = "isn't trusted in the domain, so no machine that runs it is admitted anew";
        warnings.push(format!("measurement {measurement} {untrusted}"));
    }
    if let Some(measurement) = who.measurement.as_ref().filter(|_| revoked.is_none()) {
        revoked = domain.access.revocations.check_measurement(measurement, now).err();
    }
    who.age = question.fresh_age.map(|seconds| Duration::from_secs(seconds.into()));
    who.principals =
        question.principals.iter().map(|name| principal(domain, name)).collect::<Result<_, _>>()?;
    surround(&mut who, question, now)?;
    Ok(Who { supposed: who, revoked, warnings })
}

/// From where it asks, when, and at which TCB.
fn surround(who: &mut Supposed, question: &AclQuestion, now: UnixTime) -> Result<(), AdminError> {
    if let Some(source) = &question.source {
        let wrong = |_| AdminError::Invalid(format!("{source:?} is no IPv4 or IPv6 address"));
        who.source = Some(source.parse().map_err(wrong)?);
    }
    who.time = Some(question.at.unwrap_or_else(|| now.as_secs()));
    if let Some(tcb) = &question.tcb {
        who.set_tcb(tcb)?;
    }
    Ok(())
}

/// A certificate says itself what it says, and nothing can be said beside it.
fn alone(question: &AclQuestion) -> Result<(), AdminError> {
    let AclQuestion { measurement, label, fingerprint, instance, tcb, .. } = question;
    if [measurement, label, fingerprint, instance, tcb].into_iter().all(Option::is_none) {
        return Ok(());
    }
    let said = "a certificate says who its machine is; name nothing of that beside it";
    Err(AdminError::Invalid(said.to_owned()))
}

/// The one measurement that the domain calls so now.
fn labelled(domain: &Domain, label: &str, now: UnixTime) -> Result<Measurement, AdminError> {
    let labels = crate::domain::labels(&domain.trust, crate::actors::audit::seconds(now));
    let mut called: Vec<Measurement> =
        labels.into_iter().filter(|(_, name)| name == label).map(|(measurement, _)| measurement).collect();
    called.sort_unstable();
    called.dedup();
    match called[..] {
        [measurement] => Ok(measurement),
        [] => Err(AdminError::Invalid(format!(
            "{} calls no measurement {label:?} now; `key-admin trust list` shows what it calls them",
            domain.name
        ))),
        _ => Err(AdminError::Invalid(format!(
            "{} calls {} measurements {label:?}; name one of them by --measurement",
            domain.name,
            called.len()
        ))),
    }
}

/// One that the domain knows: nobody can be another.
fn principal(domain: &Domain, name: &str) -> Result<PrincipalName, AdminError> {
    let name: PrincipalName = name.parse()?;
    // Those that count when a request is decided: one that is revoked is nobody.
    if domain.principals.iter().any(|trusted| *trusted.name() == name) {
        return Ok(name);
    }
    Err(AdminError::Invalid(format!(
        "{} knows no principal {name} that isn't revoked, so nobody can be it; `key-admin principal list` shows those it \
         knows, `key-admin revocation list` what is revoked",
        domain.name
    )))
}

fn answer(explained: &Explanation, warnings: Vec<String>) -> AclAnswer {
    AclAnswer {
        allowed: explained.decision.is_ok(),
        code: explained.decision.err().map(Denied::code),
        why: why(explained),
        rules: explained.rules.iter().map(rule).collect(),
        warnings,
    }
}

fn why(explained: &Explanation) -> String {
    let text = match (explained.decision, explained.rules.is_empty()) {
        (Ok(()), _) => "a rule allows it, and none denies it",
        (Err(Denied::NeedsProof(_)), _) => {
            "what a rule asks for isn't proven on the channel; the peer is challenged to prove it"
        }
        (Err(Denied::NotAllowed), true) => "no rule allows it, and what none allows is denied",
        (Err(Denied::NotAllowed), false) if explained.rules.iter().all(|rule| rule.allows) => {
            "what would allow it has a condition that doesn't hold, and that no proof can turn"
        }
        (Err(Denied::NotAllowed), false) => "a rule denies it, whatever others allow",
        (Err(denied), _) => return denied.to_string(),
    };
    text.to_owned()
}

fn rule(Decider { preset, line, text, allows, lacks }: &Decider) -> AclRule {
    AclRule {
        preset: preset.map(|preset| preset.to_string()),
        line: *line,
        text: text.clone(),
        effect: if *allows { "allow" } else { "deny" }.to_owned(),
        lacks: lacks.words().map(str::to_owned).collect(),
    }
}
