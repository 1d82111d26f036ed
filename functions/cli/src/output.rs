//! The one place that prints: data to stdout, words to stderr.

use std::io::{self, ErrorKind, IsTerminal, Write};

use indicatif::MultiProgress;
use serde::Serialize;

/// Data that a command found, for people and for programs.
pub trait Answer: Serialize {
    /// The data as people read it: tables and time lines, with a line break at the end.
    fn text(&self) -> String;
}

/// Where a command's answer and words go.
#[derive(Debug, Clone)]
pub struct Output {
    json: bool,
    bars: Option<MultiProgress>,
}

impl Output {
    /// Answers as JSON or as text; progress bars only where somebody watches a terminal.
    pub fn new(json: bool, progress: bool) -> Self {
        let watched = progress && io::stderr().is_terminal();
        Self { json, bars: watched.then(MultiProgress::new) }
    }

    /// Whether answers are JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// The progress bars, where there are any.
    pub fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// Prints an answer to stdout.
    ///
    /// # Errors
    /// When stdout cannot be written. A reader that has gone is no error.
    pub fn answer(&self, answer: &impl Answer) -> anyhow::Result<()> {
        if self.json {
            let mut text = serde_json::to_string_pretty(answer)?;
            text.push('\n');
            return self.data(&text);
        }
        self.data(&answer.text())
    }

    /// Prints text to stdout as it is.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub fn data(&self, text: &str) -> anyhow::Result<()> {
        self.beside_bars(|| {
            let mut stdout = io::stdout().lock();
            match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
                // `ml-connector audit … | head` has read what it wanted.
                Err(gone) if gone.kind() == ErrorKind::BrokenPipe => Ok(()),
                written => Ok(written?),
            }
        })
    }

    /// Says something to the person, on stderr.
    pub fn say(&self, words: impl AsRef<str>) {
        self.beside_bars(|| {
            // Words that nobody can read any more are no reason to stop working.
            let _unread = writeln!(io::stderr().lock(), "{}", words.as_ref()).is_err();
        });
    }

    /// Writes while the bars are out of the way.
    fn beside_bars<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

/// Takes the log lines of the process, so that they do not run into the bars.
#[derive(Debug, Clone)]
pub struct LogLines(pub Output);

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.beside_bars(|| io::stderr().lock().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
