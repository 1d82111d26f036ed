//! The log: a line of JSON per event, with sync, run and batch of whatever is worked on.

use std::io;

use engine::metrics::TARGET;
use tracing_subscriber::filter::{FilterFn, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use crate::emf::Emf;

/// The variable that names the scope of the stack.
const SCOPE: &str = "ML_CONNECTOR_SCOPE";

/// Starts logging to stdout, which the platform collects. `AWS_LAMBDA_LOG_LEVEL` decides how much; figures are always
/// written.
pub fn start() {
    // The platform also knows FATAL, which is no level of ours.
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default().parse().unwrap_or(LevelFilter::INFO);
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(TARGET, LevelFilter::OFF)
        .with_targets(["engine", "connectors", "backend_aws", "lambda"].map(|name| (name, level)));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(true)
        .with_writer(io::stdout)
        .with_filter(filter);
    let scope = std::env::var(SCOPE).unwrap_or_else(|_| "none".to_owned());
    let figures = Emf::new(scope, io::stdout)
        .with_filter(FilterFn::new(|metadata| metadata.is_span() || metadata.target() == TARGET));
    let _already = tracing::subscriber::set_global_default(Registry::default().with(lines).with(figures)).is_err();
}
