//! `key-client trace`

use claviger_attest::BrokerMeasurements;
use claviger_client::certifier::Peer;
use claviger_client::cli::{Failure, OutputMode, Report, StateArgs, certificates};
use claviger_client::trace::{Outcome, Step, Trace, trace_admission, trace_service};
use claviger_client::{Error, Prover};
use claviger_proto::ResourceName;
use serde::{Serialize, Serializer};

use crate::args::{TraceArgs, lacks};

#[derive(Serialize)]
struct Told {
    ok: bool,
    steps: Vec<StepTold>,
}

#[derive(Serialize)]
struct StepTold {
    step: &'static str,
    /// `ok`, `failed` or `skipped`.
    outcome: &'static str,
    /// How long it took, in microseconds.
    microseconds: Option<u128>,
    #[serde(serialize_with = "as_object")]
    details: Vec<(&'static str, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
}

#[derive(Serialize)]
struct Fault {
    code: &'static str,
    message: String,
    next: String,
}

fn as_object<S: Serializer>(details: &[(&'static str, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(details.iter().map(|(key, value)| (key, value)))
}

impl From<Step> for StepTold {
    fn from(step: Step) -> Self {
        let fault =
            step.diagnosis.map(|found| Fault { code: found.code, message: found.message, next: found.next });
        Self {
            step: step.name,
            outcome: step.outcome.as_str(),
            microseconds: step.took.map(|took| took.as_micros()),
            details: step.details,
            error: fault,
        }
    }
}

impl Report for Told {
    fn text(&self) -> String {
        self.steps.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn line(step: &StepTold) -> String {
    let took =
        step.microseconds.map(|us| format!("{}.{} ms", us / 1000, us % 1000 / 100)).unwrap_or_default();
    let mut told: Vec<_> = step
        .details
        .iter()
        .map(|(key, value)| if *key == "says" { value.clone() } else { format!("{key} {value}") })
        .collect();
    told.extend(step.error.as_ref().map(|fault| fault.message.clone()));
    format!("{:<18}  {:<7}  {took:>10}  {}", step.step, step.outcome, told.join(", ")).trim_end().to_owned()
}

pub(crate) async fn run(args: &TraceArgs, mode: OutputMode) -> Result<(), Failure> {
    let trace = match (&args.broker, &args.admission) {
        (Some(_), _) => service(args).await?,
        (None, Some(_)) => admission(args).await?,
        (None, None) => return Err(usage("where to trace to is missing", "give --broker or --admission")),
    };
    let failure = trace
        .failed()
        .map(|found| Failure::new(found.code, found.exit_status, found.message.clone(), found.next.clone()));
    let ok = trace.steps.iter().all(|step| step.outcome != Outcome::Failed);
    mode.tell(&Told { ok, steps: trace.steps.into_iter().map(StepTold::from).collect() })?;
    failure.map_or(Ok(()), Err)
}

async fn service(args: &TraceArgs) -> Result<Trace, Failure> {
    let (Some(broker), Some(state)) = (&args.broker, state(args)) else {
        return Err(usage("a key service is asked as who this machine is", "give --state-dir"));
    };
    let state = state.open()?;
    let identity = state.identity().map_err(Error::from)?;
    if state.peer(identity.policy()).map_err(Error::from)? != Peer::Claviger {
        let next = "key-client peer look shows a Certifier server's certificate";
        return Err(lacks("protocol that a trace goes through").with_next(next));
    }
    let name = args.name.as_ref().map(|name| ResourceName::parse_in(identity.domain(), name));
    let name = name.transpose().map_err(Error::from)?;
    let (collector, principal) = (args.proof.evidence.clone(), args.proof.principal()?);
    let any = collector.is_some() || principal.is_some();
    let prover = any.then(|| Prover::new(&identity, collector, principal)).transpose()?;
    Ok(trace_service(broker, &identity, name.as_ref(), prover, &args.brokers.options()).await)
}

async fn admission(args: &TraceArgs) -> Result<Trace, Failure> {
    let Some(admission) = &args.admission else { return Err(usage("no address", "give --admission")) };
    if args.proof.evidence.is_some() || args.proof.credentials.is_some() {
        let next = "leave out --evidence and --credentials, or trace to the key service with --broker";
        return Err(usage("a trace to an admission ends at its challenge, and proves nothing", next));
    }
    if let (Some(domain), Some(policy)) = (&args.domain, &args.policy_cert) {
        let policy = certificates::read_policy_of(policy, domain)?;
        return Ok(trace_admission(admission, domain, &policy, &args.brokers.options()).await);
    }
    let Some(state) = state(args) else {
        let next = "give --domain and --policy-cert, or --state-dir once this machine has enrolled";
        return Err(usage("admission is asked for a domain, and none is given", next));
    };
    let identity = state.open()?.identity().map_err(Error::from)?;
    let mut options = args.brokers.options();
    if options.measurements == BrokerMeasurements::Any {
        options.measurements = identity.brokers().clone();
    }
    Ok(trace_admission(admission, identity.domain(), identity.policy(), &options).await)
}

fn state(args: &TraceArgs) -> Option<StateArgs> {
    let passphrase_file = args.passphrase_file.clone();
    args.state_dir.clone().map(|state_dir| StateArgs { state_dir, passphrase_file })
}

fn usage(message: &str, next: &str) -> Failure {
    Failure::new("usage", 2, message, next)
}
