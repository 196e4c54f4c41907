//! An era: from an unsealing to the next sealing. What was opened in it ends with it.

use tokio::sync::watch;

/// How far an era has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It goes on.
    Open,
    /// Nothing new begins in it; what is under way is finished.
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

    /// Has everybody finish what is under way.
    pub fn end(&self) {
        self.0.send_replace(Phase::Ending);
    }

    /// Has everybody drop what is under way.
    pub fn cut(&self) {
        self.0.send_replace(Phase::Over);
    }

    /// Returns when nobody is left in it.
    pub async fn deserted(&self) {
        self.0.closed().await;
    }
}

impl Lease {
    /// Returns when it is time to finish.
    pub async fn ending(&mut self) {
        self.reached(Phase::Ending).await;
    }

    /// Returns when it is time to drop everything.
    pub async fn over(&mut self) {
        self.reached(Phase::Over).await;
    }

    /// Whether it is time to finish.
    pub fn is_ending(&self) -> bool {
        *self.0.borrow() >= Phase::Ending
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
    async fn an_era_ends_in_two_steps_and_is_deserted_when_the_last_has_left() {
        let era = Era::default();
        era.deserted().await;
        let (mut first, mut second) = (era.lease(), era.lease());
        assert!(!first.is_ending());
        era.end();
        first.ending().await;
        assert!(second.is_ending());
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
