//! Files mean what YAML says they mean, whatever an established reader makes of them.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::super::nodes::parse;
use super::super::values::Reader;
use super::{BLUEPRINT, TENANT};

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let (root, broken) = parse(text);
    if let Some((_, why)) = broken {
        return Err(why);
    }
    T::deserialize(Reader(&root)).map_err(|wrong| wrong.to_string())
}

/// Every kind of value that our types are made of.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Everything {
    text: String,
    number: u32,
    signed: i64,
    switch: bool,
    maybe: Option<String>,
    texts: Vec<String>,
    groups: BTreeMap<String, IndexMap<String, Option<u8>>>,
    word: Word,
    choice: Option<Choice>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    #[default]
    One,
    AnotherOne,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Plain,
    Text(String),
    Group { name: String },
}

#[test]
fn what_is_written_is_what_is_read() {
    for text in [
        "text: 00070",
        "text: 'it''s'\nnumber: 12",
        "text: \"a\\tb\\u00e9\"\nsigned: -5",
        "text: |\n  two\n  lines\n",
        "text: >-\n  one\n  line\n",
        "text: no",
        "text: 1e3",
        "text: !!str null",
        "maybe: null",
        "maybe: ~",
        "maybe:",
        "maybe: 'null'",
        "switch: yes",
        "switch: True",
        "texts: [a, 1, true, 'x, y']",
        "texts:\n- a\n- b # not this\n",
        "groups: {a: {x: 1, y: }, b: {}}",
        "groups:\n  a: &a {x: 1, y: 2}\n  b: {<<: *a, y: 3}\n  c: *a\n",
        "groups:\n  a: &a {x: 1}\n  b: &b {y: 2}\n  c: {<<: [*a, *b], z: 3}\n",
        "word: another_one",
        "choice: plain",
        "choice: {text: 12}",
        "choice: {group: {name: x}}",
        "number: 1_000",
    ] {
        let expected: Everything = serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(read::<Everything>(text).as_ref(), Ok(&expected), "{text}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    for (text, why) in [
        ("text: null", "nothing stands here, and a text is needed"),
        ("text: [a]", "a text is needed here"),
        ("number: -1", "a whole number is needed here"),
        ("number: 1.5", "a whole number is needed here"),
        ("switch: maybe", "true or false is needed here"),
        ("texts: {a: b}", "a list is needed here"),
        ("texts:", "a list is needed here"),
        ("groups:", "a group of fields is needed here"),
        ("groups: {a: {x: 256}}", "a whole number is needed here"),
        ("word: two", "`two` is none of one, another_one"),
        ("choice: {text: a, plain: }", "exactly one field is needed here"),
        ("choice: [plain]", "a word is needed here"),
        ("text: a\ntext: b", "`text` stands here twice: keep one"),
        ("texts: [a\n", ""),
        ("text: *nobody", ""),
        ("text: a\n---\ntext: b", "a second document begins here: write one per file"),
        ("{[a]: b}", "a name is needed here"),
    ] {
        let wrong = read::<Everything>(text).unwrap_err();
        assert!(wrong.contains(why), "{text}: {wrong}");
        assert!(serde_saphyr::from_str::<Everything>(text).is_err(), "{text}");
    }
}

#[test]
fn a_file_that_repeats_itself_without_end_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let before = format!("*a{}, ", n - 1).repeat(10);
        text.push_str(&format!("a{n}: &a{n} [{before}]\n"));
    }
    assert_eq!(read::<Json>(&text).unwrap_err(), "this file repeats its own parts too often");
}

proptest! {
    #[test]
    fn whatever_is_read_is_what_an_established_reader_reads(line in 0_usize..40, text in "[ a-z:{},'\"&*|>#\\[\\]-]{0,12}") {
        for file in [BLUEPRINT, TENANT] {
            let mut lines: Vec<&str> = file.lines().collect();
            lines.insert(line.min(lines.len()), &text);
            let damaged = lines.join("\n");
            // Else `y` without quotes would be no text, whatever is wanted.
            let strict = serde_saphyr::options! { strict_booleans: true };
            let theirs = serde_saphyr::from_str_with_options::<Texts>(&damaged, strict);
            if let (Ok(ours), Ok(theirs)) = (read::<Texts>(&damaged), theirs) {
                prop_assert_eq!(ours, theirs, "{}", damaged);
            }
        }
    }
}

/// Texts in groups and lists.
#[derive(Debug, PartialEq)]
enum Texts {
    Text(String),
    List(Vec<Texts>),
    Group(Vec<(String, Texts)>),
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Self::from)
    }
}

impl From<Json> for Texts {
    fn from(json: Json) -> Self {
        match json {
            Json::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Json::Object(fields) => {
                Self::Group(fields.into_iter().map(|(name, value)| (name, Self::from(value))).collect())
            }
            Json::String(text) => Self::Text(text),
            // Words without quotes: what they mean is decided by types, which the other tests have.
            _ => Self::Text(String::new()),
        }
    }
}
