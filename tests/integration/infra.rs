//! `infra`: the templates that tenant files give, and what has to hold in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{World, left_out, program};

/// A project's folder: the templates that are written by hand, and the tenant files of the golden files.
fn project() -> World {
    let world = World::new();
    fs::create_dir_all(world.dir().join("infra/tenants")).unwrap();
    for (from, to) in [(tests().join("../infra"), "infra"), (golden().join("tenants"), "infra/tenants")] {
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            fs::copy(&entry, world.dir().join(to).join(entry.file_name().unwrap())).unwrap();
        }
    }
    world
}

fn tests() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn golden() -> PathBuf {
    tests().join("integration/golden/infra")
}

/// Every file under a folder, by its path in it.
fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// Replaces a text that stands in a file.
#[track_caller]
fn edit(path: &Path, was: &str, is: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(was), "{was}\n{text}");
    fs::write(path, text.replacen(was, is, 1)).unwrap();
}

#[test]
fn tenant_files_give_the_templates_that_were_reviewed() {
    let world = project();
    world.cli(&["infra", "render"]).ok().says(&["3 tenants, 2 integrations", "sam build", "sam deploy"]);
    let written = files(&world.dir().join("infra/rendered"));
    let reviewed = golden().join("rendered");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        if reviewed.exists() {
            fs::remove_dir_all(&reviewed).unwrap();
        }
        for (path, text) in &written {
            fs::create_dir_all(reviewed.join(path).parent().unwrap()).unwrap();
            fs::write(reviewed.join(path), text).unwrap();
        }
    }
    let reviewed = files(&reviewed);
    let names = |files: &BTreeMap<PathBuf, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&reviewed), "UPDATE_GOLDEN=1 writes the golden files anew");
    for (path, text) in &reviewed {
        assert_eq!(&written[path], text, "{} differs; UPDATE_GOLDEN=1 writes the golden files anew", path.display());
    }
    world.cli(&["infra", "render"]).ok().says(&["0 of them new or changed, 0 removed"]);
    world.cli(&["infra", "check"]).ok().says(&["all rules hold"]);
}

#[test]
fn a_schedule_sends_the_poll_task_that_the_engine_reads() {
    let world = project();
    world.cli(&["infra", "render"]).ok();
    let text = fs::read_to_string(world.dir().join("infra/rendered/tenants/acme.yaml")).unwrap();
    let inputs: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("Input: '")).collect();
    assert_eq!(inputs.len(), 5, "one sync is switched off");
    let mut runs = Vec::new();
    for input in inputs {
        let due = input.trim_end_matches('\'').replace("<aws.scheduler.scheduled-time>", "2026-11-21T06:00:00Z");
        let message: engine::model::message::Message = serde_json::from_str(&due).unwrap();
        assert_eq!(message.task.stage(), engine::model::message::Stage::Poll);
        assert_eq!(message.task.sync().tenant.as_str(), "acme");
        assert!(message.task.run().as_str().starts_with("2026-11-21T06:00:00Z-"));
        runs.push(message.task.run().clone());
    }
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), 5, "syncs that are due at the same time have runs of their own");
}

#[test]
fn a_tenant_changes_only_its_own_template() {
    let world = project();
    let (rendered, tenants) = (world.dir().join("infra/rendered"), world.dir().join("infra/tenants"));
    world.cli(&["infra", "render"]).ok();
    let before = files(&rendered);

    fs::write(tenants.join("umbrella.yaml"), fs::read(tenants.join("initech.yaml")).unwrap()).unwrap();
    world.cli(&["infra", "check"]).exits(1).says(&["umbrella.yaml: is not what the tenant files give", "infra render"]);
    world.cli(&["infra", "render"]).ok();
    let mut with = files(&rendered);
    assert!(with.remove(Path::new("tenants/umbrella.yaml")).is_some());
    assert!(with.remove(Path::new("config/jde-looker/ml-connector/tenants/umbrella.yaml")).is_some());
    let root = with.insert("template.yaml".into(), before[Path::new("template.yaml")].clone()).unwrap();
    assert_eq!(with, before);
    let new = root.split("\n\n").filter(|part| !before[Path::new("template.yaml")].contains(part));
    assert!(new.clone().count() == 1 && new.clone().all(|part| part.starts_with("  TenantUmbrella:")), "{root}");

    fs::remove_file(tenants.join("umbrella.yaml")).unwrap();
    world.cli(&["infra", "render"]).ok().says(&["tenants/umbrella.yaml removed"]);
    assert_eq!(files(&rendered), before);
}

#[test]
fn what_cannot_stand_in_a_template_is_refused_with_a_name() {
    let world = project();
    let tenants = world.dir().join("infra/tenants");
    fs::copy(tenants.join("initech.yaml"), tenants.join("globex_eu.yaml")).unwrap();
    world
        .cli(&["infra", "render"])
        .exits(2)
        .says(&["tenant globex-eu and tenant globex_eu are both TenantGlobexEu in a template", "rename one"]);
    fs::remove_file(tenants.join("globex_eu.yaml")).unwrap();

    edit(&tenants.join("acme.yaml"), "America/Chicago, flexible", "America/Chicgo, flexible");
    world.cli(&["infra", "render"]).exits(2).says(&[
        "acme.yaml:15:24: schedules.time_zone: `America/Chicgo` is no time zone; did you mean `America/Chicago`?",
    ]);
    edit(&tenants.join("acme.yaml"), "America/Chicgo", "America/Chicago");
    edit(&tenants.join("acme.yaml"), "flexible_window: 15m", "flexible_window: 90s");
    world.cli(&["infra", "render"]).exits(2).says(&["schedules.flexible_window: a window is 1 minute to 1 day"]);
    assert!(!world.dir().join("infra/rendered").exists());
}

