//! LookML: the part of the modelling language that tables of records need, read strictly.
//!
//! Invariant: what is outside this part is an error of the project, shown where the real product shows it (in the
//! `errors` of the explores it touches), so that a model that works here does not rest on something unread.

mod case;
pub(super) mod label;
mod model;
mod params;
pub(super) mod reference;
mod syntax;
mod view;

use std::collections::BTreeSet;
use std::path::Path;
use std::{fmt, fs, io};

pub(super) use model::{Explore, Model, Source};
pub(super) use view::{Field, Frame, Kind, Measure};

use params::Params;
use syntax::{Pair, Value};

/// Something in the project that is not the LookML understood here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookmlError {
    /// The file, as a path inside the project.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for LookmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// A LookML project: the models that a Looker server knows.
#[derive(Clone, Debug)]
pub struct Project {
    name: String,
    models: Vec<Model>,
}

impl Project {
    /// Reads a project from memory: pairs of path (`views/ap_invoices.view.lkml`) and text. Errors of the LookML do not
    /// fail here, they are in [`Project::errors`] and in the explores, as in the product.
    pub fn parse<P: AsRef<str>, T: AsRef<str>>(name: &str, files: &[(P, T)]) -> Self {
        let mut files: Vec<File> = files
            .iter()
            .map(|(path, text)| File::parse(path.as_ref().trim_start_matches('/'), text.as_ref()))
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let models = files.iter().enumerate().filter_map(|(at, file)| {
            let name = file.path.rsplit('/').next()?.strip_suffix(".model.lkml")?;
            Some(read_model(name, at, &files))
        });
        Self { name: name.into(), models: models.collect() }
    }

    /// Reads a project directory: every `.lkml` file in it and below, and the names of its LookML dashboards, whose
    /// content is not simulated. The directory's name is the project's.
    ///
    /// # Errors
    /// Fails when the directory or a file in it cannot be read, or holds no `.lkml` file.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        collect(directory, directory, &mut files)?;
        if files.is_empty() {
            let message = format!("{} holds no .lkml file", directory.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        let name = directory.file_name().map_or_else(|| "project".into(), |name| name.to_string_lossy().into_owned());
        Ok(Self::parse(&name, &files))
    }

    /// All errors of the project, each once, in the order of models and explores.
    pub fn errors(&self) -> Vec<LookmlError> {
        let mut errors: Vec<LookmlError> = Vec::new();
        let explores = self.models.iter().flat_map(|model| {
            model.errors.iter().chain(model.explores.iter().flat_map(|explore| explore.errors.iter()))
        });
        for error in explores {
            if !errors.contains(error) {
                errors.push(error.clone());
            }
        }
        errors
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn models(&self) -> &[Model] {
        &self.models
    }

    pub(super) fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }
}

struct File {
    path: String,
    content: Result<Vec<Pair>, syntax::Broken>,
}

impl File {
    fn parse(path: &str, text: &str) -> Self {
        // Dashboards are YAML and no part of a model; they may be included.
        let content = if path.ends_with(".dashboard.lookml") { Ok(Vec::new()) } else { syntax::parse(text) };
        Self { path: path.into(), content }
    }
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
            continue;
        }
        if path.extension().is_some_and(|extension| extension == "lkml" || extension == "lookml") {
            let inside = path.strip_prefix(root).unwrap_or(&path);
            files.push((inside.to_string_lossy().replace('\\', "/"), fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// Follows the includes from a model file.
fn read_model(name: &str, start: usize, files: &[File]) -> Model {
    let mut errors = Vec::new();
    let mut reached = BTreeSet::new();
    let mut order = Vec::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        let Some(file) = files.get(at).filter(|_| reached.insert(at)) else {
            continue;
        };
        let pairs = match &file.content {
            Ok(pairs) => pairs,
            Err(broken) => {
                let message = format!("Invalid LookML: {}", broken.message);
                errors.push(LookmlError { file: file.path.clone(), line: broken.line, message });
                continue;
            }
        };
        order.push(Params { place: file.path.clone(), file: &file.path, line: 1, pairs });
        for pair in pairs.iter().filter(|pair| pair.key == "include") {
            let (Value::Text(pattern) | Value::Word(pattern)) = &pair.value else {
                let message = "\"include\" must be a text".into();
                errors.push(LookmlError { file: file.path.clone(), line: pair.line, message });
                continue;
            };
            let found: Vec<usize> =
                (0..files.len()).filter(|at| includes(pattern, &file.path, &files[*at].path)).collect();
            if found.is_empty() {
                let message = format!("Could not find an included file matching \"{pattern}\"");
                errors.push(LookmlError { file: file.path.clone(), line: pair.line, message });
            }
            open.extend(found.into_iter().rev());
        }
    }
    model::read(name, &order, errors)
}

/// Whether an include names a path: from the root when it begins with `/`, else from the folder of the including file.
fn includes(pattern: &str, from: &str, path: &str) -> bool {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let full = match pattern.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None if folder.is_empty() => pattern.to_owned(),
        None => format!("{folder}/{pattern}"),
    };
    // The extension may be left out.
    let short = path.strip_suffix(".lkml").unwrap_or(path);
    glob(full.as_bytes(), path.as_bytes()) || glob(full.as_bytes(), short.as_bytes())
}

/// `*` stands for anything inside one folder, `**` for anything at all.
fn glob(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', rest @ ..] => {
            let rest = rest.strip_prefix(b"/").unwrap_or(rest);
            (0..=path.len()).any(|at| glob(rest, &path[at..]))
        }
        [b'*', rest @ ..] => {
            let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=end).any(|at| glob(rest, &path[at..]))
        }
        [first, rest @ ..] => path.first() == Some(first) && glob(rest, &path[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_are_found_by_pattern_and_a_missing_one_is_an_error_of_every_explore() {
        for (pattern, from, path, holds) in [
            ("/views/*.view.lkml", "models/erp.model.lkml", "views/ap.view.lkml", true),
            ("/views/*", "erp.model.lkml", "views/deep/ap.view.lkml", false),
            ("/**/*.view", "erp.model.lkml", "views/deep/ap.view.lkml", true),
            ("*.view", "models/erp.model.lkml", "models/ap.view.lkml", true),
            ("ap.view", "models/erp.model.lkml", "views/ap.view.lkml", false),
        ] {
            assert_eq!(includes(pattern, from, path), holds, "{pattern} {path}");
        }
        let project = Project::parse(
            "erp",
            &[(
                "erp.model.lkml",
                "connection: \"erp\"\ninclude: \"/views/*\"\nexplore: ap { view_name: ap }\nview: ap {}",
            )],
        );
        let errors = project.errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].to_string(), "erp.model.lkml:2: Could not find an included file matching \"/views/*\"");
        assert_eq!(project.model("erp").unwrap().explores[0].errors, errors);
    }

