//! Which views an explore joins: records that a record names, each by its whole key, so that no row comes twice.

use super::View;
use super::names::local;
use crate::warehouse::meta;

/// A view that is joined.
pub(super) struct Join<'v, 'a> {
    /// What it is called in the explore.
    pub name: String,
    /// The view.
    pub view: &'v View<'a>,
    /// The columns by which its record is named.
    pub by: &'a [String],
    /// The condition.
    pub sql_on: String,
}

impl Join<'_, '_> {
    /// A field of the joined view, as the explore calls it.
    pub fn field(&self, field: &str) -> String {
        format!("{}.{}", self.name, local(field))
    }
}

/// The joins of a view's explore. A view that is joined a second time, by other columns, gets a name that says by which.
pub(super) fn joins<'v, 'a>(base: &View<'a>, views: &'v [View<'a>]) -> Vec<Join<'v, 'a>> {
    let mut found: Vec<Join<'v, 'a>> = Vec::new();
    for reference in base.references {
        let Some(view) = View::of(views, &reference.stream) else { continue };
        if view.plan.destination != base.plan.destination {
            continue;
        }
        let taken = |name: &str| name == base.name() || found.iter().any(|join| join.name == name);
        let mut name = view.name().to_owned();
        if taken(&name) {
            name = format!("{name}_by_{}", reference.key.join("_and_"));
        }
        if taken(&name) {
            continue;
        }
        if let Some(sql_on) = condition(base, view, &name, &reference.key) {
            found.push(Join { name, view, by: &reference.key, sql_on });
        }
    }
    found
}

/// The whole key of the joined view, and that its record is not deleted.
fn condition(base: &View<'_>, view: &View<'_>, name: &str, by: &[String]) -> Option<String> {
    let key: Vec<_> = view.table().key_columns().collect();
    if key.len() != by.len() || key.is_empty() {
        return None;
    }
    let mut conditions = Vec::new();
    for (own, their) in by.iter().zip(key) {
        let (own, their) = (base.names.field(own)?, view.names.field(&their.name)?);
        conditions.push(format!("${{{}.{}}} = ${{{name}.{}}}", base.name(), own.compared(), their.compared()));
    }
    conditions.push(is_there(view, name)?);
    Some(conditions.join(" AND "))
}

/// The condition that leaves deleted records out, for a view by its name in the explore.
pub(super) fn is_there(view: &View<'_>, name: &str) -> Option<String> {
    let deleted = view.names.field(meta::IS_DELETED)?;
    Some(format!("NOT ${{{name}.{}}}", local(&deleted.dimension)))
}
