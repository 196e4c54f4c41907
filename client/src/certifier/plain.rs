//! One frame each way over plain TCP, as stock admission has it. Nothing of it is secret: the answer is a certificate.

use std::io;
use std::time::Duration;

use claviger_proto::frame;
use claviger_proto::limits::MAX_ADMISSION_FRAME;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::address::Address;
use crate::error::{Error, Phase};
use crate::timeouts::Timeouts;
use crate::wire::tcp;

/// Sends a message, and reads the one that answers it.
pub(super) async fn exchange(
    address: &Address,
    message: &[u8],
    timeouts: Timeouts,
) -> Result<Vec<u8>, Error> {
    let late = |phase, limit: Duration| Error::Timeout { address: address.clone(), phase, limit };
    let connected = timeout(timeouts.connect, tcp(address)).await;
    let mut stream = connected.map_err(|_| late(Phase::Connect, timeouts.connect))??;
    let answered = timeout(timeouts.answer, send_and_receive(address, &mut stream, message)).await;
    answered.map_err(|_| late(Phase::Answer, timeouts.answer))?
}

async fn send_and_receive(
    address: &Address,
    stream: &mut TcpStream,
    message: &[u8],
) -> Result<Vec<u8>, Error> {
    let failed = |error| classify(address, error);
    // In one piece: the other end takes whatever its first read brings for the whole header.
    let framed = [frame::header(message.len()).as_slice(), message].concat();
    stream.write_all(&framed).await.map_err(failed)?;
    let mut header = [0; frame::HEADER];
    stream.read_exact(&mut header).await.map_err(failed)?;
    let length = frame::body_length(header, MAX_ADMISSION_FRAME)
        .map_err(|fault| Error::Protocol { address: address.clone(), fault: fault.into() })?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.map_err(failed)?;
    Ok(body)
}

fn classify(address: &Address, error: io::Error) -> Error {
    let address = address.clone();
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Error::Closed { address, phase: Phase::Answer }
        }
        _ => Error::Unreachable { address, source: error },
    }
}
