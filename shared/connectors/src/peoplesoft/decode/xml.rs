//! XML answers (`XMLP`): `query > row > field`, and notices of the Integration Broker.

use std::borrow::Cow;

use engine::model::rows::RowsWriter;
use engine::model::value::Value;
use engine::ports::TooBig;
use engine::{Error, Result};
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::super::refusal::Failure;
use super::{Layout, Taken};
use crate::cells::Names;

/// What the last block of an answer says of itself.
const LAST_BLOCK: &str = "finalBlockRetrieved";

/// Decodes the rows of an XML answer.
pub(super) fn rows(text: &str, layout: &Layout, rows: &mut RowsWriter) -> Result<Taken, Failure> {
    let mut xml =
        Rows { layout, rows, taken: Taken::default(), cells: Vec::new(), seen: Vec::new(), bytes: 0, last: None };
    let broken =
        |why: &dyn std::fmt::Display| Error::later(format!("the XML of {} cannot be read: {why}", layout.what));
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    // The names of the elements that are open, and the text of the innermost.
    let (mut open, mut content) = (Vec::<String>::new(), String::new());
    loop {
        match reader.read_event().map_err(|e| broken(&e))? {
            Event::Start(element) => {
                let name = local(&element);
                match name.as_str() {
                    "query" => xml.count(&element),
                    "row" => xml.begin(),
                    _ => {}
                }
                open.push(name);
                content.clear();
            }
            Event::Text(text) => content.push_str(&text),
            Event::CData(text) => content.push_str(&text),
            Event::GeneralRef(entity) => {
                content.push_str(&resolved(&entity).ok_or_else(|| broken(&"an unknown entity"))?)
            }
            Event::End(_) => {
                let name = open.pop().unwrap_or_default();
                match (open.last().map(String::as_str), name.as_str()) {
                    (_, "row") => xml.end()?,
                    (Some("row"), field) => xml.cell(field, &content)?,
                    (_, "status") => xml.last = Some(content.trim().to_owned()),
                    _ => {}
                }
                content.clear();
            }
            Event::Eof if !open.is_empty() => return Err(broken(&"it was cut short").into()),
            Event::Eof => break,
            _ => {}
        }
    }
    xml.done()
}

/// An element's or attribute's name without its prefix.
fn local(element: &BytesStart<'_>) -> String {
    element.local_name().as_ref().to_owned()
}

/// The characters that an entity stands for.
fn resolved(entity: &BytesRef<'_>) -> Option<Cow<'static, str>> {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        return Some(Cow::Owned(character.to_string()));
    }
    quick_xml::escape::resolve_predefined_entity(entity).map(Cow::Borrowed)
}

struct Rows<'a> {
    layout: &'a Layout,
    rows: &'a mut RowsWriter,
    taken: Taken,
    cells: Vec<Value<'static>>,
    seen: Vec<bool>,
    bytes: usize,
    last: Option<String>,
}

impl Rows<'_> {
    fn count(&mut self, element: &BytesStart<'_>) {
        self.taken.found = true;
        let told = element.attributes().flatten().find(|attribute| attribute.key.as_ref() == "numrows");
        self.taken.count = told.map(|told| told.value.into_owned());
    }

    fn begin(&mut self) {
        self.cells = vec![Value::Null; self.layout.width()];
        self.seen = vec![false; self.layout.width()];
        self.bytes = 0;
    }

    fn cell(&mut self, field: &str, content: &str) -> Result<()> {
        self.bytes += content.len();
        let Some(column) = self.layout.find(field) else { return Ok(()) };
        if std::mem::replace(&mut self.seen[column], true)
            && let Some(refusal) = self.layout.twice(column)
        {
            return Err(refusal);
        }
        self.cells[column] = Value::Text(content.to_owned().into());
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let missing: Vec<_> = self.seen.iter().enumerate().filter(|(_, seen)| !**seen).map(|(at, _)| at).collect();
        if !missing.is_empty() {
            return Err(self.layout.missing(&missing));
        }
        let values = |columns: &[usize]| {
            let text = |at: &usize| self.cells.get(*at).map(|cell| cell.to_text().into_owned());
            columns.iter().map(text).collect::<Vec<_>>()
        };
        let (after, key) = (values(&self.layout.after), values(&self.layout.key));
        if self.taken.rows == 0 {
            self.taken.first = Some(after.clone());
        }
        self.taken.last = Some(after);
        self.taken.rows += 1;
        if self.bytes > self.layout.max_record_bytes {
            let key = key.into_iter().map(Option::unwrap_or_default).collect();
            self.taken.too_big.push(TooBig { key, bytes: self.bytes });
            return Ok(());
        }
        self.cells.truncate(self.layout.carried);
        self.layout.treat(&mut self.cells);
        self.rows.push(&self.cells);
        Ok(())
    }

    fn done(self) -> Result<Taken, Failure> {
        let what = &self.layout.what;
        if !self.taken.found {
            let why = format!("the XML of {what} holds no rows and does not say that there are none");
            return Err(Failure::NoRows(Error::later(why)));
        }
        if let Some(status) = self.last.filter(|status| status != LAST_BLOCK) {
            return Err(Error::later(format!("the answer of {what} is not whole: it says «{status}»")).into());
        }
        let told = self.taken.count.as_deref().and_then(|told| told.trim().parse::<usize>().ok());
        match told {
            Some(told) if told != self.taken.rows => Err(Error::later(format!(
                "the answer of {what} was cut short: it says {told} rows and holds {}",
                self.taken.rows
            ))
            .into()),
            _ => Ok(self.taken),
        }
    }
}

