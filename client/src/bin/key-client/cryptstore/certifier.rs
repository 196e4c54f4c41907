//! `export --format certifier`, `import --format certifier`: the stock programs' encrypted stores.

use std::path::Path;

use claviger_attest::PolicyCertificate;
use claviger_client::cli::{Failure, OutputMode, Report, certificates, clock, input};
use claviger_client::cryptstore::ItemError;
use claviger_client::cryptstore::certifier::{
    CertifierError, Contents, LeftOut, Overtaken, StockIdentity, WrittenAlgorithm,
};
use claviger_client::files::write_private;
use claviger_client::{Error, Identity};
use claviger_proto::stock_store::MAX_STOCK_FILE;
use serde::Serialize;

use super::args::{ExportArgs, ImportArgs};
use super::seal::SealSpec;
use super::transfer::{ImportedItem, deliver, rename, what};
use super::{load, update};

#[derive(Serialize)]
struct Exported {
    tags: Vec<String>,
    /// The domain of the identity that was written too.
    identity: Option<String>,
    algorithm: &'static str,
    /// The file's path, or `-`.
    into: String,
    /// The policy store's path.
    policy_store: Option<String>,
}

impl Report for Exported {
    fn text(&self) -> String {
        let items = if self.tags.is_empty() { "nothing".to_owned() } else { self.tags.join(", ") };
        let mut text = format!("wrote {items} to {}, encrypted with {}", self.into, self.algorithm);
        if let Some(domain) = &self.identity {
            text.push_str("\n  with this machine's identity in domain ");
            text.push_str(domain);
        }
        if let Some(path) = &self.policy_store {
            text.push_str("\nwrote a policy store to ");
            text.push_str(path);
        }
        text
    }
}

pub(super) fn export(args: &ExportArgs, spec: &SealSpec, mode: OutputMode) -> Result<(), Failure> {
    let seal = spec.read()?;
    let cryptstore = load(&args.at.open()?)?;
    let what = what(&cryptstore, args)?;
    let algorithm = args.algorithm.unwrap_or(WrittenAlgorithm::Gcm);
    let file = cryptstore.export_certifier(&what, args.with_identity, &seal, algorithm);
    let file = file.map_err(Error::from)?;
    if let Some(path) = &args.policy_store {
        let store = cryptstore.export_certifier_policy(&seal, algorithm).map_err(Error::from)?;
        write_private(path, &store)?;
    }
    let domain = cryptstore.domain().filter(|_| args.with_identity);
    deliver(&args.out, &file, mode, |into| Exported {
        tags: what.iter().map(|(tag, _)| tag.to_string()).collect(),
        identity: domain.map(ToString::to_string),
        algorithm: algorithm.as_str(),
        into,
        policy_store: args.policy_store.as_ref().map(|path| path.display().to_string()),
    })
}

#[derive(Serialize)]
struct Imported {
    items: Vec<ImportedItem>,
    /// The identity that this machine has from it.
    identity: Option<ImportedIdentity>,
    left_out: Vec<ImportedNot>,
    overtaken: Vec<ImportedOvertaken>,
}

#[derive(Serialize)]
struct ImportedIdentity {
    domain: String,
    /// SHA-256 of the admission certificate, hex.
    certificate_fingerprint: String,
    /// Its end, seconds since 1970.
    not_after: i64,
}

/// What stays behind, and why.
#[derive(Serialize)]
struct ImportedNot {
    tag: String,
    why: String,
}

/// A tag of which stock programs used another version than is the latest here.
#[derive(Serialize)]
struct ImportedOvertaken {
    tag: String,
    stock_version: u32,
    latest: u32,
}

impl From<Overtaken> for ImportedOvertaken {
    fn from(Overtaken { tag, given, latest }: Overtaken) -> Self {
        Self { tag, stock_version: given.get(), latest: latest.get() }
    }
}

impl From<LeftOut> for ImportedNot {
    fn from(LeftOut { tag, why }: LeftOut) -> Self {
        Self { tag, why }
    }
}

