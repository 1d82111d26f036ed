//! The files of a deployment: tenant files in, rendered templates out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tenants::Tenant;

use super::deployment::{Deployed, Deployment};
use super::render::{HEADER, ROOT};
use crate::exit::usage;

/// Reads all tenant files of a folder.
///
/// # Errors
/// [`crate::exit::Exit::Usage`] when there is none, with all mistakes of the first that has any, and with all names that
/// cannot stand in a template.
pub fn read(dir: &Path) -> anyhow::Result<Deployment> {
    let mut deployment = Deployment::default();
    for path in tenants::files_in(dir).map_err(usage)? {
        let tenant = Tenant::read(&path).map_err(usage)?;
        let text = fs::read_to_string(&path).map_err(|e| usage(format!("{} cannot be read: {e}", path.display())))?;
        deployment.tenants.push(Deployed::new(path, text, &tenant));
    }
    if deployment.tenants.is_empty() {
        let dir = dir.display();
        return Err(usage(format!("there is no tenant file in {dir}: write one with `ml-connector init`")));
    }
    match deployment.problems() {
        problems if problems.is_empty() => Ok(deployment),
        problems => Err(usage(problems.join("\n"))),
    }
}

/// The way from one folder to another, for templates that name each other: with `/`, whatever the system.
///
/// # Errors
/// [`crate::exit::Exit::Usage`] when the working directory is gone.
pub fn way(from: &Path, to: &Path) -> anyhow::Result<String> {
    let absolute = |path: &Path| {
        let path = fs::canonicalize(path).or_else(|_| std::path::absolute(path));
        path.map_err(|e| usage(format!("the working directory cannot be found: {e}")))
    };
    let (from, to) = (absolute(from)?, absolute(to)?);
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| "..".to_owned());
    let down = to[common..].iter().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let way: Vec<_> = up.chain(down).collect();
    Ok(if way.is_empty() { ".".to_owned() } else { way.join("/") })
}

/// What writing did.
#[derive(Debug, Default)]
pub struct Changes {
    /// New or changed.
    pub written: Vec<PathBuf>,
    /// Of tenants that are gone.
    pub removed: Vec<PathBuf>,
}

/// What would have to be written and removed so that `out` holds `files` and nothing else that was rendered.
///
/// # Errors
/// [`crate::exit::Exit::Usage`] when something is in the way that was not rendered.
pub fn compare(out: &Path, files: &BTreeMap<PathBuf, String>) -> anyhow::Result<Changes> {
    let there = under(out)?;
    let root = out.join(ROOT);
    let is_ours = fs::read_to_string(&root).is_ok_and(|text| text.starts_with(HEADER));
    if !there.is_empty() && !is_ours {
        let out = out.display();
        return Err(usage(format!("{out} holds something that was not rendered: name an empty folder with --out")));
    }
    let is_the_same =
        |(path, text): &(&PathBuf, &String)| fs::read(out.join(path)).is_ok_and(|there| there == text.as_bytes());
    Ok(Changes {
        written: files.iter().filter(|file| !is_the_same(file)).map(|(path, _)| path.clone()).collect(),
        removed: there.into_iter().filter(|path| !files.contains_key(path)).collect(),
    })
}

/// Writes what is new or changed, and removes what belongs to tenants that are gone.
///
/// # Errors
/// As [`compare`], and when a file cannot be written.
pub fn write(out: &Path, files: &BTreeMap<PathBuf, String>) -> anyhow::Result<Changes> {
    let changes = compare(out, files)?;
    for path in &changes.written {
        let (file, text) = (out.join(path), files.get(path).map_or("", String::as_str));
        let cannot = |e| usage(format!("{} cannot be written: {e}", file.display()));
        fs::create_dir_all(file.parent().unwrap_or(out)).map_err(cannot)?;
        fs::write(&file, text).map_err(cannot)?;
    }
    for path in &changes.removed {
        let file = out.join(path);
        fs::remove_file(&file).map_err(|e| usage(format!("{} cannot be removed: {e}", file.display())))?;
        let folders = file.ancestors().skip(1).take_while(|folder| *folder != out);
        // Removes nothing that still holds something.
        let _emptied = folders.take_while(|folder| fs::remove_dir(folder).is_ok()).count();
    }
    Ok(changes)
}

/// All files under a folder, by their path in it; what tools keep to themselves is not looked at.
fn under(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(usage(format!("{} cannot be read: {e}", folder.display()))),
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_hidden = path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with('.'));
            if path.is_dir() && !is_hidden {
                folders.push(path);
            } else if !is_hidden && let Ok(path) = path.strip_prefix(dir) {
                found.push(path.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}
