//! Evidence as stock programs send it: captured, and with one thing changed.

use std::time::Duration;

use claviger_attest::{
    AttestError, Attested, Endorsements, EvidenceKind, Measurement, ReferenceValue, ReferenceValues,
    ScreenedStock, SigningKey, StockExpected, screen_stock, sha384,
};
use claviger_proto::evidence::{ReportInfo, SevAttestation, SignedReport, UserData};
use claviger_proto::key::{KeyKind, KeyMessage, MessageKey, PublicKey, read_private, read_public};
use claviger_proto::time_text::{time_from_text, time_to_text};
use claviger_proto::trust::{EvidencePackage, TrustRequest};
use prost::Message as _;
use rustls_pki_types::UnixTime;

const POLICY_KEY: &[u8] = include_bytes!("data/stock/policy_key.key_message.pb");
const PLATFORM_KEY: &[u8] = include_bytes!("data/stock/platform_key_file.bin");
const ATTEST_KEY: &[u8] = include_bytes!("data/stock/attest_key_file.bin");
const MEASUREMENT: &[u8] = include_bytes!("data/stock/cf_utility.measurement");
const SIMULATED: &[u8] = include_bytes!("data/stock/simulated_rsa2048.request.frame");
const SEV: &[u8] = include_bytes!("data/stock/trust/sev_rsa2048.request.frame");
const ARK: &[u8] = include_bytes!("data/stock/sev/ark_cert.der");
const VCEK_KEY: &[u8] = include_bytes!("data/stock/sev/vcek_private.pem");

/// What the report of the framework's stand-in for a guest device measures: 1 to 8, six times.
fn sev_measurement() -> Measurement {
    let bytes: Vec<u8> = (1..=8).cycle().take(48).collect();
    Measurement::from_bytes(&bytes).expect("48 bytes")
}

/// When the captured evidence was made.
fn captured() -> UnixTime {
    at("2026-11-24T05:58:00.00000Z")
}

fn at(text: &str) -> UnixTime {
    let seconds = time_from_text(text).expect("a time");
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().expect("after 1970")))
}

fn request(frame: &[u8]) -> (String, EvidencePackage) {
    let (request, evidence) = TrustRequest::decode_body(&frame[4..]).expect("a request");
    (request.submitted_evidence_type, evidence)
}

fn value(kind: EvidenceKind, measurement: Measurement, root: PublicKey) -> ReferenceValues {
    let mut values = ReferenceValues::default();
    values.add(ReferenceValue::new(kind, measurement, None, vec![root]).expect("fine"));
    values
}

fn trusting_enclave() -> ReferenceValues {
    let measurement = Measurement::from_bytes(MEASUREMENT).expect("32 bytes");
    value(EvidenceKind::SimulatedEnclave, measurement, read_public(PLATFORM_KEY).expect("a key"))
}

fn ark() -> PublicKey {
    PublicKey::from_spki_der(&claviger_attest::certificate_spki(ARK).expect("a certificate")).expect("a key")
}

fn trusting_sev() -> ReferenceValues {
    value(EvidenceKind::SimulatedSev, sev_measurement(), ark())
}

fn policy_key() -> PublicKey {
    read_public(POLICY_KEY).expect("a key")
}

fn screen(
    (submitted, evidence): &(String, EvidencePackage),
    values: &ReferenceValues,
    now: UnixTime,
) -> Result<ScreenedStock, AttestError> {
    let policy_key = policy_key();
    let expected = StockExpected { policy_key: &policy_key, window: Duration::from_mins(10) };
    screen_stock(submitted, evidence, values, &expected, now)
}

fn judge(request: &(String, EvidencePackage), values: &ReferenceValues) -> Result<Attested, AttestError> {
    screen(request, values, captured())?.verify(&Endorsements::default(), captured())
}

fn refused(request: &(String, EvidencePackage), values: &ReferenceValues) -> AttestError {
    judge(request, values).map(|_| ()).expect_err("it must be refused")
}

