//! The one log format of both programs: lines for people, or JSON for machines, on standard output.
//!
//! A failure is logged once, where it is handled. Secrets never reach a log: the types that hold
//! them print nothing of it. Numbers of customers are written masked where it is known that they are numbers; what others say (a
//! provider's own words, an error of a library) is masked on its way out, here.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::phone;

/// Starts logging for the whole process. A level that does not parse falls back to `info`.
pub fn init(config: &Log) {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(|| Masking(io::stdout()));
    let started = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Readable => builder.with_ansi(false).try_init(),
    };
    // A second start in one process keeps the first: tests start programs side by side.
    drop(started);
}

/// Writes lines with the numbers in them masked. A line comes in one piece.
struct Masking<W>(W);

impl<W: Write> Write for Masking<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) => self.0.write_all(phone::hide_in(text).as_bytes())?,
            Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_with_its_numbers_masked() {
        let mut written = Vec::new();
        let line = "WARN refused text=no subscriber 254712345678\n";
        assert_eq!(Masking(&mut written).write(line.as_bytes()).expect("it writes"), line.len());
        assert_eq!(written, b"WARN refused text=no subscriber xxxxxxxxx678\n");
    }
}
