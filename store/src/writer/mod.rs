//! The one writer: many commands, one commit.

mod batch;
mod command;
mod domain_plan;
mod domains;
mod limits;
mod name_plan;
mod once_plan;
mod source;
mod ticket_plan;

pub use command::{
    Change, ChangeVersions, CheckpointDomain, CheckpointSigner, Command, DeleteDomain, DomainChange, Done,
    NewDomain, Once, PulledDomain, PutEntry, Span, TicketChange, Tickets, UpdateDomain,
};

pub use limits::PutLimits;

use std::collections::{HashMap, VecDeque};

use crate::audit::TrailHead;
use crate::engine::{Engine as _, Revision, Txn};
use crate::error::StoreError;
use crate::layout::Generation;
use crate::store::Store;
use batch::{Batch, DomainChanges, Planned};
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

    /// As [`Writer::commit`], and asks for `more` when it has planned what it was given, before it makes anything
    /// durable: what has come meanwhile shares the commit. An empty answer is the last.
    pub fn commit_with(
        &mut self,
        commands: Vec<Command>,
        more: impl FnMut() -> Vec<Command>,
    ) -> Vec<Result<Done, StoreError>> {
        let mut source = Source::new(commands, more);
        let mut outcomes = Vec::new();
        loop {
            self.commit_group(&mut source, &mut outcomes);
            match source.apart() {
                Some(Apart::Create(new)) => outcomes.push(self.create_domain(new)),
                Some(Apart::Delete(delete)) => outcomes.push(self.delete_domain(&delete)),
                None => return outcomes,
            }
        }
    }

    fn commit_group(
        &mut self,
        source: &mut Source<impl FnMut() -> Vec<Command>>,
        outcomes: &mut Vec<Result<Done, StoreError>>,
    ) {
        if self.stopped {
            outcomes.extend(source.map(|_| Err(StoreError::Stopped)));
            return;
        }
        let mut batch = Batch::new(&self.store, &self.trails, self.limits);
        for command in &mut *source {
            batch.add(command);
        }
        let count = batch.len();
        if count > 0 {
            let planned = batch.plan();
            outcomes.extend(self.commit_planned(planned, count));
        }
    }

    fn commit_planned(
        &mut self,
        planned: Result<Planned, StoreError>,
        count: usize,
    ) -> Vec<Result<Done, StoreError>> {
        let all_fail = |error: &StoreError| (0..count).map(|_| Err(error.clone())).collect();
        let committed = planned.and_then(|planned| {
            let revisions = self.store.engine().commit(planned.txns)?;
            Ok((planned.outcomes, planned.changes, revisions))
        });
        let (mut outcomes, changes, revisions) = match committed {
            Ok(committed) => committed,
            Err(error) => {
                self.stopped |= error.is_fatal();
                return all_fail(&error);
            }
        };
        for (changes, revision) in changes.into_iter().zip(revisions) {
            let DomainChanges { generation, mut trail, new_names } = changes;
            if let Ok(revision) = revision {
                trail.revision = Some(revision);
                self.trails.insert(generation, trail);
                self.store.name_index().add(&generation, new_names);
            } else {
                // Nobody else may write, and our own view was right when it was made.
                self.stopped = true;
                for (_, outcome) in outcomes.iter_mut().filter(|(of, _)| *of == Some(generation)) {
                    *outcome = Err(StoreError::Stopped);
                }
            }
        }
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
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
