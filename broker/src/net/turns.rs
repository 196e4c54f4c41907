//! Turns: how a shard's time is shared between domains while more than one of them wants it.
//!
//! What is ready on a shard runs in the order in which it got ready, so a domain with many connections would have as many
//! turns as it has connections, and a request of another would wait for all of them. So between two looks at the sockets a
//! domain begins only so much; the rest of it waits, first come first served, behind whatever the next look finds. Nothing is
//! left idle by that: who is alone never waits.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use tokio::sync::Semaphore;

/// What a domain may begin in one turn, in requests: below it the look at the sockets costs more than what it spares the
/// others.
const TURN: u32 = 8;

/// What a request counts.
pub const REQUEST: u32 = 1;

/// What a handshake counts: it costs as much as some twenty requests, so a turn has no more than one.
pub const HANDSHAKE: u32 = TURN;

/// The domains that a shard has connections of.
#[derive(Default)]
pub struct Turns {
    domains: RefCell<HashMap<[u8; 16], Weak<Turn>>>,
    /// How many of them there are.
    live: Rc<Cell<usize>>,
}

/// The turn of one domain on one shard.
pub struct Turn {
    left: Semaphore,
    /// How many wait.
    waiting: Cell<usize>,
    /// Whether the next turn is on its way.
    next: Cell<bool>,
    live: Rc<Cell<usize>>,
}

impl Turns {
    /// The turn that all of a domain's connections of this shard share, as long as it has any.
    pub fn of(&self, generation: &[u8; 16]) -> Rc<Turn> {
        let mut domains = self.domains.borrow_mut();
        if let Some(turn) = domains.get(generation).and_then(Weak::upgrade) {
            return turn;
        }
        // Only where a domain's first connection comes, and never with more than half of them gone.
        if domains.len() > 2 * self.live.get() {
            domains.retain(|_, turn| turn.strong_count() > 0);
        }
        self.live.set(self.live.get() + 1);
        let left = Semaphore::new(TURN as usize);
        let turn = Rc::new(Turn {
            left,
            waiting: Cell::new(0),
            next: Cell::new(false),
            live: Rc::clone(&self.live),
        });
        domains.insert(*generation, Rc::downgrade(&turn));
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.live.set(self.live.get() - 1);
    }
}

impl Turn {
    /// Waits until something that counts so much may begin.
    pub async fn begin(self: &Rc<Self>, counts: u32) {
        if self.live.get() < 2 {
            return;
        }
        if self.left.available_permits() < counts as usize && !self.next.replace(true) {
            actix_rt::spawn(Rc::clone(self).go_on());
        }
        let _waits = Waits::new(&self.waiting);
        // It is never closed. What was begun isn't given back: the next turn brings it.
        if let Ok(begun) = self.left.acquire_many(counts).await {
            begun.forget();
        }
    }

    /// Brings turn after turn, as long as anybody waits for one.
    async fn go_on(self: Rc<Self>) {
        while self.next.get() {
            // Goes on after the next look at the sockets, behind what that finds.
            tokio::task::yield_now().await;
            let spent = (TURN as usize).saturating_sub(self.left.available_permits());
            self.left.add_permits(spent);
            self.next.set(self.waiting.get() > 0);
        }
    }
}

/// Counts one that waits, whichever way that ends.
struct Waits<'t>(&'t Cell<usize>);

impl<'t> Waits<'t> {
    fn new(waiting: &'t Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn t34_who_asks_once_isn_t_behind_all_that_another_domain_asks() {
        let turns = Turns::default();
        let (flood, quiet) = (turns.of(&[1; 16]), turns.of(&[2; 16]));
        let order = Rc::new(RefCell::new(Vec::new()));
        let begin = |turn: &Rc<Turn>, who: u32| {
            let (turn, order) = (Rc::clone(turn), Rc::clone(&order));
            actix_rt::spawn(async move {
                turn.begin(REQUEST).await;
                order.borrow_mut().push(who);
            })
        };
        let mut all: Vec<_> = (0..100).map(|n| begin(&flood, n)).collect();
        all.push(begin(&quiet, 1000));
        for one in all {
            one.await.expect("it ends");
        }
        let order = order.borrow();
        let at = order.iter().position(|who| *who == 1000).expect("it had its turn");
        assert!(at <= TURN as usize, "behind {at}");
        let flood: Vec<_> = order.iter().copied().filter(|who| *who < 1000).collect();
        assert_eq!(flood, (0..100).collect::<Vec<_>>(), "first come, first served");
    }

    #[actix_rt::test]
    async fn a_handshake_takes_a_whole_turn_and_who_gives_up_blocks_nobody() {
        let turns = Turns::default();
        let (one, _other) = (turns.of(&[1; 16]), turns.of(&[2; 16]));
        one.begin(HANDSHAKE).await;
        assert_eq!(one.left.available_permits(), 0);
        let waits = actix_rt::spawn({
            let one = Rc::clone(&one);
            async move { one.begin(HANDSHAKE).await }
        });
        waits.abort();
        one.begin(HANDSHAKE).await;
        one.begin(REQUEST).await;
    }

    #[actix_rt::test]
    async fn a_domain_that_is_alone_never_waits_and_one_that_is_gone_is_forgotten() {
        let turns = Turns::default();
        let one = turns.of(&[1; 16]);
        assert!(Rc::ptr_eq(&one, &turns.of(&[1; 16])));
        for _ in 0..100 {
            one.begin(HANDSHAKE).await;
        }
        assert_eq!(one.left.available_permits(), TURN as usize, "nothing was counted");
        for n in 2..100 {
            drop(turns.of(&[n; 16]));
        }
        assert_eq!(turns.live.get(), 1);
        assert!(turns.domains.borrow().len() <= 3);
    }
}
