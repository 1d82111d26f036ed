//! What the stages log, on stderr: by default only warnings, in plain words.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::output::{LogLines, Output};

/// Starts logging: `verbose` 0 for warnings, 1 for what the stages do, 2 and more for every step of this program.
pub fn start(output: &Output, verbose: u8) {
    let ours = ["engine", "connectors", "backend_aws", "backend_embedded", "ml_connector"];
    let filter = match verbose {
        // What is put back is told too: somebody who waits wants to know for what.
        0 => Targets::new().with_default(Level::WARN).with_target("engine::stages::handle", Level::INFO),
        1 => Targets::new().with_default(Level::WARN).with_targets(ours.map(|name| (name, Level::INFO))),
        _ => Targets::new()
            .with_default(Level::INFO)
            .with_target(engine::metrics::TARGET, LevelFilter::OFF)
            .with_targets(ours.map(|name| (name, Level::DEBUG))),
    };
    let lines = output.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || LogLines(lines.clone()))
        .event_format(Plain { brief: verbose == 0 })
        .finish()
        .with(filter);
    // A test may have started logging before; then its choice stands.
    let _already = tracing::subscriber::set_global_default(subscriber).is_err();
}

/// `warning: the disk is nearly full (sync acme/jde-looker/ap_invoices, …)`.
struct Plain {
    /// Leaves out what the command tells itself when it ends: why runs did not succeed.
    brief: bool,
}

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        if self.brief && metadata.target() == "engine::stages::handle" && *metadata.level() <= Level::WARN {
            return Ok(());
        }
        let mut words = Words::default();
        event.record(&mut words);
        if let (true, "put back") = (self.brief, words.message.as_str()) {
            let field = |name| words.field(name).unwrap_or_default();
            let stream = field("sync").rsplit('/').next().unwrap_or_default();
            return writeln!(line, "{stream}: tried again in {} s: {}", field("seconds"), field("reason"));
        }
        let level = match *metadata.level() {
            Level::ERROR | Level::WARN => "warning",
            Level::INFO => "note",
            Level::DEBUG | Level::TRACE => "debug",
        };
        write!(line, "{level}: {}", words.message)?;
        if !words.fields.is_empty() {
            let fields: Vec<_> = words.fields.iter().map(|(name, value)| format!("{name} {value}")).collect();
            write!(line, " ({})", fields.join(", "))?;
        }
        writeln!(line)
    }
}

/// The message and the fields of an event, as text.
#[derive(Default)]
struct Words {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Words {
    fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            // Bridged log records repeat their origin in fields of their own.
            name if name.starts_with("log.") => {}
            name => self.fields.push((name, format!("{value:?}"))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
