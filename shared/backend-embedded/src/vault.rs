//! Secrets: from the environment, or from an encrypted file.
//!
//! The file is `secrets.sealed`. Without further ado it is encrypted to a key that lies beside it in
//! `secrets.key`, readable by its owner only, so that scheduled runs need nobody to type anything. That protects
//! backups and commits that take `secrets.sealed` without the key, and whoever glances at the directory; it does not
//! protect against somebody who reads the whole directory as this user. With a passphrase
//! ([`PASSPHRASE_VARIABLE`]) the file is encrypted to that instead, from the next time it is written, and the directory
//! alone is worth nothing; the key file is then no longer used and can be deleted.
//!
//! No value of a secret is in any message, log or debug output of this module.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use engine::ports::{Secret, Vault};
use engine::{Error, Result};

use seal::{KEY_LEN, Lock, Refused, Sealed};

/// The environment variable with the passphrase of the secrets file.
pub const PASSPHRASE_VARIABLE: &str = "ML_CONNECTOR_PASSPHRASE";

const PREFIX: &str = "ML_CONNECTOR_SECRET_";
const FILE: &str = "secrets.sealed";
const KEY_FILE: &str = "secrets.key";
const LOCK_FILE: &str = "secrets.lock";

/// What the file holds: fields by secret.
type Secrets = BTreeMap<String, BTreeMap<String, String>>;

/// The variables of this process, as the vaults take them. Those that are no text are left out.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The part of a variable's name that stands for a secret or a field.
fn in_capitals(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn missing(secret: &str) -> Error {
    let variable = in_capitals(secret);
    Error::stop(format!(
        "there is no secret `{secret}`: set it with `ml-connector secrets set {secret} <field>`, or in the environment \
         as {PREFIX}{variable}_<FIELD>, such as {PREFIX}{variable}_PASSWORD"
    ))
}

/// Secrets in environment variables: `ML_CONNECTOR_SECRET_<NAME>_<FIELD>`, in capitals, with `_` for whatever is neither
/// letter nor digit. The fields of a secret are whatever follows its name, in small letters: so a secret `jde` also has the
/// variables of a secret `jde-prod`, as fields that nobody asks for.
#[derive(Clone, Default)]
pub struct EnvVault {
    variables: BTreeMap<String, String>,
}

impl EnvVault {
    /// The secrets among these variables. Empty values count as not set.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = variables.into_iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(PREFIX)?.to_owned();
            (!value.is_empty()).then_some((name, value))
        });
        Self { variables: ours.collect() }
    }

    fn fields(&self, secret: &str) -> BTreeMap<String, String> {
        let prefix = in_capitals(secret) + "_";
        let fields = self.variables.iter().filter_map(|(name, value)| {
            let field = name.strip_prefix(&prefix).filter(|field| !field.is_empty())?;
            Some((field.to_ascii_lowercase(), value.clone()))
        });
        fields.collect()
    }
}

impl fmt::Debug for EnvVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[async_trait]
impl Vault for EnvVault {
    async fn secret(&self, name: &str) -> Result<Secret> {
        let fields = self.fields(name);
        if fields.is_empty() { Err(missing(name)) } else { Ok(Secret::new(fields)) }
    }
}

/// Secrets in the encrypted file of a directory. Clones share what was decrypted.
#[derive(Clone)]
pub struct FileVault {
    inner: Arc<Files>,
}

struct Files {
    dir: PathBuf,
    passphrase: Option<String>,
    // A passphrase takes about a second to work out, so that what it opens is kept until the file changes.
    opened: Mutex<Option<(Stamp, Arc<Secrets>)>>,
}

/// Tells one state of the file from another.
type Stamp = (Option<SystemTime>, u64);

impl FileVault {
    /// The secrets file in `dir`, which need not exist yet, and the passphrase where there is one.
    pub fn new(dir: &Path, passphrase: Option<String>) -> Self {
        let passphrase = passphrase.filter(|p| !p.is_empty());
        Self { inner: Arc::new(Files { dir: dir.to_owned(), passphrase, opened: Mutex::new(None) }) }
    }

