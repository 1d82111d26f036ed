//! The published schema explains every field.

use serde_json::Value as Json;

use super::{Connection, blueprint_schema, tenant_schema};

/// Paths of properties that lack a description or an example.
fn unexplained(schema: &Json) -> Vec<String> {
    let mut found = Vec::new();
    let definitions = schema["$defs"].as_object().into_iter().flatten();
    for (name, schema) in definitions.map(|(name, schema)| (name.as_str(), schema)).chain([("", schema)]) {
        walk(name, schema, &mut found);
    }
    found
}

fn walk(path: &str, schema: &Json, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        // The one field of an alternative names the system; what is under it explains itself.
        let is_alternative =
            property.get("$ref").is_some() && schema["required"].as_array().is_some_and(|r| r.len() == 1);
        if property["description"].as_str().is_none_or(str::is_empty) && !is_alternative {
            found.push(format!("{path} has no description"));
        }
        if property["examples"].as_array().is_none_or(Vec::is_empty) && !is_alternative {
            found.push(format!("{path} has no example"));
        }
        walk(&path, property, found);
    }
    for alternatives in ["anyOf", "oneOf", "allOf"] {
        for alternative in schema[alternatives].as_array().into_iter().flatten() {
            walk(path, alternative, found);
        }
    }
}

#[test]
fn every_field_of_the_tenant_file_has_a_description_and_an_example() {
    assert_eq!(unexplained(&tenant_schema::<Connection>()), Vec::<String>::new());
}

#[test]
fn every_field_of_a_blueprint_has_a_description_and_an_example() {
    assert_eq!(unexplained(&blueprint_schema()), Vec::<String>::new());
}

#[test]
fn the_walk_finds_what_is_not_explained() {
    let schema = serde_json::json!({
        "properties": {"a": {"description": "A"}, "b": {"examples": [1], "anyOf": [{"properties": {"c": {}}}]}}
    });
    assert_eq!(
        unexplained(&schema),
        [".a has no example", ".b has no description", ".b.c has no description", ".b.c has no example"]
    );
}
