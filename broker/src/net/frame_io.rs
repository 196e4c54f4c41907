//! Frames on a socket, each phase with its deadline.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::time::Duration;

use claviger_proto::ParseError;
use claviger_proto::frame::{HEADER, body_length, header};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, Sleep, sleep, timeout_at};
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

/// A body above this many bytes needs a large body's place before it is allocated, so that memory is bounded
/// by connections × this + places × the largest body.
pub const LARGE_BODY: usize = 64 << 10;

/// What bounds the reading of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'p> {
    /// Largest body, in bytes.
    pub limit: usize,
    /// The wait for its first byte.
    pub first: Duration,
    /// From there to its last byte.
    pub rest: Duration,
    /// Places for large bodies.
    pub large: Large<'p>,
}

/// Where places for large bodies are taken.
#[derive(Clone, Copy, Debug)]
pub struct Large<'p> {
    /// The domain's share of them, where it is known whose it is.
    pub own: Option<&'p Semaphore>,
    /// Those of all.
    pub all: &'p Semaphore,
}

impl<'p> Large<'p> {
    async fn place(self) -> Option<LargePlace<'p>> {
        let own = match self.own {
            Some(own) => Some(own.acquire().await.ok()?),
            None => None,
        };
        Some(LargePlace { _own: own, _all: self.all.acquire().await.ok()? })
    }
}

#[derive(Debug)]
struct LargePlace<'p> {
    _own: Option<SemaphorePermit<'p>>,
    _all: SemaphorePermit<'p>,
}

/// A frame's body, and the place that it holds as long as it is in memory.
#[derive(Debug)]
pub struct Frame<'p> {
    /// The message.
    pub body: Zeroizing<Vec<u8>>,
    _large: Option<LargePlace<'p>>,
}

/// The first bytes of a frame.
#[derive(Debug)]
pub struct Begun {
    head: [u8; HEADER],
    have: usize,
}

/// Reads one frame.
pub async fn read_frame<'p, S: AsyncRead + Unpin>(
    stream: &mut S,
    bounds: Bounds<'p>,
) -> Result<Frame<'p>, ReadError> {
    let begun = begin_frame(stream, bounds.first).await?;
    finish_frame(stream, begun, bounds).await
}

/// Waits for a frame to begin. May be dropped without losing a byte.
pub async fn begin_frame<S: AsyncRead + Unpin>(stream: &mut S, within: Duration) -> Result<Begun, ReadError> {
    begin_frame_before(stream, pin!(sleep(within))).await
}

/// The same, with a timer of the caller's: to set one anew for each frame costs less than to make one.
pub async fn begin_frame_before<S: AsyncRead + Unpin>(
    stream: &mut S,
    deadline: Pin<&mut Sleep>,
) -> Result<Begun, ReadError> {
    let mut head = [0; HEADER];
    let read = tokio::select! {
        biased;
        read = stream.read(&mut head) => read,
        () = deadline => return Err(ReadError::Deadline("a request")),
    };
    match read.map_err(as_close)? {
        0 => Err(ReadError::Closed),
        have => Ok(Begun { head, have }),
    }
}

/// Reads the rest of a frame that has begun.
pub async fn finish_frame<'p, S: AsyncRead + Unpin>(
    stream: &mut S,
    Begun { mut head, have }: Begun,
    bounds: Bounds<'p>,
) -> Result<Frame<'p>, ReadError> {
    let end = Instant::now() + bounds.rest;
    let whole = async {
        if have < HEADER {
            stream.read_exact(&mut head[have..]).await?;
        }
        let length = body_length(head, bounds.limit)?;
        let large = if length > LARGE_BODY { bounds.large.place().await } else { None };
        // Allocated once, after the limit was checked, so that no part of a secret stays in a smaller buffer; and
        // written only as it comes, so that what never comes takes no memory.
        let mut body = Zeroizing::new(Vec::with_capacity(length));
        let mut rest = stream.take(length as u64);
        while body.len() < length {
            if rest.read_buf(&mut *body).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(Frame { body, _large: large })
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

/// Writes one frame, header and body in one go, so that a small one is a single TLS record.
pub async fn write_frame<S: AsyncWrite + Unpin>(
    stream: &mut S,
    body: &[u8],
    within: Duration,
) -> io::Result<()> {
    let header = header(body.len());
    let write = async {
        let mut sent = 0;
        while sent < HEADER {
            match stream.write_vectored(&[IoSlice::new(&header[sent..]), IoSlice::new(body)]).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                more => sent += more,
            }
        }
        stream.write_all(&body[sent - HEADER..]).await?;
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

    fn bounds(limit: usize, large: &Semaphore) -> Bounds<'_> {
        Bounds { limit, first: SECOND, rest: SECOND, large: Large { own: None, all: large } }
    }

    async fn read(bytes: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        let large = Semaphore::new(1);
        read_frame(&mut &bytes[..], bounds(limit, &large)).await.map(|frame| frame.body.to_vec())
    }

    #[tokio::test]
    async fn reads_what_was_written() {
        let mut wire = Vec::new();
        write_frame(&mut wire, b"hello", SECOND).await.expect("written");
        assert_eq!(read(&wire, 5).await.expect("read"), b"hello");
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
        let large = Semaphore::new(1);
        let silent = read_frame(&mut server, bounds(9, &large)).await;
        assert!(matches!(silent, Err(ReadError::Deadline("a request"))));
        client.write_all(b"\x05\0\0\0h").await.expect("written");
        let trickle = read_frame(&mut server, bounds(9, &large)).await;
        assert!(matches!(trickle, Err(ReadError::Deadline("the rest of its request"))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_waits_for_its_place_and_a_small_one_does_not() {
        let large = Semaphore::new(1);
        let mut wire = Vec::new();
        write_frame(&mut wire, &vec![7; LARGE_BODY + 1], SECOND).await.expect("written");
        let first = read_frame(&mut &wire[..], bounds(1 << 20, &large)).await.expect("the one place");
        let second = read_frame(&mut &wire[..], bounds(1 << 20, &large)).await;
        assert!(matches!(second, Err(ReadError::Deadline(_))));
        let small = read_frame(&mut &b"\x01\0\0\0x"[..], bounds(1 << 20, &large)).await;
        assert_eq!(small.expect("read").body.as_slice(), b"x");
        drop(first);
        read_frame(&mut &wire[..], bounds(1 << 20, &large)).await.expect("the place came back");
    }
}
