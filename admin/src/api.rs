//! The admin API, over the broker's Unix socket or the network.

use std::io;
use std::time::Duration;

use claviger_client::administration::connect;
use claviger_client::cli::Failure;
use claviger_client::{Error, Timeouts};
use claviger_proto::admin::Problem;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::reach::Way;

/// How long one call may take, connecting included: verifying a long audit trail is the slowest.
const CALL: Duration = Duration::from_mins(5);

/// Largest answer, in bytes: thousands of domains or references.
const MAX_ANSWER: usize = 16 << 20;

/// One call.
struct Call<'a> {
    method: Method,
    path: &'a str,
    body: Vec<u8>,
    /// Only where what is there has this entity tag.
    if_match: Option<&'a str>,
}

/// What drives a connection; ended when it is let go of.
struct Connection(JoinHandle<hyper::Result<()>>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A broker's admin API.
pub(crate) struct Api {
    way: Way,
}

impl Api {
    pub(crate) fn new(way: Way) -> Self {
        Self { way }
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
        let (body, tag) =
            self.call_if(Call { method: Method::GET, path, body: Vec::new(), if_match: None }).await?;
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
        let call = Call { method: Method::PUT, path, body: write(body), if_match: Some(tag) };
        read(&self.call_if(call).await?.0)
    }

    pub(crate) async fn delete_answered<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(&self.call(Method::DELETE, path, Vec::new()).await?)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.call(Method::DELETE, path, Vec::new()).await.map(|_| ())
    }

    /// Bytes, of an answer that isn't JSON.
    pub(crate) async fn post_for_bytes(&self, path: &str) -> Result<Bytes, Failure> {
        self.call(Method::POST, path, Vec::new()).await
    }

    /// Writes an answer of any length as it comes. Each piece may take as long as a call.
    pub(crate) async fn download(
        &self,
        path: &str,
        write: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let late = |_| self.unreachable("it didn't answer in time");
        let call = Call { method: Method::GET, path, body: Vec::new(), if_match: None };
        let (response, _connection) = timeout(CALL, self.exchange(call)).await.map_err(late)??;
        let mut body = response.into_body();
        while let Some(frame) = timeout(CALL, body.frame()).await.map_err(late)? {
            let frame = frame.map_err(|error| self.unreachable(&error.to_string()))?;
            if let Some(piece) = frame.data_ref() {
                write(piece)?;
            }
        }
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Bytes, Failure> {
        self.call_if(Call { method, path, body, if_match: None }).await.map(|(body, _)| body)
    }

    /// A call's answer, and the entity tag of what it is about, where there is one.
    async fn call_if(&self, call: Call<'_>) -> Result<(Bytes, Option<String>), Failure> {
        let exchange = async {
            let (response, _connection) = self.exchange(call).await?;
            let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
            let tag = tag.map(str::to_owned);
            Ok((self.collect(response.into_body()).await?, tag))
        };
        match timeout(CALL, exchange).await {
            Ok(result) => result,
            Err(_) => Err(self.unreachable("it didn't answer in time")),
        }
    }

    /// Sends a call; gives a good answer, and what it comes through.
    async fn exchange(&self, call: Call<'_>) -> Result<(Response<Incoming>, Connection), Failure> {
        match &self.way {
            Way::Socket(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(|error| self.unconnected(&error))?;
                self.exchange_over(stream, call).await
            }
            Way::Network(network) => {
                let own = (network.certificate.as_slice(), network.key.pkcs8_der());
                let stream = connect(&network.address, &network.meant, own, Timeouts::default()).await;
                let stream = stream.map_err(|error| advised(&error))?;
                self.exchange_over(stream, call).await
            }
        }
    }

    async fn exchange_over<S>(
        &self,
        stream: S,
        call: Call<'_>,
    ) -> Result<(Response<Incoming>, Connection), Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(&error.to_string()))?;
        let guard = Connection(tokio::spawn(connection));
        let mut request = Request::builder().method(call.method).uri(call.path);
        if let Some(tag) = call.if_match {
            request = request.header(header::IF_MATCH, tag);
        }
        let request = request
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from_owner(Zeroizing::new(call.body))))
            .map_err(|error| self.misanswered(&error.to_string()))?;
        let response =
            sender.send_request(request).await.map_err(|error| self.unreachable(&error.to_string()))?;
        let status = response.status();
        if status.is_success() {
            return Ok((response, guard));
        }
        let body = self.collect(response.into_body()).await?;
        Err(self.problem(status, &body))
    }

    async fn collect(&self, body: Incoming) -> Result<Bytes, Failure> {
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        Ok(body.map_err(|error| self.misanswered(&error.to_string()))?.to_bytes())
    }

    fn problem(&self, status: StatusCode, body: &[u8]) -> Failure {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) if status == StatusCode::FORBIDDEN && matches!(self.way, Way::Network(_)) => {
                Failure::from(problem).with_next(
                    "call as one who may: docs/admin-api.md says who may what; key-admin owner list who is registered",
                )
            }
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
        let message = format!("the broker can't be reached at {}: {why}", self.way);
        Failure::new("unreachable", 8, message, "look at the broker's log, and try again")
    }

    fn misanswered(&self, why: &str) -> Failure {
        let message = format!("what answers at {} is no admin API of this version: {why}", self.way);
        Failure::new(
            "protocol",
            1,
            message,
            "check --admin-socket or --broker, and that both programs are of one version",
        )
    }
}

/// What administers does something else about some errors than what a machine does.
fn advised(error: &Error) -> Failure {
    let failure = Failure::from(error);
    match error {
        Error::BrokerRefused { .. } => failure.with_next(
            "don't go on: this isn't the broker that is meant; check --broker, and --admin-policy-cert or --broker-cert",
        ),
        Error::UnknownDomain { .. } => failure.with_next(
            "check --admin-domain; a sealed broker serves no domain, and is unsealed by its operator",
        ),
        Error::Tls { .. } | Error::Closed { .. } => {
            failure.with_next("check the port: the admin API's is 8121, unless the broker says otherwise")
        }
        Error::Key { .. } => failure.with_next("give the key that belongs to --admin-cert: --admin-key"),
        _ => failure,
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
