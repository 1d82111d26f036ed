//! Vouchers of a simulated PeopleSoft, by Query Access Services.

use anyhow::{Context, Result, ensure};
use chrono::{Days, NaiveDate};
use ml_connector::simulated::peoplesoft::serve;
use sandbox::Clock;
use sandbox::peoplesoft::{Operator, PeopleSoftSandbox, Records, Settings, seed};
use tokio::runtime::Runtime;

use crate::measure::{Bench, Stream};

/// The operator.
const USER: &str = "BENCH";

/// Its password.
const PASSWORD: &str = "bench";

/// A simulated PeopleSoft.
pub struct PeopleSoft {
    sandbox: PeopleSoftSandbox,
    node: String,
    rows: usize,
}

impl Bench for PeopleSoft {
    const STREAM: Stream = Stream {
        integration: "peoplesoft-looker",
        blueprint: include_str!("../../shared/integrations/peoplesoft-looker.yaml"),
        name: "vouchers",
        table: "vouchers",
        // Twenty, as of JD Edwards: key, dates, amounts and texts.
        columns: [
            "business_unit",
            "voucher_number",
            "voucher_style",
            "supplier_invoice_number",
            "invoice_date",
            "supplier_setid",
            "supplier_number",
            "entry_status",
            "approval_status",
            "post_status",
            "close_status",
            "gross_amount",
            "discount_amount",
            "currency",
            "base_gross_amount",
            "due_date",
            "accounting_date",
            "payment_terms",
            "origin",
            "source_updated_at",
        ],
        key: "business_unit, voucher_number",
    };

    fn start(runtime: &Runtime, rows: usize, today: NaiveDate) -> Result<Self> {
        let settings = Settings { operators: vec![Operator::new(USER, PASSWORD)], ..Settings::default() };
        let node = settings.node.clone();
        let sandbox = runtime.block_on(serve(settings, Clock::system(), vouchers(rows, today)?))?;
        Ok(Self { sandbox, node, rows })
    }

    fn origin(&self) -> String {
        format!("http://{}", self.sandbox.address())
    }

    fn connection(&self, origin: &str, secret: &str) -> String {
        let (path, node) = ("PSIGW/RESTListeningConnector", &self.node);
        format!("peoplesoft: {{url: \"{origin}/{path}\", node: {node}, secret: {secret}, page_size: 1000}}")
    }

    fn credentials(&self) -> [String; 2] {
        [USER.to_owned(), PASSWORD.to_owned()]
    }

    fn change(&self, round: usize, today: NaiveDate) -> Result<()> {
        let now = self.sandbox.clock().now().format("%Y-%m-%d-%H.%M.%S%.6f").to_string();
        self.sandbox.with_records(|records| {
            age(records, today)?;
            let table = records.change("VOUCHER")?;
            let keys: Vec<_> =
                table.rows().skip(round).step_by(100).take(self.rows / 100).map(|row| row.key()).collect();
            for (at, key) in keys.iter().enumerate() {
                let invoice = format!("CHANGED-{round}-{at}");
                let key: Vec<&str> = key.iter().map(String::as_str).collect();
                table.update(&key, &[("INVOICE_ID", &invoice), ("LAST_UPDATE_DTTM", &now)])?;
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

/// Exactly `rows` vouchers, none of which is a template or changed within the last days.
fn vouchers(rows: usize, today: NaiveDate) -> Result<Records> {
    // What else there is does not grow with the vouchers.
    let options =
        seed::SeedOptions { vouchers: rows, voucher_details: false, ..seed::SeedOptions::sized(1_000, today) };
    let mut records = seed::site(&options)?;
    let table = records.change("VOUCHER")?;
    let templates: Vec<_> =
        table.rows().filter(|row| row.text("VOUCHER_STYLE") == "TMPL").map(|row| row.key()).collect();
    for key in &templates {
        table.update(&key.iter().map(String::as_str).collect::<Vec<_>>(), &[("VOUCHER_STYLE", "REG")])?;
    }
    ensure!(table.len() == rows, "the seed gave {} vouchers, not {rows}", table.len());
    age(&mut records, today)?;
    Ok(records)
}

/// What changed within the last days changed long enough ago for no look back.
fn age(records: &mut Records, today: NaiveDate) -> Result<()> {
    let old = today.checked_sub_days(Days::new(30)).context("no date 30 days ago")?.format("%Y-%m-%d").to_string();
    let (moment, table) = (format!("{old}-09.15.02.000000"), records.change("VOUCHER")?);
    let recent: Vec<_> =
        table.rows().filter(|row| row.text("LAST_UPDATE_DTTM") > moment).map(|row| row.key()).collect();
    for key in &recent {
        table.update(&key.iter().map(String::as_str).collect::<Vec<_>>(), &[("LAST_UPDATE_DTTM", &moment)])?;
    }
    Ok(())
}
