//! The panic policy, in one place.
//!
//! A panic while one peer's bytes are handled costs that peer its connection: connection tasks are tokio
//! tasks, which contain it, and the actors' handlers go through [`contain`]. A panic of the committer thread
//! stops the process: what it left behind is not known, and the store is whole on disk.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`; `None` if it panicked. The panic's message goes to the log through the panic hook, its
/// payload nowhere.
///
/// The closures given here either own what they change or change it in one last step, so that nothing
/// half-done is seen afterwards.
pub fn contain<T>(place: &'static str, work: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(work)).ok();
    if result.is_none() {
        tracing::error!(place, "a handler panicked; its request was dropped");
        metrics::counter!("claviger_panics_total", "place" => place).increment(1);
    }
    result
}

/// Installs a panic hook that names the place but not the message, for a message can carry data.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panic");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_contained_and_a_value_passed_on() {
        assert_eq!(contain("test", || 1), Some(1));
        assert_eq!(contain("test", || -> u8 { panic!("on purpose") }), None);
    }
}
