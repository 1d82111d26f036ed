//! Data about persons: off, hashed, dropped.

use engine::model::value::Value;
use engine::plan::StreamSpec;
use engine::ports::Source;
use serde_json::json;

use super::fixture::{answer, first_page, source, texts, vouchers};
use super::stub::{Reply, Stub};

fn checks() -> StreamSpec {
    StreamSpec {
        name: "payroll_checks".to_owned(),
        object: "ML_PAY_CHECK".to_owned(),
        key: texts(&["COMPANY", "PAGE_NUM"]),
        columns: texts(&["COMPANY", "PAGE_NUM", "EMPLID", "NAME", "DEPTID", "NET_PAY"]),
        updated: None,
        ..vouchers()
    }
}

async fn stub() -> Stub {
    let check = |page: u32, person: &str| {
        format!(
            r#""A.COMPANY":"GBI","A.PAGE_NUM":{page},"A.EMPLID":"{person}","A.NAME":"Doe","A.DEPTID":"12000","A.NET_PAY":2100.50,"ROW_KEY":"GBI|{page}""#
        )
    };
    Stub::scripted(vec![Reply::json(200, answer(&[check(1, "KU0001"), check(2, "KU0001"), check(3, "KU0002")]))]).await
}

#[tokio::test]
async fn it_is_not_read_unless_it_is_switched_on() {
    let stub = stub().await;
    let error = first_page(&source(&stub, json!({})), &checks()).await.unwrap_err();
    assert!(error.to_string().contains("`personal: {enabled: true}`"), "{error}");
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn what_is_hashed_stays_equal_and_what_is_dropped_is_gone() {
    let stub = stub().await;
    let personal = json!({"enabled": true, "columns": {"NAME": "drop", "DEPTID": "hash"}});
    let source = source(&stub, json!({"personal": personal}));
    let (rows, page) = first_page(&source, &checks()).await.unwrap();
    let person = |row: usize| rows[row][2].to_text().into_owned();
    assert!(person(0) == person(1) && person(0) != person(2) && person(0).len() == 32, "{rows:?}");
    assert!(!person(0).contains("KU0"));
    assert_eq!(rows[0][3], Value::Null);
    assert_ne!(rows[0][4].to_text(), "12000");
    assert_eq!(rows[0][5], Value::Number("2100.50".into()));
    assert!(page.next.is_some());
    assert!(source.capabilities(&checks()).keys_per_read.is_some());
    let by_person = StreamSpec { key: texts(&["EMPLID"]), ..checks() };
    assert_eq!(source.capabilities(&by_person).keys_per_read, None);
}

#[tokio::test]
async fn a_hash_needs_a_key() {
    let stub = stub().await;
    let settings = super::fixture::settings(&stub.url(), json!({"personal": {"enabled": true}}));
    let fields = [("username", "CXUSER"), ("password", "geheim-pw")];
    let secret = engine::ports::Secret::new(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let clock = std::sync::Arc::new(super::fixture::TestClock::new());
    let source = crate::peoplesoft::PeopleSoftSource::new(settings, &secret, clock).unwrap();
    let error = first_page(&source, &checks()).await.unwrap_err();
    assert!(error.to_string().contains("secrets set acme/peoplesoft hash_key"), "{error}");
    assert!(stub.asked().is_empty());
}