#[test]
fn a_folder_of_somebody_else_is_not_written_to() {
    let world = project();
    fs::create_dir_all(world.dir().join("infra/rendered")).unwrap();
    fs::write(world.dir().join("infra/rendered/template.yaml"), "mine").unwrap();
    world.cli(&["infra", "render"]).exits(2).says(&["infra/rendered holds something that was not rendered", "--out"]);
    assert_eq!(files(&world.dir().join("infra/rendered")).len(), 1);
}

#[test]
fn a_broken_rule_names_the_resource_and_the_file() {
    let world = project();
    world.cli(&["infra", "render"]).ok();
    for (file, was, is, place, words) in [
        (
            "integration.yaml",
            "          RedrivePolicy:\n            deadLetterTargetArn: !GetAtt DeadLettersQueue.Arn\n            \
             maxReceiveCount: !Ref MaximumReceives\n",
            "",
            "JdeLooker/PollQueue",
            "has no dead-letter queue",
        ),
        (
            "integration.yaml",
            "            FunctionResponseTypes: [ReportBatchItemFailures]\n",
            "",
            "JdeLooker/Poll",
            "does not report partial failures",
        ),
        ("integration.yaml", "Role: !GetAtt LoadRole.Arn\n", "\n", "JdeLooker/Load", "has no role of its own"),
        ("integration.yaml", "Resource: !Ref KeyArn", "Resource: '*'", "JdeLooker/TablesPolicy", "over all resources"),
        (
            "integration.yaml",
            "Action: kms:Decrypt",
            "Action: kms:*",
            "JdeLooker/SecretsPolicy",
            "all actions of a service",
        ),
        (
            "integration.yaml",
            "        Messages:\n",
            "        Takes:\n",
            "JdeLooker/Poll",
            "SAM makes PollTakes of its event",
        ),
        ("integration.yaml", "BatchSize: 2", "BatchSize: 20", "JdeLooker/Load", "without a batching window"),
        ("rendered/template.yaml", "Default: 720", "Default: 600", "JdeLooker/Poll", "give at least 720 s"),
        ("rendered/template.yaml", "Default: 360", "Default: 900", "JdeLooker/Transform", "use less than 900 s"),
        (
            "rendered/template.yaml",
            "Scope: jde-looker\n",
            "Scop: jde-looker\n",
            "JdeLooker",
            "is not given the parameter Scope",
        ),
        ("rendered/template.yaml", "Scope: jde-looker\n", "Scop: jde-looker\n", "JdeLooker", "knows no parameter Scop"),
        (
            "rendered/tenants/acme.yaml",
            "    DeletionPolicy: Retain\n",
            "",
            "TenantAcme/SecretAcmeJde",
            "is deleted with its tenant",
        ),
        (
            "rendered/tenants/acme.yaml",
            "        DeadLetterConfig: {Arn: !Ref JdeLookerDeadLettersQueueArn}\n",
            "",
            "TenantAcme/JdeLookerSuppliers",
            "has no dead-letter queue: a run that could not be started",
        ),
        (
            "rendered/tenants/acme.yaml",
            "Name: 'acme.suppliers'",
            "Name: 'acme/suppliers'",
            "TenantAcme/JdeLookerSuppliers",
            "is called acme/suppliers",
        ),
    ] {
        let path = world.dir().join("infra").join(file);
        let whole = fs::read_to_string(&path).unwrap();
        edit(&path, was, is);
        // Where a template that is rendered was changed, that is said too.
        let ran = world.cli(&["infra", "check"]).exits(1);
        let lines: Vec<_> = ran.stdout.lines().filter(|line| line.contains(words)).collect();
        let file = file.rsplit('/').next().unwrap();
        assert!(
            lines.iter().any(|line| line.contains(&format!(": {place}: ")) && line.contains(".yaml")),
            "{file} {words}\n{ran}"
        );
        fs::write(&path, whole).unwrap();
    }
    world.cli(&["infra", "check"]).ok();
}

/// In an emulator that enforces IAM: adding, changing and removing tenants touches theirs only.
#[test]
fn deploying_a_tenant_touches_nothing_of_others() {
    let Some(python) = std::env::var_os("ML_CONNECTOR_TEST_AWS_PYTHON") else {
        let why = "ML_CONNECTOR_TEST_AWS_PYTHON names no Python with the packages of tests/aws/requirements.txt";
        return left_out("deployments", why);
    };
    let mut ways = vec![None];
    if std::env::var_os("ML_CONNECTOR_TEST_SAM").is_some() {
        ways.push(Some("--sam"));
    } else {
        left_out("deployments by the SAM CLI", "ML_CONNECTOR_TEST_SAM names no program `sam`");
    }
    for way in ways {
        let mut script = Command::new(&python);
        script.arg(tests().join("aws/tenants.py")).args(way).env("ML_CONNECTOR_TEST_PROGRAM", program::program());
        let ran = script.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "tenants.py ended with {}\n{out}\n{err}", ran.status);
    }
}
