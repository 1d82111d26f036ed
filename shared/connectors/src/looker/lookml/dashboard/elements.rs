//! The elements of a LookML dashboard, which is YAML.

/// Columns of the grid that a dashboard is laid out on.
const WIDTH: u32 = 24;

/// A tile.
#[derive(Debug, Clone)]
pub(super) struct Element {
    title: String,
    kind: &'static str,
    fields: Vec<String>,
    pivots: Vec<String>,
    filters: Vec<(String, String)>,
    sorts: Vec<String>,
    row_totals: bool,
    width: u32,
    height: u32,
}

impl Element {
    fn new(title: &str, kind: &'static str, fields: Vec<String>, (width, height): (u32, u32)) -> Self {
        let title = title.to_owned();
        let (pivots, filters, sorts) = (Vec::new(), Vec::new(), Vec::new());
        Self { title, kind, fields, pivots, filters, sorts, row_totals: false, width, height }
    }

    /// One figure.
    pub fn number(title: &str, field: &str) -> Self {
        Self::new(title, "single_value", vec![field.to_owned()], (6, 4))
    }

    /// A table.
    pub fn grid(title: &str, fields: Vec<String>) -> Self {
        Self::new(title, "looker_grid", fields, (12, 8))
    }

    /// Columns over the first field.
    pub fn columns(title: &str, fields: Vec<String>) -> Self {
        Self::new(title, "looker_column", fields, (WIDTH, 8))
    }

    /// With this size.
    pub fn wide(self, width: u32, height: u32) -> Self {
        Self { width, height, ..self }
    }

    /// Only records for which the field fits the expression.
    pub fn filter(mut self, filter: &(String, String)) -> Self {
        self.filters.push(filter.clone());
        self
    }

    /// Sorted by this field, after those before.
    pub fn sort(mut self, field: &str) -> Self {
        self.sorts.push(field.to_owned());
        self
    }

    /// With a column for each value of these fields.
    pub fn pivot(mut self, fields: &[String]) -> Self {
        self.pivots = fields.to_vec();
        self
    }

    /// With a sum at the end of each row.
    pub fn with_row_totals(self) -> Self {
        Self { row_totals: true, ..self }
    }
}

/// A filter of the dashboard, to which every element listens.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// Its name and title.
    pub title: String,
    /// What it filters.
    pub field: String,
    /// The expression it begins with; empty for no condition.
    pub default: &'static str,
}

/// Writes the filters.
pub(super) fn write_filters(text: &mut String, model: &str, explore: &str, filters: &[Filter]) {
    if filters.is_empty() {
        return;
    }
    text.push_str("  filters:\n");
    for Filter { title, field, default } in filters {
        let title = quoted(title);
        text.push_str(&format!(
            "  - name: {title}\n    title: {title}\n    type: field_filter\n    default_value: {}\n    \
             allow_multiple_values: true\n    required: false\n    model: {model}\n    explore: {explore}\n    field: \
             {field}\n",
            quoted(default)
        ));
    }
}

/// Writes the elements, from left to right and from top to bottom.
pub(super) fn write(text: &mut String, model: &str, explore: &str, elements: &[Element], filters: &[Filter]) {
    text.push_str("  elements:\n");
    let (mut row, mut column, mut tallest) = (0, 0, 0);
    for element in elements {
        if column + element.width > WIDTH {
            (row, column, tallest) = (row + tallest, 0, 0);
        }
        let title = quoted(&element.title);
        text.push_str(&format!(
            "  - title: {title}\n    name: {title}\n    model: {model}\n    explore: {explore}\n    type: {}\n",
            element.kind
        ));
        text.push_str(&format!("    fields: [{}]\n", element.fields.join(", ")));
        if !element.pivots.is_empty() {
            text.push_str(&format!("    pivots: [{}]\n", element.pivots.join(", ")));
        }
        pairs(text, "filters", element.filters.iter().map(|(field, expression)| (field.clone(), quoted(expression))));
        if !element.sorts.is_empty() {
            text.push_str(&format!("    sorts: [{}]\n", element.sorts.join(", ")));
        }
        text.push_str("    limit: 500\n");
        if element.row_totals {
            text.push_str("    row_total: right\n");
        }
        pairs(text, "listen", filters.iter().map(|filter| (quoted(&filter.title), filter.field.clone())));
        text.push_str(&format!(
            "    row: {row}\n    col: {column}\n    width: {}\n    height: {}\n",
            element.width, element.height
        ));
        column += element.width;
        tallest = tallest.max(element.height);
    }
}

fn pairs(text: &mut String, name: &str, pairs: impl Iterator<Item = (String, String)>) {
    for (i, (key, value)) in pairs.enumerate() {
        if i == 0 {
            text.push_str(&format!("    {name}:\n"));
        }
        text.push_str(&format!("      {key}: {value}\n"));
    }
}

/// A text in double quotes on one line; of JSON's escapes YAML knows all.
pub(super) fn quoted(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    serde_json::Value::String(line).to_string()
}
