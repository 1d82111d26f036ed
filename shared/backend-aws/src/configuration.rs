//! Tenant files in the table `syncs`, for functions that have no layer with them.
//!
//! ```text
//! {scope}|config               head                        which files are in force, by their hashes
//! {scope}|config-files         <tenant>/<hash>/<n>         a piece of a file
//! ```
//!
//! A file lies under its hash and is never changed. What is in force changes in one write, of the head, after all that it
//! names is there; what no head names any more is deleted last. So whoever reads finds one state or the next and never a
//! mixture: where a piece is gone that the head named, there is a newer head. Two who put files in force at the very same
//! moment may delete each other's; doing it again mends that.

use std::collections::{BTreeMap, HashSet};

use engine::model::id::TenantId;
use engine::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::Aws;
use crate::database::{ITEM, Place, Query, overloaded, text, text_in};
use crate::document::{from_json, to_json};
use crate::pause::pause;

/// Far below the 400 KB that an item may have, also when every character takes four bytes.
const PIECE_CHARACTERS: usize = 64 << 10;

/// How often it is read anew because somebody put another one in force meanwhile.
const ATTEMPTS: u32 = 5;

const HEAD: &str = "head";
const VALUE: &str = "value";

/// Which files are in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// Hash of all that follows.
    version: String,
    /// The files by tenant.
    files: BTreeMap<TenantId, File>,
}

/// A file as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    hash: String,
    pieces: usize,
}

/// The tenant files of a scope, as they are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Tells one state of all files from another.
    pub version: String,
    /// The text of each tenant's file.
    pub files: BTreeMap<TenantId, String>,
}

/// What putting files in force changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigurationWritten {
    /// New or changed.
    pub written: Vec<TenantId>,
    /// No longer in force.
    pub removed: Vec<TenantId>,
}

impl Head {
    fn of(files: &BTreeMap<TenantId, String>) -> Self {
        let files: BTreeMap<_, _> = files.iter().map(|(tenant, text)| (tenant.clone(), File::of(text))).collect();
        let all: Vec<_> = files.iter().map(|(tenant, file)| format!("{tenant}/{}", file.hash)).collect();
        Self { version: hash(&all.join("\n")), files }
    }

    /// The items that its files lie in.
    fn items(&self) -> HashSet<String> {
        let items = self.files.iter().flat_map(|(tenant, file)| file.items(tenant));
        items.collect()
    }
}

impl File {
    fn of(text: &str) -> Self {
        Self { hash: hash(text), pieces: pieces(text).len() }
    }

    fn items<'a>(&'a self, tenant: &'a TenantId) -> impl Iterator<Item = String> + 'a {
        (0..self.pieces).map(move |n| format!("{tenant}/{}/{n:04}", self.hash))
    }
}

fn hash(text: &str) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
}

fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(PIECE_CHARACTERS).map(|piece| piece.iter().collect()).collect()
}

impl Aws {
    fn place_of_head(&self) -> Place {
        Place::new(self.database().owner_of_all("config"), HEAD)
    }

    async fn head(&self) -> Result<Option<Head>> {
        let database = self.database();
        let item = database.get(&database.tables.syncs, &self.place_of_head()).await?;
        item.map(|item| from_json(text_in(&item, VALUE)?)).transpose()
    }

    /// The version of the tenant files that are in force; `None` when none ever were. 1 RRU per about 60 tenants.
    ///
    /// # Errors
    /// Later when the table cannot be reached, stop when it may not be read.
    pub async fn configuration_version(&self) -> Result<Option<String>> {
        Ok(self.head().await?.map(|head| head.version))
    }

    /// The tenant files that are in force; `None` when none ever were. 1 RRU per 4 KB of them, and per about 60 tenants.
    ///
    /// # Errors
    /// As [`Aws::configuration_version`].
    pub async fn configuration(&self) -> Result<Option<Configuration>> {
        for attempt in 0..ATTEMPTS {
            let Some(head) = self.head().await? else { return Ok(None) };
            if let Some(files) = self.files(&head).await? {
                return Ok(Some(Configuration { version: head.version, files }));
            }
            pause(attempt).await;
        }
        Err(overloaded("the tenant files"))
    }

    /// The files that a head names; `None` when one is gone or is not what it names.
    async fn files(&self, head: &Head) -> Result<Option<BTreeMap<TenantId, String>>> {
        let database = self.database();
        let query = Query::of(database.owner_of_all("config-files"));
        let mut pieces = BTreeMap::new();
        for item in database.list(&database.tables.syncs, &query, usize::MAX).await? {
            pieces.insert(text_in(&item, ITEM)?.to_owned(), text_in(&item, VALUE)?.to_owned());
        }
        let mut files = BTreeMap::new();
        for (tenant, file) in &head.files {
            let whole: Option<String> = file.items(tenant).map(|item| pieces.remove(&item)).collect();
            match whole.filter(|text| hash(text) == file.hash) {
                Some(text) => files.insert(tenant.clone(), text),
                None => return Ok(None),
            };
        }
        Ok(Some(files))
    }

