//! What the documents show works: every command that README.md shows is understood, every tenant file in it loads.

use std::fs;
use std::path::Path;

use crate::world::World;

/// The integrations that tenant files of the documents may have.
const INTEGRATIONS: [&str; 2] = ["jde-looker", "peoplesoft-looker"];

/// How many syncs of an integration are on as shipped.
fn syncs_of(integration: &str) -> usize {
    let blueprint = document(&format!("shared/integrations/{integration}.yaml"));
    let lines = |wanted: &str| blueprint.lines().filter(|line| *line == wanted).count();
    lines("    read:") - lines("    enabled: false")
}

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// The blocks of a language, such as `sh`.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let parts = text.split("```").skip(1).step_by(2);
    parts.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n').map(ToOwned::to_owned)).collect()
}

/// The words of a shell line, up to a comment, a pipe or a redirection.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => words.last_mut().unwrap().push(c),
            (None, '\'' | '"') => quote = Some(c),
            (None, '#' | '|' | '>' | '&') => break,
            (None, c) if c.is_whitespace() => words.push(String::new()),
            (None, c) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The arguments of every command line of ours in a document.
fn commands(text: &str) -> Vec<Vec<String>> {
    let joined = blocks(text, "sh").join("\n").replace("\\\n", " ");
    let ours = joined.lines().filter_map(|line| {
        let line = line.trim().rsplit_once("| ").map_or(line.trim(), |(_, last)| last);
        let rest = line
            .strip_prefix("ml-connector ")
            .or_else(|| line.strip_prefix("cargo run --release -- ").or_else(|| line.strip_prefix("cargo run -- ")))?;
        Some(words(rest))
    });
    ours.collect()
}

#[test]
fn the_five_minute_start_is_two_commands() {
    let readme = document("README.md");
    let shown = blocks(&readme, "sh").join("\n");
    assert!(shown.lines().any(|line| words(line).join(" ") == "cargo run --release -- demo"));
    assert!(shown.lines().any(|line| words(line) == ["tests/run"]));
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let world = World::new();
    let mut seen = 0;
    for name in ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"] {
        for command in commands(&document(name)) {
            // With --help the command line is read and nothing is done; a wrong option before it is still an error.
            let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
            words.push("--help");
            world.cli(&words).ok().says(&["Usage: "]);
            seen += 1;
        }
    }
    assert!(seen >= 15, "only {seen} commands were found");
}

#[test]
fn every_verb_is_in_the_readme() {
    let readme = document("README.md");
    let help = World::new().cli(&["--help"]).ok().stdout;
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for verb in verbs.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help") {
        assert!(readme.contains(&format!("| `{verb}")), "{verb} is not in the table of commands");
    }
    let codes = help.lines().skip_while(|line| *line != "Exit codes:").skip(1);
    for code in codes.filter_map(|line| line.split_whitespace().next()) {
        assert!(readme.contains(&format!("| {code} |")), "exit code {code} is not in the README");
    }
}

#[test]
fn every_tenant_file_in_the_readme_loads() {
    let world = World::new();
    let whole: Vec<String> =
        blocks(&document("README.md"), "yaml").into_iter().filter(|block| block.contains("connections:")).collect();
    for system in ["jde", "peoplesoft", "sqlite", "postgres", "looker", "databricks"] {
        assert!(whole.iter().any(|tenant| tenant.contains(&format!("\n    {system}:\n"))), "none with {system}");
    }
    for tenant in whole {
        fs::write(world.tenant_file(), &tenant).unwrap();
        let status = world.cli(&["status", "--json"]).ok().json();
        let shipped: usize = INTEGRATIONS.iter().filter(|name| tenant.contains(*name)).map(|name| syncs_of(name)).sum();
        assert_eq!(status["syncs"].as_array().unwrap().len(), shipped, "{tenant}");
    }
}

#[test]
fn what_other_documents_show_of_a_tenant_file_is_understood() {
    let world = World::new();
    let text = world.tenant_text();
    let (erp, rest) = text.split_at(text.find("  warehouse:").unwrap());
    let (warehouse, integrations) = rest.split_at(rest.find("integrations:").unwrap());
    let mut tenants = Vec::new();
    for block in blocks(&document("shared/integrations/README.md"), "yaml") {
        if block.starts_with("integrations:") {
            tenants.push(format!("{erp}{warehouse}{block}"));
        }
    }
    for block in blocks(&document("shared/connectors/src/warehouse/README.md"), "yaml") {
        for choice in block.trim_start_matches("connections:\n").split("  # or\n") {
            tenants.push(format!("{erp}{choice}{integrations}"));
        }
    }
    assert_eq!(tenants.len(), 3);
    for tenant in tenants {
        fs::write(world.tenant_file(), &tenant).unwrap();
        world.cli(&["status"]).ok();
    }
}

#[test]
fn documents_point_at_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"] {
        let text = document(name);
        let quoted = text.split('`').skip(1).step_by(2);
        let paths = quoted.filter(|word| {
            let known = ["functions/", "shared/", "tests/", ".ci/"].iter().any(|root| word.starts_with(root));
            known && !word.contains([' ', '<', '*', '…'])
        });
        for path in paths {
            assert!(root.join(path).exists(), "{name} points at {path}, which is not there");
        }
    }
}
