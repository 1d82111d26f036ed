//! `lookml`: what it writes for the shipped blueprint, that the warehouse understands it, and that nothing of anybody
//! else's is touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::postgres::postgres;
use crate::world::{Warehouse, World, streams};

/// A tenant that loads PostgreSQL with everything as shipped.
const TENANT: &str = "
connections:
  jde:
    jde: {url: https://ais.example.com:9302/jderest, secret: acme-jde, zone: America/Chicago}
  warehouse:
    postgres: {url: postgresql://loader@warehouse.example.com:5432/analytics, secret: acme-warehouse}
integrations:
  jde-looker: {source: jde, destination: warehouse}
";

/// Every file under a folder, by its path in it.
fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_shipped_blueprint_gives_the_project_that_was_reviewed() {
    let world = World::new();
    fs::write(world.tenant_file(), TENANT).unwrap();
    let out = world.dir().join("looker");
    let answer = world.cli(&["lookml", "--out", "looker", "--json"]).ok().json();
    let written = files(&out);
    let listed: Vec<_> = answer["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    assert_eq!(listed.len(), written.len());
    assert!(listed.iter().all(|file| written.contains_key(Path::new(file))), "{listed:?}");

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/golden/lookml");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        if golden.exists() {
            fs::remove_dir_all(&golden).unwrap();
        }
        for (path, text) in &written {
            fs::create_dir_all(golden.join(path).parent().unwrap()).unwrap();
            fs::write(golden.join(path), text).unwrap();
        }
    }
    let reviewed = files(&golden);
    let names = |files: &BTreeMap<PathBuf, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&reviewed), "UPDATE_GOLDEN=1 writes the golden files anew");
    for (path, text) in &reviewed {
        assert_eq!(&written[path], text, "{} differs; UPDATE_GOLDEN=1 writes the golden files anew", path.display());
    }

    world.cli(&["lookml", "--out", "looker"]).ok().says(&["11 files are in looker, 0 of them new or changed"]);
    assert_eq!(files(&out), written);
}

#[test]
fn files_of_others_are_neither_changed_nor_removed() {
    let world = World::new();
    let out = world.dir().join("looker");
    fs::create_dir_all(out.join("views")).unwrap();
    fs::write(out.join("views/mine.view.lkml"), "view: mine {}\n").unwrap();
    fs::write(out.join("manifest.lkml"), "project_name: \"mine\"\n").unwrap();
    let before = files(&out);
    world
        .cli(&["lookml", "--out", "looker"])
        .exits(2)
        .says(&["looker/manifest.lkml was not generated, and nothing was written", "next: move it, or name another"]);
    assert_eq!(files(&out), before);

    fs::remove_file(out.join("manifest.lkml")).unwrap();
    world.cli(&["lookml", "--out", "looker"]).ok();
    world.sync_setting("purchase_order_lines", "enabled: false");
    world
        .cli(&["lookml", "--out", "looker"])
        .ok()
        .says(&[
            "looker/views/purchase_order_lines.view.lkml was generated before and is no longer part of the project",
        ])
        .never_says("mine");
    let after = files(&out);
    assert_eq!(after[Path::new("views/mine.view.lkml")], "view: mine {}\n");
    assert!(after.contains_key(Path::new("views/purchase_order_lines.view.lkml")));
    assert!(!after[Path::new("jde_looker.model.lkml")].contains("purchase_order_lines"));
}

#[test]
fn a_wrong_name_is_refused_before_anything_is_written() {
    let world = World::new();
    world
        .cli(&["lookml", "--out", "looker", "--model", "My Model"])
        .exits(2)
        .says(&["`My Model` cannot name a model", "next: use lower-case letters"]);
    world.cli(&["lookml", "--out", "looker", "--integration", "other"]).exits(2).says(&["there is no integration"]);
    assert!(!world.dir().join("looker").exists());
}

#[test]
fn the_warehouse_understands_every_field_and_no_join_multiplies_rows() {
    understood(&World::new());
    if let Some(warehouse) = postgres("the SQL of LookML in PostgreSQL") {
        understood(&World::into_warehouse(warehouse));
    }
}

