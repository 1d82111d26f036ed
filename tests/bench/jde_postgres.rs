//! JD Edwards to PostgreSQL, beside what PostgreSQL alone needs for the same rows.
//!
//! Run it with `tests/bench/run jde_postgres`.

use anyhow::Result;
use bench::jde::Jde;
use bench::report::{report, write};
use bench::{Options, measure};
use serde_json::json;

fn main() -> Result<()> {
    let options = Options::read(1_000_000, "jde_postgres")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _guard = runtime.enter();
    let small = measure::<Jde>(&runtime, &options, options.small, 1)?;
    let large = measure::<Jde>(&runtime, &options, options.rows, options.rounds)?;
    let what = "F0411 by AIS into PostgreSQL: 20 columns, 1,000 rows a page, upsert by key, audit, archive and ledger on, \
                everything durable; beside it psql \\copy into a staging table and one upsert";
    let limits = json!({
        "ratio_to_lower_bound": 2.0,
        "own_cpu_seconds_per_million_rows": 8.0,
        "resident_mib": 96,
        "resync_seconds": 1.0,
    });
    write(&options, &report(what, &options, &small, &large, limits)?)
}
