//! How long model calls take, and how many tokens.

use std::time::Duration;

use opentelemetry::{
    KeyValue, Value,
    metrics::{Histogram, Meter},
};

use super::spans::Fields;

/// The conventions' two metrics of a client, with the buckets that they ask for.
pub struct Metrics {
    duration: Histogram<f64>,
    tokens: Histogram<u64>,
}

/// What of a span tells measurements apart.
const ATTRIBUTES: &[&str] =
    &["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model", "error.type"];

impl Metrics {
    pub fn new(meter: &Meter) -> Self {
        // From 10 ms, doubling; and from 1 token, fourfold.
        let doubling = (0..14).map(|step| 0.01 * f64::from(1 << step)).collect();
        let fourfold = (0..14).map(|step| 4_f64.powi(step)).collect();
        let duration = meter.f64_histogram("gen_ai.client.operation.duration").with_unit("s").with_boundaries(doubling);
        let tokens = meter.u64_histogram("gen_ai.client.token.usage").with_unit("{token}").with_boundaries(fourfold);
        Self { duration: duration.build(), tokens: tokens.build() }
    }

    pub fn measure(&self, fields: &Fields, took: Duration) {
        let mut attributes: Vec<KeyValue> = ATTRIBUTES.iter().filter_map(|name| fields.get(name).cloned()).collect();
        self.duration.record(took.as_secs_f64(), &attributes);
        for kind in ["input", "output"] {
            let field = fields.get(&format!("gen_ai.usage.{kind}_tokens"));
            if let Some(Value::I64(count)) = field.map(|field| &field.value) {
                attributes.push(KeyValue::new("gen_ai.token.type", kind));
                self.tokens.record(count.unsigned_abs(), &attributes);
                attributes.pop();
            }
        }
    }
}
