//! PeopleSoft: a source by saved queries through Query Access Services, the site's own operations and Application Services,
//! and a place that attributes are written back to, record by record, by operations of the site's own.
//!
//! A PeopleSoft has no fixed business API, so what is read is configuration: [`queries`] are those that an administrator
//! creates, [`settings`] say what a site has done differently. [`source`] reads pages, [`slices`] say where a read stands,
//! [`query`] writes addresses, [`decode`] turns an answer into rows, [`client`] and [`auth`] make the calls, [`refusal`] says
//! what a refused call means, [`check`] tells an administrator what is missing. [`writes`] says what is written back where,
//! and [`destination`] does it.
//!
//! Invariants: only the configured host, node and operations are called, one call at a time; a wrong password is tried
//! once; personal data is read only where it is switched on, and hashed or dropped before it is kept. What must not be
//! here: mappings, warehouses, other systems.

mod auth;
mod background;
mod catalog;
mod check;
mod client;
mod dates;
mod decode;
mod destination;
mod operation;
mod personal;
mod queries;
mod query;
mod query_settings;
mod refusal;
mod settings;
mod slices;
mod source;
#[cfg(test)]
mod tests;
mod totals;
mod write_settings;
mod writes;

pub use destination::PeopleSoftDestination;
pub use queries::{
    Effective, Kind, Operator, Origin, Purpose, QueryDefinition, QueryField, QueryPrompt, QueryRecord, RECORDS,
    ROW_KEY, SEPARATOR, queries,
};
pub use query_settings::{
    CompanionSettings, Fill, Fineness, Next, OperationSettings, Owner, PromptSettings, QuerySettings,
};
pub use refusal::RefusalSettings;
pub use settings::{
    Aliases, Auth, BackgroundSettings, Format, OauthSettings, PeopleSoftSettings, PersonalSettings, QuietHours, Tools,
    Treatment,
};
pub use source::PeopleSoftSource;
pub use write_settings::{SuccessSettings, WriteMethod, WriteSettings};
pub use writes::{WriteDefinition, writes};
