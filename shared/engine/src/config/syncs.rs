//! The syncs of one integration: merged, compiled, checked against each other, put in order.

use std::sync::Arc;

use chrono_tz::Tz;
use indexmap::{IndexMap, IndexSet};

use super::blueprint::{BlueprintFile, SyncSpec};
use super::document::Document;
use super::plans::ConfiguredSync;
use super::problem::Problems;
use super::references::{is_comparable, references};
use super::tenant::SyncChange;
use super::{dashboards, nearest};
use crate::mapping::{Declaration, Mapping, is_name};
use crate::model::id::{ConnectionId, IntegrationId, SyncId, TenantId};
use crate::model::table::{ColumnType, TableColumn, TableSpec};
use crate::plan::{StreamSpec, SyncPlan};

/// What the syncs of an integration are resolved from.
pub(super) struct Integration<'a> {
    pub tenant: TenantId,
    pub integration: IntegrationId,
    pub source: ConnectionId,
    pub destination: ConnectionId,
    pub zone: Tz,
    pub blueprint: &'a BlueprintFile,
    pub changes: &'a IndexMap<String, SyncChange>,
    pub tenant_document: Option<&'a Document>,
}

impl Integration<'_> {
    /// The zone in which what a sync reads is stamped. What a destination gives back, it gives as instants.
    fn zone_of(&self, spec: &SyncSpec) -> Tz {
        if spec.reverse { Tz::UTC } else { self.zone }
    }
}

/// Resolves them, in the order in which they run. With problems the result is not complete.
pub(super) fn resolve(integration: &Integration<'_>, problems: &mut Problems) -> Vec<ConfiguredSync> {
    let specs: IndexMap<&str, SyncSpec> = integration
        .blueprint
        .blueprint
        .syncs
        .iter()
        .map(|(stream, spec)| {
            let changed = integration.changes.get(stream).map(|change| spec.changed_by(change));
            (stream.as_str(), changed.unwrap_or_else(|| spec.clone()))
        })
        .collect();
    let mut syncs = Syncs { integration, specs: &specs, problems };
    let mut mappings: IndexMap<&str, Mapping> = IndexMap::new();
    for (&stream, spec) in &specs {
        if syncs.removals(stream, spec) {
            mappings.extend(syncs.mapping(stream, spec).map(|mapping| (stream, mapping)));
        }
    }
    for (&stream, spec) in &specs {
        syncs.read(stream, spec, mappings.get(stream));
        syncs.table(stream, spec, mappings.get(stream));
        syncs.links(stream, spec, &mappings);
    }
    let order = syncs.order();
    dashboards::check(integration.blueprint, problems);
    let plans = order.into_iter().filter_map(|stream| {
        let mapping = mappings.swap_remove(stream)?;
        Some(plan(integration, &specs, stream, mapping))
    });
    plans.collect()
}

/// The streams whose records a sync needs or looks up, each with the columns that make the key.
fn linked(spec: &SyncSpec) -> impl Iterator<Item = (Vec<&str>, &str, &[String])> {
    let needs = spec.needs.iter().map(|need| (vec!["needs"], need.stream.as_str(), need.key.as_slice()));
    let lookups = spec.columns.iter().filter_map(|(name, column)| {
        let lookup = column.lookup.as_ref()?;
        Some((vec!["columns", name.as_str(), "lookup"], lookup.stream.as_str(), lookup.key.as_slice()))
    });
    needs.chain(lookups)
}

/// The streams that run before a sync.
fn before<'s>(stream: &str, spec: &'s SyncSpec) -> IndexSet<&'s str> {
    let named = spec.after.iter().map(String::as_str);
    named.chain(linked(spec).map(|(_, stream, _)| stream)).filter(|other| *other != stream).collect()
}

