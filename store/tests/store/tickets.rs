//! Launch tickets: good once, durably, whoever comes at once.

use std::sync::Arc;

use claviger_store::engine::{AnyEngine, Engine as _, Key, Tree, Txn};
use claviger_store::{
    Command, Done, Store, StoreError, Ticket, TicketChange, TicketFault, TicketId, TicketState, Tickets,
};

use crate::common::{NOW, World, create_domain, delete_domain, facts, id, is_damaged, root};

fn ticket(byte: u8) -> Ticket {
    Ticket {
        id: [byte; 32],
        label: Some(format!("vm-{byte}")),
        created: NOW,
        expires: NOW + 100,
        state: TicketState::New,
        refused: 0,
        refused_last: 0,
    }
}

fn command(world: &World, action: &'static str, change: TicketChange) -> Command {
    Command::Tickets(Tickets { keys: Arc::clone(&world.keys), change, audit: facts(action) })
}

fn spend(world: &World, id: TicketId, certificate: u8, now: i64) -> Command {
    command(world, "ticket-use", TicketChange::Spend { id, certificate: [certificate; 32], now })
}

fn outcome(done: Result<Done, StoreError>) -> Result<(), TicketFault> {
    match done {
        Ok(Done::TicketSpent(outcome)) => outcome,
        _ => panic!("something else was done"),
    }
}

impl World {
    fn with_tickets(bytes: &[u8]) -> Self {
        let mut world = Self::new();
        let new = bytes.iter().map(|byte| ticket(*byte)).collect();
        let create = command(&world, "ticket-create", TicketChange::Create(new));
        assert!(matches!(world.writer.commit(vec![create]).pop().unwrap(), Ok(Done::TicketsChanged)));
        world
    }

    fn spend(&mut self, id: TicketId, certificate: u8, now: i64) -> Result<(), TicketFault> {
        let command = spend(self, id, certificate, now);
        outcome(self.writer.commit(vec![command]).pop().unwrap())
    }

    fn ticket(&self, byte: u8) -> Ticket {
        self.store.ticket(&self.keys, &[byte; 32]).unwrap().unwrap()
    }
}

#[test]
fn t39_a_ticket_is_good_once_and_the_second_attempt_is_counted() {
    let mut world = World::with_tickets(&[1, 2]);
    assert_eq!(world.spend([1; 32], 7, NOW + 1), Ok(()));
    assert_eq!(world.spend([1; 32], 8, NOW + 2), Err(TicketFault::Used));
    assert_eq!(world.spend([1; 32], 7, NOW + 3), Err(TicketFault::Used), "the same machine too");
    let used = world.ticket(1);
    assert_eq!(used.state, TicketState::Used { certificate: [7; 32], at: NOW + 1 });
    assert_eq!((used.refused, used.refused_last), (2, NOW + 3));
    assert_eq!(world.ticket(2), ticket(2));
}

#[test]
fn t39_of_two_in_one_commit_one_gets_it_and_the_rest_stays_refused_after_a_crash() {
    let mut world = World::with_tickets(&[1]);
    let both = vec![spend(&world, [1; 32], 7, NOW), spend(&world, [1; 32], 8, NOW)];
    let outcomes: Vec<_> = world.writer.commit(both).into_iter().map(outcome).collect();
    assert_eq!(outcomes, [Ok(()), Err(TicketFault::Used)]);
    // Nothing but what the engine has survives.
    let mut world = world.reopen();
    assert_eq!(world.spend([1; 32], 9, NOW), Err(TicketFault::Used));
    assert_eq!(world.ticket(1).refused, 2);
}

#[test]
fn t38_expired_revoked_unknown_and_another_domain_s_tickets_are_refused() {
    let mut world = World::with_tickets(&[1, 2, 3]);
    assert_eq!(world.spend([1; 32], 7, NOW + 100), Err(TicketFault::Expired));
    assert_eq!(world.spend([1; 32], 7, NOW + 99), Ok(()), "the last second");
    let revoke = |byte, now| TicketChange::Revoke { id: [byte; 32], now };
    for now in [NOW, NOW + 1] {
        let command = command(&world, "ticket-revoke", revoke(2, now));
        assert!(world.writer.commit(vec![command]).pop().unwrap().is_ok());
    }
    assert_eq!(world.ticket(2).state, TicketState::Revoked { at: NOW });
    assert_eq!(world.spend([2; 32], 7, NOW), Err(TicketFault::Revoked));
    let used = command(&world, "ticket-revoke", revoke(1, NOW));
    assert!(matches!(world.writer.commit(vec![used]).pop().unwrap(), Err(StoreError::TicketUsed)));
    assert_eq!(world.spend([9; 32], 7, NOW), Err(TicketFault::Unknown));
    let other = create_domain(&mut world.writer, "beta").unwrap();
    let change = TicketChange::Spend { id: [3; 32], certificate: [7; 32], now: NOW };
    let elsewhere = Command::Tickets(Tickets { keys: other, change, audit: facts("ticket-use") });
    assert_eq!(outcome(world.writer.commit(vec![elsewhere]).pop().unwrap()), Err(TicketFault::Unknown));
    assert_eq!(world.ticket(3), ticket(3), "untouched by the other domain");
}

fn ticket_records(engine: &AnyEngine) -> Vec<(Key, Vec<u8>)> {
    let found = engine.scan(Tree::Domain, b"t", None, 100).unwrap();
    found.into_iter().map(|found| (Key::new(Tree::Domain, found.key), found.value)).collect()
}

#[test]
fn t39_a_used_ticket_s_record_put_back_or_taken_away_is_found() {
    for remove in [false, true] {
        let mut world = World::with_tickets(&[1]);
        let before = ticket_records(&world.engine);
        assert_eq!(world.spend([1; 32], 7, NOW), Ok(()));
        let engine = Arc::clone(&world.engine);
        drop(world);
        assert!(Store::open(Arc::clone(&engine), &root(), id()).is_ok());
        let txn = if remove {
            Txn { delete: vec![before[0].0.clone()], ..Txn::default() }
        } else {
            Txn { put: before, ..Txn::default() }
        };
        engine.commit(vec![txn]).unwrap()[0].as_ref().unwrap();
        assert!(is_damaged(&Store::open(engine, &root(), id())));
    }
}

#[test]
fn a_deleted_domain_s_tickets_are_removed() {
    let mut world = World::with_tickets(&[1, 2]);
    let keys = Arc::clone(&world.keys);
    delete_domain(&mut world.writer, &keys).unwrap();
    assert!(world.store.ticket(&keys, &[1; 32]).unwrap().is_none());
    while world.writer.sweep().unwrap() {}
    assert!(ticket_records(&world.engine).is_empty());
}
