//! Tokens: how one is had, what it is bound to, and how it dies.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value as Json, json};

use super::super::{DeadToken, LoginRefusal, Settings, Tables};
use super::{AS_JSON, DATA, browse, call, credentials, get, post, start, ten, token};

const LOGIN: &str = "/jderest/v2/tokenrequest";

#[test]
fn the_server_describes_itself_without_a_login() {
    let sandbox = start(Settings::default(), Tables::new());
    for (path, missing) in [
        ("/jderest/defaultconfig", None),
        ("/jderest/v2/defaultconfig?all=true", None),
        ("/jderest/v2/defaultconfig?requiredCapabilities=dataservice,outputType,nextPage", Some(false)),
        ("/jderest/v2/defaultconfig?requiredCapabilities=grid,telepathy", Some(true)),
    ] {
        for method in ["GET", "POST"] {
            let answer = call(&sandbox, method, path, &[], "");
            assert_eq!(answer.status, 200, "{answer:?}");
            let names: Vec<_> =
                answer.json()["capabilityList"].as_array().unwrap().iter().map(|c| c["name"].clone()).collect();
            assert!(names.contains(&"dataservice".into()) && names.contains(&"simpleGetServices".into()));
            assert_eq!(answer.json().get("requiredCapabilityMissing").and_then(Json::as_bool), missing, "{path}");
        }
    }
    let old = start(Settings { next_links: false, ..Settings::default() }, Tables::new());
    let answer = get(&old, "/jderest/defaultconfig?requiredCapabilities=nextPage");
    assert_eq!(answer.json()["requiredCapabilityMissing"], true);
}

#[test]
fn a_login_gives_a_token_that_must_be_encoded_and_says_who_the_user_is() {
    let sandbox = start(Settings { zone: chrono_tz::America::New_York, ..Settings::default() }, Tables::new());
    let basic = ("Authorization", "Basic U1ZDUkVBRDpzZWNyZXQ=");
    let body = credentials().to_string();
    let environment = ("jde-AIS-Auth-Environment", "JPD920");
    for (method, path, headers, body) in [
        ("POST", "/jderest/tokenrequest", vec![AS_JSON], body.as_str()),
        ("POST", LOGIN, vec![("Content-Type", "application/json;charset=utf-8")], &body),
        ("POST", LOGIN, vec![basic, ("jde-AIS-Auth-Device", "test"), environment, ("jde-AIS-Auth-Role", "*ALL")], ""),
        ("POST", "/jderest/v3/orchestrator/jde-login", vec![AS_JSON], &body),
        ("GET", "/jderest/v2/orchestrator/jde-login", vec![basic], ""),
    ] {
        let answer = call(&sandbox, method, path, &headers, body);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let json = answer.json();
        let token = json["userInfo"]["token"].as_str().unwrap();
        assert!(
            (100..=130).contains(&token.len()) && ["+", "/", "="].iter().all(|sign| token.contains(sign)),
            "{token}"
        );
        assert_eq!(json["userInfo"]["dateSeperator"], "/");
        assert_eq!(json["userInfo"]["simpleDateFormat"], "MM/dd/yyyy");
        assert_eq!(json["userInfo"]["timeZoneOffset"], "UTC-05:00");
        assert_eq!((json["username"].as_str(), json["environment"].as_str()), (Some("SVCREAD"), Some("JPD920")));
    }
    assert_eq!(sandbox.open_sessions(), 5);
}

#[test]
fn a_login_is_refused_as_the_vendor_refuses_it() {
    let sandbox = start(Settings { max_failed_logins: 99, ..Settings::default() }, Tables::new());
    let with = |name: &str, value: &str| {
        let mut body = credentials();
        body[name] = value.into();
        body
    };
    for (body, status, says) in [
        (with("password", "wrong"), 403, "Authorization Failure: Incorrect User ID or Password."),
        (with("username", "nobody"), 403, "Authorization Failure: Incorrect User ID or Password."),
        (with("environment", "JXX000"), 403, "Environment is not valid"),
        (with("role", "SYSADMIN"), 403, "Role is not valid"),
        (json!({"deviceName": "test"}), 403, "Incorrect User ID"),
        (json!({"psToken": "abc"}), 446, "SSO"),
        (json!({"username": 5}), 400, "Invalid JSON"),
        (json!([1]), 400, "Invalid JSON"),
    ] {
        let answer = post(&sandbox, LOGIN, &body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.message().contains(says), "{body}: {answer:?}");
        assert_eq!(answer.json()["timeStamp"], "2026-11-20:12.00.00");
        if status == 403 {
            assert_eq!(answer.json()["exception"], "com.oracle.e1.rest.session.E1LoginException");
        }
    }
    assert_eq!(call(&sandbox, "POST", LOGIN, &[AS_JSON], "{\"username\":").status, 400);
    assert_eq!(call(&sandbox, "POST", LOGIN, &[("Content-Type", "text/plain")], "{}").status, 415);
    assert_eq!(call(&sandbox, "POST", LOGIN, &[], "{}").status, 415);
    assert_eq!(get(&sandbox, LOGIN).status, 405);
    assert_eq!(sandbox.open_sessions(), 0);
}