impl Report for Imported {
    fn text(&self) -> String {
        let mut lines: Vec<_> = self.items.iter().map(ImportedItem::line).collect();
        if let Some(identity) = &self.identity {
            lines.push(format!(
                "took over the identity in domain {}\n  certificate {}, valid until {}",
                identity.domain,
                identity.certificate_fingerprint,
                clock::text(identity.not_after)
            ));
        }
        if lines.is_empty() {
            lines.push("imported nothing".to_owned());
        }
        lines.extend(self.left_out.iter().map(|left| format!("left out {}: {}", shown(&left.tag), left.why)));
        lines.extend(self.overtaken.iter().map(|of| {
            let ImportedOvertaken { tag, stock_version, latest } = of;
            format!("note: of {tag} stock programs used version {stock_version}; here the latest is {latest}")
        }));
        lines.join("\n")
    }
}

/// A tag as a stock store has it, which may be anything, or nothing.
fn shown(tag: &str) -> String {
    if tag.is_empty() { "an entry without a tag".to_owned() } else { tag.escape_debug().to_string() }
}

pub(super) fn import(args: &ImportArgs, spec: &SealSpec, mode: OutputMode) -> Result<(), Failure> {
    if spec.reads_stdin() && args.input == Path::new("-") {
        let message = "--in and --seal can't both be standard input";
        return Err(Failure::new("usage", 2, message, "give one of them as a file"));
    }
    let policy = args.policy_cert.as_deref().map(certificates::read_policy).transpose()?;
    let file = input::read(&args.input, MAX_STOCK_FILE)?;
    let refused = |error: CertifierError| refused(&args.input, error);
    let mut contents = Contents::open(file.expose(), &spec.read()?).map_err(refused)?;
    if !args.tag.is_empty() {
        contents = contents.only(&args.tag).map_err(refused)?;
    }
    let mut contents = if args.salvage { contents.salvaged() } else { contents.sound().map_err(refused)? };
    let identity = policy.as_ref().map(|policy| take(&contents, policy)).transpose().map_err(refused)?;
    let mut left_out = std::mem::take(&mut contents.left_out);
    left_out.extend(stay(&contents, identity.as_ref()));

    let state = args.at.open()?;
    if let Some(tag) = &args.rename {
        let tag = load(&state)?.tag(tag).map_err(Error::from)?;
        rename(&mut contents.items, tag)?;
    }
    let overtaken = contents.overtaken();
    let told = identity.as_ref().map(told).transpose().map_err(refused)?;
    let (items, now) = (contents.items, clock::now());
    let taken = update(&state, |cryptstore| cryptstore.import_certifier(identity.as_ref(), items, now))?;
    mode.tell(&Imported {
        items: taken.into_iter().map(ImportedItem::from).collect(),
        identity: told,
        left_out: left_out.into_iter().map(ImportedNot::from).collect(),
        overtaken: overtaken.into_iter().map(ImportedOvertaken::from).collect(),
    })
}

fn take(contents: &Contents, policy: &PolicyCertificate) -> Result<Identity, CertifierError> {
    contents.identity(policy, clock::unix_time())?.ok_or(CertifierError::NoIdentity)
}

/// The identities that aren't taken over.
fn stay(contents: &Contents, taken: Option<&Identity>) -> Vec<LeftOut> {
    let others = contents
        .identities
        .iter()
        .filter(|other| taken.is_none_or(|identity| identity.domain() != &other.domain));
    let why = if taken.is_some() {
        "the machine's identity in another domain"
    } else {
        "the machine's identity; --policy-cert takes it over"
    };
    let left = others.flat_map(StockIdentity::tags).map(|tag| LeftOut { tag, why: why.to_owned() });
    left.collect()
}

fn told(identity: &Identity) -> Result<ImportedIdentity, CertifierError> {
    let domain = identity.domain();
    let peer = identity
        .verify(clock::unix_time())
        .map_err(|error| CertifierError::Certificate { domain: domain.clone(), error })?;
    Ok(ImportedIdentity {
        domain: domain.to_string(),
        certificate_fingerprint: hex::encode(peer.fingerprint()),
        not_after: clock::seconds(peer.not_after()),
    })
}

fn refused(path: &Path, error: CertifierError) -> Failure {
    let failure = Failure::from(Error::from(ItemError::from(error)));
    let message = format!("{}: {}", input::shown(path), failure.message());
    Failure::new(failure.code().to_owned(), failure.exit_status(), message, failure.next())
}
