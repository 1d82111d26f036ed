//! Who may call what: passwords, tokens, permission lists, query access groups, rows.

use std::time::Duration;

use chrono::TimeDelta;

use super::super::{Calls, Fault, OAuth, Operator, PeopleSoftSandbox, Profile, Settings, Tls};
use super::{ALL, Answer, REST, basic, call, get, numbers, path, query, settings, ten};

/// The body of section 5.1 of the reference.
const PASSWORD_FAILED: &str = "<?xml version=\"1.0\"?>\n\
    <IBResponse type=\"error\"><DefaultTitle>Integration Broker Response</DefaultTitle>\n \
    <StatusCode>20</StatusCode><MessageSetID>158</MessageSetID><MessageID>45</MessageID>\n \
    <DefaultMessage><![CDATA[User password failed. (158,45)]]></DefaultMessage>\n \
    <MessageParameters><Parameter><![CDATA[CXUSER]]></Parameter></MessageParameters></IBResponse>";

fn with(sandbox: &PeopleSoftSandbox, authorization: &str) -> Answer {
    let path = format!("{REST}/{}", path("CX_VOUCHERS", &ALL, 3));
    let headers = [("Authorization", authorization)];
    call(sandbox, "GET", &path, if authorization.is_empty() { &[] } else { &headers }, "")
}

#[test]
fn a_wrong_password_is_answered_with_the_reference_to_the_letter() {
    let sandbox = ten(Settings::default());
    let wrong = with(&sandbox, &basic("CXUSER", "wrong"));
    assert_eq!((wrong.status, wrong.body.as_str()), (401, PASSWORD_FAILED));
    let nobody = with(&sandbox, "");
    assert_eq!((nobody.status, nobody.body), (401, PASSWORD_FAILED.replace("CXUSER", "ANONYMOUS")));
    let old = with(&ten(settings(Profile::Pt856)), &basic("CXUSER", "wrong"));
    assert_eq!((old.status, old.body.as_str()), (500, PASSWORD_FAILED));
    assert_eq!(with(&sandbox, &basic("CXUSER", "secret")).status, 200);
}

#[test]
fn an_account_locks_and_says_nothing_about_it() {
    let sandbox = ten(Settings::default());
    for _ in 0..3 {
        assert_eq!(with(&sandbox, &basic("CXUSER", "wrong")).status, 401);
    }
    let locked = with(&sandbox, &basic("CXUSER", "secret"));
    assert_eq!((locked.status, locked.body.as_str()), (401, PASSWORD_FAILED));
    sandbox.unlock("CXUSER");
    assert_eq!(with(&sandbox, &basic("CXUSER", "secret")).status, 200);
}

fn token(sandbox: &PeopleSoftSandbox, form: &str) -> Answer {
    let url = sandbox.token_url().unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    std::io::Write::write_all(&mut stream, super::request("POST", &format!("/{path}"), &headers, form).as_bytes())
        .unwrap();
    super::read(&mut stream).unwrap()
}

fn provider() -> OAuth {
    OAuth {
        scope: Some("readwrite".into()),
        audience: Some("https://psft.example.com".into()),
        token_life: Duration::from_secs(600),
        ..OAuth::new("svc-reader", "s3cr/t+=")
    }
}

const FORM: &str = "grant_type=client_credentials&client_id=svc-reader&client_secret=s3cr%2Ft%2B%3D&scope=readwrite";

#[test]
fn a_token_of_the_identity_provider_lets_in_until_it_ends() {
    let sandbox = ten(Settings::default().with_oauth(provider()));
    let bearer = |answer: &Answer| format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
    let granted = token(&sandbox, &format!("{FORM}&audience=https%3A%2F%2Fpsft.example.com"));
    assert_eq!((granted.status, &granted.json()["expires_in"]), (200, &serde_json::json!(600)));
    assert_eq!(granted.json()["token_type"], "Bearer");
    assert_eq!(numbers(&with(&sandbox, &bearer(&granted))), [1, 2, 3]);
    assert_eq!(with(&sandbox, &basic("CXUSER", "secret")).status, 401, "this site takes no Basic");

    sandbox.clock().advance(TimeDelta::seconds(600));
    let expired = with(&sandbox, &bearer(&granted));
    assert_eq!((expired.status, expired.body.as_str()), (401, ""));
    let granted = token(&sandbox, &format!("{FORM}&resource=https%3A%2F%2Fpsft.example.com"));
    assert_eq!(with(&sandbox, &bearer(&granted)).status, 200);
    sandbox.revoke_tokens();
    assert_eq!(with(&sandbox, &bearer(&granted)).status, 401, "revoked in mid-run");
    let granted = token(&sandbox, &format!("{FORM}&audience=https%3A%2F%2Fpsft.example.com"));
    sandbox.fault(Calls::to("ExecuteQuery").nth(2), Fault::DeadToken);
    let statuses = [(); 3].map(|()| with(&sandbox, &bearer(&granted)).status);
    assert_eq!(statuses, [200, 401, 401], "a dead token stays dead");
    let elsewhere = token(&sandbox, FORM);
    assert_eq!(elsewhere.status, 200, "the provider issues it");
    assert_eq!(with(&sandbox, &bearer(&elsewhere)).status, 401, "PeopleSoft is not its audience");
}

