//! What is written back to PeopleSoft: which table goes to which operation, and which column is which field.
//!
//! Two tables are shipped, so that a site only has to create the operations; everything about them may be said otherwise in
//! `writes` of the connection, and other tables may be added there. [`body`] makes a call of a record, [`reading`] reads
//! records back.

pub(super) mod body;
pub(super) mod reading;

use std::collections::{BTreeMap, BTreeSet};

use engine::config::Period;
use engine::{Error, Result};
use serde::Serialize;

use super::catalog;
use super::queries::{Kind, bare};
use super::settings::PeopleSoftSettings;
use super::write_settings::{SuccessSettings, WriteMethod, WriteSettings};

/// How the records of a table are written: what a site's operation has to accept and to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WriteDefinition {
    /// The table of the sync.
    pub table: String,
    /// What one of its records is called.
    pub record: String,
    /// The operation: alias with version.
    pub operation: String,
    /// The method of the call.
    pub method: WriteMethod,
    /// What follows the alias in its URI template, with fields in braces.
    pub path: Option<String>,
    /// The PeopleSoft fields of columns that are not called like them.
    pub fields: BTreeMap<String, String>,
    /// The member that gets our reference of the call.
    pub reference: Option<String>,
    /// How the answer says that the record was written.
    pub success: SuccessSettings,
    /// Where the answer says why not: a JSON pointer.
    pub message: String,
    /// Where the answer tells the id of the record: a JSON pointer.
    pub id: String,
    /// How long queries may show the record as it was.
    #[serde(skip)]
    pub settles_after: Period,
    /// The query of rows whose companion by key reads the record back.
    pub read: String,
    /// How dates are written.
    pub date_format: String,
    /// How dates with a time are written, in the zone of the database.
    pub datetime_format: String,
    /// Other headers of the call.
    pub headers: BTreeMap<String, String>,
}

/// A table that is shipped.
struct Shipped {
    table: &'static str,
    record: &'static str,
    operation: &'static str,
    read: &'static str,
    /// Column and field.
    fields: &'static [(&'static str, &'static str)],
}

/// Columns are called as in the syncs that load these records, so that they mean the same on their way there and back.
const SHIPPED: &[Shipped] = &[
    Shipped {
        table: "supplier_attributes",
        record: "supplier",
        operation: "ML_VENDOR_UPDATE.v1",
        read: "ML_VENDOR",
        fields: &[
            ("supplier_setid", "SETID"),
            ("supplier_number", "VENDOR_ID"),
            ("name", "NAME1"),
            ("name_2", "NAME2"),
            ("short_name", "VENDOR_NAME_SHORT"),
            ("status", "VENDOR_STATUS"),
            ("supplier_class", "VENDOR_CLASS"),
            ("persistence", "VENDOR_PERSISTENCE"),
            ("corporate_setid", "CORPORATE_SETID"),
            ("corporate_supplier_number", "CORPORATE_VENDOR"),
            ("remit_setid", "REMIT_SETID"),
            ("remit_supplier_number", "REMIT_VENDOR"),
            ("primary_address_number", "PRIM_ADDR_SEQ_NUM"),
            ("default_location", "DEFAULT_LOC"),
            ("is_subject_to_withholding", "WTHD_SW"),
            ("last_activity_date", "LAST_ACTIVITY_DT"),
        ],
    },
    Shipped {
        table: "customer_attributes",
        record: "customer",
        operation: "ML_CUSTOMER_UPDATE.v1",
        read: "ML_CUSTOMER",
        fields: &[
            ("customer_setid", "SETID"),
            ("customer_number", "CUST_ID"),
            ("name", "NAME1"),
            ("name_2", "NAME2"),
            ("short_name", "NAMESHORT"),
            ("status", "CUST_STATUS"),
            ("status_date", "CUST_STATUS_DT"),
            ("customer_level", "CUST_LEVEL"),
            ("since_date", "SINCE_DT"),
            ("added_date", "ADD_DT"),
            ("corporate_setid", "CORPORATE_SETID"),
            ("corporate_customer_number", "CORPORATE_CUST_ID"),
            ("last_maintenance_date", "DATE_LAST_MAINT"),
        ],
    },
];

