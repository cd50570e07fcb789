//! Ports and sockets, and the connections that come in by them.

#[cfg(unix)]
use std::path::PathBuf;
use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::OwnedSemaphorePermit,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::door::Door;
#[cfg(unix)]
use crate::face::attach;

/// How long the handshake of TLS may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// The pause after a failed accept: what fails is most often a full table of descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// What one connection too many is told, if it listens.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 30\r\n\r\n\
    There are too many connections";

/// Why the server could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the token: {0}.")]
    Token(String),
    #[error("TLS: {0}.")]
    Tls(String),
    #[error("{place} cannot be listened on: {source}.{advice}")]
    Listen { place: String, advice: &'static str, source: io::Error },
    #[error(
        "other machines can reach {0}, and whoever has the token can run commands as you there. Say --allow-remote if \
         you mean it, best with --tls-cert and --tls-key."
    )]
    Remote(SocketAddr),
    #[cfg(not(unix))]
    #[error("--socket needs a Unix system; use --listen.")]
    NoSockets,
}

pub enum Listener {
    Port(TcpListener, Option<TlsAcceptor>),
    #[cfg(unix)]
    Socket(tokio::net::UnixListener, SocketFile),
}

/// A socket's file, which goes with it.
#[cfg(unix)]
pub struct SocketFile {
    path: PathBuf,
    /// Which file it is: another may have come to its place.
    number: Option<(u64, u64)>,
}

#[cfg(unix)]
impl Drop for SocketFile {
    #[expect(clippy::disallowed_methods, reason = "the server made it")]
    fn drop(&mut self) {
        if self.number.is_some() && socket_number(&self.path) == self.number {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The device and the number of the socket that has this name; `None` if it is anything else.
#[cfg(unix)]
fn socket_number(path: &std::path::Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let metadata = std::fs::symlink_metadata(path).ok()?;
    metadata.file_type().is_socket().then(|| (metadata.dev(), metadata.ino()))
}

impl Listener {
    pub async fn port(address: SocketAddr, allow_remote: bool, tls: Option<TlsAcceptor>) -> Result<Self, Error> {
        if !address.ip().is_loopback() && !allow_remote {
            return Err(Error::Remote(address));
        }
        let advice = " Another one may be running: --listen 127.0.0.1:0 takes a free port.";
        let listener = TcpListener::bind(address).await;
        let failed = |source| Error::Listen { place: address.to_string(), advice, source };
        Ok(Self::Port(listener.map_err(failed)?, tls))
    }

    /// One that only this user can use.
    #[cfg(unix)]
    #[expect(clippy::disallowed_methods, reason = "the person names the socket on the command line")]
    pub fn socket(path: &std::path::Path) -> Result<Self, Error> {
        use std::os::unix::{fs::PermissionsExt, net::UnixStream};
        let failed = |source| Error::Listen { place: path.display().to_string(), advice: "", source };
        // What a killed server has left behind answers nobody. A file of the person's does not either.
        let answers_nobody =
            || UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if socket_number(path).is_some() && answers_nobody() {
            std::fs::remove_file(path).map_err(failed)?;
        }
        let listener = tokio::net::UnixListener::bind(path).map_err(failed)?;
        let file = SocketFile { path: std::path::absolute(path).map_err(failed)?, number: socket_number(path) };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self::Socket(listener, file))
    }

    #[cfg(not(unix))]
    pub fn socket(_: &std::path::Path) -> Result<Self, Error> {
        Err(Error::NoSockets)
    }

    /// For people and for clients.
    pub fn address(&self) -> io::Result<String> {
        Ok(match self {
            Self::Port(listener, None) => format!("http://{}", listener.local_addr()?),
            Self::Port(listener, Some(_)) => format!("https://{}", listener.local_addr()?),
            #[cfg(unix)]
            Self::Socket(_, file) => format!("unix:{}", file.path.display()),
        })
    }
}

/// Serves what comes in until `closed`.
pub async fn accept(listener: Listener, door: Door, closed: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = closed.cancelled() => return,
            accepted = accept_one(&listener, &door) => accepted,
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn accept_one(listener: &Listener, door: &Door) -> io::Result<()> {
    match listener {
        Listener::Port(listener, tls) => {
            let (stream, _) = listener.accept().await?;
            // Events are small and wanted at once.
            stream.set_nodelay(true)?;
            let Some((stream, place)) = seat(stream, door) else { return Ok(()) };
            let door = door.clone();
            match tls.clone() {
                None => drop(tokio::spawn(door.serve(stream, place, false))),
                Some(tls) => drop(tokio::spawn(async move {
                    match tokio::time::timeout(HANDSHAKE_LIMIT, tls.accept(stream)).await {
                        Ok(Ok(stream)) => door.serve(stream, place, false).await,
                        Ok(Err(error)) => tracing::info!(%error, "a client could not agree on TLS"),
                        Err(_) => tracing::info!("a client was too slow to agree on TLS"),
                    }
                })),
            }
        }
        #[cfg(unix)]
        Listener::Socket(listener, _) => {
            let (stream, _) = listener.accept().await?;
            let Some((stream, place)) = seat(stream, door) else { return Ok(()) };
            let door = door.clone();
            tokio::spawn(async move {
                if attach::is_welcome(&stream).await {
                    door.serve(stream, place, true).await;
                }
            });
        }
    }
    Ok(())
}

/// A connection with its place, if there is one for it.
fn seat<S: AsyncWrite + Unpin + Send + 'static>(mut stream: S, door: &Door) -> Option<(S, OwnedSemaphorePermit)> {
    if let Ok(place) = door.server.places.0.clone().try_acquire_owned() {
        return Some((stream, place));
    }
    tracing::warn!("a connection was turned away: there are too many");
    tokio::spawn(async move { tokio::time::timeout(PAUSE, stream.write_all(FULL)).await });
    None
}
