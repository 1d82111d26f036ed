//! Metrics in CloudWatch's embedded format: lines of the log that CloudWatch reads as figures, without a call.
//!
//! Figures have two dimensions, integration and stage. Tenant, sync and run stand beside them as properties, which Logs
//! Insights finds and which cost nothing: as dimensions each of their values would be a metric of its own.

use std::fmt;
use std::io::Write;

use engine::metrics::TARGET;
use engine::ports::{Clock, SystemClock};
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The namespace of all figures.
pub const NAMESPACE: &str = "ml-connector";

/// The dimensions of all figures: the scope of the stack, and the stage that a message is worked on in.
const DIMENSIONS: [&str; 2] = ["integration", "stage"];

/// Writes the events of [`TARGET`] as lines of the embedded metric format.
pub struct Emf<W> {
    writer: W,
    scope: String,
    clock: SystemClock,
}

impl<W: Fn() -> O, O: Write> Emf<W> {
    /// Writes to what `writer` gives, line by line. `scope` is whose figures they are: a tenant with a stack of its own
    /// has figures of its own.
    pub fn new(scope: String, writer: W) -> Self {
        Self { writer, scope, clock: SystemClock::new() }
    }
}

/// The fields of a span or an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

impl<S, W, O> Layer<S> for Emf<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn() -> O + 'static,
    O: Write,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut figure = Fields::default();
        event.record(&mut figure);
        let mut line = Map::new();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Fields(fields)) = span.extensions().get::<Fields>() {
                for (name, value) in fields {
                    line.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        let (Some(Value::String(name)), Some(value)) = (figure.0.remove("metric"), figure.0.remove("value")) else {
            return;
        };
        let unit = figure.0.remove("unit").unwrap_or(Value::Null);
        line.insert("integration".to_owned(), self.scope.clone().into());
        line.entry("stage").or_insert_with(|| "none".into());
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": self.clock.now().timestamp_millis(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [DIMENSIONS],
                    "Metrics": [{"Name": name, "Unit": unit}],
                }],
            }),
        );
        line.insert(name, value);
        // A log that cannot be written to cannot be told so either.
        let _written = writeln!((self.writer)(), "{}", Value::Object(line)).is_ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use engine::metrics::{Unit, emit};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_figure_is_a_line_with_its_dimensions_and_what_it_belongs_to() {
        let lines = Lines::default();
        let written = lines.clone();
        let subscriber =
            tracing_subscriber::registry().with(Emf::new("jde-looker@acme".to_owned(), move || written.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("work", stage = "load", integration = "jde-looker", sync = "acme/x/y");
            span.in_scope(|| {
                emit("RecordsInserted", 4_000, Unit::Count);
                tracing::info!("not a figure");
            });
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["RecordsInserted"], 4_000);
        assert_eq!((&line["stage"], &line["integration"]), (&json!("load"), &json!("jde-looker@acme")));
        assert_eq!(line["sync"], "acme/x/y");
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Dimensions"], json!([["integration", "stage"]]));
        assert_eq!(metrics["Metrics"], json!([{"Name": "RecordsInserted", "Unit": "Count"}]));
    }
}
