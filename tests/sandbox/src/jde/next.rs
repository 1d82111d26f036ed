//! Result sets behind next links.
//!
//! Invariant: a result set is what the first request found, in its order; it belongs to one token and is gone when it was
//! not read from for the result-set time-out. Reading moves it forward: a page whose reply was lost is not given again,
//! which is why a client has to begin anew after a failure.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::error::Refusal;
use super::grid::GRID_ID;
use super::http::encode;
use super::settings::Settings;
use super::table::Slot;

/// What is left of one answer.
#[derive(Clone, Debug)]
pub(super) struct ResultSet {
    pub(super) token: String,
    /// The table read, and the name asked for.
    pub(super) table: String,
    pub(super) target: String,
    pub(super) columns: Vec<usize>,
    /// The column list as it stands in the link.
    pub(super) names: String,
    pub(super) rows: Vec<Slot>,
    /// Rows already given.
    pub(super) given: usize,
    pub(super) page: usize,
    pub(super) stack_id: u64,
    pub(super) used: DateTime<Utc>,
}

/// All result sets that JAS holds.
#[derive(Debug, Default)]
pub(super) struct ResultSets(HashMap<String, ResultSet>);

impl ResultSets {
    pub(super) fn keep(&mut self, rid: String, set: ResultSet) {
        self.0.insert(rid, set);
    }

    /// The result set of a link that is still alive.
    pub(super) fn find(
        &mut self,
        rid: &str,
        token: &str,
        settings: &Settings,
        now: DateTime<Utc>,
    ) -> Result<&mut ResultSet, Refusal> {
        let timeout = TimeDelta::from_std(settings.result_set_timeout).unwrap_or(TimeDelta::MAX);
        self.0.retain(|_, set| now - set.used <= timeout);
        let set = self.0.get_mut(rid).filter(|set| set.token == token);
        set.ok_or(Refusal::ResultSetExpired)
    }

    pub(super) fn forget(&mut self, rid: &str) {
        self.0.remove(rid);
    }
}

/// The link as AIS writes it: its own idea of its address, the token encoded, a literal `|` between the columns.
pub(super) fn link(host: &str, rid: &str, set: &ResultSet) -> String {
    format!(
        "{host}/jderest/v2/dataservice/next?stackId={stack}&stateId=1&rid={rid}&fullGridId={GRID_ID}\
         &formOID={target}&token={token}&outputType=GRID_DATA&returnControlIDs={names}",
        stack = set.stack_id,
        target = set.target,
        token = encode(&set.token),
        names = set.names,
    )
}