fn understood(world: &World) {
    // A column of the tenant's own, whose name SQL keeps for itself.
    world.sync_setting("ap_invoices", "columns: {order: {from: RMK, type: text}}");
    world.cli(&["run"]).ok();
    world.cli(&["lookml", "--out", "looker", "--model", "erp"]).ok();
    let written = files(&world.dir().join("looker"));
    let views: BTreeMap<String, Block> = streams()
        .iter()
        .map(|stream| {
            let root = parse(&written[Path::new(&format!("views/{}.view.lkml", stream.name))]);
            (stream.name.clone(), root.blocks.into_iter().next().unwrap())
        })
        .collect();
    assert_eq!(views["ap_invoices"].block("order").unwrap().parameter("sql"), "${TABLE}.\"order\"");
    // One record is marked deleted on each side of a join.
    for (name, view) in &views {
        let table = view.parameter("sql_table_name");
        let is_true = if matches!(world.warehouse, Warehouse::Sqlite(_)) { "1" } else { "true" };
        world.warehouse.execute(&format!(
            "UPDATE {table} SET _is_deleted = {is_true} WHERE _source_id = (SELECT MIN(_source_id) FROM {table})"
        ));
        let aliases = BTreeMap::from([(name.as_str(), name.as_str())]);
        let is_measure = |field: &str| view.block(field).is_some_and(|block| block.kind == "measure");
        let (measures, dimensions): (Vec<_>, Vec<_>) =
            fields(view).into_iter().partition(|(field, _)| is_measure(field));
        for of_kind in [measures, dimensions] {
            let selected =
                of_kind.iter().map(|(field, sql)| format!("{} AS f_{field}", filled(sql, name, &views, &aliases)));
            let selected: Vec<_> = selected.collect();
            let counted: Vec<_> = of_kind.iter().map(|(field, _)| format!("COUNT(f_{field})")).collect();
            let (selected, counted) = (selected.join(", "), counted.join(" + "));
            let query = format!("SELECT {counted} FROM (SELECT {selected} FROM {table} AS {name}) AS fields");
            assert!(number(&world.warehouse, &query) > 0, "{query}");
        }
    }
    let model = parse(&written[Path::new("erp.model.lkml")]);
    for explore in model.blocks.iter().filter(|block| block.kind == "explore") {
        explored(world, explore, &views);
    }
    let datagroup = model.block("erp_loads").unwrap();
    assert_eq!(
        number(&world.warehouse, &format!("SELECT COUNT(*) FROM ({}) AS t", datagroup.parameter("sql_trigger"))),
        1
    );
}

/// An explore with all of its joins shows each record exactly once, but for the one that is marked deleted.
fn explored(world: &World, explore: &Block, views: &BTreeMap<String, Block>) {
    let base = explore.name.as_str();
    let mut aliases = BTreeMap::from([(base, base)]);
    let joins: Vec<_> = explore.blocks.iter().collect();
    aliases.extend(joins.iter().map(|join| (join.name.as_str(), join.find("from").unwrap_or(&join.name))));
    let mut sql = format!("SELECT COUNT(*) FROM {} AS {base}", views[base].parameter("sql_table_name"));
    for join in joins {
        assert_eq!(join.parameter("relationship"), "many_to_one");
        let table = views[aliases[join.name.as_str()]].parameter("sql_table_name");
        let on = filled(join.parameter("sql_on"), base, views, &aliases);
        sql.push_str(&format!(" LEFT JOIN {table} AS {} ON {on}", join.name));
    }
    let condition = filled(explore.parameter("sql_always_where"), base, views, &aliases);
    let shown = number(&world.warehouse, &format!("{sql} WHERE {condition}"));
    let all = number(&world.warehouse, &format!("SELECT COUNT(*) FROM {}", views[base].parameter("sql_table_name")));
    assert_eq!(shown, all - 1, "{base}: {sql}");
}

