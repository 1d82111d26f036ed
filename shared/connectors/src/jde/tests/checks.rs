//! What `check` tells.

use engine::plan::StreamSpec;
use engine::ports::{Finding, Source};
use sandbox::jde::{Calls, Fault, JdeSandbox, Settings, Tables, Value};

use super::fixture::{business_units, clock, invoices, source, texts};
use super::stub::{Reply, Stub};
use crate::jde::JdeSettings;

async fn server(settings: Settings) -> JdeSandbox {
    let mut tables = Tables::standard();
    let cells = [("DOC", Value::from(1)), ("DCT", "PV".into()), ("UPMJ", "20261119".into())];
    tables.existing("F0411").unwrap().insert(&cells).unwrap();
    JdeSandbox::start(settings, clock().0, tables).await.unwrap()
}

async fn check(url: &str, change: impl FnOnce(&mut JdeSettings), streams: &[&StreamSpec]) -> Vec<Finding> {
    let source = source(url, change);
    let findings = source.check(streams).await;
    source.close().await;
    for finding in &findings {
        assert!(!finding.detail.contains("+/="), "{finding:?}");
    }
    findings
}

fn bad(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| !finding.ok).collect()
}

#[tokio::test]
async fn a_site_in_order_has_nothing_to_mend() {
    let server = server(Settings::default()).await;
    let findings = check(&server.base_url(), |_| {}, &[&invoices(), &business_units()]).await;
    assert_eq!(bad(&findings), Vec::<&Finding>::new());
    let whats: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(whats, ["reach the AIS Server", "log in", "read F0411", "read F0006", "time zone of the server"]);
    assert!(findings[3].detail.contains("no row"), "{findings:?}");
    assert_eq!(server.open_sessions(), 0);
}

#[tokio::test]
async fn unreadable_columns_and_tables_are_named() {
    let server = server(Settings::default()).await;
    let columns = StreamSpec { columns: [invoices().columns, texts(&["XX1", "XX2"])].concat(), ..invoices() };
    let table = StreamSpec { object: "F5599".to_owned(), ..invoices() };
    let findings = check(&server.base_url(), |_| {}, &[&columns, &table]).await;
    let bad = bad(&findings);
    assert_eq!(bad.len(), 2, "{bad:?}");
    assert!(bad[0].detail.contains("XX1, XX2 cannot be read"), "{bad:?}");
    assert!(bad[1].detail.contains("F5599") && bad[1].detail.contains("security"), "{bad:?}");
    server.fault(Calls::to("/dataservice"), Fault::ColumnGone("RMK".to_owned()));
    let findings = check(&server.base_url(), |_| {}, &[&invoices()]).await;
    assert!(findings.iter().any(|f| !f.ok && f.detail.contains("F0411.RMK")), "{findings:?}");
    server.fault(Calls::to("/dataservice"), Fault::ColumnGone("DL01".to_owned()));
    let findings = check(&server.base_url(), |_| {}, &[&business_units()]).await;
    assert!(findings.iter().any(|f| !f.ok && f.detail.contains("F0006.DL01")), "{findings:?}");
}

#[tokio::test]
async fn a_wrong_zone_is_noticed_and_the_right_one_suggested() {
    let server = server(Settings { zone: "America/Chicago".parse().unwrap(), ..Settings::default() }).await;
    let findings = check(&server.base_url(), |_| {}, &[&invoices()]).await;
    let [finding] = bad(&findings)[..] else { panic!("{findings:?}") };
    assert!(finding.detail.contains("UTC-06:00"), "{finding:?}");
    let findings =
        check(&server.base_url(), |settings| settings.zone = "America/Chicago".parse().unwrap(), &[&invoices()]).await;
    assert!(bad(&findings).is_empty(), "{findings:?}");
}

#[tokio::test]
async fn refusals_end_the_check_with_what_to_do() {
    for (settings, words) in [
        (Settings { allowed_host: false, ..Settings::default() }, "Allowed Hosts"),
        (Settings { users: vec![("SVCREAD".to_owned(), "another".to_owned())], ..Settings::default() }, "secrets set"),
    ] {
        let server = server(settings).await;
        let findings = check(&server.base_url(), |_| {}, &[&invoices()]).await;
        let [finding] = bad(&findings)[..] else { panic!("{findings:?}") };
        assert!(finding.what == "log in" && finding.detail.contains(words), "{finding:?}");
        assert_eq!(server.count_calls("/tokenrequest"), 1);
    }
    let users = vec![("SVCREAD".to_owned(), "another".to_owned())];
    let locked = server(Settings { users, ..Settings::default() }).await;
    let basic = |settings: &mut JdeSettings| settings.auth = crate::jde::Auth::Basic;
    let findings = check(&locked.base_url(), basic, &[&invoices(), &business_units()]).await;
    let [finding] = bad(&findings)[..] else { panic!("{findings:?}") };
    assert!(finding.what == "log in" && finding.detail.contains("secrets set"), "{finding:?}");
    assert_eq!(locked.count_calls("/dataservice"), 1);
    let server = server(Settings::default()).await;
    let wrong_root = server.base_url().replace("jderest", "jde");
    for url in [wrong_root.as_str(), "http://127.0.0.1:9/jderest"] {
        let findings = check(url, |_| {}, &[&invoices()]).await;
        assert_eq!((findings.len(), findings[0].ok), (1, false), "{findings:?}");
    }
}

#[tokio::test]
async fn missing_capabilities_and_large_pages_are_told() {
    let config = r#"{"aisVersion":"EnterpriseOne 9.2.0.0","capabilityList":[{"name":"grid"},{"name":"dataservice"}]}"#;
    let empty = r#"{"fs_DATABROWSE_F0411":{"data":{"gridData":{"rowset":[]}}}}"#;
    let stub = Stub::data(vec![Reply::json(200, config), Reply::json(200, empty)]).await;
    let findings = check(&stub.url, |settings| settings.page_size = 5_000, &[&invoices()]).await;
    let bad = bad(&findings);
    assert_eq!(bad.len(), 2, "{bad:?}");
    assert!(bad[0].detail.contains("outputType") && bad[1].detail.contains("DB Fetch Limit"), "{bad:?}");
}

#[tokio::test]
async fn update_columns_that_are_not_read_are_told() {
    let server = server(Settings::default()).await;
    let stream = StreamSpec { columns: texts(&["DOC", "DCT", "KCO", "SFX", "SFXE", "UPMJ"]), ..invoices() };
    let findings = check(&server.base_url(), |_| {}, &[&stream]).await;
    assert!(findings.iter().any(|f| !f.ok && f.detail.contains("UPMT")), "{findings:?}");
}
