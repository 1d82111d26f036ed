//! MERGE.
//!
//! Invariant: which clause takes which row is decided for all rows before any row is changed.

use sqlparser::ast::{Expr, Merge, MergeAction, MergeClause, MergeClauseKind, MergeInsertKind, MergeUpdateKind};

use super::{Target, assigned, assignments, count, execute};
use crate::databricks::catalog::Column;
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::bind::{Binder, Relation, Scope, Typed, Visible};
use crate::databricks::sql::error::{Result, SqlError};
use crate::databricks::sql::run::{Outcome, Output};

/// The temporary tables of one MERGE.
struct Work {
    /// The rows of the source; the storage calls them `s`.
    source: String,
    /// Which row of the target meets which of the source, and the number of the clause that takes them.
    matched: String,
    /// Rows of the source that meet none, with their clause.
    new: String,
    /// Rows of the target that meet none, with their clause.
    left: String,
    rows: u64,
}

#[derive(Default)]
struct Counts {
    updated: u64,
    deleted: u64,
    inserted: u64,
}

pub(super) fn run(binder: &mut Binder<'_>, merge: &Merge, evolves: bool) -> Outcome {
    if merge.output.is_some() {
        return Err(SqlError::syntax("'OUTPUT'"));
    }
    let mut target = Target::of_factor(binder, &merge.table)?;
    check_order(&merge.clauses)?;
    target.begin(binder, false)?;
    let (source, rows, relation) = source(binder, merge)?;
    if evolves {
        evolve(binder, &mut target, merge, &relation)?;
    }
    let both = Scope { relations: vec![target.relation(), relation.clone()], ..Scope::default() };
    let only_source = Scope { relations: vec![relation.clone()], ..Scope::default() };
    let only_target = Scope { relations: vec![target.relation()], ..Scope::default() };
    let work = decide(binder, &target, merge, source, rows, [&both, &only_source, &only_target])?;
    refuse_twice(binder, merge, &work)?;
    let mut counts = Counts::default();
    let mut order: Vec<(usize, &MergeClause)> = merge.clauses.iter().enumerate().collect();
    // What is deleted or updated was decided upon before; rows are added last, so that none of them is touched.
    order.sort_by_key(|(_, clause)| matches!(clause.action, MergeAction::Insert(_)));
    for (at, clause) in order {
        let scope = match kind(clause) {
            Kind::Matched => &both,
            Kind::New => &only_source,
            Kind::Left => &only_target,
        };
        apply(binder, &target, &work, (at + 1, clause), &relation, scope, evolves, &mut counts)
            .map_err(|error| target.worded(error))?;
    }
    finish(binder, &target, merge, &work, &counts)
}

fn finish(binder: &mut Binder<'_>, target: &Target, merge: &Merge, work: &Work, counts: &Counts) -> Outcome {
    let affected = counts.updated + counts.deleted + counts.inserted;
    if affected > 0 {
        let metrics = [
            ("numSourceRows", work.rows),
            ("numTargetRowsInserted", counts.inserted),
            ("numTargetRowsUpdated", counts.updated),
            ("numTargetRowsDeleted", counts.deleted),
            ("numOutputRows", counts.inserted + counts.updated),
        ];
        target.commit(binder, "MERGE", vec![("predicate".into(), merge.on.to_string())], &metrics, false)?;
    }
    Ok(Output::counts(&[
        ("num_affected_rows", affected),
        ("num_updated_rows", counts.updated),
        ("num_deleted_rows", counts.deleted),
        ("num_inserted_rows", counts.inserted),
    ]))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Matched,
    New,
    Left,
}

fn kind(clause: &MergeClause) -> Kind {
    match clause.clause_kind {
        MergeClauseKind::Matched => Kind::Matched,
        MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => Kind::New,
        MergeClauseKind::NotMatchedBySource => Kind::Left,
    }
}

