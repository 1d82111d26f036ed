//! Looks and dashboards: saved queries with a title.

use serde_json::{Value as Json, json};

use super::parameters::Parameters;
use super::query::Stored;

/// Whether a search finds content of this id and title. All that is asked for must fit; `%` stands for any text and `_` for
/// one character, and case does not count. Nothing here is ever deleted.
pub(super) fn found(parameters: &Parameters, id: &str, title: &str) -> bool {
    let fits = |name: &str, value: &str| parameters.text(name).is_none_or(|wanted| is_like(wanted, value));
    let deleted = parameters.text("deleted").is_some_and(|deleted| deleted == "true");
    !deleted && fits("id", id) && fits("title", title)
}

fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.to_lowercase().chars().collect(), text.to_lowercase().chars().collect());
    // Which beginnings of the text the pattern so far stands for.
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for wanted in pattern {
        let before = std::mem::replace(&mut fits, vec![false; text.len() + 1]);
        if wanted == '%' {
            let first = before.iter().position(|fits| *fits).unwrap_or(before.len());
            fits.iter_mut().skip(first).for_each(|fits| *fits = true);
        } else {
            for (i, c) in text.iter().enumerate() {
                fits[i + 1] = before[i] && (wanted == '_' || wanted == *c);
            }
        }
    }
    fits[text.len()]
}

/// A saved query.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) query: Stored,
}

/// Several queries on one page.
#[derive(Clone, Debug)]
pub(super) struct Dashboard {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) elements: Vec<(String, Stored)>,
}

impl Look {
    /// `Look`, or `LookWithQuery` when asked for by its id.
    pub(super) fn json(&self, base: &str, with_query: bool) -> Json {
        let mut shown = json!({
            "id": self.id, "title": self.title, "description": null, "deleted": false, "public": false,
            "query_id": self.query.id.to_string(), "user_id": "1", "url": format!("/looks/{}", self.id),
            "short_url": format!("/looks/{}", self.id), "folder_id": "1", "model": {"id": self.query.query.model},
            "can": {"run": true, "schedule": true},
        });
        if with_query {
            shown["query"] = self.query.json(base);
        }
        shown
    }
}

impl Dashboard {
    /// `Dashboard`.
    pub(super) fn json(&self, base: &str) -> Json {
        let elements = self.elements.iter().zip(1..).map(|((title, query), at)| {
            json!({
                "id": format!("{}{at:02}", self.id), "dashboard_id": self.id, "title": title, "type": "vis",
                "query_id": query.id.to_string(), "query": query.json(base), "look_id": null,
            })
        });
        json!({
            "id": self.id, "title": self.title, "description": null, "deleted": false, "hidden": false,
            "dashboard_elements": elements.collect::<Vec<_>>(), "dashboard_filters": [], "folder_id": "1",
            "url": format!("/dashboards/{}", self.id), "can": {"run": true, "schedule": true},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn a_search_knows_wildcards_and_no_case() {
        for (pattern, text, fits) in [
            ("AP daily", "ap Daily", true),
            ("%daily", "AP daily", true),
            ("A_ d%", "AP daily", true),
            ("AP", "AP daily", false),
            ("%x%", "AP daily", false),
        ] {
            assert_eq!(is_like(pattern, text), fits, "{pattern} {text}");
        }
    }
}
