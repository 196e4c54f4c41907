//! Requests that are answered from the store as it is, in the router's turn.

use claviger_acl::Action;
use claviger_proto::Version;
use claviger_proto::key_service::{Outcome, Retrieve, Versions};
use claviger_store::StoreError;

use super::{Asked, Step, Tools, refusal};

pub(super) fn retrieve(mut asked: Asked, tools: &Tools, retrieve: &Retrieve) -> Step {
    let permit = match asked.may(Action::Retrieve, &retrieve.name) {
        Ok(permit) => permit,
        Err(refusal) => return asked.refused(tools, refusal),
    };
    let domain = &asked.domain;
    let outcome = match domain.storage.store.retrieve(&domain.keys, permit, retrieve.version, asked.seconds())
    {
        Ok(mut entry) => {
            // As the peer has to send it, should it store it again.
            entry.tag = retrieve.name.to_wire(&domain.name);
            asked.facts.version = entry.version.map(Version::get);
            Outcome::Retrieved(entry)
        }
        Err(error) => Outcome::Refused(refusal(&error)),
    };
    asked.answered(tools, outcome)
}

pub(super) fn describe(mut asked: Asked, tools: &Tools, describe: &Retrieve) -> Step {
    let permit = match asked.may(Action::Versions, &describe.name) {
        Ok(permit) => permit,
        Err(refusal) => return asked.refused(tools, refusal),
    };
    let domain = &asked.domain;
    let found = domain.storage.store.describe(&domain.keys, &permit, describe.version, asked.seconds());
    asked.facts.version = found.as_ref().ok().map(|info| info.version.get());
    let outcome = found.map_or_else(|error| Outcome::Refused(refusal(&error)), Outcome::Described);
    asked.answered(tools, outcome)
}

pub(super) fn versions(mut asked: Asked, tools: &Tools, versions: &Versions) -> Step {
    let outcome = page(&mut asked, versions).unwrap_or_else(Outcome::Refused);
    asked.answered(tools, outcome)
}

fn page(asked: &mut Asked, versions: &Versions) -> Result<Outcome, claviger_proto::key_service::Refusal> {
    let permit = asked.may(Action::Versions, &versions.name)?;
    let (domain, limit) = (&asked.domain, versions.limit.get());
    let store = &domain.storage.store;
    // One more than asked for says whether there are more.
    let found = store.versions(&domain.keys, &permit, versions.before, limit + 1, asked.seconds());
    let mut infos = found.map_err(|error: StoreError| refusal(&error))?;
    let more = infos.len() > limit;
    infos.truncate(limit);
    let next = infos.last().map(|info| info.version).filter(|_| more);
    Ok(Outcome::Versions(infos, next))
}