#[test]
fn captured_evidence_of_every_size_of_key_is_taken_and_is_not_fresh() {
    let requests: [(&[u8], KeyKind); 3] = [
        (SIMULATED, KeyKind::Rsa2048),
        (include_bytes!("data/stock/trust/simulated_rsa3072.request.frame"), KeyKind::Rsa3072),
        (include_bytes!("data/stock/trust/simulated_rsa4096.request.frame"), KeyKind::Rsa4096),
    ];
    for (frame, kind) in requests {
        let attested = judge(&request(frame), &trusting_enclave()).expect("attested");
        assert_eq!(attested.kind(), EvidenceKind::SimulatedEnclave);
        assert_eq!(attested.measurement().as_bytes(), MEASUREMENT);
        assert_eq!(PublicKey::from_spki_der(attested.spki()).expect("a key").kind(), kind);
        assert!(!attested.challenge_fresh());
    }
}

#[test]
fn captured_evidence_of_a_simulated_guest_is_taken_under_its_own_kind_only() {
    let sev = request(SEV);
    let attested = judge(&sev, &trusting_sev()).expect("attested");
    assert_eq!((attested.kind(), *attested.measurement()), (EvidenceKind::SimulatedSev, sev_measurement()));
    assert!(!attested.challenge_fresh() && attested.machine().chip_id.is_none());
    // The same root named for real SEV-SNP: what isn't of AMD's form isn't taken.
    let real = value(EvidenceKind::SevSnp, sev_measurement(), ark());
    assert!(matches!(refused(&sev, &real), AttestError::Snp { .. }));
    let other =
        value(EvidenceKind::SimulatedSev, sev_measurement(), read_public(PLATFORM_KEY).expect("a key"));
    assert_eq!(refused(&sev, &other), AttestError::UntrustedRoot(sev_measurement()));
}

#[test]
fn captured_evidence_with_something_wrong_is_refused_for_it() {
    let values = trusting_enclave();
    let of = |frame: &[u8]| refused(&request(frame), &values);
    let expected = "vse-attestation-package";
    assert_eq!(
        of(include_bytes!("data/stock/trust/bad_evidence_type.request.frame")),
        AttestError::SubmittedType { expected }
    );
    let items = |error| matches!(error, AttestError::Items { .. });
    assert!(items(of(include_bytes!("data/stock/trust/missing_endorsement.request.frame"))));
    assert!(items(of(include_bytes!("data/stock/trust/missing_attestation.request.frame"))));
    let unknown = of(include_bytes!("data/stock/trust/wrong_measurement.request.frame"));
    assert!(matches!(unknown, AttestError::UnknownMeasurement(_)), "{unknown}");
    let signature = of(include_bytes!("data/stock/trust/bad_signature.request.frame"));
    assert_eq!(signature, AttestError::Signature("report"));
    let other =
        value(EvidenceKind::SimulatedEnclave, Measurement::from_bytes(MEASUREMENT).expect("32 bytes"), ark());
    assert!(matches!(refused(&request(SIMULATED), &other), AttestError::UntrustedRoot(_)));
}

#[test]
fn evidence_is_taken_only_while_it_is_new() {
    let said = at("2026-11-24T05:57:46.00000Z").as_secs();
    let at = |seconds: u64| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let simulated = request(SIMULATED);
    let screened = screen(&simulated, &trusting_enclave(), captured()).expect("screened");
    let age = i64::try_from(said).expect("a time") - screened.time();
    assert!(age.abs() < 60, "made {age} s from when it was captured");
    let said = u64::try_from(screened.time()).expect("after 1970");
    let when = |now: u64| screen(&simulated, &trusting_enclave(), at(now)).map(|_| ());
    assert_eq!(when(said + 600), Ok(()));
    assert!(matches!(when(said + 601), Err(AttestError::Old { seconds: 600, .. })));
    assert!(matches!(screen(&request(SEV), &trusting_sev(), at(said + 700)), Err(AttestError::Old { .. })));
    // A clock may be ahead a little, and no more. (The endorsement was made a second before.)
    assert!(matches!(when(said - 301), Err(AttestError::NotYetValid(_))));
}

#[test]
fn the_same_evidence_is_known_however_it_is_wrapped() {
    for (frame, values) in [(SIMULATED, trusting_enclave()), (SEV, trusting_sev())] {
        let original = request(frame);
        let mut wrapped = original.clone();
        "another".clone_into(&mut wrapped.1.prover_type);
        // A field that nobody knows, at the end of the last item.
        wrapped.1.items.last_mut().expect("items").serialized.extend([0xf8, 0x07, 1]);
        let statement = |request| *screen(request, &values, captured()).expect("screened").statement();
        assert_eq!(statement(&original), statement(&wrapped));
        assert_ne!(
            screen(&original, &values, captured())
                .expect("screened")
                .verify(&Endorsements::default(), captured())
                .expect("attested")
                .evidence_digest(),
            judge(&wrapped, &values).expect("attested").evidence_digest()
        );
    }
}

