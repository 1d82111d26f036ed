//! Who calls: the token services, and what each request carries to prove it.
//!
//! Invariant: a token, a header, a parameter and a body member mean the same wherever they stand; what a request carries
//! is read in one place.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::error::{BAD_LOGIN, Refusal};
use super::http::{Request, basic};
use super::request::{Caller, Flag};
use super::session::{Login, Sessions};
use super::settings::{LoginRefusal, Settings};

/// What a request says about its caller, from headers, parameters and body.
pub(super) struct Credentials {
    pub(super) token: Option<String>,
    pub(super) device: String,
    pub(super) user: Option<(String, String)>,
    pub(super) environment: Option<String>,
    pub(super) role: Option<String>,
}

impl Credentials {
    /// Headers come first, then the body, then parameters (`$token` of the simple GET, `token` of a next link).
    pub(super) fn read(request: &Request, body: &Caller, settings: &Settings) -> Self {
        let parameters = request.parameters();
        let parameter = |names: &[&str]| {
            parameters.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.clone())
        };
        let header = |name: &str| request.header(name).map(str::to_owned);
        let authorization = request.header("authorization").unwrap_or("");
        let bearer = authorization.strip_prefix("Bearer ").filter(|_| settings.allow_bearer).map(str::to_owned);
        let token = header("jde-ais-auth").or(bearer).or_else(|| body.token.clone());
        let device = header("jde-ais-auth-device").or_else(|| body.device_name.clone());
        let in_body = body.username.clone().zip(body.password.clone());
        let in_parameters = parameter(&["$username"]).zip(parameter(&["$password"]));
        Self {
            token: token.or_else(|| parameter(&["$token", "token"])),
            device: device
                .or_else(|| parameter(&["$device", "deviceName"]))
                .unwrap_or_else(|| request.peer.to_string()),
            user: in_body.or_else(|| basic(authorization)).or(in_parameters),
            environment: header("jde-ais-auth-environment")
                .or_else(|| body.environment.clone())
                .or_else(|| parameter(&["$environment"])),
            role: header("jde-ais-auth-role").or_else(|| body.role.clone()).or_else(|| parameter(&["$role"])),
        }
    }

    fn login(&self) -> Option<Login<'_>> {
        let (user, password) = self.user.as_ref()?;
        Some(Login {
            user,
            password,
            device: &self.device,
            environment: self.environment.as_deref(),
            role: self.role.as_deref(),
        })
    }
}

/// Who a data call runs as.
pub(super) struct Visit {
    pub(super) user: String,
    pub(super) token: String,
    /// A session of this one call (Basic, or credentials in the body); it ends with the call.
    pub(super) passing: bool,
}

/// Lets a data call in: by its token, or by credentials that open a session for this call only.
pub(super) fn admit(
    sessions: &mut Sessions,
    credentials: &Credentials,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Visit, Refusal> {
    if let Some(token) = &credentials.token {
        let session = sessions.check(token, &credentials.device, true, settings, now)?;
        return Ok(Visit { user: session.user.clone(), token: token.clone(), passing: false });
    }
    let Some(login) = credentials.login().filter(|_| settings.allow_basic) else {
        return Err(Refusal::forbidden("Authorization Failure: No valid credentials were supplied."));
    };
    let token = sessions.log_in(&login, settings, now)?;
    Ok(Visit { user: login.user.to_owned(), token, passing: true })
}

/// `tokenrequest` and its twin `jde-login`.
pub(super) fn log_in(
    sessions: &mut Sessions,
    credentials: &Credentials,
    body: &Caller,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Vec<u8>, Refusal> {
    if !settings.allowed_host {
        return Err(Refusal::NotAllowed);
    }
    let Some(login) = credentials.login() else {
        return Err(if body.ps_token.is_some() { Refusal::NoSingleSignOn } else { Refusal::forbidden(BAD_LOGIN) });
    };
    let token = match sessions.log_in(&login, settings, now) {
        Ok(token) => token,
        Err(Refusal::Forbidden(_)) if settings.login_refusal == LoginRefusal::EmptyToken => String::new(),
        Err(refusal) => return Err(refusal),
    };
    let offset = now.with_timezone(&settings.zone).format("UTC%:z").to_string();
    let jasserver = body.jasserver.as_deref().unwrap_or("http://jas.example.com:7001");
    let answer = json!({
        "username": login.user,
        "environment": settings.environment,
        "role": login.role.filter(|role| !role.trim().is_empty()).unwrap_or(&settings.role),
        "jasserver": jasserver,
        "userInfo": {
            "token": token,
            "langPref": "  ",
            "locale": "en",
            "dateFormat": "MDE",
            "dateSeperator": "/",
            "simpleDateFormat": settings.simple_date_format,
            "timeFormat": "12",
            "decimalFormat": ".",
            "addressNumber": 2111,
            "alphaName": "Service, Reader",
            "appsRelease": "E920",
            "country": "US",
            "username": login.user,
            "longUserId": login.user,
            "timeZoneOffset": offset,
            "dstRuleKey": " ",
            "dstRule": {},
        },
        "userAuthorized": false,
        "version": null,
        "poStringJSON": null,
        "altPoStringJSON": null,
        "aisSessionCookie": "W3Xm2kq!-12175!14126",
    });
    Ok(answer.to_string().into_bytes())
}

/// `tokenrequest/validate`: says whether a token is alive; `touch` renews it. The twin `jde-validate-session` refuses a
/// dead token instead of saying `false`.
pub(super) fn validate(
    sessions: &mut Sessions,
    credentials: &Credentials,
    body: &Caller,
    settings: &Settings,
    now: DateTime<Utc>,
    refuse_dead: bool,
) -> Result<Vec<u8>, Refusal> {
    let Some(token) = &credentials.token else {
        return Err(Refusal::BadRequest("token is required".into()));
    };
    let touch = body.touch == Some(Flag(true));
    let alive = match sessions.check(token, &credentials.device, touch, settings, now) {
        Ok(_) => true,
        Err(refusal) if refuse_dead => return Err(refusal),
        Err(_) => false,
    };
    Ok(format!(r#"{{"isValidSession":{alive}}}"#).into_bytes())
}

/// `tokenrequest/logout`: the token must stand in the body; a dead one is a 444 on every release.
pub(super) fn log_out(
    sessions: &mut Sessions,
    body: &Caller,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Vec<u8>, Refusal> {
    let Some(token) = &body.token else {
        return Err(Refusal::BadRequest("token is required".into()));
    };
    if sessions.end(token, settings, now) { Ok(b"{}".to_vec()) } else { Err(Refusal::DeadToken(444)) }
}
