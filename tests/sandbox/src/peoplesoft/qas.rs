//! Query Access Services: running a query at once or in the background, and what custom operations share with it.
//!
//! Invariant: a request is checked in full before rows are read, so a refused request never comes with rows. A cap cuts a page
//! short without a word, as the real one does.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::cell::Cell;
use super::definition::QueryDefinition;
use super::error::Refusal;
use super::faults::Twist;
use super::http::{Request, decode};
use super::page::{Head, Page, Xml};
use super::prompts::{Asked, raw};
use super::queries::{Queries, prepare};
use super::record::Records;
use super::select::{Prepared, SelectionKey, Selections};
use super::settings::{FieldNames, Operator, Settings, Unordered};

/// What a query runs with.
pub(super) struct Desk<'a> {
    pub(super) settings: &'a Settings,
    pub(super) today: NaiveDate,
    pub(super) records: &'a Records,
    pub(super) queries: &'a Queries,
    pub(super) selections: &'a mut Selections,
    pub(super) operator: &'a Operator,
    pub(super) twist: &'a Twist,
}

/// An answer: content type and body.
pub(super) type Answer = (&'static str, Vec<u8>);

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Xml(Xml),
}

impl Form {
    pub(super) fn write(self, page: &Page<'_>, settings: &Settings) -> Answer {
        match self {
            Self::Json => (settings.json_type, page.json(settings)),
            Self::Xml(xml) => ("text/xml", page.xml(xml, settings)),
        }
    }
}

impl<'a> Desk<'a> {
    /// `{OwnerType}/{QueryName}/{OutResultType}/{OutFileFormat}?…`
    pub(super) fn execute(&mut self, rest: &str, request: &Request) -> Result<(Form, Page<'a>), Refusal> {
        let parts: Vec<String> = rest.split('/').map(decode).collect();
        let [owner, name, result, file] = parts.as_slice() else {
            return Err(Refusal::NoTemplate(request.path.clone()));
        };
        let asked = Asked::read(request, self.settings)?;
        let form = form(result, file, asked.json)?;
        Ok((form, self.run(owner, name, &asked)?))
    }

    /// The same from the XML body of the POST twin.
    pub(super) fn execute_post(&mut self, request: &Request) -> Result<(Form, Page<'a>), Refusal> {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let missing = |name: &str| Refusal::QueryFailed(format!("{name} is missing."));
        let one = |name: &str| between(&body, name).next().map(|text| unescape(text.trim()));
        let required = |name: &str| one(name).ok_or_else(|| missing(name));
        let owner = required("OwnerType")?;
        let name = required("QueryName")?;
        let max_rows = required("MaxRow")?;
        let result = required("OutResultType")?;
        let prompts: Vec<&str> = between(&body, "PROMPT").collect();
        let all = |element: &str| {
            prompts.iter().map(|prompt| between(prompt, element).next().map_or_else(String::new, unescape)).collect()
        };
        let asked = Asked {
            max_rows: max_rows.parse().map_err(|_| Refusal::QueryFailed("MaxRow must be a number.".into()))?,
            names: all("UniquePromptName"),
            values: all("FieldValue"),
            filter: None,
            json: false,
        };
        let form = form(&result, &one("OutResultFormat").unwrap_or_else(|| "NONFILE".into()), false)?;
        Ok((form, self.run(&owner, &name, &asked)?))
    }