    #[test]
    fn what_is_not_understood_is_an_error_of_the_explores_that_use_it() {
        let model = "connection: \"erp\"\ninclude: \"*.view\"\nexplore: good {}\nexplore: bad {}\n";
        let good = "view: good { dimension: id { primary_key: yes type: number sql: ${TABLE}.id ;; } measure: n { type: count } }";
        for (view, says) in [
            ("view: bad { dimension: a { typo: yes } }", "Unknown parameter \"typo\" in dimension: a"),
            ("view: bad { dimension: a { type: blob } }", "Unknown type \"blob\""),
            ("view: bad { dimension: a { sql: ${nowhere} ;; } }", "Unknown or inaccessible field \"nowhere\""),
            ("view: bad { dimension: a { sql: ${b} ;; } dimension: b { sql: ${a} ;; } }", "Circular"),
            ("view: bad { dimension: a {} dimension: a {} }", "Duplicate field \"bad.a\""),
            ("view: bad { dimension_group: d { type: time timeframes: [fortnight] } }", "\"fortnight\""),
            ("view: bad { measure: m { type: sum } }", "needs sql"),
            ("view: bad { measure: m { type: sum sql: 1 ;; filters: [x: \"1\"] } }", "Unknown dimension \"x\""),
            ("view: bad { dimension: a { hidden: maybe } }", "must be yes or no"),
            ("view: bad { dimension: a { sql: {% if true %} ;; } }", "Liquid"),
            ("view: bad { dimension: a { case: { else: \"x\" } } }", "at least one when"),
            ("view: bad { dimension: a { case: { when: { label: \"x\" } } } }", "needs sql and label"),
            ("view: other { }", "Unknown view \"bad\""),
            ("view: Bad { }", "\"Bad\" is not a name"),
        ] {
            let project =
                Project::parse("erp", &[("m.model.lkml", model), ("g.view.lkml", good), ("b.view.lkml", view)]);
            let explores = &project.model("m").unwrap().explores;
            let of = |name: &str| &explores.iter().find(|explore| explore.name == name).unwrap().errors;
            assert!(of("bad").iter().any(|error| error.message.contains(says)), "{view}: {:?}", of("bad"));
            if !view.contains("Bad") {
                assert_eq!(of("good"), &[], "{view}");
            }
        }
    }
}
