//! Bodies that carry secrets: read into memory of ours, and wiped from the server's buffer.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, IF_MATCH};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use claviger_proto::admin::Problem;
use claviger_proto::error::ErrorCode;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use zeroize::{Zeroize as _, Zeroizing};

use super::routes::Failed;

/// How often, and how long apart, it is looked whether the server has let go of its buffer: it does when the
/// connection ends, which the answer asks for.
const LOOKS: u32 = 500;
const APART: Duration = Duration::from_millis(20);

/// Takes away what of the server's buffer is in the request's head, which the server keeps to use it again.
pub(super) async fn let_go_of_head(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let headers = request.headers_mut();
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|is| is.as_bytes().starts_with(JSON.as_bytes()));
    // A copy, in memory of its own.
    let if_match = headers.get(IF_MATCH).and_then(|tags| HeaderValue::from_bytes(tags.as_bytes()).ok());
    headers.clear();
    if let Some(tags) = if_match {
        headers.insert(IF_MATCH, tags);
    }
    if is_json {
        headers.insert(CONTENT_TYPE, JSON);
    }
    next.call(request).await
}

/// Largest body that a route takes, in bytes; put into the route's data.
#[derive(Clone, Copy)]
pub(super) struct BodyLimit(pub(super) usize);

/// A body of JSON with a secret in it. The answer to it should end the connection.
pub(super) struct SecretJson<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for SecretJson<T> {
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Failed>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = request.app_data::<BodyLimit>().map_or(super::MAX_BODY, |limit| limit.0);
        let payload = payload.take();
        Box::pin(async move { read(payload, limit).await.map(Self) })
    }
}

async fn read<T: DeserializeOwned>(mut payload: Payload, limit: usize) -> Result<T, Failed> {
    let mut chunks = Chunks(Vec::new());
    let mut length = 0;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| malformed("the body doesn't come as it was announced".to_owned()))?;
        length += chunk.len();
        chunks.0.push(chunk);
        if length > limit {
            return Err(malformed(format!("the body is larger than {} KiB", limit >> 10)));
        }
    }
    let mut body = Zeroizing::new(Vec::with_capacity(length));
    for chunk in &chunks.0 {
        body.extend_from_slice(chunk);
    }
    // serde's text can repeat input.
    serde_json::from_slice(&body)
        .map_err(|_| malformed("the body is not the JSON that this call takes".to_owned()))
}

pub(super) fn malformed(detail: String) -> Failed {
    let title = "malformed call".to_owned();
    Failed(Problem { status: 400, code: ErrorCode::Malformed, title, detail })
}

/// Pieces of the server's buffer. Wiped when nobody else holds them any more.
struct Chunks(Vec<Bytes>);

impl Drop for Chunks {
    fn drop(&mut self) {
        let chunks = std::mem::take(&mut self.0);
        if !chunks.is_empty() {
            actix_rt::spawn(wipe(chunks));
        }
    }
}

async fn wipe(mut chunks: Vec<Bytes>) {
    for _ in 0..LOOKS {
        tokio::time::sleep(APART).await;
        chunks = chunks.into_iter().filter_map(wiped).collect();
        if chunks.is_empty() {
            return;
        }
    }
    tracing::debug!("a part of an admin call's body could not be wiped: its connection is still open");
}

/// Wipes a piece that is ours alone; gives it back if it isn't.
fn wiped(chunk: Bytes) -> Option<Bytes> {
    match chunk.try_into_mut() {
        Ok(mut ours) => {
            ours.as_mut().zeroize();
            None
        }
        Err(shared) => Some(shared),
    }
}
