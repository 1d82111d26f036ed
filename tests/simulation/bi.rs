//! A consumer that loses replies: it knows what it really sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::model::delivery::What;
use engine::model::table::TableSpec;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::ports::{Consumer, Finding, Progress, Sent};
use engine::{Error, Result};

use super::chaos::{Chaos, Crash};

/// Everything it sent: by tag, how often, and how often somebody asked how it went.
#[derive(Default)]
pub struct Bi {
    pub sent: Mutex<BTreeMap<String, Copies>>,
}

/// What one tag led to.
#[derive(Default)]
pub struct Copies {
    pub copies: u32,
    looks: u32,
}

/// The consumer as one conversation sees it.
pub struct Talk {
    pub bi: Arc<Bi>,
    pub chaos: Arc<Chaos>,
}

impl Talk {
    /// A call that may not get through, or whose caller may die.
    fn call(&self) -> Result<()> {
        match self.chaos.is_calm() {
            false if self.chaos.below(10) == 0 => match self.chaos.below(2) {
                0 => std::panic::panic_any(Crash),
                _ => Err(Error::later("the consumer cannot be reached")),
            },
            _ => Ok(()),
        }
    }

    fn look(&self, tag: &str) -> Option<Progress> {
        let mut sent = self.bi.sent.lock().unwrap();
        let copies = sent.get_mut(tag)?;
        copies.looks += 1;
        Some(match (copies.looks, tag.len() % 5) {
            (1, _) => Progress::Pending,
            (_, 0) => Progress::Failed("the receiver answered 500".to_owned()),
            _ => Progress::Delivered("a@example.test".to_owned()),
        })
    }
}

#[async_trait]
impl Consumer for Talk {
    async fn check(&self, _: &[&TableSpec], _: &[&What]) -> Vec<Finding> {
        Vec::new()
    }

    async fn prepare(&self) -> Result<()> {
        self.call()
    }

    async fn changed(&self, _: &TableSpec) -> Result<()> {
        self.call()
    }

    fn tells_times_apart_after(&self) -> Duration {
        Duration::from_secs(2)
    }

    async fn refresh(&self) -> Result<()> {
        self.call()
    }

    async fn totals(&self, _: &TableSpec, _: &GroupBy, _: &[&str]) -> Result<Option<Vec<GroupTotal>>> {
        Ok(None)
    }

    async fn deliver(&self, _: &What, tag: &str) -> Result<String> {
        self.call()?;
        self.bi.sent.lock().unwrap().entry(tag.to_owned()).or_default().copies += 1;
        if !self.chaos.is_calm() && self.chaos.below(3) == 0 {
            match self.chaos.below(2) {
                0 => std::panic::panic_any(Crash),
                _ => return Err(Error::unknown("the reply was lost")),
            }
        }
        Ok(tag.to_owned())
    }

    async fn find(&self, _: &What, tag: &str, _: DateTime<Utc>) -> Result<Option<Sent>> {
        self.call()?;
        Ok(self.look(tag).map(|progress| Sent { reference: tag.to_owned(), progress }))
    }

    async fn progress(&self, _: &What, reference: &str, _: DateTime<Utc>) -> Result<Progress> {
        self.call()?;
        self.look(reference).ok_or_else(|| Error::stop(format!("{reference} was never sent")))
    }

    async fn close(&self) {}
}
