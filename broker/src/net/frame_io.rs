//! Frames on a socket, each phase with its deadline.

use std::io;
use std::time::Duration;

use claviger_proto::ParseError;
use claviger_proto::frame::{HEADER, body_length, header};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// Why a frame wasn't read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The peer closed between frames: the usual end.
    #[error("the peer closed the connection")]
    Closed,
    /// The peer closed inside a frame, or the socket failed.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The peer took too long.
    #[error("the peer took too long to send {0}")]
    Deadline(&'static str),
    /// The frame itself is refused; an answer can be given.
    #[error(transparent)]
    Frame(#[from] ParseError),
}

/// Reads one frame's body. `first` bounds the wait for its first byte, `rest` the time from there to its last.
pub async fn read_frame<S: AsyncRead + Unpin>(
    stream: &mut S,
    limit: usize,
    first: Duration,
    rest: Duration,
) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let mut head = [0; HEADER];
    let read = timeout_at(Instant::now() + first, stream.read(&mut head)).await;
    let have = read.map_err(|_| ReadError::Deadline("a request"))?.map_err(as_close)?;
    if have == 0 {
        return Err(ReadError::Closed);
    }
    let end = Instant::now() + rest;
    let whole = async {
        if have < HEADER {
            stream.read_exact(&mut head[have..]).await?;
        }
        let length = body_length(head, limit)?;
        // Allocated once, after the limit was checked, so that no part of a secret stays in a smaller buffer.
        let mut body = Zeroizing::new(vec![0; length]);
        stream.read_exact(&mut body).await?;
        Ok(body)
    };
    timeout_at(end, whole).await.map_err(|_| ReadError::Deadline("the rest of its request"))?
}

/// A peer that just goes away (stock programs never send `close_notify`) is a close, not a fault.
fn as_close(error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => ReadError::Closed,
        _ => ReadError::Io(error),
    }
}

/// Writes one frame, header and body in one go, so that they share a TLS record.
pub async fn write_frame<S: AsyncWrite + Unpin>(
    stream: &mut S,
    body: &[u8],
    within: Duration,
) -> io::Result<()> {
    let mut frame = Zeroizing::new(Vec::with_capacity(HEADER + body.len()));
    frame.extend_from_slice(&header(body.len()));
    frame.extend_from_slice(body);
    let write = async {
        stream.write_all(&frame).await?;
        stream.flush().await
    };
    timeout_at(Instant::now() + within, write).await.map_err(|_| io::ErrorKind::TimedOut)?
}

/// Reads and drops what a refused peer is still sending, within bounds, so that the answer isn't lost to a
/// reset: closing a socket with unread bytes discards what was sent.
pub async fn linger<S: AsyncRead + Unpin>(stream: &mut S) {
    const MOST: usize = 16 << 20;
    const LONGEST: Duration = Duration::from_secs(2);
    let discard = async {
        let mut buffer = Zeroizing::new(vec![0; 16 << 10]);
        let mut seen = 0;
        while seen < MOST {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(n) => seen += n,
            }
        }
    };
    // Either end is fine: this only gives the peer time to read.
    drop(timeout_at(Instant::now() + LONGEST, discard).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn read(bytes: &[u8], limit: usize) -> Result<Zeroizing<Vec<u8>>, ReadError> {
        read_frame(&mut &bytes[..], limit, SECOND, SECOND).await
    }

    #[tokio::test]
    async fn reads_what_was_written() {
        let mut wire = Vec::new();
        write_frame(&mut wire, b"hello", SECOND).await.expect("written");
        assert_eq!(read(&wire, 5).await.expect("read").as_slice(), b"hello");
        assert!(matches!(read(&wire, 4).await, Err(ReadError::Frame(ParseError::FrameTooLarge))));
    }

    #[tokio::test]
    async fn a_short_frame_is_an_error_and_silence_a_close() {
        assert!(matches!(read(b"", 9).await, Err(ReadError::Closed)));
        assert!(matches!(read(b"\x05\0\0\0hell", 9).await, Err(ReadError::Io(_))));
        assert!(matches!(read(b"\x05\0", 9).await, Err(ReadError::Io(_))));
        assert!(matches!(read(b"\0\0\0\0", 9).await, Err(ReadError::Frame(ParseError::EmptyFrame))));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_a_trickle_end_at_their_deadlines() {
        let (mut client, mut server) = tokio::io::duplex(64);
        let silent = read_frame(&mut server, 9, SECOND, SECOND).await;
        assert!(matches!(silent, Err(ReadError::Deadline("a request"))));
        client.write_all(b"\x05\0\0\0h").await.expect("written");
        let trickle = read_frame(&mut server, 9, SECOND, SECOND).await;
        assert!(matches!(trickle, Err(ReadError::Deadline("the rest of its request"))));
    }
}