/// Only the last clause of a kind may be without a condition, and each kind knows its actions.
fn check_order(clauses: &[MergeClause]) -> Result<()> {
    for (wanted, class) in [
        (Kind::Matched, "NON_LAST_MATCHED_CLAUSE_OMIT_CONDITION"),
        (Kind::New, "NON_LAST_NOT_MATCHED_BY_TARGET_CLAUSE_OMIT_CONDITION"),
        (Kind::Left, "NON_LAST_NOT_MATCHED_BY_SOURCE_CLAUSE_OMIT_CONDITION"),
    ] {
        let own: Vec<&MergeClause> = clauses.iter().filter(|clause| kind(clause) == wanted).collect();
        if own.iter().rev().skip(1).any(|clause| clause.predicate.is_none()) {
            let message = "When there are more than one clauses of a kind in a MERGE statement, only the last can omit the condition.";
            return Err(SqlError::new(class, "42613", message));
        }
        let inserts = own.iter().any(|clause| matches!(clause.action, MergeAction::Insert(_)) != (wanted == Kind::New));
        if inserts {
            return Err(SqlError::syntax("'THEN': this action does not fit its WHEN clause"));
        }
    }
    Ok(())
}

/// The rows of the source in a table of their own.
fn source(binder: &mut Binder<'_>, merge: &Merge) -> Result<(String, u64, Relation)> {
    let bound = binder.factor(&merge.source, &Scope::default())?;
    let columns: Vec<&Visible> = bound.relation.columns.iter().filter(|column| !column.hidden).collect();
    let types: Vec<Type> = columns.iter().map(|column| column.ty.clone()).collect();
    let table = binder.storage.make_temporary(&types)?;
    let cells: Vec<String> = columns.iter().map(|column| column.sql.clone()).collect();
    let rows = execute(binder, &format!("INSERT INTO {table} SELECT {} FROM {}", cells.join(", "), bound.sql))?;
    let visible = columns
        .iter()
        .enumerate()
        .map(|(at, column)| Visible::new(&column.name, format!("s.c{at}"), column.ty.clone()));
    Ok((table, rows, Relation { path: bound.relation.path.clone(), columns: visible.collect() }))
}

/// Columns that only the source has are added, if a clause takes all columns.
fn evolve(binder: &mut Binder<'_>, target: &mut Target, merge: &Merge, source: &Relation) -> Result<()> {
    let takes_all = merge.clauses.iter().any(|clause| match &clause.action {
        MergeAction::Update(update) => matches!(update.kind, MergeUpdateKind::Wildcard),
        MergeAction::Insert(insert) => matches!(insert.kind, MergeInsertKind::Wildcard),
        _ => false,
    });
    if !takes_all {
        return Ok(());
    }
    for column in &source.columns {
        if target.table.column(&column.name).is_some() {
            continue;
        }
        let mut catalog = binder.world.catalog();
        let id = catalog.number();
        let (name, ty) = (column.name.clone(), column.ty.clone());
        let added = Column { id, name, ty, nullable: true, comment: None, default: None };
        let table = catalog.table_mut(&target.name)?;
        table.columns.push(added.clone());
        target.table = table.clone();
        drop(catalog);
        binder.storage.add_column(&target.table, &added)?;
    }
    Ok(())
}

/// The number of the first clause of a kind whose condition holds, 0 for none.
fn chosen(binder: &mut Binder<'_>, merge: &Merge, wanted: Kind, scope: &Scope<'_>) -> Result<String> {
    let mut sql = String::from("CASE");
    let mut any = false;
    for (at, clause) in merge.clauses.iter().enumerate().filter(|(_, clause)| kind(clause) == wanted) {
        any = true;
        let condition = match &clause.predicate {
            Some(predicate) => {
                let value = binder.expr(predicate, scope)?;
                binder.condition(value, predicate)?
            }
            None => "1".into(),
        };
        sql.push_str(&format!(" WHEN {condition} THEN {}", at + 1));
    }
    Ok(if any { format!("{sql} ELSE 0 END") } else { "0".into() })
}

