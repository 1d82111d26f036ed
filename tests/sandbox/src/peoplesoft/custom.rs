//! Operations that a site has built itself, and Application Services: a path template, rows as JSON, a rule for the next page.
//!
//! Invariant: templates are literal, as everywhere; rows come from a query like any other, so that security, order and prompts
//! mean the same.

use super::cell::Cell;
use super::definition::QueryDefinition;
use super::error::Refusal;
use super::http::{Request, decode, encode};
use super::page::{Page, json_cell};
use super::prompts::{answer, raw};
use super::settings::Settings;

/// An operation that answers with rows.
#[derive(Clone, Debug)]
pub struct CustomOperation {
    /// Alias and version, such as `CX_VOUCHER_LIST.v1` or, for an Application Service, `ap.v1`.
    pub alias: String,
    /// What stands behind the alias, such as `vouchers/{business_unit}?after={after}&limit={limit}`. A variable is the prompt of
    /// the query with the same name in upper case; `limit` and `offset` say how many rows and where they begin. The first
    /// template that fits is taken.
    pub templates: Vec<String>,
    /// Where the rows come from; it is not to be had as a saved query.
    pub query: QueryDefinition,
    /// JSON pointer to the rows, such as `/data/vouchers`; empty for an array that is the whole answer.
    pub rows: String,
    /// How members are called.
    pub names: MemberNames,
    /// Rows per answer where the call does not say.
    pub page: usize,
    /// How the answer says that there is more.
    pub next: Next,
}

/// How members are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberNames {
    /// `A.VENDOR_ID`
    Unique,
    /// `VENDOR_ID`
    Bare,
    /// `vendorId`, as in Application Services.
    Camel,
}

/// How an answer says that there is more. On the last page a link or key is missing and a flag is false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It does not: the caller asks until nothing comes.
    Nothing,
    /// The address of the next page, in which this variable has the value of this column in the last row.
    Link {
        /// JSON pointer to the address.
        pointer: String,
        /// The variable.
        variable: String,
        /// The column, by its unique name.
        column: String,
    },
    /// The value of a column in the last row.
    Key {
        /// JSON pointer to the value.
        pointer: String,
        /// The column, by its unique name.
        column: String,
    },
    /// Whether there is more.
    Flag {
        /// JSON pointer to the flag.
        pointer: String,
    },
}

/// A call that fits a template.
#[derive(Clone, Debug, Default)]
pub(super) struct Fitted {
    variables: Vec<(String, String)>,
}

impl CustomOperation {
    /// Reads the path behind the alias and the query string.
    pub(super) fn fit(&self, rest: &str, request: &Request) -> Result<Fitted, Refusal> {
        let fitted = self.templates.iter().find_map(|template| fit(template, rest, request));
        fitted.ok_or_else(|| Refusal::NoTemplate(request.path.clone()))
    }

    /// The answers to the query's prompts.
    pub(super) fn answers(&self, fitted: &Fitted) -> Result<Vec<Cell>, Refusal> {
        let mut answers = Vec::new();
        for (place, prompt) in self.query.prompts.iter().enumerate() {
            let name = prompt.unique_name(place);
            let text = fitted.text(&name.to_lowercase()).unwrap_or("");
            let bad = || Refusal::Document(format!("Invalid value \"{text}\" for {}.", name.to_lowercase()));
            answers.push(answer(prompt, text).ok_or_else(bad)?);
        }
        Ok(answers)
    }

    /// How many rows, and how many are left out before them.
    pub(super) fn range(&self, fitted: &Fitted) -> Result<(usize, usize), Refusal> {
        let number = |name: &str, usual: usize| match fitted.text(name) {
            None => Ok(usual),
            Some(text) => text.parse().map_err(|_| Refusal::Document(format!("{name} must be a number."))),
        };
        Ok((number("limit", self.page)?, number("offset", 0)?))
    }

    /// The body of an answer.
    pub(super) fn body(&self, page: &Page<'_>, more: bool, request: &Request, settings: &Settings) -> Vec<u8> {
        let mut rows = vec![b'['];
        for (at, row) in page.rows.iter().enumerate() {
            rows.extend_from_slice(if at > 0 { b",{" } else { b"{" });
            for (column, (head, cell)) in page.heads.iter().zip(row).enumerate() {
                if column > 0 {
                    rows.push(b',');
                }
                rows.extend_from_slice(format!("\"{}\":", self.member(&head.name)).as_bytes());
                match &**cell {
                    Cell::Null => rows.extend_from_slice(b"null"),
                    cell => json_cell(&mut rows, head.kind, cell, settings),
                }
            }
            rows.push(b'}');
        }
        rows.push(b']');
        let mut members = vec![(self.rows.clone(), String::from_utf8_lossy(&rows).into_owned())];
        let last = |column: &String| {
            let at = page.heads.iter().position(|head| head.name == *column)?;
            page.rows.last()?.get(at).map(|cell| cell.to_string()).filter(|_| more)
        };
        let quoted = |text: String| serde_json::Value::from(text).to_string();
        match &self.next {
            Next::Nothing => {}
            Next::Flag { pointer } => members.push((pointer.clone(), more.to_string())),
            Next::Key { pointer, column } => {
                members.extend(last(column).map(|value| (pointer.clone(), quoted(value))));
            }
            Next::Link { pointer, variable, column } => {
                members.extend(last(column).map(|value| (pointer.clone(), quoted(link(request, variable, &value)))));
            }
        }
        nested(&members).into_bytes()
    }

