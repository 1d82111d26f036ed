//! COPY INTO, which remembers the files it has loaded.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use sqlparser::tokenizer::Token;

use super::{Target, execute};
use crate::databricks::catalog::Column;
use crate::databricks::catalog::types::Field;
use crate::databricks::sql::bind::{Binder, Typed};
use crate::databricks::sql::error::{Result, SqlError};
use crate::databricks::sql::files::{self, Format, Input};
use crate::databricks::sql::run::{Outcome, Output};
use crate::databricks::sql::tokens::Tokens;

/// What stands behind `COPY INTO t FROM`.
#[derive(Default)]
struct Options {
    path: String,
    format: Option<Format>,
    files: Vec<String>,
    pattern: Option<String>,
    adds_columns: bool,
    force: bool,
}

/// `COPY INTO`, behind these words.
pub(in super::super) fn copy_into(binder: &mut Binder<'_>, mut tokens: Tokens) -> Outcome {
    let name = tokens.name()?;
    let options = options(&mut tokens)?;
    let parts = name.into_iter().map(|part| ObjectNamePart::Identifier(Ident::new(part))).collect();
    let mut target = Target::open(binder, &ObjectName(parts), None, false)?;
    target.begin(binder, true)?;
    let format = options.format.ok_or_else(|| SqlError::syntax("'COPY INTO' without FILEFORMAT"))?;
    let inputs = inputs(binder, &target, &options)?;
    if inputs.is_empty() {
        return Ok(counts(0));
    }
    let found = files::infer(&inputs, format)?;
    if options.adds_columns {
        add_columns(binder, &mut target, &found)?;
    }
    if let Some(extra) = found.iter().find(|field| target.table.column(&field.name).is_none()) {
        let message = format!(
            "A schema mismatch was detected when copying into the Delta table (Table: {}). This may indicate an issue with the \
             incoming data, or the Delta table schema can be evolved automatically by setting: COPY_OPTIONS ('mergeSchema' = \
             'true'). The table has no column `{}`.",
            target.name.full(),
            extra.name
        );
        return Err(SqlError::new("COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE", "42KDG", message));
    }
    let source = binder.loaded(&inputs, format, found.clone(), None, None)?;
    let (mut names, mut cells) = (Vec::new(), Vec::new());
    for (field, visible) in found.iter().zip(&source.relation.columns) {
        let column = target.column(&field.name)?;
        let value = Typed::new(visible.sql.clone(), visible.ty.clone());
        cells.push(binder.store(value, &column.ty, &column.name, "insert")?);
        names.push(format!("c{}", column.id));
    }
    let sql = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}",
        target.table.storage(),
        names.join(", "),
        cells.join(", "),
        source.sql
    );
    let count = execute(binder, &sql).map_err(|error| target.worded(error))?;
    let metrics = [("numFiles", inputs.len() as u64), ("numOutputRows", count)];
    target.commit(binder, "COPY INTO", vec![("statsOnLoad".into(), "false".into())], &metrics, true)?;
    let mut catalog = binder.world.catalog();
    let table = catalog.table_mut(&target.name)?;
    table.loaded.extend(inputs.into_iter().map(|input| input.path));
    drop(catalog);
    Ok(counts(count))
}

fn counts(count: u64) -> Output {
    Output::counts(&[("num_affected_rows", count), ("num_inserted_rows", count), ("num_skipped_corrupt_files", 0)])
}

fn options(tokens: &mut Tokens) -> Result<Options> {
    tokens.expect(&["FROM"])?;
    let mut options = Options { path: tokens.string()?, ..Options::default() };
    while !tokens.is_done() {
        if tokens.eat(&["FILEFORMAT"]) {
            tokens.expect_mark(&Token::Eq)?;
            options.format = Some(Format::parse(&tokens.identifier()?)?);
        } else if tokens.eat(&["FILES"]) {
            tokens.expect_mark(&Token::Eq)?;
            tokens.expect_mark(&Token::LParen)?;
            options.files.push(tokens.string()?);
            while tokens.eat_mark(&Token::Comma) {
                options.files.push(tokens.string()?);
            }
            tokens.expect_mark(&Token::RParen)?;
        } else if tokens.eat(&["PATTERN"]) {
            tokens.expect_mark(&Token::Eq)?;
            options.pattern = Some(tokens.string()?);
        } else if tokens.eat(&["FORMAT_OPTIONS"]) {
            tokens.pairs()?;
        } else if tokens.eat(&["COPY_OPTIONS"]) {
            for (key, value) in tokens.pairs()? {
                let on = value.eq_ignore_ascii_case("true");
                match key.to_lowercase().as_str() {
                    "mergeschema" => options.adds_columns = on,
                    "force" => options.force = on,
                    _ => return Err(SqlError::syntax(format!("'{key}'"))),
                }
            }
        } else {
            return Err(tokens.unexpected());
        }
    }
    Ok(options)
}

/// The files that are to be loaded: those of the path that were not loaded before.
fn inputs(binder: &Binder<'_>, target: &Target, options: &Options) -> Result<Vec<Input>> {
    let folder = options.path.trim_end_matches('/');
    let mut inputs = Vec::new();
    let paths = match (&options.pattern, options.files.as_slice()) {
        (Some(pattern), _) => vec![format!("{folder}/{pattern}")],
        (None, []) => vec![folder.to_owned()],
        (None, files) => files.iter().map(|file| format!("{folder}/{file}")).collect(),
    };
    for path in paths {
        inputs.extend(files::find(binder.world, binder.session, &path)?);
    }
    inputs.retain(|input| options.force || !target.table.loaded.contains(&input.path));
    Ok(inputs)
}

fn add_columns(binder: &mut Binder<'_>, target: &mut Target, found: &[Field]) -> Result<()> {
    for field in found {
        if target.table.column(&field.name).is_some() {
            continue;
        }
        let mut catalog = binder.world.catalog();
        let id = catalog.number();
        let (name, ty) = (field.name.clone(), field.ty.clone());
        let added = Column { id, name, ty, nullable: true, comment: None, default: None };
        let table = catalog.table_mut(&target.name)?;
        table.columns.push(added.clone());
        target.table = table.clone();
        drop(catalog);
        binder.storage.add_column(&target.table, &added)?;
    }
    Ok(())
}
