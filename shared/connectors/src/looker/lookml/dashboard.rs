//! Dashboards: what a blueprint declares, made of the fields that this tenant's tables have.

use engine::config::{DashboardKind, DashboardSpec};
use engine::model::table::ColumnType;

use super::joins::joins;
use super::names::COUNT;
use super::text::generated;
use super::{File, Project, View};

mod elements;

use elements::{Element, Filter};

/// A dimension that sorts records into buckets by how long ago a date was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aging {
    /// The column with the date.
    pub date: String,
    /// Its type.
    pub kind: ColumnType,
    /// Where the buckets end, in days after the date.
    pub days: Vec<u32>,
    /// The dimension with the days since the date.
    pub days_past: String,
    /// The dimension with the bucket.
    pub age: String,
}

impl Aging {
    /// Each bucket as a condition on the days since the date, and its label, in their order.
    pub fn buckets(&self) -> Vec<(String, String)> {
        let mut buckets = vec![("<= 0".to_owned(), "Not due".to_owned())];
        let mut first = 1;
        for last in &self.days {
            buckets.push((format!("<= {last}"), format!("{first} to {last} days")));
            first = last + 1;
        }
        if let Some(last) = self.days.last() {
            buckets.push((format!("> {last}"), format!("Over {last} days")));
        }
        buckets
    }
}

/// A dashboard with its fields, each as queries write it.
pub(super) struct Dashboard<'a> {
    /// Its name.
    pub name: &'a str,
    spec: &'a DashboardSpec,
    explore: String,
    amount: String,
    total: String,
    count: String,
    /// The date itself and its month.
    date: (String, String),
    /// Days since the date, and the bucket.
    age: Option<(String, String)>,
    currency: Option<Shown>,
    by: Vec<Vec<Shown>>,
}

/// A column that is shown.
#[derive(Clone, PartialEq, Eq)]
struct Shown {
    title: String,
    field: String,
}

/// Finds the fields of the dashboards, and gives the views those they lack. What this tenant has no columns for is left
/// out and said.
pub(super) fn prepare<'a>(
    project: &Project<'a>,
    views: &mut [View<'a>],
    left_out: &mut Vec<String>,
) -> Vec<Dashboard<'a>> {
    let mut possible = Vec::new();
    for (name, spec) in &project.dashboards {
        match equip(spec, views) {
            Ok(()) => possible.push((*name, *spec)),
            Err(why) => left_out.push(format!("dashboard {name}: {why}")),
        }
    }
    possible.into_iter().filter_map(|(name, spec)| Dashboard::new(name, spec, views, left_out)).collect()
}

/// Gives the view of a dashboard the fields that only the dashboard wants.
fn equip<'a>(spec: &'a DashboardSpec, views: &mut [View<'a>]) -> Result<(), String> {
    let Some(view) = views.iter_mut().find(|view| view.plan.id.stream == spec.sync) else {
        return Err(format!("{} is not loaded", spec.sync));
    };
    let kind = |column: &str| view.plan.table.columns.iter().find(|known| known.name == column).map(|known| known.kind);
    if !matches!(kind(&spec.amount), Some(ColumnType::Integer | ColumnType::Decimal { .. })) {
        return Err(format!("{} has no number `{}`", spec.sync, spec.amount));
    }
    let Some(date @ (ColumnType::Date | ColumnType::Timestamp)) = kind(&spec.date) else {
        return Err(format!("{} has no date `{}`", spec.sync, spec.date));
    };
    if !view.totals.contains(&spec.amount.as_str()) {
        view.totals.push(&spec.amount);
    }
    let is_there = |aging: &Aging| aging.date == spec.date && aging.days == spec.buckets();
    if spec.kind == DashboardKind::Aging && !view.agings.iter().any(is_there) {
        let group = view.names.field(&spec.date).and_then(|field| field.group.clone()).unwrap_or_default();
        let days_past = view.names.free(&format!("days_past_{group}"));
        let age = view.names.free(&format!("{group}_age"));
        let days = spec.buckets().to_vec();
        view.agings.push(Aging { date: spec.date.clone(), kind: date, days, days_past, age });
    }
    Ok(())
}

impl<'a> Dashboard<'a> {
    fn new(
        name: &'a str,
        spec: &'a DashboardSpec,
        views: &[View<'a>],
        left_out: &mut Vec<String>,
    ) -> Option<Dashboard<'a>> {
        let view = View::of(views, &spec.sync)?;
        let mut shown = |column: &String| {
            let found = shown(view, views, column);
            if found.is_none() {
                left_out.push(format!("dashboard {name}: there is no `{column}`"));
            }
            found
        };
        let (amount, date) = (view.names.field(&spec.amount)?, view.names.field(&spec.date)?);
        let full = |name: &str| format!("{}.{name}", view.name());
        let aging = view.agings.iter().find(|aging| aging.date == spec.date && aging.days == spec.buckets());
        let by = spec.by.iter().map(|group| group.iter().filter_map(&mut shown).collect::<Vec<_>>());
        let by = by.filter(|group| !group.is_empty()).collect();
        Some(Self {
            name,
            spec,
            explore: view.name().to_owned(),
            amount: amount.dimension.clone(),
            total: amount.total.clone()?,
            count: full(COUNT),
            date: (full(&format!("{}_date", date.group.as_ref()?)), date.month.clone()?),
            age: aging.map(|aging| (full(&aging.days_past), full(&aging.age))),
            currency: spec.currency.as_ref().and_then(shown),
            by,
        })
    }

