//! The one writer: many commands, one commit.

mod batch;
mod command;
mod domain_plan;
mod domains;
mod flight;
mod limits;
mod name_plan;
mod source;
mod ticket_plan;

pub use command::{
    Change, ChangeVersions, CheckpointDomain, CheckpointSigner, Command, DeleteDomain, DomainChange, Done,
    NewDomain, PutEntry, Span, TicketChange, Tickets, UpdateDomain,
};

pub use flight::InFlight;
pub use limits::PutLimits;

use std::collections::{HashMap, VecDeque};

use crate::audit::TrailHead;
use crate::engine::{Engine as _, Revision, Txn};
use crate::error::StoreError;
use crate::layout::Generation;
use crate::store::Store;
use batch::{Batch, DomainChanges, Planned};
use flight::Group;
use source::{Apart, Source};

/// The one writer of a store, owned by the thread that may wait for the disk. There is never a second at once.
pub struct Writer {
    store: Store,
    /// Where the trails of domains have got to: nobody else moves them.
    trails: HashMap<Generation, TrailHead>,
    removals: VecDeque<Generation>,
    limits: PutLimits,
    stopped: bool,
}

impl Writer {
    pub(crate) fn new(store: Store) -> Result<Self, StoreError> {
        let removals = store.removals()?.into();
        let limits = PutLimits::default();
        Ok(Self { store, trails: HashMap::new(), removals, limits, stopped: false })
    }

    /// The same writer with these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: PutLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Does the commands in order and makes them durable with one commit of the engine (making and deleting
    /// domains takes a commit each); one result each, in order. A command that is refused doesn't hinder the
    /// others. After an error of the engine ([`StoreError::is_fatal`]) its commands fail, and every later one.
    pub fn commit(&mut self, commands: Vec<Command>) -> Vec<Result<Done, StoreError>> {
        self.commit_with(commands, Vec::new)
    }

    /// As [`Writer::commit`], and asks for `more` when it has planned what it was given, before anything is applied:
    /// what has come meanwhile shares the commit. An empty answer is the last.
    pub fn commit_with(
        &mut self,
        commands: Vec<Command>,
        more: impl FnMut() -> Vec<Command>,
    ) -> Vec<Result<Done, StoreError>> {
        self.begin(commands, more).finish()
    }

    /// The first half of [`Writer::commit_with`], which doesn't wait for the disk (unless a domain is made or
    /// deleted): the next commands may be begun, on top of these, before these are finished.
    pub fn begin(&mut self, commands: Vec<Command>, more: impl FnMut() -> Vec<Command>) -> InFlight {
        let mut source = Source::new(commands, more);
        let mut done = Vec::new();
        loop {
            let group = self.apply_group(&mut source);
            let store = self.store.clone();
            let Some(apart) = source.apart() else { return InFlight { store, done, group } };
            done = InFlight { store, done, group }.finish();
            done.push(match apart {
                Apart::Create(new) => self.create_domain(new),
                Apart::Delete(delete) => self.delete_domain(&delete),
            });
        }
    }

    fn apply_group(&mut self, source: &mut Source<impl FnMut() -> Vec<Command>>) -> Group {
        if self.stopped {
            return Group::failed(source.count(), &StoreError::Stopped);
        }
        let mut batch = Batch::new(&self.store, &self.trails, self.limits);
        for command in &mut *source {
            batch.add(command);
        }
        match batch.len() {
            0 => Group::default(),
            count => {
                let planned = batch.plan();
                self.apply(planned).unwrap_or_else(|error| {
                    self.stopped |= error.is_fatal();
                    Group::failed(count, &error)
                })
            }
        }
    }

    fn apply(&mut self, planned: Result<Planned, StoreError>) -> Result<Group, StoreError> {
        let Planned { mut outcomes, txns, changes } = planned?;
        let applied = self.store.engine().apply(txns).map_err(flight::failed)?;
        let mut new_names = Vec::new();
        for (changes, revision) in changes.into_iter().zip(applied.outcomes) {
            let DomainChanges { generation, mut trail, new_names: names } = changes;
            if let Ok(revision) = revision {
                trail.revision = Some(revision);
                self.trails.insert(generation, trail);
                new_names.push((generation, names));
            } else {
                // Nobody else may write, and our own view was right when it was made.
                self.stopped = true;
                for (_, outcome) in outcomes.iter_mut().filter(|(of, _)| *of == Some(generation)) {
                    *outcome = Err(StoreError::Stopped);
                }
            }
        }
        let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
        Ok(Group { outcomes, last: Some(applied.last), new_names })
    }

    /// Commits one transaction by itself.
    fn commit_one(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped);
        }
        let outcome = match self.store.engine().commit(vec![txn]) {
            Ok(mut outcomes) => outcomes.pop().and_then(Result::ok).ok_or(StoreError::Stopped),
            Err(error) => Err(error.into()),
        };
        self.stopped |= outcome.is_err();
        outcome
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.store.give_writer_back();
    }
}
