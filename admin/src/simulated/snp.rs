//! A simulated SEV-SNP platform.

use std::path::PathBuf;

use claviger_attest::{SigningKey, SimulatedSnp, SimulatedSnpGuest, SnpProduct};
use claviger_client::cli::{Failure, Report, clock};
use claviger_client::evidence::SIMULATED_ROOT;
use claviger_client::evidence::sev_snp::simulated::{ROOT, files};
use serde::Serialize;

use super::{Init, random};
use crate::context::Context;
use crate::files::{NewFile, write_all_new};
use crate::keys;

/// A policy that trusts the platform; beside its root, by whose file it names that.
const POLICY: &str = "policy.toml";

#[derive(Serialize)]
struct Made {
    dir: PathBuf,
    kind: &'static str,
    product: &'static str,
    measurement: String,
    chip_id: String,
    /// The file for `trust add --attest-root`, and for a policy's `roots`.
    attest_root: PathBuf,
    /// A policy that trusts it.
    policy: PathBuf,
    /// For `--evidence` and, after `derived:`, for `--key-slot`.
    evidence: String,
}

impl Report for Made {
    fn text(&self) -> String {
        format!(
            "made a simulated {} platform in {}; it protects nothing\n  measurement {}\n  chip {}\n  root {}\n  \
             trust it with: key-admin policy apply {} --domain DOMAIN\n  evidence {}",
            self.kind,
            self.dir.display(),
            self.measurement,
            self.chip_id,
            self.attest_root.display(),
            self.policy.display(),
            self.evidence
        )
    }
}

pub(super) fn make(context: &Context, args: &Init) -> Result<(), Failure> {
    let product = args.product.unwrap_or(SnpProduct::Genoa);
    let measurement = measurement(args)?;
    let root = args.platform_key.as_deref().map(root).transpose()?;
    let platform = SimulatedSnp::generate(product, root).map_err(keys::broken)?;
    let chip_id = platform.chip_id();
    let guest = SimulatedSnpGuest {
        product,
        chip_id,
        measurement,
        host_data: [0; 32],
        guest_svn: 0,
        vmpl: 0,
        debug: false,
    };
    let chip = hex::encode(&chip_id.as_bytes()[..product.chip_id_len()]);
    let measurement = hex::encode(measurement);
    let policy = policy(product, &measurement, &chip);
    let derived = random(32)?;
    let made = files(&platform, &guest, clock::unix_time()).map_err(keys::broken)?;
    let made =
        made.iter().map(|(name, bytes, private)| NewFile { name, bytes: bytes.expose(), private: *private });
    let more = [
        NewFile { name: SIMULATED_ROOT, bytes: derived.expose(), private: true },
        NewFile { name: POLICY, bytes: policy.as_bytes(), private: false },
    ];
    write_all_new(&args.dir, &made.chain(more).collect::<Vec<_>>())?;
    context.tell(&Made {
        dir: args.dir.clone(),
        kind: "sev-snp",
        product: product.as_str(),
        measurement,
        chip_id: chip,
        attest_root: args.dir.join(ROOT),
        policy: args.dir.join(POLICY),
        evidence: format!("sev-snp:simulated={}", args.dir.display()),
    })
}

/// A processor measures with SHA-384.
fn measurement(args: &Init) -> Result<[u8; 48], Failure> {
    let Some(measurement) = &args.measurement else {
        return Ok(random(48)?.expose().try_into().expect("48 bytes"));
    };
    measurement.as_bytes().try_into().map_err(|_| {
        let next = "give --measurement with 96 hex digits, as key-admin measure snp prints it";
        Failure::new("usage", 2, "a measurement of sev-snp has 48 bytes", next)
    })
}

fn root(path: &std::path::Path) -> Result<SigningKey, Failure> {
    let next = "give another simulated SEV-SNP platform's ark-key.pem, an RSA-4096 key";
    let (key, _) = keys::read_key(path)?;
    let key = SigningKey::from_private(&key).ok();
    let key = key.filter(|key| key.algorithm() == claviger_attest::KeyAlgorithm::Rsa4096);
    key.ok_or_else(|| keys::refuse(path, "it isn't the key of a root of SEV-SNP platforms", next))
}

/// The chip is listed where its product demands that; elsewhere it is there for who wants to.
fn policy(product: SnpProduct, measurement: &str, chip: &str) -> String {
    let chips = if product == SnpProduct::Milan { "" } else { "# " };
    format!(
        "# Trusts a simulated platform, which protects nothing: for trying things out only.\n\
         format = 1\n\n\
         {chips}[sev-snp]\n{chips}chips = [\"{chip}\"]\n\n\
         [[measurement]]\nkind = \"sev-snp\"\nvalue = \"{measurement}\"\nroots = [\"{ROOT}\"]\n"
    )
}
