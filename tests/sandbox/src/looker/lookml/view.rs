//! Views: a table, and its columns as dimensions and measures.
//!
//! Invariant: a dimension group is expanded when it is read, so that everybody after sees the fields that the API
//! shows: `due_date`, `due_week`, never `due`.

use super::LookmlError;
use super::case::{self, Case};
use super::params::Params;

/// A view as a file declares it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) label: Option<String>,
    /// The table's name as SQL; the view's own name unless it says otherwise.
    pub(crate) table: String,
    pub(crate) file: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) errors: Vec<LookmlError>,
}

impl View {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(crate) fn primary_key(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.primary_key)
    }
}

/// One field that a query can name.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// Without the view.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) sql: Option<String>,
    /// The classes of a dimension that sorts its rows into some.
    pub(crate) case: Option<Case>,
    /// The name of the dimension group it comes from.
    pub(crate) group: Option<String>,
    pub(crate) filters: Vec<(String, String)>,
    pub(crate) label: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) value_format: Option<String>,
    pub(crate) hidden: bool,
    pub(crate) primary_key: bool,
    pub(crate) convert_tz: bool,
    pub(crate) datatype: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) line: usize,
}

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    YesNo,
    Time(Frame),
    Measure(Measure),
}

/// How a point in time is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Raw,
    Time,
    Date,
    Week,
    Month,
    Quarter,
    Year,
}

/// What a measure does with its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Count,
    CountDistinct,
    Sum,
    Average,
    Min,
    Max,
    /// SQL that aggregates by itself and gives a number.
    Number,
    /// The same, giving a text.
    Text,
    /// The same, giving a point in time.
    Time(Frame),
    /// The same, giving yes or no.
    YesNo,
}

impl Frame {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Time => "time",
            Self::Date => "date",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    fn find(name: &str) -> Option<Self> {
        const ALL: [Frame; 7] =
            [Frame::Raw, Frame::Time, Frame::Date, Frame::Week, Frame::Month, Frame::Quarter, Frame::Year];
        ALL.into_iter().find(|frame| frame.name() == name)
    }
}

impl Kind {
    pub(crate) fn is_measure(self) -> bool {
        matches!(self, Self::Measure(_))
    }

    /// Whether its values are numbers.
    pub(crate) fn is_numeric(self) -> bool {
        match self {
            Self::Number | Self::Time(Frame::Year) => true,
            Self::Measure(measure) => {
                !matches!(measure, Measure::Text | Measure::YesNo | Measure::Time(_))
                    || measure == Measure::Time(Frame::Year)
            }
            _ => false,
        }
    }

    /// The type as the API names it.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Text | Self::Measure(Measure::Text) => "string",
            Self::Number | Self::Measure(Measure::Number) => "number",
            Self::YesNo | Self::Measure(Measure::YesNo) => "yesno",
            Self::Time(frame) | Self::Measure(Measure::Time(frame)) => match frame {
                Frame::Raw => "date_raw",
                Frame::Time => "date_time",
                Frame::Date => "date_date",
                Frame::Week => "date_week",
                Frame::Month => "date_month",
                Frame::Quarter => "date_quarter",
                Frame::Year => "date_year",
            },
            Self::Measure(Measure::Count) => "count",
            Self::Measure(Measure::CountDistinct) => "count_distinct",
            Self::Measure(Measure::Sum) => "sum",
            Self::Measure(Measure::Average) => "average",
            Self::Measure(Measure::Min) => "min",
            Self::Measure(Measure::Max) => "max",
        }
    }
}

/// Parameters that the product knows and that change nothing that is simulated.
const IGNORED_IN_FIELDS: &[&str] = &[
    "alias",
    "allow_fill",
    "can_filter",
    "case_sensitive",
    "drill_fields",
    "group_item_label",
    "group_label",
    "html",
    "link",
    "order_by_field",
    "required_access_grants",
    "style",
    "suggest_dimension",
    "suggest_explore",
    "suggest_persist_for",
    "suggestable",
    "suggestions",
    "synonyms",
    "value_format",
    "view_label",
];
const IGNORED_IN_VIEWS: &[&str] =
    &["description", "drill_fields", "fields_hidden_by_default", "set", "suggestions", "tags"];

/// Reads `view: name { … }`.
pub(super) fn read(name: String, params: &Params<'_>) -> View {
    let mut errors = Vec::new();
    let understood = ["label", "sql_table_name", "dimension", "dimension_group", "measure"];
    params.check(&understood, IGNORED_IN_VIEWS, &mut errors);
    let mut view = View {
        table: params.sql("sql_table_name", &mut errors).unwrap_or_else(|| name.clone()),
        label: params.text("label", &mut errors),
        file: params.file.into(),
        fields: Vec::new(),
        errors: Vec::new(),
        name,
    };
    for (name, block) in params.blocks("dimension", &mut errors) {
        view.fields.extend(dimension(name, &block, &mut errors));
    }
    for (name, block) in params.blocks("dimension_group", &mut errors) {
        view.fields.extend(group(&name, &block, &mut errors));
    }
    for (name, block) in params.blocks("measure", &mut errors) {
        view.fields.extend(measure(name, &block, &mut errors));
    }
    for (at, field) in view.fields.iter().enumerate() {
        if view.fields.iter().take(at).any(|earlier| earlier.name == field.name) {
            let message = format!("Duplicate field \"{}.{}\"", view.name, field.name);
            errors.push(params.error(field.line, message));
        }
    }
    if view.fields.iter().filter(|field| field.primary_key).count() > 1 {
        errors.push(params.error(params.line, format!("View \"{}\" has more than one primary key", view.name)));
    }
    view.errors = errors;
    view
}