fn plan(
    integration: &Integration<'_>,
    specs: &IndexMap<&str, SyncSpec>,
    stream: &str,
    mapping: Mapping,
) -> ConfiguredSync {
    let spec = &specs[stream];
    let read = &spec.read;
    let columns = mapping.table_columns();
    let position = |name: &String| columns.iter().position(|column| column.name == *name);
    let source_of = |name: &String| Some((mapping.plain_source(name)?.to_owned(), name.clone()));
    let (ours, theirs) = (integration.source.clone(), integration.destination.clone());
    let systems = &integration.blueprint.blueprint;
    let (source, destination, source_system) = match spec.reverse {
        false => (ours, theirs, systems.source.clone()),
        true => (theirs, ours, systems.destination.clone()),
    };
    let plan = SyncPlan {
        id: SyncId {
            tenant: integration.tenant.clone(),
            integration: integration.integration.clone(),
            stream: stream.to_owned(),
        },
        description: spec.description.clone(),
        source,
        destination,
        stream: StreamSpec {
            name: stream.to_owned(),
            object: read.object.clone(),
            key: read.key.clone(),
            updated: read.updated.clone(),
            filter: read.filter.clone(),
            columns: mapping.source_columns().to_vec(),
            padded: read.padded.iter().map(|(column, width)| (column.clone(), *width)).collect(),
            page_size: read.page_size,
        },
        table: TableSpec {
            name: spec.table.clone(),
            description: spec.description.clone(),
            key: mapping.key_columns().to_vec(),
            company: spec.company.as_ref().and_then(position),
            source_system,
            columns: columns.clone(),
        },
        zone: integration.zone_of(spec),
        lookback_days: spec.lookback_days,
        safety_lag: spec.safety_lag.0,
        wait_at_most: spec.wait_at_most.0,
        keep_archive: spec.keep_archive.0,
        totals: spec.totals.iter().filter_map(source_of).collect(),
        control: spec.control.clone(),
        keeps_links: specs.values().any(|other| linked(other).any(|(_, needed, _)| needed == stream)),
        after: before(stream, spec).into_iter().map(str::to_owned).collect(),
        reverse: spec.reverse,
        mapping,
    };
    ConfiguredSync {
        plan: Arc::new(plan),
        enabled: spec.enabled,
        schedule: spec.schedule.clone(),
        references: references(stream, specs),
    }
}

struct Syncs<'a, 'p> {
    integration: &'a Integration<'a>,
    specs: &'a IndexMap<&'a str, SyncSpec>,
    problems: &'p mut Problems,
}

