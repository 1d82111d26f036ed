//! The way of an admitted call to its answer.

use serde_json::{Value as Json, json};

use super::answer::Answer;
use super::content::{self, Look};
use super::error::Refusal;
use super::members::{self, QUERY, SESSION};
use super::parameters::Parameters;
use super::query::{Query, Stored};
use super::render::{self, Format};
use super::routes::{self, Route};
use super::server::Shared;
use super::settings::Account;
use super::tasks::{find_format, how};
use super::trim::trim;
use super::{activity, explores};
use crate::http::Request;

impl Shared {
    /// Answers a request, faults aside.
    pub(super) async fn dispatch(&self, request: &Request) -> Result<Answer, Refusal> {
        let (route, known) = routes::find(&request.method, &request.path)?;
        let now = self.clock.now();
        match route {
            Route::Alive => return Ok(Answer::json(&json!({"status": "ok"}))),
            Route::Versions => {
                let parameters = Parameters::read(request, known, self.settings.unknown_members)?;
                return Ok(Answer::json(&trim(self.versions(), parameters.text("fields"))));
            }
            Route::Login => {
                let token = self.state().sessions.log_in(request, &self.settings, now)?;
                let life = self.settings.token_life.as_secs();
                let body =
                    json!({"access_token": token, "token_type": "Bearer", "expires_in": life, "refresh_token": null});
                return Ok(Answer::json(&body));
            }
            _ => {}
        }
        let (token, account) = {
            let mut state = self.state();
            let (token, session) = state.sessions.check(request, now)?;
            (token, session.account.clone())
        };
        let parameters = Parameters::read(request, known, self.settings.unknown_members)?;
        match route {
            Route::Logout => {
                self.state().sessions.end(&token);
                Ok(Answer::empty())
            }
            Route::Session | Route::ChangeSession => self.session(request, route == Route::ChangeSession),
            Route::RunInline(_)
            | Route::RunQuery(..)
            | Route::RunLook(..)
            | Route::CreateTask
            | Route::TaskResults(_)
            | Route::Task(_) => self.run_call(route, request, &parameters).await,
            route => {
                let reply = match self.reply(&route, request, &parameters).await? {
                    Some(reply) => reply,
                    None => match self.plan_call(route, request, &parameters, &account).await? {
                        Some(reply) => reply,
                        None => return Ok(Answer::empty()),
                    },
                };
                Ok(Answer::json(&trim(reply, parameters.text("fields"))))
            }
        }
    }

    fn versions(&self) -> Json {
        let version = json!({
            "version": "4.0", "full_version": "4.0.26.12", "status": "current",
            "swagger_url": format!("{}/api/4.0/swagger.json", self.base),
        });
        json!({
            "looker_release_version": "26.12.3", "current_version": version, "supported_versions": [version],
            "api_server_url": self.base, "web_server_url": self.base,
        })
    }

    fn session(&self, request: &Request, change: bool) -> Result<Answer, Refusal> {
        let wanted = if change {
            let body = members::read(request, SESSION, self.settings.unknown_members)?;
            let wanted = body.get("workspace_id").and_then(Json::as_str).unwrap_or_default().to_owned();
            if !["production", "dev"].contains(&wanted.as_str()) {
                return Err(Refusal::invalid("workspace_id", format!("Workspace \"{wanted}\" not found")));
            }
            Some(wanted)
        } else {
            None
        };
        let mut state = self.state();
        let (_, session) = state.sessions.check(request, self.clock.now())?;
        session.workspace = wanted.unwrap_or_else(|| session.workspace.clone());
        Ok(Answer::json(&json!({"workspace_id": session.workspace, "sudo_user_id": null, "can": {}})))
    }

    async fn run_call(&self, route: Route, request: &Request, parameters: &Parameters) -> Result<Answer, Refusal> {
        let (query, format) = match route {
            Route::CreateTask => {
                let task = self.create_task(request, parameters).await?;
                return Ok(Answer::json(&trim(task, parameters.text("fields"))));
            }
            Route::Task(id) => return Ok(Answer::json(&trim(self.get_task(&id)?, parameters.text("fields")))),
            Route::TaskResults(id) => return self.task_results(&id),
            Route::RunQuery(id, format) => (self.stored(&id)?.query, format),
            Route::RunLook(id, format) => (self.look(&id)?.query.query, format),
            Route::RunInline(format) => {
                let body = members::read(request, QUERY, self.settings.unknown_members)?;
                (Query::read(body)?, format)
            }
            _ => return Err(Refusal::NotFound),
        };
        let format: Format = find_format("result_format", &format)?;
        let result = self.run(&query, how(parameters, format)).await;
        render::answer(result, format, self.formatted(parameters))
    }

