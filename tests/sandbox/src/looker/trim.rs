//! `fields=a,b(c,d)`: cutting a reply down to the members that were asked for.

use serde_json::Value as Json;

/// The members to keep; one without a list of its own is kept whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tree(Vec<(String, Option<Tree>)>);

/// Keeps what `fields` names, in every object of a list; names that are not there keep nothing.
pub(super) fn trim(reply: Json, fields: Option<&str>) -> Json {
    match fields {
        Some(fields) => keep(reply, &parse(&mut fields.chars())),
        None => reply,
    }
}

fn parse(signs: &mut std::str::Chars<'_>) -> Tree {
    let mut tree = Tree::default();
    let mut name = String::new();
    let mut inner = None;
    while let Some(sign) = signs.next() {
        match sign {
            '(' => inner = Some(parse(signs)),
            ',' => add(&mut tree, &mut name, &mut inner),
            ')' => break,
            sign => name.push(sign),
        }
    }
    add(&mut tree, &mut name, &mut inner);
    tree
}

fn add(tree: &mut Tree, name: &mut String, inner: &mut Option<Tree>) {
    let taken = std::mem::take(name).trim().to_owned();
    let inner = inner.take();
    if !taken.is_empty() {
        tree.0.push((taken, inner));
    }
}

fn keep(reply: Json, tree: &Tree) -> Json {
    match reply {
        Json::Array(items) => items.into_iter().map(|item| keep(item, tree)).collect(),
        Json::Object(mut members) => {
            let kept = tree.0.iter().filter_map(|(name, inner)| {
                let value = members.remove(name)?;
                Some((name.clone(), inner.as_ref().map_or_else(|| value.clone(), |inner| keep(value.clone(), inner))))
            });
            Json::Object(kept.collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reply_keeps_what_was_asked_for() {
        let reply =
            json!([{"id": 1, "name": "a", "fields": {"dimensions": [{"name": "x", "type": "y"}], "measures": []}}]);
        for (fields, kept) in [
            ("id,nothing", json!([{"id": 1}])),
            (
                "fields( dimensions(name),measures ), name",
                json!([{"fields": {"dimensions": [{"name": "x"}], "measures": []}, "name": "a"}]),
            ),
            ("fields(measures", json!([{"fields": {"measures": []}}])),
        ] {
            assert_eq!(trim(reply.clone(), Some(fields)), kept, "{fields}");
        }
        assert_eq!(trim(reply.clone(), None), reply);
    }
}
