//! The templates of a deployment: what varies with the tenants is rendered, and everything that is deployed is checked.
//!
//! `infra/template.yaml` and `infra/integration.yaml` are written by hand. [`deployment`] says which of them are made how
//! often and for whom, [`render`] and [`tenant`] turn that into templates, [`template`] reads templates back as
//! CloudFormation does, and [`rules`] and [`limits`] are what has to hold in them.
//!
//! Invariant: what is rendered follows from the tenant files alone, to the byte, so that a deployment's change is the
//! difference of two commits.

pub mod deployment;
pub mod files;
pub mod limits;
pub mod names;
pub mod render;
pub mod rules;
pub mod template;
pub mod tenant;
