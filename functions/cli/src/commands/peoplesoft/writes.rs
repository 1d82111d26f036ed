//! The operations that an administrator creates where attributes are written back: what each has to accept and to answer.

use std::collections::BTreeMap;

use connectors::peoplesoft::{Kind, WriteDefinition, writes};
use serde::Serialize;

use super::Site;
use super::text::kind;
use crate::words::indented;

/// The tables of a PeopleSoft that syncs write: their columns, and the streams.
#[derive(Debug, Default)]
pub(super) struct Writers {
    columns: Vec<String>,
    streams: Vec<String>,
    /// Whether one of them is switched on.
    is_on: bool,
}

impl Writers {
    /// Another stream that writes these columns.
    pub(super) fn add(&mut self, stream: &str, columns: impl Iterator<Item = String>, is_on: bool) {
        self.streams.push(stream.to_owned());
        self.is_on |= is_on;
        let new: Vec<_> = columns.filter(|column| !self.columns.contains(column)).collect();
        self.columns.extend(new);
    }
}

/// An operation to create, and who writes by it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct WantedWrite {
    #[serde(flatten)]
    definition: WriteDefinition,
    /// The streams that write by it.
    streams: Vec<String>,
    /// The fields that it has to accept, those of the key first.
    members: Vec<Member>,
}

/// A member of the body.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Member {
    name: String,
    kind: Option<Kind>,
    is_key: bool,
}

/// The operations of a site. Those that no sync writes by only where all are asked for, or one by its name.
pub(super) fn wanted(site: &Site<'_>, asked: Option<&str>, all: bool) -> anyhow::Result<Vec<WantedWrite>> {
    let mut chosen = Vec::new();
    for definition in writes(site.settings)? {
        let writers = site.writes.get(&definition.table);
        let is_meant = |asked: &str| {
            let mut streams = writers.into_iter().flat_map(|writers| &writers.streams);
            definition.table.eq_ignore_ascii_case(asked) || streams.any(|stream| stream.eq_ignore_ascii_case(asked))
        };
        if asked.map_or(all || writers.is_some_and(|writers| writers.is_on), is_meant) {
            chosen.push(WantedWrite::new(definition, writers));
        }
    }
    Ok(chosen)
}

impl WantedWrite {
    fn new(definition: WriteDefinition, writers: Option<&Writers>) -> Self {
        let key = definition.key();
        let written: Vec<String> = match writers {
            Some(writers) => writers.columns.iter().map(|column| definition.field(column)).collect(),
            None => definition.fields.values().cloned().collect(),
        };
        let others = written.into_iter().filter(|field| !key.contains(&field.as_str()));
        let named = key.iter().map(|field| ((*field).to_owned(), true)).chain(others.map(|field| (field, false)));
        let members = named.map(|(name, is_key)| Member { kind: definition.kind(&name), name, is_key }).collect();
        let streams = writers.map(|writers| writers.streams.clone()).unwrap_or_default();
        Self { definition, streams, members }
    }

    fn text(&self) -> String {
        let WriteDefinition { table, record, operation, method, path, read, message, success, id, .. } =
            &self.definition;
        let streams = match self.streams.as_slice() {
            [] => format!("for syncs that write the table {table}"),
            streams => format!("for {}", streams.join(", ")),
        };
        let path = path.as_ref().map(|path| format!("/{path}")).unwrap_or_default();
        let shown = |member: &Member| {
            let kind = member.kind.map(|known| format!(" {}", kind(known))).unwrap_or_default();
            format!("{}{kind}{}", member.name, if member.is_key { " (key)" } else { "" })
        };
        let members = wrapped(self.members.iter().map(shown));
        let reference = self.definition.reference.as_ref();
        let reference = reference.map(|field| {
            format!("\n           {field} is our reference of the call, to be kept where it is found again")
        });
        let added: Vec<_> =
            self.members.iter().filter(|member| member.kind.is_none()).map(|member| member.name.as_str()).collect();
        let added = match added.as_slice() {
            [] => String::new(),
            added => format!(", to which add {}", added.join(", ")),
        };
        let said = match success.values.first() {
            Some(value) => format!("{value} at {}", success.pointer),
            None => "no error".to_owned(),
        };
        format!(
            "{operation}\n  Writes one {record} per call, {streams}.\n  Call     {} …/{{node}}/{operation}{path}\n  Accepts  {}{}\n  \
             Answers  {said} when it was written, its id at {id} if there is one; why not at {message} when it was refused\n  \
             Read back by the query {read}_K{added}\n",
            method.as_str(),
            members,
            reference.unwrap_or_default(),
        )
    }
}

