//! Reading the parameters of one block, strictly: a parameter is understood, known to be without effect here, or an
//! error.
//!
//! Invariant: nothing is skipped silently. What the real product knows and the simulator does not need stands in an
//! explicit list beside the block it belongs to.

use super::LookmlError;
use super::syntax::{Item, Pair, Value};

/// The parameters of one block.
pub(super) struct Params<'a> {
    /// For messages: `dimension: amount`.
    pub(super) place: String,
    pub(super) file: &'a str,
    pub(super) line: usize,
    pub(super) pairs: &'a [Pair],
}

impl<'a> Params<'a> {
    pub(super) fn error(&self, line: usize, message: impl Into<String>) -> LookmlError {
        LookmlError { file: self.file.into(), line, message: message.into() }
    }

    /// Complains about every parameter that is in neither list, and about single ones that come twice.
    pub(super) fn check(&self, understood: &[&str], ignored: &[&str], errors: &mut Vec<LookmlError>) {
        const REPEATED: &[&str] = &[
            "access_grant",
            "datagroup",
            "dimension",
            "dimension_group",
            "explore",
            "filters",
            "include",
            "join",
            "link",
            "measure",
            "named_value_format",
            "set",
            "test",
            "view",
            "when",
        ];
        for (at, pair) in self.pairs.iter().enumerate() {
            let key = pair.key.as_str();
            if !understood.contains(&key) && !ignored.contains(&key) {
                errors.push(self.error(pair.line, format!("Unknown parameter \"{key}\" in {}", self.place)));
            }
            let before = self.pairs.iter().take(at).any(|earlier| earlier.key == pair.key);
            if before && !REPEATED.contains(&key) {
                errors.push(self.error(pair.line, format!("Duplicate parameter \"{key}\" in {}", self.place)));
            }
        }
    }

    fn find(&self, key: &str) -> Option<&'a Pair> {
        self.pairs.iter().find(|pair| pair.key == key)
    }

    fn wrong(&self, pair: &Pair, wanted: &str) -> LookmlError {
        self.error(pair.line, format!("\"{}\" in {} must be {wanted}", pair.key, self.place))
    }

    /// A quoted text or a bare word.
    pub(super) fn text(&self, key: &str, errors: &mut Vec<LookmlError>) -> Option<String> {
        let pair = self.find(key)?;
        match &pair.value {
            Value::Text(text) | Value::Word(text) => Some(text.clone()),
            _ => {
                errors.push(self.wrong(pair, "a text"));
                None
            }
        }
    }

    /// `yes` or `no`.
    pub(super) fn yes(&self, key: &str, errors: &mut Vec<LookmlError>) -> Option<bool> {
        let pair = self.find(key)?;
        match &pair.value {
            Value::Word(word) if word == "yes" => Some(true),
            Value::Word(word) if word == "no" => Some(false),
            _ => {
                errors.push(self.wrong(pair, "yes or no"));
                None
            }
        }
    }

    /// SQL up to `;;`.
    pub(super) fn sql(&self, key: &str, errors: &mut Vec<LookmlError>) -> Option<String> {
        let pair = self.find(key)?;
        let Value::Sql(sql) = &pair.value else {
            errors.push(self.wrong(pair, "SQL that ends in ;;"));
            return None;
        };
        if sql.contains("{%") || sql.contains("{{") || sql.contains("@{") {
            errors.push(self.error(pair.line, format!("Liquid and constants are not simulated, in {}", self.place)));
        }
        Some(sql.clone())
    }

    /// `[a, b]`
    pub(super) fn list(&self, key: &str, errors: &mut Vec<LookmlError>) -> Option<Vec<String>> {
        let pair = self.find(key)?;
        let names = match &pair.value {
            Value::List(items) => items.iter().map(|item| match item {
                Item::One(name) => Some(name.clone()),
                Item::Pair(..) => None,
            }),
            _ => {
                errors.push(self.wrong(pair, "a list"));
                return None;
            }
        };
        let names: Option<Vec<String>> = names.collect();
        if names.is_none() {
            errors.push(self.wrong(pair, "a list of names"));
        }
        names
    }

    /// `filters: [field: "expression", …]`, and the older `filters: { field: … value: "…" }`.
    pub(super) fn filters(&self, errors: &mut Vec<LookmlError>) -> Vec<(String, String)> {
        let mut filters = Vec::new();
        for pair in self.pairs.iter().filter(|pair| pair.key == "filters") {
            let read = match &pair.value {
                Value::List(items) => items.iter().map(|item| match item {
                    Item::Pair(field, expression) => Some((field.clone(), expression.clone())),
                    Item::One(_) => None,
                }),
                Value::Block { pairs, .. } => {
                    let block = Params { place: self.place.clone(), file: self.file, line: pair.line, pairs };
                    block.check(&["field", "value"], &[], errors);
                    match block.text("field", errors).zip(block.text("value", errors)) {
                        Some(filter) => filters.push(filter),
                        None => errors.push(self.wrong(pair, "a field and a value")),
                    }
                    continue;
                }
                _ => {
                    errors.push(self.wrong(pair, "a list of field: \"expression\""));
                    continue;
                }
            };
            match read.collect::<Option<Vec<_>>>() {
                Some(read) => filters.extend(read),
                None => errors.push(self.wrong(pair, "a list of field: \"expression\"")),
            }
        }
        filters
    }

    /// The named blocks of one kind (`dimension: amount { … }`), in their order.
    pub(super) fn blocks(&self, key: &str, errors: &mut Vec<LookmlError>) -> Vec<(String, Params<'a>)> {
        let mut blocks = Vec::new();
        for pair in self.pairs.iter().filter(|pair| pair.key == key) {
            match &pair.value {
                Value::Block { name: Some(name), pairs } if is_name(name) => {
                    let place = format!("{key}: {name}");
                    blocks.push((name.clone(), Params { place, file: self.file, line: pair.line, pairs }));
                }
                Value::Block { name: Some(name), .. } => {
                    let message = format!("\"{name}\" is not a name: lower-case letters, digits and _ are");
                    errors.push(self.error(pair.line, message));
                }
                _ => errors.push(self.wrong(pair, "a name and a block")),
            }
        }
        blocks
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