    fn run(&mut self, owner: &str, name: &str, asked: &Asked) -> Result<Page<'a>, Refusal> {
        let queries = self.queries;
        let query = queries.find(owner, name, self.operator)?;
        let answers = asked.answers(query, self.settings)?;
        let records = self.records;
        let operator = self.operator;
        let mut prepared = prepare(query, records, operator, &answers, self.settings.field_names)?;
        if let Some(filter) = &asked.filter {
            keep_columns(&mut prepared, filter, query)?;
        }
        let most = if asked.max_rows == 0 { usize::MAX } else { asked.max_rows };
        let caps = [self.settings.row_cap, self.operator.max_rows, self.twist.most];
        let most = caps.into_iter().flatten().fold(most, usize::min);
        let (page, _) = self.page(query, &prepared, &answers, 0, most);
        Ok(self.twisted(page))
    }

    /// Rows for a custom operation, and whether there are more.
    pub(super) fn rows(
        &mut self,
        query: &QueryDefinition,
        answers: &[Cell],
        limit: usize,
        offset: usize,
    ) -> Result<(Page<'a>, bool), Refusal> {
        let records = self.records;
        let operator = self.operator;
        let prepared = prepare(query, records, operator, answers, FieldNames::Prefixed)?;
        let caps = [self.settings.row_cap, self.operator.max_rows, self.twist.most];
        let limit = caps.into_iter().flatten().fold(limit, usize::min);
        let (page, more) = self.page(query, &prepared, answers, offset, limit);
        Ok((self.twisted(page), more))
    }

    fn page(
        &mut self,
        query: &QueryDefinition,
        prepared: &Prepared<'a>,
        answers: &[Cell],
        offset: usize,
        most: usize,
    ) -> (Page<'a>, bool) {
        let key = SelectionKey {
            query: query.clone(),
            columns: prepared.columns.iter().map(|column| column.unique.clone()).collect(),
            records_version: self.records.version(),
            operator: format!("{:?}", (&self.operator.id, &self.operator.rows)),
            today: self.today,
            answers: prepared.depends_on(answers),
        };
        let (today, by_key) = (self.today, self.settings.unordered == Unordered::Key);
        let selection = self.selections.get(key, || prepared.select(today, by_key));
        let first = if self.twist.ignore_prompts { 0 } else { prepared.first(&selection) } + offset;
        let end = first.saturating_add(most).min(selection.len());
        let records = prepared.records();
        let rows = (first..end).map(|row| match &*selection {
            super::select::Selection::Groups(rows) => {
                rows.get(row).into_iter().flatten().cloned().map(Cow::Owned).collect()
            }
            places => {
                let places = places.places(row);
                prepared.columns.iter().map(|column| column.value.of(places, &records)).collect()
            }
        });
        let heads = prepared.columns.iter().map(|column| Head { name: column.wire.clone(), kind: column.kind });
        let page = Page { query: query.name.clone(), heads: heads.collect(), rows: rows.collect(), counted: None };
        (page, end < selection.len())
    }

    fn twisted(&self, mut page: Page<'a>) -> Page<'a> {
        let twist = self.twist;
        // Whatever prefix the answer has, the column is the one that was meant.
        let bare = |name: &str| name.rsplit('.').next().map(str::to_owned);
        let is = |head: &Head, name: &String| head.name == *name || bare(&head.name) == bare(name);
        for name in &twist.gone {
            if let Some(at) = page.heads.iter().position(|head| is(head, name)) {
                page.heads.remove(at);
                for row in &mut page.rows {
                    row.remove(at);
                }
            }
        }
        for (from, to) in &twist.renamed {
            for head in page.heads.iter_mut().filter(|head| is(head, from)) {
                head.name.clone_from(to);
            }
        }
        for name in &twist.blank {
            let at = page.heads.iter().position(|head| is(head, name));
            if let Some(cell) = at.and_then(|at| page.rows.first_mut()?.get_mut(at)) {
                *cell = Cow::Owned(Cell::from(""));
            }
        }
        if let (true, Some(first)) = (twist.duplicate, page.rows.first().cloned()) {
            page.rows.push(first);
        }
        if twist.counts_more {
            page.counted = Some(page.rows.len() + 1);
        }
        page
    }
}

/// Keeps the columns that `filterfields` names, in the order of the query.
fn keep_columns(prepared: &mut Prepared<'_>, filter: &[String], query: &QueryDefinition) -> Result<(), Refusal> {
    let known = |name: &String| prepared.columns.iter().any(|column| column.unique == *name);
    if let Some(unknown) = filter.iter().find(|name| !known(name)) {
        return Err(Refusal::QueryFailed(format!("Field {unknown} does not exist in query {}.", query.name)));
    }
    prepared.columns.retain(|column| filter.contains(&column.unique));
    Ok(())
}

fn form(result: &str, file: &str, json: bool) -> Result<Form, Refusal> {
    if !file.eq_ignore_ascii_case("NONFILE") {
        return Err(Refusal::QueryFailed(format!("Output format {file} is not available.")));
    }
    match result.to_ascii_uppercase().as_str() {
        "JSON" | "XMLP" | "WEBROWSET" if json => Ok(Form::Json),
        "WEBROWSET" => Ok(Form::Xml(Xml::WebRowSet)),
        "JSON" | "XMLP" => Ok(Form::Xml(Xml::Xmlp)),
        _ => Err(Refusal::QueryFailed(format!("Output type {result} is not available."))),
    }
}

/// What stands between the tags of an element, for each of them. The body is one that clients write by hand.
fn between<'a>(text: &'a str, element: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = rest.find(&open)? + open.len();
        let end = begin + rest.get(begin..)?.find(&close)?;
        let found = rest.get(begin..end)?;
        rest = rest.get(end + close.len()..)?;
        Some(found)
    })
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    text.replace("&amp;", "&")
}

