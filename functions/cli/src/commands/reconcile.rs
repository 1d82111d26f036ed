//! `reconcile`: prove that source and destination agree, name every record that does not, and mend it on request.

use chrono::NaiveDate;
use engine::model::id::SyncId;
use engine::model::message::Reason;
use engine::model::reconcile::{Difference, Reconciliation};
use engine::stages::{ReconcileOptions, reconcile, repair, review};
use serde::Serialize;

use crate::args::Options;
#[cfg(feature = "aws")]
use crate::aws::{Deployed, reconcile as aws};
#[cfg(feature = "aws")]
use crate::backend::Backend;
use crate::exit::{Exit, usage};
use crate::output::{Answer, Output};
use crate::setup::Setup;
use crate::words::{Columns, count, indented, number, shortened, told_apart};
use crate::work::Work;

/// The longest value of a field that is shown to people.
const LONGEST_VALUE: usize = 60;

/// `reconcile`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The syncs to compare, such as ap_invoices or jde-looker/ap_invoices [default: all that are switched on]
    syncs: Vec<String>,
    /// Compare only what changed on this day and later
    #[arg(long, value_name = "DATE", conflicts_with = "totals_only")]
    from: Option<NaiveDate>,
    /// Compare only what changed up to this day
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<NaiveDate>,
    /// Compare counts and totals only, without reading the records
    #[arg(long, conflicts_with = "repair")]
    totals_only: bool,
    /// Mend what differs: read it again, or mark it deleted where the source has it no longer
    #[arg(long)]
    repair: bool,
    /// With --repair: mark deleted however many they are
    #[arg(long, requires = "repair")]
    accept_deletes: bool,
}

impl Args {
    fn options(&self) -> anyhow::Result<ReconcileOptions> {
        if self.from.zip(self.to).is_some_and(|(from, to)| to < from) {
            return Err(usage("--to is before --from"));
        }
        Ok(ReconcileOptions { window: self.from.map(|from| (from, self.to)), totals_only: self.totals_only })
    }
}

#[cfg(feature = "aws")]
impl Args {
    /// The payload of the function `reconcile`.
    fn request(&self, setup: &Setup, sync: &SyncId) -> lambda::ReconcileRequest {
        lambda::ReconcileRequest {
            tenant: setup.tenant.clone(),
            sync: Some(format!("{}/{}", sync.integration, sync.stream)),
            from: self.from,
            to: self.to,
            totals_only: self.totals_only,
            repair: self.repair,
            accept_deletes: self.accept_deletes,
        }
    }
}

/// Compares the syncs.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let what = args.options()?;
    let setup = if args.repair { Setup::open(options).await? } else { Setup::look(options).await? };
    let syncs = setup.choose(&args.syncs)?;
    let mut work = if args.repair { Some(Work::begin(&setup, output).await?) } else { None };
    let mut answer = Reconciled { syncs: Vec::new() };
    for sync in &syncs {
        let mut notes = Vec::new();
        #[cfg(feature = "aws")]
        if let Backend::Deployed(deployed) = &setup.backend {
            let request = args.request(&setup, sync);
            let compared = by_function(deployed, sync, &request, work.as_mut(), &mut notes).await?;
            notes.iter().for_each(|note| output.say(format!("{}: {note}", sync.stream)));
            answer.syncs.push(Row::new(sync, compared, notes));
            continue;
        }
        let compared = match (reconcile(&setup.context, sync, what).await, &mut work) {
            (Ok(result), Some(work)) if !result.differences.is_empty() => {
                mend(&setup, sync, result, args.accept_deletes, work, &mut notes).await?
            }
            (Ok(result), _) => Ok(result),
            (Err(failure), _) => Err(failure.to_string()),
        };
        notes.iter().for_each(|note| output.say(format!("{}: {note}", sync.stream)));
        answer.syncs.push(Row::new(sync, compared, notes));
    }
    output.answer(&answer)?;
    if let (true, None) = (answer.syncs.iter().any(Row::can_be_mended), &work) {
        output.say("nothing was changed; `reconcile --repair` mends what can be mended");
    }
    Ok(if answer.syncs.iter().all(|row| row.ok) { Exit::Ok } else { Exit::NotOk })
}

