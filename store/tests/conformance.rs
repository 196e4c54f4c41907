//! What every engine must do, run over each of them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::needless_pass_by_value, reason = "each test owns its engine, and some open it again")]
#![allow(clippy::large_stack_arrays, reason = "contents of values, in tests")]

mod conformance_suite;

use claviger_store::engine::{AnyEngine, MemoryEngine, SledEngine};

/// An engine and what keeps its files.
struct Subject {
    engine: AnyEngine,
    dir: Option<tempfile::TempDir>,
}

impl Subject {
    fn memory() -> Self {
        Self { engine: MemoryEngine::new().into(), dir: None }
    }

    fn sled() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { engine: SledEngine::open(dir.path()).unwrap().into(), dir: Some(dir) }
    }

    /// Closes and opens again, where there is something to open again.
    fn reopen(self) -> Self {
        match self.dir {
            None => self,
            Some(dir) => {
                drop(self.engine);
                Self { engine: SledEngine::open(dir.path()).unwrap().into(), dir: Some(dir) }
            }
        }
    }
}

macro_rules! suite {
    ($engine:ident: $($test:ident),* $(,)?) => {
        mod $engine {
            $(#[test]
            fn $test() {
                super::conformance_suite::$test(super::Subject::$engine());
            })*
        }
    };
    ($($engine:ident),*) => {$(
        suite!($engine:
            what_is_put_is_got,
            revisions_rise_through_the_whole_engine,
            a_failed_condition_changes_nothing_and_stops_nobody_else,
            conditions_see_earlier_transactions_of_the_commit,
            a_transaction_is_atomic_across_trees,
            trees_are_apart,
            put_wins_over_delete_in_one_transaction,
            a_mere_check_gets_no_revision,
            scans_are_ordered_bounded_and_go_on,
            large_values_come_back_whole,
            large_values_leave_nothing_behind,
            too_large_is_refused_and_nothing_happens,
            watchers_get_every_change_in_order,
            a_slow_watcher_never_holds_up_a_commit,
            readers_and_writers_at_once_see_whole_transactions,
            it_behaves_as_the_model,
        );
    )*};
}

suite!(memory, sled);
