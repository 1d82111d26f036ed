//! Files in the volume: where they lie, putting one, listing and removing.

use bytes::Bytes;
use engine::model::id::RunId;
use engine::{Error, Result};
use serde::Deserialize;

use super::client::{Ask, Client};
use super::refusal::Failure;
use crate::http::Method;

const FILES: &str = "api/2.0/fs/files";
const DIRECTORIES: &str = "api/2.0/fs/directories";

/// What lies in a directory.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    /// Its name.
    pub(super) name: String,
    /// Whether it is a directory itself.
    pub(super) is_directory: bool,
    /// When it last changed, in milliseconds since 1970.
    pub(super) last_modified: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Listing {
    contents: Vec<Entry>,
    next_page_token: Option<String>,
}

impl Client {
    /// The directory of a table: `/Volumes/<catalog>/<schema>/<volume>/<table>`.
    pub(super) fn directory(&self, table: &str) -> String {
        let settings = &self.settings;
        format!("/Volumes/{}/{}/{}/{table}", settings.catalog, settings.schema, settings.volume)
    }

    /// The directory of what a run lands for a table.
    ///
    /// # Errors
    /// Stops when the run has a name that could lead elsewhere.
    pub(super) fn run_directory(&self, table: &str, run: &RunId) -> Result<String> {
        let name = run.as_str();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(fits) {
            return Err(Error::stop(format!("run `{name}` cannot be the name of a directory")));
        }
        Ok(format!("{}/{name}", self.directory(table)))
    }

    /// Puts a file, over one of the same name. Directories above it are made.
    ///
    /// # Errors
    /// As every call; Stop with the right that is missing.
    pub(super) async fn put(&self, path: &str, bytes: Bytes) -> Result<(), Failure> {
        let what = format!("file {path}");
        let ask = Ask::new(Method::PUT, &[FILES, path.trim_start_matches('/')], &what);
        self.tell(&ask.with("overwrite", "true").bytes(bytes)).await
    }

    /// Removes a file; that it is not there is as good.
    ///
    /// # Errors
    /// As every call.
    pub(super) async fn remove(&self, path: &str) -> Result<(), Failure> {
        let what = format!("file {path}");
        gone(self.tell(&Ask::new(Method::DELETE, &[FILES, path.trim_start_matches('/')], &what)).await)
    }

    /// Removes an empty directory; that it is not there is as good.
    ///
    /// # Errors
    /// As every call.
    pub(super) async fn remove_directory(&self, path: &str) -> Result<(), Failure> {
        let what = format!("directory {path}");
        gone(self.tell(&Ask::new(Method::DELETE, &[DIRECTORIES, path.trim_start_matches('/')], &what)).await)
    }

    /// What lies in a directory, up to `most` entries; nothing when it is not there.
    ///
    /// # Errors
    /// As every call.
    pub(super) async fn list(&self, path: &str, most: usize) -> Result<Vec<Entry>, Failure> {
        let what = format!("directory {path}");
        let mut found: Vec<Entry> = Vec::new();
        let mut page: Option<String> = None;
        loop {
            let mut ask = Ask::new(Method::GET, &[DIRECTORIES, path.trim_start_matches('/')], &what);
            if let Some(token) = &page {
                ask = ask.with("page_token", token);
            }
            let listing: Listing = match self.ask(&ask).await {
                Err(Failure::Missing(_)) => return Ok(found),
                listing => listing?,
            };
            found.extend(listing.contents);
            match listing.next_page_token.filter(|token| !token.is_empty()) {
                Some(token) if found.len() < most && page.as_ref() != Some(&token) => page = Some(token),
                _ => return Ok(found),
            }
        }
    }
}

fn gone(removed: Result<(), Failure>) -> Result<(), Failure> {
    match removed {
        Err(Failure::Missing(_)) => Ok(()),
        removed => removed,
    }
}
