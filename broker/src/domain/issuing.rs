//! What a broker has of a domain whose owner keeps the policy key: the delegated issuer, and keys that wait for the owner's
//! signature. As the store keeps it, it is a version and five values, each with its length.

use claviger_attest::{
    DelegatedIssuer, IssueError, IssuerCertificate, KeyAlgorithm, PolicyCertificate, SigningKey,
    certificate_request,
};
use claviger_proto::key::PrivateKey;
use claviger_proto::{DomainName, LvWriter, ParseError, Secret};

use super::BuildFault;

const VERSION: &[u8] = &[1];

/// What can't be read of it.
const UNREADABLE: ParseError = ParseError::Key("the issuing keys are of another version, or damaged");

/// See the module. Carries secrets: no `Debug`, no `Clone`.
#[derive(Default)]
pub struct Issuing {
    /// The issuer that the owner signed: its certificate (DER) and its key (PKCS#8).
    pub issuer: Option<(Vec<u8>, Secret)>,
    /// What waits for the owner.
    pub asked: Option<Asked>,
}

/// Keys that the owner has to sign for, PKCS#8.
pub struct Asked {
    /// Is to admit.
    pub issuer: Secret,
    /// Is to be the broker's own.
    pub broker: Secret,
}

impl Asked {
    /// Two new keys, P-256.
    pub fn generate() -> Result<Self, IssueError> {
        let key = || Ok::<_, IssueError>(SigningKey::generate(KeyAlgorithm::P256)?);
        Ok(Self {
            issuer: Secret::copy_from(key()?.pkcs8_der()),
            broker: Secret::copy_from(key()?.pkcs8_der()),
        })
    }

    /// The requests (PKCS#10, DER): the issuer's, and the broker's.
    pub fn requests(&self) -> Result<(Vec<u8>, Vec<u8>), BuildFault> {
        let issuer = certificate_request(&signing_key(&self.issuer)?, "admissionIssuer")?;
        Ok((issuer, certificate_request(&signing_key(&self.broker)?, "broker")?))
    }
}

impl Issuing {
    /// Serializes for the store.
    pub fn encode(&self) -> Secret {
        let (certificate, key) = match &self.issuer {
            Some((certificate, key)) => (certificate.as_slice(), key.expose()),
            None => (&[][..], &[][..]),
        };
        let asked = self.asked.as_ref();
        // With room for all, so that no part of it is left behind by growing.
        let writer = LvWriter::with_capacity(certificate.len() + 4096);
        let writer = writer.push(VERSION).push(certificate).push(key);
        let writer = writer.push(asked.map_or(&[], |asked| asked.issuer.expose()));
        Secret::new(writer.push(asked.map_or(&[], |asked| asked.broker.expose())).into_bytes())
    }

    /// Reads what the store holds.
    pub fn decode(stored: &Secret) -> Result<Self, ParseError> {
        let mut rest = stored.expose();
        let mut next = || {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (value, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
            rest = after;
            Some(value)
        };
        let values = [next(), next(), next(), next(), next()];
        let [Some(VERSION), Some(certificate), Some(key), Some(issuer), Some(broker)] = values else {
            return Err(UNREADABLE);
        };
        if !rest.is_empty() {
            return Err(UNREADABLE);
        }
        let issuer_of = |key| (certificate.to_vec(), Secret::copy_from(key));
        let asked = |issuer| Asked { issuer: Secret::copy_from(issuer), broker: Secret::copy_from(broker) };
        Ok(Self {
            issuer: Some(key).filter(|key| !key.is_empty()).map(issuer_of),
            asked: Some(issuer).filter(|key| !key.is_empty()).map(asked),
        })
    }

    /// The issuer with its key, if there is one, whatever its dates.
    pub fn delegated(
        &self,
        policy: &PolicyCertificate,
        domain: &DomainName,
    ) -> Result<Option<DelegatedIssuer>, BuildFault> {
        let Some((certificate, key)) = &self.issuer else { return Ok(None) };
        let certificate = IssuerCertificate::read(policy, certificate)?;
        Ok(Some(DelegatedIssuer::new(signing_key(key)?, certificate, domain)?))
    }
}

/// A key of the store's.
pub(crate) fn signing_key(pkcs8: &Secret) -> Result<SigningKey, BuildFault> {
    Ok(SigningKey::from_private(&PrivateKey::from_pkcs8_der(Secret::copy_from(pkcs8.expose()))?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_nothing_else_is_read() {
        let secret = |text: &[u8]| Secret::copy_from(text);
        let both = Issuing {
            issuer: Some((b"certificate".to_vec(), secret(b"key"))),
            asked: Some(Asked { issuer: secret(b"one"), broker: secret(b"two") }),
        };
        let encoded = both.encode();
        let read = Issuing::decode(&encoded).expect("readable");
        let (certificate, key) = read.issuer.expect("an issuer");
        assert_eq!((certificate.as_slice(), key.expose()), (&b"certificate"[..], &b"key"[..]));
        let asked = read.asked.expect("asked");
        assert_eq!((asked.issuer.expose(), asked.broker.expose()), (&b"one"[..], &b"two"[..]));
        let none = Issuing::decode(&Issuing::default().encode()).expect("readable");
        assert!(none.issuer.is_none() && none.asked.is_none());
        let bytes = encoded.expose();
        for cut in 0..bytes.len() {
            assert!(Issuing::decode(&secret(&bytes[..cut])).is_err(), "{cut}");
        }
        assert!(Issuing::decode(&secret(&[bytes, &[0]].concat())).is_err());
        let mut other = bytes.to_vec();
        other[2] = 2;
        assert!(Issuing::decode(&secret(&other)).is_err(), "another version");
    }
}
