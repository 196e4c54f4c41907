//! `key-client retrieve`

use std::path::Path;

use claviger_client::Error;
use claviger_client::cli::{Failure, OutputMode, Report, formats};
use claviger_client::files::write_private;
use claviger_client::state::StateDir;
use claviger_proto::key_service::Retrieve;
use claviger_proto::{Entry, ResourceName, Version};
use serde::Serialize;

use crate::args::{RetrieveArgs, from_certifier, resource_name};
use crate::out;

#[derive(Serialize)]
struct Retrieved<'a> {
    name: &'a str,
    version: u32,
    #[serde(rename = "type")]
    entry_type: &'a str,
    /// `cryptstore`, the file's path, or `-`.
    into: &'a str,
    /// The tag in the cryptstore, where it went there.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
}

impl Report for Retrieved<'_> {
    fn text(&self) -> String {
        let into = match self.tag {
            Some(tag) => format!("the cryptstore under {tag}"),
            None if self.into == "-" => "standard output".to_owned(),
            None => self.into.to_owned(),
        };
        format!("retrieved {} version {} ({}) into {into}", self.name, self.version, self.entry_type)
    }
}

pub(crate) async fn run(args: &RetrieveArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = args.at.state.open()?;
    let identity = state.identity().map_err(Error::from)?;
    let certifier = args.at.certifier(&state, &identity)?;
    let name = resource_name(&identity, &args.name, certifier.as_ref())?;
    let tag = match &args.into_cryptstore {
        Some(tag) => ResourceName::parse_in(identity.domain(), tag).map_err(Error::from)?,
        None => name.clone(),
    };
    let version = args.version.and_then(|version| version.0);
    let retrieve = Retrieve { name: name.clone(), version };
    let entry = match certifier {
        Some(server) => server.retrieve(retrieve).await.map_err(from_certifier)?,
        None => args.at.connect(&state, &identity).await?.retrieve(retrieve).await?,
    };
    let entry_type = entry.entry_type.clone();
    let number = entry.version.map_or(0, Version::get);
    let report = |into, tag| Retrieved {
        name: name.as_str(),
        version: number,
        entry_type: entry_type.as_str(),
        into,
        tag,
    };
    match args.out.as_deref() {
        Some(path) if path == Path::new("-") => {
            out::to_stdout(&formats::write(&entry, args.format)?)?;
            // Text needs no report beside the secret; a program that asked for JSON reads it from stderr.
            if mode == OutputMode::Json { mode.tell_aside(&report("-", None)) } else { Ok(()) }
        }
        Some(path) => {
            write_private(path, &formats::write(&entry, args.format)?)?;
            mode.tell(&report(&path.to_string_lossy(), None))
        }
        None => {
            keep(&state, &tag, entry)?;
            mode.tell(&report("cryptstore", Some(tag.as_str())))
        }
    }
}

fn keep(state: &StateDir, tag: &ResourceName, entry: Entry) -> Result<(), Failure> {
    let lock = state.lock().map_err(Error::from)?;
    let kept = lock.update(|cryptstore| cryptstore.keep(tag, entry));
    Ok(kept.map_err(Error::from)?)
}
