//! `key-client store`

use claviger_client::cli::{Failure, OutputMode, Report, input};
use claviger_client::state::StateDir;
use claviger_client::{Channel, Error, Options};
use claviger_proto::key_service::{PutOptions, Store};
use claviger_proto::limits::MAX_DATA;
use claviger_proto::{ErrorCode, ResourceName};
use serde::Serialize;

use crate::args::StoreArgs;

#[derive(Serialize)]
struct Stored<'a> {
    name: &'a str,
    version: u32,
}

impl Report for Stored<'_> {
    fn text(&self) -> String {
        format!("stored {} version {}", self.name, self.version)
    }
}

pub(crate) async fn run(args: &StoreArgs, mode: OutputMode) -> Result<(), Failure> {
    let identity = StateDir::new(&args.at.state_dir).identity().map_err(Error::from)?;
    let name = ResourceName::parse_in(identity.domain(), &args.name).map_err(Error::from)?;
    let blob = input::read(&args.input, MAX_DATA)?;
    if blob.is_empty() {
        return Err(Failure::coded(
            ErrorCode::Malformed,
            "there is nothing to store: the input is empty",
            "check --in",
        ));
    }
    let store = Store {
        name: name.clone(),
        version: args.version.and_then(|version| version.0),
        entry_type: args.entry_type.clone(),
        exportable: !args.not_exportable,
        blob,
        options: PutOptions::default(),
    };
    let mut channel = Channel::connect(&args.at.broker, &identity, &Options::default()).await?;
    let version = channel.store(store).await?;
    mode.tell(&Stored { name: name.as_str(), version: version.get() })
}