/// Has the function `reconcile` compare a sync and, with `work`, mend what differs; looks at it once more then.
#[cfg(feature = "aws")]
async fn by_function(
    deployed: &Deployed,
    sync: &SyncId,
    request: &lambda::ReconcileRequest,
    work: Option<&mut Work<'_>>,
    notes: &mut Vec<String>,
) -> anyhow::Result<Result<Reconciliation, String>> {
    let mut compared = match aws::compare(deployed, sync, request).await {
        Ok(compared) => compared,
        Err(failure) => return Ok(Err(failure.to_string())),
    };
    notes.append(&mut compared.notes);
    let Some(work) = work.filter(|_| !compared.result.differences.is_empty()) else { return Ok(Ok(compared.result)) };
    work.follow(&compared.repairs, None).await?;
    notes.extend(work.not_begun(sync).cloned());
    let again = lambda::ReconcileRequest { repair: false, accept_deletes: false, ..request.clone() };
    Ok(match aws::compare(deployed, sync, &again).await {
        Ok(again) => Ok(aws::reviewed(compared.result, &again.result)),
        Err(failure) => Err(failure.to_string()),
    })
}

/// Mends what differs, by the ordinary way, and looks at it once more.
async fn mend(
    setup: &Setup,
    sync: &SyncId,
    mut result: Reconciliation,
    accept_deletes: bool,
    work: &mut Work<'_>,
    notes: &mut Vec<String>,
) -> anyhow::Result<Result<Reconciliation, String>> {
    let repaired = match repair(&setup.context, sync, &result, accept_deletes).await {
        Ok(repaired) => repaired,
        Err(failure) => return Ok(Err(failure.to_string())),
    };
    for selection in repaired.runs {
        work.run(sync, Reason::Manual, selection).await?;
    }
    notes.extend(work.not_begun(sync).cloned());
    notes.extend(repaired.notes);
    match review(&setup.context, sync, &mut result).await {
        Ok(()) => Ok(Ok(result)),
        Err(failure) => Ok(Err(failure.to_string())),
    }
}

#[derive(Debug, Serialize)]
struct Reconciled {
    syncs: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    sync: String,
    integration: String,
    /// Whether both sides agree, but for what is rejected or waits; after a repair, whether everything was mended.
    ok: bool,
    /// Why nothing could be compared.
    failed: Option<String>,
    #[serde(flatten)]
    result: Option<Reconciliation>,
    /// What a repair did not do, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    repair_notes: Vec<String>,
}

impl Row {
    fn new(sync: &SyncId, compared: Result<Reconciliation, String>, repair_notes: Vec<String>) -> Self {
        let (result, failed) = match compared {
            Ok(result) => (Some(result), None),
            Err(why) => (None, Some(why)),
        };
        Self {
            sync: sync.stream.clone(),
            integration: sync.integration.to_string(),
            ok: result.as_ref().is_some_and(Reconciliation::is_settled),
            failed,
            result,
            repair_notes,
        }
    }

    fn can_be_mended(&self) -> bool {
        use engine::model::reconcile::Mend;
        let differences = self.result.iter().flat_map(|result| &result.differences);
        differences.into_iter().any(|difference| difference.mend != Mend::Nobody && difference.repaired.is_none())
    }

    fn details(&self) -> String {
        let mut text = String::new();
        if let Some(why) = &self.failed {
            text.push_str(&format!("could not be compared: {why}\n"));
        }
        let Some(result) = &self.result else { return text };
        if !result.total_differences.is_empty() {
            let mut columns = Columns::new(&[
                "totals",
                "group",
                "of",
                ">source",
                ">destination",
                ">rejected",
                ">waiting",
                ">difference",
            ]);
            for total in &result.total_differences {
                let explained = if total.explained { "" } else { " (not explained by the records below)" };
                let group = match (total.by.as_str(), &total.group) {
                    ("all", _) => "",
                    (_, None) => "(none)",
                    (_, Some(group)) => group,
                };
                columns.row([
                    total.by.as_str(),
                    group,
                    &total.what,
                    &total.source,
                    &total.destination,
                    &total.rejected,
                    &total.waiting,
                    &format!("{}{explained}", total.difference),
                ]);
            }
            text.push_str(&columns.text());
        }
        for difference in &result.differences {
            text.push_str(&line(difference));
        }
        if result.is_cut {
            let listed = count(result.differences.len() as u64, "difference is", "differences are");
            text.push_str(&format!(
                "only {listed} listed and the comparison stopped there: read everything again with `run {} --full`\n",
                self.sync
            ));
        }
        for note in &result.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }
}

