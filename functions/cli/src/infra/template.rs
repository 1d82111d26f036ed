//! Templates read back as CloudFormation reads them: short forms of functions, loops, parameters, nested templates.
//!
//! Only what the rules need is evaluated: references to parameters whose values are known. Both sides of a condition are
//! looked at.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use granit_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value, json};

/// A template with the values that its parameters have in this place of the deployment.
#[derive(Debug, Clone)]
pub struct Template {
    /// Where it lies.
    pub file: PathBuf,
    /// Where it stands in the deployment, such as `JdeLooker/Alarms`; empty for the root.
    pub place: String,
    /// How long its text is.
    pub bytes: usize,
    /// The whole of it, with loops unrolled.
    pub body: Value,
    /// The parameters whose values are known before anything is deployed.
    pub values: BTreeMap<String, Value>,
    /// The names of the parameters that it is given.
    pub given: Vec<String>,
}

impl Template {
    /// Reads a template and all that it nests, the outermost first.
    ///
    /// # Errors
    /// In words, with the file, when one cannot be read or is not well-formed.
    pub fn read_all(root: &Path) -> Result<Vec<Self>, String> {
        let mut read = Vec::new();
        let mut left = vec![(root.to_owned(), String::new(), BTreeMap::new(), Vec::new())];
        while let Some((file, place, given, names)) = left.pop() {
            let template = Self::read(file, place, given, names)?;
            for (id, resource) in template.resources_of(&["AWS::Serverless::Application", "AWS::CloudFormation::Stack"])
            {
                let properties = &resource["Properties"];
                let location = properties.get("Location").or_else(|| properties.get("TemplateURL"));
                let Some(location) = location.and_then(Value::as_str) else { continue };
                let given: BTreeMap<_, _> =
                    properties["Parameters"].as_object().cloned().unwrap_or_default().into_iter().collect();
                let names = given.keys().cloned().collect();
                let known = given.into_iter().map(|(name, value)| (name, template.value(&value).clone()));
                let known = known.filter(|(_, value)| !value.is_object()).collect();
                let place = format!("{}{}{id}", template.place, if template.place.is_empty() { "" } else { "/" });
                let folder = template.file.parent().unwrap_or(Path::new("."));
                left.push((folder.join(location), place, known, names));
            }
            read.push(template);
        }
        read.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(read)
    }

    fn read(file: PathBuf, place: String, known: BTreeMap<String, Value>, given: Vec<String>) -> Result<Self, String> {
        let text = fs::read_to_string(&file).map_err(|e| format!("{} cannot be read: {e}", file.display()))?;
        let mut body = parse(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        for section in ["Resources", "Outputs", "Conditions"] {
            if let Some(Value::Object(items)) = body.get_mut(section).map(Value::take) {
                body[section] = Value::Object(unrolled(items));
            }
        }
        let mut values = known;
        for (name, parameter) in body["Parameters"].as_object().into_iter().flatten() {
            if let (false, Some(default)) = (given.contains(name), parameter.get("Default")) {
                values.insert(name.clone(), default.clone());
            }
        }
        Ok(Self { file, place, bytes: text.len(), body, values, given })
    }

    /// The resources, in the order of their logical ids.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.body["Resources"].as_object().into_iter().flatten().map(|(id, resource)| (id.as_str(), resource))
    }