#[test]
fn a_site_may_answer_a_bad_login_with_an_empty_token_or_not_allow_the_server_at_all() {
    let sandbox = start(Settings { login_refusal: LoginRefusal::EmptyToken, ..Settings::default() }, Tables::new());
    let mut body = credentials();
    body["environment"] = "JXX000".into();
    let answer = post(&sandbox, LOGIN, &body);
    assert_eq!((answer.status, &answer.json()["userInfo"]["token"]), (200, &json!("")));
    let closed = start(Settings { allowed_host: false, ..Settings::default() }, Tables::new());
    assert_eq!(post(&closed, LOGIN, &credentials()).status, 405);
}

#[test]
fn wrong_passwords_lock_the_account_and_a_good_login_forgets_them() {
    let sandbox = start(Settings::default(), Tables::new());
    let mut wrong = credentials();
    wrong["password"] = "wrong".into();
    for _ in 0..2 {
        post(&sandbox, LOGIN, &wrong);
    }
    token(&sandbox);
    for _ in 0..3 {
        assert!(post(&sandbox, LOGIN, &wrong).message().contains("Incorrect"));
    }
    let locked = post(&sandbox, LOGIN, &credentials());
    assert_eq!(locked.status, 403);
    assert!(locked.message().contains("locked"));
    sandbox.unlock("SVCREAD");
    token(&sandbox);
}

#[test]
fn a_user_may_hold_only_so_many_sessions() {
    let sandbox = start(Settings { max_sessions: Some(2), ..Settings::default() }, Tables::new());
    let first = token(&sandbox);
    token(&sandbox);
    assert_eq!(post(&sandbox, LOGIN, &credentials()).status, 403);
    assert_eq!(post(&sandbox, "/jderest/tokenrequest/logout", &json!({"token": first})).status, 200);
    token(&sandbox);
}

