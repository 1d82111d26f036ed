//! Counts and sums: by the totals query, or by walking over the keys.

use std::collections::BTreeMap;

use engine::model::decimal::Decimal;
use engine::model::rows::{Rows, RowsWriter};
use engine::model::value::Value;
use engine::model::window::Window;
use engine::plan::StreamSpec;
use engine::ports::{ReadRequest, Source, What};
use engine::{Error, Result};

use super::decode::Layout;
use super::queries::{RECORDS, sum_name};
use super::query::{Given, Plan, Query, Way};
use super::slices::Place;
use super::source::PeopleSoftSource;

/// What a totals query told: each figure is used once, so that whoever asks again gets the present one.
pub(super) struct Told {
    stream: String,
    window: Window,
    figures: BTreeMap<String, Decimal>,
}

/// How many records lie in a window.
///
/// # Errors
/// As a read; Stop when the totals query gives no whole number.
pub(super) async fn count(source: &PeopleSoftSource, stream: &StreamSpec, window: Window) -> Result<u64> {
    let plan = source.plan(stream)?;
    let Way::Queries { totals: Some(query), .. } = &plan.way else {
        return walk(source, stream, window).await;
    };
    let records = figure(source, &plan, query, window, RECORDS).await?;
    let whole = records.with_scale(0).and_then(|records| u64::try_from(records.units()).ok());
    whole.ok_or_else(|| Error::stop(format!("query {} counts {records} records", query.name)))
}

/// The exact sum of a column over a window.
///
/// # Errors
/// As [`count`]; Stop also without a totals query.
pub(super) async fn total(
    source: &PeopleSoftSource,
    stream: &StreamSpec,
    window: Window,
    column: &str,
) -> Result<Decimal> {
    let plan = source.plan(stream)?;
    let Way::Queries { totals: Some(query), .. } = &plan.way else {
        return Err(Error::stop(format!("stream `{}` has no query that sums {column}", stream.name)));
    };
    figure(source, &plan, query, window, &sum_name(column)).await
}

/// One figure, as a call before has told it or as it is now.
async fn figure(
    source: &PeopleSoftSource,
    plan: &Plan<'_>,
    query: &Query,
    window: Window,
    name: &str,
) -> Result<Decimal> {
    let known = source.told.lock().ok().and_then(|mut told| {
        let told = told.as_mut().filter(|told| told.stream == plan.stream.name && told.window == window)?;
        told.figures.remove(name)
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let mut figures = ask(source, plan, query, window, &names(plan, name)).await?;
    let asked =
        figures.remove(name).ok_or_else(|| Error::stop(format!("query {} does not tell {name}", query.name)))?;
    if let Ok(mut told) = source.told.lock() {
        *told = Some(Told { stream: plan.stream.name.clone(), window, figures });
    }
    Ok(asked)
}

/// The figures to ask for: all that the shipped query has, or just the one.
fn names(plan: &Plan<'_>, name: &str) -> Vec<String> {
    let shipped = plan.entry.map(|entry| entry.sums.iter().map(|column| sum_name(column))).into_iter().flatten();
    let names: Vec<_> = std::iter::once(RECORDS.to_owned()).chain(shipped).collect();
    if plan.entry.is_some() && names.iter().any(|known| known == name) { names } else { vec![name.to_owned()] }
}

/// Asks for figures, turn by turn, and adds them up.
async fn ask(
    source: &PeopleSoftSource,
    plan: &Plan<'_>,
    query: &Query,
    window: Window,
    names: &[String],
) -> Result<BTreeMap<String, Decimal>> {
    let mut sums: BTreeMap<String, Decimal> = names.iter().map(|name| (name.clone(), Decimal::default())).collect();
    let settings = plan.settings;
    let from = window.from.or_else(|| settings.history_from.map(|day| super::dates::start_of(settings.zone, day)));
    for turn in &plan.turns {
        let given = Given { turn: Some(turn), from, to: window.to, limit: 0, ..Given::default() };
        let call = plan.query(query, &settings.aliases.execute, &given, names)?;
        let layout = Layout::plain(plan, names, call.what.clone())?;
        let mut rows = RowsWriter::new(names);
        source.rows(plan, &call, &layout, &mut rows).await?;
        if rows.len() != 1 {
            return Err(Error::stop(format!("{} gave {} rows, and totals are one", call.what, rows.len())));
        }
        add(&mut sums, &rows.into_rows()?, names, &call.what)?;
    }
    Ok(sums)
}

fn add(sums: &mut BTreeMap<String, Decimal>, rows: &Rows, names: &[String], what: &str) -> Result<()> {
    let mut cells = Vec::new();
    let mut reader = rows.reader();
    while reader.next_into(&mut cells)? {
        for (name, cell) in names.iter().zip(&cells) {
            let text = cell.to_text();
            // The sum of nothing is no value.
            let number = match text.trim() {
                "" => Decimal::default(),
                text => Decimal::parse(text).map_err(|error| Error::stop(format!("{name} of {what}: {error}")))?,
            };
            if let Some(sum) = sums.get_mut(name) {
                *sum = sum.plus(number)?;
            }
        }
    }
    Ok(())
}

/// Counts by reading keys.
async fn walk(source: &PeopleSoftSource, stream: &StreamSpec, window: Window) -> Result<u64> {
    let keys = StreamSpec { columns: stream.key.clone(), ..stream.clone() };
    let mut rows = RowsWriter::new(&keys.columns);
    let (mut count, mut after) = (0_u64, None);
    loop {
        let request = ReadRequest { stream: &keys, what: What::Window(window), after: after.as_ref() };
        let page = source.read(request, &mut rows).await?;
        count += (rows.len() + page.too_big.len()) as u64;
        rows.clear();
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(count),
        }
    }
}

/// What a stream's first page begins with, for `check`.
pub(super) async fn first_row(source: &PeopleSoftSource, plan: &Plan<'_>) -> Result<Option<Vec<String>>> {
    let place = Place::first(plan, Window::default(), source.client.clock.now());
    let given = Given { limit: 1, ..super::source::given(plan, &place) };
    let call = plan.page(&given, &plan.columns())?;
    let layout = Layout::plain(plan, &plan.columns(), call.what.clone())?;
    let mut rows = RowsWriter::new(&plan.columns());
    source.rows(plan, &call, &layout, &mut rows).await?;
    let rows = rows.into_rows()?;
    let mut cells = Vec::new();
    if !rows.reader().next_into(&mut cells)? {
        return Ok(None);
    }
    let text = |column: &String| rows.column(column).and_then(|at| cells.get(at)).map(Value::to_text);
    Ok(Some(plan.stream.key.iter().map(|column| text(column).unwrap_or_default().into_owned()).collect()))
}