/// What an XML answer that is no rows says: a response of the Integration Broker, a SOAP fault, or any other fault.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::peoplesoft) struct Notice {
    /// Whether it is one of the Integration Broker itself.
    pub(in crate::peoplesoft) is_response: bool,
    /// Whether it says that something failed.
    pub(in crate::peoplesoft) is_failure: bool,
    /// Its words, with message set and number where they are not in the words.
    pub(in crate::peoplesoft) words: String,
}

impl Notice {
    /// Reads one; nothing when the text is no XML, or is HTML.
    pub(in crate::peoplesoft) fn read(text: &str) -> Option<Self> {
        let mut reader = Reader::from_str(text);
        let mut notice = Self::default();
        let (mut open, mut content, mut found) = (Vec::<String>::new(), String::new(), Vec::<(String, String)>::new());
        let (mut is_first, mut is_of_rows) = (true, false);
        loop {
            match reader.read_event() {
                Ok(Event::Start(element) | Event::Empty(element)) if is_first => {
                    let name = local(&element);
                    if name.eq_ignore_ascii_case("html") {
                        return None;
                    }
                    is_of_rows = name.starts_with("QAS_");
                    notice.is_failure = is_fault(&name);
                    open.push(name);
                    is_first = false;
                    notice.of_type(&element);
                }
                Ok(Event::Start(element)) => {
                    let name = local(&element);
                    // Rows are decoded elsewhere; they name no failure.
                    if is_of_rows && matches!(name.as_str(), "row" | "query") {
                        return Some(notice);
                    }
                    notice.is_failure |= is_fault(&name);
                    notice.of_type(&element);
                    open.push(name);
                    content.clear();
                }
                Ok(Event::Text(text)) => content.push_str(&text),
                Ok(Event::CData(text)) => content.push_str(&text),
                Ok(Event::GeneralRef(entity)) => content.push_str(&resolved(&entity).unwrap_or_default()),
                Ok(Event::End(_)) => {
                    found.push((open.pop().unwrap_or_default(), std::mem::take(&mut content).trim().to_owned()));
                }
                // What was said before it broke off is said.
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
        if is_first {
            return None;
        }
        notice.words = words(&found);
        Some(notice)
    }

    fn of_type(&mut self, element: &BytesStart<'_>) {
        if local(element) == "IBResponse" {
            self.is_response = true;
            let kind = element.attributes().flatten().find(|attribute| attribute.key.as_ref() == "type");
            self.is_failure |= kind.is_none_or(|kind| !kind.value.eq_ignore_ascii_case("success"));
        }
    }
}

fn is_fault(name: &str) -> bool {
    name.to_ascii_uppercase().ends_with("FAULT")
}

/// The message, its parameters, and its number where the message does not end with it.
fn words(found: &[(String, String)]) -> String {
    let of = |name: &str| {
        found.iter().find(|(known, text)| known == name && !text.is_empty()).map(|(_, text)| text.as_str())
    };
    let message = ["DefaultMessage", "faultstring", "IBDefaultMessage", "message"].iter().find_map(|name| of(name));
    let mut words = message.map_or_else(
        || found.iter().map(|(_, text)| text.as_str()).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; "),
        str::to_owned,
    );
    if let (Some(set), Some(number)) = (of("MessageSetID"), of("MessageID")) {
        let code = format!("({set},{number})");
        if !words.contains(&code) {
            words = format!("{words} {code}");
        }
    }
    let parameters =
        found.iter().filter(|(name, text)| name == "Parameter" && !text.is_empty() && !words.contains(text));
    let parameters: Vec<_> = parameters.map(|(_, text)| text.as_str()).collect();
    if !parameters.is_empty() {
        words = format!("{words} [{}]", parameters.join(", "));
    }
    words
}
