//! What stops the process: a broker that can't rely on its storage answers nobody from a guess.

use std::sync::Arc;

use tokio::sync::watch;

/// Told once, by whoever finds that the process can't go on.
pub struct Failure(watch::Sender<Option<&'static str>>);

impl Failure {
    /// A failure that nobody has reported, and where to wait for it.
    pub fn new() -> (Arc<Self>, watch::Receiver<Option<&'static str>>) {
        let (sender, receiver) = watch::channel(None);
        (Arc::new(Self(sender)), receiver)
    }

    /// The process can't go on, because of this. The first reason stays.
    pub fn report(&self, reason: &'static str) {
        self.0.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(reason);
            }
            first
        });
    }

    /// Reports `reason` if the thread that holds the guard unwinds.
    pub fn on_panic(&self, reason: &'static str) -> impl Drop + '_ {
        struct Guard<'f>(&'f Failure, &'static str);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    self.0.report(self.1);
                }
            }
        }
        Guard(self, reason)
    }
}