/// Members joined by commas, in lines that begin under the first.
fn wrapped(members: impl Iterator<Item = String>) -> String {
    const WIDTH: usize = 100;
    let (mut text, mut line) = (String::new(), 0);
    for member in members {
        if line > 0 {
            text.push_str(if line + member.len() > WIDTH { ",\n           " } else { ", " });
            line = if line + member.len() > WIDTH { 0 } else { line + 2 };
        }
        text.push_str(&member);
        line += member.len();
    }
    text
}

/// What holds for all of them, and then each.
pub(super) fn text(wanted: &[WantedWrite]) -> String {
    const HOW: &str = "
Operations by which attributes are written back

  PeopleSoft has no operation of its own for it. Create a REST service of the site with these operations: each reads a flat
  JSON object and writes through the component interface of the record, so that PeopleSoft's own rules hold.

  * It finds the record by its key, sets the fields that the body names and no others, and saves all of them or none. It
    creates nothing: a key that is not there is refused. The same call a second time changes nothing.
  * An empty text clears a field. Numbers are JSON numbers with every digit, yes and no are Y and N, dates are 2026-11-20,
    dates with a time 2026-11-20-09.15.02.000000 by the clock of the database, unless the tenant file says otherwise.
  * It answers 200 with {\"status\":\"success\",\"id\":\"…\"}, and a refused record with {\"status\":\"error\",\"message\":\"why\"}: 400,
    or 200 up to PeopleTools 8.58. The words of the component interface belong into the message: people read them.
  * Service, operation, version and handler are active, an any-to-local routing too; Req Verification is the one of the
    queries, and a permission list of the service user grants the operation under Web Services.
";
    if wanted.is_empty() {
        return String::new();
    }
    let mut text = HOW.to_owned();
    for write in wanted {
        text.push('\n');
        text.push_str(&indented(&write.text(), 2));
    }
    text
}

/// The tables that shipped syncs write.
pub(super) fn shipped() -> anyhow::Result<Written> {
    let mut written = Written::default();
    for file in integrations::blueprints()?.iter().filter(|file| file.blueprint.source == super::SYSTEM) {
        for (stream, spec) in file.blueprint.syncs.iter().filter(|(_, spec)| spec.reverse) {
            let writers = written.entry(spec.table.clone()).or_default();
            writers.add(stream, spec.columns.keys().cloned(), spec.enabled);
        }
    }
    Ok(written)
}

/// Keeps the first of those that say the same.
pub(super) fn add(listed: &mut Vec<WantedWrite>, wanted: Vec<WantedWrite>) {
    for write in wanted {
        if !listed.contains(&write) {
            listed.push(write);
        }
    }
}

/// The tables that a tenant's syncs or shipped blueprints write, by their names.
pub(super) type Written = BTreeMap<String, Writers>;

#[cfg(test)]
mod tests {
    use super::super::*;

    #[test]
    fn an_operation_is_told_with_what_it_accepts_and_answers() {
        let listed = Listed::choose(&sites(None).unwrap(), Some("supplier_attributes"), false).unwrap();
        let text = listed.text();
        for wanted in [
            "Operations by which attributes are written back",
            "  ML_VENDOR_UPDATE.v1\n    Writes one supplier per call, for supplier_attributes.\n",
            "POST …/{node}/ML_VENDOR_UPDATE.v1\n",
            "SETID Character 5 (key), VENDOR_ID Character 10 (key)",
            "NAME2 Character 40",
            "Answers  success at /status when it was written",
            "Read back by the query ML_VENDOR_K\n",
        ] {
            assert!(text.contains(wanted), "no {wanted:?} in {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 128) && text.lines().count() < 30, "{text}");
    }

    #[test]
    fn what_the_tenant_file_says_otherwise_is_printed() {
        let file = "connections:\n  ps:\n    peoplesoft: {url: \"https://ps.example.com/PSIGW/RESTListeningConnector\", node: N, \
                    secret: s, writes: {cost_centers: {operation: CX_DEPT.v1, read: ML_DEPT, method: put, path: \"{DEPTID}\", fields: \
                    {risk: CX_RISK}}}}\nintegrations: {}\n";
        let config = config::read(engine::model::id::TenantId::new("acme"), "acme.yaml", file).unwrap();
        let sites = sites(Some(&config)).unwrap();
        let listed = Listed::choose(&sites, Some("cost_centers"), false).unwrap();
        let text = listed.text();
        assert!(text.contains("PUT …/{node}/CX_DEPT.v1/{DEPTID}"), "{text}");
        assert!(text.contains("CX_RISK\n") && text.contains("ML_DEPT_K, to which add CX_RISK"), "{text}");
        let all = Listed::choose(&sites, None, true).unwrap();
        assert_eq!(all.writes.len(), 3);
        let json = serde_json::to_value(&all).unwrap();
        assert_eq!(
            (&json["writes"][0]["table"], &json["writes"][0]["method"]),
            (&"cost_centers".into(), &"put".into())
        );
    }
}
