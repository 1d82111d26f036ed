//! Every shipped query, also those that no sync reads: page by page, by key, and counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use connectors::peoplesoft::{Operator, PeopleSoftSettings, PeopleSoftSource, Purpose, QueryDefinition, queries};
use engine::model::rows::RowsWriter;
use engine::model::window::Window;
use engine::plan::{StreamSpec, UpdatedSpec};
use engine::ports::{ReadRequest, Secret, Source, SystemClock, What};
use serde_json::json;

use crate::world::block_on;
use crate::world::peoplesoft::Site;

fn bare(field: &str) -> String {
    field.rsplit('.').next().unwrap().to_owned()
}

fn stream(rows: &QueryDefinition, by_key: &QueryDefinition) -> StreamSpec {
    let stamp = rows.prompts.iter().find(|prompt| prompt.operator == Operator::NotLess);
    StreamSpec {
        name: rows.name.to_lowercase(),
        object: rows.name.clone(),
        key: by_key.prompts.iter().map(|prompt| prompt.name.clone()).collect(),
        updated: stamp.map(|prompt| UpdatedSpec { date: bare(&prompt.field), time: None }),
        filter: Vec::new(),
        columns: rows.fields.iter().map(|field| bare(&field.name)).collect(),
        padded: Vec::new(),
        page_size: Some(17),
    }
}

#[test]
fn every_shipped_query_reads_its_rows_finds_its_records_and_counts_them() {
    let site = Site::new();
    let settings: PeopleSoftSettings = serde_json::from_value(json!({
        "url": site.erp.base_url(), "node": "PSFT_EP", "secret": "peoplesoft", "zone": "America/Chicago",
        "setids": ["EURO1", "SHARE"],
        "personal": {"enabled": true, "columns": {"EMPLID": "keep", "NAME": "keep"}},
    }))
    .unwrap();
    let secret =
        [("username", "CXUSER"), ("password", "secret")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let source = PeopleSoftSource::new(settings, &Secret::new(secret.into()), Arc::new(SystemClock::new())).unwrap();
    let queries: BTreeMap<String, QueryDefinition> =
        queries().into_iter().map(|query| (query.name.clone(), query)).collect();
    for rows in queries.values().filter(|query| query.purpose == Purpose::Rows) {
        let stream = stream(rows, &queries[&format!("{}_K", rows.name)]);
        block_on(async {
            let mut read = RowsWriter::new(&stream.columns);
            let mut after = None;
            loop {
                let request =
                    ReadRequest { stream: &stream, what: What::Window(Window::default()), after: after.as_ref() };
                match source.read(request, &mut read).await.unwrap().next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            let (count, read) = (read.len() as u64, read.into_rows().unwrap());
            let counted = source.count(&stream, Window::default()).await.unwrap();
            assert!(count == counted && counted > 0, "{}: {count} read, {counted} counted", rows.name);
            let mut cells = Vec::new();
            assert!(read.reader().next_into(&mut cells).unwrap());
            let cell = |column: &String| cells[read.column(column).unwrap()].to_text().into_owned();
            let key = [stream.key.iter().map(cell).collect::<Vec<_>>()];
            let mut found = RowsWriter::new(&stream.columns);
            let request = ReadRequest { stream: &stream, what: What::Keys(&key), after: None };
            source.read(request, &mut found).await.unwrap();
            assert_eq!(found.len(), 1, "{} {key:?}", rows.name);
        });
    }
}
