//! The model: the explores, and when what they cached is stale.

use std::collections::BTreeSet;

use engine::model::table::ColumnType;

use super::joins::{Join, is_there, joins};
use super::text::Writer;
use super::view::decimals;
use super::{File, Project, View};

/// Looker names the formats with up to so many digits behind the point itself.
const NAMED_DECIMALS: u8 = 4;

/// The manifest, which names the project.
pub(super) fn manifest(project: &Project<'_>) -> File {
    let mut out = Writer::new();
    out.gap();
    out.quoted("project_name", project.model);
    File { path: "manifest.lkml".to_owned(), text: out.finish() }
}

/// The model's file.
pub(super) fn file<'d>(project: &Project<'_>, views: &[View<'_>], dashboards: impl Iterator<Item = &'d str>) -> File {
    let mut out = Writer::new();
    out.gap();
    out.quoted("connection", project.connection);
    out.gap();
    for view in views {
        out.quoted("include", &format!("/views/{}.view.lkml", view.name()));
    }
    for dashboard in dashboards {
        out.quoted("include", &format!("/dashboards/{dashboard}.dashboard.lookml"));
    }
    datagroup(&mut out, project);
    formats(&mut out, views);
    for view in views {
        explore(&mut out, view, views);
    }
    File { path: format!("{}.model.lkml", project.model), text: out.finish() }
}

fn datagroup(out: &mut Writer, project: &Project<'_>) {
    let name = format!("{}_loads", project.model);
    out.gap();
    out.open(&format!("datagroup: {name}"));
    out.quoted("description", "What is cached is stale as soon as a batch has been loaded");
    out.sql("sql_trigger", &format!("SELECT MAX(finished_at) FROM {}", project.warehouse.ledger()));
    out.quoted("max_cache_age", "24 hours");
    out.close();
    out.gap();
    out.word("persist_with", &name);
}

/// The formats that Looker has no name for.
fn formats(out: &mut Writer, views: &[View<'_>]) {
    let columns = views.iter().flat_map(|view| &view.table().columns);
    let scales = columns.filter_map(|column| match column.kind {
        ColumnType::Decimal { scale, .. } if scale > NAMED_DECIMALS => Some(scale),
        _ => None,
    });
    for scale in scales.collect::<BTreeSet<_>>() {
        out.gap();
        out.open(&format!("named_value_format: {}", decimals(scale)));
        out.quoted("value_format", &format!("#,##0.{}", "0".repeat(usize::from(scale))));
        out.close();
    }
}

fn explore(out: &mut Writer, view: &View<'_>, views: &[View<'_>]) {
    let joins = joins(view, views);
    out.gap();
    out.open(&format!("explore: {}", view.name()));
    out.quoted("description", &described(view, &joins));
    if let Some(condition) = is_there(view, view.name()) {
        out.sql("sql_always_where", &condition);
    }
    for join in &joins {
        out.gap();
        out.open(&format!("join: {}", join.name));
        if join.name != join.view.name() {
            out.word("from", join.view.name());
        }
        out.word("type", "left_outer");
        out.word("relationship", "many_to_one");
        out.sql("sql_on", &join.sql_on);
        out.close();
    }
    out.close();
}

/// What the explore shows, and what is joined by which columns.
fn described(view: &View<'_>, joins: &[Join<'_, '_>]) -> String {
    let what = view.table().description.trim().trim_end_matches('.');
    let what = if what.is_empty() { view.name() } else { what };
    let joined: Vec<_> = joins.iter().map(|join| format!("{} by {}", join.name, join.by.join(", "))).collect();
    match joined.is_empty() {
        true => format!("{what}. Deleted records are left out."),
        false => format!("{what}. Deleted records are left out. Joined: {}.", joined.join("; ")),
    }
}
