//! What a tenant file says about a SQLite file. Also programs that are built without SQLite understand it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A SQLite file that records are loaded into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqliteSettings {
    /// The file. It is created, with its folder, when it is not there. It must lie on a local disk: network disks do
    /// not lock files reliably.
    #[schemars(example = &"data/warehouse.sqlite")]
    pub path: PathBuf,
}
