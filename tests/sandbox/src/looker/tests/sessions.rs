//! Tokens: how one is had, how it is shown, and how it dies. Acceptance checks a, b and c.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::super::{Account, Settings};
use super::fixture::world_with;
use super::{AS_JSON, Caller, FORM, log_in, raw, send, world};

#[test]
fn a_login_is_a_form_in_the_body_and_nothing_else() {
    let account = Account::admin("id+1", "s3cr/t &=%");
    let world = world_with(Settings { token_life: Duration::from_secs(12), ..Settings::default() }, |builder| {
        builder.account(account)
    });
    let good = "client_id=id%2B1&client_secret=s3cr%2Ft+%26%3D%25";
    let answer = log_in(&world.sandbox, good).ok();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(12)));
    assert!(answer["refresh_token"].is_null() && answer["access_token"].as_str().unwrap().len() == 40);
    for (path, kind, body, status) in [
        ("/api/4.0/login", FORM, "client_id=id%2B1&client_secret=wrong", 404),
        ("/api/4.0/login", FORM, "client_id=sandbox&client_secret=secret", 404),
        ("/api/4.0/login", FORM, "client_id=id+1&client_secret=s3cr/t", 404),
        ("/api/4.0/login", FORM, "", 404),
        ("/api/4.0/login", AS_JSON, r#"{"client_id":"id+1"}"#, 400),
    ] {
        let answer = send(&world.sandbox, &raw("POST", path, &[kind], body)).unwrap();
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(!answer.body.contains("access_token"));
        // Published clients fetch from a server outside what looks like `…/r/err/…`.
        let link = answer.json()["documentation_url"].as_str().unwrap().to_owned();
        assert!(link.starts_with("https://") && !link.contains("/r/err/"), "{link}");
    }
    let in_query = send(&world.sandbox, &raw("POST", &format!("/api/4.0/login?{good}"), &[FORM], "")).unwrap();
    assert_eq!((in_query.status, &in_query.json()["message"]), (404, &json!("Not found")));
    let journal =
        format!("{:?}", world.sandbox.journal().iter().map(|call| (&call.query, &call.body)).collect::<Vec<_>>());
    assert!(!journal.contains("s3cr"), "{journal}");
}

#[test]
fn a_token_dies_of_age_or_at_its_own_logout() {
    let world = world_with(Settings { token_life: Duration::from_secs(12), ..Settings::default() }, |builder| builder);
    let (first, second) = (Caller::new(&world.sandbox), Caller::new(&world.sandbox));
    assert_ne!(first.token, second.token);
    assert_eq!(first.call("DELETE", "/logout", "").unwrap().status, 204);
    let dead = first.get("/datagroups");
    assert_eq!((dead.status, &dead.json()["message"]), (401, &json!("Requires authentication.")));
    assert_eq!(second.get("/datagroups").status, 200);
    // Without the version, as a published client does it.
    let third = Caller::new(&world.sandbox);
    let answer = third.call("DELETE", "/api/logout", "").unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(third.get("/datagroups").status, 401);
    assert_eq!(world.sandbox.open_sessions(), 1);
    world.clock.advance(TimeDelta::seconds(11));
    assert_eq!(second.get("/datagroups").status, 200);
    world.clock.advance(TimeDelta::seconds(1));
    assert_eq!(second.get("/datagroups").status, 401);
    assert_eq!(world.sandbox.open_sessions(), 0);
}

#[test]
fn both_schemes_are_taken_and_a_workspace_belongs_to_one_token() {
    let world = world();
    let caller = Caller::new(&world.sandbox);
    for (header, status) in [
        (format!("token {}", caller.token), 200),
        (format!("Bearer {}", caller.token), 200),
        (format!("Basic {}", caller.token), 401),
        ("Bearer nonsense".into(), 401),
        (caller.token.clone(), 401),
    ] {
        let request = raw("GET", "/api/4.0/session", &[("Authorization", &header)], "");
        assert_eq!(send(&world.sandbox, &request).unwrap().status, status, "{header}");
    }
    assert_eq!(send(&world.sandbox, &raw("GET", "/api/4.0/session", &[], "")).unwrap().status, 401);
    assert_eq!(caller.get("/session").ok()["workspace_id"], "production");
    assert_eq!(caller.patch("/session", &json!({"workspace_id": "dev"})).ok()["workspace_id"], "dev");
    assert_eq!(caller.get("/session").ok()["workspace_id"], "dev");
    assert_eq!(Caller::new(&world.sandbox).get("/session").ok()["workspace_id"], "production");
    assert_eq!(caller.patch("/session", &json!({"workspace_id": "test"})).invalid(), ["workspace_id"]);
    assert_eq!(caller.patch("/session", &json!({"sudo_user_id": "2"})).invalid(), ["sudo_user_id"]);
}

#[test]
fn liveness_needs_no_token_and_everything_else_outside_the_api_is_not_found() {
    let world = world_with(Settings { max_sessions: Some(1), ..Settings::default() }, |builder| builder);
    let versions = send(&world.sandbox, &raw("GET", "/api/4.0/versions", &[], "")).unwrap().ok();
    assert_eq!(versions["current_version"]["version"], "4.0");
    assert_eq!(versions["api_server_url"], world.sandbox.url());
    assert_eq!(send(&world.sandbox, &raw("GET", "/alive", &[], "")).unwrap().status, 200);
    let caller = Caller::new(&world.sandbox);
    assert_eq!(log_in(&world.sandbox, "client_id=sandbox&client_secret=secret").status, 429);
    for (method, path, status) in [
        ("GET", "/api/3.1/looks", 404),
        ("GET", "/nothing", 404),
        ("GET", "/queries//run/json", 404),
        ("DELETE", "/queries", 405),
        ("POST", "/api/4.0/logout", 405),
        ("GET", "/api/4.0/__sandbox/clock", 404),
    ] {
        assert_eq!(caller.call(method, path, "").unwrap().status, status, "{method} {path}");
    }
    assert_eq!(send(&world.sandbox, &raw("GET", "/__sandbox/clock", &[], "")).unwrap().status, 404);
}