fn decide(
    binder: &mut Binder<'_>,
    target: &Target,
    merge: &Merge,
    source: String,
    rows: u64,
    [both, only_source, only_target]: [&Scope<'_>; 3],
) -> Result<Work> {
    let on = binder.expr(&merge.on, both)?;
    let on = binder.condition(on, &merge.on)?;
    let storage = target.table.storage();
    let whole = [Type::Long, Type::Long, Type::Long];
    let matched = binder.storage.make_temporary(&whole)?;
    let act = chosen(binder, merge, Kind::Matched, both)?;
    execute(
        binder,
        &format!("INSERT INTO {matched} SELECT t.rowid, s.rowid, {act} FROM {source} AS s JOIN {storage} AS t ON {on}"),
    )?;
    let new = binder.storage.make_temporary(&[Type::Long, Type::Long])?;
    let act = chosen(binder, merge, Kind::New, only_source)?;
    if act != "0" {
        let others = format!("s.rowid NOT IN (SELECT c1 FROM {matched})");
        execute(binder, &format!("INSERT INTO {new} SELECT s.rowid, {act} FROM {source} AS s WHERE {others}"))?;
    }
    let left = binder.storage.make_temporary(&[Type::Long, Type::Long])?;
    let act = chosen(binder, merge, Kind::Left, only_target)?;
    if act != "0" {
        let others = format!("t.rowid NOT IN (SELECT c0 FROM {matched})");
        execute(binder, &format!("INSERT INTO {left} SELECT t.rowid, {act} FROM {storage} AS t WHERE {others}"))?;
    }
    Ok(Work { source, matched, new, left, rows })
}

/// A row of the target that two rows of the source would change is an error, unless both would just delete it.
fn refuse_twice(binder: &Binder<'_>, merge: &Merge, work: &Work) -> Result<()> {
    let mut matched = merge.clauses.iter().filter(|clause| kind(clause) == Kind::Matched);
    let only_deletes = matches!(
        (matched.next(), matched.next()),
        (Some(MergeClause { predicate: None, action: MergeAction::Delete { .. }, .. }), None)
    );
    let twice = format!("SELECT count(c0) - count(DISTINCT c0) FROM {} WHERE c2 > 0", work.matched);
    if only_deletes || count(binder, &twice)? == 0 {
        return Ok(());
    }
    let message = "Cannot perform Merge as multiple source rows matched and attempted to modify the same target row in the Delta \
        table in possibly conflicting ways. By SQL semantics of Merge, when multiple source rows match on the same target row, \
        the result may be ambiguous as it is unclear which source row should be used to update or delete the matching target \
        row. You can preprocess the source table to eliminate the possibility of multiple matches.";
    Err(SqlError::new("DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE", "21506", message))
}

#[expect(clippy::too_many_arguments, reason = "the parts of one clause, each of another origin")]
fn apply(
    binder: &mut Binder<'_>,
    target: &Target,
    work: &Work,
    (number, clause): (usize, &MergeClause),
    source: &Relation,
    scope: &Scope<'_>,
    evolves: bool,
    counts: &mut Counts,
) -> Result<()> {
    let storage = target.table.storage();
    let left = kind(clause) == Kind::Left;
    // Rows of the target, each with its clause: those that were met, or those that were not.
    let (rows, act) = if left { (&work.left, "c1") } else { (&work.matched, "c2") };
    match &clause.action {
        MergeAction::Delete { .. } => {
            let sql = format!("DELETE FROM {storage} WHERE rowid IN (SELECT c0 FROM {rows} WHERE {act} = {number})");
            counts.deleted += execute(binder, &sql)?;
        }
        MergeAction::Update(update) => {
            if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                return Err(SqlError::syntax("'WHERE'"));
            }
            let sets = match &update.kind {
                MergeUpdateKind::Set(list) => {
                    let mut sets = Vec::new();
                    for (column, value) in assignments(target, list)? {
                        sets.push((column.id, assigned(binder, target, &column, value, scope, "write")?));
                    }
                    sets
                }
                MergeUpdateKind::Wildcard => all_columns(binder, target, source, evolves, "UPDATE")?,
            };
            let sets: Vec<String> = sets.into_iter().map(|(id, value)| format!("c{id} = {value}")).collect();
            let others =
                if left { String::new() } else { format!(" CROSS JOIN {} AS s ON s.rowid = m.c1", work.source) };
            let sql = format!(
                "UPDATE {storage} AS t SET {} FROM {rows} AS m{others} WHERE t.rowid = m.c0 AND m.{act} = {number}",
                sets.join(", ")
            );
            counts.updated += execute(binder, &sql)?;
        }
        MergeAction::Insert(insert) => {
            if insert.insert_predicate.is_some() {
                return Err(SqlError::syntax("'WHERE'"));
            }
            let cells = match &insert.kind {
                MergeInsertKind::Wildcard => all_columns(binder, target, source, evolves, "INSERT")?,
                MergeInsertKind::Values(values) => match values.rows.as_slice() {
                    [row] => listed(binder, target, &insert.columns, row, scope)?,
                    _ => return Err(SqlError::syntax("'VALUES' of several rows")),
                },
                MergeInsertKind::Row => return Err(SqlError::syntax("'ROW'")),
            };
            let (names, cells): (Vec<String>, Vec<String>) =
                cells.into_iter().map(|(id, value)| (format!("c{id}"), value)).unzip();
            let sql = format!(
                "INSERT INTO {storage} ({}) SELECT {} FROM {} AS n CROSS JOIN {} AS s ON s.rowid = n.c0 WHERE n.c1 = {number}",
                names.join(", "),
                cells.join(", "),
                work.new,
                work.source
            );
            counts.inserted += execute(binder, &sql)?;
        }
        MergeAction::DoNothing { .. } => return Err(SqlError::syntax("'DO NOTHING'")),
    }
    Ok(())
}