    /// Sets a field of a secret. Blocks: not for asynchronous code.
    ///
    /// # Errors
    /// Stops when the file cannot be opened or written.
    pub fn set(&self, secret: &str, field: &str, value: &str) -> Result<()> {
        self.inner.change(|secrets| {
            secrets.entry(secret.to_owned()).or_default().insert(field.to_owned(), value.to_owned());
            true
        })?;
        Ok(())
    }

    /// Removes a secret and says whether there was one. Blocks: not for asynchronous code.
    ///
    /// # Errors
    /// As [`FileVault::set`].
    pub fn remove(&self, secret: &str) -> Result<bool> {
        self.inner.change(|secrets| secrets.remove(secret).is_some())
    }

    /// The names of the secrets, with the names of their fields. Blocks: not for asynchronous code.
    ///
    /// # Errors
    /// As [`FileVault::set`].
    pub fn names(&self) -> Result<Vec<(String, Vec<String>)>> {
        let secrets = self.inner.open()?;
        Ok(secrets.iter().map(|(name, fields)| (name.clone(), fields.keys().cloned().collect())).collect())
    }

    async fn fields(&self, secret: &str) -> Result<BTreeMap<String, String>> {
        let files = self.inner.clone();
        let secrets = tokio::task::spawn_blocking(move || files.open()).await;
        let secrets = secrets.map_err(|_| Error::later("the secrets file was not read to its end: try again"))??;
        Ok(secrets.get(secret).cloned().unwrap_or_default())
    }
}

impl fmt::Debug for FileVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileVault").field("dir", &self.inner.dir).finish_non_exhaustive()
    }
}

#[async_trait]
impl Vault for FileVault {
    async fn secret(&self, name: &str) -> Result<Secret> {
        let fields = self.fields(name).await?;
        if fields.is_empty() { Err(missing(name)) } else { Ok(Secret::new(fields)) }
    }
}

