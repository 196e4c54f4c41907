//! How much a source may have fetched (THREATS 45: work that only somebody's word makes necessary).

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// Fetches that one source (a domain, an address) may cause in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many.
    pub fetches: u32,
    /// In how long.
    pub within: Duration,
}

impl Default for Budget {
    /// 30 in 10 minutes: a fleet's first start, and little enough for the KDS, which answers some a minute.
    fn default() -> Self {
        Self { fetches: 30, within: Duration::from_mins(10) }
    }
}

/// Most sources that are counted at once; beyond, who isn't counted yet has to wait.
const MAX_SOURCES: usize = 4096;

#[derive(Debug)]
struct Spent {
    since: Instant,
    fetches: u32,
}

/// What was spent, by source.
#[derive(Debug, Default)]
pub(super) struct Spending(HashMap<String, Spent>);

impl Spending {
    /// Whether this source may cause one more; it is counted.
    pub(super) fn spend(&mut self, source: &str, budget: Budget, now: Instant) -> bool {
        let over = |spent: &Spent| now.duration_since(spent.since) >= budget.within;
        if !self.0.contains_key(source) && self.0.len() >= MAX_SOURCES {
            self.0.retain(|_, spent| !over(spent));
            if self.0.len() >= MAX_SOURCES {
                return false;
            }
        }
        let spent = self.0.entry(source.to_owned()).or_insert(Spent { since: now, fetches: 0 });
        if over(spent) {
            *spent = Spent { since: now, fetches: 0 };
        }
        let may = spent.fetches < budget.fetches;
        spent.fetches += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t45_a_source_spends_its_own_budget_and_gets_it_again() {
        let (budget, start) = (Budget { fetches: 2, within: Duration::from_secs(10) }, Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut spending = Spending::default();
        assert!(spending.spend("a", budget, at(0)) && spending.spend("a", budget, at(1)));
        assert!(!spending.spend("a", budget, at(9)));
        assert!(spending.spend("b", budget, at(9)), "another source has its own");
        assert!(spending.spend("a", budget, at(10)));
    }

    #[test]
    fn t45_more_sources_than_are_counted_wait() {
        let (budget, start) = (Budget { fetches: 1, within: Duration::from_secs(10) }, Instant::now());
        let mut spending = Spending::default();
        for source in 0..MAX_SOURCES {
            assert!(spending.spend(&source.to_string(), budget, start));
        }
        assert!(!spending.spend("one more", budget, start));
        assert!(spending.spend("one more", budget, start + budget.within));
    }
}
