//! The bytes of an answer, in memory that is used again for the next one.
//!
//! Pages are large and come one after the other. Made anew each time, they would scatter over what an allocator keeps apart
//! for each thread, and a long read would need more memory than a short one.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// Longer answers are rare, and their memory is given back.
const MOST_BYTES: usize = 8 << 20;

/// Memory of an answer that was read; one, as answers are read one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Spare(Arc<Mutex<Vec<u8>>>);

impl Spare {
    /// A body without content, with room for so many bytes.
    pub(super) fn body(&self, bytes: usize) -> Body {
        let mut memory = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        memory.reserve(bytes);
        Body { bytes: memory, home: self.clone() }
    }
}

/// Everything of an answer after its headers.
#[derive(Clone)]
pub struct Body {
    bytes: Vec<u8>,
    home: Spare,
}

impl Body {
    /// Appends what came next.
    pub(super) fn append(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.fmt(f)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let mut home = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if (home.capacity()..=MOST_BYTES).contains(&self.bytes.capacity()) {
            *home = std::mem::take(&mut self.bytes);
            home.clear();
        }
    }
}
