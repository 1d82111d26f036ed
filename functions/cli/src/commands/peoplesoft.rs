//! `peoplesoft`: what the administrator of a PeopleSoft has to create before anything can be read.

mod text;
mod writes;

use std::collections::BTreeMap;
use std::path::Path;

use clap::Subcommand;
use connectors::peoplesoft::{
    CompanionSettings, Owner, PeopleSoftSettings, Purpose, QueryDefinition, QuerySettings, queries,
};
use connectors::registry::ConnectionSettings;
use serde::Serialize;
use tenants::Tenant;

use crate::args::Options;
use crate::config;
use crate::exit::{Exit, usage};
use crate::output::{Answer, Output};

/// The system, as blueprints name it.
const SYSTEM: &str = "peoplesoft";

/// `peoplesoft`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the queries to create in Query Manager: records, fields, prompts, criteria, order, security; and the operations
    /// by which attributes are written back
    Queries {
        /// Only those of this stream, such as vouchers or ML_VOUCHER, or of this written table; also of one that is not read
        #[arg(long, value_name = "NAME")]
        stream: Option<String>,
        /// Also those that no stream of an integration reads yet
        #[arg(long, conflicts_with = "stream")]
        all: bool,
    },
}

/// Prints what was asked for.
pub fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let What::Queries { stream, all } = &args.what;
    let config = tenant(options.config.as_deref())?;
    let sites = sites(config.as_ref())?;
    let listed = Listed::choose(&sites, stream.as_deref(), *all)?;
    listed.notes.iter().for_each(|note| output.say(note));
    output.answer(&listed)?;
    Ok(Exit::Ok)
}

/// The tenant file, which need not be there yet: an administrator may begin before it is written.
fn tenant(named: Option<&Path>) -> anyhow::Result<Option<Tenant>> {
    let there = named.is_some() || !tenants::files_in(Path::new(config::TENANTS)).map_err(usage)?.is_empty();
    there.then(|| config::load(named)).transpose()
}

/// A PeopleSoft, and which of its queries are read by which streams.
struct Site<'a> {
    settings: Option<&'a PeopleSoftSettings>,
    reads: BTreeMap<String, Readers>,
    writes: writes::Written,
}

/// The streams that read a query.
#[derive(Debug, Default)]
struct Readers {
    streams: Vec<String>,
    /// Whether one of them is switched on.
    is_on: bool,
}

impl Readers {
    fn add(&mut self, stream: &str, is_on: bool) {
        // An integration may include another one.
        if !self.streams.iter().any(|known| known == stream) {
            self.streams.push(stream.to_owned());
        }
        self.is_on |= is_on;
    }
}

/// Those of the tenant file. Without any, one that is read as the blueprints say.
fn sites(config: Option<&Tenant>) -> anyhow::Result<Vec<Site<'_>>> {
    let mut sites = Vec::new();
    for (name, settings) in config.iter().flat_map(|config| &config.file.tenant.connections) {
        let ConnectionSettings::PeopleSoft(settings) = settings else { continue };
        let mut reads: BTreeMap<String, Readers> = BTreeMap::new();
        let syncs = config.iter().flat_map(|config| config.plans.iter());
        for sync in syncs.filter(|sync| sync.plan.source.as_str() == name) {
            reads.entry(sync.plan.stream.object.clone()).or_default().add(&sync.plan.id.stream, sync.enabled);
        }
        let mut writes = writes::Written::default();
        let syncs = config.iter().flat_map(|config| config.plans.iter());
        for sync in syncs.filter(|sync| sync.plan.destination.as_str() == name) {
            let columns = sync.plan.table.columns.iter().map(|column| column.name.clone());
            writes.entry(sync.plan.table.name.clone()).or_default().add(&sync.plan.id.stream, columns, sync.enabled);
        }
        sites.push(Site { settings: Some(settings), reads, writes });
    }
    if sites.iter().all(|site| site.reads.is_empty() && site.writes.is_empty()) {
        let settings = sites.pop().and_then(|site| site.settings);
        return Ok(vec![Site { settings, reads: shipped()?, writes: writes::shipped()? }]);
    }
    Ok(sites)
}

