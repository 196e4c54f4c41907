//! What a batch comes to for one name.

mod pages;
mod records;

use claviger_proto::key_service::Latest;
use claviger_proto::{ResourceName, Version};

use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Revision, Txn};
use crate::entry::{Head, LARGEST_BESIDE, Loaded, Stage, VersionMeta, is_put_back, load};
use crate::error::{StoreError, damaged, sealed};
use crate::layout::EntryPlace;
use crate::usage::{self, Usage};
use crate::writer::{Change, PutEntry, PutLimits, Span};
use pages::Pages;
use records::Records;

/// What a batch comes to for one name.
pub(super) struct NamePlan {
    at: EntryPlace,
    head: Head,
    /// The head's record as the engine has it.
    head_was: Option<Revision>,
    /// The newest version's record, sealed, while it lies beside the head.
    latest: Option<Vec<u8>>,
    changed: bool,
    records: Records,
    pages: Pages,
}

/// Where a plan reads, and for whom.
pub(super) struct Ground<'a> {
    pub(super) engine: &'a AnyEngine,
    pub(super) keys: &'a DomainKeys,
    pub(super) name: &'a ResourceName,
}

impl NamePlan {
    pub(super) fn load(ground: &Ground<'_>) -> Result<Self, StoreError> {
        let Ground { engine, keys, name } = *ground;
        let at = EntryPlace::new(keys, name);
        let loaded = load(engine, keys, name, &at)?;
        // Storing on top of an older head would use a version twice. (What a lost head leaves behind shows at
        // the next read: the telltale record of a first version.)
        let (head, latest, head_was) = match loaded {
            None => (Head::new(name), None, None),
            Some(Loaded { head, .. }) if is_put_back(engine, Some(&head), &at)? => {
                return Err(damaged("head", &at.head()));
            }
            Some(Loaded { head, raw, revision }) => {
                let newest = head.highest().map(|newest| head.beside(newest, &at, &raw));
                let latest = newest.transpose()?.flatten().map(<[u8]>::to_vec);
                (head, latest, Some(revision))
            }
        };
        let (records, pages) = (Records::default(), Pages::default());
        Ok(Self { at, head, head_was, latest, changed: false, records, pages })
    }

    /// Whether the name has its first version by this batch.
    pub(super) fn is_new(&self) -> bool {
        self.changed && self.head_was.is_none()
    }

    /// Puts a version; gives which, and whether it was there already.
    pub(super) fn put(
        &mut self,
        ground: &Ground<'_>,
        put: &PutEntry,
        limits: PutLimits,
        usage: &mut Usage,
    ) -> Result<(Version, bool), StoreError> {
        let latest = Latest::of(self.head.highest());
        if put.options.if_latest.is_some_and(|expected| expected != latest) {
            return Err(StoreError::NotLatest { latest: self.head.highest() });
        }
        let next = self.head.next().ok_or(StoreError::VersionsExhausted);
        let version = match put.version {
            None => next?,
            // The first may be any.
            Some(asked) if self.head.highest().is_none() => asked,
            Some(asked) if next.as_ref().ok() == Some(&asked) => asked,
            Some(asked) if self.is_same(ground, put, asked)? => return Ok((asked, true)),
            Some(asked) => return Err(StoreError::Conflict { asked, next: next? }),
        };
        self.check_room(ground.name, limits, put.blob.len(), *usage)?;
        let meta = VersionMeta::new(ground.keys, version, put);
        let key = self.at.version(version.get());
        let aad = meta.aad(ground.keys, ground.name);
        let raw = ground.keys.seal(&aad, put.blob.expose()).map_err(|e| sealed(e, "entry", &key))?;
        usage.add_version(self.head.highest().is_none(), put.blob.len());
        self.add(meta, raw);
        Ok((version, false))
    }

    /// Whether one more version, of a secret of so many bytes, may be added to what there is.
    fn check_room(
        &self,
        name: &ResourceName,
        limits: PutLimits,
        secret: usize,
        usage: Usage,
    ) -> Result<(), StoreError> {
        let is_first = self.head.highest().is_none();
        if is_first && name.as_str().len() > limits.name {
            return Err(StoreError::NameLength { limit: limits.name });
        }
        if is_first && usage.names >= limits.names {
            return Err(StoreError::NamesQuota { limit: limits.names });
        }
        if usage.bytes.saturating_add(usage::cost(secret)) > limits.bytes {
            return Err(StoreError::BytesQuota { used: usage.bytes, limit: limits.bytes });
        }
        let (first, highest) = self.head.range().into_inner();
        if highest.saturating_add(1).saturating_sub(first) >= limits.versions {
            return Err(StoreError::VersionsLimit { limit: limits.versions });
        }
        Ok(())
    }

