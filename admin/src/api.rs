//! The admin API, over the broker's Unix socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use claviger_client::cli::Failure;
use claviger_proto::admin::Problem;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long one call may take, connecting included: verifying a long audit trail is the slowest.
const CALL: Duration = Duration::from_mins(5);

/// Largest answer, in bytes: thousands of domains or references.
const MAX_ANSWER: usize = 16 << 20;

/// A broker's admin API.
pub(crate) struct Api<'a> {
    socket: &'a Path,
}

impl<'a> Api<'a> {
    pub(crate) fn new(socket: &'a Path) -> Self {
        Self { socket }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(&self.call(Method::GET, path, Vec::new()).await?)
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        read(&self.call(Method::POST, path, write(body)).await?)
    }

    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        read(&self.call(Method::PUT, path, write(body)).await?)
    }

    /// The same, with the entity tag of what was read.
    pub(crate) async fn get_tagged<T: DeserializeOwned>(&self, path: &str) -> Result<(T, String), Failure> {
        let (body, tag) = self.call_if(Method::GET, path, Vec::new(), None).await?;
        let tag = tag.ok_or_else(|| self.misanswered("it gives no entity tag"))?;
        Ok((read(&body)?, tag))
    }

    /// Puts only where what is there has this entity tag; a conflict otherwise.
    pub(crate) async fn put_if<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        tag: &str,
    ) -> Result<T, Failure> {
        read(&self.call_if(Method::PUT, path, write(body), Some(tag)).await?.0)
    }

    pub(crate) async fn delete_answered<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(&self.call(Method::DELETE, path, Vec::new()).await?)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, path, Vec::new()).await.map(|_| ())
    }

    async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, Failure> {
        self.call_if(method, path, body, None).await.map(|(body, _)| body)
    }

    async fn call_if(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        tag: Option<&str>,
    ) -> Result<(Bytes, Option<String>), Failure> {
        match timeout(CALL, self.exchange(method, path, body, tag)).await {
            Ok(result) => result,
            Err(_) => Err(self.unreachable("it didn't answer in time")),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        tag: Option<&str>,
    ) -> Result<(Bytes, Option<String>), Failure> {
        let stream = UnixStream::connect(self.socket).await.map_err(|error| self.unconnected(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(&error.to_string()))?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder();
        if let Some(tag) = tag {
            request = request.header(header::IF_MATCH, tag);
        }
        let request = request
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from_owner(Zeroizing::new(body))))
            .map_err(|error| self.misanswered(&error.to_string()))?;
        let response =
            sender.send_request(request).await.map_err(|error| self.unreachable(&error.to_string()))?;
        let status = response.status();
        let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|error| self.misanswered(&error.to_string()))?
            .to_bytes();
        connection.abort();
        if status.is_success() { Ok((body, tag)) } else { Err(self.problem(status, &body)) }
    }

    fn problem(&self, status: StatusCode, body: &[u8]) -> Failure {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => problem.into(),
            Err(_) => self.misanswered(&format!("HTTP status {status}")),
        }
    }

    fn unconnected(&self, error: &io::Error) -> Failure {
        let failure = self.unreachable(&error.to_string());
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                failure.with_next("run this as the user that the broker runs as")
            }
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => failure.with_next(
                "start the broker (key-broker serve --admin-socket PATH), or name its socket: --admin-socket",
            ),
            _ => failure,
        }
    }

    fn unreachable(&self, why: &str) -> Failure {
        let message = format!("the broker can't be reached at {}: {why}", self.socket.display());
        Failure::new("unreachable", 8, message, "look at the broker's log, and try again")
    }

    fn misanswered(&self, why: &str) -> Failure {
        let message =
            format!("what answers at {} is no admin API of this version: {why}", self.socket.display());
        Failure::new(
            "protocol",
            1,
            message,
            "check --admin-socket, and that both programs are of one version",
        )
    }
}

/// The body is measured first, so that a secret in it is never copied by growing.
fn write(body: &impl Serialize) -> Vec<u8> {
    const WRITTEN: &str = "our own types have JSON forms, and memory can be written";
    let mut length = Length(0);
    serde_json::to_writer(&mut length, body).expect(WRITTEN);
    let mut bytes = Vec::with_capacity(length.0);
    serde_json::to_writer(&mut bytes, body).expect(WRITTEN);
    bytes
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("the broker's answer can't be read: {error}");
        Failure::new("protocol", 1, message, "check that both programs are of one version")
    })
}
