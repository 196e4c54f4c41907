//! An era: from an unsealing to the next sealing, or to the broker's end. What was opened in it ends with it.

use tokio::sync::watch;

/// How far an era has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It goes on.
    Open,
    /// No request begins in it that wasn't sent yet; whoever is on the way to one may send it.
    Draining,
    /// Nothing new begins in it; requests that are under way are finished.
    Ending,
    /// What isn't finished is dropped.
    Over,
}

/// An era, held by whoever can end it.
#[derive(Debug)]
pub struct Era(watch::Sender<Phase>);

/// A channel's place in an era; the era is deserted when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Lease(watch::Receiver<Phase>);

impl Default for Era {
    fn default() -> Self {
        Self(watch::channel(Phase::Open).0)
    }
}

impl Era {
    /// A place in it.
    pub fn lease(&self) -> Lease {
        Lease(self.0.subscribe())
    }

    /// Has everybody come to an end in their own time: the broker drains.
    pub fn drain(&self) {
        self.reach(Phase::Draining);
    }

    /// Has everybody finish the request that is under way: the broker is being sealed.
    pub fn end(&self) {
        self.reach(Phase::Ending);
    }

    /// Has everybody drop what is under way.
    pub fn cut(&self) {
        self.reach(Phase::Over);
    }

    /// An era never goes back.
    fn reach(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let further = *now < phase;
            *now = phase.max(*now);
            further
        });
    }

    /// Returns when nobody is left in it.
    pub async fn deserted(&self) {
        self.0.closed().await;
    }
}

impl Lease {
    /// Returns when no further request should begin.
    pub async fn draining(&mut self) {
        self.reached(Phase::Draining).await;
    }

    /// Returns when nothing but a request should go on.
    pub async fn ending(&mut self) {
        self.reached(Phase::Ending).await;
    }

    /// Returns when it is time to drop everything.
    pub async fn over(&mut self) {
        self.reached(Phase::Over).await;
    }

    /// Whether no further request should begin.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    async fn reached(&mut self, phase: Phase) {
        // An era that is gone is over.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_era_ends_in_steps_and_is_deserted_when_the_last_has_left() {
        let era = Era::default();
        era.deserted().await;
        let (mut first, mut second) = (era.lease(), era.lease());
        assert!(!first.is_draining());
        era.drain();
        first.draining().await;
        assert!(second.is_draining());
        tokio::select! {
            biased;
            () = second.ending() => panic!("not yet"),
            () = std::future::ready(()) => {}
        }
        era.end();
        era.drain();
        first.ending().await;
        drop(first);
        tokio::select! {
            biased;
            () = era.deserted() => panic!("somebody is in it"),
            () = second.over() => panic!("not yet"),
            () = std::future::ready(()) => {}
        }
        era.cut();
        second.over().await;
        drop(second);
        era.deserted().await;
    }
}
