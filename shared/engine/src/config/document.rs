//! A YAML file with the place of every field, so that whatever is wrong can be pointed at.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::nodes;
use super::problem::{Problem, Problems};
use super::values::Reader;

/// A place in a file, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// A file as it was written: its fields and where they stand.
#[derive(Debug, Clone)]
pub(super) struct Document {
    file: String,
    root: Node,
}

/// A value and where it begins.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub place: Place,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A word, or a text in quotes or over several lines. What a plain word means depends on what is wanted.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Fields(Vec<Field>),
}

/// A field of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub name: String,
    pub place: Place,
    pub value: Node,
}

impl Document {
    /// Reads a file: its places, and its content as `T`. Unknown fields are found by the schema of `T`, all at once.
    pub(super) fn read<T: DeserializeOwned + JsonSchema>(file: &str, text: &str) -> Result<(T, Self), Problems> {
        let (root, broken) = nodes::parse(text);
        let document = Self { file: file.to_owned(), root };
        #[cfg(feature = "schema")]
        document.knows_all_fields::<T>()?;
        if let Some((place, message)) = broken {
            return Err(document.at(place, &[], message).into());
        }
        match T::deserialize(Reader(&document.root)) {
            Ok(content) => Ok((content, document)),
            Err(wrong) => {
                let (path, message, place) = wrong.into_parts();
                Err(match place {
                    Some(place) => document.at(place, &path, message),
                    None => document.problem(&path, message),
                }
                .into())
            }
        }
    }

    #[cfg(feature = "schema")]
    fn knows_all_fields<T: JsonSchema>(&self) -> Result<(), Problems> {
        let schema = schemars::SchemaGenerator::default().into_root_schema_for::<T>();
        let mut problems = Problems::default();
        for (path, message) in super::fields::unknown(schema.as_value(), &self.root) {
            problems.push(self.name_problem(&path, message));
        }
        problems.or(())
    }

    /// A problem with a field's value. A path that leads nowhere is pointed at where it still led.
    pub(super) fn problem(&self, path: &[String], message: impl Into<String>) -> Problem {
        let (name, value, _) = self.walk(path);
        self.at(value.unwrap_or(name), path, message.into())
    }

    /// A problem with a field's name.
    #[cfg(feature = "schema")]
    pub(super) fn name_problem(&self, path: &[String], message: impl Into<String>) -> Problem {
        self.at(self.walk(path).0, path, message.into())
    }

    /// Whether the file has this field.
    pub(super) fn has(&self, path: &[String]) -> bool {
        self.walk(path).2 == path.len()
    }

    fn at(&self, place: Place, path: &[String], message: String) -> Problem {
        Problem { file: self.file.clone(), place, path: path.join("."), message }
    }

    /// Where a path leads: the place of its last name, that of its value where this is a single one, and how many of
    /// its parts were found.
    fn walk(&self, path: &[String]) -> (Place, Option<Place>, usize) {
        let (mut node, mut name) = (&self.root, self.root.place);
        for (i, part) in path.iter().enumerate() {
            let found = match &node.content {
                Content::Scalar { .. } => None,
                Content::List(items) => {
                    part.parse().ok().and_then(|at: usize| items.get(at)).map(|item| (item.place, item))
                }
                Content::Fields(fields) => {
                    fields.iter().find(|field| field.name == *part).map(|field| (field.place, &field.value))
                }
            };
            match found {
                Some(found) => (name, node) = found,
                None => return (name, None, i),
            }
        }
        let value = matches!(node.content, Content::Scalar { .. }).then_some(node.place);
        (name, value, path.len())
    }
}
