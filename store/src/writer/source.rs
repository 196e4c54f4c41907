//! Where a commit's commands come from.

use crate::writer::batch::Grouped;
use crate::writer::{Command, DeleteDomain, NewDomain};
use std::vec;

/// A command that takes a commit of its own.
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub(super) enum Apart {
    Create(NewDomain),
    Delete(DeleteDomain),
}

/// The commands of a commit, in order: as an iterator, those that share one, up to the first that doesn't.
pub(super) struct Source<M> {
    commands: vec::IntoIter<Command>,
    /// Gives what has come meanwhile, until it gives nothing.
    more: Option<M>,
    apart: Option<Apart>,
}

impl<M: FnMut() -> Vec<Command>> Source<M> {
    pub(super) fn new(commands: Vec<Command>, more: M) -> Self {
        Self { commands: commands.into_iter(), more: Some(more), apart: None }
    }

    /// What ended the last iteration; the next goes on behind it. No more is asked for then, for what was given
    /// waits for its answer.
    pub(super) fn apart(&mut self) -> Option<Apart> {
        let apart = self.apart.take();
        if apart.is_some() {
            self.more = None;
        }
        apart
    }

    fn next_command(&mut self) -> Option<Command> {
        if let Some(command) = self.commands.next() {
            return Some(command);
        }
        self.commands = self.more.as_mut()?().into_iter();
        let next = self.commands.next();
        if next.is_none() {
            self.more = None;
        }
        next
    }
}

impl<M: FnMut() -> Vec<Command>> Iterator for Source<M> {
    type Item = Grouped;

    fn next(&mut self) -> Option<Grouped> {
        if self.apart.is_some() {
            return None;
        }
        match self.next_command()? {
            Command::Put(put) => Some(Grouped::Put(put)),
            Command::Change(change) => Some(Grouped::Change(change)),
            Command::UpdateDomain(update) => Some(Grouped::Update(update)),
            Command::Tickets(tickets) => Some(Grouped::Tickets(tickets)),
            Command::Once(once) => Some(Grouped::Once(once)),
            Command::Checkpoint(checkpoint) => Some(Grouped::Checkpoint(checkpoint)),
            Command::CreateDomain(new) => {
                self.apart = Some(Apart::Create(new));
                None
            }
            Command::DeleteDomain(delete) => {
                self.apart = Some(Apart::Delete(delete));
                None
            }
        }
    }
}
