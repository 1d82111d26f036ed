//! What a benchmark is told on its command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// How much is measured, with what, and where the result goes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Rows of the source.
    pub rows: usize,
    /// Rows of a small run, whose memory is compared with that of the large one.
    pub small: usize,
    /// How often the large run is measured.
    pub rounds: usize,
    /// Where the result is written.
    pub out: PathBuf,
    /// The program.
    pub binary: PathBuf,
    /// The server that is loaded.
    pub postgres: String,
}

impl Options {
    /// Reads the command line. What it does not say is this many rows, and a result file of this name.
    ///
    /// # Errors
    /// When an option is not known or has no value, and when no server is named.
    pub fn read(rows: usize, name: &str) -> Result<Self> {
        let mut options = Self {
            rows,
            small: 10_000,
            rounds: 3,
            out: PathBuf::from(format!("{name}.json")),
            binary: PathBuf::from("target/release/ml-connector"),
            postgres: std::env::var("ML_CONNECTOR_TEST_POSTGRES")
                .context("ML_CONNECTOR_TEST_POSTGRES is not set: run tests/bench/run, which starts a server")?,
        };
        let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        while let Some(name) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rows" => options.rows = value.parse()?,
                "--small" => options.small = value.parse()?,
                "--rounds" => options.rounds = value.parse()?,
                "--out" => options.out = value.into(),
                "--binary" => options.binary = value.into(),
                other => bail!("{other} is not an option: use --rows, --small, --rounds, --out, --binary"),
            }
        }
        Ok(options)
    }
}
