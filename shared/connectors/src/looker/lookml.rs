//! The LookML of a tenant's tables: views, explores and dashboards that a Looker developer can import as they are.
//!
//! [`render`] makes texts of plans and does no I/O. What is called how is decided in [`names`], for everybody; how the
//! warehouse has to be asked, in `sql`.
//!
//! Invariants: the same plans give the same texts; deleted records are seen by no explore; a join never multiplies rows,
//! because it is always on the whole key of the joined table; a field that an explore or a dashboard names is there.

mod dashboard;
mod joins;
mod model;
pub mod names;
mod readme;
mod sql;
#[cfg(test)]
mod tests;
mod text;
mod view;

use engine::config::DashboardSpec;
use engine::mapping::NeedSpec;
use engine::model::table::TableSpec;
use engine::plan::SyncPlan;
use engine::{Error, Result};

pub use sql::Warehouse;
pub use text::is_generated;

use dashboard::Aging;
use names::{Names, is_summed};

/// What a LookML project is made of.
#[derive(Debug, Clone)]
pub struct Project<'a> {
    /// The model's name, which is also the project's: lower-case letters, digits and underscores.
    pub model: &'a str,
    /// What Looker calls its connection to the warehouse.
    pub connection: &'a str,
    /// Where the tables are.
    pub warehouse: Warehouse,
    /// The tables, in the order of their syncs.
    pub tables: Vec<Table<'a>>,
    /// The dashboards by name.
    pub dashboards: Vec<(&'a str, &'a DashboardSpec)>,
}

/// A table of the warehouse, and what its records name.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// The sync that fills it.
    pub plan: &'a SyncPlan,
    /// The records of other syncs that its records name.
    pub references: &'a [NeedSpec],
}

/// A file of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it lies in the project, with `/` between folders.
    pub path: String,
    /// What is in it. Its first line says that it was generated.
    pub text: String,
}

/// A LookML project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its files.
    pub files: Vec<File>,
    /// What of the dashboards could not be made of this tenant's tables, in words.
    pub left_out: Vec<String>,
}

/// Makes the project.
///
/// # Errors
/// Stops when the model, Looker's connection or a schema of the warehouse has a name that LookML cannot carry.
pub fn render(project: &Project<'_>) -> Result<Rendered> {
    check(project)?;
    let mut views: Vec<View<'_>> = project.tables.iter().map(|table| View::new(*table)).collect();
    let mut left_out = Vec::new();
    let dashboards = dashboard::prepare(project, &mut views, &mut left_out);
    let mut files = vec![
        readme::file(project),
        model::manifest(project),
        model::file(project, &views, dashboards.iter().map(|dashboard| dashboard.name)),
    ];
    files.extend(views.iter().map(|view| view::file(&project.warehouse, view)));
    files.extend(dashboards.iter().map(|dashboard| dashboard::file(project, dashboard)));
    Ok(Rendered { files, left_out })
}

fn check(project: &Project<'_>) -> Result<()> {
    let model = project.model;
    if model.is_empty() || names::word(model) != model || !model.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(Error::stop(format!(
            "`{model}` cannot name a model: use lower-case letters, digits and underscores, beginning with a letter"
        )));
    }
    let connection = project.connection;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if connection.is_empty() || !connection.chars().all(fits) {
        return Err(Error::stop(format!(
            "`{connection}` cannot name a connection of Looker: use the name that stands in Looker under Admin, \
             Connections"
        )));
    }
    project.warehouse.check()
}

/// A view in the making.
struct View<'a> {
    plan: &'a SyncPlan,
    references: &'a [NeedSpec],
    names: Names,
    /// The columns that are summed.
    totals: Vec<&'a str>,
    agings: Vec<Aging>,
}

impl<'a> View<'a> {
    fn new(Table { plan, references }: Table<'a>) -> Self {
        let columns = plan.table.columns.iter().map(|column| column.name.as_str());
        let totals = columns.filter(|column| is_summed(plan, column)).collect();
        Self { plan, references, names: Names::of(&plan.table), totals, agings: Vec::new() }
    }

    fn table(&self) -> &'a TableSpec {
        &self.plan.table
    }

    fn name(&self) -> &str {
        &self.names.view
    }

    /// The view that the records of a sync are seen by.
    fn of<'v>(views: &'v [Self], stream: &str) -> Option<&'v Self> {
        views.iter().find(|view| view.plan.id.stream == stream)
    }
}
