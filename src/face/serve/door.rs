//! What answers a connection's requests: JSON-RPC by POST or WebSocket on any path, and a few pages by GET.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
};

use hyper::{
    StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use jsonrpsee::server::{
    HttpBody, HttpRequest, HttpResponse, Methods, StopHandle, TowerServiceBuilder, serve_with_graceful_shutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OwnedSemaphorePermit,
};
use tower::layer::util::Identity;
use tower_service::Service;

use super::{
    Server,
    guard::{PROTOCOL, Refusal, protocols},
    patience::{Patient, Standing},
};

/// The way in, the same for each connection.
#[derive(Clone)]
pub struct Door {
    pub server: Arc<Server>,
    pub methods: Methods,
    /// Gives each connection a number.
    pub rpc: TowerServiceBuilder<Identity, Identity>,
    pub stop: StopHandle,
}

type Rpc = jsonrpsee::server::TowerService<Identity, Identity>;

impl Door {
    /// Serves one connection until it ends. A WebSocket goes on after that, on the side. Who comes by a Unix socket is
    /// known already.
    pub async fn serve<S>(self, stream: S, place: OwnedSemaphorePermit, is_socket: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let rpc = self.rpc.clone().build(self.methods.clone(), self.stop.clone());
        let server = self.server;
        let standing = Arc::new(Standing { is_admitted: is_socket.into(), ..Standing::default() });
        let stream = Patient::new(stream, server.patience, place, standing.clone());
        let service = tower::service_fn(move |request: HttpRequest<Incoming>| {
            let (server, rpc, standing) = (server.clone(), rpc.clone(), standing.clone());
            async move {
                let _owed = standing.owed.clone();
                Ok::<_, Infallible>(answer(&server, rpc, request, &standing, is_socket).await)
            }
        });
        if let Err(error) = serve_with_graceful_shutdown(stream, service, self.stop.shutdown()).await {
            tracing::debug!(error, "a connection broke");
        }
    }
}

async fn answer(
    server: &Server,
    rpc: Rpc,
    request: HttpRequest<Incoming>,
    standing: &Standing,
    is_socket: bool,
) -> HttpResponse {
    let origin = match server.guard.check_name(&request).and_then(|()| server.guard.check_origin(&request)) {
        Ok(origin) => origin,
        Err(_) if is_socket && !request.headers().contains_key(header::ORIGIN) => None,
        Err(refusal) => return refused(refusal),
    };
    // A browser asks before it sends a token.
    let mut response = if origin.is_some() && request.method() == "OPTIONS" {
        preflight()
    } else {
        enter(server, rpc, request, standing, is_socket).await
    };
    if let Some(origin) = origin.and_then(|origin| HeaderValue::try_from(origin).ok()) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// A request from a known place.
async fn enter(
    server: &Server,
    mut rpc: Rpc,
    request: HttpRequest<Incoming>,
    standing: &Standing,
    is_socket: bool,
) -> HttpResponse {
    let path = request.uri().path();
    let is_get = request.method() == "GET" && !request.headers().contains_key(header::UPGRADE);
    // These say nothing that a stranger may not know, and who asks for them has no place for a token.
    match path {
        "/healthz" if is_get => return page(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if is_get && server.metrics.is_serving() => return page(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if is_get => return page(StatusCode::SERVICE_UNAVAILABLE, "the server ends\n".to_owned()),
        _ => {}
    }
    if !is_socket && let Err(refusal) = server.guard.check_token(&request) {
        return refused(refusal);
    }
    standing.is_admitted.store(true, Ordering::Relaxed);
    if path == "/metrics" && is_get {
        return page(StatusCode::OK, server.metrics());
    }
    let offers_ours = protocols(&request).any(|protocol| protocol == PROTOCOL);
    let mut response = match rpc.call(request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(error, "a request failed");
            page(StatusCode::INTERNAL_SERVER_ERROR, "the request failed\n".to_owned())
        }
    };
    if offers_ours && response.status() == StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    response
}

fn page(status: StatusCode, text: String) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn refused(Refusal { status, text }: Refusal) -> HttpResponse {
    let mut response = page(StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN), text + "\n");
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn preflight() -> HttpResponse {
    let mut response = page(StatusCode::NO_CONTENT, String::new());
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}
