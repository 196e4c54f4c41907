//! The admin socket: 0600, and only for the user that runs the broker (or root).

use std::any::Any;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use claviger_proto::admin::Problem;
use claviger_proto::error::ErrorCode;

use super::routes::Failed;

/// The socket can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Somebody answers there.
    #[error(
        "the admin socket {0} is in use; is another broker running with it? Choose another with --admin-socket"
    )]
    InUse(PathBuf),
    /// Something else lies there.
    #[error("{0} is there and is not a socket; it is left alone. Choose another with --admin-socket")]
    NotASocket(PathBuf),
    /// A socket call failed.
    #[error("the admin socket {path} can't be made: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Binds the socket; a stale one (nobody answers) is replaced.
pub fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let io = |source| SocketError::Io { path: path.to_owned(), source };
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(SocketError::InUse(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(io)?;
            }
            Err(error) => return Err(io(error)),
        },
    }
    // Made under a name that nobody looks for and moved when its mode is right, so that there is no moment
    // in which others could connect.
    let staging = staging_path(path);
    drop(std::fs::remove_file(&staging));
    let listener = UnixListener::bind(&staging).map_err(io)?;
    std::fs::set_permissions(&staging, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    std::fs::rename(&staging, path).map_err(io)?;
    listener.set_nonblocking(true).map_err(io)?;
    Ok(listener)
}

fn staging_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

/// Who is on the other end of an admin connection.
#[derive(Clone, Copy, Debug)]
struct PeerUser(Option<u32>);

/// Notes the peer's user when it connects.
pub(super) fn note_peer(connection: &dyn Any, extensions: &mut Extensions) {
    let stream = connection.downcast_ref::<tokio::net::UnixStream>();
    let user = stream.and_then(|stream| stream.peer_cred().ok()).map(|credentials| credentials.uid());
    extensions.insert(PeerUser(user));
}

/// Refuses everybody but the broker's own user and root.
pub(super) async fn only_this_user(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    check(&request)?;
    next.call(request).await
}

/// Whether it comes from the broker's own user, or root.
pub(super) fn check(request: &ServiceRequest) -> Result<(), Failed> {
    let user = request.conn_data::<PeerUser>().and_then(|peer| peer.0);
    let own = rustix::process::geteuid().as_raw();
    if user.is_some_and(|user| user == own || user == 0) {
        return Ok(());
    }
    let user = user.map_or_else(|| "unknown".to_owned(), |user| user.to_string());
    tracing::warn!(user, "an admin call of another user is refused");
    Err(Failed(Problem {
        status: 403,
        code: ErrorCode::Refused,
        title: "not allowed".to_owned(),
        detail: "the admin socket serves only the user that runs the broker".to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_private_and_a_stale_one_is_replaced() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("admin.sock");
        let first = bind(&path).expect("bound");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
        assert!(matches!(bind(&path), Err(SocketError::InUse(_))));
        drop(first);
        bind(&path).expect("a stale socket is replaced");
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("admin.sock");
        std::fs::write(&path, "precious").expect("a file");
        assert!(matches!(bind(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).expect("still there"), b"precious");
    }
}
