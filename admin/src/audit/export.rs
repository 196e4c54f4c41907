//! `key-admin audit export` and `checkpoint`: what is checked, and kept, elsewhere.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use claviger_client::cli::{Failure, Report};
use claviger_client::files::FileError;
use claviger_proto::DomainName;
use serde::Serialize;

use crate::context::Context;
use crate::domain::path;
use crate::files::write_new;

/// For its owner alone: names and addresses are in it.
const PRIVATE: u32 = 0o600;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin audit export --domain fleet --out fleet.audit
  key-admin audit verify --export fleet.audit --policy-cert fleet/policy-cert.pem

The file (mode 0600) has every record, with names and addresses, and no secret of an entry. The broker makes a
checkpoint first.")]
pub(crate) struct Export {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Where to write it; what is there isn't replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-admin audit checkpoint --domain fleet --out 2027-03-31.checkpoint

Keep it where the broker's operator can't change it. Records that it covers can't be taken away or changed since without
that key-admin audit verify --export FILE --since 2027-03-31.checkpoint finds it. It has numbers, hashes and a signature,
and tells of no record.")]
pub(crate) struct Checkpoint {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Where to write it; what is there isn't replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) async fn run(context: &Context, args: &Export) -> Result<(), Failure> {
    let api = context.api()?;
    let spinner = context.spinner("the broker writes the trail");
    let mut file = create(&args.out)?;
    let mut bytes = 0;
    let from = format!("{}/audit/export", path(&args.domain));
    let write = &mut |piece: &[u8]| {
        bytes += piece.len();
        file.write_all(piece).map_err(|error| written(&args.out, error))
    };
    let mut done = api.download(&from, write).await;
    if done.is_ok() {
        done = file.sync_all().map_err(|error| written(&args.out, error));
    }
    drop(spinner);
    if let Err(failure) = done {
        // It would only be taken for one.
        let _ = std::fs::remove_file(&args.out);
        return Err(failure);
    }
    context.tell(&Written { domain: args.domain.clone(), out: args.out.clone(), bytes, what: "trail" })
}

pub(super) async fn checkpoint(context: &Context, args: &Checkpoint) -> Result<(), Failure> {
    let bytes = context.api()?.post_for_bytes(&format!("{}/audit/checkpoint", path(&args.domain))).await?;
    write_new(&args.out, &bytes)?;
    let (domain, out, bytes) = (args.domain.clone(), args.out.clone(), bytes.len());
    context.tell(&Written { domain, out, bytes, what: "checkpoint" })
}

fn create(path: &Path) -> Result<File, Failure> {
    let made = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let message = format!("{} exists already; nothing was written", path.display());
            Failure::new("exists", 3, message, "choose another file; what is there isn't replaced")
        }
        _ => written(path, error),
    })
}

fn written(path: &Path, error: io::Error) -> Failure {
    FileError::system("writing", path, error).into()
}

#[derive(Serialize)]
struct Written {
    domain: DomainName,
    out: PathBuf,
    bytes: usize,
    #[serde(skip)]
    what: &'static str,
}

impl Report for Written {
    fn text(&self) -> String {
        let Self { domain, out, bytes, what } = self;
        format!("the {what} of domain {domain} is in {} ({bytes} bytes)", out.display())
    }
}
