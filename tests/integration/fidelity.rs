//! The simulators are driven by the vendors' own clients, and what is generated is read by other people's parsers.

use std::process::Command;

use crate::world::{example, left_out};

/// Runs a script of `tests/fidelity` with the Python that has the vendors' clients; it prints a line per check.
pub fn script(name: &str, arguments: &[&std::ffi::OsStr]) {
    let Some(python) = std::env::var_os("ML_CONNECTOR_TEST_PYTHON") else {
        return left_out(
            name,
            "ML_CONNECTOR_TEST_PYTHON names no Python with the vendors' clients: tests/run makes one",
        );
    };
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fidelity").join(name);
    let ran = Command::new(python).arg(path).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{name} ended with {}\n{out}\n{err}", ran.status);
}

#[test]
fn the_generated_lookml_is_read_by_a_public_parser() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/golden/lookml");
    script("lookml.py", &[golden.as_os_str()]);
}

#[cfg(feature = "databricks")]
#[test]
fn the_databricks_simulator_serves_databricks_own_client() {
    script("databricks.py", &[example("sandbox", "databricks").as_os_str()]);
}

#[test]
fn the_looker_simulator_serves_lookers_own_client() {
    script("looker.py", &[example("sandbox", "looker").as_os_str()]);
}