/// The captured evidence of the simulated enclave, said anew and signed by the same attestation key.
fn said_anew(change: impl FnOnce(&mut ReportInfo, &mut UserData)) -> (String, EvidencePackage) {
    let (submitted, mut evidence) = request(SIMULATED);
    let mut report = SignedReport::decode(evidence.items[1].serialized.as_slice()).expect("a report");
    let mut info = ReportInfo::decode(report.report.expect("a report").as_slice()).expect("a report");
    let mut said = UserData::decode(info.user_data.take().expect("user data").as_slice()).expect("user data");
    change(&mut info, &mut said);
    info.user_data = Some(said.encode_to_vec());
    let message = info.encode_to_vec();
    let key = SigningKey::from_private(&read_private(ATTEST_KEY).expect("a key").0).expect("a key");
    report.signature = Some(key.sign(&message).expect("signed"));
    report.report = Some(message);
    evidence.items[1].serialized = report.encode_to_vec();
    (submitted, evidence)
}

fn public(key: PublicKey) -> Vec<u8> {
    let key = MessageKey::Public(key);
    let name = "policyKey".to_owned();
    KeyMessage { name, key, certificate: None, not_before: None, not_after: None }.encode().to_vec()
}

#[test]
fn what_an_enclave_says_is_held_to_its_every_part() {
    let values = trusting_enclave();
    judge(&said_anew(|_, _| ()), &values).expect("nothing is changed");
    judge(&said_anew(|_, said| said.policy_key = Some(public(policy_key()))), &values)
        .expect("this domain's");
    let refused = |change: fn(&mut ReportInfo, &mut UserData)| refused(&said_anew(change), &values);
    let other = refused(|_, said| said.policy_key = Some(public(ark())));
    assert!(matches!(other, AttestError::Statement { why, .. } if why.contains("policy key")), "{other}");
    // What our agents make is for one channel: here it would be good without that channel.
    assert_eq!(refused(|_, said| said.binding = Some(vec![7; 64])), AttestError::OtherBinding);
    let ticket = claviger_proto::evidence::EvidenceUserData { ticket: Some(vec![7; 32]) }.encode_to_vec();
    let carries = said_anew(|_, said| said.evidence_data = Some(ticket));
    assert_eq!(self::refused(&carries, &values), AttestError::OtherBinding);
    let missing = |error| matches!(error, AttestError::Malformed { .. });
    assert!(missing(refused(|_, said| said.time = None)));
    assert!(missing(refused(|_, said| said.time = Some("yesterday".to_owned()))));
    assert!(missing(refused(|_, said| said.enclave_key = None)));
    let private = refused(|_, said| said.enclave_key = Some(ATTEST_KEY.to_vec()));
    assert!(matches!(private, AttestError::Statement { .. }), "{private}");
    let ended = refused(|info, _| info.not_after = Some(time_to_text(1_700_000_000)));
    assert_eq!(ended, AttestError::Expired("report"));
    let kind = refused(|_, said| said.enclave_type = Some("sev-enclave".to_owned()));
    assert!(matches!(kind, AttestError::Statement { .. }), "{kind}");
}

/// The captured evidence of the simulated guest, with its report changed and signed by the same VCEK.
fn reported_anew(change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>)) -> (String, EvidencePackage) {
    let (submitted, mut evidence) = request(SEV);
    let item = &mut evidence.items[3].serialized;
    let mut message = SevAttestation::decode(item.as_slice()).expect("a message");
    let mut report = message.report.take().expect("a report");
    let mut said = message.what_was_said.take().expect("what was said");
    change(&mut report, &mut said);
    let key = SigningKey::from_private(&read_private(VCEK_KEY).expect("a key").0).expect("a key");
    let der = key.sign(&report[..0x2a0]).expect("signed");
    for (at, number) in [0x2a0, 0x2e8].into_iter().zip(integers(&der)) {
        report[at..at + 48].copy_from_slice(&number);
    }
    (message.report, message.what_was_said) = (Some(report), Some(said));
    *item = message.encode_to_vec();
    (submitted, evidence)
}

