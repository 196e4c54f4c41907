//! What can be asked of a broker over a channel. Once a change returns, it is durable.

use claviger_proto::key_service::{
    Generate, List, Listed, Outcome, Request, Retrieve, Rotate, Store, Target, VersionInfo, Versions, Which,
};
use claviger_proto::{Entry, Version};

use crate::channel::Channel;
use crate::error::Error;

impl Channel {
    /// Puts a new version of a resource; returns which.
    pub async fn store(&mut self, store: Store) -> Result<Version, Error> {
        let asked = store.version;
        self.put(Request::Store(store), asked).await
    }

    /// Has the broker make a new key and put it as a new version; returns which.
    pub async fn generate(&mut self, generate: Generate) -> Result<Version, Error> {
        self.put(Request::Generate(generate), None).await
    }

    /// Has the broker make a new key of the latest version's kind and put it as a new version; returns which.
    pub async fn rotate(&mut self, rotate: Rotate) -> Result<Version, Error> {
        self.put(Request::Rotate(rotate), None).await
    }

    async fn put(&mut self, request: Request, asked: Option<Version>) -> Result<Version, Error> {
        match self.request(request, asked).await? {
            Outcome::Stored(version) if asked.is_none_or(|asked| asked == version) => Ok(version),
            _ => Err(self.unrelated()),
        }
    }

    /// Gets a version of a resource. The entry is the one asked for: its name and version are compared.
    pub async fn retrieve(&mut self, retrieve: Retrieve) -> Result<Entry, Error> {
        let (name, version) = (retrieve.name.clone(), retrieve.version);
        match self.request(Request::Retrieve(retrieve), None).await? {
            Outcome::Retrieved(entry) if self.is(&entry, &name, version) => Ok(entry),
            _ => Err(self.unrelated()),
        }
    }

    /// What is known of a version, or of the latest, without its secret.
    pub async fn describe(&mut self, describe: Retrieve) -> Result<VersionInfo, Error> {
        let version = describe.version;
        match self.request(Request::Describe(describe), None).await? {
            Outcome::Described(info) if version.is_none_or(|asked| asked == info.version) => Ok(info),
            _ => Err(self.unrelated()),
        }
    }

    /// A page of the names that this machine may list. A page can be shorter than asked for, or empty, and
    /// there be more all the same: [`Listed::next`] says.
    pub async fn list(&mut self, list: List) -> Result<Listed, Error> {
        match self.request(Request::List(list), None).await? {
            Outcome::Listed(listed) => Ok(listed),
            _ => Err(self.unrelated()),
        }
    }

    /// A page of a resource's versions, from the newest, and what to ask for the next page with, if there is
    /// more.
    pub async fn versions(
        &mut self,
        versions: Versions,
    ) -> Result<(Vec<VersionInfo>, Option<Version>), Error> {
        match self.request(Request::Versions(versions), None).await? {
            Outcome::Versions(versions, next) => Ok((versions, next)),
            _ => Err(self.unrelated()),
        }
    }

    /// Makes versions unavailable until they are undeleted. Returns those that weren't deleted before.
    pub async fn delete(&mut self, target: Target) -> Result<Vec<Version>, Error> {
        let which = target.versions;
        self.change(Request::Delete(target), which).await
    }

    /// Makes deleted versions available again. Returns those that were deleted.
    pub async fn undelete(&mut self, target: Target) -> Result<Vec<Version>, Error> {
        let which = target.versions;
        self.change(Request::Undelete(target), which).await
    }

    /// Destroys the secrets of versions, which can't be undone. Returns those that weren't destroyed before.
    pub async fn destroy(&mut self, target: Target) -> Result<Vec<Version>, Error> {
        let which = target.versions;
        self.change(Request::Destroy(target), which).await
    }

    async fn change(&mut self, request: Request, which: Which) -> Result<Vec<Version>, Error> {
        let asked = |changed: &[Version]| match which {
            Which::All => true,
            Which::One(version) => changed.iter().all(|other| *other == version),
        };
        match self.request(request, None).await? {
            Outcome::Changed(changed) if asked(&changed) => Ok(changed),
            _ => Err(self.unrelated()),
        }
    }
}
