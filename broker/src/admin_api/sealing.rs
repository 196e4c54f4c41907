//! Unsealing and sealing.

use actix_web::HttpResponse;
use claviger_proto::admin::Unseal;

use super::caller::Call;
use super::routes::Answer;
use super::secret_body::SecretJson;
use crate::actors::domains::AdminError;
use crate::actors::keeper::{ForgetShares, Seal, UnsealWith};

/// One at a time: the others are refused at once, not queued, for each may take a passphrase's memory and time.
pub(super) async fn unseal(call: Call, body: SecretJson<Unseal>) -> Answer {
    let _alone = call.admin.unsealing.try_acquire().map_err(|_| AdminError::Unsealing)?;
    let state = call.admin.keeper.send(UnsealWith(body.0)).await;
    Ok(HttpResponse::Ok().force_close().json(state.map_err(|_| AdminError::Stopping)??))
}

pub(super) async fn forget(call: Call) -> Answer {
    let state = call.admin.keeper.send(ForgetShares).await;
    Ok(HttpResponse::Ok().json(state.map_err(|_| AdminError::Stopping)??))
}

pub(super) async fn seal(call: Call) -> Answer {
    let state = call.admin.keeper.send(Seal).await;
    Ok(HttpResponse::Ok().json(state.map_err(|_| AdminError::Stopping)??))
}