/// The two numbers of an ECDSA signature, little-endian.
fn integers(der: &[u8]) -> [[u8; 48]; 2] {
    let mut rest = &der[2..];
    [(), ()].map(|()| {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        rest = after;
        let mut out = [0; 48];
        for (to, from) in out.iter_mut().zip(number.iter().rev()) {
            *to = *from;
        }
        out
    })
}

#[test]
fn a_simulated_guest_is_held_to_what_can_be_held() {
    let values = trusting_sev();
    let judge_anew = |change: fn(&mut Vec<u8>, &mut Vec<u8>)| judge(&reported_anew(change), &values);
    judge_anew(|_, _| ()).expect("nothing is changed");
    let why = |change: fn(&mut Vec<u8>, &mut Vec<u8>)| match judge_anew(change) {
        Err(AttestError::Statement { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    // Bits 18 and 19 of the guest's policy, as AMD counts them; the stock verifier looks one beside.
    assert!(why(|report, _| report[0x08 + 2] |= 1 << 3).contains("debugged"));
    assert!(why(|report, _| report[0x08 + 2] |= 1 << 2).contains("migrated"));
    judge_anew(|report, _| report[0x08 + 2] |= 1 << 0).expect("SMT may be on");
    assert!(why(|report, _| report[0x50] ^= 1).contains("report data"));
    assert!(why(|report, _| report[0x50 + 63] ^= 1).contains("report data"));
    assert!(why(|_, said| said.extend([0xf8, 0x07, 1])).contains("report data"));
    for at in [0, 1, 6, 7] {
        let changed = reported_anew(|report, _| report[0x180 + at] ^= 1);
        let told = refused(&changed, &values);
        assert!(matches!(told, AttestError::Statement { why, .. } if why.contains("TCB")), "{at}: {told}");
    }
    assert!(why(|report, _| report[0x1a0] ^= 1).contains("chip"));
    let measured = refused(&reported_anew(|report, _| report[0x90] ^= 1), &values);
    assert!(matches!(measured, AttestError::UnknownMeasurement(_)), "{measured}");
    // Not signed anew.
    let (submitted, mut evidence) = request(SEV);
    let end = evidence.items[3].serialized.len() - 1 - (0x4a0 - 0x2e8) - 60;
    evidence.items[3].serialized[end] ^= 1;
    assert!(matches!(
        refused(&(submitted, evidence), &values),
        AttestError::Signature(_) | AttestError::Statement { .. }
    ));
    let short = refused(&reported_anew(|_, _| ()).truncated(), &values);
    assert!(matches!(short, AttestError::Snp { .. } | AttestError::Malformed { .. }), "{short}");
}

trait Truncated {
    /// With a report of one byte less.
    fn truncated(self) -> Self;
}

impl Truncated for (String, EvidencePackage) {
    fn truncated(mut self) -> Self {
        let item = &mut self.1.items[3].serialized;
        let mut message = SevAttestation::decode(item.as_slice()).expect("a message");
        message.report.as_mut().expect("a report").pop();
        *item = message.encode_to_vec();
        self
    }
}

#[test]
fn t26_each_certificate_of_a_simulated_platform_counts() {
    let values = trusting_sev();
    for at in 0..3 {
        let mut changed = request(SEV);
        let certificate = &mut changed.1.items[at].serialized;
        let last = certificate.len() - 1;
        certificate[last] ^= 1;
        let told = refused(&changed, &values);
        assert!(matches!(told, AttestError::Signature(_)), "{at}: {told}");
    }
    let mut swapped = request(SEV);
    swapped.1.items.swap(0, 1);
    assert!(matches!(refused(&swapped, &values), AttestError::Statement { part: "chain", .. }));
    let later = screen(&request(SEV), &values, captured()).expect("screened");
    let late = UnixTime::since_unix_epoch(Duration::from_secs(captured().as_secs() + 2 * 365 * 86_400));
    assert_eq!(later.verify(&Endorsements::default(), late).map(|_| ()), Err(AttestError::Expired("ARK")));
}

#[test]
fn the_guest_s_statement_is_what_the_report_vouches_for() {
    let (_, evidence) = request(SEV);
    let message = SevAttestation::decode(evidence.items[3].serialized.as_slice()).expect("a message");
    let (report, said) = (message.report.expect("a report"), message.what_was_said.expect("said"));
    assert_eq!(report[0x50..0x80], sha384(&said));
}
