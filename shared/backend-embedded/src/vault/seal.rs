//! How the secrets file is encrypted: ChaCha20-Poly1305 under a key of 256 bits, which is either random and kept in a
//! file, or worked out from a passphrase with PBKDF2-HMAC-SHA256 and a salt of its own. The file is a line of JSON, so
//! that any language with those two standard functions opens it; what names the lock is authenticated with the content.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

/// What OWASP's password storage cheat sheet asks of PBKDF2-HMAC-SHA256.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(600_000).unwrap();
const SALT_LEN: usize = 16;
const VERSION: u8 = 1;

/// The length of a key, in bytes.
pub const KEY_LEN: usize = 32;

/// What a file is locked with.
#[derive(Clone, Copy)]
pub enum Lock<'a> {
    Key(&'a [u8; KEY_LEN]),
    Passphrase(&'a str),
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    version: u8,
    /// Present where a passphrase opens it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    passphrase: Option<Stretch>,
    nonce: String,
    sealed: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stretch {
    kdf: Kdf,
    iterations: NonZeroU32,
    salt: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Kdf {
    #[serde(rename = "pbkdf2-hmac-sha256")]
    Pbkdf2HmacSha256,
}

/// Why a file was not opened, or not made. Says nothing of its content.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// This key or passphrase does not open it.
    Key,
    /// It is not a file of ours, or not whole.
    Damaged,
    /// The system gave no random bytes, or the content is too long to encrypt.
    System,
}

impl Sealed {
    /// Reads a file, without opening it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let sealed: Self = serde_json::from_slice(bytes).map_err(|_| Refused::Damaged)?;
        if sealed.version == VERSION { Ok(sealed) } else { Err(Refused::Damaged) }
    }

    /// Whether it takes a passphrase to open it.
    pub fn is_locked_with_passphrase(&self) -> bool {
        self.passphrase.is_some()
    }

    /// Encrypts a content.
    pub fn seal(lock: Lock<'_>, content: &[u8]) -> Result<Vec<u8>, Refused> {
        let passphrase = match lock {
            Lock::Key(_) => None,
            Lock::Passphrase(_) => Some(Stretch {
                kdf: Kdf::Pbkdf2HmacSha256,
                iterations: ITERATIONS,
                salt: BASE64.encode(random::<SALT_LEN>()?),
            }),
        };
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = Self { version: VERSION, passphrase, nonce: BASE64.encode(nonce), sealed: String::new() };
        let mut bytes = content.to_vec();
        sealed
            .key(lock)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), sealed.bound(), &mut bytes)
            .map_err(|_| Refused::System)?;
        sealed.sealed = BASE64.encode(bytes);
        let mut file = serde_json::to_vec(&sealed).map_err(|_| Refused::System)?;
        file.push(b'\n');
        Ok(file)
    }

    /// Decrypts the content.
    pub fn open(&self, lock: Lock<'_>) -> Result<Vec<u8>, Refused> {
        let nonce = BASE64.decode(&self.nonce).map_err(|_| Refused::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| Refused::Damaged)?;
        let mut bytes = BASE64.decode(&self.sealed).map_err(|_| Refused::Damaged)?;
        let content = self.key(lock)?.open_in_place(nonce, self.bound(), &mut bytes).map_err(|_| Refused::Key)?.len();
        bytes.truncate(content);
        Ok(bytes)
    }

    fn key(&self, lock: Lock<'_>) -> Result<LessSafeKey, Refused> {
        let key = match (lock, &self.passphrase) {
            (Lock::Key(key), None) => *key,
            (Lock::Passphrase(passphrase), Some(Stretch { kdf: Kdf::Pbkdf2HmacSha256, iterations, salt })) => {
                let salt = BASE64.decode(salt).map_err(|_| Refused::Damaged)?;
                let mut key = [0; KEY_LEN];
                pbkdf2::derive(PBKDF2_HMAC_SHA256, *iterations, &salt, passphrase.as_bytes(), &mut key);
                key
            }
            _ => return Err(Refused::Key),
        };
        UnboundKey::new(&CHACHA20_POLY1305, &key).map(LessSafeKey::new).map_err(|_| Refused::System)
    }

    /// What is not secret, but must not be changed either.
    fn bound(&self) -> Aad<String> {
        let stretch = self.passphrase.as_ref().map(|s| format!("pbkdf2-hmac-sha256 {} {}", s.iterations, s.salt));
        Aad::from(format!("ml-connector secrets {VERSION} {}", stretch.as_deref().unwrap_or("key")))
    }
}

/// Random bytes of the system.
pub fn random<const N: usize>() -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Refused::System)?;
    Ok(bytes)
}
