//! The shipped blueprint reads what the shipped queries hold.

use engine::config::{BlueprintFile, ConnectionSpec};
use serde_json::json;

use crate::peoplesoft::{Operator, Purpose, QueryDefinition, queries};
use crate::registry::ConnectionSettings;

const BLUEPRINT: &str = include_str!("../../../../integrations/peoplesoft-looker.yaml");

fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap()
}

#[test]
fn every_stream_reads_a_query_by_its_key_its_stamp_and_its_fields() {
    let file =
        BlueprintFile::parse("peoplesoft-looker.yaml", BLUEPRINT).unwrap_or_else(|problems| panic!("{problems}"));
    file.check().unwrap_or_else(|problems| panic!("{problems}"));
    let queries = queries();
    let find =
        |name: String| queries.iter().find(|query| query.name == name).unwrap_or_else(|| panic!("no query {name}"));
    let has = |query: &QueryDefinition, column: &str| query.fields.iter().any(|field| bare(&field.name) == column);
    for (stream, sync) in &file.blueprint.syncs {
        let object = &sync.read.object;
        let (rows, by_key, totals) = (find(object.clone()), find(format!("{object}_K")), find(format!("{object}_T")));
        assert_eq!((rows.purpose, by_key.purpose, totals.purpose), (Purpose::Rows, Purpose::ByKey, Purpose::Totals));
        assert_eq!(rows.personal, !sync.enabled, "{stream}: data about persons is off");
        for column in sync.columns.values().filter_map(|column| column.from.as_ref()).flat_map(|from| &from.0) {
            assert!(has(rows, column) && has(by_key, column), "{stream} {column}");
        }
        let keys: Vec<_> = by_key.prompts.iter().map(|prompt| prompt.name.clone()).collect();
        assert_eq!(keys, sync.read.key, "{stream}");
        let stamp = rows.prompts.iter().find(|prompt| prompt.operator == Operator::NotLess);
        let stamp = stamp.map(|prompt| bare(&prompt.field).to_owned());
        assert_eq!(sync.read.updated.as_ref().map(|updated| updated.date.clone()), stamp, "{stream}");
        for total in &sync.totals {
            let from = &sync.columns[total].from.as_ref().unwrap().0[0];
            assert!(has(totals, &format!("SUM_{from}")), "{stream} {total}");
        }
    }
}

#[test]
fn a_connection_is_written_as_peoplesoft() {
    let settings = json!({"peoplesoft": {"url": "https://psft.example.com/PSIGW/RESTListeningConnector", "node": "PSFT_EP",
        "secret": "acme/peoplesoft", "zone": "America/New_York", "auth": {"oauth2": {"token_url": "https://idp.example.com/token"}}}});
    let settings: ConnectionSettings = serde_json::from_value(settings).unwrap();
    assert_eq!(
        (settings.system(), settings.kind(), settings.zone()),
        ("peoplesoft", "peoplesoft", Some("America/New_York"))
    );
    assert_eq!((settings.secret(), settings.faults()), (Some("acme/peoplesoft"), Vec::new()));
    let schema = serde_json::to_string(&schemars::schema_for!(ConnectionSettings)).unwrap();
    assert!(schema.contains("Integration Broker") && schema.contains("quiet_hours"));
}
