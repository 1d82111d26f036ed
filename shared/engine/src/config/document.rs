//! A YAML file with the place of every field, so that whatever is wrong can be pointed at.

use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_saphyr::granit_parser::{Event, Parser, Span};
use serde_saphyr::{Error as YamlError, MessageFormatter, UserMessageFormatter};

use super::fields;
use super::problem::{Problem, Problems};

/// Deeper nesting is no configuration of ours; its places are not kept.
const MAX_DEPTH: usize = 64;

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
    place: Place,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Scalar,
    List(Vec<Node>),
    Fields(Vec<Field>),
}

/// A field of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub name: String,
    place: Place,
    pub value: Node,
}

impl Document {
    /// Reads a file: its places, and its content as `T`. Unknown fields are found by the schema of `T`, all at once.
    pub(super) fn read<T: DeserializeOwned + JsonSchema>(file: &str, text: &str) -> Result<(T, Self), Problems> {
        let document = Self { file: file.to_owned(), root: parse(text) };
        let schema = SchemaGenerator::default().into_root_schema_for::<T>();
        let mut problems = Problems::default();
        for (path, message) in fields::unknown(schema.as_value(), &document.root) {
            problems.push(document.name_problem(&path, message));
        }
        problems.or(())?;
        match serde_saphyr::from_str(text) {
            Ok(content) => Ok((content, document)),
            Err(error) => Err(document.unreadable(&error).into()),
        }
    }

    /// A problem with a field's value. A path that leads nowhere is pointed at where it still led.
    pub(super) fn problem(&self, path: &[String], message: impl Into<String>) -> Problem {
        let (name, value, _) = self.walk(path);
        self.at(value.unwrap_or(name), path, message.into())
    }

    /// A problem with a field's name.
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
                Content::Scalar => None,
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
        let value = matches!(node.content, Content::Scalar).then_some(node.place);
        (name, value, path.len())
    }

    /// The path of the last field that begins at or before a place.
    fn path_at(&self, at: Place) -> Vec<String> {
        let mut path = Vec::new();
        let mut node = &self.root;
        loop {
            let next = match &node.content {
                Content::Scalar => None,
                Content::List(items) => {
                    let last = items.iter().enumerate().rev().find(|(_, item)| item.place <= at);
                    last.map(|(i, item)| (i.to_string(), item))
                }
                Content::Fields(fields) => {
                    let last = fields.iter().rev().find(|field| field.place <= at);
                    last.map(|field| (field.name.clone(), &field.value))
                }
            };
            let Some((part, child)) = next else { return path };
            path.push(part);
            node = child;
        }
    }

    fn unreadable(&self, error: &YamlError) -> Problem {
        let error = error.without_snippet();
        let place = error.location().map_or(Place { line: 1, column: 1 }, |location| Place {
            line: usize::try_from(location.line()).unwrap_or_default(),
            column: usize::try_from(location.column()).unwrap_or_default(),
        });
        let mut path = self.path_at(place);
        match error {
            YamlError::SerdeMissingField { field, .. } => {
                path.pop();
                path.push((*field).to_owned());
                self.problem(&path, format!("`{field}` is missing: add it"))
            }
            YamlError::SerdeInvalidType { .. }
            | YamlError::SerdeInvalidValue { .. }
            | YamlError::SerdeUnknownVariant { .. } => self.problem(&path, words(error)),
            _ => self.at(place, &path, words(error)),
        }
    }
}

/// What is wrong, in words of the files.
fn words(error: &YamlError) -> String {
    match error {
        YamlError::SerdeInvalidType { unexpected, expected, .. }
        | YamlError::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("{unexpected} stands here, and {expected} is needed")
        }
        YamlError::SerdeUnknownVariant { variant, expected, .. } => {
            let nearest = super::nearest(variant, expected.iter().copied());
            format!("`{variant}` is none of {}{nearest}", expected.join(", "))
        }
        YamlError::DuplicateMappingKey { key: Some(key), .. } => format!("`{key}` stands here twice: keep one"),
        YamlError::InvalidScalar { ty: "bool", .. } => "true or false is needed here".to_owned(),
        YamlError::InvalidScalar { ty, .. } if ty.starts_with(['i', 'u']) => "a whole number is needed here".to_owned(),
        YamlError::Unexpected { expected, .. } => format!("{} is needed here", named(expected)),
        YamlError::NullIntoString { .. } => "nothing stands here, and a text is needed".to_owned(),
        other => UserMessageFormatter.format_message(other).escape_debug().to_string(),
    }
}

/// What the parser expected, in words of the files.
fn named(expected: &str) -> &str {
    match expected {
        "mapping start" => "a group of fields",
        "sequence start" => "a list",
        other => other,
    }
}

/// Reads the places. What is no YAML ends the reading; the parser proper then says what is wrong.
fn parse(text: &str) -> Node {
    let mut open: Vec<(Node, Option<Field>)> = Vec::new();
    let mut parser = Parser::new_from_str(text);
    let mut root = Node { place: Place { line: 1, column: 1 }, content: Content::Scalar };
    while let Some(Ok((event, span))) = parser.next_event() {
        if open.len() > MAX_DEPTH {
            break;
        }
        let place = place_of(&span);
        let (node, name) = match event {
            Event::MappingStart(..) => {
                open.push((Node { place, content: Content::Fields(Vec::new()) }, None));
                continue;
            }
            Event::SequenceStart(..) => {
                open.push((Node { place, content: Content::List(Vec::new()) }, None));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some((node, _)) => (node, None),
                None => break,
            },
            Event::Scalar(text, ..) => (Node { place, content: Content::Scalar }, Some(text.into_owned())),
            Event::Alias(_) => (Node { place, content: Content::Scalar }, None),
            Event::DocumentEnd => break,
            _ => continue,
        };
        match open.last_mut() {
            None => root = node,
            Some((Node { content: Content::List(items), .. }, _)) => items.push(node),
            Some((Node { content: Content::Fields(fields), .. }, pending)) => match pending.take() {
                Some(field) => fields.push(Field { value: node, ..field }),
                None => *pending = Some(Field { name: name.unwrap_or_default(), place, value: node }),
            },
            Some(_) => {}
        }
    }
    // A file that ends in the middle keeps what was read.
    while let Some((node, _)) = open.pop() {
        root = node;
    }
    root
}

fn place_of(span: &Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}
