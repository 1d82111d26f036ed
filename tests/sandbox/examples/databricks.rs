//! A Databricks workspace for programs in other languages.
//!
//! Usage: `databricks [SECONDS]`, the life of a token. Prints one line of JSON that says where it is and whom it knows, and
//! serves until its standard input ends. `/__sandbox/…` steers it.

use std::error::Error;
use std::io::{Read, Write};
use std::time::Duration;

use chrono::TimeDelta;
use sandbox::databricks::{DatabricksSandbox, Job, Principal, Privilege, Settings, Starts, Warehouse};
use serde_json::json;

const CLIENT_ID: &str = "4f1c0a7e-loader";
const CLIENT_SECRET: &str = "dose+of/secret=";

fn main() -> Result<(), Box<dyn Error>> {
    let life = std::env::args().nth(1).map(|seconds| seconds.parse()).transpose()?.unwrap_or(3600);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings =
        Settings { token_life: Duration::from_secs(life), chunk_rows: 1000, control: true, ..Settings::default() };
    let sandbox = DatabricksSandbox::builder()
        .settings(settings)
        .principal(Principal::new(CLIENT_ID, CLIENT_SECRET).with_token("dapi-loader"))
        .principal(Principal::new("reader", "secret").with_token("dapi-reader").without(Privilege::Modify, "main.erp"))
        .warehouse(Warehouse::running("w1"))
        .warehouse(Warehouse::stopped("w2", Starts::After(TimeDelta::seconds(60))))
        .schema("main.erp")
        .volume("main.erp.landing")
        .job(Job::new(5).taking(2))
        .job(Job::new(6).failing("The notebook raised an exception."));
    let sandbox = runtime.block_on(sandbox.start())?;
    let line = json!({
        "url": sandbox.url(), "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "token": "dapi-loader",
        "reader_token": "dapi-reader", "warehouse": "w1", "sleeping": "w2", "job": 5, "failing_job": 6,
        "schema": "main.erp", "volume": "/Volumes/main/erp/landing", "control": format!("{}/__sandbox", sandbox.url()),
    });
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    runtime.block_on(sandbox.shutdown());
    Ok(())
}