    /// The fields of a table by these columns: amounts of different currencies stand in different rows.
    fn rows(&self, by: &[Shown], figures: &[&String]) -> Vec<String> {
        let currency = self.currency.iter().filter(|currency| !by.contains(currency));
        let columns = by.iter().chain(currency).map(|shown| shown.field.clone());
        columns.chain(figures.iter().map(|figure| (*figure).clone())).collect()
    }

    /// Columns over a field, one per currency.
    fn chart(&self, title: &str, over: &str) -> Element {
        let currency: Vec<_> = self.currency.iter().map(|currency| currency.field.clone()).collect();
        let fields = [vec![over.to_owned()], currency.clone(), vec![self.total.clone()]].concat();
        let chart = Element::columns(title, fields).sort(over).pivot(&currency);
        currency.iter().fold(chart, |chart, currency| chart.sort(currency))
    }

    fn elements(&self) -> Vec<Element> {
        match (&self.age, self.spec.kind) {
            (Some((days_past, age)), DashboardKind::Aging) => self.aging(days_past, age),
            _ => self.spend(),
        }
    }

    fn aging(&self, days_past: &str, age: &String) -> Vec<Element> {
        // What has been settled has no age.
        let open = (self.amount.clone(), "NOT 0".to_owned());
        let past = (days_past.to_owned(), ">0".to_owned());
        let mut elements = vec![
            Element::number("Open items", &self.count).filter(&open),
            Element::number("Past due", &self.count).filter(&open).filter(&past),
            Element::grid("Open amount", self.rows(&[], &[&self.total, &self.count])).wide(12, 4).filter(&open),
            self.chart("Open amount by age", age).filter(&open),
        ];
        for by in &self.by {
            let mut fields = self.rows(by, &[&self.total]);
            fields.insert(fields.len() - 1, age.clone());
            let sorted = by.first().map(|shown| shown.field.as_str()).unwrap_or_default();
            let grid = Element::grid(&title_of(by), fields).wide(24, 10).filter(&open).sort(age).sort(sorted);
            elements.push(grid.pivot(std::slice::from_ref(age)).with_row_totals());
        }
        elements
    }

    fn spend(&self) -> Vec<Element> {
        let descending = format!("{} desc", self.total);
        let mut elements = vec![
            Element::number("Items", &self.count),
            Element::grid("Amount", self.rows(&[], &[&self.total, &self.count])).wide(18, 4).sort(&descending),
            self.chart("By month", &self.date.1),
        ];
        for by in &self.by {
            let fields = self.rows(by, &[&self.total, &self.count]);
            elements.push(Element::grid(&title_of(by), fields).wide(12, 10).sort(&descending));
        }
        elements
    }

    /// What can be chosen: every column that is shown, and for a period also the date.
    fn filters(&self) -> Vec<Filter> {
        let mut filters = Vec::new();
        if self.spec.kind == DashboardKind::Spend {
            filters.push(Filter { title: title(&self.spec.date), field: self.date.0.clone(), default: "12 months" });
        }
        for shown in self.by.iter().flatten().chain(&self.currency) {
            if !filters.iter().any(|filter| filter.field == shown.field) {
                filters.push(Filter { title: shown.title.clone(), field: shown.field.clone(), default: "" });
            }
        }
        filters
    }
}

/// A column of the view, or of a view that its explore joins.
fn shown(view: &View<'_>, views: &[View<'_>], column: &str) -> Option<Shown> {
    let field = match column.split_once('.') {
        None => view.names.field(column)?.dimension.clone(),
        Some((stream, column)) => {
            let join = joins(view, views).into_iter().find(|join| join.view.plan.id.stream == stream)?;
            join.field(&join.view.names.field(column)?.dimension)
        }
    };
    Some(Shown { title: title(column), field })
}

/// A column in words: `gl_date` is Gl date, `suppliers.name` is Suppliers: name.
fn title(column: &str) -> String {
    let words = column.replace('.', ": ").replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn title_of(by: &[Shown]) -> String {
    let names: Vec<_> = by.iter().map(|shown| shown.title.to_ascii_lowercase()).collect();
    format!("By {}", names.join(", "))
}

/// The dashboard's file.
pub(super) fn file(project: &Project<'_>, dashboard: &Dashboard<'_>) -> File {
    let spec = dashboard.spec;
    let mut text = format!("# {}\n", generated());
    text.push_str(&format!("- dashboard: {}\n", dashboard.name));
    text.push_str(&format!("  title: {}\n", elements::quoted(&spec.title)));
    text.push_str(&format!("  description: {}\n", elements::quoted(&spec.description)));
    text.push_str("  layout: newspaper\n  preferred_viewer: dashboards-next\n");
    let filters = dashboard.filters();
    elements::write_filters(&mut text, project.model, &dashboard.explore, &filters);
    elements::write(&mut text, project.model, &dashboard.explore, &dashboard.elements(), &filters);
    File { path: format!("dashboards/{}.dashboard.lookml", dashboard.name), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        let days = vec![30, 60, 90];
        let (days_past, age) = ("days_past_due".to_owned(), "due_age".to_owned());
        let aging = Aging { date: "due_date".to_owned(), kind: ColumnType::Date, days, days_past, age };
        let buckets: Vec<_> =
            aging.buckets().into_iter().map(|(condition, label)| format!("{condition}: {label}")).collect();
        assert_eq!(
            buckets,
            [
                "<= 0: Not due",
                "<= 30: 1 to 30 days",
                "<= 60: 31 to 60 days",
                "<= 90: 61 to 90 days",
                "> 90: Over 90 days"
            ]
        );
    }

    #[test]
    fn titles_are_words() {
        assert_eq!(title("gl_date"), "Gl date");
        assert_eq!(title("suppliers.name"), "Suppliers: name");
    }
}