    fn member(&self, unique: &str) -> String {
        let bare = unique.rsplit('.').next().unwrap_or(unique);
        match self.names {
            MemberNames::Unique => unique.into(),
            MemberNames::Bare => bare.into(),
            MemberNames::Camel => {
                let mut name = String::new();
                for (at, part) in bare.split('_').enumerate() {
                    let lower = part.to_lowercase();
                    let (first, rest) = lower.split_at_checked(1).unwrap_or((&lower, ""));
                    name.push_str(&if at > 0 { first.to_uppercase() } else { first.to_owned() });
                    name.push_str(rest);
                }
                name
            }
        }
    }
}

impl Fitted {
    /// What a variable was given, decoded.
    pub(super) fn text(&self, variable: &str) -> Option<&str> {
        self.variables.iter().find(|(name, _)| name == variable).map(|(_, value)| value.as_str())
    }
}

/// The variables of a path behind the alias and of its query string; nothing where the template does not fit.
pub(super) fn fit(template: &str, rest: &str, request: &Request) -> Option<Fitted> {
    let (path, query) = template.split_once('?').unwrap_or((template, ""));
    let variable = |part: &str| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned());
    let mut fitted = Fitted::default();
    let (wanted, came): (Vec<&str>, Vec<&str>) = (path.split('/').collect(), rest.split('/').collect());
    if wanted.len() != came.len() {
        return None;
    }
    for (part, text) in wanted.into_iter().zip(came) {
        match variable(part) {
            Some(name) if !text.is_empty() => fitted.variables.push((name, decode(text))),
            None if part == text => {}
            _ => return None,
        }
    }
    let wanted: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let came = raw(request);
    if wanted.len() != came.len() {
        return None;
    }
    for (name, part) in wanted {
        let (_, text) = came.iter().find(|(known, _)| known == name)?;
        match variable(part) {
            Some(name) => fitted.variables.push((name, decode(text))),
            None if part == *text => {}
            None => return None,
        }
    }
    Some(fitted)
}

/// The same address with another value; the variable must be a parameter of the same name.
fn link(request: &Request, variable: &str, value: &str) -> String {
    let host = request.header("host").unwrap_or("localhost");
    let pairs = request.query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if name == variable => format!("{name}={}", encode(value)),
        _ => pair.to_owned(),
    });
    format!("http://{host}{}?{}", request.path, pairs.collect::<Vec<_>>().join("&"))
}

/// An object with members at their pointers; several may share the way there.
fn nested(members: &[(String, String)]) -> String {
    if let [(pointer, value)] = members
        && pointer.is_empty()
    {
        return value.clone();
    }
    let mut names: Vec<&str> = Vec::new();
    let split = |pointer: &'_ str| -> (String, String) {
        let rest = pointer.strip_prefix('/').unwrap_or(pointer);
        rest.split_once('/')
            .map_or_else(|| (rest.into(), String::new()), |(name, rest)| (name.into(), format!("/{rest}")))
    };
    for (pointer, _) in members {
        let name = pointer.trim_start_matches('/').split('/').next().unwrap_or("");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let objects = names.iter().map(|name| {
        let inner: Vec<(String, String)> = members
            .iter()
            .map(|(pointer, value)| (split(pointer), value))
            .filter(|((first, _), _)| first == name)
            .map(|((_, rest), value)| (rest, value.clone()))
            .collect();
        format!("\"{name}\":{}", nested(&inner))
    });
    format!("{{{}}}", objects.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_share_their_way_share_their_object() {
        let members = [("/data/vouchers", "[1]"), ("/data/next", "\"x\""), ("/count", "1")];
        let members = members.map(|(pointer, value)| (pointer.to_owned(), value.to_owned()));
        assert_eq!(nested(&members), r#"{"data":{"vouchers":[1],"next":"x"},"count":1}"#);
        assert_eq!(nested(&[(String::new(), "[]".into())]), "[]");
    }
}
