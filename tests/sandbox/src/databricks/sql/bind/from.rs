//! FROM: tables, views, queries and functions, and how they are joined.

use sqlparser::ast::{
    Expr, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Select, TableAlias, TableFactor, TableWithJoins,
};

use super::query::renamed;
use super::{Binder, OutColumn, Relation, Scope, Visible};
use crate::databricks::catalog::{Kind, Privilege};
use crate::databricks::sql::error::{Result, SqlError};

/// What has been written of a FROM.
#[derive(Default)]
pub(in super::super) struct From {
    /// With `FROM` in front, or nothing.
    pub(super) sql: String,
    /// What semi and anti joins leave for WHERE.
    pub(super) conditions: Vec<String>,
    pub(super) grouped: bool,
}

impl From {
    pub(super) fn join(&mut self, how: &str, what: &str, on: Option<&str>) {
        if self.sql.is_empty() {
            self.sql = format!(" FROM {what}");
            return;
        }
        self.sql.push_str(&format!(" {how} {what}"));
        if let Some(on) = on {
            self.sql.push_str(&format!(" ON {on}"));
        }
    }
}

/// A relation and how it stands in the written SQL.
pub(in super::super) struct Source {
    pub(in super::super) sql: String,
    pub(in super::super) relation: Relation,
}

/// The parts of a name.
pub(in super::super) fn parts(name: &ObjectName) -> Result<Vec<String>> {
    let part = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Ok(ident.value.clone()),
        ObjectNamePart::Function(function) => Err(SqlError::syntax(format!("'{function}'"))),
    };
    name.0.iter().map(part).collect()
}