    /// Adds the next version, as the newest. The one before it gets a record of its own, if it has none: that
    /// is also what shows an older head put back. For the same reason a version lies beside the head only
    /// when the one before it did, or there was none.
    fn add(&mut self, meta: VersionMeta, raw: Vec<u8>) {
        let before = self.head.highest();
        let beside = (before.is_none() || self.head.latest_beside) && raw.len() <= LARGEST_BESIDE;
        self.set_apart();
        if beside {
            self.latest = Some(raw);
        } else {
            self.records.add(meta.version, raw);
        }
        self.head.latest_beside = beside;
        if let Some((number, versions)) = self.head.add(meta) {
            self.pages.add(number, versions);
        }
        self.changed = true;
    }

    /// The newest version gets a record of its own, if it has none.
    fn set_apart(&mut self) {
        if let (Some(newest), Some(raw)) = (self.head.highest(), self.latest.take()) {
            self.records.add(newest.get(), raw);
        }
        self.head.latest_beside = false;
    }

    /// Changes the stage of versions; gives those that weren't at it, from the newest.
    pub(super) fn change(
        &mut self,
        ground: &Ground<'_>,
        change: Change,
        span: Span,
        usage: &mut Usage,
    ) -> Result<Vec<Version>, StoreError> {
        let (range, alone) = match span {
            Span::One(version) => (version.get()..=version.get(), true),
            Span::Range(range) => (range, false),
        };
        let mut changed = Vec::new();
        for number in range.rev() {
            let meta = self.meta(ground, number)?.ok_or(StoreError::NotFound)?;
            let stage = meta.stage().ok_or_else(|| damaged("head", &self.at.head()))?;
            match change.next(stage) {
                Some(next) => {
                    self.set_stage(ground, &meta, next, usage)?;
                    changed.extend(Version::new(number));
                }
                None if alone && stage == Stage::Destroyed && change != Change::Destroy => {
                    return Err(StoreError::Destroyed);
                }
                None => {}
            }
        }
        Ok(changed)
    }

    /// Seals a version anew at another stage; a destroyed one is a mark without the secret.
    fn set_stage(
        &mut self,
        ground: &Ground<'_>,
        meta: &VersionMeta,
        stage: Stage,
        usage: &mut Usage,
    ) -> Result<(), StoreError> {
        let Ground { keys, name, .. } = *ground;
        // From here on its record tells an older head; see `crate::entry`.
        self.set_apart();
        let next = meta.at(stage, keys);
        let blob = match stage {
            Stage::Destroyed => None,
            Stage::There | Stage::Deleted => Some(self.records.open(ground, &self.at, meta)?),
        };
        let plain = blob.as_ref().map_or(&[][..], |blob| blob.expose());
        let key = self.at.version(meta.version);
        let raw = keys.seal(&next.aad(keys, name), plain).map_err(|e| sealed(e, "entry", &key))?;
        let former = self.records.replace(ground, &self.at, meta.version, raw)?;
        if stage == Stage::Destroyed {
            usage.give_back(former);
        }
        if !self.head.replace(&next) {
            self.pages.replace(ground, &self.at, next)?;
        }
        self.changed = true;
        Ok(())
    }

    /// Whether exactly this is stored already, under this version.
    fn is_same(&mut self, ground: &Ground<'_>, put: &PutEntry, version: Version) -> Result<bool, StoreError> {
        let Some(meta) = self.meta(ground, version.get())? else { return Ok(false) };
        let asked = VersionMeta::new(ground.keys, version, put);
        if meta.stage() != Some(Stage::There)
            || meta.entry_type != asked.entry_type
            || meta.exportable != asked.exportable
            || meta.expires != asked.expires
        {
            return Ok(false);
        }
        let newest = self.head.highest() == Some(version);
        let blob = match self.latest.as_deref().filter(|_| newest) {
            Some(raw) => Records::open_raw(ground, &self.at, &meta, raw)?,
            None => self.records.open(ground, &self.at, &meta)?,
        };
        Ok(blob == put.blob)
    }

    fn meta(&mut self, ground: &Ground<'_>, number: u32) -> Result<Option<VersionMeta>, StoreError> {
        match Version::new(number) {
            Some(version) => self.pages.find(ground, &self.at, &self.head, version),
            None => Ok(None),
        }
    }

    /// Adds what became of the name to the domain's transaction.
    pub(super) fn finish(self, ground: &Ground<'_>, txn: &mut Txn) -> Result<(), StoreError> {
        if !self.changed {
            return Ok(());
        }
        let (head_key, raw) = self.head.seal(ground.keys, &self.at, self.latest.as_deref())?;
        txn.require.push((head_key.clone(), self.head_was));
        txn.put.push((head_key, raw));
        self.pages.finish(ground, &self.at, txn)?;
        self.records.finish(&self.at, txn);
        Ok(())
    }
}
