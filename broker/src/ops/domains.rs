//! What each domain does, as metrics with the domain's name: for so many domains, those that were served first. All others
//! are counted together, so that a thousand tenants don't cost the monitoring a thousand times as much.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claviger_proto::DomainName;
use claviger_proto::error::ErrorCode;

/// The label of all domains that have none of their own. No domain can be called so: a name begins with a letter.
const REST: &str = "_rest";

/// Every domain's meter.
#[derive(Debug)]
pub struct DomainMeters {
    limit: usize,
    own: Mutex<BTreeMap<DomainName, Arc<Meter>>>,
    rest: Arc<Meter>,
}

/// What one domain does, or all that have no label of their own, counted since the broker started.
#[derive(Debug, Default)]
pub struct Meter {
    channels: AtomicU64,
    served: AtomicU64,
    refused: AtomicU64,
    busy: AtomicU64,
    admitted: AtomicU64,
    not_admitted: AtomicU64,
}

impl Meter {
    /// A member's channel is open.
    pub fn channel(&self) {
        add(&self.channels);
    }

    /// A request of the key service was answered: with what was asked for, or with this code.
    pub fn request(&self, refused: Option<ErrorCode>) {
        add(match refused {
            None => &self.served,
            Some(ErrorCode::Busy) => &self.busy,
            Some(_) => &self.refused,
        });
    }

    /// Whether somebody who wanted to be admitted was.
    pub fn admission(&self, admitted: bool) {
        add(if admitted { &self.admitted } else { &self.not_admitted });
    }
}

/// These are for people who look now and then: nothing else is ordered by them.
fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What is shown of a meter: the metric, its help, and a value of `result` with its counter for each line.
type Shown = (&'static str, &'static str, &'static [(&'static str, fn(&Meter) -> &AtomicU64)]);

const SHOWN: [Shown; 3] = [
    (
        "claviger_domain_requests_total",
        "Requests of the key service, by domain and result",
        &[("ok", |m| &m.served), ("refused", |m| &m.refused), ("busy", |m| &m.busy)],
    ),
    (
        "claviger_domain_admissions_total",
        "Admissions, by domain and result",
        &[("ok", |m| &m.admitted), ("refused", |m| &m.not_admitted)],
    ),
    ("claviger_domain_channels_total", "Channels that members opened, by domain", &[("ok", |m| &m.channels)]),
];

impl DomainMeters {
    /// Gives so many domains a label of their own; with 0 there are no metrics of domains.
    pub fn new(limit: usize) -> Self {
        Self { limit, own: Mutex::default(), rest: Arc::default() }
    }

    /// A domain's meter, the same for as long as the domain is there.
    pub fn of(&self, domain: &DomainName) -> Arc<Meter> {
        let mut own = self.own();
        if let Some(meter) = own.get(domain) {
            return Arc::clone(meter);
        }
        if own.len() >= self.limit {
            return Arc::clone(&self.rest);
        }
        Arc::clone(own.entry(domain.clone()).or_default())
    }

    /// The domain is deleted; the next one to come may have its place.
    pub fn forget(&self, domain: &DomainName) {
        self.own().remove(domain);
    }

    /// All of it as text (Prometheus's exposition format 0.0.4).
    pub fn render(&self) -> String {
        let mut page = String::new();
        if self.limit == 0 {
            return page;
        }
        let own = self.own();
        let rest = (REST, &self.rest);
        for (metric, help, results) in SHOWN {
            // Writing to a string doesn't fail.
            let _ = writeln!(page, "# HELP {metric} {help}\n# TYPE {metric} counter");
            for (domain, meter) in own.iter().map(|(name, meter)| (name.as_str(), meter)).chain([rest]) {
                for (result, counter) in results {
                    let count = counter(meter).load(Ordering::Relaxed);
                    let _ = writeln!(page, "{metric}{{domain=\"{domain}\",result=\"{result}\"}} {count}");
                }
            }
        }
        page
    }

    fn own(&self) -> MutexGuard<'_, BTreeMap<DomainName, Arc<Meter>>> {
        // Nothing in here panics half way through a change.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().expect("a name")
    }

    #[test]
    fn so_many_domains_have_their_own_label_and_all_others_share_one() {
        let meters = DomainMeters::new(2);
        for domain in ["b", "a", "c", "d"] {
            let meter = meters.of(&name(domain));
            meter.request(None);
            meter.request(Some(ErrorCode::Busy));
            meter.admission(false);
        }
        let page = meters.render();
        for line in [
            "claviger_domain_requests_total{domain=\"a\",result=\"ok\"} 1",
            "claviger_domain_requests_total{domain=\"_rest\",result=\"busy\"} 2",
            "claviger_domain_requests_total{domain=\"_rest\",result=\"refused\"} 0",
            "claviger_domain_admissions_total{domain=\"b\",result=\"refused\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in\n{page}");
        }
        assert!(!page.contains("\"c\"") && !page.contains("\"d\""), "{page}");
        // However many domains come, the page doesn't grow.
        for n in 0..1000 {
            meters.of(&name(&format!("n{n}"))).channel();
        }
        assert_eq!(meters.render().lines().count(), page.lines().count());
    }

    #[test]
    fn a_deleted_domain_gives_its_label_back_and_what_was_counted_together_never_goes_down() {
        let meters = DomainMeters::new(1);
        let first = meters.of(&name("first"));
        meters.of(&name("second")).request(None);
        assert!(Arc::ptr_eq(&first, &meters.of(&name("first"))));
        meters.forget(&name("first"));
        meters.of(&name("third")).request(None);
        let page = meters.render();
        assert!(page.contains("{domain=\"third\",result=\"ok\"} 1") && !page.contains("first"), "{page}");
        assert!(page.contains("{domain=\"_rest\",result=\"ok\"} 1"), "{page}");
    }

    #[test]
    fn without_labels_there_is_nothing() {
        let meters = DomainMeters::new(0);
        meters.of(&name("a")).request(None);
        assert!(meters.render().is_empty());
    }
}
