//! `key-client status`

use std::collections::BTreeSet;

use claviger_attest::{CertificateFacts, PolicyCertificate};
use claviger_client::cli::{Failure, OutputMode, Report, clock};
use claviger_client::{Error, Identity, diagnose, due_from};
use claviger_proto::ResourceName;
use claviger_store::slot::SlotKind;
use serde::Serialize;

use crate::args::StatusArgs;

#[derive(Serialize)]
struct Status {
    /// `valid`, `due`, `not-enrolled`, or the code of what is wrong with the certificate.
    state: &'static str,
    domain: Option<String>,
    policy: Option<Certificate>,
    certificate: Option<Certificate>,
    /// From when on the certificate is due for renewal, seconds since 1970.
    due: Option<i64>,
    /// What opens the cryptstore.
    slots: Vec<String>,
    /// Tags, and versions of them, without the identity's own.
    items: usize,
    versions: usize,
}

#[derive(Serialize)]
struct Certificate {
    /// SHA-256, hex.
    fingerprint: String,
    /// Its subject names what is measured; lowercase hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    measurement: Option<String>,
    /// Which machine it is, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// What the domain's owner calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_label: Option<String>,
    /// Seconds since 1970.
    not_before: i64,
    not_after: i64,
}

impl Certificate {
    fn of_policy(policy: &PolicyCertificate) -> Self {
        Self {
            fingerprint: hex::encode(policy.fingerprint()),
            measurement: None,
            instance: None,
            instance_label: None,
            not_before: clock::seconds(policy.not_before()),
            not_after: clock::seconds(policy.not_after()),
        }
    }

    fn of(facts: &CertificateFacts) -> Self {
        Self {
            fingerprint: hex::encode(facts.fingerprint),
            measurement: facts.measurement.map(|measurement| measurement.to_string()),
            instance: facts.instance.as_ref().map(hex::encode),
            instance_label: facts.instance_label.clone(),
            not_before: clock::seconds(facts.not_before),
            not_after: clock::seconds(facts.not_after),
        }
    }

    fn dates(&self) -> String {
        format!("valid from {} to {}", clock::text(self.not_before), clock::text(self.not_after))
    }
}

impl Report for Status {
    fn text(&self) -> String {
        let mut lines = vec![match &self.domain {
            Some(domain) => format!("member of domain {domain}: {}", self.state),
            None => "not enrolled".to_owned(),
        }];
        if let Some(policy) = &self.policy {
            lines.push(format!("  policy certificate {}\n    {}", policy.fingerprint, policy.dates()));
        }
        if let Some(own) = &self.certificate {
            lines.push(format!("  own certificate {}\n    {}", own.fingerprint, own.dates()));
            lines.push(format!("    measurement {}", own.measurement.as_deref().unwrap_or("unknown")));
            let label = own.instance_label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
            lines.extend(own.instance.as_ref().map(|id| format!("    instance {id}{label}")));
        }
        lines.extend(self.due.map(|due| format!("    due for renewal from {}", clock::text(due))));
        lines.push(format!("  key slots: {}", self.slots.join(", ")));
        lines.push(format!("  {} items, {} versions", self.items, self.versions));
        lines.join("\n")
    }
}

pub(crate) fn run(args: &StatusArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = args.state.open()?;
    let cryptstore = state.load().map_err(Error::from)?;
    let slots = state.slots().map_err(Error::from)?.iter().map(slot).collect();
    let own = |tag: &str| {
        let tag = tag.parse::<ResourceName>();
        cryptstore.domain().is_some_and(|domain| tag.is_ok_and(|tag| tag.is_reserved_in(domain)))
    };
    let tags: Vec<_> = cryptstore.entries().map(|entry| entry.tag.as_str()).filter(|tag| !own(tag)).collect();
    let mut status = Status {
        state: "not-enrolled",
        domain: None,
        policy: None,
        certificate: None,
        due: None,
        slots,
        items: tags.iter().collect::<BTreeSet<_>>().len(),
        versions: tags.len(),
    };
    let fault = match cryptstore.domain() {
        Some(_) => membership(&mut status, &state.identity().map_err(Error::from)?),
        None => None,
    };
    // Told whether it is well or not; a fault decides how the command ends.
    mode.tell(&status)?;
    fault.map_or(Ok(()), Err)
}

/// Fills in who the machine is; what is wrong with that, if anything.
fn membership(status: &mut Status, identity: &Identity) -> Option<Failure> {
    status.domain = Some(identity.domain().to_string());
    status.policy = Some(Certificate::of_policy(identity.policy()));
    let facts = CertificateFacts::read(identity.certificate()).ok();
    let due = facts.as_ref().map(|facts| due_from(facts.not_before, facts.not_after));
    status.certificate = facts.as_ref().map(Certificate::of);
    status.due = due.map(clock::seconds);
    let now = clock::unix_time();
    match identity.verify(now) {
        Ok(_) => {
            status.state = if due.is_some_and(|due| now >= due) { "due" } else { "valid" };
            None
        }
        Err(error) => {
            let (code, next) = diagnose(&error);
            status.state = code;
            Some(Failure::new(code, 3, error.to_string(), next))
        }
    }
}

fn slot(kind: &SlotKind) -> String {
    match kind {
        SlotKind::File { path } => format!("file:{}", path.display()),
        SlotKind::Passphrase { .. } => "passphrase".to_owned(),
        SlotKind::Derived { from } => format!("derived:{}", from.platform),
        SlotKind::Shamir { needed, shares } => format!("shares ({needed} of {shares})"),
        _ => "another kind".to_owned(),
    }
}
