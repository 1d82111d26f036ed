//! Which path means what, and which parameters it knows.
//!
//! Invariant: a path outside the simulated part of the API is a 404, a known path with another method a 405, whoever
//! calls.

use super::error::Refusal;
use super::parameters::{self, Known};
use super::schedule::Of;
use crate::http::decode;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Alive,
    Versions,
    Login,
    Logout,
    Session,
    ChangeSession,
    Models,
    Model(String),
    Explore(String, String),
    CreateQuery,
    Query(String),
    RunQuery(String, String),
    RunInline(String),
    CreateTask,
    Task(String),
    TaskResults(String),
    Connections,
    Connection(String),
    TestConnection(String),
    Columns(String),
    Datagroups,
    Datagroup(String),
    ChangeDatagroup(String),
    Plans(Of),
    CreatePlan,
    Plan(String),
    ChangePlan(String),
    DeletePlan(String),
    RunOnce,
    RunOnceById(String),
    Looks,
    SearchLooks,
    SearchDashboards,
    Look(String),
    RunLook(String, String),
    Dashboard(String),
}

/// The route of a method and path, with its parameters.
pub(super) fn find(method: &str, path: &str) -> Result<(Route, Known), Refusal> {
    if path == "/alive" {
        return choose(method, vec![("GET", Route::Alive, parameters::NONE)]);
    }
    // A published client logs out without the version.
    if path == "/api/logout" {
        return choose(method, vec![("DELETE", Route::Logout, parameters::NONE)]);
    }
    let rest = path.strip_prefix("/api/4.0/").ok_or(Refusal::NotFound)?;
    let parts: Vec<String> = rest.split('/').map(segment).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err(Refusal::NotFound);
    }
    let routes = session(&parts).or_else(|| data(&parts)).or_else(|| plans(&parts)).ok_or(Refusal::NotFound)?;
    choose(method, routes)
}

type Routes = Vec<(&'static str, Route, Known)>;

fn choose(method: &str, routes: Routes) -> Result<(Route, Known), Refusal> {
    let found = routes.into_iter().find(|(known, ..)| *known == method);
    found.map(|(_, route, known)| (route, known)).ok_or(Refusal::NotAllowed)
}

/// A part of a path, in which `+` is a plus.
fn segment(part: &str) -> String {
    decode(&part.replace('+', "%2B"))
}

fn session(parts: &[&str]) -> Option<Routes> {
    use parameters::{FIELDS, NONE};
    Some(match parts {
        ["versions"] => vec![("GET", Route::Versions, FIELDS)],
        ["login"] => vec![("POST", Route::Login, NONE)],
        ["logout"] => vec![("DELETE", Route::Logout, NONE)],
        ["session"] => vec![("GET", Route::Session, NONE), ("PATCH", Route::ChangeSession, NONE)],
        _ => return None,
    })
}

fn data(parts: &[&str]) -> Option<Routes> {
    use parameters::{COLUMNS, CONNECTION_TEST, EXPLORE, FIELDS, MODELS, NONE, RUN, TASK};
    let own = |text: &str| text.to_owned();
    Some(match *parts {
        ["lookml_models"] => vec![("GET", Route::Models, MODELS)],
        ["lookml_models", model] => vec![("GET", Route::Model(own(model)), FIELDS)],
        ["lookml_models", model, "explores", explore] => {
            vec![("GET", Route::Explore(own(model), own(explore)), EXPLORE)]
        }
        ["queries"] => vec![("POST", Route::CreateQuery, FIELDS)],
        ["queries", "run", format] => vec![("POST", Route::RunInline(own(format)), RUN)],
        ["queries", id] => vec![("GET", Route::Query(own(id)), FIELDS)],
        ["queries", id, "run", format] => vec![("GET", Route::RunQuery(own(id), own(format)), RUN)],
        ["query_tasks"] => vec![("POST", Route::CreateTask, TASK)],
        ["query_tasks", id] => vec![("GET", Route::Task(own(id)), FIELDS)],
        ["query_tasks", id, "results"] => vec![("GET", Route::TaskResults(own(id)), NONE)],
        ["connections"] => vec![("GET", Route::Connections, FIELDS)],
        ["connections", name] => vec![("GET", Route::Connection(own(name)), FIELDS)],
        ["connections", name, "test"] => vec![("PUT", Route::TestConnection(own(name)), CONNECTION_TEST)],
        ["connections", name, "columns"] => vec![("GET", Route::Columns(own(name)), COLUMNS)],
        ["datagroups"] => vec![("GET", Route::Datagroups, NONE)],
        ["datagroups", id] => {
            vec![("GET", Route::Datagroup(own(id)), NONE), ("PATCH", Route::ChangeDatagroup(own(id)), NONE)]
        }
        _ => return None,
    })
}

fn plans(parts: &[&str]) -> Option<Routes> {
    use parameters::{FIELDS, NONE, PLANS, RUN, SEARCH_DASHBOARDS, SEARCH_LOOKS};
    let own = |text: &str| text.to_owned();
    Some(match *parts {
        ["scheduled_plans"] => {
            vec![("GET", Route::Plans(Of::Everything), PLANS), ("POST", Route::CreatePlan, NONE)]
        }
        ["scheduled_plans", "run_once"] => vec![("POST", Route::RunOnce, NONE)],
        ["scheduled_plans", "look", id] => vec![("GET", Route::Plans(Of::Look(own(id))), PLANS)],
        ["scheduled_plans", "dashboard", id] => vec![("GET", Route::Plans(Of::Dashboard(own(id))), PLANS)],
        ["scheduled_plans", id] => vec![
            ("GET", Route::Plan(own(id)), FIELDS),
            ("PATCH", Route::ChangePlan(own(id)), NONE),
            ("DELETE", Route::DeletePlan(own(id)), NONE),
        ],
        ["scheduled_plans", id, "run_once"] => vec![("POST", Route::RunOnceById(own(id)), NONE)],
        ["looks", "search"] => vec![("GET", Route::SearchLooks, SEARCH_LOOKS)],
        ["dashboards", "search"] => vec![("GET", Route::SearchDashboards, SEARCH_DASHBOARDS)],
        ["looks"] => vec![("GET", Route::Looks, FIELDS)],
        ["looks", id] => vec![("GET", Route::Look(own(id)), FIELDS)],
        ["looks", id, "run", format] => vec![("GET", Route::RunLook(own(id), own(format)), RUN)],
        ["dashboards", id] => vec![("GET", Route::Dashboard(own(id)), FIELDS)],
        _ => return None,
    })
}
