//! A made-up ERP with one table, whose rows are changed while it is read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Timelike, Utc};
use engine::Result;
use engine::model::decimal::Decimal;
use engine::model::rows::RowsWriter;
use engine::model::value::Value;
use engine::model::window::{Granularity, Position, Window};
use engine::plan::StreamSpec;
use engine::ports::{Clock, Finding, Page, ReadRequest, Source, SourceCapabilities, SourceGroup, What};

use super::chaos::Chaos;

const PAGE: usize = 3;

/// One row: an amount as text, because some are no numbers, and when it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub amount: String,
    pub changed: DateTime<Utc>,
}

pub struct Erp {
    pub rows: Mutex<BTreeMap<i64, Row>>,
    pub clock: Arc<dyn Clock>,
    pub chaos: Arc<Chaos>,
}

impl Erp {
    /// Changes, adds or spoils a row, stamped with the present time.
    pub fn edit(&self) {
        let key = self.chaos.below(12).cast_signed();
        // Few values, so that a row often goes back to one it had: the case in which an old read does most harm.
        let amount = match self.chaos.below(12) {
            0 => "not a number".to_owned(),
            n => format!("{}.50", n % 2),
        };
        self.rows.lock().unwrap().insert(key, Row { amount, changed: self.clock.now() });
    }

    fn in_window(&self, window: Window) -> Vec<(i64, Row)> {
        let rows = self.rows.lock().unwrap();
        let changed = |row: &Row| {
            // The stamp has seconds, and the cursor compares what is stamped.
            let stamp = row.changed.with_nanosecond(0).unwrap();
            window.from.is_none_or(|from| stamp >= from.with_nanosecond(0).unwrap())
                && window.to.is_none_or(|to| stamp < to)
        };
        rows.iter().filter(|(_, row)| changed(row)).map(|(key, row)| (*key, row.clone())).collect()
    }
}

fn push(rows: &mut RowsWriter, key: i64, row: &Row) {
    let time: u32 = row.changed.hour() * 10_000 + row.changed.minute() * 100 + row.changed.second();
    rows.push(&[
        Value::Number(key.to_string().into()),
        Value::Text(row.amount.clone().into()),
        Value::Text(row.changed.format("%Y%m%d").to_string().into()),
        Value::Number(time.to_string().into()),
    ]);
}

#[async_trait]
impl Source for Erp {
    fn capabilities(&self, _: &StreamSpec) -> SourceCapabilities {
        SourceCapabilities {
            granularity: Granularity::Second,
            keys_per_read: Some(2),
            counts: true,
            totals: false,
            groups: false,
            sessions: 1,
        }
    }

    async fn check(&self, _: &[&StreamSpec]) -> Vec<Finding> {
        Vec::new()
    }

    async fn now(&self, _: &StreamSpec) -> Result<Option<DateTime<Utc>>> {
        Ok(Some(self.clock.now()))
    }

    async fn read(&self, request: ReadRequest<'_>, rows: &mut RowsWriter) -> Result<Page> {
        assert_eq!(request.stream.columns, ["ID", "AMT", "DAY", "TIM"]);
        if !self.chaos.is_calm() && self.chaos.below(4) == 0 {
            self.edit();
        }
        let window = match request.what {
            What::Window(window) => window,
            What::Keys(keys) => {
                let all = self.rows.lock().unwrap();
                for key in keys {
                    let key = key[0].trim().parse().unwrap();
                    if let Some(row) = all.get(&key) {
                        push(rows, key, row);
                    }
                }
                return Ok(Page::default());
            }
        };
        let after = request.after.and_then(|position| position.0.as_i64()).unwrap_or(i64::MIN);
        let page: Vec<_> = self.in_window(window).into_iter().filter(|(key, _)| *key > after).take(PAGE).collect();
        for (key, row) in &page {
            push(rows, *key, row);
        }
        let next = page.last().filter(|_| page.len() == PAGE).map(|(key, _)| Position((*key).into()));
        Ok(Page { next, too_big: Vec::new() })
    }

    async fn count(&self, _: &StreamSpec, window: Window) -> Result<u64> {
        Ok(self.in_window(window).len() as u64)
    }

    async fn total(&self, _: &StreamSpec, _: Window, _: &str) -> Result<Decimal> {
        Ok(Decimal::default())
    }

    async fn groups(&self, _: &StreamSpec, _: Window, _: &str, _: &[&str]) -> Result<Option<Vec<SourceGroup>>> {
        Ok(None)
    }

    async fn close(&self) {}
}