/// `INSERT (a, b) VALUES (…)`.
fn listed(
    binder: &mut Binder<'_>,
    target: &Target,
    names: &[sqlparser::ast::ObjectName],
    row: &[Expr],
    scope: &Scope<'_>,
) -> Result<Vec<(u64, String)>> {
    if names.len() != row.len() {
        let message = format!("The INSERT clause names {} columns and has {} values.", names.len(), row.len());
        return Err(SqlError::new("DELTA_INSERT_COLUMN_ARITY_MISMATCH", "42802", message));
    }
    let mut cells: Vec<(u64, String)> = Vec::new();
    for (name, value) in names.iter().zip(row) {
        let parts = crate::databricks::sql::bind::parts(name)?;
        let column = target.column(parts.last().map_or("", String::as_str))?.clone();
        cells.push((column.id, assigned(binder, target, &column, value, scope, "write")?));
    }
    let unnamed = target.table.columns.iter().filter(|column| column.default.is_some());
    for column in unnamed.cloned().collect::<Vec<_>>() {
        if !cells.iter().any(|(id, _)| *id == column.id) {
            cells.push((column.id, target.default(binder, &column, "write")?));
        }
    }
    Ok(cells)
}

/// `*`: each column of the target from the source's column of the same name.
fn all_columns(
    binder: &Binder<'_>,
    target: &Target,
    source: &Relation,
    evolves: bool,
    clause: &str,
) -> Result<Vec<(u64, String)>> {
    let mut cells = Vec::new();
    for column in &target.table.columns {
        let found = source.columns.iter().find(|one| one.name.eq_ignore_ascii_case(&column.name));
        match found {
            Some(found) => {
                let value = Typed::new(found.sql.clone(), found.ty.clone());
                cells.push((column.id, binder.store(value, &column.ty, &column.name, "write")?));
            }
            None if evolves => {}
            None => {
                let known: Vec<String> = source.columns.iter().map(|one| one.name.clone()).collect();
                let message =
                    format!("Cannot resolve {} in {clause} clause given columns {}.", column.name, known.join(", "));
                return Err(SqlError::new("DELTA_MERGE_UNRESOLVED_EXPRESSION", "42601", message));
            }
        }
    }
    Ok(cells)
}
