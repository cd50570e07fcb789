//! The way to the collector: the HTTP client, proxy and certificates of all else.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::{Client, Url};
use tokio::{runtime::Handle, sync::Notify};

use crate::{
    config::Config,
    provider::http::{broken, client},
};

/// How long a collector may take to take the connection.
const CONNECT: Duration = Duration::from_secs(5);

/// The person is told once, however many deliveries fail.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Wakes those who wait for a delivery when one fails.
pub static FAILED: Notify = Notify::const_new();

/// Delivers what is exported. It is asked on threads that know no runtime, and works in that of the program.
pub struct Courier {
    client: Client,
    runtime: Handle,
    limit: Duration,
    /// Without what may be a key.
    host: String,
}

impl Courier {
    /// # Errors
    /// What is wrong with the address, or with the way to it.
    pub fn new(address: &str, config: &Config, limit: Duration) -> Result<Self, String> {
        let url = Url::parse(address).map_err(|error| format!("the endpoint is no address: {error}"))?;
        let client = client(&url, CONNECT, &config.route(address)?).map_err(|failure| failure.what)?;
        let host =
            format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        Ok(Self { client, runtime: Handle::current(), limit, host })
    }

    fn tell(&self, what: &str) {
        if !TOLD.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "pillion::log",
                "spans and metrics do not reach the collector at {}: {what}. What it misses is lost; nothing else is \
                 affected. Look whether OTEL_EXPORTER_OTLP_ENDPOINT is right and the collector runs.",
                self.host
            );
        }
        FAILED.notify_waiters();
    }
}

#[async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, limit) = (self.client.clone(), self.limit);
        let sent = self.runtime.spawn(async move {
            let sent = async { client.execute(reqwest::Request::try_from(request)?).await };
            tokio::time::timeout(limit, sent).await
        });
        let outcome = match sent.await? {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(broken(&error, false).what),
            Err(_) => Err(format!("it did not answer within {limit:?}")),
        };
        let answer = outcome.inspect_err(|what| self.tell(what))?;
        if !answer.status().is_success() {
            self.tell(&format!("it answers {}", answer.status()));
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Courier").field("host", &self.host).finish_non_exhaustive()
    }
}