    fn stored(&self, id: &str) -> Result<Stored, Refusal> {
        self.state().queries.find(id).cloned().ok_or(Refusal::NotFound)
    }

    fn look(&self, id: &str) -> Result<Look, Refusal> {
        self.state().looks.iter().find(|look| look.id == id).cloned().ok_or(Refusal::NotFound)
    }

    /// Everything that is shown as it is; nothing for the calls on plans.
    async fn reply(&self, route: &Route, request: &Request, parameters: &Parameters) -> Result<Option<Json>, Refusal> {
        Ok(Some(match route {
            Route::Models => self.models(parameters),
            Route::Model(name) => {
                let (project, model) = self
                    .projects()
                    .find_map(|project| Some((project, project.model(name)?)))
                    .ok_or(Refusal::NotFound)?;
                explores::model(project, model)
            }
            Route::Explore(model, explore) => self.describe_explore(model, explore)?,
            Route::CreateQuery => {
                let body = members::read(request, QUERY, self.settings.unknown_members)?;
                self.state().queries.create(Query::read(body)?)?.json(&self.base)
            }
            Route::Query(id) => self.stored(id)?.json(&self.base),
            Route::Connections => self.connections(),
            Route::Connection(name) => self.connection(name)?,
            Route::TestConnection(name) => self.test_connection(name, parameters).await?,
            Route::Columns(name) => self.columns(name, parameters).await?,
            Route::Looks => self.state().looks.iter().map(|look| look.json(&self.base, false)).collect(),
            Route::SearchLooks => {
                let state = self.state();
                let found = state.looks.iter().filter(|look| content::found(parameters, &look.id, &look.title));
                found.map(|look| look.json(&self.base, false)).collect()
            }
            Route::SearchDashboards => {
                let state = self.state();
                let found = state.dashboards.iter();
                let found = found.filter(|dashboard| content::found(parameters, &dashboard.id, &dashboard.title));
                found.map(|dashboard| dashboard.json(&self.base)).collect()
            }
            Route::Look(id) => self.look(id)?.json(&self.base, true),
            Route::Dashboard(id) => {
                let state = self.state();
                let found = state.dashboards.iter().find(|dashboard| dashboard.id == *id);
                found.ok_or(Refusal::NotFound)?.json(&self.base)
            }
            Route::Datagroups => self.list_datagroups(),
            Route::Datagroup(id) => self.get_datagroup(id)?,
            Route::ChangeDatagroup(id) => self.change_datagroup(id, request).await?,
            _ => return Ok(None),
        }))
    }

    async fn plan_call(
        &self,
        route: Route,
        request: &Request,
        parameters: &Parameters,
        account: &Account,
    ) -> Result<Option<Json>, Refusal> {
        Ok(Some(match route {
            Route::Plans(of) => self.list_plans(&of, parameters, account),
            Route::CreatePlan => self.create_plan(request, account)?,
            Route::Plan(id) => self.get_plan(&id, account)?,
            Route::ChangePlan(id) => self.change_plan(&id, request, account)?,
            Route::DeletePlan(id) => {
                self.delete_plan(&id, account)?;
                return Ok(None);
            }
            Route::RunOnce => self.run_once(request, account).await?,
            Route::RunOnceById(id) => self.run_once_by_id(&id, request, account).await?,
            _ => return Err(Refusal::NotFound),
        }))
    }

    fn models(&self, parameters: &Parameters) -> Json {
        let internal = parameters.yes("include_internal").unwrap_or(false);
        let number = |name: &str| parameters.integer(name).and_then(|number| usize::try_from(number).ok());
        let shown = self.projects().flat_map(|project| project.models().iter().map(move |model| (project, model)));
        let shown = shown
            .filter(|(_, model)| internal || model.name != activity::MODEL)
            .filter(|(_, model)| !(parameters.yes("exclude_empty") == Some(true) && model.explores.is_empty()))
            .skip(number("offset").unwrap_or(0))
            .take(number("limit").unwrap_or(usize::MAX));
        shown.map(|(project, model)| explores::model(project, model)).collect()
    }

    fn describe_explore(&self, model: &str, explore: &str) -> Result<Json, Refusal> {
        let found = self.projects().find_map(|project| Some((project, project.model(model)?)));
        let (project, model) = found.ok_or(Refusal::NotFound)?;
        let explore = model.explores.iter().find(|found| found.name == explore).ok_or(Refusal::NotFound)?;
        let state = self.state();
        let warehouse = model.connection.as_ref().and_then(|name| state.warehouses.get(name));
        Ok(explores::explore(project, model, explore, warehouse.map(|warehouse| warehouse.dialect())))
    }
}
