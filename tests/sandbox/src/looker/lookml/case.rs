//! `case: { when: { sql: … ;; label: "…" } … else: "…" }`: a dimension of named classes.

use super::LookmlError;
use super::params::Params;
use super::syntax::{Pair, Value};

/// The classes of a dimension, in the order in which they sort.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    /// Condition and label.
    pub(crate) whens: Vec<(String, String)>,
    pub(crate) otherwise: Option<String>,
}

impl Case {
    /// As one expression, whose references are those of the conditions.
    pub(crate) fn sql(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let whens: Vec<String> =
            self.whens.iter().map(|(sql, label)| format!("WHEN {sql} THEN {}", quoted(label))).collect();
        let otherwise = self.otherwise.as_ref().map_or_else(String::new, |label| format!(" ELSE {}", quoted(label)));
        format!("CASE {}{otherwise} END", whens.join(" "))
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.whens.iter().map(|(_, label)| label.as_str()).chain(self.otherwise.as_deref())
    }
}

/// Reads the `case` of a dimension; nothing when it has none.
pub(super) fn read(params: &Params<'_>, errors: &mut Vec<LookmlError>) -> Option<Case> {
    let pair = params.pairs.iter().find(|pair| pair.key == "case")?;
    let Some(block) = block(params, pair, "case", errors) else {
        return Some(Case::default());
    };
    block.check(&["when", "else"], &[], errors);
    let mut case = Case { whens: Vec::new(), otherwise: block.text("else", errors) };
    for when in block.pairs.iter().filter(|pair| pair.key == "when") {
        let Some(when) = self::block(params, when, "when", errors) else {
            continue;
        };
        when.check(&["sql", "label"], &[], errors);
        match when.sql("sql", errors).zip(when.text("label", errors)) {
            Some(class) => case.whens.push(class),
            None => errors.push(when.error(when.line, format!("{} needs sql and label", when.place))),
        }
    }
    if case.whens.is_empty() {
        errors.push(block.error(pair.line, format!("{} needs at least one when", block.place)));
    }
    Some(case)
}

fn block<'a>(params: &Params<'a>, pair: &'a Pair, what: &str, errors: &mut Vec<LookmlError>) -> Option<Params<'a>> {
    let Value::Block { name: None, pairs } = &pair.value else {
        errors.push(params.error(pair.line, format!("\"{what}\" in {} must be a block", params.place)));
        return None;
    };
    Some(Params { place: format!("{what} of {}", params.place), file: params.file, line: pair.line, pairs })
}
