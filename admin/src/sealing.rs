//! `key-admin unseal`, `key-admin seal`

use std::path::PathBuf;

use clap::Args;
use claviger_client::cli::{Failure, Report, input, passphrase};
use claviger_proto::admin::{SealState, ShareCount, State, Unseal as Request};
use claviger_proto::{Secret, admin::SecretHex};
use serde::Serialize;

use crate::context::Context;

/// Largest key file that a slot can have, in bytes.
const MAX_KEY: usize = 4096;
/// Largest file with a share in it, in bytes: a line is below 120.
const MAX_SHARE: usize = 1024;

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin unseal                          asks for the passphrase
  key-admin unseal --key-file root.key
  key-admin unseal --share-file share-2.txt one call for each share, until there are enough

The broker then serves without a restart. A share that was given is kept in the broker's memory alone, until there
are enough of them, they are forgotten (--forget-shares), or the broker ends.")]
#[group(multiple = false)]
pub(crate) struct Unseal {
    /// A file that holds the passphrase, or - for standard input
    #[arg(long, value_name = "FILE|-")]
    passphrase_file: Option<PathBuf>,
    /// The key file of a slot, as it was when the slot was made, or - for standard input
    #[arg(long, value_name = "FILE|-")]
    key_file: Option<PathBuf>,
    /// A file that holds one share, or - for standard input
    #[arg(long, value_name = "FILE|-")]
    share_file: Option<PathBuf>,
    /// Forget the shares that were given so far
    #[arg(long)]
    forget_shares: bool,
}

pub(crate) async fn unseal(context: &Context, args: &Unseal) -> Result<(), Failure> {
    // Before anything is read: a command that can't reach a broker should ask for no passphrase.
    let api = context.api()?;
    if args.forget_shares {
        let state = api.delete_answered("/v1/unseal/shares").await?;
        return context.tell(&Told { state });
    }
    let request = if let Some(file) = &args.key_file {
        Request::Key(SecretHex(input::read(file, MAX_KEY)?))
    } else if let Some(file) = &args.share_file {
        Request::Share(SecretHex(input::read(file, MAX_SHARE)?))
    } else {
        let typed = passphrase::existing(args.passphrase_file.as_deref(), "Passphrase of the root key")?;
        Request::Passphrase(SecretHex(Secret::copy_from(typed.expose())))
    };
    let state = api.post("/v1/unseal", &request).await?;
    context.tell(&Told { state })
}

pub(crate) async fn seal(context: &Context) -> Result<(), Failure> {
    let state = context.api()?.post("/v1/seal", &serde_json::json!({})).await?;
    context.tell(&Told { state })
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    state: SealState,
}

impl Report for Told {
    fn text(&self) -> String {
        match self.state {
            SealState { state: State::Ready, .. } => "unsealed: the broker serves".to_owned(),
            SealState { state: State::Draining, .. } => "the broker is stopping".to_owned(),
            SealState { state: State::Sealed, shares: Some(ShareCount { have, needed }) } => {
                format!("{have} of {needed} shares are there; the broker is sealed until the others are")
            }
            SealState { state: State::Sealed, shares: None } => "sealed: the broker serves nobody".to_owned(),
        }
    }
}