impl Binder<'_> {
    pub(super) fn from(&mut self, select: &Select, scope: &mut Scope<'_>) -> Result<From> {
        let mut from = From::default();
        for tables in &select.from {
            self.joined(tables, &mut from, scope)?;
        }
        for view in &select.lateral_views {
            self.lateral_view(view, &mut from, scope)?;
        }
        Ok(from)
    }

    fn joined(&mut self, tables: &TableWithJoins, from: &mut From, scope: &mut Scope<'_>) -> Result<()> {
        let first = self.factor(&tables.relation, scope)?;
        from.join("CROSS JOIN", &first.sql, None);
        scope.relations.push(first.relation);
        for join in &tables.joins {
            let next = self.factor(&join.relation, scope)?;
            self.join(&join.join_operator, next, from, scope)?;
        }
        Ok(())
    }

    fn join(&mut self, operator: &JoinOperator, next: Source, from: &mut From, scope: &mut Scope<'_>) -> Result<()> {
        use JoinOperator as Op;
        let (how, constraint) = match operator {
            Op::Join(constraint) | Op::Inner(constraint) => ("JOIN", constraint),
            Op::Left(constraint) | Op::LeftOuter(constraint) => ("LEFT JOIN", constraint),
            Op::Right(constraint) | Op::RightOuter(constraint) => ("RIGHT JOIN", constraint),
            Op::FullOuter(constraint) => ("FULL JOIN", constraint),
            Op::CrossJoin(constraint) => ("CROSS JOIN", constraint),
            Op::LeftSemi(constraint) | Op::Semi(constraint) => {
                return self.exists("EXISTS", constraint, next, from, scope);
            }
            Op::LeftAnti(constraint) | Op::Anti(constraint) => {
                return self.exists("NOT EXISTS", constraint, next, from, scope);
            }
            _ => return Err(SqlError::syntax("a join that the sandbox does not know")),
        };
        let outer = how == "FULL JOIN" || how == "RIGHT JOIN";
        scope.relations.push(next.relation);
        let on = self.constraint(constraint, outer, scope)?;
        from.join(how, &next.sql, on.as_deref());
        Ok(())
    }

    /// A semi or anti join keeps only columns of the left side.
    fn exists(
        &mut self,
        word: &str,
        constraint: &JoinConstraint,
        next: Source,
        from: &mut From,
        scope: &mut Scope<'_>,
    ) -> Result<()> {
        scope.relations.push(next.relation);
        let on = self.constraint(constraint, false, scope)?;
        scope.relations.pop();
        let on = on.map(|on| format!(" WHERE {on}")).unwrap_or_default();
        from.conditions.push(format!("{word} (SELECT 1 FROM {}{on})", next.sql));
        Ok(())
    }

    fn constraint(
        &mut self,
        constraint: &JoinConstraint,
        outer: bool,
        scope: &mut Scope<'_>,
    ) -> Result<Option<String>> {
        match constraint {
            JoinConstraint::None => Ok(None),
            JoinConstraint::On(condition) => {
                let value = self.expr(condition, scope)?;
                self.condition(value, condition).map(Some)
            }
            JoinConstraint::Using(names) if !outer => {
                let mut equal = Vec::new();
                for name in names {
                    equal.push(self.using(&parts(name)?, scope)?);
                }
                Ok(Some(equal.join(" AND ")))
            }
            _ => Err(SqlError::syntax("a join that the sandbox does not know")),
        }
    }

    fn using(&mut self, name: &[String], scope: &mut Scope<'_>) -> Result<String> {
        let Some(mut last) = scope.relations.pop() else {
            return Err(SqlError::syntax("'USING'"));
        };
        let left = scope.find(name)?.typed;
        let known: Vec<String> = last.columns.iter().map(|column| column.name.clone()).collect();
        let column =
            name.last().and_then(|name| last.columns.iter_mut().find(|one| one.name.eq_ignore_ascii_case(name)));
        let column = column.ok_or_else(|| SqlError::column_not_found(&format!("`{}`", name.join("`.`")), &known))?;
        column.qualified_only = true;
        let right = super::Typed::new(column.sql.clone(), column.ty.clone());
        scope.relations.push(last);
        Ok(self.compared(left, "=", right)?.sql)
    }

    /// One relation.
    pub(in super::super) fn factor(&mut self, factor: &TableFactor, scope: &Scope<'_>) -> Result<Source> {
        match factor {
            TableFactor::Table { name, alias, args: None, version: None, sample: None, .. } => {
                self.named_table(name, alias.as_ref())
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                self.table_function(&parts(name)?.join("."), &args.args, alias.as_ref(), scope)
            }
            TableFactor::Function { name, args, alias, .. } => {
                self.table_function(&parts(name)?.join("."), args, alias.as_ref(), scope)
            }
            TableFactor::TableFunction { expr: Expr::Function(function), alias } => {
                let args = super::functions::arguments(function)?;
                self.table_function(&parts(&function.name)?.join("."), args, alias.as_ref(), scope)
            }
            TableFactor::Derived { subquery, alias, lateral, .. } => {
                let outer = if *lateral { Some(scope) } else { scope.parent };
                let bound = self.apart(|binder| binder.query(subquery, outer))?;
                self.derived(&bound.sql, bound.columns, alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } if table_with_joins.joins.is_empty() => {
                self.factor(&table_with_joins.relation, scope)
            }
            other => Err(SqlError::syntax(format!("'{other}'"))),
        }
    }

    fn derived(&mut self, sql: &str, columns: Vec<OutColumn>, alias: Option<&TableAlias>) -> Result<Source> {
        let own = self.alias();
        self.source(format!("({sql}) AS {own}"), &own, columns, alias, Vec::new())
    }

    /// A source whose columns are `own.c0`, `own.c1`, ….
    pub(super) fn source(
        &mut self,
        sql: String,
        own: &str,
        mut columns: Vec<OutColumn>,
        alias: Option<&TableAlias>,
        path: Vec<String>,
    ) -> Result<Source> {
        if let Some(alias) = alias {
            let names: Vec<String> = alias.columns.iter().map(|column| column.name.value.clone()).collect();
            renamed(&mut columns, &names)?;
        }
        let path = alias.map_or(path, |alias| vec![alias.name.value.clone()]);
        let columns = columns.into_iter().enumerate();
        let columns =
            columns.map(|(at, column)| Visible::new(&column.name, format!("{own}.c{at}"), column.ty)).collect();
        Ok(Source { sql, relation: Relation { path, columns } })
    }

    fn named_table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<Source> {
        let parts = parts(name)?;
        if let [only] = parts.as_slice()
            && let Some(table) = self.named.iter().rev().find(|table| table.name.eq_ignore_ascii_case(only)).cloned()
        {
            let own = self.alias();
            return self.source(format!("{} AS {own}", table.sql), &own, table.columns, alias, vec![only.clone()]);
        }
        let full = self.name(&parts)?;
        if full.schema.eq_ignore_ascii_case("information_schema") {
            return self.information_table(&full, alias);
        }
        let table = self.table(&full, Privilege::Select)?;
        let path = vec![full.catalog.clone(), full.schema.clone(), full.own.clone()];
        if let Kind::View(query) = &table.kind {
            let query = crate::databricks::sql::tokens::query(query)?;
            let named = std::mem::take(&mut self.named);
            let bound = self.apart(|binder| binder.query(&query, None));
            self.named = named;
            let bound = bound?;
            let own = self.alias();
            let columns = bound.columns.into_iter().zip(&table.columns);
            let columns = columns.map(|(bound, shown)| OutColumn { name: shown.name.clone(), ty: bound.ty }).collect();
            return self.source(format!("({}) AS {own}", bound.sql), &own, columns, alias, path);
        }
        let own = self.alias();
        let columns = table.columns.iter();
        let columns =
            columns.map(|column| Visible::new(&column.name, format!("{own}.c{}", column.id), column.ty.clone()));
        let mut relation = Relation { path, columns: columns.collect() };
        if let Some(alias) = alias {
            relation.path = vec![alias.name.value.clone()];
        }
        Ok(Source { sql: format!("{} AS {own}", table.storage()), relation })
    }
}
