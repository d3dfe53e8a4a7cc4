//! The one log format of both programs: lines for people, or JSON for machines, on standard output.
//!
//! A failure is logged once, where it is handled. Secrets never reach a log: the types that hold
//! them print nothing of it.

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging for the whole process. A level that does not parse falls back to `info`.
pub fn init(config: &Log) {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    let started = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Readable => builder.with_ansi(false).try_init(),
    };
    // A second start in one process keeps the first: tests start programs side by side.
    drop(started);
}
