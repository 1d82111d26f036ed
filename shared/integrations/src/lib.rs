//! What moves between two systems: the shipped blueprints, as YAML that people read and change.
//!
//! README.md beside this crate describes their format. Adding an integration is one file and one line in `SHIPPED`.

use engine::config::{BlueprintFile, Problems};

/// Every shipped blueprint: its file and its text.
const SHIPPED: [(&str, &str); 1] = [("jde-looker.yaml", include_str!("../jde-looker.yaml"))];

/// Reads all shipped blueprints.
///
/// # Errors
/// When a blueprint is not well-formed, which the tests of this crate rule out.
pub fn blueprints() -> Result<Vec<BlueprintFile>, Problems> {
    SHIPPED
        .iter()
        .map(|(file, text)| BlueprintFile::parse(file, text))
        .collect()
}

/// The text of a shipped blueprint by the name of its integration, for people to read or to start their own from.
pub fn text(integration: &str) -> Option<&'static str> {
    let file = format!("{integration}.yaml");
    SHIPPED.iter().find(|(name, _)| *name == file).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_blueprint_is_without_mistakes() {
        for blueprint in blueprints().unwrap_or_else(|problems| panic!("{problems}")) {
            blueprint.check().unwrap_or_else(|problems| panic!("{problems}"));
        }
    }

    #[test]
    fn every_blueprint_is_found_by_its_own_name() {
        for file in blueprints().unwrap() {
            assert!(
                text(&file.blueprint.integration).is_some(),
                "{}",
                file.blueprint.integration
            );
        }
    }

    #[test]
    fn every_sync_and_every_column_says_what_it_means() {
        for file in blueprints().unwrap() {
            for (stream, sync) in &file.blueprint.syncs {
                assert!(!sync.description.is_empty(), "{stream}");
                for (name, column) in &sync.columns {
                    let described = column.description.as_deref().is_some_and(|text| !text.is_empty());
                    assert!(described, "{stream}.{name} has no description");
                }
            }
        }
    }
}
