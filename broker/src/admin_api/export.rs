//! A domain's audit trail, written out: the whole as it is read, so that its length is no matter.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use actix_web::{HttpResponse, web};
use claviger_proto::admin::State;
use tokio::sync::mpsc::{Sender, channel, error::TrySendError};

use super::caller::Call;
use super::routes::{Answer, ask, name};
use crate::actors::domains::{self, AdminError, Trail};
use crate::lifecycle::Lifecycle;

/// Bytes that are sent at once.
const CHUNK: usize = 64 << 10;

/// Chunks that wait for a slow reader.
const WAITING: usize = 4;

/// How often a slow reader is looked at again.
const AGAIN: Duration = Duration::from_millis(10);

pub(super) async fn trail(call: Call, path: web::Path<String>) -> Answer {
    let trail = ask(&call, domains::ExportAudit(name(&path)?)).await?;
    let (to, mut from) = channel(WAITING);
    let lifecycle = call.lifecycle.clone();
    actix_rt::task::spawn_blocking(move || write(&trail, Chunks { to, lifecycle }));
    let stream = futures_util::stream::poll_fn(move |context| from.poll_recv(context));
    Ok(HttpResponse::Ok().content_type("application/octet-stream").streaming(stream))
}

pub(super) async fn checkpoint(call: Call, path: web::Path<String>) -> Answer {
    let trail = ask(&call, domains::ExportAudit(name(&path)?)).await?;
    let read = move || {
        let mut bytes = Vec::new();
        trail.checkpoint(&mut bytes).map(|()| bytes)
    };
    let bytes = actix_rt::task::spawn_blocking(read).await.map_err(|_| AdminError::Stopping)?;
    let bytes = bytes.map_err(AdminError::Export)?;
    Ok(HttpResponse::Ok().content_type("application/octet-stream").body(bytes))
}

/// Writes the trail; after an error the reader gets no end, and knows by that.
fn write(trail: &Trail, chunks: Chunks) {
    let to = chunks.to.clone();
    let mut buffer = BufWriter::with_capacity(CHUNK, chunks);
    let written = trail.export(&mut buffer);
    drop(buffer);
    if let Err(error) = written {
        tracing::error!(%error, "an audit trail could not be exported");
        // Who is gone needs no telling.
        let _ = to.try_send(Err(io::Error::other("the export failed")));
    }
}

type Chunk = Result<web::Bytes, io::Error>;

/// Hands chunks over to the connection. Ends when the broker is sealed, for the trail's keys are to go then.
struct Chunks {
    to: Sender<Chunk>,
    lifecycle: Lifecycle,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut chunk = Ok(web::Bytes::copy_from_slice(bytes));
        loop {
            if self.lifecycle.state() != State::Ready {
                return Err(io::Error::other("the broker is being sealed, or ends"));
            }
            match self.to.try_send(chunk) {
                Ok(()) => return Ok(bytes.len()),
                Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(TrySendError::Full(back)) => chunk = back,
            }
            std::thread::sleep(AGAIN);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
