//! Files in volumes.
//!
//! Invariant: a path begins with `/Volumes/catalog/schema/volume`; catalog, schema and volume are found whatever their case,
//! the rest is exact. A directory is there when it was made or holds something.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::catalog::Name;

/// All files of all volumes.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: BTreeMap<String, File>,
    directories: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) content: Bytes,
    pub(super) modified: DateTime<Utc>,
}

/// One line of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) directory: bool,
    pub(super) size: usize,
    pub(super) modified: DateTime<Utc>,
}

/// A path in a volume: the volume's name and the path in one spelling, without a slash at the end.
pub(super) fn resolve(path: &str) -> Option<(Name, String)> {
    let path = path.strip_prefix("dbfs:").unwrap_or(path);
    let rest = path.strip_prefix("/Volumes/")?;
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let [catalog, schema, volume, inner @ ..] = parts.as_slice() else {
        return None;
    };
    if inner.iter().any(|part| matches!(*part, "." | "..")) {
        return None;
    }
    let name = Name { catalog: catalog.to_string(), schema: schema.to_string(), own: volume.to_string() };
    let mut one = format!("/Volumes/{}", name.full().to_lowercase().replace('.', "/"));
    for part in inner {
        one.push('/');
        one.push_str(part);
    }
    Some((name, one))
}

impl Files {
    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    pub(super) fn put(&mut self, path: &str, content: Bytes, modified: DateTime<Utc>) {
        self.files.insert(path.into(), File { content, modified });
        self.make_directory(parent(path));
    }

    pub(super) fn remove(&mut self, path: &str) -> Option<File> {
        self.files.remove(path)
    }

    pub(super) fn make_directory(&mut self, path: &str) {
        let mut path = path;
        while path.matches('/').count() > 4 {
            self.directories.insert(path.into());
            path = parent(path);
        }
    }

    pub(super) fn remove_directory(&mut self, path: &str) {
        self.directories.remove(path);
    }

    /// Everything of a volume that is no longer there.
    pub(super) fn remove_below(&mut self, path: &str) {
        let below = |other: &String| is_below(other, path);
        self.files.retain(|other, _| !below(other));
        self.directories.retain(|other| !below(other));
    }

    pub(super) fn is_directory(&self, path: &str) -> bool {
        // A volume itself is a directory.
        path.matches('/').count() == 4 || self.directories.contains(path)
    }

    /// The files below a directory, at any depth.
    pub(super) fn below(&self, path: &str) -> impl Iterator<Item = (&String, &File)> {
        let from = format!("{path}/");
        self.files.range(from.clone()..).take_while(move |(other, _)| other.starts_with(&from))
    }

    /// What lies directly in a directory, by name.
    pub(super) fn entries(&self, path: &str) -> Vec<Entry> {
        let directly = |other: &&String| parent(other) == path;
        let files = self.below(path).filter(|(other, _)| directly(other)).map(|(path, file)| Entry {
            path: path.clone(),
            directory: false,
            size: file.content.len(),
            modified: file.modified,
        });
        let directories = self.directories.iter().filter(directly).map(|path| Entry {
            path: path.clone(),
            directory: true,
            size: 0,
            modified: DateTime::UNIX_EPOCH,
        });
        let mut entries: Vec<Entry> = files.chain(directories).collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries
    }
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling_and_directories_hold_what_is_in_them() {
        let (name, path) = resolve("/Volumes/Main/erp/Landing//a b/x.parquet").unwrap();
        assert_eq!((name.own.as_str(), path.as_str()), ("Landing", "/Volumes/main/erp/landing/a b/x.parquet"));
        assert!(resolve("/Volumes/main/erp").is_none() && resolve("/mnt/x").is_none());
        let mut files = Files::default();
        files.put(&path, Bytes::from_static(b"1"), DateTime::UNIX_EPOCH);
        assert!(files.is_directory("/Volumes/main/erp/landing/a b") && files.is_directory("/Volumes/main/erp/landing"));
        let entries = files.entries("/Volumes/main/erp/landing");
        assert_eq!(entries.iter().map(|entry| entry.directory).collect::<Vec<_>>(), [true]);
        assert_eq!(files.below("/Volumes/main/erp/landing").count(), 1);
    }
}