#[test]
fn the_identity_provider_refuses_in_its_own_words() {
    let sandbox = ten(Settings::default().with_oauth(provider()));
    let refused = |form: &str| {
        let answer = token(&sandbox, form);
        (answer.status, answer.json()["error"].as_str().unwrap().to_owned())
    };
    assert_eq!(refused(&FORM.replace("s3cr", "no")), (401, "invalid_client".into()));
    assert_eq!(refused(&FORM.replace("readwrite", "write")), (400, "invalid_scope".into()));
    assert_eq!(refused(&FORM.replace("client_credentials", "password")), (400, "unsupported_grant_type".into()));
    assert_eq!(sandbox.count_calls("/oauth2/v1/token"), 3);
    let old = ten(Settings { oauth: Some(provider()), ..settings(Profile::Pt856) });
    assert_eq!(with(&old, "Bearer x").body, PASSWORD_FAILED.replace("CXUSER", "ANONYMOUS"), "8.56 knows no token");
}

#[test]
fn a_missing_right_is_a_refusal_and_a_missing_query_right_looks_like_a_missing_query() {
    let sandbox = ten(Settings::default());
    sandbox.change_operator("CXUSER", |operator| operator.operations = Some(vec!["QueryStatus.v1".into()]));
    let refused = query(&sandbox, "CX_VOUCHERS", &ALL, 3);
    assert_eq!(refused.status, 403);
    let words = "User CXUSER is not authorized for service operation QAS_EXECUTEQRY_REST_GET. (158,10532)";
    assert!(refused.body.contains(words), "{refused:?}");
    sandbox.change_operator("CXUSER", |operator| {
        operator.operations = None;
        operator.records = Some(vec!["VENDOR".into()]);
    });
    let body = r#"{"status":"error","data":{"message":"Query CX_VOUCHERS does not exist or you do not have access."}}"#;
    assert_eq!(query(&sandbox, "CX_VOUCHERS", &ALL, 3).body, body);
}

#[test]
fn rows_of_others_are_left_out_without_a_word_and_profiles_cut_pages() {
    let operators = vec![Operator::new("CXUSER", "secret").sees_only("VOUCHER", "BUSINESS_UNIT", &["US002"])];
    let sandbox = ten(Settings { operators, ..Settings::default() });
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &ALL, 0)), [2, 4, 6, 8, 10]);
    sandbox.change_operator("CXUSER", |operator| operator.max_rows = Some(2));
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &ALL, 4)), [2, 4]);
    sandbox.change_operator("CXUSER", |operator| operator.rows.clear());
    assert_eq!(numbers(&query(&sandbox, "CX_VOUCHERS", &ALL, 0)), [1, 2]);
    let capped = ten(Settings { row_cap: Some(4), ..Settings::default() });
    let page = query(&capped, "CX_VOUCHERS", &ALL, 6);
    assert_eq!((numbers(&page), &page.json()["data"]["query"]["numrows"]), (vec![1, 2, 3, 4], &serde_json::json!(4)));
}

#[test]
fn private_queries_belong_to_one_operator() {
    let operators = vec![Operator::new("CXUSER", "secret"), Operator::new("OTHER", "secret")];
    let sandbox = ten(Settings { operators, ..Settings::default() });
    let mine = super::QueryDefinition::new("MINE").record("A", "VOUCHER").field("A.VOUCHER_ID").private("CXUSER");
    sandbox.define_query(mine).unwrap();
    let path = "ExecuteQuery.v1/PRIVATE/MINE/JSON/NONFILE?isconnectedquery=N&maxrows=1&json_resp=true";
    assert_eq!(numbers(&get(&sandbox, path)), [1]);
    assert_eq!(get(&sandbox, &path.replace("PRIVATE", "public")).json()["status"], "error");
    let other = [("Authorization", basic("OTHER", "secret"))];
    let other = [(other[0].0, other[0].1.as_str())];
    assert_eq!(call(&sandbox, "GET", &format!("{REST}/{path}"), &other, "").json()["status"], "error");
}

#[test]
fn tls_wants_a_client_certificate_when_it_is_told_to() {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let tls =
        |client_authorities| Tls { certificates: cert.pem(), key: signing_key.serialize_pem(), client_authorities };
    let open = ten(Settings { tls: Some(tls(None)), ..Settings::default() });
    assert!(open.base_url().starts_with("https://localhost:"));
    let request = super::request(
        "GET",
        &format!("{REST}/{}", path("CX_VOUCHERS", &ALL, 3)),
        &[("Authorization", &basic("CXUSER", "secret"))],
        "",
    );
    assert_eq!(numbers(&over_tls(&open, &cert, &request).unwrap()), [1, 2, 3]);
    let closed = ten(Settings { tls: Some(tls(Some(cert.pem()))), ..Settings::default() });
    assert!(over_tls(&closed, &cert, &request).is_none(), "no certificate, no answer");
}

fn over_tls(sandbox: &PeopleSoftSandbox, trusted: &rcgen::Certificate, request: &str) -> Option<Answer> {
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(crypto::ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connection = ClientConnection::new(config.into(), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, std::net::TcpStream::connect(sandbox.address()).unwrap());
    std::io::Write::write_all(&mut stream, request.as_bytes()).ok()?;
    super::read(&mut stream)
}