/// A block of LookML as this program writes it: one parameter a line.
#[derive(Debug, Default)]
struct Block {
    kind: String,
    name: String,
    parameters: Vec<(String, String)>,
    blocks: Vec<Block>,
}

impl Block {
    fn find(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    fn parameter(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("{} {} has no {name}", self.kind, self.name))
    }

    fn block(&self, name: &str) -> Option<&Block> {
        self.blocks.iter().find(|block| block.name == name)
    }
}

fn parse(text: &str) -> Block {
    let mut open = vec![Block::default()];
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line == "}" {
            let block = open.pop().unwrap();
            open.last_mut().unwrap().blocks.push(block);
            continue;
        }
        let (name, value) = line.split_once(':').unwrap();
        match value.strip_suffix('{') {
            Some(head) => {
                open.push(Block { kind: name.to_owned(), name: head.trim().to_owned(), ..Block::default() });
            }
            None => {
                let value = value.trim().trim_end_matches(";;").trim().to_owned();
                open.last_mut().unwrap().parameters.push((name.to_owned(), value));
            }
        }
    }
    assert_eq!(open.len(), 1, "every block is closed");
    open.pop().unwrap()
}

/// The SQL of every field of a view, by its name.
fn fields(view: &Block) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for field in &view.blocks {
        match field.kind.as_str() {
            "dimension_group" => {
                let timeframes = field.parameter("timeframes").trim_matches(['[', ']']).split(", ");
                fields.extend(timeframes.map(|t| (format!("{}_{t}", field.name), field.parameter("sql").to_owned())));
            }
            "dimension" => {
                let sql = field.find("sql").map_or_else(|| case(&field.blocks[0]), str::to_owned);
                fields.insert(field.name.clone(), sql);
            }
            "measure" => {
                let sql = match field.parameter("type") {
                    "count" => "COUNT(*)".to_owned(),
                    "sum" => format!("SUM({})", field.parameter("sql")),
                    "date_time" => field.parameter("sql").to_owned(),
                    other => panic!("a measure of type {other}"),
                };
                fields.insert(field.name.clone(), sql);
            }
            "set" => {}
            other => panic!("{other} in a view"),
        }
    }
    fields
}

fn case(block: &Block) -> String {
    let text = |block: &Block, name: &str| block.parameter(name).trim_matches('"').to_owned();
    let whens: String = block
        .blocks
        .iter()
        .map(|when| format!(" WHEN {} THEN '{}'", when.parameter("sql"), text(when, "label")))
        .collect();
    format!("CASE{whens} ELSE '{}' END", text(block, "else"))
}

/// SQL with everything in `${…}` replaced as Looker does it.
fn filled(sql: &str, alias: &str, views: &BTreeMap<String, Block>, aliases: &BTreeMap<&str, &str>) -> String {
    let mut filled = String::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap();
        filled.push_str(before);
        let (of, field) = name.split_once('.').unwrap_or((alias, name));
        if field == "TABLE" {
            filled.push_str(of);
        } else {
            let fields = fields(&views[aliases[of]]);
            let sql = fields.get(field).unwrap_or_else(|| panic!("{of} has no field {field}"));
            filled.push_str(&format!("({})", self::filled(sql, of, views, aliases)));
        }
        rest = after;
    }
    filled + rest
}

/// The one number that a query gives.
fn number(warehouse: &Warehouse, sql: &str) -> i64 {
    match warehouse {
        Warehouse::Sqlite(path) => {
            let file = rusqlite::Connection::open(path).unwrap();
            file.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|e| panic!("{sql}: {e}"))
        }
        Warehouse::Postgres(postgres) => {
            postgres.query(sql)[0].values().next().unwrap().parse().unwrap_or_else(|e| panic!("{sql}: {e}"))
        }
        #[cfg(feature = "databricks")]
        Warehouse::Databricks(lakehouse) => lakehouse.sql(sql)[0][0].parse().unwrap_or_else(|e| panic!("{sql}: {e}")),
    }
}
