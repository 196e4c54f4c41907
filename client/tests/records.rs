//! What the channel's requests look like on the wire.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use claviger_attest::Role;
use claviger_client::{Channel, Options};
use claviger_proto::key_service::{Echo, Outcome, encode_response};
use support::messages::{entry, retrieve};
use support::{Domain, serve_tcp, tls};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// Counts the TLS records that the client sends.
struct Recording {
    tcp: TcpStream,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Recording {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = Pin::new(&mut this.tcp).poll_read(cx, buf);
        this.heard.lock().unwrap().extend_from_slice(&buf.filled()[before..]);
        result
    }
}

impl AsyncWrite for Recording {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

fn records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [_, _, _, high, low, rest @ ..] = bytes {
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        count += 1;
    }
    count
}

#[tokio::test]
async fn a_small_request_is_one_record() {
    let domain = Domain::new("fleet");
    let config = tls(&domain.leaf(Role::Broker), None);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let recorded = heard.clone();
    let server = serve_tcp(|tcp| async move {
        let tcp = Recording { tcp, heard: recorded.clone() };
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(tcp).await.unwrap();
        let mut byte = [0; 1];
        // The client's first flight may come together with its request; the second request comes alone.
        stream.read_exact(&mut byte).await.unwrap();
        drain(&mut stream).await;
        recorded.lock().unwrap().clear();
        let answer = encode_response(&Echo::default(), Some("r1"), &Outcome::Retrieved(entry("disk", 7)));
        let mut framed = claviger_proto::frame::header(answer.len()).to_vec();
        framed.extend_from_slice(&answer);
        stream.write_all(&framed).await.unwrap();
        stream.flush().await.unwrap();
        stream.read_exact(&mut byte).await.unwrap();
        drain(&mut stream).await;
        stream.write_all(&framed).await.unwrap();
        stream.flush().await.unwrap();
    })
    .await;
    let mut channel = Channel::connect(&server, &domain.agent(), &Options::default()).await.unwrap();
    channel.retrieve(retrieve("disk")).await.unwrap();
    channel.retrieve(retrieve("disk")).await.unwrap();
    assert_eq!(records(&heard.lock().unwrap()), 1);
}

/// Reads what is there of a request.
async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 1024];
    while tokio::time::timeout(Duration::from_millis(50), stream.read(&mut buffer)).await.is_ok() {}
}
