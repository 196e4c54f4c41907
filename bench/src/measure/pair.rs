//! A broker and a bare server side by side, with the same certificates and the same answers.

use std::path::Path;

use claviger_client::Identity;
use claviger_proto::key_service::{Outcome, PutOptions, Request, Retrieve, Store, decode_response};
use claviger_proto::{DomainName, EntryType, ResourceName, Secret};
use tokio::runtime;

use crate::domain::Domain;
use crate::error::BenchError;
use crate::load::{Connection, client_tls, framed};
use crate::serve::bare::Spec;
use crate::server::Server;
use crate::setting::{ENTRY_BYTES, REQUEST_FRAME};

/// Both servers, and the request that both are asked.
pub(crate) struct Pair {
    pub(crate) broker: Server,
    pub(crate) bare: Server,
    /// The resource that is retrieved.
    pub(crate) name: ResourceName,
    /// The frame that retrieves it.
    pub(crate) request: Vec<u8>,
    /// Bytes of the answer's frame.
    pub(crate) answer_bytes: usize,
}

impl Pair {
    /// Starts both; what the broker answers is what the bare server is given to answer.
    pub(crate) fn start(domain: &Domain, agent: &Identity, dir: &Path) -> Result<Self, BenchError> {
        let broker = Server::broker(&domain.data_dir(dir)?)?;
        let (name, request) = retrieve(&domain.name)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let store = put(&domain.name, name.clone(), ENTRY_BYTES);
        let answer = runtime.block_on(async {
            let mut connection = Connection::open(broker.listen, client_tls(agent)?).await?;
            stored(connection.exchange(&store).await?)?;
            Ok::<_, BenchError>(connection.exchange(&request).await?.to_vec())
        })?;
        retrieved(&answer)?;
        let answer_bytes = framed(&answer).len();
        let spec = Spec {
            policy: domain.policy.der().to_vec(),
            certificate: domain.broker.certificate.clone(),
            key: domain.broker.key.expose().to_vec(),
            answer,
        };
        let bare = Server::bare(&spec)?;
        Ok(Self { broker, bare, name, request, answer_bytes })
    }
}

/// A name, and the frame of [`REQUEST_FRAME`] bytes that retrieves its latest version.
fn retrieve(domain: &DomainName) -> Result<(ResourceName, Vec<u8>), BenchError> {
    let frame = |name: &ResourceName| {
        let retrieve = Retrieve { name: name.clone(), version: None };
        framed(&Request::Retrieve(retrieve).encode(domain))
    };
    let short: ResourceName = "k".parse()?;
    let fill = REQUEST_FRAME - frame(&short).len();
    let name = format!("k{}", "-".repeat(fill)).parse()?;
    let frame = frame(&name);
    Ok((name, frame))
}

/// The frame that stores the next version of `name`.
pub(crate) fn put(domain: &DomainName, name: ResourceName, bytes: usize) -> Vec<u8> {
    let blob = Secret::new(vec![0xa5; bytes]);
    let entry_type = EntryType::binary_blob();
    let options = PutOptions::default();
    let store = Store { name, version: None, entry_type, exportable: true, blob, options };
    framed(&Request::Store(store).encode(domain))
}

/// Which version an answer says was stored.
pub(crate) fn stored(answer: &[u8]) -> Result<u32, BenchError> {
    match decode_response(answer, None)?.outcome {
        Outcome::Stored(version) => Ok(version.get()),
        Outcome::Refused(_) => Err(BenchError::Answer("a store was refused")),
        _ => Err(BenchError::Answer("something else where a version was expected")),
    }
}

fn retrieved(answer: &[u8]) -> Result<(), BenchError> {
    match decode_response(answer, None)?.outcome {
        Outcome::Retrieved(entry) if entry.blob.len() == ENTRY_BYTES => Ok(()),
        Outcome::Refused(_) => Err(BenchError::Answer("a retrieve was refused")),
        _ => Err(BenchError::Answer("another entry than was stored")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_proto::frame::HEADER;
    use claviger_proto::key_service::{Dialect, Echo, Refusal, decode_request, encode_response};
    use claviger_proto::{Entry, ErrorCode, Version};

    fn domain() -> DomainName {
        crate::setting::DOMAIN.parse().expect("a domain")
    }

    #[test]
    fn the_request_has_the_size_it_is_said_to_have() {
        let (name, frame) = retrieve(&domain()).expect("a request");
        assert_eq!(frame.len(), REQUEST_FRAME);
        let request =
            decode_request(Dialect::Ours, &domain(), &frame[HEADER..]).request().expect("a request");
        assert_eq!((request.kind(), request.name()), ("retrieve", Some(&name)));
    }

    #[test]
    fn answers_are_told_apart() {
        let answer = |outcome| encode_response(&Echo::default(), Some("1-0-1"), &outcome);
        let refused = answer(Outcome::Refused(Refusal::new(ErrorCode::NotFound, "no")));
        let done = answer(Outcome::Stored(Version::FIRST));
        let entry = |bytes| Entry {
            tag: "k".to_owned(),
            entry_type: EntryType::binary_blob(),
            version: Some(Version::FIRST),
            entered: 0,
            exportable: true,
            blob: Secret::new(vec![1; bytes]),
        };
        assert_eq!(stored(&done).expect("stored"), 1);
        assert!(stored(&refused).is_err());
        assert!(retrieved(&refused).is_err() && retrieved(&done).is_err());
        assert!(retrieved(&answer(Outcome::Retrieved(entry(ENTRY_BYTES)))).is_ok());
        assert!(retrieved(&answer(Outcome::Retrieved(entry(ENTRY_BYTES - 1)))).is_err());
    }
}
