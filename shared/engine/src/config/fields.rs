//! Unknown fields, found by the schema: all of them at once, each with the nearest known name.

use serde_json::Value as Json;

use super::document::{Content, Node};

/// Deeper nesting is no configuration of ours.
const MAX_DEPTH: usize = 32;

/// Paths of fields that the schema does not know, with what to say about them.
pub(super) fn unknown(schema: &Json, root: &Node) -> Vec<(Vec<String>, String)> {
    let mut search = Search { definitions: schema.get("$defs"), path: Vec::new(), found: Vec::new() };
    search.visit(&[schema], root);
    search.found
}

struct Search<'s> {
    definitions: Option<&'s Json>,
    path: Vec<String>,
    found: Vec<(Vec<String>, String)>,
}

impl<'s> Search<'s> {
    fn visit(&mut self, schemas: &[&'s Json], node: &Node) {
        if self.path.len() > MAX_DEPTH {
            return;
        }
        let mut choices = Vec::new();
        for schema in schemas {
            self.expand(schema, &mut choices, 0);
        }
        match &node.content {
            Content::Scalar { .. } => {}
            Content::List(items) => {
                let schemas: Vec<_> = choices.iter().filter_map(|choice| choice.get("items")).collect();
                for (i, item) in items.iter().enumerate() {
                    self.enter(i.to_string(), &schemas, item);
                }
            }
            Content::Fields(fields) => {
                let open = choices.iter().all(|choice| choice.get("additionalProperties").is_none());
                let known: Vec<_> = choices.iter().filter_map(|choice| choice.get("properties")?.as_object()).collect();
                for field in fields {
                    // A merge key stands for the fields of another group.
                    if field.name == "<<" {
                        self.visit(&choices, &field.value);
                        continue;
                    }
                    let mut schemas: Vec<_> = known.iter().filter_map(|known| known.get(&field.name)).collect();
                    schemas.extend(
                        choices
                            .iter()
                            .filter_map(|choice| choice.get("additionalProperties"))
                            .filter(|s| s.is_object()),
                    );
                    if schemas.is_empty() && !open {
                        self.report(&field.name, &known);
                    } else {
                        self.enter(field.name.clone(), &schemas, &field.value);
                    }
                }
            }
        }
    }

    fn enter(&mut self, part: String, schemas: &[&'s Json], node: &Node) {
        self.path.push(part);
        self.visit(schemas, node);
        self.path.pop();
    }

    fn report(&mut self, name: &str, known: &[&'s serde_json::Map<String, Json>]) {
        let names = || known.iter().flat_map(|known| known.keys().map(String::as_str));
        let nearest = super::nearest(name, names());
        let hint = if nearest.is_empty() {
            format!("; known are {}", names().collect::<Vec<_>>().join(", "))
        } else {
            nearest
        };
        let path = self.path.iter().cloned().chain([name.to_owned()]).collect();
        self.found.push((path, format!("`{name}` is unknown here{hint}")));
    }

    /// The schema itself, or what its references and alternatives say.
    fn expand(&self, schema: &'s Json, into: &mut Vec<&'s Json>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        let reference = schema.get("$ref").and_then(Json::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
        if let Some(definition) = reference.and_then(|name| self.definitions?.get(name)) {
            self.expand(definition, into, depth + 1);
        }
        for alternatives in ["anyOf", "oneOf", "allOf"] {
            for alternative in schema.get(alternatives).and_then(Json::as_array).into_iter().flatten() {
                self.expand(alternative, into, depth + 1);
            }
        }
        if schema.get("properties").is_some()
            || schema.get("additionalProperties").is_some()
            || schema.get("items").is_some()
        {
            into.push(schema);
        }
    }
}
