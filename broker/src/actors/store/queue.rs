//! What waits for the committer: any thread puts a commit in, the committer takes all there are.
//!
//! A lock that is held for a push costs a shard less than a message to another actor's thread, which is a system
//! call and, when that thread sleeps, its waking. Here only a committer that has nothing to do is woken.

use std::mem;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

/// A new queue: where to put, and where to take from.
pub(super) fn queue<T>() -> (Putter<T>, Taker<T>) {
    let shared = Arc::new(Shared { state: Mutex::new(State::default()), wake: Condvar::new() });
    (Putter(Arc::clone(&shared)), Taker(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
}

struct State<T> {
    waiting: Vec<T>,
    /// With how many waiting a taker that sleeps is woken; 0 while none sleeps.
    wake_at: usize,
    /// How much of what was taken is still being worked on; meanwhile company may be waited for.
    under_way: usize,
    closed: bool,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self { waiting: Vec::new(), wake_at: 0, under_way: 0, closed: false }
    }
}

/// Puts.
pub(super) struct Putter<T>(Arc<Shared<T>>);

impl<T> Clone for Putter<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Putter<T> {
    /// Puts `item` behind what waits; drops it when the queue is closed.
    pub(super) fn put(&self, item: T) {
        let mut state = self.0.state.lock();
        if state.closed {
            // Whatever dropping it does, it does without the lock.
            drop(state);
            drop(item);
            return;
        }
        state.waiting.push(item);
        let wake = state.wake_at > 0 && state.waiting.len() >= state.wake_at;
        if wake {
            state.wake_at = 0;
        }
        drop(state);
        if wake {
            self.0.wake.notify_one();
        }
    }

    /// Takes nothing more. What waits is still to be taken.
    pub(super) fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.wake.notify_one();
    }
}

/// Takes. When it is dropped the queue is closed, and what waits is dropped.
pub(super) struct Taker<T>(Arc<Shared<T>>);

/// What there was to take.
pub(super) enum Taken {
    /// Something.
    Some,
    /// Nothing, now.
    Nothing,
    /// Nothing, ever again.
    Closed,
}

impl<T> Taker<T> {
    /// For who works on what is taken.
    pub(super) fn ender(&self) -> Ender<T> {
        Ender(Arc::clone(&self.0))
    }

    /// Takes what waits, the oldest first and at most `most`, into `batch`, which is empty.
    pub(super) fn try_take(&self, batch: &mut Vec<T>, most: usize) -> Taken {
        take(&mut self.0.state.lock(), batch, most)
    }

    /// The same, but waits: for something, and while what was taken before is worked on ([`Taker::begin`]), for
    /// `wanted`. False when the queue is closed and nothing is left.
    pub(super) fn take(&self, batch: &mut Vec<T>, most: usize, wanted: usize) -> bool {
        let mut state = self.0.state.lock();
        loop {
            let enough = if state.under_way > 0 { wanted.max(1) } else { 1 };
            if state.waiting.len() >= enough || state.closed {
                return matches!(take(&mut state, batch, most), Taken::Some);
            }
            state.wake_at = enough;
            self.0.wake.wait(&mut state);
            state.wake_at = 0;
        }
    }

    /// Says that work on what was taken begins; each needs its [`Ender::end`].
    pub(super) fn begin(&self) {
        self.0.state.lock().under_way += 1;
    }
}

/// Says when what was taken is done.
pub(super) struct Ender<T>(Arc<Shared<T>>);

impl<T> Ender<T> {
    /// One work is done. When it was the last, whatever waits may be taken.
    pub(super) fn end(&self) {
        let mut state = self.0.state.lock();
        state.under_way = state.under_way.saturating_sub(1);
        let asleep = state.under_way == 0 && state.wake_at > 0;
        let wake = asleep && !state.waiting.is_empty();
        if asleep {
            state.wake_at = 1;
        }
        drop(state);
        if wake {
            self.0.wake.notify_one();
        }
    }
}

