//! `key-client store`

use claviger_client::Error;
use claviger_client::cli::{Failure, OutputMode, Report, formats};
use claviger_proto::ResourceName;
use claviger_proto::key_service::Store;
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
    let state = args.at.state.open()?;
    let identity = state.identity().map_err(Error::from)?;
    let name = ResourceName::parse_in(identity.domain(), &args.name).map_err(Error::from)?;
    let read = formats::read(&args.input, args.format, args.entry_type.clone(), name.as_str())?;
    let store = Store {
        name: name.clone(),
        version: args.version.and_then(|version| version.0),
        entry_type: read.entry_type,
        exportable: read.exportable && !args.not_exportable,
        blob: read.blob,
        options: args.options.options(),
    };
    let mut channel = args.at.connect(&state, &identity).await?;
    let version = channel.store(store).await?;
    mode.tell(&Stored { name: name.as_str(), version: version.get() })
}
