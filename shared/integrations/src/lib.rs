//! What moves between two systems: the shipped blueprints, as YAML that people read and change.
//!
//! README.md beside this crate describes their format. Adding an integration is one file and one line in `SHIPPED`.

use engine::config::{BlueprintFile, Problems};

/// Every shipped blueprint: its file and its text.
const SHIPPED: [(&str, &str); 3] = [
    ("jde-looker.yaml", include_str!("../jde-looker.yaml")),
    ("peoplesoft-databricks.yaml", include_str!("../peoplesoft-databricks.yaml")),
    ("peoplesoft-looker.yaml", include_str!("../peoplesoft-looker.yaml")),
];

/// Reads all shipped blueprints.
///
/// # Errors
/// When a blueprint is not well-formed, which the tests of this crate rule out.
pub fn blueprints() -> Result<Vec<BlueprintFile>, Problems> {
    let files = SHIPPED.iter().map(|(file, text)| BlueprintFile::parse(file, text));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    Ok(files.iter().map(|file| file.clone().including(&files)).collect())
}

/// The text of a shipped blueprint by the name of its integration, for people to read or to start their own from.
pub fn text(integration: &str) -> Option<&'static str> {
    let file = format!("{integration}.yaml");
    SHIPPED.iter().find(|(name, _)| *name == file).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests;
