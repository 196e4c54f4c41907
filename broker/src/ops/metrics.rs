//! Which metrics there are. docs/operations.md has the same list; a test holds them together.

use claviger_proto::admin::State;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::net::permits::Permits;

/// Buckets of times, in seconds: from a fast handshake's part to the longest deadline.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Buckets of how many share a commit.
const BATCH: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Installs the recorder. Whatever counts has to be looked up after this.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &BATCH)?
        .install_recorder()?;
    describe();
    begin();
    Ok(handle)
}

fn describe() {
    describe_counter!("claviger_requests_total", "Requests of the key service, by kind and outcome");
    describe_counter!("claviger_admissions_total", "Admissions, by result");
    describe_counter!("claviger_tickets_refused_total", "Launch tickets refused, by what is wrong with them");
    describe_counter!(
        "claviger_endorsements_total",
        "Chips' certificates that evidence needed, by where they were or why not"
    );
    describe_counter!("claviger_proofs_total", "Answers to challenges on open channels, by kind and result");
    describe_counter!("claviger_connections_total", "Connections taken, by listener");
    describe_counter!("claviger_connections_refused_total", "Connections refused, by the limit");
    describe_counter!("claviger_handshakes_total", "TLS handshakes, by result and how far they got");
    describe_histogram!("claviger_handshake_seconds", "Time of a handshake's phases");
    describe_counter!("claviger_over_quota_total", "Requests refused because their domain is over a quota");
    describe_counter!("claviger_revoked_refused_total", "Refused because it is revoked, by what is");
    describe_counter!("claviger_certificates_refused_total", "Peers' certificates refused in a handshake");
    describe_counter!(
        "claviger_admin_refused_total",
        "Admin calls over the network that their caller may not make"
    );
    describe_histogram!("claviger_commit_seconds", "Time of a commit of the store, with its flush");
    describe_histogram!("claviger_commit_batch_size", "Changes that shared a commit of the store");
    describe_gauge!("claviger_permits_in_use", "Places taken under a limit");
    describe_gauge!("claviger_permits_limit", "Places there are under a limit");
    describe_counter!("claviger_audit_sync_failures_total", "Audit segments that didn't reach the disk");
    describe_counter!("claviger_panics_total", "Handlers that panicked and were contained");
    describe_counter!("claviger_config_reloads_total", "Configurations read again, by result");
    describe_counter!("claviger_bootstrap_pulls_total", "Domains looked at on the home broker, by result");
    describe_gauge!(
        "claviger_bootstrap_last_ok_timestamp_seconds",
        "When all domains were last got from home; 0 before, and where there is no home"
    );
    describe_gauge!(
        "claviger_issuer_seconds_left",
        "Until the first delegated issuer ends, negative since it has; +Inf where there is none"
    );
    describe_gauge!("claviger_ready", "1 while it serves");
    describe_gauge!("claviger_sealed", "1 while it has no root key");
    describe_gauge!("claviger_build_info", "1, with the version as a label");
}

/// What has happened to nobody yet is 0, not absent.
fn begin() {
    for reason in ["connections", "connections-per-address"] {
        counter!("claviger_connections_refused_total", "reason" => reason).absolute(0);
    }
    for result in ["rate", "rate-per-address", "rate-per-domain", "connections-per-domain", "busy"] {
        counter!("claviger_handshakes_total", "result" => result, "phase" => "choice").absolute(0);
    }
    for quota in ["requests", "names", "bytes", "versions"] {
        counter!("claviger_over_quota_total", "quota" => quota).absolute(0);
    }
    for result in ["ok", "unreachable", "refused", "not-taken"] {
        counter!("claviger_bootstrap_pulls_total", "result" => result).absolute(0);
    }
    gauge!("claviger_bootstrap_last_ok_timestamp_seconds").set(0.0);
    for result in ["ok", "error"] {
        counter!("claviger_config_reloads_total", "result" => result).absolute(0);
    }
    for fault in ["unknown", "expired", "revoked", "used"] {
        counter!("claviger_tickets_refused_total", "fault" => fault).absolute(0);
    }
    for result in ["known", "folder", "fetched", "shared", "missing", "offline", "unavailable", "over-budget"]
    {
        counter!("claviger_endorsements_total", "result" => result).absolute(0);
    }
    counter!("claviger_certificates_refused_total").absolute(0);
    for kind in ["certificate", "enrolment", "instance", "measurement"] {
        counter!("claviger_revoked_refused_total", "kind" => kind).absolute(0);
    }
    counter!("claviger_admin_refused_total").absolute(0);
    counter!("claviger_audit_sync_failures_total").absolute(0);
    counter!("claviger_panics_total", "place" => "router").absolute(0);
    for result in
        ["admitted", "renewed", "stock-admitted", "stock-attested", "broker-admitted", "broker-state"]
    {
        counter!("claviger_admissions_total", "result" => result).absolute(0);
    }
    for kind in ["freshness", "principal"] {
        counter!("claviger_proofs_total", "kind" => kind, "result" => "ok").absolute(0);
    }
    // 0 would say that one has just ended.
    gauge!("claviger_issuer_seconds_left").set(f64::INFINITY);
    gauge!("claviger_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Sets what is asked for only when somebody looks.
#[allow(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
pub(super) fn look(state: State, permits: &Permits) {
    gauge!("claviger_ready").set(if state == State::Ready { 1.0 } else { 0.0 });
    gauge!("claviger_sealed").set(if state == State::Sealed { 1.0 } else { 0.0 });
    for place in permits.uses() {
        gauge!("claviger_permits_in_use", "permit" => place.permit).set(place.taken as f64);
        gauge!("claviger_permits_limit", "permit" => place.permit).set(place.limit as f64);
    }
}
