//! Models: a connection, the files they include, their datagroups and explores.
//!
//! Invariant: an explore is resolved once, when the project is read; every error that would make it wrong is listed in
//! it, because that is where the API shows errors.

use std::collections::{BTreeMap, BTreeSet};

use super::LookmlError;
use super::params::Params;
use super::reference;
use super::view::{Field, View};

/// A model of the project.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) label: Option<String>,
    pub(crate) connection: Option<String>,
    pub(crate) datagroups: Vec<Datagroup>,
    pub(crate) explores: Vec<Explore>,
    /// Errors of the model's files, which every explore shows.
    pub(crate) errors: Vec<LookmlError>,
}

/// `datagroup: name { … }`
#[derive(Clone, Debug)]
pub(crate) struct Datagroup {
    pub(crate) name: String,
    /// How long a result is good for at most.
    pub(crate) max_cache_age: Option<chrono::TimeDelta>,
}

/// An explore with its views.
#[derive(Clone, Debug)]
pub(crate) struct Explore {
    pub(crate) name: String,
    pub(crate) label: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) group_label: Option<String>,
    pub(crate) hidden: bool,
    pub(crate) tags: Vec<String>,
    /// The base first, then the joins in their order; none when the base view is missing.
    pub(crate) sources: Vec<Source>,
    pub(crate) always_where: Option<String>,
    pub(crate) persist_with: Option<String>,
    pub(crate) errors: Vec<LookmlError>,
}

/// A view under the name that the explore gives it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) alias: String,
    pub(crate) label: Option<String>,
    pub(crate) view: View,
    /// Nothing for the base.
    pub(crate) join: Option<Join>,
}

/// How a view is joined.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// `left_outer`
    pub(crate) kind: String,
    /// `many_to_one`
    pub(crate) relationship: String,
    pub(crate) sql_on: String,
}

impl Explore {
    /// The field that `view.name` names.
    pub(crate) fn field(&self, name: &str) -> Option<(&Source, &Field)> {
        let (alias, field) = name.split_once('.')?;
        let source = self.source(alias)?;
        Some((source, source.view.field(field)?))
    }

    pub(crate) fn source(&self, alias: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.alias == alias)
    }
}

const IGNORED_IN_MODELS: &[&str] =
    &["access_grant", "case_sensitive", "fiscal_month_offset", "named_value_format", "week_start_day"];