fn shipped() -> anyhow::Result<BTreeMap<String, Readers>> {
    let mut reads: BTreeMap<String, Readers> = BTreeMap::new();
    for file in integrations::blueprints()?.iter().filter(|file| file.blueprint.source == SYSTEM) {
        for (stream, spec) in file.blueprint.syncs.iter().filter(|(_, spec)| !spec.reverse) {
            reads.entry(spec.read.object.clone()).or_default().add(stream, spec.enabled);
        }
    }
    Ok(reads)
}

/// A query to create, and who reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Wanted {
    #[serde(flatten)]
    definition: QueryDefinition,
    /// Whose it is.
    owner: Owner,
    /// The streams that read it, also those that are switched off.
    streams: Vec<String>,
    /// The text of the fields that are expressions, by their unique names.
    expressions: BTreeMap<String, String>,
    /// The criterion of each prompt, in the order of the prompts.
    prompt_criteria: Vec<String>,
    /// The query that reads the rows, for those beside it.
    #[serde(skip)]
    rows: QueryDefinition,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Listed {
    queries: Vec<Wanted>,
    /// The operations by which attributes are written back.
    writes: Vec<writes::WantedWrite>,
    /// The records that the service user's query access groups have to hold.
    records: Vec<String>,
    /// What is not printed, and why.
    #[serde(skip)]
    notes: Vec<String>,
}

impl Listed {
    fn choose(sites: &[Site<'_>], asked: Option<&str>, all: bool) -> anyhow::Result<Self> {
        let shipped = queries();
        let mut listed = Self { queries: Vec::new(), writes: Vec::new(), records: Vec::new(), notes: Vec::new() };
        let mut found = false;
        for site in sites {
            let wanted = writes::wanted(site, asked, all)?;
            found |= !wanted.is_empty();
            writes::add(&mut listed.writes, wanted);
            // The query for rows comes first, and those beside it follow.
            for group in shipped.chunk_by(|_, next| next.purpose != Purpose::Rows) {
                let Some(rows) = group.first() else { continue };
                let streams = site.reads.get(&rows.name).map(|readers| readers.streams.as_slice()).unwrap_or_default();
                let is_chosen = match asked {
                    Some(asked) => {
                        let is_meant = |name: &str| name.eq_ignore_ascii_case(asked);
                        group.iter().any(|query| is_meant(&query.name)) || streams.iter().any(|stream| is_meant(stream))
                    }
                    None => site.is_wanted(rows, all, &mut listed.notes),
                };
                if is_chosen {
                    found = true;
                    listed.add(site, group, streams);
                }
            }
        }
        match (asked, found) {
            (Some(asked), false) => Err(unknown(asked, sites, &shipped)),
            _ => Ok(listed),
        }
    }

    /// Adds the queries of a stream, as the site has them.
    fn add(&mut self, site: &Site<'_>, group: &[QueryDefinition], streams: &[String]) {
        let Some(rows) = group.first() else { return };
        if site.settings.is_some_and(|settings| settings.operations.contains_key(&rows.name)) {
            self.notes.push(format!("{} is read by an operation of the site, so it needs no query", rows.name));
            return;
        }
        let change = site.settings.and_then(|settings| settings.queries.get(&rows.name)).cloned().unwrap_or_default();
        let owner = change.owner.or(site.settings.map(|settings| settings.owner)).unwrap_or_default();
        let named = |name| QueryDefinition { name, ..rows.clone() };
        let rows_as_named = site.name_of(&change, rows, Purpose::Rows).map_or_else(|| rows.clone(), named);
        for query in group {
            let Some(name) = site.name_of(&change, rows, query.purpose) else { continue };
            if has_own_prompts(&change, query.purpose) {
                self.notes.push(format!("{name} is the site's own query, with the prompts that the tenant file says"));
                continue;
            }
            let wanted = Wanted::new(QueryDefinition { name, ..query.clone() }, owner, streams, &rows_as_named);
            if self.queries.contains(&wanted) {
                continue;
            }
            let records = wanted.definition.records.iter().map(|record| record.record.clone());
            self.records.extend(records);
            self.queries.push(wanted);
        }
        self.records.sort();
        self.records.dedup();
    }
}

impl Site<'_> {
    /// Whether a query is printed that nobody asked for by name. Data about persons is not, unless it is switched on.
    fn is_wanted(&self, rows: &QueryDefinition, all: bool, notes: &mut Vec<String>) -> bool {
        let is_read = self.reads.get(&rows.name).is_some_and(|readers| readers.is_on);
        if !rows.personal {
            return all || is_read;
        }
        let is_on = is_read || self.settings.is_some_and(|settings| settings.personal.enabled);
        if all && !is_on {
            notes.push(format!(
                "{name} reads data about persons and is left out: `--stream {name}` prints it",
                name = rows.name
            ));
        }
        is_on
    }

