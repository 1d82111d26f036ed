//! Identifiers as types of their own, so that a run can never be passed where a batch is meant.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Wraps a name.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A customer or division: the name of its file in `infra/tenants`.
    TenantId
}
name! {
    /// A shipped pair of systems, such as `jde-looker`.
    IntegrationId
}
name! {
    /// One system of a tenant with its address and secret, by its name in the tenant file.
    ConnectionId
}
name! {
    /// One execution of a sync. Sorts by start time.
    RunId
}
name! {
    /// One sending of a delivery: its name in the tenant file and the run that set it off, joined by `@`.
    DeliveryId
}
name! {
    /// The key of one business object: its key columns in their declared order, joined by `|`.
    RecordKey
}

impl DeliveryId {
    /// The id of the delivery `name` that `run` set off.
    pub fn of(name: &str, run: &RunId) -> Self {
        Self(format!("{name}@{run}"))
    }

    /// The run that set it off.
    pub fn run(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, run)| run)
    }
}

impl FromStr for DeliveryId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('@') {
            Some((name, run)) if !name.is_empty() && !run.is_empty() => Ok(Self::new(text)),
            _ => Err(Error::stop(format!("`{text}` is no delivery: one looks like ap_daily@01J8…, see `status`"))),
        }
    }
}

impl RecordKey {
    /// Joins the canonical texts of the key columns. A `|` or `\` inside a part is escaped with `\`.
    pub fn join<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut key = String::new();
        for (i, part) in parts.into_iter().enumerate() {
            if i > 0 {
                key.push('|');
            }
            if part.contains(['|', '\\']) {
                for c in part.chars() {
                    if matches!(c, '|' | '\\') {
                        key.push('\\');
                    }
                    key.push(c);
                }
            } else {
                key.push_str(part);
            }
        }
        Self(key)
    }

    /// The parts that were joined.
    pub fn parts(&self) -> Vec<String> {
        let mut parts = vec![String::new()];
        let mut chars = self.0.chars();
        while let Some(c) = chars.next() {
            let last = parts.len() - 1;
            match c {
                '|' => parts.push(String::new()),
                '\\' => parts[last].extend(chars.next()),
                c => parts[last].push(c),
            }
        }
        parts
    }
}

/// One stream of records of an integration for a tenant, such as `acme/jde-looker/ap_invoices`: the unit that is
/// scheduled, leased and audited.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SyncId {
    /// Whose records they are.
    pub tenant: TenantId,
    /// Between which systems they travel.
    pub integration: IntegrationId,
    /// The stream, as the blueprint names it.
    pub stream: String,
}

impl fmt::Display for SyncId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tenant, self.integration, self.stream)
    }
}

impl FromStr for SyncId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(tenant), Some(integration), Some(stream)) if !stream.is_empty() => Ok(Self {
                tenant: TenantId::new(tenant),
                integration: IntegrationId::new(integration),
                stream: stream.to_owned(),
            }),
            _ => Err(Error::stop(format!("`{text}` is not a sync: write tenant/integration/stream"))),
        }
    }
}

impl Serialize for SyncId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SyncId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The records that travel together: the `seq`-th batch of a run. A batch that was split on the way keeps its `seq`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchId {
    /// The run that polled it.
    pub run: RunId,
    /// Its number in the run, from 0.
    pub seq: u32,
}

impl BatchId {
    /// The id under which warehouses keep the batch: 16 bytes that depend on the run and the number alone.
    pub fn as_bytes(&self) -> [u8; 16] {
        xxhash_rust::xxh3::xxh3_128(self.to_string().as_bytes()).to_be_bytes()
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.seq)
    }
}

impl FromStr for BatchId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.rsplit_once('/')
            .and_then(|(run, seq)| Some(Self { run: RunId::new(run), seq: seq.parse().ok()? }))
            .ok_or_else(|| Error::stop(format!("`{text}` is not a batch: write run/number, such as {text}/0")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_bars_in_its_parts_comes_apart_as_it_went_together() {
        let key = RecordKey::join(["70412", "P|V", "a\\b", ""]);
        assert_eq!(key.as_str(), "70412|P\\|V|a\\\\b|");
        assert_eq!(key.parts(), ["70412", "P|V", "a\\b", ""]);
    }

    #[test]
    fn a_sync_reads_back_from_its_own_text() {
        let sync: SyncId = "acme/jde-looker/ap_invoices".parse().unwrap();
        assert_eq!(sync.to_string(), "acme/jde-looker/ap_invoices");
        assert!("acme/ap_invoices".parse::<SyncId>().is_err());
    }
}