/// How every table is written that a connection knows: the shipped ones, as the site has changed them, and the site's own.
///
/// # Errors
/// Stops when a table of the site's own lacks its operation or its query, and names the field.
pub fn writes(settings: Option<&PeopleSoftSettings>) -> Result<Vec<WriteDefinition>> {
    let own = settings.into_iter().flat_map(|settings| settings.writes.keys().map(String::as_str));
    let tables: BTreeSet<&str> = SHIPPED.iter().map(|shipped| shipped.table).chain(own).collect();
    let change = |table: &str| settings.and_then(|settings| settings.writes.get(table));
    tables.into_iter().map(|table| WriteDefinition::new(table, change(table))).collect()
}

/// The operations that write, of all tables that a connection knows.
pub(super) fn operations(settings: &PeopleSoftSettings) -> impl Iterator<Item = &str> {
    let own = |table: &str| settings.writes.get(table)?.operation.as_deref();
    let shipped = SHIPPED.iter().map(move |shipped| own(shipped.table).unwrap_or(shipped.operation));
    shipped.chain(settings.writes.values().filter_map(|write| write.operation.as_deref()))
}

impl WriteDefinition {
    /// How a table of this connection is written.
    ///
    /// # Errors
    /// Stops when it knows no such table.
    pub(super) fn of(table: &str, settings: &PeopleSoftSettings) -> Result<Self> {
        let change = settings.writes.get(table);
        if change.is_none() && !SHIPPED.iter().any(|shipped| shipped.table == table) {
            let known = writes(Some(settings))?;
            let known: Vec<_> = known.iter().map(|write| format!("`{}`", write.table)).collect();
            return Err(Error::stop(format!(
                "PeopleSoft is written to by operations of the site's own, and nothing says which takes the table `{table}`: add \
                 it to `writes` of the connection, with its `operation` and the query to `read`, or let the sync write one of {}",
                known.join(", ")
            )));
        }
        Self::new(table, change)
    }

    fn new(table: &str, change: Option<&WriteSettings>) -> Result<Self> {
        let none = WriteSettings::default();
        let change = change.unwrap_or(&none);
        let shipped = SHIPPED.iter().find(|shipped| shipped.table == table);
        let needed = |field: &str, own: &Option<String>, shipped: Option<&str>| {
            let missing = || {
                Error::stop(format!(
                    "the PeopleSoft connection: `writes.{table}.{field}` is missing: `{table}` is none of the shipped tables"
                ))
            };
            own.clone().or(shipped.map(str::to_owned)).ok_or_else(missing)
        };
        let or = |own: &Option<String>, usual: &str| own.clone().unwrap_or_else(|| usual.to_owned());
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        for (column, field) in shipped.into_iter().flat_map(|shipped| shipped.fields) {
            fields.insert((*column).to_owned(), (*field).to_owned());
        }
        fields.extend(change.fields.clone());
        Ok(Self {
            table: table.to_owned(),
            record: shipped.map_or("record", |shipped| shipped.record).to_owned(),
            operation: needed("operation", &change.operation, shipped.map(|shipped| shipped.operation))?,
            method: change.method.unwrap_or_default(),
            path: change.path.clone(),
            fields,
            reference: change.reference.clone(),
            success: change.success.clone().unwrap_or_default(),
            message: or(&change.message, "/message"),
            id: or(&change.id, "/id"),
            settles_after: change.settles_after.unwrap_or(Period::from_seconds(0)),
            read: needed("read", &change.read, shipped.map(|shipped| shipped.read))?,
            date_format: or(&change.date_format, "%Y-%m-%d"),
            datetime_format: or(&change.datetime_format, "%Y-%m-%d-%H.%M.%S.%6f"),
            headers: change.headers.clone(),
        })
    }

    /// The PeopleSoft field of a column.
    pub fn field(&self, column: &str) -> String {
        self.fields.get(column).cloned().unwrap_or_else(|| column.to_ascii_uppercase())
    }

    /// The fields by which a record is found, in the order of the record's index; nothing for a query of the site's own.
    pub fn key(&self) -> &'static [&'static str] {
        catalog::find(&self.read).map_or(&[], |entry| entry.key)
    }

    /// The type of a field, where the shipped queries know it.
    pub fn kind(&self, field: &str) -> Option<Kind> {
        catalog::find(&self.read)?.field(bare(field)).map(|field| field.kind)
    }
}