#[test]
fn a_token_is_bound_to_its_device_wherever_both_are_said() {
    let sandbox = start(Settings::default(), ten());
    let token = token(&sandbox);
    let anonymous = json!({"username": null, "password": null});
    let bare = browse(anonymous.clone()).to_string();
    let device = ("jde-AIS-Auth-Device", "test");
    let header = ("jde-AIS-Auth", token.as_str());
    let encoded = token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let ask = |headers: &[(&str, &str)]| call(&sandbox, "POST", DATA, &[&[AS_JSON], headers].concat(), &bare).status;
    assert_eq!(ask(&[header, device]), 200);
    assert_eq!(ask(&[header, ("JDE-ais-auth-DEVICE", "test")]), 200);
    assert_eq!(ask(&[header, ("jde-AIS-Auth-Device", "other")]), 403);
    assert_eq!(ask(&[header]), 403, "without a device the address counts, and this token has a name");
    assert_eq!(ask(&[device]), 403, "no token at all");
    let mut body = browse(anonymous);
    body["token"] = token.clone().into();
    assert_eq!(post(&sandbox, DATA, &body).status, 403);
    body["deviceName"] = "test".into();
    assert_eq!(post(&sandbox, DATA, &body).status, 200);
    let simple = |parameters: &str| get(&sandbox, &format!("{DATA}/table/F0411?{parameters}")).status;
    assert_eq!(simple(&format!("$token={encoded}&$device=test")), 200);
    assert_eq!(simple(&format!("$token={token}&$device=test")), 444, "an unencoded + is a blank");
    assert_eq!(simple("$username=SVCREAD&$password=secret"), 200);
    // A token had without a device is bound to the address, and the same address needs none.
    let mut nameless = credentials();
    nameless.as_object_mut().unwrap().remove("deviceName");
    let answer = post(&sandbox, LOGIN, &nameless).json();
    let by_address = answer["userInfo"]["token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&[("jde-AIS-Auth", &by_address)]), 200);
    assert_eq!(ask(&[("jde-AIS-Auth", &by_address), device]), 403);
}

#[test]
fn basic_and_body_credentials_work_per_call_and_leave_no_session() {
    let sandbox = start(Settings::default(), ten());
    let bare = browse(json!({"username": null, "password": null})).to_string();
    let basic = ("Authorization", "Basic U1ZDUkVBRDpzZWNyZXQ=");
    assert_eq!(call(&sandbox, "POST", DATA, &[AS_JSON, basic], &bare).status, 200);
    assert_eq!(post(&sandbox, DATA, &browse(json!({}))).status, 200);
    assert_eq!(post(&sandbox, DATA, &browse(json!({"password": "wrong"}))).status, 403);
    assert_eq!(sandbox.open_sessions(), 0);
    let strict = start(Settings { allow_basic: false, ..Settings::default() }, ten());
    assert_eq!(call(&strict, "POST", DATA, &[AS_JSON, basic], &bare).status, 403);
    let bearer = format!("Bearer {}", token(&strict));
    let device = ("jde-AIS-Auth-Device", "test");
    assert_eq!(call(&strict, "POST", DATA, &[AS_JSON, ("Authorization", &bearer), device], &bare).status, 403);
    let lenient = start(Settings { allow_bearer: true, ..Settings::default() }, ten());
    let bearer = format!("Bearer {}", token(&lenient));
    assert_eq!(call(&lenient, "POST", DATA, &[AS_JSON, ("Authorization", &bearer), device], &bare).status, 200);
}

#[test]
fn a_token_dies_of_idleness_or_age_and_is_refused_as_the_site_refuses() {
    for (dead_token, status) in [(DeadToken::Status444, 444), (DeadToken::Status403, 403)] {
        let settings = Settings {
            dead_token,
            token_ttl: Duration::from_secs(600),
            token_life: Duration::from_secs(1500),
            ..Settings::default()
        };
        let sandbox = start(settings, ten());
        let ask = |token: &str| {
            let members = json!({"username": null, "password": null, "token": token, "deviceName": "test"});
            post(&sandbox, DATA, &browse(members))
        };
        let used = token(&sandbox);
        let idle = token(&sandbox);
        for _ in 0..2 {
            sandbox.clock().advance(TimeDelta::seconds(550));
            assert_eq!(ask(&used).status, 200);
        }
        let dead = ask(&idle);
        assert_eq!((dead.status, dead.message().as_str()), (status, "Token Invalid: Please Request a new Token"));
        assert!(dead.json()["exception"].as_str().unwrap().contains("LoginException"));
        assert_eq!(sandbox.open_sessions(), 1);
        sandbox.clock().advance(TimeDelta::seconds(550));
        assert_eq!(ask(&used).status, status, "as old as a token gets");
        assert_eq!(ask("no such token").status, status);
        assert_eq!(sandbox.open_sessions(), 0);
    }
}

#[test]
fn validate_says_whether_a_token_lives_and_renews_it_only_when_told() {
    let settings = Settings { token_ttl: Duration::from_secs(600), ..Settings::default() };
    let sandbox = start(settings, Tables::new());
    let token = token(&sandbox);
    let ask =
        |path: &str, touch: Json| post(&sandbox, path, &json!({"token": token, "deviceName": "test", "touch": touch}));
    const OLD: &str = "/jderest/v2/tokenrequest/validate";
    const TWIN: &str = "/jderest/v2/orchestrator/jde-validate-session";
    sandbox.clock().advance(TimeDelta::seconds(500));
    assert_eq!(ask(OLD, json!(true)).json()["isValidSession"], true);
    sandbox.clock().advance(TimeDelta::seconds(500));
    assert_eq!(ask(TWIN, json!("false")).json()["isValidSession"], true);
    sandbox.clock().advance(TimeDelta::seconds(500));
    assert_eq!(ask(OLD, json!(false)).json()["isValidSession"], false);
    assert_eq!(ask(TWIN, json!(false)).status, 444);
    assert_eq!(post(&sandbox, OLD, &json!({})).status, 400);
}

#[test]
fn logout_ends_the_session_once() {
    let sandbox = start(Settings { dead_token: DeadToken::Status403, ..Settings::default() }, Tables::new());
    for path in ["/jderest/tokenrequest/logout", "/jderest/v3/orchestrator/jde-logout"] {
        let token = token(&sandbox);
        assert_eq!(sandbox.open_sessions(), 1);
        assert_eq!(post(&sandbox, path, &json!({"token": token})).status, 200);
        assert_eq!(sandbox.open_sessions(), 0);
        let again = post(&sandbox, path, &json!({"token": token}));
        assert_eq!(again.status, 444, "whatever data calls answer");
        assert!(again.json()["exception"].as_str().unwrap().contains("LoginException"));
        assert_eq!(post(&sandbox, path, &json!({})).status, 400);
    }
}
