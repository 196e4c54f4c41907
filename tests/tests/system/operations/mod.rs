//! What an operator sets, sees and signals.

mod configuration;
mod limits;
mod logs;
mod metrics;
mod reload;
mod systemd;

use std::time::{Duration, Instant};

use claviger_tests::broker::{Broker, Setup};

/// A broker with this configuration.
fn configured(config: &str) -> Broker {
    Broker::start_with(Setup { config: config.to_owned(), ..Setup::default() })
}

/// A broker with these variables in its environment.
fn in_environment(env: &[(&'static str, &str)]) -> Broker {
    let env = env.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    Broker::start_with(Setup { env, ..Setup::default() })
}

/// Waits until this is so.
#[track_caller]
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !is() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The value of a metric, named with its labels as the page has them; 0 where it isn't there yet.
fn metric(broker: &Broker, series: &str) -> u64 {
    let (status, page) = broker.page("/metrics");
    assert_eq!(status, 200);
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().expect("a number"))
}
