//! Memory of blocks of rows, used again from block to block, and what compresses them.
//!
//! A block is large, is in work for one step, and ends on another thread than the one that began it. Allocators keep apart
//! what each thread gave back: were every block made anew, a process would grow until each of its threads has had its
//! largest blocks at once, which takes the longer the longer it runs.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use zstd::bulk::{Compressor, Decompressor};

/// zstd's fastest standard level: rows shrink about eightfold, and speed is what the hot path needs.
const COMPRESSION_LEVEL: i32 = 1;

/// What is kept of each kind. It only grows to what is in work at once, which is less.
const KEPT: usize = 16;

/// Smaller ones cost an allocator nothing.
const LEAST_BYTES: usize = 64 << 10;

/// Greater ones are of records that are rarely met again.
const MOST_BYTES: usize = 8 << 20;

static BLOCKS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static PACKERS: Mutex<Vec<Packer>> = Mutex::new(Vec::new());
static DECOMPRESSORS: Mutex<Vec<Decompressor<'static>>> = Mutex::new(Vec::new());

/// A compressor and where it writes to.
struct Packer {
    compressor: Compressor<'static>,
    /// With room for what does not shrink at all. Of what is never written to, a system gives no memory.
    packed: Vec<u8>,
}

impl Packer {
    fn new() -> std::io::Result<Self> {
        Ok(Self { compressor: Compressor::new(COMPRESSION_LEVEL)?, packed: Vec::new() })
    }

    fn pack(&mut self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        self.compressor.compress_to_buffer(bytes, &mut self.packed)?;
        Ok(self.packed.as_slice().to_vec())
    }
}

/// The bytes of one block, given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<u8>);

impl Memory {
    /// Memory without content, used before where there is some.
    pub fn take() -> Self {
        Self(spare(&BLOCKS).pop().unwrap_or_default())
    }

    /// The bytes compressed, in memory of just their size.
    pub fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let known = spare(&PACKERS).pop();
        let mut packer = known.map_or_else(Packer::new, Ok)?;
        let packed = packer.pack(bytes)?;
        keep(&PACKERS, packer);
        Ok(packed)
    }

    /// The content of compressed bytes, which is no longer than `size`.
    pub fn decompress(bytes: &[u8], size: usize) -> std::io::Result<Self> {
        let known = spare(&DECOMPRESSORS).pop();
        let mut decompressor = known.map_or_else(Decompressor::new, Ok)?;
        let mut content = Self::take();
        content.reserve_exact(size);
        decompressor.decompress_to_buffer(bytes, &mut *content)?;
        keep(&DECOMPRESSORS, decompressor);
        Ok(content)
    }
}

impl From<Vec<u8>> for Memory {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        let mut copy = Self::take();
        copy.extend_from_slice(self);
        copy
    }
}

impl Deref for Memory {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if (LEAST_BYTES..=MOST_BYTES).contains(&self.0.capacity()) {
            self.0.clear();
            keep(&BLOCKS, std::mem::take(&mut self.0));
        }
    }
}

fn spare<T>(kept: &'static Mutex<Vec<T>>) -> MutexGuard<'static, Vec<T>> {
    // A list is whole even where a thread panicked over it.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep<T>(kept: &'static Mutex<Vec<T>>, used: T) {
    let mut kept = spare(kept);
    if kept.len() < KEPT {
        kept.push(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_before_shows_nothing_of_it() {
        for text in [vec![7; LEAST_BYTES], vec![8; 3], Vec::new()] {
            let mut block = Memory::take();
            assert!(block.is_empty());
            block.extend_from_slice(&text);
            let packed = Memory::compress(&block).unwrap();
            assert_eq!(*Memory::decompress(&packed, text.len()).unwrap(), text);
            assert_eq!(packed.capacity(), packed.len());
        }
    }
}