fn take<T>(state: &mut State<T>, batch: &mut Vec<T>, most: usize) -> Taken {
    match state.waiting.len() {
        0 if state.closed => return Taken::Closed,
        0 => return Taken::Nothing,
        // The two buffers change places, so that neither is ever allocated anew.
        _ if most == 0 => return Taken::Nothing,
        some if some <= most => mem::swap(&mut state.waiting, batch),
        _ => batch.extend(state.waiting.drain(..most)),
    }
    Taken::Some
}

impl<T> Drop for Taker<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        let left = mem::take(&mut state.waiting);
        drop(state);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn what_is_put_is_taken_in_order_and_no_more_than_asked_for() {
        let (putter, taker) = queue();
        (0..5).for_each(|n| putter.put(n));
        let mut batch = Vec::new();
        assert!(taker.take(&mut batch, 3, 0));
        assert_eq!(batch, [0, 1, 2]);
        batch.clear();
        assert!(matches!(taker.try_take(&mut batch, 3), Taken::Some));
        assert_eq!(batch, [3, 4]);
        batch.clear();
        assert!(matches!(taker.try_take(&mut batch, 3), Taken::Nothing));
    }

    #[test]
    fn one_that_waits_is_woken_by_a_put_and_by_the_close() {
        let (putter, taker) = queue();
        let taking = thread::spawn(move || {
            let mut batch = Vec::new();
            let mut all = Vec::new();
            while taker.take(&mut batch, 8, 0) {
                all.append(&mut batch);
            }
            all
        });
        for n in 0..100 {
            if n % 10 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            putter.put(n);
        }
        putter.close();
        putter.put(100);
        assert_eq!(
            taking.join().expect("it ends"),
            (0..100).collect::<Vec<_>>(),
            "and nothing after the close"
        );
    }

    #[test]
    fn company_is_waited_for_only_while_something_is_under_way() {
        let (putter, taker) = queue();
        let ender = taker.ender();
        let mut batch = Vec::new();
        putter.put(1);
        assert!(taker.take(&mut batch, 8, 3), "nothing is under way");
        assert_eq!(mem::take(&mut batch), [1]);

        taker.begin();
        let putting = thread::spawn(move || {
            (0..3).for_each(|n| putter.put(n));
            putter
        });
        assert!(taker.take(&mut batch, 8, 3));
        assert_eq!(mem::take(&mut batch), [0, 1, 2], "as soon as they are there");

        let putter = putting.join().expect("it ends");
        putter.put(4);
        let ending = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            ender.end();
            ender
        });
        assert!(taker.take(&mut batch, 8, 3));
        assert_eq!(mem::take(&mut batch), [4], "what is there, when that is over");

        let ender = ending.join().expect("it ends");
        taker.begin();
        ender.end();
        let later = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            putter.put(5);
            putter.close();
        });
        assert!(taker.take(&mut batch, 8, 3));
        assert_eq!(mem::take(&mut batch), [5], "one that comes when it is over");
        taker.begin();
        assert!(!taker.take(&mut batch, 8, 3), "nobody comes after the close");
        later.join().expect("it ends");
    }

    #[test]
    fn a_taker_that_sleeps_for_company_is_content_with_one_when_the_work_ends() {
        let (putter, taker) = queue();
        let ender = taker.ender();
        taker.begin();
        let taking = thread::spawn(move || {
            let mut batch = Vec::new();
            (taker.take(&mut batch, 8, 100), batch)
        });
        thread::sleep(Duration::from_millis(20));
        ender.end();
        putter.put(1);
        assert_eq!(taking.join().expect("it ends"), (true, vec![1]));
    }

    #[test]
    fn when_the_taker_is_gone_whatever_waits_is_dropped_and_whatever_comes() {
        let (putter, taker) = queue();
        let item = Arc::new(());
        putter.put(Arc::clone(&item));
        drop(taker);
        putter.put(Arc::clone(&item));
        assert_eq!(Arc::strong_count(&item), 1);
    }
}
