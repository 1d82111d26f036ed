//! Logging in and out, and what every status and body of the vendor means.

use std::time::Duration;

use engine::ports::Source;
use engine::{Error, Kind};

use super::fixture::{first_page, invoices, source};
use super::stub::{LOGIN, Reply, Stub};
use crate::jde::Auth;

const EMPTY: &str = r#"{"fs_DATABROWSE_F0411":{"data":{"gridData":{"rowset":[],"summary":{"records":0,"moreRecords":false}}}},"timeStamp":"2026-11-20:14.30.02"}"#;
const BAD_LOGIN: &str = r#"{"message":"Authorization Failure: Incorrect User ID or Password.","exception":"com.oracle.e1.rest.session.E1LoginException"}"#;
const BAD_TOKEN: &str = r#"{"message":"Token Invalid: Please Request a new Token","exception":"E1LoginException"}"#;
const JAS: &str = r#"{"message":"Error: Authorization Failure Server returned HTTP response code: 403 for URL: http://jas:7001/jde/FormServiceRequest","exception":"com.oracle.e1.rest.session.E1LoginException"}"#;
const EXPIRED: &str = r#"{"sysErrors":[{"TITLE":"JAS_MSG347: The query results expired.","DESC":"JAS_MSG347: The query results expired."}]}"#;

fn empty() -> Reply {
    Reply::json(200, EMPTY)
}

