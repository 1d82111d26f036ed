//! What the query string of a query says: which parameters came, and the answers to the prompts.
//!
//! Invariant: URI templates are literal. A parameter that no delivered template has, a missing one, one in the wrong place or
//! in the wrong case is no match, and nothing is guessed.

use chrono::{NaiveDate, NaiveDateTime};

use super::cell::{Cell, Decimal};
use super::definition::{Prompt, PromptKind, QueryDefinition};
use super::error::Refusal;
use super::http::{Request, decode};
use super::settings::Settings;

/// The parameters of the delivered templates, in their order.
const TEMPLATE: [&str; 7] = [
    "isconnectedquery",
    "maxrows",
    "prompt_psqueryname",
    "prompt_uniquepromptname",
    "prompt_fieldvalue",
    "filterfields",
    "json_resp",
];

/// A query as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// `maxrows`; 0 is all.
    pub(super) max_rows: usize,
    pub(super) names: Vec<String>,
    pub(super) values: Vec<String>,
    /// Unique names of the columns wanted; nothing is all.
    pub(super) filter: Option<Vec<String>>,
    pub(super) json: bool,
}

/// Parameters as they came: name, and value not decoded.
pub(super) fn raw(request: &Request) -> Vec<(String, &str)> {
    let pairs = request.query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), value)
        })
        .collect()
}

impl Asked {
    /// Reads the query string of an `ExecuteQuery` call.
    pub(super) fn read(request: &Request, settings: &Settings) -> Result<Self, Refusal> {
        let parameters = raw(request);
        let no_template = || Refusal::NoTemplate(request.path.clone());
        let mut places = Vec::new();
        for (name, _) in &parameters {
            let place = TEMPLATE.iter().position(|known| known == name).ok_or_else(no_template)?;
            if places.contains(&place) || (name == "json_resp" && !settings.json) {
                return Err(no_template());
            }
            places.push(place);
        }
        if settings.parameters_in_order && !places.is_sorted() {
            return Err(no_template());
        }
        let value = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        let names = value("prompt_uniquepromptname");
        let values = value("prompt_fieldvalue");
        if names.is_some() != values.is_some() {
            return Err(no_template());
        }
        let connected = value("isconnectedquery").map(|flag| flag.to_ascii_uppercase());
        match connected.as_deref() {
            None | Some("N") => {}
            Some("Y") => return Err(Refusal::QueryFailed("The connected query does not exist.".into())),
            Some(_) => return Err(no_template()),
        }
        let max_rows = value("maxrows").map(decode).ok_or_else(no_template)?;
        let max_rows = max_rows.parse().map_err(|_| Refusal::QueryFailed("maxrows must be a number.".into()))?;
        let split = |list: &str| split(list, settings.split_encoded_commas);
        Ok(Self {
            max_rows,
            names: names.map_or_else(Vec::new, split),
            values: values.map_or_else(Vec::new, split),
            filter: value("filterfields").filter(|list| !list.is_empty()).map(split),
            json: value("json_resp").is_some_and(|flag| decode(flag) == "true"),
        })
    }

    /// The answers in the order of the query's prompts.
    pub(super) fn answers(&self, query: &QueryDefinition, settings: &Settings) -> Result<Vec<Cell>, Refusal> {
        let failed = |text: String| Refusal::QueryFailed(text);
        let (names, values) = (present(&self.names), present(&self.values));
        if query.prompts.is_empty() && names.is_empty() {
            return Ok(Vec::new());
        }
        if names.len() != self.values.len() {
            return Err(failed(format!("{} prompt names came with {} values.", names.len(), values.len())));
        }
        let wanted: Vec<String> =
            query.prompts.iter().enumerate().map(|(place, prompt)| prompt.unique_name(place)).collect();
        if let Some(unknown) = names.iter().find(|name| !wanted.contains(name)) {
            return Err(failed(format!("Prompt {unknown} does not exist in query {}.", query.name)));
        }
        if let Some(missing) = wanted.iter().find(|name| !names.contains(name)) {
            return Err(failed(format!("A value is required for prompt {missing} of query {}.", query.name)));
        }
        if names.len() != wanted.len() || (settings.prompts_in_order && names != wanted.as_slice()) {
            return Err(failed(format!(
                "The prompts of query {} are {}, in this order.",
                query.name,
                wanted.join(",")
            )));
        }
        let mut answers = Vec::with_capacity(wanted.len());
        for (prompt, name) in query.prompts.iter().zip(&wanted) {
            let place = names.iter().position(|known| known == name).unwrap_or(0);
            let text = self.values.get(place).map_or("", String::as_str);
            let answer = answer(prompt, text);
            answers.push(answer.ok_or_else(|| failed(format!("Invalid value \"{text}\" for prompt {name}.")))?);
        }
        Ok(answers)
    }
}

/// An empty list comes as one empty item.
fn present(items: &[String]) -> &[String] {
    match items {
        [only] if only.is_empty() => &[],
        items => items,
    }
}

fn split(list: &str, encoded: bool) -> Vec<String> {
    if encoded {
        return decode(list).split(',').map(str::to_owned).collect();
    }
    list.split(',').map(decode).collect()
}

/// What a prompt makes of a text; nothing when it cannot.
pub(super) fn answer(prompt: &Prompt, text: &str) -> Option<Cell> {
    let text = text.trim_end();
    let pattern = |usual: &'static str| prompt.pattern.clone().unwrap_or_else(|| usual.into());
    if text.is_empty() {
        return Some(match prompt.kind {
            PromptKind::Text => Cell::from(""),
            PromptKind::Number => Cell::Number(Decimal::new(0, 0)),
            PromptKind::Date | PromptKind::DateTime => Cell::Null,
        });
    }
    match prompt.kind {
        PromptKind::Text => Some(Cell::from(text)),
        PromptKind::Number => Decimal::parse(text).map(Cell::Number),
        PromptKind::Date => NaiveDate::parse_from_str(text, &pattern("%Y-%m-%d")).ok().map(Cell::Date),
        PromptKind::DateTime => {
            let pattern = pattern("%Y-%m-%d-%H.%M.%S%.f");
            NaiveDateTime::parse_from_str(text, &pattern).ok().map(Cell::DateTime)
        }
    }
}
