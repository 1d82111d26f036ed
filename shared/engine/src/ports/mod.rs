//! What the machine needs from the world, as traits. Backends implement queue, store, vault and clock; connectors
//! implement source, destination and consumer. Nothing in here knows a cloud, a database or a vendor.

mod clock;
mod connectors;
mod consumer;
mod destination;
mod queue;
mod source;
mod store;
mod system_clock;
mod vault;

pub use clock::{Clock, Ids};
pub use connectors::Connectors;
pub use consumer::{Consumer, Progress, Sent};
pub use destination::{
    AfterRun, Applied, Destination, DestinationCapabilities, Landed, OneByOne, Outgoing, Settlement, Totals, Which,
    Written, standing,
};
pub use queue::{Queue, Received};
pub use source::{Page, ReadRequest, Source, SourceCapabilities, SourceGroup, TooBig, What};
pub use store::{ArchivePut, Change, HeldFilter, Store};
pub use system_clock::SystemClock;
pub use vault::{Secret, Vault};

/// One line of what `check` says about a connection.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Whether it works.
    pub ok: bool,
    /// What was tried.
    pub what: String,
    /// What was found and, when it does not work, what the administrator must do.
    pub detail: String,
}

impl Finding {
    /// Something that works.
    pub fn good(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { ok: true, what: what.into(), detail: detail.into() }
    }

    /// Something that does not, and what to do.
    pub fn bad(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { ok: false, what: what.into(), detail: detail.into() }
    }
}
