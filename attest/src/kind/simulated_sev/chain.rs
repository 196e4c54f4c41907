//! The certificates of a simulated platform: ARK, ASK, VCEK, each signed by the one before it.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA384, UnparsedPublicKey};
use claviger_proto::ParseError;
use claviger_proto::key::{KeyKind, PublicKey};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser as _;

use crate::error::AttestError;

/// sha384WithRSAEncryption (RFC 4055 §5).
const SHA384_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12];
/// 1.3.6.1.4.1.3704.1, above AMD's own extensions (57230).
const AMD: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01];
/// Bootloader, TEE, SNP firmware, microcode.
const TCB: [&[u8]; 4] = [&[3, 1], &[3, 2], &[3, 3], &[3, 8]];
const CHIP_ID: &[u8] = &[4];

/// Largest certificate that is read, in bytes.
const MAX_CERTIFICATE: usize = 8 << 10;

/// Three certificates that read; no signature is verified.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) ark: PublicKey,
    pub(super) vcek: Vcek,
    signed: [Signed; 3],
}

/// What the VCEK's certificate says.
#[derive(Clone, Debug)]
pub(super) struct Vcek {
    /// Its key, a point of P-384.
    pub(super) point: Vec<u8>,
    pub(super) tcb: [u8; 4],
    pub(super) chip_id: [u8; 64],
}

#[derive(Clone, Debug)]
struct Signed {
    part: &'static str,
    tbs: Vec<u8>,
    signature: Vec<u8>,
    dates: (i64, i64),
    /// Of its own key.
    spki: Vec<u8>,
}

impl Chain {
    pub(super) fn parse([ark, ask, vcek]: [&[u8]; 3]) -> Result<Self, AttestError> {
        let (ark, ask, vcek) = (parse("ARK", ark)?, parse("ASK", ask)?, parse("VCEK", vcek)?);
        let key = PublicKey::from_spki_der(ark.tbs_certificate.subject_pki.raw);
        let key = key.map_err(|cause| AttestError::Malformed { part: "ARK", cause })?;
        let named = ark.issuer == ark.subject && ask.issuer == ark.subject && vcek.issuer == ask.subject;
        if !named {
            return Err(AttestError::Statement {
                part: "chain",
                why: "each issuer is the subject before it",
            });
        }
        Ok(Self {
            ark: key,
            vcek: Vcek::of(&vcek)?,
            signed: [Signed::of("ARK", &ark)?, Signed::of("ASK", &ask)?, Signed::of("VCEK", &vcek)?],
        })
    }

    pub(super) fn check_dates(&self, now: i64) -> Result<(), AttestError> {
        self.signed.iter().try_for_each(|Signed { part, dates: (from, until), .. }| {
            if now < *from {
                Err(AttestError::NotYetValid(part))
            } else if now > *until {
                Err(AttestError::Expired(part))
            } else {
                Ok(())
            }
        })
    }

    /// Verifies each signature, by the key before it; the ARK's by its own.
    pub(super) fn verify(&self) -> Result<(), AttestError> {
        let [ark, ask, vcek] = &self.signed;
        [(ark, ark), (ask, ark), (vcek, ask)].into_iter().try_for_each(|(one, by)| {
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA384, &by.spki)
                .verify(&one.tbs, &one.signature)
                .map_err(|_| AttestError::Signature(one.part))
        })
    }
}

fn parse<'a>(part: &'static str, der: &'a [u8]) -> Result<X509Certificate<'a>, AttestError> {
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    match parser.parse(der) {
        Ok(([], certificate)) if der.len() <= MAX_CERTIFICATE => Ok(certificate),
        _ => Err(AttestError::Malformed { part, cause: ParseError::Certificate("it can't be read") }),
    }
}

impl Signed {
    fn of(part: &'static str, certificate: &X509Certificate<'_>) -> Result<Self, AttestError> {
        let tbs = &certificate.tbs_certificate;
        let algorithm = &certificate.signature_algorithm;
        if *algorithm != tbs.signature || algorithm.algorithm.as_bytes() != SHA384_WITH_RSA {
            return Err(AttestError::Statement { part, why: "it is signed with RSA and SHA-384" });
        }
        let validity = &tbs.validity;
        Ok(Self {
            part,
            tbs: tbs.as_ref().to_vec(),
            signature: certificate.signature_value.data.to_vec(),
            dates: (validity.not_before.timestamp(), validity.not_after.timestamp()),
            spki: tbs.subject_pki.raw.to_vec(),
        })
    }
}

impl Vcek {
    fn of(certificate: &X509Certificate<'_>) -> Result<Self, AttestError> {
        let says = |why| AttestError::Statement { part: "VCEK", why };
        let spki = &certificate.tbs_certificate.subject_pki;
        let key = PublicKey::from_spki_der(spki.raw);
        if !key.is_ok_and(|key| key.kind() == KeyKind::P384) {
            return Err(says("its key is one of P-384"));
        }
        let extension = |arc: &[u8]| {
            let mut all = certificate
                .extensions()
                .iter()
                .filter(|one| one.oid.as_bytes().strip_prefix(AMD).is_some_and(|rest| rest == arc));
            let first = all.next().map(|one| one.value);
            first.filter(|_| all.next().is_none())
        };
        let mut tcb = [0; 4];
        for (part, arc) in tcb.iter_mut().zip(TCB) {
            *part = extension(arc).and_then(small).ok_or(says("it has its TCB, in four extensions"))?;
        }
        let chip_id = extension(CHIP_ID).and_then(|id| id.try_into().ok());
        Ok(Self {
            point: spki.subject_public_key.data.to_vec(),
            tcb,
            chip_id: chip_id.ok_or(says("it has a chip's id, 64 bytes"))?,
        })
    }
}

/// An INTEGER of one byte. The framework writes those above 127 without the zero in front of them, or with it.
fn small(value: &[u8]) -> Option<u8> {
    match value {
        [2, 1, byte] | [2, 2, 0, byte] => Some(*byte),
        _ => None,
    }
}
