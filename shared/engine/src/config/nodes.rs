//! From YAML to nodes: the events of the parser, put together, with the place of each.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::document::{Content, Field, Node, Place};

/// Deeper nesting is no configuration of ours.
const MAX_DEPTH: usize = 64;

/// A file that repeats its own parts more often is no configuration of ours either.
const MAX_REPEATED: usize = 100_000;

/// Why the reading ended early: where, and in words.
type Broken = (Place, String);

/// Reads a file. What is no YAML ends the reading: then there is what was read until there, and what is wrong.
pub(super) fn parse(text: &str) -> (Node, Option<Broken>) {
    let mut building = Building::default();
    let broken = building.read(text).err();
    (building.finish(), broken)
}

#[derive(Default)]
struct Building {
    /// The groups and lists that are not closed yet.
    open: Vec<Open>,
    root: Option<Node>,
    /// What is named to be repeated, by the parser's number of the name.
    named: HashMap<usize, Node>,
    /// How many nodes are repetitions.
    repeated: usize,
}

struct Open {
    node: Node,
    /// The name whose value comes next.
    pending: Option<(String, Place)>,
    anchor: usize,
}

impl Building {
    fn read(&mut self, text: &str) -> Result<(), Broken> {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|wrong| {
                let marker = wrong.marker();
                (Place { line: marker.line(), column: marker.col() + 1 }, wrong.info().escape_debug().to_string())
            })?;
            let place = place_of(&span);
            match event {
                Event::MappingStart(_, anchor, _) => self.open(place, Content::Fields(Vec::new()), anchor)?,
                Event::SequenceStart(_, anchor, _) => self.open(place, Content::List(Vec::new()), anchor)?,
                Event::MappingEnd | Event::SequenceEnd => {
                    if let Some(Open { node, anchor, .. }) = self.open.pop() {
                        self.add(node, anchor)?;
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                    let plain = style == ScalarStyle::Plain && !is_text;
                    self.add(Node { place, content: Content::Scalar { text: text.into_owned(), plain } }, anchor)?;
                }
                Event::Alias(anchor) => {
                    let known =
                        self.named.get(&anchor).ok_or_else(|| (place, "this names what it stands in".to_owned()))?;
                    self.repeated += known.count();
                    if self.repeated > MAX_REPEATED {
                        return Err((place, "this file repeats its own parts too often".to_owned()));
                    }
                    let node = Node { place, content: known.content.clone() };
                    self.add(node, 0)?;
                }
                Event::DocumentStart(..) if self.root.is_some() => {
                    return Err((place, "a second document begins here: write one per file".to_owned()));
                }
                _ => {}
            }
        }
        match self.root {
            Some(_) => Ok(()),
            None => Err((Place { line: 1, column: 1 }, "unexpected end of file".to_owned())),
        }
    }

    fn open(&mut self, place: Place, content: Content, anchor: usize) -> Result<(), Broken> {
        if self.open.len() >= MAX_DEPTH {
            return Err((place, format!("this is nested more than {MAX_DEPTH} levels deep")));
        }
        self.open.push(Open { node: Node { place, content }, pending: None, anchor });
        Ok(())
    }

    /// A node is complete: it goes to where it belongs.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Broken> {
        if anchor != 0 {
            self.named.insert(anchor, node.clone());
        }
        let Some(Open { node: Node { content, .. }, pending, .. }) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (content, pending.take(), node) {
            (Content::List(items), _, node) => items.push(node),
            (Content::Fields(fields), Some((name, place)), value) => fields.push(Field { name, place, value }),
            (_, None, Node { place, content: Content::Scalar { text, .. } }) => *pending = Some((text, place)),
            (_, _, node) => return Err((node.place, "a name is needed here".to_owned())),
        }
        Ok(())
    }

    /// What was read, also of a file that ends in the middle.
    fn finish(mut self) -> Node {
        while let Some(Open { node, .. }) = self.open.pop() {
            self.root = Some(node);
        }
        let nothing = Content::Scalar { text: String::new(), plain: true };
        self.root.unwrap_or(Node { place: Place { line: 1, column: 1 }, content: nothing })
    }
}

impl Node {
    /// How many nodes it is.
    fn count(&self) -> usize {
        1 + match &self.content {
            Content::Scalar { .. } => 0,
            Content::List(items) => items.iter().map(Self::count).sum(),
            Content::Fields(fields) => fields.iter().map(|field| field.value.count()).sum(),
        }
    }
}

fn place_of(span: &Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}