fn common(name: String, kind: Kind, params: &Params<'_>, errors: &mut Vec<LookmlError>) -> Field {
    Field {
        name,
        kind,
        sql: params.sql("sql", errors),
        case: None,
        group: None,
        filters: Vec::new(),
        label: params.text("label", errors),
        description: params.text("description", errors),
        value_format: params.text("value_format_name", errors),
        hidden: params.yes("hidden", errors).unwrap_or(false),
        primary_key: params.yes("primary_key", errors).unwrap_or(false),
        convert_tz: params.yes("convert_tz", errors).unwrap_or(true),
        datatype: params.text("datatype", errors),
        tags: params.list("tags", errors).unwrap_or_default(),
        line: params.line,
    }
}

fn check_datatype(params: &Params<'_>, errors: &mut Vec<LookmlError>) {
    if let Some(datatype) = params.text("datatype", errors)
        && !["date", "datetime", "timestamp"].contains(&datatype.as_str())
    {
        let message = format!("datatype \"{datatype}\" in {} is not simulated", params.place);
        errors.push(params.error(params.line, message));
    }
}

fn unknown_type(name: &str, params: &Params<'_>) -> LookmlError {
    params.error(params.line, format!("Unknown type \"{name}\" in {}", params.place))
}

fn dimension(name: String, params: &Params<'_>, errors: &mut Vec<LookmlError>) -> Option<Field> {
    let understood = [
        "type",
        "sql",
        "label",
        "description",
        "value_format_name",
        "hidden",
        "primary_key",
        "convert_tz",
        "datatype",
        "case",
        "tags",
    ];
    params.check(&understood, IGNORED_IN_FIELDS, errors);
    let type_name = params.text("type", errors).unwrap_or_else(|| "string".into());
    let kind = match type_name.as_str() {
        "string" => Kind::Text,
        "number" => Kind::Number,
        "yesno" => Kind::YesNo,
        "date" => Kind::Time(Frame::Date),
        "date_time" => Kind::Time(Frame::Time),
        other => {
            errors.push(unknown_type(other, params));
            return None;
        }
    };
    check_datatype(params, errors);
    let mut field = common(name, kind, params, errors);
    field.case = case::read(params, errors);
    if let Some(case) = &field.case {
        if field.sql.is_some() || kind != Kind::Text {
            errors.push(params.error(params.line, format!("{} cannot have case beside sql or type", params.place)));
        }
        field.sql = Some(case.sql());
    }
    field.sql.get_or_insert_with(|| format!("${{TABLE}}.{}", field.name));
    Some(field)
}

fn group(name: &str, params: &Params<'_>, errors: &mut Vec<LookmlError>) -> Vec<Field> {
    let understood = ["type", "timeframes", "sql", "label", "description", "hidden", "convert_tz", "datatype", "tags"];
    params.check(&understood, IGNORED_IN_FIELDS, errors);
    match params.text("type", errors).as_deref() {
        Some("time") | None => {}
        Some(other) => {
            errors.push(unknown_type(other, params));
            return Vec::new();
        }
    }
    check_datatype(params, errors);
    let timeframes = params
        .list("timeframes", errors)
        .unwrap_or_else(|| ["raw", "time", "date", "week", "month", "quarter", "year"].map(str::to_owned).to_vec());
    let mut fields = Vec::new();
    for timeframe in timeframes {
        let Some(frame) = Frame::find(&timeframe) else {
            let message = format!("Timeframe \"{timeframe}\" in {} is not simulated", params.place);
            errors.push(params.error(params.line, message));
            continue;
        };
        // What is wrong with the group's own parameters is said once, not once per timeframe.
        let mut again = Vec::new();
        let mut field = common(format!("{name}_{timeframe}"), Kind::Time(frame), params, &mut again);
        if fields.is_empty() {
            errors.append(&mut again);
        }
        let column = format!("${{TABLE}}.{name}");
        field.sql.get_or_insert(column);
        field.group = Some(name.into());
        fields.push(field);
    }
    fields
}

fn measure(name: String, params: &Params<'_>, errors: &mut Vec<LookmlError>) -> Option<Field> {
    let understood = [
        "type",
        "sql",
        "label",
        "description",
        "value_format_name",
        "hidden",
        "filters",
        "tags",
        "convert_tz",
        "datatype",
    ];
    params.check(&understood, IGNORED_IN_FIELDS, errors);
    let type_name = params.text("type", errors).unwrap_or_else(|| "string".into());
    let measure = match type_name.as_str() {
        "count" => Measure::Count,
        "count_distinct" => Measure::CountDistinct,
        "sum" => Measure::Sum,
        "average" => Measure::Average,
        "min" => Measure::Min,
        "max" => Measure::Max,
        "number" => Measure::Number,
        "string" => Measure::Text,
        "yesno" => Measure::YesNo,
        "date" => Measure::Time(Frame::Date),
        "date_time" => Measure::Time(Frame::Time),
        other => {
            errors.push(unknown_type(other, params));
            return None;
        }
    };
    check_datatype(params, errors);
    let mut field = common(name, Kind::Measure(measure), params, errors);
    field.filters = params.filters(errors);
    let aggregates = matches!(
        measure,
        Measure::Count | Measure::CountDistinct | Measure::Sum | Measure::Average | Measure::Min | Measure::Max
    );
    let message = if measure == Measure::Count && field.sql.is_some() {
        Some("a count takes no sql")
    } else if measure != Measure::Count && field.sql.is_none() {
        Some("it needs sql")
    } else if !aggregates && !field.filters.is_empty() {
        Some("its type takes no filters")
    } else {
        None
    };
    if let Some(message) = message {
        errors.push(params.error(params.line, format!("{}: {message}", params.place)));
        return None;
    }
    Some(field)
}