/// A difference as people read it.
fn line(difference: &Difference) -> String {
    let repaired = match (difference.repaired, &difference.not_repaired) {
        (Some(true), _) => " - repaired".to_owned(),
        (Some(false), Some(why)) => format!(" - NOT repaired: {why}"),
        _ => String::new(),
    };
    let mut text = format!("{}  {}: {}{repaired}\n", difference.cause.as_str(), difference.key, difference.detail);
    for field in &difference.fields {
        let shown = |value: &Option<String>| match value {
            Some(value) => format!("`{}`", shortened(value, LONGEST_VALUE)),
            None => "nothing".to_owned(),
        };
        let (source, destination) = (shown(&field.source), shown(&field.destination));
        text.push_str(&format!("    {}: {source} at the source, {destination} at the destination\n", field.column));
    }
    text
}

impl Reconciled {
    fn name(&self, row: &Row) -> String {
        let all = self.syncs.iter().map(|row| (row.integration.as_str(), row.sync.as_str()));
        told_apart(all, &row.integration, &row.sync)
    }
}

impl Answer for Reconciled {
    fn text(&self) -> String {
        let headings = ["sync", ">source", ">destination", ">rejected", ">waiting", ">compared", ">differ", "agrees"];
        let mut columns = Columns::new(&headings);
        for row in &self.syncs {
            let cell = |of: fn(&Reconciliation) -> Option<u64>| {
                row.result.as_ref().and_then(of).map_or_else(|| "-".to_owned(), number)
            };
            let agrees = match (&row.result, row.ok) {
                (None, _) => "failed",
                (Some(result), _) if result.agrees => "yes",
                (Some(_), true) => "repaired",
                (Some(_), false) => "NO",
            };
            columns.row([
                self.name(row),
                cell(|result| result.source),
                cell(|result| Some(result.destination)),
                cell(|result| Some(result.rejected)),
                cell(|result| Some(result.waiting)),
                cell(|result| result.compared),
                cell(|result| result.compared.map(|_| result.differences.len() as u64)),
                agrees.to_owned(),
            ]);
        }
        let mut text = columns.text();
        for row in &self.syncs {
            let details = row.details();
            if !details.is_empty() {
                text.push_str(&format!("\n{}\n{}", self.name(row), indented(&details, 2)));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use engine::model::id::RecordKey;
    use engine::model::reconcile::{Cause, FieldDifference, Mend, TotalDifference};

    use super::*;

    #[test]
    fn differences_are_told_with_cause_and_both_values() {
        let sync: SyncId = "acme/jde-looker/ap_invoices".parse().unwrap();
        let result = Reconciliation {
            sync: sync.clone(),
            at: chrono::DateTime::UNIX_EPOCH,
            window: None,
            complete_up_to: None,
            source: Some(1_200),
            destination: 1_199,
            rejected: 0,
            waiting: 1,
            compared: Some(1_200),
            agrees: false,
            totals: Vec::new(),
            total_differences: vec![TotalDifference {
                by: "business_unit".to_owned(),
                group: Some("M30".to_owned()),
                what: "gross_amount".to_owned(),
                source: "10.00".to_owned(),
                destination: "9.50".to_owned(),
                rejected: "0".to_owned(),
                waiting: "0".to_owned(),
                difference: "0.5".to_owned(),
                explained: true,
            }],
            differences: vec![Difference {
                key: RecordKey::new("70412|PV"),
                cause: Cause::Changed,
                detail: "somebody else changed it".to_owned(),
                fields: vec![FieldDifference {
                    column: "gross_amount".to_owned(),
                    source: Some("10.00".to_owned()),
                    destination: None,
                }],
                mend: Mend::Rewrite,
                repaired: None,
                not_repaired: None,
            }],
            is_cut: false,
            notes: Vec::new(),
        };
        let row = Row::new(&sync, Ok(result), Vec::new());
        assert!(!row.ok && row.can_be_mended());
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!((&json["sync"], &json["differences"][0]["cause"]), (&"ap_invoices".into(), &"changed".into()));
        let text = Reconciled { syncs: vec![row] }.text();
        assert_eq!(
            text,
            "sync         source  destination  rejected  waiting  compared  differ  agrees\n\
             ap_invoices   1,200        1,199         0        1     1,200       1  NO\n\
             \n\
             ap_invoices\n\
             \x20 totals         group  of            source  destination  rejected  waiting  difference\n\
             \x20 business_unit  M30    gross_amount   10.00         9.50         0        0         0.5\n\
             \x20 changed  70412|PV: somebody else changed it\n\
             \x20     gross_amount: `10.00` at the source, nothing at the destination\n"
        );
    }
}