impl Files {
    fn open(&self) -> Result<Arc<Secrets>> {
        let path = self.dir.join(FILE);
        let stamp = match fs::metadata(&path) {
            Ok(found) => (found.modified().ok(), found.len()),
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Arc::default()),
            Err(e) => return Err(cannot("read", &path, &e)),
        };
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, secrets)) = opened.as_ref().filter(|(known, _)| *known == stamp) {
            return Ok(secrets.clone());
        }
        let secrets = Arc::new(self.decrypt(&path)?);
        *opened = Some((stamp, secrets.clone()));
        Ok(secrets)
    }

    fn decrypt(&self, path: &Path) -> Result<Secrets> {
        let bytes = fs::read(path).map_err(|e| cannot("read", path, &e))?;
        let damaged = || {
            let path = path.display();
            Error::stop(format!("{path} is damaged: put back a copy of it, or delete it and set the secrets again"))
        };
        let sealed = Sealed::parse(&bytes).map_err(|_| damaged())?;
        let (opened, wrong) = match (&self.passphrase, sealed.is_locked_with_passphrase()) {
            (Some(passphrase), true) => {
                let wrong = format!("{PASSPHRASE_VARIABLE} does not open {}", path.display());
                (sealed.open(Lock::Passphrase(passphrase)), wrong)
            }
            (None, true) => {
                let path = path.display();
                return Err(Error::stop(format!("{path} is locked with a passphrase: set {PASSPHRASE_VARIABLE}")));
            }
            (_, false) => {
                let key_path = self.dir.join(KEY_FILE);
                let (path, key_path) = (path.display(), key_path.display());
                let key = self.key()?.ok_or_else(|| {
                    Error::stop(format!(
                        "{path} cannot be opened without {key_path}: put the key back, or delete the file and set the \
                         secrets again"
                    ))
                })?;
                let wrong =
                    format!("{key_path} does not open {path}: one of the two is not of this place, or is damaged");
                (sealed.open(Lock::Key(&key)), wrong)
            }
        };
        let text = opened.map_err(|refused| if refused == Refused::Key { Error::stop(wrong) } else { damaged() })?;
        serde_json::from_slice(&text).map_err(|_| damaged())
    }

    /// The key of the directory, if it has one.
    fn key(&self) -> Result<Option<[u8; KEY_LEN]>> {
        let path = self.dir.join(KEY_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(cannot("read", &path, &e)),
        };
        let key = BASE64.decode(text.trim()).ok().and_then(|key| key.try_into().ok());
        key.map(Some).ok_or_else(|| Error::stop(format!("{} is no key of a secrets file", path.display())))
    }

    fn key_or_new(&self) -> Result<[u8; KEY_LEN]> {
        if let Some(key) = self.key()? {
            return Ok(key);
        }
        let key = seal::random::<KEY_LEN>().map_err(|_| Error::stop("the system gives no random bytes"))?;
        self.put(KEY_FILE, format!("{}\n", BASE64.encode(key)).as_bytes())?;
        Ok(key)
    }

    /// Changes the secrets, unless `change` says that there is nothing to change, and returns what it said.
    fn change(&self, change: impl FnOnce(&mut Secrets) -> bool) -> Result<bool> {
        self.create_dir()?;
        let lock_path = self.dir.join(LOCK_FILE);
        let lock =
            private().create(true).truncate(false).open(&lock_path).map_err(|e| cannot("open", &lock_path, &e))?;
        // Two who set secrets at once must not undo each other. Closing the file releases it.
        lock.lock().map_err(|e| cannot("lock", &lock_path, &e))?;
        // The stamp of a file may hide a change within one tick of the disk's clock: this must build on the truth.
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let mut secrets = self.open()?.as_ref().clone();
        if !change(&mut secrets) {
            return Ok(false);
        }
        let text = serde_json::to_vec(&secrets).map_err(|_| Error::stop("the secrets cannot be written down"))?;
        let encrypted = match &self.passphrase {
            Some(passphrase) => Sealed::seal(Lock::Passphrase(passphrase), &text),
            None => Sealed::seal(Lock::Key(&self.key_or_new()?), &text),
        };
        let encrypted = encrypted.map_err(|_| Error::stop("the secrets cannot be encrypted: no random bytes"))?;
        self.put(FILE, &encrypted)?;
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(true)
    }

    fn create_dir(&self) -> Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.dir).map_err(|e| cannot("create", &self.dir, &e))
    }

    /// Writes a file whole or not at all, readable by its owner only.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        let draft = self.dir.join(format!("{name}.new"));
        let write = || {
            // What an interrupted write left behind.
            match fs::remove_file(&draft) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let mut file = private().create_new(true).open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            #[cfg(unix)]
            File::open(&self.dir)?.sync_all()?;
            Ok(())
        };
        write().map_err(|e| cannot("write", &path, &e))
    }
}

/// Opens files for writing that only their owner reads.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::stop(format!("cannot {what} {}: {error}", path.display()))
}

/// The environment first, then the file, field by field: a deployment may keep the user in the file and give the
/// password in a variable.
#[derive(Debug, Clone)]
pub struct ChainVault {
    variables: EnvVault,
    file: FileVault,
}

impl ChainVault {
    /// The secrets among these variables, then those of the file in `dir`, with the passphrase among the variables.
    pub fn new(dir: &Path, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let variables: BTreeMap<String, String> = variables.into_iter().collect();
        let passphrase = variables.get(PASSPHRASE_VARIABLE).cloned();
        Self { file: FileVault::new(dir, passphrase), variables: EnvVault::new(variables) }
    }

    /// The file, to change it.
    pub fn file(&self) -> &FileVault {
        &self.file
    }
}

#[async_trait]
impl Vault for ChainVault {
    async fn secret(&self, name: &str) -> Result<Secret> {
        let variables = self.variables.fields(name);
        let mut fields = match self.file.fields(name).await {
            Ok(fields) => fields,
            // The environment may well hold all that is needed where the file cannot be opened.
            Err(error) if !variables.is_empty() => {
                tracing::warn!(secret = name, %error, "only the environment is used for this secret");
                BTreeMap::new()
            }
            Err(error) => return Err(error),
        };
        fields.extend(variables);
        if fields.is_empty() { Err(missing(name)) } else { Ok(Secret::new(fields)) }
    }
}

mod seal;
#[cfg(test)]
mod tests;
