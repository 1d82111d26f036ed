//! Data about persons: off, and where it is switched on, hashed or dropped before anything is kept.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::world::peoplesoft::Site;

#[test]
fn payroll_is_off_and_where_it_is_on_no_name_and_no_employee_is_kept() {
    let site = Site::seeded(sandbox::peoplesoft::Settings::default(), 240);
    site.only(&[]);
    site.cli(&["run", "gl_accounts"]);
    assert_eq!(site.count_calls("ML_PAY_CHECK"), 0, "payroll checks are no part of a run");
    site.sync_setting("pay_checks", "enabled: true");
    site.cli(&["run"]).exits(1).says(&["personal data, which is off", "personal.columns"]);
    assert_eq!(site.count_calls("ML_PAY_CHECK"), 0);
    site.setting("personal", "{enabled: true, columns: {NAME: drop}}");
    site.cli(&["check"]).exits(1).says(&["hash_key"]);
    site.secret("hash_key", "a long and random text");
    site.cli(&["check"]).ok();

    let run = site.cli(&["run", "-vv", "--json"]).ok();
    assert_eq!(run.sync("pay_checks")["agrees"], json!(true), "{run}");
    let (loaded, mut expected) = (site.loaded("pay_checks"), site.expected("pay_checks"));
    let mut persons = Vec::new();
    for (key, record) in &mut expected {
        persons.extend(record.remove("employee_name"));
        let employee = record.remove("employee").unwrap();
        let hashed = &loaded[key]["employee"];
        assert!(hashed.len() == 32 && hashed.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hashed}");
        record.insert("employee".to_owned(), hashed.clone());
        persons.push(employee);
    }
    assert_eq!(expected, loaded, "all else is as at the source, and a name is nowhere");
    assert!(persons.len() > 10);
    let employees = |rows: &crate::world::Rows| {
        let of: std::collections::BTreeSet<_> = rows.values().map(|row| row["employee"].clone()).collect();
        of.len()
    };
    assert_eq!(employees(&loaded), employees(&site.expected("pay_checks")), "equal employees have equal hashes");

    // What is archived is what `audit` shows, and what is written to the disk.
    let mut said = format!("{}{}", run.stdout, run.stderr);
    for key in loaded.keys() {
        said.push_str(&site.cli(&["audit", "pay_checks", key, "--row", "--json"]).ok().stdout);
    }
    assert!(said.contains("TOTAL_GROSS"), "the archived rows are shown");
    for file in files(site.dir()) {
        said.push_str(&String::from_utf8_lossy(&fs::read(file).unwrap()));
    }
    for person in &persons {
        assert!(!said.contains(person.as_str()), "{person} is kept somewhere");
    }
    site.cli(&["reconcile", "pay_checks"]).ok();
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
