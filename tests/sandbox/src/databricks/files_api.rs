//! The Files API: files and directories of volumes, and uploads in parts.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::answer::{Answer, Refusal};
use super::catalog::Privilege;
use super::server::Shared;
use super::settings::Principal;
use super::volumes::{self, Entry};
use crate::http::{Request, encode};

/// Uploads in parts that are not complete.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    open: BTreeMap<String, Upload>,
    count: u64,
}

#[derive(Debug)]
struct Upload {
    path: String,
    parts: BTreeMap<u64, Bytes>,
}

const OCTETS: &str = "application/octet-stream";

fn wrong_method(request: &Request) -> Refusal {
    Refusal::no_endpoint(&format!("{} {}", request.method, request.path))
}

fn flag(request: &Request, name: &str) -> bool {
    request.parameters().iter().any(|(known, value)| known == name && value.eq_ignore_ascii_case("true"))
}

fn parameter(request: &Request, name: &str) -> Option<String> {
    request.parameters().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

impl Shared {
    /// The one spelling of a path, if its volume is there and the caller may use it so.
    fn place(&self, path: &str, privilege: Privilege, principal: &Principal) -> Result<String, Refusal> {
        let invalid = || Refusal::invalid(format!("The path {path} is not a path of a volume."));
        let (volume, place) = volumes::resolve(path).ok_or_else(invalid)?;
        principal.privileges.demand_all(privilege, &volume).map_err(Refusal::denied)?;
        let known = self.world.catalog().volume(&volume).map(|_| ());
        known.map_err(|_| Refusal::new(404, "NOT_FOUND", format!("Volume '{}' does not exist.", volume.full())))?;
        Ok(place)
    }

    pub(super) fn file(&self, request: &Request, path: &str, principal: &Principal) -> Result<Answer, Refusal> {
        match request.method.as_str() {
            "PUT" => self.put_file(request, path, principal),
            "GET" | "HEAD" => self.get_file(request, path, principal),
            "DELETE" => {
                let place = self.place(path, Privilege::WriteVolume, principal)?;
                self.world.files().remove(&place).map(|_| Answer::empty()).ok_or_else(|| no_file(path))
            }
            "POST" => self.upload(request, path, principal),
            _ => Err(wrong_method(request)),
        }
    }

    fn put_file(&self, request: &Request, path: &str, principal: &Principal) -> Result<Answer, Refusal> {
        let place = self.place(path, Privilege::WriteVolume, principal)?;
        if request.body.len() as u64 > self.settings.largest_file {
            let message = format!("The file exceeds the maximum size of {} bytes.", self.settings.largest_file);
            return Err(Refusal::new(413, "INVALID_PARAMETER_VALUE", message));
        }
        let mut files = self.world.files();
        if files.is_directory(&place) {
            return Err(Refusal::new(409, "ALREADY_EXISTS", format!("{path} is a directory.")));
        }
        if files.get(&place).is_some() && !flag(request, "overwrite") {
            return Err(Refusal::new(409, "ALREADY_EXISTS", "The file being created already exists."));
        }
        files.put(&place, request.body.clone(), self.clock.now());
        Ok(Answer::empty())
    }

    fn get_file(&self, request: &Request, path: &str, principal: &Principal) -> Result<Answer, Refusal> {
        let place = self.place(path, Privilege::ReadVolume, principal)?;
        let files = self.world.files();
        let file = files.get(&place).ok_or_else(|| no_file(path))?;
        let modified = file.modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let (status, content) = match request.header("range").and_then(|range| range_of(range, file.content.len())) {
            Some((from, to)) => (206, file.content.slice(from..to)),
            None => (200, file.content.clone()),
        };
        Ok(Answer::text(status, OCTETS, content).header("last-modified", modified).header("accept-ranges", "bytes"))
    }

    pub(super) fn directory(&self, request: &Request, path: &str, principal: &Principal) -> Result<Answer, Refusal> {
        let writes = matches!(request.method.as_str(), "PUT" | "DELETE");
        let privilege = if writes { Privilege::WriteVolume } else { Privilege::ReadVolume };
        let place = self.place(path, privilege, principal)?;
        let mut files = self.world.files();
        let known = files.is_directory(&place);
        match request.method.as_str() {
            "PUT" if files.get(&place).is_some() => {
                Err(Refusal::new(409, "ALREADY_EXISTS", format!("{path} is a file.")))
            }
            "PUT" => {
                files.make_directory(&place);
                Ok(Answer::empty())
            }
            _ if !known => Err(no_directory(path)),
            "HEAD" => Ok(Answer::text(200, "application/json", "")),
            "GET" => page(request, &files.entries(&place), self.settings.page),
            "DELETE" if files.entries(&place).is_empty() => {
                files.remove_directory(&place);
                Ok(Answer::empty())
            }
            "DELETE" => Err(Refusal::new(400, "DIRECTORY_NOT_EMPTY", format!("The directory {path} is not empty."))),
            _ => Err(wrong_method(request)),
        }
    }

    /// `POST …/files/…?action=initiate-upload`, and `action=complete-upload` once the parts are there.
    fn upload(&self, request: &Request, path: &str, principal: &Principal) -> Result<Answer, Refusal> {
        let place = self.place(path, Privilege::WriteVolume, principal)?;
        let mut state = self.state();
        match parameter(request, "action").as_deref() {
            Some("initiate-upload") => {
                if self.world.files().get(&place).is_some() && !flag(request, "overwrite") {
                    return Err(Refusal::new(409, "ALREADY_EXISTS", "The file being created already exists."));
                }
                state.uploads.count += 1;
                let token = format!("upload-{}", state.uploads.count);
                state.uploads.open.insert(token.clone(), Upload { path: place, parts: BTreeMap::new() });
                Ok(Answer::json(&json!({"multipart_upload": {"session_token": token}})))
            }
            Some("complete-upload") => {
                let token = parameter(request, "session_token").unwrap_or_default();
                let upload = state.uploads.open.remove(&token).filter(|upload| upload.path == place);
                let upload = upload.ok_or_else(|| Refusal::new(404, "NOT_FOUND", "The upload session is unknown."))?;
                let content: Vec<u8> = upload.parts.values().flat_map(|part| part.iter().copied()).collect();
                self.world.files().put(&place, Bytes::from(content), self.clock.now());
                Ok(Answer::json(&json!({})))
            }
            _ => Err(wrong_method(request)),
        }
    }

    /// `POST /api/2.0/fs/create-upload-part-urls`.
    pub(super) fn part_urls(&self, request: &Request) -> Result<Answer, Refusal> {
        #[derive(Deserialize)]
        struct Body {
            session_token: String,
            start_part_number: u64,
            count: u64,
        }
        let body: Body =
            serde_json::from_slice(&request.body).map_err(|error| Refusal::malformed(error.to_string()))?;
        if !self.state().uploads.open.contains_key(&body.session_token) {
            return Err(Refusal::new(404, "NOT_FOUND", "The upload session is unknown."));
        }
        let urls = (body.start_part_number..body.start_part_number + body.count.min(1000)).map(|number| {
            json!({
                "url": format!("{}/__upload/{}/{number}", self.base, encode(&body.session_token)),
                "part_number": number, "headers": [],
            })
        });
        Ok(Answer::json(&json!({"upload_part_urls": urls.collect::<Vec<Json>>()})))
    }

    /// A part on its way to the store behind such a url, which knows no tokens.
    pub(super) fn part(&self, session: &str, number: &str, request: &Request) -> Result<Answer, Refusal> {
        let number: u64 = number.parse().map_err(|_| Refusal::no_endpoint(&request.path))?;
        let mut state = self.state();
        let upload = state.uploads.open.get_mut(session).ok_or_else(|| Refusal::no_endpoint(&request.path))?;
        upload.parts.insert(number, request.body.clone());
        Ok(Answer::text(200, "application/xml", "").header("etag", format!("\"{number}\"")))
    }
}

fn no_file(path: &str) -> Refusal {
    Refusal::new(404, "NOT_FOUND", format!("The file being accessed is not found: {path}"))
}

fn no_directory(path: &str) -> Refusal {
    Refusal::new(404, "NOT_FOUND", format!("The directory being accessed is not found: {path}"))
}

/// `bytes=2-5` as a range of places; nothing for what is none.
fn range_of(range: &str, size: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let from: usize = from.parse().ok()?;
    let to = if to.is_empty() { size } else { to.parse::<usize>().ok()?.checked_add(1)?.min(size) };
    (from < to).then_some((from, to))
}

fn page(request: &Request, entries: &[Entry], most: usize) -> Result<Answer, Refusal> {
    let number = |name: &str| parameter(request, name).map(|text| text.parse::<usize>()).transpose();
    let invalid = |_| Refusal::invalid("page_size and page_token are numbers that a list gave.");
    let size = number("page_size").map_err(invalid)?.filter(|size| *size > 0).map_or(most, |size| size.min(most));
    let skip = number("page_token").map_err(invalid)?.unwrap_or_default();
    let shown: Vec<Json> = entries
        .iter()
        .skip(skip)
        .take(size)
        .map(|entry| {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            if entry.directory {
                return json!({"path": entry.path, "name": name, "is_directory": true});
            }
            json!({
                "path": entry.path, "name": name, "is_directory": false, "file_size": entry.size,
                "last_modified": entry.modified.timestamp_millis(),
            })
        })
        .collect();
    let mut body = json!({"contents": shown});
    if let (true, Some(body)) = (skip + size < entries.len(), body.as_object_mut()) {
        body.insert("next_page_token".into(), (skip + size).to_string().into());
    }
    Ok(Answer::json(&body))
}
