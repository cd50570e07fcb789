//! Spans and metrics of model calls, turns and tools, to a collector of OpenTelemetry: OTLP over HTTP, set by its standard
//! variables. Without an address in them nothing is collected.

mod courier;
mod metrics;
mod spans;

use std::{sync::OnceLock, time::Duration};

use opentelemetry::{InstrumentationScope, metrics::MeterProvider, trace::TracerProvider};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider, trace::SdkTracerProvider};
use tracing_subscriber::{Layer, Registry, filter::LevelFilter, filter::Targets};

use self::{courier::Courier, metrics::Metrics, spans::Spans};
use crate::{
    config::{Config, secrets},
    provider::{key::Key, span},
};

/// What the end waits for the last delivery, unless it fails before. Chosen: a person may wait at a prompt.
const LAST_LIMIT: Duration = Duration::from_secs(5);

static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    spans: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
}

/// One of the two things that are delivered.
#[derive(Clone, Copy)]
enum Signal {
    Traces,
    Metrics,
}

/// Collects from now on, if the environment says where to; needs a Tokio runtime.
///
/// # Errors
/// Says which variable is wrong, and how.
pub(super) fn layer() -> Result<Option<Box<dyn Layer<Registry> + Send + Sync>>, String> {
    if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let (traces, metrics) = (Signal::Traces.endpoint(), Signal::Metrics.endpoint());
    if traces.is_none() && metrics.is_none() {
        return Ok(None);
    }
    hide_headers();
    let config = Config::load(&[], None).0;
    let wrong = |error: &dyn std::fmt::Display| error.to_string();
    let spans = match traces {
        None => None,
        Some(address) => {
            let courier = Signal::Traces.courier(&address, &config)?;
            let exporter = SpanExporter::builder().with_http().with_http_client(courier).build();
            let exporter = exporter.map_err(|error| wrong(&error))?;
            Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build())
        }
    };
    let metrics = match metrics {
        None => None,
        Some(address) => {
            let courier = Signal::Metrics.courier(&address, &config)?;
            let exporter = MetricExporter::builder().with_http().with_http_client(courier).build();
            let exporter = exporter.map_err(|error| wrong(&error))?;
            Some(SdkMeterProvider::builder().with_periodic_exporter(exporter).with_resource(resource()).build())
        }
    };
    let scope = || InstrumentationScope::builder("pillion").with_version(env!("CARGO_PKG_VERSION")).build();
    let layer = Spans {
        // A provider without an exporter, so that metrics alone have something to measure.
        tracer: spans.clone().unwrap_or_else(|| SdkTracerProvider::builder().build()).tracer_with_scope(scope()),
        metrics: metrics.as_ref().map(|metrics| Metrics::new(&metrics.meter_with_scope(scope()))),
    };
    let _ = EXPORT.set(Export { spans, metrics });
    let only = Targets::new().with_target(span::TARGET, LevelFilter::INFO);
    Ok(Some(layer.with_filter(only).boxed()))
}

/// Delivers what still waits.
pub(super) async fn finish() {
    let Some(Export { spans, metrics }) = EXPORT.get() else { return };
    let failed = courier::FAILED.notified();
    // Both wait on threads of their own for what this one carries.
    let spans = spans.clone().map(|spans| tokio::task::spawn_blocking(move || spans.shutdown_with_timeout(LAST_LIMIT)));
    let metrics =
        metrics.clone().map(|metrics| tokio::task::spawn_blocking(move || metrics.shutdown_with_timeout(LAST_LIMIT)));
    let delivered = async {
        for delivery in [spans, metrics].into_iter().flatten() {
            // Why one fails was told when it did.
            let _ = delivery.await;
        }
    };
    tokio::select! {
        () = delivered => {}
        () = failed => {}
        () = tokio::time::sleep(LAST_LIMIT) => {}
    }
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    /// Of this signal's variable, else of that for all.
    fn set(self, what: &str) -> Option<(String, String)> {
        let names = [format!("OTEL_EXPORTER_OTLP_{}_{what}", self.name()), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| variable(&name).map(|value| (name, value)))
    }

    fn endpoint(self) -> Option<String> {
        let is_off = variable(&format!("OTEL_{}_EXPORTER", self.name())).is_some_and(|exporter| exporter == "none");
        self.set("ENDPOINT").map(|(_, address)| address).filter(|_| !is_off)
    }

    fn courier(self, address: &str, config: &Config) -> Result<Courier, String> {
        if let Some((name, protocol)) = self.set("PROTOCOL").filter(|(_, protocol)| protocol != "http/protobuf") {
            return Err(format!(
                "{name} is {protocol:?}, and Pillion speaks http/protobuf only. Set it to that, and the endpoint to the \
                 collector's address for it, which ends with :4318 as a rule."
            ));
        }
        let limit = self.set("TIMEOUT").and_then(|(_, limit)| limit.parse().ok());
        Courier::new(address, config, limit.map_or(Duration::from_secs(10), Duration::from_millis))
    }
}

fn resource() -> Resource {
    let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = attributes.split(',').any(|attribute| attribute.trim_start().starts_with("service.name="));
    let resource = Resource::builder();
    match variable("OTEL_SERVICE_NAME") {
        None if !is_named => resource.with_service_name("pillion").build(),
        _ => resource.build(),
    }
}

/// What the collector is shown may be quoted in what it says.
fn hide_headers() {
    for (_, headers) in [Signal::Traces, Signal::Metrics].into_iter().filter_map(|signal| signal.set("HEADERS")) {
        let values = headers.split(',').filter_map(|header| Some(header.split_once('=')?.1.to_owned()));
        secrets::hide(values.filter_map(|value| Key::new(&value)).collect::<Vec<_>>());
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
