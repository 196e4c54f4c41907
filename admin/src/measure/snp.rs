//! `key-admin measure snp`

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

use std::path::{Path, PathBuf};

use clap::Args;
use claviger_attest::measure::{BootHashes, Firmware, GuestFeatures, MeasureError, SnpLaunch, VcpuType};
use claviger_attest::{EvidenceKind, Measurement, ReferenceError, ReferenceValue};
use claviger_client::cli::{Failure, Report, Table};
use claviger_client::files::read_bounded;
use serde::Serialize;

use super::digest::sha256_of;
use super::policy;
use crate::context::Context;
use crate::keys::refuse;

/// Largest firmware, in bytes.
const MAX_FIRMWARE: usize = 64 << 20;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin measure snp --ovmf OVMF.fd --vcpus 4 --vcpu-type EPYC-v4
  key-admin measure snp --ovmf OVMF.fd --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0 ro' \\
      --vcpus 2,4,8 --vcpu-type EPYC-Milan,EPYC-Genoa --label web --write-policy policy.toml

The firmware is an OVMF image that is built for SEV-SNP; with --kernel, one that takes the digests of a kernel (edk2's
AmdSev package). All of it is as QEMU is given it, --append to the byte: what differs there is another digest. The
types are QEMU's: EPYC, EPYC-v1 to -v4, EPYC-IBPB, EPYC-Rome, EPYC-Milan, EPYC-Genoa, EPYC-Turin and their versions.")]
pub(crate) struct Snp {
    /// The firmware
    #[arg(long, value_name = "FILE")]
    ovmf: PathBuf,
    /// The kernel that is started directly
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// Its initrd
    #[arg(long, value_name = "FILE", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// Its command line
    #[arg(long, value_name = "STRING", requires = "kernel", allow_hyphen_values = true)]
    append: Option<String>,
    /// How many vCPUs; several counts are separated by commas
    #[arg(
        long, value_name = "N[,N...]", value_delimiter = ',', required = true,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(claviger_attest::measure::MAX_VCPUS))
    )]
    vcpus: Vec<u32>,
    /// Of which type; several are separated by commas
    #[arg(long, value_name = "TYPE[,TYPE...]", value_delimiter = ',', required = true)]
    vcpu_type: Vec<VcpuType>,
    /// The guest's features, SEV_FEATURES: bit 0 is SEV-SNP itself
    #[arg(long, value_name = "NUMBER", default_value_t)]
    guest_features: GuestFeatures,
    /// What access rules may call such a machine
    #[arg(long, value_name = "LABEL", value_parser = label)]
    label: Option<String>,
    /// Write the reference values as a new policy file; with -, print them alone, to append to one
    #[arg(long, value_name = "FILE|-")]
    write_policy: Option<PathBuf>,
}

/// As reference values take it.
fn label(text: &str) -> Result<String, ReferenceError> {
    let measurement = Measurement::from_bytes(&[0; 48])?;
    ReferenceValue::new(EvidenceKind::SevSnp, measurement, Some(text.to_owned()), Vec::new())?;
    Ok(text.to_owned())
}

/// One machine and its digest.
#[derive(Serialize)]
pub(super) struct Measured {
    pub(super) vcpus: u32,
    pub(super) vcpu_type: String,
    pub(super) guest_features: String,
    /// The launch digest, lowercase hex.
    pub(super) measurement: String,
}

#[derive(Serialize)]
struct Told {
    kind: EvidenceKind,
    label: Option<String>,
    measurements: Vec<Measured>,
    /// Where the reference values were written.
    policy: Option<PathBuf>,
}

impl Report for Told {
    fn text(&self) -> String {
        let mut table = Table::new(["vcpus", "vcpu-type", "measurement"]);
        for one in &self.measurements {
            table.row([one.vcpus.to_string(), one.vcpu_type.clone(), one.measurement.clone()]);
        }
        let written = self.policy.iter().map(|file| format!("\nwritten to {}", file.display()));
        table.render() + written.collect::<String>().as_str()
    }
}

pub(super) fn run(context: &Context, args: &Snp) -> Result<(), Failure> {
    let spinner = context.spinner("measuring firmware, kernel and initrd");
    let launch = launch(args)?;
    let measurements = measure(args, &launch)?;
    drop(spinner);
    let text =
        args.write_policy.as_ref().map(|to| (to, policy::tables(&measurements, args.label.as_deref())));
    let told = |policy| Told { kind: EvidenceKind::SevSnp, label: args.label.clone(), measurements, policy };
    match text {
        None => context.tell(&told(None)),
        Some((to, tables)) if to == Path::new("-") => context.print_beside(&tables, &told(None)),
        Some((to, tables)) => {
            policy::write(to, &started_with(args), &tables)?;
            context.tell(&told(Some(to.clone())))
        }
    }
}

fn launch(args: &Snp) -> Result<SnpLaunch, Failure> {
    let image = read_bounded(&args.ovmf, MAX_FIRMWARE)?;
    let firmware = Firmware::parse(image.expose()).map_err(|error| unusable(&args.ovmf, &error))?;
    let boot = args.kernel.as_deref().map(|kernel| boot(args, kernel)).transpose()?;
    SnpLaunch::new(&firmware, boot.as_ref()).map_err(|error| unusable(&args.ovmf, &error))
}

fn boot(args: &Snp, kernel: &Path) -> Result<BootHashes, Failure> {
    let initrd = args.initrd.as_deref().map(sha256_of).transpose()?;
    // The shell gives no zero bytes.
    BootHashes::new(sha256_of(kernel)?, initrd, args.append.as_deref()).map_err(|error| wrong(&error))
}

/// Every count with every type, each once, as they were given.
fn measure(args: &Snp, launch: &SnpLaunch) -> Result<Vec<Measured>, Failure> {
    let mut measurements: Vec<Measured> = Vec::new();
    for &vcpu_type in &args.vcpu_type {
        for &vcpus in &args.vcpus {
            let name = vcpu_type.to_string();
            if measurements.iter().any(|one| one.vcpus == vcpus && one.vcpu_type == name) {
                continue;
            }
            let measurement =
                launch.measurement(vcpus, vcpu_type, args.guest_features).map_err(|error| wrong(&error))?;
            measurements.push(Measured {
                vcpus,
                vcpu_type: name,
                guest_features: args.guest_features.to_string(),
                measurement: measurement.to_string(),
            });
        }
    }
    Ok(measurements)
}

/// What was measured, for who reads the policy file: names in quotes, whatever is in them.
fn started_with(args: &Snp) -> Vec<String> {
    let named = |what: &str, path: &PathBuf| format!("{what} {:?}", path.display().to_string());
    let mut lines = vec![named("firmware", &args.ovmf)];
    lines.extend(args.kernel.iter().map(|path| named("kernel", path)));
    lines.extend(args.initrd.iter().map(|path| named("initrd", path)));
    lines.extend(args.append.iter().map(|append| format!("command line {append:?}")));
    lines
}

fn unusable(ovmf: &Path, error: &MeasureError) -> Failure {
    let next = match error {
        MeasureError::NoKernelHashes => {
            "give firmware that takes them (edk2's AmdSev package), or leave --kernel away and measure the disk otherwise"
        }
        _ => {
            "give an OVMF image that is built for SEV-SNP, whole (OVMF.fd or OVMF_CODE.fd, not the variables)"
        }
    };
    refuse(ovmf, &error.to_string(), next)
}

fn wrong(error: &MeasureError) -> Failure {
    Failure::new("usage", claviger_client::cli::args::USAGE, error.to_string(), "see --help")
}
