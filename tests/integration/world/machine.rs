//! What a test cannot do to the machine it runs on: put its clock back, fill its disk. Done to one process, by a few lines
//! of C that are loaded in front of the system's own functions.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::left_out;

/// The library to load in front; nothing where there is none, which is then said.
pub fn library(what: &str) -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        if !cfg!(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")) {
            return None;
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/world/machine.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&library)
            .arg(source)
            .status();
        compiled.is_ok_and(|status| status.success()).then_some(library)
    });
    if library.is_none() {
        left_out(what, "it needs Linux on 64 bits and the C compiler cc");
    }
    library.as_deref()
}
