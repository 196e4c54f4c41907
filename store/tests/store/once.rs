//! What may be done once: remembered durably, for as long as it has to be.

use std::sync::Arc;

use claviger_store::engine::{Engine as _, Tree};
use claviger_store::{Command, Done, Once};

use crate::common::{NOW, World, create_domain, delete_domain, facts};

fn once(world: &World, what: u8, until: i64, now: i64) -> Command {
    let audit = facts("stock-enroll");
    Command::Once(Once { keys: Arc::clone(&world.keys), what: [what; 32], until, now, audit })
}

impl World {
    fn is_first(&mut self, what: u8, until: i64, now: i64) -> bool {
        let command = once(self, what, until, now);
        match self.writer.commit(vec![command]).pop().unwrap() {
            Ok(Done::Once(first)) => first,
            _ => panic!("something else was done"),
        }
    }

    /// How many things are remembered.
    fn remembered(&self) -> usize {
        self.engine.scan(Tree::Domain, b"o", None, 1000).unwrap().len()
    }
}

#[test]
fn a_thing_is_done_once_also_after_a_restart() {
    let mut world = World::new();
    assert!(world.is_first(1, NOW + 10, NOW));
    assert!(!world.is_first(1, NOW + 10, NOW + 1));
    assert!(world.is_first(2, NOW + 10, NOW + 1), "another thing");
    let mut world = world.reopen();
    assert!(!world.is_first(1, NOW + 10, NOW + 2) && !world.is_first(2, NOW + 10, NOW + 2));
}

#[test]
fn of_those_who_do_it_at_once_one_is_first() {
    let mut world = World::new();
    let commands = (0..5).map(|_| once(&world, 7, NOW + 10, NOW)).collect();
    let firsts =
        world.writer.commit(commands).into_iter().filter(|done| matches!(done, Ok(Done::Once(true))));
    assert_eq!(firsts.count(), 1);
}

#[test]
fn what_is_over_is_forgotten_and_nothing_else() {
    let mut world = World::new();
    for what in 0..40 {
        assert!(world.is_first(what, NOW + i64::from(what), NOW));
    }
    assert_eq!(world.remembered(), 40);
    assert!(world.is_first(100, NOW + 1000, NOW + 20));
    assert!(world.is_first(101, NOW + 1000, NOW + 20));
    assert!(world.is_first(102, NOW + 1000, NOW + 20));
    assert_eq!(world.remembered(), 40 - 20 + 3);
    assert!(!world.is_first(20, NOW + 20, NOW + 20), "until then and in it");
}

#[test]
fn a_domain_s_memory_goes_with_it_and_is_nobody_else_s() {
    let mut world = World::new();
    assert!(world.is_first(1, NOW + 10, NOW));
    let other = create_domain(&mut world.writer, "beta").unwrap();
    let first = std::mem::replace(&mut world.keys, other);
    assert!(world.is_first(1, NOW + 10, NOW), "in the other domain");
    delete_domain(&mut world.writer, &first).unwrap();
    while world.writer.sweep().unwrap() {}
    assert_eq!(world.remembered(), 1);
}
