//! From `tracing`'s spans to OpenTelemetry's.

use std::{fmt, time::Instant};

use opentelemetry::{
    Array, Context, KeyValue, StringValue, Value,
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer, registry::LookupSpan};

use super::metrics::Metrics;

/// Passes spans on.
pub struct Spans {
    pub tracer: SdkTracer,
    pub metrics: Option<Metrics>,
}

/// A span that has not ended.
struct Open {
    context: Context,
    began: Instant,
    fields: Fields,
}

/// What is known of a span, each thing once.
#[derive(Default)]
pub struct Fields(Vec<KeyValue>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let parent = span.parent().and_then(|parent| Some(parent.extensions().get::<Open>()?.context.clone()));
        let parent = parent.unwrap_or_default();
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let operation = attributes.metadata().name();
        let kind = if operation == "chat" { SpanKind::Client } else { SpanKind::Internal };
        let builder = SpanBuilder::from_name(fields.title(operation)).with_kind(kind);
        let begun = self.tracer.build_with_context(builder, &parent);
        span.extensions_mut().insert(Open { context: parent.with_span(begun), began: Instant::now(), fields });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: layer::Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.fields);
        }
    }

    fn on_close(&self, id: Id, context: layer::Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Open { context, began, fields }) = span.extensions_mut().remove::<Open>() else { return };
        if let Some(metrics) = self.metrics.as_ref().filter(|_| span.name() == "chat") {
            metrics.measure(&fields, began.elapsed());
        }
        let ended = context.span();
        if fields.get("error.type").is_some() {
            // The words of an error may quote what was said.
            ended.set_status(Status::error(""));
        }
        ended.set_attributes(fields.0);
        ended.end();
    }
}

impl Fields {
    pub fn get(&self, name: &str) -> Option<&KeyValue> {
        self.0.iter().find(|field| field.key.as_str() == name)
    }

    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|known| known.key.as_str() == field.name()) {
            Some(known) => known.value = value,
            None => self.0.push(KeyValue::new(field.name(), value)),
        }
    }

    /// The operation and what it is done with.
    fn title(&self, operation: &str) -> String {
        let subjects = ["gen_ai.agent.name", "gen_ai.tool.name", "gen_ai.request.model"];
        match subjects.iter().find_map(|name| self.get(name)) {
            Some(subject) => format!("{operation} {}", subject.value.as_str()),
            None => operation.to_owned(),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let text = StringValue::from(value.to_owned());
        match field.name() {
            "gen_ai.response.finish_reasons" => self.set(field, Value::Array(Array::String(vec![text]))),
            _ => self.set(field, text),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record_i64(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    /// The spans have no such fields; what has no plain value is not for others.
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
