//! Records before and after mapping, side by side.

use std::collections::HashMap;

use engine::mapping::ColumnSpec;
use engine::plan::SyncPlan;
use engine::stages::Previewed;
use serde_json::{Map, Value as Json};

use crate::words::{Columns, indented, shortened};

/// The longest value that is shown.
const WIDTH: usize = 60;

/// Where the columns of a table come from.
#[derive(Debug)]
pub struct Origins(HashMap<String, ColumnSpec>);

impl Origins {
    /// The origins that these declarations name.
    pub fn new(columns: HashMap<String, ColumnSpec>) -> Self {
        Self(columns)
    }

    /// What a column comes from, in words, and as it came.
    fn of(&self, column: &str, source: &Map<String, Json>) -> (String, String) {
        let Some(spec) = self.0.get(column) else {
            return (String::new(), String::new());
        };
        if let Some(from) = &spec.from {
            let came = from.0.iter().map(|name| source.get(name).map_or_else(String::new, value_text));
            return (from.0.join(" "), came.collect::<Vec<_>>().join(" "));
        }
        let worked_out = match (&spec.expr, &spec.lookup) {
            (Some(expression), _) => expression.clone(),
            (None, Some(lookup)) => format!("its record in {}", lookup.stream),
            (None, None) => "its default".to_owned(),
        };
        (shortened(&worked_out, WIDTH), String::new())
    }
}

/// One record after the other: each destination column, what it becomes, and the source column it comes from.
pub fn text(plan: &SyncPlan, origins: &Origins, previews: &[Previewed]) -> String {
    let mut text = String::new();
    for (i, preview) in previews.iter().enumerate() {
        if i > 0 {
            text.push('\n');
        }
        let key = preview.key.as_deref().unwrap_or("a record without a usable key");
        match (&preview.held, &preview.mapped) {
            (None, Some(_)) => text.push_str(&format!("{key}: would be written to {}\n", plan.table.name)),
            (Some(why), _) => text.push_str(&format!("{key}: would not be written: {why}\n")),
            (None, None) => text.push_str(&format!("{key}: would not be written\n")),
        }
        text.push_str(&indented(&columns(plan, origins, preview).text(), 2));
    }
    text
}

fn columns(plan: &SyncPlan, origins: &Origins, preview: &Previewed) -> Columns {
    let Some(mapped) = &preview.mapped else {
        let mut columns = Columns::new(&["source column", "value"]);
        for (name, value) in &preview.source {
            columns.row([name.clone(), value_text(value)]);
        }
        return columns;
    };
    let mut columns = Columns::new(&["column", "becomes", "from", "as it came"]);
    for column in &plan.table.columns {
        let becomes = mapped.get(&column.name).map_or_else(String::new, value_text);
        let (from, came) = origins.of(&column.name, &preview.source);
        columns.row([column.name.clone(), becomes, from, came]);
    }
    columns
}

fn value_text(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        // Blanks at the ends are part of what came, and would not be seen.
        Json::String(text) if text.is_empty() || text.trim() != text => format!("\"{}\"", shortened(text, WIDTH)),
        Json::String(text) => shortened(text, WIDTH),
        other => shortened(&other.to_string(), WIDTH),
    }
}
