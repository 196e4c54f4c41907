//! `key-client store`

use claviger_client::Error;
use claviger_client::cli::{Failure, OutputMode, Report, formats};
use claviger_proto::Version;
use claviger_proto::key_service::Store;
use serde::Serialize;

use crate::args::{StoreArgs, from_certifier, resource_name};

#[derive(Serialize)]
struct Stored<'a> {
    name: &'a str,
    /// What a Certifier key server made of an entry that isn't exportable, nobody can see.
    version: Option<u32>,
}

impl Report for Stored<'_> {
    fn text(&self) -> String {
        match self.version {
            Some(version) => format!("stored {} version {version}", self.name),
            None => format!("stored {}, as a version that the server doesn't tell", self.name),
        }
    }
}

pub(crate) async fn run(args: &StoreArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = args.at.state.open()?;
    let identity = state.identity().map_err(Error::from)?;
    let certifier = args.at.certifier(&state, &identity)?;
    let name = resource_name(&identity, &args.name, certifier.as_ref())?;
    let read = formats::read(&args.input, args.format, args.entry_type.clone(), name.as_str())?;
    let store = Store {
        name: name.clone(),
        version: args.version.and_then(|version| version.0),
        entry_type: read.entry_type,
        exportable: read.exportable && !args.not_exportable,
        blob: read.blob,
        options: args.options.options(),
    };
    let version = match certifier {
        Some(server) => server.store(store).await.map_err(from_certifier)?,
        None => Some(args.at.connect(&state, &identity).await?.store(store).await?),
    };
    mode.tell(&Stored { name: name.as_str(), version: version.map(Version::get) })
}