    /// Puts these tenant files in force, and no others. What is in force already is not written again. 1 WRU per KB of what
    /// is new and of what goes, 1 per KB of the head when it changes, and twice what reading costs.
    ///
    /// # Errors
    /// As [`Aws::configuration_version`]; stops when there are more tenants than one head can name.
    pub async fn put_configuration(&self, files: &BTreeMap<TenantId, String>) -> Result<ConfigurationWritten> {
        let (database, head) = (self.database(), Head::of(files));
        let table = &database.tables.syncs;
        let before = self.head().await?;
        let known = before.as_ref().map(|before| &before.files);
        // Not what the head says but what is there: somebody who pushed at the same time may have deleted some of it.
        let there = self.pieces_there().await?;
        let is_known = |tenant: &TenantId, file: &File| {
            known.is_some_and(|known| known.get(tenant) == Some(file))
                && file.items(tenant).all(|item| there.contains(&item))
        };
        let mut changes = ConfigurationWritten::default();
        let mut items = Vec::new();
        let owner = database.owner_of_all("config-files");
        for (tenant, file) in head.files.iter().filter(|(tenant, file)| !is_known(tenant, file)) {
            changes.written.push(tenant.clone());
            for (item, piece) in file.items(tenant).zip(pieces(&files[tenant])) {
                let mut written = Place::new(owner.clone(), item).key();
                written.insert(VALUE.to_owned(), text(piece));
                items.push(written);
            }
        }
        let gone =
            known.into_iter().flatten().map(|(tenant, _)| tenant).filter(|tenant| !head.files.contains_key(tenant));
        changes.removed = gone.cloned().collect();
        if before.as_ref() != Some(&head) || !items.is_empty() {
            let mut written = self.place_of_head().key();
            let json = to_json(&head)?;
            if json.len() > HEAD_BYTES {
                return Err(Error::stop(format!("{} tenants are too many for one deployment: divide it", files.len())));
            }
            written.insert(VALUE.to_owned(), text(json));
            database.put_many(table, items).await?;
            database.put(table, written).await?;
        }
        self.delete_all_but(&head).await?;
        Ok(changes)
    }

    /// The items that hold files or parts of files, in force or not.
    async fn pieces_there(&self) -> Result<HashSet<String>> {
        let database = self.database();
        let query = Query::of(database.owner_of_all("config-files"));
        let listed = database.list(&database.tables.syncs, &query, usize::MAX).await?;
        listed.iter().map(|item| Ok(text_in(item, ITEM)?.to_owned())).collect()
    }

    /// Deletes the files that are not in force, also those that somebody left behind who died.
    async fn delete_all_but(&self, head: &Head) -> Result<()> {
        let database = self.database();
        let (table, owner) = (&database.tables.syncs, database.owner_of_all("config-files"));
        let needed = head.items();
        let mut left = Vec::new();
        for item in database.list(table, &Query::of(owner.clone()), usize::MAX).await? {
            let name = text_in(&item, ITEM)?;
            if !needed.contains(name) {
                left.push(Place::new(owner.clone(), name));
            }
        }
        database.delete_many(table, &left).await
    }
}

/// What an item holds, with room for its key.
const HEAD_BYTES: usize = 390 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_tells_every_state_of_the_files_from_every_other() {
        let files = |of: &[(&str, &str)]| -> BTreeMap<TenantId, String> {
            of.iter().map(|(tenant, text)| (TenantId::new(*tenant), (*text).to_owned())).collect()
        };
        let version = |of: &[(&str, &str)]| Head::of(&files(of)).version;
        assert_eq!(version(&[("acme", "a"), ("globex", "b")]), version(&[("globex", "b"), ("acme", "a")]));
        assert_ne!(version(&[("acme", "a")]), version(&[("acme", "b")]));
        assert_ne!(version(&[("acme", "a")]), version(&[("globex", "a")]));
        assert_ne!(version(&[("acme", "a")]), version(&[]));
    }

    #[test]
    fn a_long_file_comes_apart_between_characters_and_together_as_it_was() {
        let text = "ü€".repeat(PIECE_CHARACTERS);
        assert_eq!(File::of(&text).pieces, 2);
        assert!(pieces(&text).iter().all(|piece| piece.len() < 390 << 10));
        assert_eq!(pieces(&text).concat(), text);
        assert_eq!(File::of("").pieces, 0);
    }
}