impl<'a> Syncs<'a, '_> {
    /// A problem with a field of a sync, pointed at where the field was written: by the tenant, or in the blueprint.
    fn problem(&mut self, stream: &str, path: &[&str], message: impl Into<String>) {
        let (document, path) = self.written(stream, path);
        self.problems.push(document.problem(&path, message));
    }

    fn written(&self, stream: &str, path: &[&str]) -> (&'a Document, Vec<String>) {
        let under = |prefix: &[&str], path: &[&str]| -> Vec<String> {
            prefix.iter().chain(path).map(|&part| part.to_owned()).collect()
        };
        let written = match path {
            ["columns", _, ..] => &path[..2],
            _ => &path[..path.len().min(1)],
        };
        let tenant = ["integrations", self.integration.integration.as_str(), "syncs", stream];
        match self.integration.tenant_document {
            Some(document) if document.has(&under(&tenant, written)) => (document, under(&tenant, path)),
            _ => {
                let read = if matches!(path, ["filter" | "page_size", ..]) { &["read"] as &[_] } else { &[] };
                (&self.integration.blueprint.document, under(&[&["syncs", stream], read].concat(), path))
            }
        }
    }

    /// Columns that the tenant leaves out: whether the rest still holds together.
    fn removals(&mut self, stream: &str, spec: &SyncSpec) -> bool {
        let Some(change) = self.integration.changes.get(stream) else {
            return true;
        };
        let mut holds = true;
        let shipped = &self.integration.blueprint.blueprint.syncs[stream].columns;
        for (name, _) in change.columns.iter().filter(|(_, column)| column.is_none()) {
            if !shipped.contains_key(name) {
                let hint = nearest(name, shipped.keys().map(String::as_str));
                self.problem(stream, &["columns", name], format!("there is no column `{name}` to leave out{hint}"));
                holds = false;
            } else if let Some(use_of) = spec.uses_of(name) {
                self.problem(stream, &["columns", name], format!("`{name}` {use_of} and cannot be left out"));
                holds = false;
            }
        }
        holds
    }

    fn mapping(&mut self, stream: &str, spec: &SyncSpec) -> Option<Mapping> {
        let declaration = Declaration {
            columns: &spec.columns,
            key: &spec.key,
            source_key: &spec.read.key,
            updated: spec.read.updated.as_ref(),
            filter: spec.filter_rows.as_deref(),
            needs: &spec.needs,
            zone: self.integration.zone_of(spec),
        };
        match Mapping::compile(&declaration) {
            Ok(mapping) => Some(mapping),
            Err(faults) => {
                for fault in faults {
                    let path: Vec<_> = fault.path.iter().map(String::as_str).collect();
                    self.problem(stream, &path, fault.message);
                }
                None
            }
        }
    }

    fn read(&mut self, stream: &str, spec: &SyncSpec, mapping: Option<&Mapping>) {
        if spec.read.key.is_empty() {
            self.problem(stream, &["read", "key"], "names no column: name the columns of the source's unique key");
        }
        if spec.read.page_size == Some(0) {
            self.problem(stream, &["page_size"], "a page holds at least one record");
        }
        let Some(mapping) = mapping else { return };
        if self.integration.tenant_document.is_some() {
            // A tenant may leave out columns of which the blueprint knows that they are padded.
            return;
        }
        for column in spec.read.padded.keys() {
            let filtered = spec.read.filter.iter().any(|condition| condition.column == *column);
            if !filtered && !mapping.source_columns().contains(column) {
                let hint = nearest(column, mapping.source_columns().iter().map(String::as_str));
                self.problem(stream, &["read", "padded", column], format!("`{column}` is not read{hint}"));
            }
        }
    }

    fn table(&mut self, stream: &str, spec: &SyncSpec, mapping: Option<&Mapping>) {
        if !is_name(&spec.table) {
            let message = format!(
                "`{}` is no name for a table: use lower-case letters, digits and _, beginning with a letter, at most 63 \
                 characters",
                spec.table
            );
            self.problem(stream, &["table"], message);
        }
        if let Some(company) = spec.company.as_ref().filter(|name| !spec.columns.contains_key(*name)) {
            let hint = nearest(company, spec.columns.keys().map(String::as_str));
            self.problem(stream, &["company"], format!("`{company}` is no column of this sync{hint}"));
        }
        let Some(mapping) = mapping else { return };
        for name in &spec.totals {
            let Some(column) = mapping.table_columns().into_iter().find(|column| column.name == *name) else {
                let hint = nearest(name, spec.columns.keys().map(String::as_str));
                self.problem(stream, &["totals"], format!("`{name}` is no column of this sync{hint}"));
                continue;
            };
            let summed = matches!(column.kind, ColumnType::Integer | ColumnType::Decimal { .. });
            if !summed || mapping.plain_source(name).is_none() {
                let message =
                    format!("`{name}` is not a number taken as it is from one source column, so no sum proves it");
                self.problem(stream, &["totals"], message);
            }
        }
        self.control(stream, spec, mapping);
    }

    /// The columns that group records for comparison are there, and months are those of a date.
    fn control(&mut self, stream: &str, spec: &SyncSpec, mapping: &Mapping) {
        let columns = mapping.table_columns();
        let grouped = spec.control.by.iter().map(|name| ("by", name));
        for (field, name) in grouped.chain(spec.control.month.iter().map(|name| ("month", name))) {
            let message = match columns.iter().find(|column| column.name == *name).map(|column| column.kind) {
                None => {
                    let hint = nearest(name, spec.columns.keys().map(String::as_str));
                    format!("`{name}` is no column of this sync{hint}")
                }
                Some(kind) if field == "month" && kind != ColumnType::Date => {
                    format!("`{name}` is of type {kind} and has no months: name a column of type date")
                }
                Some(ColumnType::Json) => format!("`{name}` is of type json and makes no groups"),
                Some(_) => continue,
            };
            self.problem(stream, &["control", field], message);
        }
    }

    /// Syncs that this one names: they exist, are switched on, and have keys of the same shape.
    fn links(&mut self, stream: &str, spec: &'a SyncSpec, mappings: &IndexMap<&str, Mapping>) {
        for other in &spec.after {
            if !self.specs.contains_key(other.as_str()) {
                let hint = nearest(other, self.specs.keys().copied());
                self.problem(stream, &["after"], format!("there is no sync `{other}`{hint}"));
            }
        }
        for (path, other, key) in linked(spec) {
            let Some(target) = self.specs.get(other) else {
                let hint = nearest(other, self.specs.keys().copied());
                self.problem(stream, &path, format!("there is no sync `{other}`{hint}"));
                continue;
            };
            if spec.enabled && !target.enabled {
                let message = format!(
                    "{stream} waits for records of {other}, which is switched off: switch it on, or {stream} off"
                );
                self.problem(if self.is_changed(other, "enabled") { other } else { stream }, &["enabled"], message);
            }
            if let (Some(own), Some(target)) = (mappings.get(stream), mappings.get(other))
                && let Some(message) = mismatch(own, key, other, target)
            {
                self.problem(stream, &path, message);
            }
        }
    }

    fn is_changed(&self, stream: &str, field: &str) -> bool {
        let path = ["integrations", self.integration.integration.as_str(), "syncs", stream, field].map(str::to_owned);
        self.integration.tenant_document.is_some_and(|document| document.has(&path))
    }

    /// The order in which they run: as written, but never before what they name.
    fn order(&mut self) -> Vec<&'a str> {
        let specs = self.specs;
        let mut order: Vec<&str> = Vec::new();
        while order.len() < specs.len() {
            let ready = specs.iter().find(|(stream, spec)| {
                let waits = |other: &&str| specs.contains_key(other) && !order.contains(other);
                !order.contains(*stream) && !before(stream, spec).iter().any(waits)
            });
            let Some((stream, _)) = ready else {
                let circle: Vec<_> = specs.keys().copied().filter(|stream| !order.contains(stream)).collect();
                let message = format!(
                    "{} run before each other: remove one from `after`, `needs` or `lookup`",
                    circle.join(", ")
                );
                self.problem(circle[0], &["after"], message);
                order.extend(circle);
                break;
            };
            order.push(stream);
        }
        order
    }
}

/// What keeps a key from being one of another sync's keys.
fn mismatch(own: &Mapping, key: &[String], other: &str, target: &Mapping) -> Option<String> {
    let (own, theirs) = (own.table_columns(), target.table_columns());
    let theirs: Vec<&TableColumn> = target.key_columns().iter().filter_map(|at| theirs.get(*at)).collect();
    if key.len() != theirs.len() {
        let names: Vec<_> = theirs.iter().map(|column| column.name.as_str()).collect();
        return Some(format!(
            "the key of {other} has {} columns ({}), not {}",
            names.len(),
            names.join(", "),
            key.len()
        ));
    }
    let pairs = key.iter().filter_map(|name| own.iter().find(|column| column.name == *name)).zip(theirs);
    pairs.into_iter().find_map(|(mine, their)| {
        (!is_comparable(mine.kind, their.kind)).then(|| {
            format!(
                "`{}` is of type {}, and {} of {other} is of type {}: give both the same",
                mine.name, mine.kind, their.name, their.kind
            )
        })
    })
}