    /// The resources of these types.
    pub fn resources_of<'t>(&'t self, types: &'t [&str]) -> impl Iterator<Item = (&'t str, &'t Value)> {
        self.resources().filter(|(_, resource)| resource["Type"].as_str().is_some_and(|t| types.contains(&t)))
    }

    /// The value of a reference to a parameter, where it is known; anything else is what it is.
    pub fn value<'t>(&'t self, value: &'t Value) -> &'t Value {
        let name = value.get("Ref").and_then(Value::as_str);
        name.and_then(|name| self.values.get(name)).unwrap_or(value)
    }

    /// A whole number, where it is known.
    pub fn number(&self, value: &Value) -> Option<u64> {
        match self.value(value) {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// The resource that a reference or an attribute is of.
pub fn target(value: &Value) -> Option<&str> {
    let attribute = value.get("Fn::GetAtt").and_then(Value::as_array).and_then(|parts| parts.first());
    attribute.or_else(|| value.get("Ref")).and_then(Value::as_str)
}

/// A loop of `AWS::LanguageExtensions` over names that are written out, as what it stands for.
fn unrolled(items: Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, item) in items {
        let parts = name.starts_with("Fn::ForEach::").then(|| item.as_array().cloned()).flatten();
        let Some([Value::String(variable), Value::Array(names), body]) = parts.as_deref() else {
            all.insert(name, item);
            continue;
        };
        for name in names.iter().filter_map(Value::as_str) {
            if let Value::Object(made) = filled(body, variable, name) {
                all.extend(unrolled(made));
            }
        }
    }
    all
}

fn filled(value: &Value, variable: &str, name: &str) -> Value {
    let fill = |text: &str| text.replace(&format!("${{{variable}}}"), name).replace(&format!("&{{{variable}}}"), name);
    match value {
        Value::String(text) => Value::String(fill(text)),
        Value::Array(items) => items.iter().map(|item| filled(item, variable, name)).collect(),
        Value::Object(items) => {
            let items: Map<_, _> = items.iter().map(|(key, item)| (fill(key), filled(item, variable, name))).collect();
            match items.get("Fn::Sub").and_then(Value::as_str) {
                Some(text) if items.len() == 1 && !text.contains("${") => json!(text),
                _ => Value::Object(items),
            }
        }
        other => other.clone(),
    }
}

/// Reads YAML with the short forms of CloudFormation's functions.
fn parse(text: &str) -> Result<Value, String> {
    // Collections that are open: what they hold so far, the key that waits for its value, and their tag.
    let mut open: Vec<(Value, Option<String>, Option<String>)> = Vec::new();
    let mut done = Value::Null;
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|e| e.to_string())?;
        let finished = match event {
            Event::MappingStart(_, _, tag) => {
                open.push((json!({}), None, tag.as_deref().map(function)));
                continue;
            }
            Event::SequenceStart(_, _, tag) => {
                open.push((json!([]), None, tag.as_deref().map(function)));
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some((value, _, function)) => called(function, value),
                None => continue,
            },
            Event::Scalar(text, style, _, tag) => {
                let value = if style == ScalarStyle::Plain && tag.is_none() { plain(&text) } else { json!(text) };
                called(tag.as_deref().map(function), value)
            }
            Event::Alias(_) => return Err("has an alias, which CloudFormation does not know".to_owned()),
            _ => continue,
        };
        match open.last_mut() {
            None => done = finished,
            Some((Value::Array(items), ..)) => items.push(finished),
            Some((Value::Object(items), key, _)) => match key.take() {
                Some(key) => _ = items.insert(key, finished),
                None => *key = Some(finished.as_str().map_or_else(|| finished.to_string(), str::to_owned)),
            },
            Some(_) => {}
        }
    }
    Ok(done)
}

/// The long form of `!Sub` and its like.
fn function(tag: &Tag) -> String {
    let name = tag.suffix();
    if matches!(name, "Ref" | "Condition") { name.to_owned() } else { format!("Fn::{name}") }
}

fn called(function: Option<String>, value: Value) -> Value {
    let Some(function) = function else { return value };
    let value = match (function.as_str(), value.as_str().and_then(|text| text.split_once('.'))) {
        ("Fn::GetAtt", Some((resource, attribute))) => json!([resource, attribute]),
        _ => value,
    };
    json!({ function: value })
}

fn plain(text: &str) -> Value {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        "" | "null" | "~" => Value::Null,
        _ => text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_read_as_long_ones() {
        let text = "a: !Ref X\nb: !GetAtt Q.Arn\nc: !Sub '${X}/*'\nd: !If [C, !Ref X, 'no']\ne: [1, '1', true, ~]\n";
        let long = json!({
            "a": {"Ref": "X"},
            "b": {"Fn::GetAtt": ["Q", "Arn"]},
            "c": {"Fn::Sub": "${X}/*"},
            "d": {"Fn::If": ["C", {"Ref": "X"}, "no"]},
            "e": [1, "1", true, null],
        });
        assert_eq!(parse(text).unwrap(), long);
        assert!(parse("a: &b 1\nc: *b\n").unwrap_err().contains("alias"));
    }

    #[test]
    fn loops_are_unrolled_and_parameters_have_the_values_of_their_place() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "root.yaml",
            "Parameters: {Seconds: {Type: Number, Default: 9}}
Resources:
  Inner:
    Type: AWS::Serverless::Application
    Properties: {Location: inner.yaml, Parameters: {Long: !Ref Seconds, Other: !GetAtt X.Arn}}
",
        );
        write(
            "inner.yaml",
            "Parameters: {Long: {Type: Number, Default: 1}, Short: {Type: Number, Default: 2}, Other: {Type: String}}
Resources:
  Fn::ForEach::Queues:
    - Length
    - [Long, Short]
    - ${Length}Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: {Ref: !Sub '${Length}'}}}
",
        );
        let templates = Template::read_all(&dir.path().join("root.yaml")).unwrap();
        let inner = templates.iter().find(|template| template.place == "Inner").unwrap();
        let queues = inner.resources().map(|(id, queue)| (id, inner.number(&queue["Properties"]["VisibilityTimeout"])));
        assert_eq!(queues.collect::<Vec<_>>(), [("LongQueue", Some(9)), ("ShortQueue", Some(2))]);
    }
}
