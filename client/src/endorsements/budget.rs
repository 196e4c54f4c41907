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
    until: Instant,
    fetches: u32,
}

/// What was spent, by source.
#[derive(Debug, Default)]
pub(super) struct Spending(HashMap<String, Spent>);

impl Spending {
    /// Whether all of these may cause one more; it is counted for each, or for none.
    pub(super) fn spend(&mut self, sources: &[(String, Budget)], now: Instant) -> bool {
        if self.0.len() + sources.len() > MAX_SOURCES {
            self.0.retain(|_, spent| spent.until > now);
        }
        let may = |(source, budget): &(String, Budget)| match self.0.get(source) {
            Some(spent) => spent.until <= now || spent.fetches < budget.fetches,
            None => self.0.len() + sources.len() <= MAX_SOURCES && budget.fetches > 0,
        };
        if !sources.iter().all(may) {
            return false;
        }
        for (source, budget) in sources {
            let anew = || Spent { until: now + budget.within, fetches: 0 };
            let spent = self.0.entry(source.clone()).or_insert_with(anew);
            if spent.until <= now {
                *spent = anew();
            }
            spent.fetches += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str, budget: Budget) -> (String, Budget) {
        (source.to_owned(), budget)
    }

    #[test]
    fn t45_a_source_spends_its_own_budget_and_gets_it_again() {
        let (budget, start) = (Budget { fetches: 2, within: Duration::from_secs(10) }, Instant::now());
        let mut spending = Spending::default();
        let mut spend = |source: &str, seconds| {
            spending.spend(&[of(source, budget)], start + Duration::from_secs(seconds))
        };
        assert!(spend("a", 0) && spend("a", 1));
        assert!(!spend("a", 9));
        assert!(spend("b", 9), "another source has its own");
        assert!(spend("a", 10));
    }

    #[test]
    fn t45_who_is_refused_by_one_budget_costs_no_other() {
        let (many, few) =
            (Budget { fetches: 3, ..Budget::default() }, Budget { fetches: 1, ..Budget::default() });
        let (mut spending, now) = (Spending::default(), Instant::now());
        let mut spend = |address: &str| spending.spend(&[of("fleet", many), of(address, few)], now);
        assert!(spend("a"));
        assert!((0..9).all(|_| !spend("a")));
        assert!(spend("b") && spend("c"), "what an address may not isn't the domain's loss");
        assert!(!spend("d"));
    }

    #[test]
    fn t45_more_sources_than_are_counted_wait() {
        let (budget, start) = (Budget { fetches: 1, within: Duration::from_secs(10) }, Instant::now());
        let mut spending = Spending::default();
        for source in 0..MAX_SOURCES {
            assert!(spending.spend(&[of(&source.to_string(), budget)], start));
        }
        assert!(!spending.spend(&[of("one more", budget)], start));
        assert!(spending.spend(&[of("one more", budget)], start + budget.within));
    }
}
