//! F0411 of a simulated JD Edwards, by its AIS Server.

use anyhow::{Context, Result, ensure};
use chrono::{Days, NaiveDate};
use sandbox::Clock;
use sandbox::jde::{JdeSandbox, Settings, Tables, Value, seed};
use tokio::runtime::Runtime;

use crate::measure::{Bench, Stream};

/// User and password alike.
const BENCH: &str = "bench";

/// A simulated JD Edwards.
pub struct Jde {
    sandbox: JdeSandbox,
    rows: usize,
}

impl Bench for Jde {
    const STREAM: Stream = Stream {
        integration: "jde-looker",
        blueprint: include_str!("../../shared/integrations/jde-looker.yaml"),
        name: "ap_invoices",
        table: "ap_invoices",
        // A usual choice of twenty, with key, dates, amounts and texts.
        columns: [
            "document_number",
            "document_type",
            "document_company",
            "pay_item",
            "pay_item_extension",
            "supplier_number",
            "company",
            "invoice_date",
            "due_date",
            "gl_date",
            "gross_amount",
            "open_amount",
            "tax_amount",
            "currency",
            "pay_status",
            "is_voided",
            "supplier_invoice_number",
            "business_unit",
            "remark",
            "source_updated_at",
        ],
        key: "document_number, document_type, document_company, pay_item, pay_item_extension",
    };

    fn start(runtime: &Runtime, rows: usize, today: NaiveDate) -> Result<Self> {
        let settings = Settings { users: vec![(BENCH.to_owned(), BENCH.to_owned())], ..Settings::default() };
        let tables = ledger(rows, today)?;
        let sandbox = runtime.block_on(JdeSandbox::start(settings, Clock::system(), tables))?;
        Ok(Self { sandbox, rows })
    }

    fn origin(&self) -> String {
        format!("http://{}", self.sandbox.address())
    }

    fn connection(&self, origin: &str, secret: &str) -> String {
        format!("jde: {{url: \"{origin}/jderest\", secret: {secret}, page_size: 1000}}")
    }

    fn credentials(&self) -> [String; 2] {
        [BENCH.to_owned(), BENCH.to_owned()]
    }

    fn change(&self, round: usize, today: NaiveDate) -> Result<()> {
        self.sandbox.with_tables(|tables| {
            let table = tables.get_mut("F0411").context("no F0411")?;
            let old = days_ago(today)?;
            let dated: Vec<_> =
                table.rows().filter(|row| row.date("UPMJ") == Some(today)).map(|row| row.key_values()).collect();
            for key in &dated {
                table.update(key, &[("UPMJ", Value::from(old))])?;
            }
            let keys: Vec<_> =
                (0..self.rows / 100).filter_map(|i| table.nth(i * 100 + round)).map(|row| row.key_values()).collect();
            for key in &keys {
                let remark = format!("changed in round {round}");
                table.update(
                    key,
                    &[("RMK", Value::from(remark)), ("UPMJ", Value::from(today)), ("UPMT", Value::from(91_502))],
                )?;
            }
            Ok(())
        })
    }

    fn calls(&self) -> usize {
        let calls = self.sandbox.count_calls("");
        self.sandbox.clear_calls();
        calls
    }

    fn stop(self, runtime: &Runtime) {
        runtime.block_on(self.sandbox.shutdown());
    }
}

/// Exactly `rows` rows of F0411, none of which changed within the last days.
fn ledger(rows: usize, today: NaiveDate) -> Result<Tables> {
    let options = seed::SeedOptions { invoices: rows, details: false, ..seed::SeedOptions::new(today) };
    let mut tables = seed::ledger(&options)?;
    let table = tables.get_mut("F0411").context("the seed has no F0411")?;
    let old = days_ago(today)?;
    let recent: Vec<_> =
        table.rows().filter(|row| row.date("UPMJ").is_some_and(|d| d > old)).map(|row| row.key_values()).collect();
    for key in &recent {
        table.update(key, &[("UPMJ", Value::from(old))])?;
    }
    ensure!(table.len() == rows, "the seed gave {} rows of F0411, not {rows}", table.len());
    Ok(tables)
}

/// Long enough ago for no look back.
fn days_ago(today: NaiveDate) -> Result<NaiveDate> {
    today.checked_sub_days(Days::new(30)).context("no date 30 days ago")
}