/// Queries that run in the Process Scheduler.
#[derive(Default)]
pub(super) struct Jobs {
    jobs: BTreeMap<String, Job>,
    started: u32,
}

struct Job {
    operator: String,
    polls: u32,
    fails: bool,
    page: Page<'static>,
    form: Form,
}

impl Jobs {
    /// Starts one and answers with its instance.
    pub(super) fn start(
        &mut self,
        operator: &str,
        form: Form,
        page: Page<'_>,
        fails: bool,
        settings: &Settings,
    ) -> Answer {
        self.started += 1;
        let instance = format!("{:08x}-2fae-11e3-95a9-8782b6a978ba", 0x7d40_d78f_u32.wrapping_add(self.started));
        let job = Job { operator: operator.into(), polls: 0, fails, page: page.into_owned(), form };
        self.jobs.insert(instance.clone(), job);
        match form {
            Form::Json => {
                let body = format!(r#"{{"status":"success","data":{{"QueryInstance":"{instance}"}}}}"#);
                (settings.json_type, body.into_bytes())
            }
            Form::Xml(_) => {
                let root = "QAS_EXEQRYSYNCPOLL_RESP_MSG";
                let body = format!("<?xml version=\"1.0\"?><{root}><QueryInstance>{instance}</QueryInstance></{root}>");
                ("text/xml", body.into_bytes())
            }
        }
    }

    /// `getstatus?instanceid=…&json_resp=true`
    pub(super) fn status(
        &mut self,
        rest: &str,
        request: &Request,
        operator: &str,
        settings: &Settings,
    ) -> Result<Answer, Refusal> {
        let (instance, json) = instance(rest, &["getstatus"], request)?;
        let polls = settings.status_polls;
        let mut numbers = (0, 0, 0);
        let status = match self.jobs.get_mut(&instance).filter(|job| job.operator == operator) {
            None => "idNotFound",
            Some(job) => {
                job.polls += 1;
                match job.polls {
                    seen if seen <= polls => "queued",
                    seen if seen <= polls.saturating_mul(2) => "running",
                    _ if job.fails => "error",
                    _ => {
                        let bytes = job.form.write(&job.page, settings).1.len();
                        numbers = (job.page.heads.len(), job.page.rows.len(), bytes);
                        "success"
                    }
                }
            }
        };
        let (columns, rows, bytes) = numbers;
        if json {
            let body = format!(
                r#"{{"status":"{status}","NumCols":{columns},"TotalRows":{rows},"TotalBlocks":0,"TotalBytes":{bytes}}}"#
            );
            return Ok((settings.json_type, body.into_bytes()));
        }
        let body = format!(
            "<?xml version=\"1.0\"?><QAS_QUERYSTATUS_RESP_MSG><status>{status}</status><NumCols>{columns}</NumCols>\
             <TotalRows>{rows}</TotalRows><TotalBlocks>0</TotalBlocks><TotalBytes>{bytes}</TotalBytes>\
             </QAS_QUERYSTATUS_RESP_MSG>"
        );
        Ok(("text/xml", body.into_bytes()))
    }

    /// `getqueryresults?instanceid=…&json_resp=true`; only once the status says `success`.
    pub(super) fn results(
        &self,
        rest: &str,
        request: &Request,
        operator: &str,
        settings: &Settings,
    ) -> Result<Answer, Refusal> {
        let (instance, json) = instance(rest, &["getqueryresults"], request)?;
        let job = self.jobs.get(&instance).filter(|job| job.operator == operator);
        let Some(job) = job.filter(|job| job.polls > settings.status_polls.saturating_mul(2) && !job.fails) else {
            return Err(Refusal::QueryFailed(format!("There are no results for query instance {instance}.")));
        };
        let form = match (json, job.form) {
            (true, _) => Form::Json,
            (false, Form::Json) => Form::Xml(Xml::Xmlp),
            (false, form) => form,
        };
        Ok(form.write(&job.page, settings))
    }
}

fn instance(rest: &str, paths: &[&str], request: &Request) -> Result<(String, bool), Refusal> {
    let parameters = raw(request);
    let known = parameters.iter().all(|(name, _)| matches!(name.as_str(), "instanceid" | "json_resp" | "blocknumber"));
    let value = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| decode(value));
    let instance = value("instanceid").filter(|_| known && paths.contains(&rest));
    let instance = instance.ok_or_else(|| Refusal::NoTemplate(request.path.clone()))?;
    Ok((instance, value("json_resp").is_some_and(|flag| flag == "true")))
}
