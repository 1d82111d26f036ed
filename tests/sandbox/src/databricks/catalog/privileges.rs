//! Who may do what: everybody everything, but for what was taken away.

use super::Name;
use crate::databricks::sql::error::{Result, SqlError};

/// A right that can be taken from a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    /// To see anything in a catalog.
    UseCatalog,
    /// To see anything in a schema.
    UseSchema,
    /// To read a table.
    Select,
    /// To write to a table.
    Modify,
    /// To make tables in a schema.
    CreateTable,
    /// To make schemas in a catalog.
    CreateSchema,
    /// To make volumes in a schema.
    CreateVolume,
    /// To read files of a volume.
    ReadVolume,
    /// To write files to a volume.
    WriteVolume,
    /// To run statements on a SQL warehouse.
    CanUse,
    /// To start runs of a job.
    CanManageRun,
}

impl Privilege {
    /// All of them.
    pub(in super::super) const ALL: [Self; 11] = [
        Self::UseCatalog,
        Self::UseSchema,
        Self::Select,
        Self::Modify,
        Self::CreateTable,
        Self::CreateSchema,
        Self::CreateVolume,
        Self::ReadVolume,
        Self::WriteVolume,
        Self::CanUse,
        Self::CanManageRun,
    ];

    /// As SQL writes it.
    pub fn sql(self) -> &'static str {
        match self {
            Self::UseCatalog => "USE CATALOG",
            Self::UseSchema => "USE SCHEMA",
            Self::Select => "SELECT",
            Self::Modify => "MODIFY",
            Self::CreateTable => "CREATE TABLE",
            Self::CreateSchema => "CREATE SCHEMA",
            Self::CreateVolume => "CREATE VOLUME",
            Self::ReadVolume => "READ VOLUME",
            Self::WriteVolume => "WRITE VOLUME",
            Self::CanUse => "CAN USE",
            Self::CanManageRun => "CAN MANAGE RUN",
        }
    }

    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        let text = text.replace('_', " ");
        Self::ALL.into_iter().find(|one| one.sql().eq_ignore_ascii_case(&text))
    }

    /// The kind of thing it is granted on.
    pub(in super::super) fn on(self) -> &'static str {
        match self {
            Self::UseCatalog | Self::CreateSchema => "Catalog",
            Self::UseSchema | Self::CreateTable | Self::CreateVolume => "Schema",
            Self::Select | Self::Modify => "Table",
            Self::ReadVolume | Self::WriteVolume => "Volume",
            Self::CanUse => "Warehouse",
            Self::CanManageRun => "Job",
        }
    }
}

/// What was taken from one principal.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Privileges(Vec<(Privilege, String)>);

impl Privileges {
    /// Takes a right away on something and on all below it; on everything where the name is empty.
    pub(in super::super) fn deny(&mut self, privilege: Privilege, on: &str) {
        self.0.push((privilege, on.to_lowercase()));
    }

    pub(in super::super) fn has(&self, privilege: Privilege, on: &str) -> bool {
        let on = on.to_lowercase();
        let covers = |place: &String| {
            place.is_empty()
                || on == *place
                || on.strip_prefix(place.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        !self.0.iter().any(|(denied, place)| *denied == privilege && covers(place))
    }

    /// What a statement or a call is refused with.
    pub(in super::super) fn demand(&self, privilege: Privilege, on: &str) -> std::result::Result<(), String> {
        if self.has(privilege, on) {
            return Ok(());
        }
        Err(format!("User does not have {} on {} '{on}'.", privilege.sql(), privilege.on()))
    }

    /// The right, and those to get at the thing at all.
    pub(in super::super) fn demand_all(&self, privilege: Privilege, name: &Name) -> std::result::Result<(), String> {
        self.demand(Privilege::UseCatalog, &name.catalog)?;
        self.demand(Privilege::UseSchema, &name.schema_full())?;
        self.demand(privilege, &name.full())
    }

    pub(in super::super) fn for_sql(&self, privilege: Privilege, name: &Name) -> Result<()> {
        self.demand_all(privilege, name).map_err(SqlError::insufficient)
    }
}
