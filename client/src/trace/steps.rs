//! What a trace says of each step.

use std::time::{Duration, Instant};

use claviger_attest::CertificateError;
use rustls_pki_types::UnixTime;

use crate::cli::clock;
use crate::error::Error;

/// What is known of a step, in the order in which it is told.
pub(super) type Details = Vec<(&'static str, String)>;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Ok,
    /// It is what stands in the way.
    Failed,
    /// It didn't come to it, or there was nothing to do.
    Skipped,
}

impl Outcome {
    /// As text: `ok`, `failed`, `skipped`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The stable code.
    pub code: &'static str,
    /// The exit status that belongs to it.
    pub exit_status: u8,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub next: String,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took; `None` where it was skipped.
    pub took: Option<Duration>,
    /// What is known of it.
    pub details: Vec<(&'static str, String)>,
    /// Why it failed, if it did.
    pub diagnosis: Option<Diagnosis>,
}

/// All steps, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Trace {
    /// The first step that failed, if one did.
    pub fn failed(&self) -> Option<&Diagnosis> {
        self.steps.iter().find_map(|step| step.diagnosis.as_ref())
    }
}

/// Steps that are being gone through, in the order that was announced.
pub(super) struct Steps {
    names: Vec<&'static str>,
    steps: Vec<Step>,
}

impl Steps {
    pub(super) fn new(names: impl Iterator<Item = &'static str>) -> Self {
        Self { names: names.collect(), steps: Vec::new() }
    }

    fn push(
        &mut self,
        outcome: Outcome,
        took: Option<Duration>,
        details: Details,
        diagnosis: Option<Diagnosis>,
    ) {
        if let Some(name) = self.names.get(self.steps.len()) {
            self.steps.push(Step { name, outcome, took, details, diagnosis });
        }
    }

    pub(super) fn ok(&mut self, begun: Instant, details: Details) {
        self.push(Outcome::Ok, Some(begun.elapsed()), details, None);
    }

    pub(super) fn ok_at(&mut self, begun: Instant, ended: Instant, details: Details) {
        self.push(Outcome::Ok, Some(ended.saturating_duration_since(begun)), details, None);
    }

    pub(super) fn failed(&mut self, begun: Instant, error: Error) {
        self.failed_with(begun, Vec::new(), error);
    }

    #[expect(clippy::needless_pass_by_value, reason = "an error ends here")]
    pub(super) fn failed_with(&mut self, begun: Instant, details: Details, error: Error) {
        let diagnosis = Diagnosis {
            code: error.code(),
            exit_status: error.exit_status(),
            message: error.to_string(),
            next: error.next(),
        };
        self.push(Outcome::Failed, Some(begun.elapsed()), details, Some(diagnosis));
    }

    /// This machine's own certificate isn't good, as far as it can tell.
    pub(super) fn doubtful(&mut self, begun: Instant, details: Details, fault: &CertificateError) {
        let (code, next) = crate::identity::diagnose(fault);
        let message = format!("this machine's own certificate: {fault}");
        let diagnosis = Diagnosis { code, exit_status: 3, message, next: next.to_owned() };
        self.push(Outcome::Failed, Some(begun.elapsed()), details, Some(diagnosis));
    }

    pub(super) fn skipped(&mut self, why: &'static str) {
        self.push(Outcome::Skipped, None, vec![("says", why.to_owned())], None);
    }

    /// Nothing could even be tried: this machine's key or clock.
    pub(super) fn unmade(&mut self, error: Error) {
        self.failed(Instant::now(), error);
    }

    /// What wasn't come to is skipped.
    pub(super) fn done(mut self) -> Trace {
        while self.steps.len() < self.names.len() {
            self.push(Outcome::Skipped, None, Vec::new(), None);
        }
        Trace { steps: self.steps }
    }
}

pub(super) fn time_text(time: UnixTime) -> String {
    clock::text(clock::seconds(time))
}
