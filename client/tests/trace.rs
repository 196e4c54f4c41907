//! A trace where one of the two clocks is wrong, and where the broker alone finds fault with a certificate.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use claviger_attest::Role;
use claviger_client::trace::{Outcome, Trace, trace_admission, trace_service};
use claviger_client::{Options, Timeouts};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;
use support::{Domain, hasty, linger, messages, serve, serve_tcp, tls};

/// A clock that is so many days off.
#[derive(Debug)]
struct Off(i64);

impl TimeProvider for Off {
    fn current_time(&self) -> Option<UnixTime> {
        let now = UnixTime::now().as_secs().checked_add_signed(self.0 * 86_400)?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(now)))
    }
}

fn failed(trace: &Trace) -> Vec<(&str, &str)> {
    let steps = trace.steps.iter();
    steps.filter_map(|step| Some((step.name, step.diagnosis.as_ref()?.code))).collect()
}

#[tokio::test]
async fn a_machine_s_clock_that_is_wrong_is_told_by_both_certificates() {
    let domain = Domain::new("fleet");
    for (days, code) in [(3, "expired"), (-3, "policy-not-yet-valid")] {
        let server = serve(tls(&domain.leaf(Role::Broker), None), |_| async {}).await;
        let options = Options { time: Arc::new(Off(days)), ..hasty() };
        let trace = trace_service(&server, &domain.agent(), None, None, &options).await;
        assert_eq!(failed(&trace), [("identity", code), ("server-certificate", "broker-refused")]);
        for step in trace.steps.iter().filter(|step| step.outcome == Outcome::Failed) {
            let diagnosis = step.diagnosis.as_ref().unwrap();
            assert!(diagnosis.next.contains("this machine's clock"), "{diagnosis:?}");
            assert_eq!(diagnosis.exit_status, 3);
        }
    }
}

#[tokio::test]
async fn what_only_the_broker_finds_wrong_is_told_as_where_the_two_disagree() {
    let domain = Domain::new("fleet");
    for (refuse, word) in [
        (rustls::CertificateError::Expired, "one of the two clocks is wrong"),
        (rustls::CertificateError::UnknownIssuer, "another policy certificate"),
    ] {
        let server = serve(tls(&domain.leaf(Role::Broker), Some(refuse)), |_| async {}).await;
        let trace = trace_service(&server, &domain.agent(), None, None, &hasty()).await;
        assert_eq!(failed(&trace), [("own-certificate", "certificate-refused")]);
        assert!(trace.failed().unwrap().next.contains(word), "{trace:?}");
    }
}

#[tokio::test]
async fn a_broker_that_answers_anything_has_admitted_the_machine() {
    let domain = Domain::new("fleet");
    let name = messages::name("forbidden");
    for (asked, expected) in [(None, vec![]), (Some(&name), vec![("request", "not-found")])] {
        let of = domain.name.clone();
        let config = tls(&domain.leaf(Role::Broker), None);
        let server = serve(config, |stream| messages::broker(of, stream)).await;
        let trace = trace_service(&server, &domain.agent(), asked, None, &hasty()).await;
        assert_eq!(failed(&trace), expected);
        assert!(trace.steps.iter().all(|step| step.outcome != Outcome::Skipped), "{trace:?}");
    }
}

#[tokio::test]
async fn who_says_nothing_is_told_at_its_step() {
    let domain = Domain::new("fleet");
    let options = Options { timeouts: Timeouts::all(Duration::from_millis(200)), ..Options::default() };
    let silent = serve_tcp(|tcp| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(tcp);
    })
    .await;
    let trace = trace_service(&silent, &domain.agent(), None, None, &options).await;
    assert_eq!(failed(&trace), [("hello", "timeout")]);
    let mute = serve(tls(&domain.leaf(Role::Broker), None), linger).await;
    let trace = trace_admission(&mute, &domain.name, &domain.policy, &options).await;
    assert_eq!(failed(&trace), [("service", "no-challenge")]);
    let mute = serve(tls(&domain.leaf(Role::Broker), None), linger).await;
    let trace = trace_service(&mute, &domain.agent(), None, None, &options).await;
    assert_eq!(failed(&trace), [("own-certificate", "timeout")]);
}
