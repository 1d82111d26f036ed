//! Looker: the business intelligence system that reads the warehouse. It is told when tables have changed, asked for its
//! own totals, and asked to send what people wait for.
//!
//! [`consumer`] is the port; [`settings`] and [`plan_settings`] are what people write; [`client`] and [`auth`] hold the
//! session, [`refusal`] says what a refused call means; [`model`] finds the fields of a table and [`explores`] reads them;
//! [`queries`] asks for rows, [`totals`] for totals of any size; [`datagroups`], [`plans`], [`declare`] and [`deliveries`]
//! are what is changed and sent; [`check`] tells an administrator what is missing. [`lookml`] writes the model.
//!
//! Invariants: API 4.0 only; amounts never pass through a float; a delivery is asked for once and looked for before
//! anything is sent again; a wrong client secret is tried once; no secret is in any message. What must not be here:
//! warehouses, sources, other systems.

mod auth;
mod check;
mod client;
mod consumer;
mod datagroups;
mod declare;
mod deliveries;
mod explores;
pub mod lookml;
mod model;
mod plan_settings;
mod plans;
mod queries;
mod refusal;
mod settings;
#[cfg(test)]
mod tests;
mod totals;

pub use consumer::Looker;
pub use plan_settings::{DestinationSettings, Format, PlanSettings};
pub use settings::{DatagroupSettings, ExploreSettings, LookerSettings, OnChange};