fn failed(message: &str) -> Reply {
    Reply::json(
        500,
        format!(r#"{{"message":"{message}","exception":"com.oracle.e1.rest.ServiceException","status":"ERROR"}}"#),
    )
}

async fn error(stub: &Stub, auth: Auth) -> Error {
    let source = source(&stub.url, |settings| settings.auth = auth);
    let error = first_page(&source, &invoices()).await.unwrap_err();
    source.close().await;
    let words = format!("{error} {error:?}");
    assert!(!words.contains("044tok") && !words.contains("secret`"), "{words}");
    error
}

#[tokio::test]
async fn a_session_is_opened_once_used_by_header_and_closed() {
    let stub = Stub::data(vec![empty(), empty()]).await;
    let source = source(&stub.url, |settings| {
        settings.environment = Some("JPD920".to_owned());
        settings.role = Some("*ALL".to_owned());
    });
    first_page(&source, &invoices()).await.unwrap();
    first_page(&source, &invoices()).await.unwrap();
    source.close().await;
    source.close().await;
    assert_eq!((stub.logins(), stub.count("/v2/dataservice "), stub.logouts()), (1, 2, 1));
    let asked = stub.asked();
    let login: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(
        login,
        serde_json::json!({"username": "SVCREAD", "password": "secret", "deviceName": "ml-connector", "environment": "JPD920", "role": "*ALL"})
    );
    let head = asked[1].head.to_lowercase();
    assert!(
        head.contains("\r\njde-ais-auth: 044tok+/=") && head.contains("\r\njde-ais-auth-device: ml-connector"),
        "{head}"
    );
    assert!(head.contains("\r\ncontent-type: application/json"), "{head}");
    assert!(asked[1].body.contains(r#""deviceName":"ml-connector""#) && !asked[1].body.contains("044tok"));
    assert!(asked[3].body.contains(r#""token":"044tok+/=""#), "{}", asked[3].body);
}

#[tokio::test]
async fn basic_sends_user_environment_and_device_with_every_call_and_opens_no_session() {
    let stub = Stub::data(vec![empty()]).await;
    let source = source(&stub.url, |settings| {
        settings.auth = Auth::Basic;
        settings.environment = Some("JPD920".to_owned());
    });
    first_page(&source, &invoices()).await.unwrap();
    source.close().await;
    assert_eq!((stub.logins(), stub.logouts()), (0, 0));
    let asked = &stub.asked()[0];
    assert!(asked.head.to_lowercase().contains("\r\nauthorization: basic "), "{}", asked.head);
    assert!(asked.body.contains(r#""environment":"JPD920""#) && asked.body.contains(r#""deviceName":"ml-connector""#));
}

#[tokio::test]
async fn a_wrong_password_is_tried_exactly_once() {
    for reply in [
        Reply::json(403, BAD_LOGIN),
        Reply::json(401, "{}"),
        Reply::json(500, BAD_LOGIN),
        Reply::json(200, r#"{"username":"SVC","userInfo":{"token":""}}"#),
        Reply::json(200, r#"{"username":"SVC","userInfo":{"token":null}}"#),
        Reply::json(200, r#"{"username":"SVC"}"#),
    ] {
        let stub = Stub::start(vec![reply], Vec::new()).await;
        let source = source(&stub.url, |_| {});
        for _ in 0..3 {
            let error = first_page(&source, &invoices()).await.unwrap_err();
            assert!(error.is_refused_credentials(), "{error}");
            assert!(source.now(&invoices()).await.unwrap_err().is_refused_credentials());
        }
        source.close().await;
        assert_eq!((stub.logins(), stub.asked().len()), (1, 1));
    }
    let stub = Stub::data(vec![Reply::json(403, BAD_LOGIN)]).await;
    let source = source(&stub.url, |settings| settings.auth = Auth::Basic);
    for _ in 0..3 {
        assert!(first_page(&source, &invoices()).await.unwrap_err().is_refused_credentials());
    }
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn basic_that_was_let_in_before_lacks_rights_when_it_is_refused() {
    let stub = Stub::data(vec![empty(), Reply::json(403, "{}")]).await;
    let source = source(&stub.url, |settings| settings.auth = Auth::Basic);
    first_page(&source, &invoices()).await.unwrap();
    let error = first_page(&source, &invoices()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(!error.is_refused_credentials() && error.to_string().contains("rights"), "{error}");
}

#[tokio::test]
async fn a_dead_token_is_replaced_once_and_the_call_made_again() {
    let within = EMPTY.replace(
        r#""timeStamp""#,
        r#""sysErrors":[{"TITLE":"Token Invalid: Please Request a new Token"}],"timeStamp""#,
    );
    for reply in [
        Reply::json(444, BAD_TOKEN),
        Reply::json(444, ""),
        Reply::json(403, BAD_TOKEN),
        Reply::json(401, "{}"),
        Reply::json(500, BAD_TOKEN),
        Reply::json(500, r#"{"message":"Token Invalid: Please Request a new Token"}"#),
        Reply::json(403, JAS),
        Reply::json(200, within),
    ] {
        let stub = Stub::data(vec![reply, empty()]).await;
        let source = source(&stub.url, |_| {});
        first_page(&source, &invoices()).await.unwrap();
        source.close().await;
        assert_eq!((stub.logins(), stub.count("/dataservice "), stub.logouts()), (2, 2, 2));
    }
}

#[tokio::test]
async fn rows_of_an_answer_that_ends_the_session_do_not_come_twice() {
    let cells = invoices().columns.iter().map(|column| format!(r#""F0411_{column}":1"#)).collect::<Vec<_>>().join(",");
    let page = EMPTY.replace("[]", &format!("[{{{cells}}}]")).replace(r#""records":0"#, r#""records":1"#);
    let ended = page.replace(r#""timeStamp""#, r#""sysErrors":[{"TITLE":"Token Invalid"}],"timeStamp""#);
    let stub = Stub::data(vec![Reply::json(200, ended), Reply::json(200, page.clone()), Reply::json(200, page)]).await;
    let source = source(&stub.url, |_| {});
    let error = first_page(&source, &invoices()).await.unwrap_err();
    assert!(error.is_later(), "{error}");
    assert_eq!(first_page(&source, &invoices()).await.unwrap().0.len(), 1);
}

#[tokio::test]
async fn a_second_refusal_in_a_row_stops() {
    let stub = Stub::data(vec![Reply::json(403, BAD_TOKEN), Reply::json(444, "")]).await;
    let error = error(&stub, Auth::Token).await;
    assert_eq!(error.kind(), Kind::Stop);
    assert!(!error.is_refused_credentials() && error.to_string().contains("F0411"), "{error}");
    assert_eq!((stub.logins(), stub.count("/dataservice "), stub.logouts()), (2, 2, 2));
}

#[tokio::test]
async fn a_token_that_cannot_be_replaced_is_a_refused_user_and_not_a_loop() {
    let stub =
        Stub::start(vec![Reply::json(200, LOGIN), Reply::json(403, BAD_LOGIN)], vec![Reply::json(444, "")]).await;
    assert!(error(&stub, Auth::Token).await.is_refused_credentials());
    assert_eq!((stub.logins(), stub.count("/dataservice ")), (2, 1));
}

#[tokio::test]
async fn a_session_is_closed_after_errors_too() {
    for reply in [failed("Table F0411 does not exist"), Reply::html(502, "Bad Gateway"), empty().cut_at(40)] {
        let stub = Stub::data(vec![reply]).await;
        error(&stub, Auth::Token).await;
        assert_eq!((stub.logins(), stub.logouts()), (1, 1));
    }
}

/// What a log-in is refused with, and what has to be done.
#[tokio::test]
async fn refusals_of_a_log_in_say_what_to_do() {
    let later = Kind::Later { after: None };
    let wait = |seconds| Kind::Later { after: Some(Duration::from_secs(seconds)) };
    for (reply, kind, words) in [
        (Reply::html(405, "Error 405"), Kind::Stop, "Allowed Hosts"),
        (Reply::html(404, "Error 404--Not Found"), Kind::Stop, "context root"),
        (Reply::html(415, "Error 415"), Kind::Stop, "JSON"),
        (Reply::json(445, "{}"), Kind::Stop, "single sign-on"),
        (Reply::json(446, "{}"), Kind::Stop, "single sign-on"),
        (Reply::html(403, "Access denied by policy"), Kind::Stop, "firewall"),
        (Reply::json(400, r#"{"message":"Invalid JSON input"}"#), Kind::Stop, "Invalid JSON input"),
        (Reply::html(302, "Moved").with("Location", "https://elsewhere/"), Kind::Stop, "redirects"),
        (failed("JAS server unreachable"), later, "JAS server unreachable"),
        (Reply::html(200, "Company Portal"), later, "Company Portal"),
        (Reply::html(503, "Service Unavailable").with("Retry-After", "17"), wait(17), "busy"),
        (Reply::json(429, "{}").with("Retry-After", "3"), wait(3), "busy"),
        (Reply::json(200, LOGIN).cut_at(30), later, "cut short"),
        (Reply::json(200, &LOGIN[..30]), later, "cut short"),
    ] {
        let stub = Stub::start(vec![reply], Vec::new()).await;
        let error = error(&stub, Auth::Token).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!((stub.logins(), stub.asked().len()), (1, 1));
    }
}

/// What a call for data is refused with, and what has to be done.
#[tokio::test]
async fn refusals_of_a_call_say_what_to_do() {
    let later = Kind::Later { after: None };
    let wait = |seconds| Kind::Later { after: Some(Duration::from_secs(seconds)) };
    let within = |list: &str| EMPTY.replace(r#","timeStamp""#, &format!(r#",{list},"timeStamp""#));
    for (reply, kind, words) in [
        (failed("Table F0411 does not exist"), Kind::Stop, "F0411"),
        (failed("Column F0411.XYZ does not exist in F0411"), Kind::Stop, "F0411.XYZ"),
        (failed("Invalid date «11/20/2026» in query"), Kind::Stop, "date_literal"),
        (failed("The connection to the database was lost"), later, "connection"),
        (failed("Unknown host: connection timed out"), later, "timed out"),
        (Reply::json(500, ""), later, "500"),
        (Reply::json(500, EXPIRED), later, "asked again"),
        (Reply::json(400, r#"{"message":"bad"}"#), Kind::Stop, "bad"),
        (Reply::html(404, "Not Found"), Kind::Stop, "context root"),
        (Reply::html(415, "Unsupported"), Kind::Stop, "JSON"),
        (Reply::html(502, "Bad Gateway"), later, "Bad Gateway"),
        (Reply::html(504, "Gateway Time-out"), later, "does not answer"),
        (Reply::html(503, "Service Unavailable"), later, "busy"),
        (Reply::json(503, "{}").with("Retry-After", "60"), wait(60), "busy"),
        (Reply::json(429, "{}").with("Retry-After", "5"), wait(5), "busy"),
        (Reply::html(200, "Log in"), later, "Log in"),
        (Reply::json(418, "{}"), Kind::Stop, "418"),
        (Reply::json(200, "{}"), Kind::Stop, "GRID_DATA"),
        (Reply::json(200, ""), later, "cut short"),
        (Reply::json(200, within(r#""sysErrors":[{"TITLE":"JAS is out of memory"}]"#)), later, "out of memory"),
        (Reply::json(200, within(r#""sysErrors":[{"DESC":"Table F0411 is unknown"}]"#)), Kind::Stop, "unknown"),
        (Reply::json(200, within(r#""sysErrors":["odd"]"#)), later, "odd"),
        (empty().cut_at(60), later, "cut short"),
    ] {
        let stub = Stub::data(vec![reply]).await;
        let error = error(&stub, Auth::Token).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!((stub.logins(), stub.count("/dataservice ")), (1, 1), "{error}");
    }
}

#[tokio::test]
async fn what_the_server_says_is_cleaned_of_secrets() {
    let told = r#"{"message":"no rights for token 044tok+/= of secret at /next?token=044tok%2B%2F%3D&rid=1"}"#;
    let stub = Stub::data(vec![Reply::json(400, told)]).await;
    let error = error(&stub, Auth::Token).await.to_string();
    assert!(error.contains("no rights") && error.contains("rid=1"), "{error}");
    assert!(!error.contains("044tok") && !error.contains("of secret"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let source = source(&format!("http://{free}/jderest"), |_| {});
    let error = first_page(&source, &invoices()).await.unwrap_err();
    assert!(error.is_later(), "{error}");
    assert!(error.to_string().contains(&format!("http://{free} refuses connections")), "{error}");
}

#[tokio::test]
async fn a_longer_answer_than_allowed_stops() {
    let stub = Stub::data(vec![Reply::json(200, "x".repeat(5_000))]).await;
    let source = source(&stub.url, |settings| settings.max_response_bytes = 4_096);
    let error = first_page(&source, &invoices()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Stop);
    assert!(error.to_string().contains("max_response_bytes"), "{error}");
}
