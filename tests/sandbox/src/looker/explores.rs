//! Models and explores as the API describes them.

use serde_json::{Value as Json, json};

use super::lookml::{Explore, Field, Kind, Model, Project, Source, label};
use super::warehouse::Dialect;

/// `LookmlModel`.
pub(super) fn model(project: &Project, model: &Model) -> Json {
    let explores: Vec<Json> = model
        .explores
        .iter()
        .map(|explore| {
            json!({
                "name": explore.name, "label": explore_label(explore), "description": explore.description,
                "hidden": explore.hidden, "group_label": explore.group_label,
            })
        })
        .collect();
    json!({
        "name": model.name,
        "label": model.label.clone().unwrap_or_else(|| label::title(&model.name)),
        "project_name": project.name(),
        "has_content": true,
        "explores": explores,
        "allowed_db_connection_names": model.connection.iter().collect::<Vec<_>>(),
        "unlimited_db_connections": false,
        "can": {},
    })
}

fn explore_label(explore: &Explore) -> String {
    explore.label.clone().unwrap_or_else(|| label::title(&explore.name))
}

/// `LookmlModelExplore`.
pub(super) fn explore(project: &Project, model: &Model, explore: &Explore, dialect: Option<Dialect>) -> Json {
    let base = explore.sources.first();
    let errors: Vec<Json> = explore
        .errors
        .iter()
        .map(|error| {
            let place = format!("{}:{}", error.file, error.line);
            json!({"message": error.message, "details": null, "error_pos": place, "field_error": false})
        })
        .collect();
    let joins: Vec<Json> = explore.sources.iter().filter_map(join).collect();
    let fields = |measures: bool| -> Vec<Json> {
        let all = explore.sources.iter().flat_map(|source| source.view.fields.iter().map(move |field| (source, field)));
        all.filter(|(_, field)| field.kind.is_measure() == measures)
            .map(|(source, found)| field(project, source, found))
            .collect()
    };
    json!({
        "id": format!("{}::{}", model.name, explore.name),
        "name": explore.name,
        "label": explore_label(explore),
        "title": explore_label(explore),
        "description": explore.description,
        "group_label": explore.group_label,
        "hidden": explore.hidden,
        "tags": explore.tags,
        "project_name": project.name(),
        "model_name": model.name,
        "view_name": base.map(|source| &source.view.name),
        "connection_name": model.connection,
        "dialect_name": dialect.map(Dialect::name),
        "sql_table_name": base.map(|source| &source.view.table),
        "source_file": base.map(|source| &source.view.file),
        "has_timezone_support": true,
        "scopes": explore.sources.iter().map(|source| &source.alias).collect::<Vec<_>>(),
        "errors": errors,
        "joins": joins,
        "sets": [],
        "always_filter": [],
        "access_filters": [],
        "fields": {"dimensions": fields(false), "measures": fields(true), "filters": [], "parameters": []},
    })
}

fn join(source: &Source) -> Option<Json> {
    let join = source.join.as_ref()?;
    Some(json!({
        "name": source.alias, "from": source.view.name, "type": join.kind, "relationship": join.relationship,
        "sql_on": join.sql_on, "sql_table_name": source.view.table, "view_label": label::of_view(source),
    }))
}

fn field(project: &Project, source: &Source, field: &Field) -> Json {
    let measure = field.kind.is_measure();
    let timeframe = matches!(field.kind, Kind::Time(_)) && field.group.is_some();
    let group = field.group.as_ref().map(|group| format!("{}.{group}", source.alias));
    let view_label = label::of_view(source);
    let filters: Vec<Json> =
        field.filters.iter().map(|(name, value)| json!({"field": name, "condition": value})).collect();
    let classes = field.case.as_ref().map(|case| -> Vec<Json> {
        let classes = case.whens.iter().map(|(sql, label)| json!({"value": label, "condition": sql}));
        classes.chain(case.otherwise.iter().map(|label| json!({"value": label, "condition": "else"}))).collect()
    });
    json!({
        "name": format!("{}.{}", source.alias, field.name),
        "type": field.kind.type_name(),
        "category": if measure { "measure" } else { "dimension" },
        "view": source.alias,
        "original_view": source.view.name,
        "scope": source.alias,
        "view_label": view_label,
        "label": format!("{view_label} {}", label::of_field(field)),
        "label_short": label::of_field(field),
        "description": field.description,
        "dimension_group": group,
        "is_timeframe": timeframe,
        "is_numeric": field.kind.is_numeric(),
        "is_filter": false,
        "measure": measure,
        "parameter": false,
        "dynamic": false,
        "hidden": field.hidden,
        "primary_key": field.primary_key,
        "sortable": true,
        "can_filter": true,
        "sql": field.sql,
        "filters": filters,
        "sql_case": classes,
        "tags": field.tags,
        "error": null,
        "datatype": field.datatype,
        "convert_tz": matches!(field.kind, Kind::Time(_)).then_some(field.convert_tz),
        "value_format": null,
        "value_format_name": field.value_format,
        "project_name": project.name(),
        "source_file": source.view.file,
        "source_file_path": format!("{}/{}", project.name(), source.view.file),
        "align": if field.kind.is_numeric() { "right" } else { "left" },
        "week_start_day": "monday",
    })
}
