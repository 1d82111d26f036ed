//! PeopleSoft to PostgreSQL, beside what PostgreSQL alone needs for the same rows, and beside as many rows of JD Edwards.
//!
//! Run it with `tests/bench/run peoplesoft_postgres`.
#![allow(clippy::print_stderr, reason = "a benchmark talks to whoever runs it")]

use anyhow::Result;
use bench::jde::Jde;
use bench::measure::watch;
use bench::peoplesoft::PeopleSoft;
use bench::report::{median_wall, report, rounded, secs, walls, write};
use bench::{Measured, Options, measure};
use serde_json::json;

fn main() -> Result<()> {
    let options = Options::read(100_000, "peoplesoft_postgres")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let _guard = runtime.enter();
    let small = measure::<PeopleSoft>(&runtime, &options, options.small, 1)?;
    let (mut jde, mut large) = (Measured::default(), Measured::default());
    // Turn by turn, so that both meet the same machine.
    for _ in 0..options.rounds {
        jde.append(measure::<Jde>(&runtime, &options, options.rows, 1)?);
        large.append(measure::<PeopleSoft>(&runtime, &options, options.rows, 1)?);
    }
    let (watched, calls, waited) = watch::<PeopleSoft>(&runtime, &options, options.rows)?;
    eprintln!("{calls} calls, {:.2} s of {:.2} s waited for their answers", secs(waited), secs(watched.wall));
    let what = "Vouchers by Query Access Services into PostgreSQL: 20 columns, 1,000 rows a page, upsert by key, audit, archive \
                and ledger on, everything durable; beside it psql \\copy into a staging table and one upsert, and as many rows \
                of F0411 of JD Edwards";
    let limits = json!({"ratio_to_jde": 1.2, "resident_mib": 96});
    let mut report = report(what, &options, &small, &large, limits)?;
    report["wall_seconds"]["jde"] = json!(walls(&jde.ours));
    report["ratio_to_jde"] = json!(rounded(median_wall(&large.ours) / median_wall(&jde.ours)));
    report["at_the_source"] = json!({
        "calls": calls,
        "seconds_waited": rounded(secs(waited)),
        "of_wall_seconds": rounded(secs(watched.wall)),
    });
    write(&options, &report)
}
