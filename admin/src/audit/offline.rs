//! `key-admin audit verify --export`: with the policy certificate alone.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use claviger_attest::verify_signed_by_broker;
use claviger_client::cli::certificates::read_policy;
use claviger_client::cli::{Failure, Report, clock};
use claviger_client::files::FileError;
use claviger_store::audit::export::{
    About, ChainSeen, CheckSignature, CheckpointSeen, ExportError, Verdict, held, verify_export,
};
use serde::Serialize;

use crate::context::Context;

#[derive(Args)]
pub(crate) struct Offline {
    /// An exported trail, to check it here
    #[arg(long, value_name = "FILE", requires = "policy_cert")]
    export: Option<PathBuf>,
    /// The domain's policy certificate, from elsewhere than the broker
    #[arg(long, value_name = "FILE", requires = "export")]
    policy_cert: Option<PathBuf>,
    /// A checkpoint that you have kept, or an earlier export: the trail must reach it and go on from it
    #[arg(long, value_name = "FILE", requires = "export")]
    since: Option<PathBuf>,
}

pub(super) fn run(context: &Context, args: &Offline) -> Result<ExitCode, Failure> {
    let (Some(export), Some(policy)) = (&args.export, &args.policy_cert) else {
        return Err(Failure::new("usage", 2, "neither a domain nor an export is named", "see --help"));
    };
    let policy = read_policy(policy)?;
    let check = |about: &About, bytes: &[u8], signature: &[u8]| {
        let broker = verify_signed_by_broker(&policy, &about.domain, bytes, signature).ok()?;
        Some(*broker.fingerprint())
    };
    let since = match &args.since {
        None => None,
        Some(path) => Some(kept(path, &check)?),
    };
    let spinner = context.spinner("checking the export");
    let given = since.as_ref().map(|(about, seen)| (about, seen));
    let verdict = verify_export(open(export)?, given, &check).map_err(|error| unread(export, &error))?;
    drop(spinner);
    if verdict.about.policy != *policy.fingerprint() {
        let message = format!("{} is of a domain with another policy certificate", export.display());
        let next = "give the domain's policy certificate, as it was made; if it is that, the export isn't the domain's";
        return Err(Failure::new("policy-mismatch", 1, message, next));
    }
    let verified = Verified::new(&verdict, since.map(|(_, seen)| seen));
    context.tell(&verified)?;
    Ok(if verified.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn kept(path: &Path, check: CheckSignature<'_>) -> Result<(About, CheckpointSeen), Failure> {
    held(open(path)?, check).map_err(|error| unread(path, &error))?.ok_or_else(|| {
        let message = format!("{} has no checkpoint that the policy certificate vouches for", path.display());
        let next = "give a checkpoint or an export of this domain, and its policy certificate";
        Failure::new("malformed", 1, message, next)
    })
}

fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    let file = File::open(path).map_err(|error| FileError::system("reading", path, error))?;
    Ok(BufReader::new(file))
}

fn unread(path: &Path, error: &ExportError) -> Failure {
    let next = match error {
        ExportError::UnknownVersion { .. } => "use the key-admin of the version that wrote it",
        _ => "export it again; if it was whole before, it was changed since",
    };
    Failure::new("malformed", 1, format!("{}: {error}", path.display()), next)
}

#[derive(Serialize)]
struct Verified {
    domain: String,
    generation: String,
    exported: i64,
    ok: bool,
    records: u64,
    chains: Vec<ChainSeen>,
    checkpoints: u64,
    last_checkpoint: Option<CheckpointSeen>,
    since: Option<CheckpointSeen>,
    broker_holds_policy_key: bool,
    findings: Vec<String>,
    cannot_find: Vec<String>,
}

impl Verified {
    fn new(verdict: &Verdict, since: Option<CheckpointSeen>) -> Self {
        let about = &verdict.about;
        Self {
            domain: about.domain.to_string(),
            generation: hex::encode(about.generation),
            exported: about.time,
            // What a broker was writing when it lost power says nothing of anybody.
            ok: verdict.is_intact(),
            records: verdict.records(),
            chains: verdict.chains.clone(),
            checkpoints: verdict.checkpoints,
            last_checkpoint: verdict.last.clone(),
            broker_holds_policy_key: about.holds_policy_key,
            findings: verdict.findings.iter().map(ToString::to_string).collect(),
            cannot_find: cannot_find(verdict, since.as_ref()),
            since,
        }
    }
}

/// What nobody could tell from these files, so that silence isn't taken for more than it is.
fn cannot_find(verdict: &Verdict, since: Option<&CheckpointSeen>) -> Vec<String> {
    let after: u64 = verdict.chains.iter().map(|chain| chain.records - chain.covered).sum();
    let last = verdict.last.as_ref().map_or(0, |last| last.sequence);
    let mut all = vec![
        format!("records cut off after checkpoint {last}, the last one ({after} are after it)"),
        match since {
            None => "a trail put back to an older state, or another one shown to somebody else: keep a checkpoint \
                     elsewhere and give it with --since"
                .to_owned(),
            Some(held) => format!(
                "another trail shown to somebody else from checkpoint {} on: compare newer checkpoints with them",
                held.sequence
            ),
        },
        "what the broker never recorded, or recorded otherwise than it was: it is the broker's own account".to_owned(),
        "a checkpoint signed with a key stolen from a broker, or under a certificate revoked since".to_owned(),
        if verdict.about.holds_policy_key {
            "anything that was made with the policy key: the broker holds it, and could have certified any key and \
             signed any other trail with that"
        } else {
            "whether the broker really doesn't hold the policy key, as it says: whoever does could have signed any \
             other trail"
        }
        .to_owned(),
    ];
    if verdict.uncommitted > 0 {
        all.push(format!(
            "{} records of an earlier version shown to somebody else with another content under the same hashes",
            verdict.uncommitted
        ));
    }
    all
}

impl Report for Verified {
    fn text(&self) -> String {
        let verdict = if self.ok { "nothing was found" } else { "NOT as it was written" };
        let mut lines = vec![
            format!(
                "export of the audit of domain {} ({}): {verdict}",
                self.domain,
                clock::text(self.exported)
            ),
            format!(
                "  {} records in {} chains, {} checkpoints",
                self.records,
                self.chains.len(),
                self.checkpoints
            ),
        ];
        let last = |last: &CheckpointSeen| {
            format!("  last checkpoint {}, {}, {}", last.sequence, clock::text(last.time), last.digest)
        };
        lines.extend(self.last_checkpoint.as_ref().map(last));
        lines.extend(
            self.since.as_ref().map(|held| format!("  compared with your checkpoint {}", held.sequence)),
        );
        lines.extend(self.findings.iter().map(|finding| format!("  finding: {finding}")));
        lines.push("what this can't find:".to_owned());
        lines.extend(self.cannot_find.iter().map(|what| format!("  {what}")));
        lines.join("\n")
    }
}
