//! Requests, and a broker that answers them.

use claviger_proto::key_service::{
    Dialect, Outcome, PutOptions, Refusal, Request, Retrieve, Store, decode_request, encode_response,
};
use claviger_proto::{DomainName, Entry, EntryType, ErrorCode, ResourceName, Secret, Version};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::{read_frame, write_frame};

pub(crate) fn name(text: &str) -> ResourceName {
    text.parse().unwrap()
}

pub(crate) fn retrieve(text: &str) -> Retrieve {
    Retrieve { name: name(text), version: None }
}

pub(crate) fn store(text: &str, blob: Vec<u8>) -> Store {
    let entry_type = EntryType::binary_blob();
    Store {
        name: name(text),
        version: None,
        entry_type,
        exportable: true,
        blob: Secret::new(blob),
        options: PutOptions::default(),
    }
}

pub(crate) fn entry(tag: &str, version: u32) -> Entry {
    Entry {
        tag: tag.to_owned(),
        entry_type: EntryType::binary_blob(),
        version: Version::new(version),
        entered: 0,
        exportable: true,
        blob: Secret::copy_from(b"secret"),
    }
}

/// Answers every request as a broker would that has version 7 of everything, and refuses `forbidden`.
pub(crate) async fn broker(domain: DomainName, mut stream: TlsStream<TcpStream>) {
    while let Some(body) = read_frame(&mut stream).await {
        let decoded = decode_request(Dialect::Ours, &domain, &body);
        let echo = decoded.echo.clone();
        let outcome = match decoded.request() {
            Ok(request) if request.name().is_some_and(|name| name.as_str() == "forbidden") => {
                Outcome::Refused(Refusal::new(ErrorCode::NotFound, "not found or not allowed"))
            }
            Ok(Request::Store(_)) => Outcome::Stored(Version::new(7).unwrap()),
            Ok(Request::Retrieve(retrieve)) => Outcome::Retrieved(entry(retrieve.name.as_str(), 7)),
            Ok(_) => Outcome::Refused(Refusal::new(ErrorCode::UnknownRequest, "not here")),
            Err(error) => Outcome::Refused(error.into()),
        };
        write_frame(&mut stream, &encode_response(&echo, Some("r1"), &outcome)).await;
    }
}