/// Everything the files of one model declare, in the order of inclusion.
pub(super) fn read(name: &str, files: &[Params<'_>], broken: Vec<LookmlError>) -> Model {
    let mut errors = broken;
    let mut model = Model {
        name: name.into(),
        label: None,
        connection: None,
        datagroups: Vec::new(),
        explores: Vec::new(),
        errors: Vec::new(),
    };
    let mut views: BTreeMap<String, View> = BTreeMap::new();
    for file in files {
        let understood = ["connection", "include", "datagroup", "explore", "view", "label", "persist_with"];
        file.check(&understood, IGNORED_IN_MODELS, &mut errors);
        model.connection = file.text("connection", &mut errors).or(model.connection);
        model.label = file.text("label", &mut errors).or(model.label);
        for (name, block) in file.blocks("datagroup", &mut errors) {
            model.datagroups.push(datagroup(name, &block, &mut errors));
        }
        for (name, block) in file.blocks("view", &mut errors) {
            let view = super::view::read(name, &block);
            if let Some(earlier) = views.insert(view.name.clone(), view) {
                errors.push(file.error(block.line, format!("Duplicate view \"{}\"", earlier.name)));
            }
        }
    }
    if model.connection.is_none() {
        let file = files.first().map_or_else(|| format!("{name}.model.lkml"), |file| file.file.to_owned());
        errors.push(LookmlError { file, line: 1, message: format!("Model \"{name}\" has no connection") });
    }
    let mut found = Vec::new();
    for file in files {
        let persist = file.text("persist_with", &mut Vec::new());
        for (name, block) in file.blocks("explore", &mut Vec::new()) {
            let mut explore = explore(name, &block, &views);
            explore.persist_with = explore.persist_with.or_else(|| persist.clone());
            if found.iter().any(|(earlier, ..): &(Explore, usize, String)| earlier.name == explore.name) {
                errors.push(file.error(block.line, format!("Duplicate explore \"{}\"", explore.name)));
                continue;
            }
            found.push((explore, block.line, file.file.to_owned()));
        }
    }
    for (mut explore, line, file) in found {
        if let Some(wanted) = &explore.persist_with
            && !model.datagroups.iter().any(|datagroup| datagroup.name == *wanted)
        {
            let message = format!("Unknown datagroup \"{wanted}\" in explore: {}", explore.name);
            explore.errors.push(LookmlError { file, line, message });
        }
        explore.errors.splice(0..0, errors.iter().cloned());
        model.explores.push(explore);
    }
    model.errors = errors;
    model
}

fn datagroup(name: String, params: &Params<'_>, errors: &mut Vec<LookmlError>) -> Datagroup {
    params.check(&["max_cache_age", "sql_trigger", "interval_trigger"], &["label", "description"], errors);
    params.sql("sql_trigger", errors);
    let age = params.text("max_cache_age", errors);
    let max_cache_age = age.as_deref().and_then(duration);
    if let (Some(age), None) = (&age, max_cache_age) {
        errors.push(params.error(params.line, format!("max_cache_age \"{age}\" in {} is no duration", params.place)));
    }
    if age.is_none() && !params.pairs.iter().any(|pair| pair.key.ends_with("_trigger")) {
        errors.push(params.error(params.line, format!("{} has neither a trigger nor max_cache_age", params.place)));
    }
    Datagroup { name, max_cache_age }
}

/// `24 hours`
fn duration(text: &str) -> Option<chrono::TimeDelta> {
    let (number, unit) = text.trim().split_once(' ')?;
    let number: i64 = number.parse().ok()?;
    match unit.trim().trim_end_matches('s') {
        "second" => chrono::TimeDelta::try_seconds(number),
        "minute" => chrono::TimeDelta::try_minutes(number),
        "hour" => chrono::TimeDelta::try_hours(number),
        "day" => chrono::TimeDelta::try_days(number),
        _ => None,
    }
}

fn explore(name: String, params: &Params<'_>, views: &BTreeMap<String, View>) -> Explore {
    let mut errors = Vec::new();
    let understood = [
        "from",
        "view_name",
        "label",
        "description",
        "group_label",
        "hidden",
        "tags",
        "join",
        "sql_always_where",
        "persist_with",
    ];
    params.check(&understood, &["query", "required_access_grants", "view_label", "fields"], &mut errors);
    let from = params.text("from", &mut errors);
    let view_name = params.text("view_name", &mut errors);
    // With `from` the view goes by the explore's name, with `view_name` by that name.
    let alias = view_name.clone().unwrap_or_else(|| name.clone());
    let base = from.or(view_name).unwrap_or_else(|| name.clone());
    let mut explore = Explore {
        label: params.text("label", &mut errors),
        description: params.text("description", &mut errors),
        group_label: params.text("group_label", &mut errors),
        hidden: params.yes("hidden", &mut errors).unwrap_or(false),
        tags: params.list("tags", &mut errors).unwrap_or_default(),
        sources: Vec::new(),
        always_where: params.sql("sql_always_where", &mut errors),
        persist_with: params.text("persist_with", &mut errors),
        errors: Vec::new(),
        name,
    };
    let label = params.text("view_label", &mut errors);
    match views.get(&base) {
        Some(view) => explore.sources.push(Source { alias, label, view: view.clone(), join: None }),
        None => {
            let message = format!("Unknown view \"{base}\" in {}", params.place);
            errors.push(params.error(params.line, message));
        }
    }
    for (name, block) in params.blocks("join", &mut errors) {
        if let Some(source) = join(name, &block, views, &mut errors) {
            if explore.source(&source.alias).is_some() {
                errors.push(block.error(block.line, format!("Duplicate join \"{}\"", source.alias)));
                continue;
            }
            explore.sources.push(source);
        }
    }
    let mut listed = BTreeSet::new();
    for source in explore.sources.iter().filter(|source| listed.insert(source.view.name.clone())) {
        errors.extend(source.view.errors.iter().cloned());
    }
    errors.extend(reference::check(&explore, params));
    explore.errors = errors;
    explore
}

fn join(
    name: String,
    params: &Params<'_>,
    views: &BTreeMap<String, View>,
    errors: &mut Vec<LookmlError>,
) -> Option<Source> {
    params.check(&["from", "type", "relationship", "sql_on", "view_label"], &["required_joins"], errors);
    let view = params.text("from", errors).unwrap_or_else(|| name.clone());
    let kind = params.text("type", errors).unwrap_or_else(|| "left_outer".into());
    let relationship = params.text("relationship", errors).unwrap_or_else(|| "many_to_one".into());
    let mut complain = |message: String| errors.push(params.error(params.line, message));
    if !["left_outer", "inner", "full_outer", "cross"].contains(&kind.as_str()) {
        complain(format!("Unknown join type \"{kind}\" in {}", params.place));
    }
    if !["many_to_one", "one_to_one", "one_to_many", "many_to_many"].contains(&relationship.as_str()) {
        complain(format!("Unknown relationship \"{relationship}\" in {}", params.place));
    }
    let label = params.text("view_label", errors);
    let sql_on = params.sql("sql_on", errors);
    let Some(sql_on) = sql_on.or_else(|| (kind == "cross").then(String::new)) else {
        errors.push(params.error(params.line, format!("{} needs sql_on", params.place)));
        return None;
    };
    let Some(view) = views.get(&view) else {
        errors.push(params.error(params.line, format!("Unknown view \"{view}\" in {}", params.place)));
        return None;
    };
    Some(Source { alias: name, label, view: view.clone(), join: Some(Join { kind, relationship, sql_on }) })
}
