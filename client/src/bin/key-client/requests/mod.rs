//! The requests besides store and retrieve.

pub(crate) mod args;
mod report;

use claviger_client::cli::{Failure, OutputMode};
use claviger_client::{Channel, Error};
use claviger_proto::ResourceName;
use claviger_proto::key_service::{
    Generate, List, PageSize, Retrieve, Rotate, State, Target, VersionInfo, Versions, Which,
};

use crate::args::At;
use args::{ChangeArgs, GenerateArgs, ListArgs, RotateArgs, ShowArgs, VersionsArgs};
use report::{Changed, NameRow, Names, Shown, Stored, VersionList};

/// A channel, and the name as it is in its domain.
async fn open(at: &At, name: &str) -> Result<(Channel, ResourceName), Failure> {
    let state = at.state.open()?;
    let identity = state.identity().map_err(Error::from)?;
    let name = ResourceName::parse_in(identity.domain(), name).map_err(Error::from)?;
    Ok((at.connect(&state, &identity).await?, name))
}

pub(crate) async fn generate(args: &GenerateArgs, mode: OutputMode) -> Result<(), Failure> {
    let (mut channel, name) = open(&args.at, &args.name).await?;
    let (kind, exportable) = (args.kind.to_string(), !args.not_exportable);
    let generate = Generate { name: name.clone(), kind, exportable, options: args.options.options() };
    let version = channel.generate(generate).await?;
    mode.tell(&Stored { did: "generated", name: name.as_str(), version: version.get() })
}

pub(crate) async fn rotate(args: &RotateArgs, mode: OutputMode) -> Result<(), Failure> {
    let (mut channel, name) = open(&args.at, &args.name).await?;
    let version = channel.rotate(Rotate { name: name.clone(), options: args.options.options() }).await?;
    mode.tell(&Stored { did: "rotated", name: name.as_str(), version: version.get() })
}

pub(crate) async fn list(args: &ListArgs, mode: OutputMode) -> Result<(), Failure> {
    let state = args.at.state.open()?;
    let identity = state.identity().map_err(Error::from)?;
    let mut channel = args.at.connect(&state, &identity).await?;
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let list = List { prefix: args.prefix.clone(), after, limit: PageSize::default() };
        let page = channel.list(list).await?;
        for info in page.names {
            let name = ResourceName::parse_in(channel.domain(), &info.name).map_err(Error::from)?;
            names.push(NameRow::new(&name, &info.latest));
        }
        let Some(next) = page.next else { break };
        after = Some(ResourceName::parse_in(channel.domain(), &next).map_err(Error::from)?);
    }
    mode.tell(&Names { names })
}

pub(crate) async fn versions(args: &VersionsArgs, mode: OutputMode) -> Result<(), Failure> {
    let (mut channel, name) = open(&args.at, &args.name).await?;
    let infos = all_versions(&mut channel, &name).await?;
    mode.tell(&VersionList::new(&name, &infos))
}

/// All versions, page by page, from the newest.
async fn all_versions(channel: &mut Channel, name: &ResourceName) -> Result<Vec<VersionInfo>, Error> {
    let mut infos = Vec::new();
    let mut before = None;
    loop {
        let versions = Versions { name: name.clone(), before, limit: PageSize::default() };
        let (page, next) = channel.versions(versions).await?;
        infos.extend(page);
        before = next;
        if before.is_none() {
            return Ok(infos);
        }
    }
}

pub(crate) async fn show(args: &ShowArgs, mode: OutputMode) -> Result<(), Failure> {
    let (mut channel, name) = open(&args.at, &args.name).await?;
    let info = channel.describe(Retrieve { name: name.clone(), version: args.version }).await?;
    mode.tell(&Shown(NameRow::new(&name, &info)))
}

pub(crate) async fn delete(args: &ChangeArgs, mode: OutputMode) -> Result<(), Failure> {
    let (mut channel, name) = open(&args.at, &args.name).await?;
    let changed = channel.delete(Target { name: name.clone(), versions: args.which() }).await?;
    mode.tell(&Changed::new("deleted", &name, &changed))
}

pub(crate) async fn undelete(args: &ChangeArgs, mode: OutputMode) -> Result<(), Failure> {
    let (mut channel, name) = open(&args.at, &args.name).await?;
    let which = args.which();
    let changed = channel.undelete(Target { name: name.clone(), versions: which }).await?;
    // What is done is done; who may not see versions isn't told more.
    let expired = expired(&mut channel, &name, which).await.unwrap_or_default();
    mode.tell(&Changed::new("undeleted", &name, &changed).with_expired(expired))
}

/// Which of these versions have expired, from the newest.
async fn expired(channel: &mut Channel, name: &ResourceName, which: Which) -> Result<Vec<u32>, Error> {
    let infos = match which {
        Which::One(version) => {
            vec![channel.describe(Retrieve { name: name.clone(), version: Some(version) }).await?]
        }
        Which::All => all_versions(channel, name).await?,
    };
    let expired = infos.iter().filter(|info| info.state == State::Expired);
    Ok(expired.map(|info| info.version.get()).collect())
}

pub(crate) async fn destroy(args: &ChangeArgs, mode: OutputMode) -> Result<(), Failure> {
    let (mut channel, name) = open(&args.at, &args.name).await?;
    let changed = channel.destroy(Target { name: name.clone(), versions: args.which() }).await?;
    mode.tell(&Changed::new("destroyed", &name, &changed))
}