    /// What the site calls a query; nothing where it does without.
    fn name_of(&self, change: &QuerySettings, rows: &QueryDefinition, purpose: Purpose) -> Option<String> {
        let base = change.name.as_deref().unwrap_or(&rows.name);
        let (companion, on, suffix) = match purpose {
            Purpose::Rows => return Some(base.to_owned()),
            Purpose::ByKey => (&change.by_key, self.settings.is_none_or(|settings| settings.by_key), "_K"),
            Purpose::Totals => (&change.totals, self.settings.is_none_or(|settings| settings.totals), "_T"),
        };
        let companion = companion.clone().unwrap_or_default();
        companion.enabled.unwrap_or(on).then(|| companion.name.unwrap_or_else(|| format!("{base}{suffix}")))
    }
}

/// Whether the tenant file says which prompts a query has: then it is not the one that is shipped.
fn has_own_prompts(change: &QuerySettings, purpose: Purpose) -> bool {
    let of =
        |companion: &Option<CompanionSettings>| companion.as_ref().is_some_and(|companion| companion.prompts.is_some());
    match purpose {
        Purpose::Rows => change.prompts.is_some(),
        Purpose::ByKey => of(&change.by_key),
        Purpose::Totals => of(&change.totals),
    }
}

fn unknown(asked: &str, sites: &[Site<'_>], shipped: &[QueryDefinition]) -> anyhow::Error {
    let streams = sites.iter().flat_map(|site| site.reads.values().flat_map(|readers| &readers.streams));
    let queries = shipped.iter().filter(|query| query.purpose == Purpose::Rows).map(|query| &query.name);
    let names: Vec<_> = streams.chain(queries).map(String::as_str).collect();
    usage(format!("there is no stream `{asked}` of PeopleSoft: use one of {}", names.join(", ")))
}

impl Wanted {
    fn new(definition: QueryDefinition, owner: Owner, streams: &[String], rows: &QueryDefinition) -> Self {
        let expression = |field| Some((field, definition.expression(field)?));
        let expressions = definition.fields.iter().filter_map(expression);
        let expressions = expressions.map(|(field, text)| (field.name.clone(), text)).collect();
        let prompt_criteria = (0..definition.prompts.len()).filter_map(|at| definition.criterion(at)).collect();
        Self { owner, streams: streams.to_vec(), expressions, prompt_criteria, rows: rows.clone(), definition }
    }
}

impl Answer for Listed {
    fn text(&self) -> String {
        text::text(self)
    }
}

#[cfg(test)]
mod tests {
    use engine::model::id::TenantId;

    use super::*;

    fn listed(connection: &str, all: bool) -> Listed {
        let file = format!(
            "connections:\n  ps:\n    peoplesoft: {{url: \"https://ps.example.com/PSIGW/RESTListeningConnector\", node: N, secret: \
             s, {connection}}}\n  warehouse: {{sqlite: {{path: w.sqlite}}}}\nintegrations:\n  peoplesoft-looker:\n    source: \
             ps\n    destination: warehouse\n    syncs: {{payments: {{enabled: false}}}}\n"
        );
        let config = config::read(TenantId::new("acme"), "acme.yaml", &file).unwrap();
        Listed::choose(&sites(Some(&config)).unwrap(), None, all).unwrap()
    }

    fn names(listed: &Listed) -> Vec<&str> {
        listed.queries.iter().map(|query| query.definition.name.as_str()).collect()
    }

    #[test]
    fn the_tenant_file_says_which_queries_are_needed_and_what_they_are_called() {
        let site = listed(
            "queries: {ML_VOUCHER: {name: CX_V, owner: private, totals: {name: CX_SUMS}}}, by_key: false",
            false,
        );
        let names = names(&site);
        assert!(names.contains(&"CX_V") && names.contains(&"CX_SUMS") && names.contains(&"ML_VENDOR"), "{names:?}");
        assert!(!names.iter().any(|name| name.ends_with("_K") || name.contains("PAYMENT") || *name == "ML_VOUCHER"));
        let private = site.queries.iter().filter(|query| query.owner == Owner::Private);
        assert_eq!(private.count(), 2);
    }

    #[test]
    fn a_query_of_the_site_and_an_operation_need_nothing_to_be_created() {
        let own = "queries: {ML_VOUCHER: {name: CX_V, prompts: [{name: BIND1, value: {after: ROW_KEY}}]}}";
        let operation = "operations: {ML_VENDOR: {path: SCX_VENDORS.v1}}";
        let site = listed(&format!("{own}, {operation}"), false);
        assert!(!names(&site).iter().any(|name| *name == "CX_V" || name.starts_with("ML_VENDOR_K")));
        assert!(site.notes.iter().any(|note| note.starts_with("CX_V is the site's own query")), "{:?}", site.notes);
        assert!(site.notes.iter().any(|note| note.contains("operation of the site")), "{:?}", site.notes);
    }

    #[test]
    fn payroll_is_printed_once_it_is_switched_on() {
        assert!(names(&listed("personal: {enabled: true}", false)).contains(&"ML_PAY_CHECK"));
        let off = listed("tools: pt858", true);
        assert!(!names(&off).contains(&"ML_PAY_CHECK"));
        assert!(off.notes.iter().any(|note| note.contains("--stream ML_PAY_CHECK")), "{:?}", off.notes);
    }

    #[test]
    fn programs_get_the_whole_definition() {
        let sites = sites(None).unwrap();
        let json = serde_json::to_value(Listed::choose(&sites, Some("vouchers"), false).unwrap()).unwrap();
        let rows = &json["queries"][0];
        assert_eq!(
            (&rows["name"], &rows["purpose"], &rows["owner"]),
            (&"ML_VOUCHER".into(), &"rows".into(), &"public".into())
        );
        assert_eq!(rows["prompts"][2]["name"], "AFTER_KEY");
        assert_eq!(rows["expressions"]["ROW_KEY"], "A.BUSINESS_UNIT %Concat '|' %Concat A.VOUCHER_ID");
        assert_eq!(json["records"], serde_json::json!(["VOUCHER"]));
    }

    #[test]
    fn a_stream_that_is_not_known_is_told_with_those_that_are() {
        let error = Listed::choose(&sites(None).unwrap(), Some("vouches"), false).unwrap_err().to_string();
        assert!(
            error.contains("no stream `vouches`") && error.contains("vouchers") && error.contains("ML_PO_HDR"),
            "{error}"
        );
    }
}
