//! `rejects`: the records that were refused, with field, value and reason.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use engine::model::audit::Held;
use engine::model::id::RunId;
use engine::ports::HeldFilter;
use serde::Serialize;

use crate::args::Options;
use crate::exit::Exit;
use crate::held;
use crate::output::{Answer, Output};
use crate::setup::Setup;
use crate::words::{Columns, count, number, shortened, time};

/// `rejects`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this sync
    sync: Option<String>,
    /// Only those that came with this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Show at most so many records; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Lists the open rejects.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let setup = Setup::look(options).await?;
    let syncs = match &args.sync {
        Some(name) => vec![setup.find(name)?],
        None => setup.all_syncs()?,
    };
    let filter = HeldFilter { waiting: Some(false), run: args.run.as_deref().map(RunId::new), ..HeldFilter::default() };
    let mut rejects = Vec::new();
    for sync in &syncs {
        let held = held::all(&setup.context.store, sync, &filter).await?;
        rejects.extend(held.into_iter().map(Reject::from));
    }
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let listed = Listed::new(rejects, limit);
    output.answer(&listed)?;
    listed.words().iter().for_each(|words| output.say(words));
    Ok(Exit::Ok)
}

#[derive(Debug, Clone, Serialize)]
struct Reject {
    sync: String,
    key: String,
    field: Option<String>,
    value: Option<String>,
    reason: String,
    since: DateTime<Utc>,
    batch: String,
}

impl From<Held> for Reject {
    fn from(held: Held) -> Self {
        Self {
            sync: held.sync.stream,
            key: held.key.to_string(),
            field: held.field.filter(|field| !field.is_empty()),
            value: held.value,
            reason: held.reason,
            since: held.since,
            batch: held.batch.to_string(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Total {
    sync: String,
    field: Option<String>,
    reason: String,
    records: u64,
}

#[derive(Debug, Serialize)]
struct Listed {
    records: u64,
    totals: Vec<Total>,
    rejects: Vec<Reject>,
}

impl Listed {
    fn new(mut rejects: Vec<Reject>, limit: usize) -> Self {
        let mut totals: BTreeMap<(String, Option<String>, String), u64> = BTreeMap::new();
        for reject in &rejects {
            let reason = held::general_reason(&reject.reason, reject.value.as_deref());
            *totals.entry((reject.sync.clone(), reject.field.clone(), reason)).or_default() += 1;
        }
        let mut totals: Vec<_> =
            totals.into_iter().map(|((sync, field, reason), records)| Total { sync, field, reason, records }).collect();
        totals.sort_by_key(|total| std::cmp::Reverse(total.records));
        let records = rejects.len() as u64;
        rejects.truncate(limit);
        Self { records, totals, rejects }
    }

    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let shown = self.rejects.len() as u64;
        if shown < self.records {
            words.push(format!("{} of {} are shown: `--limit 0` shows all", number(shown), number(self.records)));
        }
        if self.records > 0 {
            words.push(
                "when the cause is mended in the tenant file: `replay --rejects`; at the source: the next `run` reads them"
                    .to_owned(),
            );
        }
        words
    }
}

impl Answer for Listed {
    fn text(&self) -> String {
        if self.records == 0 {
            return "no record is rejected\n".to_owned();
        }
        let mut text = format!("{}\n\n", count(self.records, "record is rejected", "records are rejected"));
        let mut totals = Columns::new(&[">records", "sync", "field", "reason"]);
        for total in &self.totals {
            let field = total.field.clone().unwrap_or_else(|| "-".to_owned());
            totals.row([number(total.records), total.sync.clone(), field, shortened(&total.reason, 160)]);
        }
        text.push_str(&totals.text());
        text.push('\n');
        let mut columns = Columns::new(&["sync", "key", "field", "value", "since (UTC)", "batch", "reason"]);
        for reject in &self.rejects {
            let dash = |text: &Option<String>| text.as_ref().map_or_else(|| "-".to_owned(), |t| shortened(t, 40));
            columns.row([
                reject.sync.clone(),
                reject.key.clone(),
                dash(&reject.field),
                dash(&reject.value),
                time(reject.since),
                reject.batch.clone(),
                shortened(&reject.reason, 160),
            ]);
        }
        text.push_str(&columns.text());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(key: &str, value: &str) -> Reject {
        Reject {
            sync: "ap_invoices".to_owned(),
            key: key.to_owned(),
            field: Some("invoice_date".to_owned()),
            value: Some(value.to_owned()),
            reason: format!("`{value}` is not a date"),
            since: DateTime::from_timestamp(1_795_262_581, 0).unwrap(),
            batch: "20261121T120301-00000011/0".to_owned(),
        }
    }

    #[test]
    fn totals_by_reason_come_first() {
        let listed = Listed::new(vec![reject("1|PV", "20261399"), reject("2|PV", "x")], 50);
        assert_eq!(
            listed.text(),
            "\
2 records are rejected

records  sync         field         reason
      2  ap_invoices  invoice_date  `…` is not a date

sync         key   field         value     since (UTC)          batch                       reason
ap_invoices  1|PV  invoice_date  20261399  2026-11-21 12:03:01  20261121T120301-00000011/0  `20261399` is not a date
ap_invoices  2|PV  invoice_date  x         2026-11-21 12:03:01  20261121T120301-00000011/0  `x` is not a date
"
        );
    }

    #[test]
    fn a_limit_keeps_the_totals_whole() {
        let listed = Listed::new(vec![reject("1", "a"), reject("2", "b"), reject("3", "c")], 1);
        assert_eq!((listed.records, listed.rejects.len(), listed.totals[0].records), (3, 1, 3));
        assert_eq!(listed.words()[0], "1 of 3 are shown: `--limit 0` shows all");
    }
}
