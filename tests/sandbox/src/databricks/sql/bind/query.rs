//! Queries: WITH, set operations, VALUES, ORDER BY and LIMIT around them.

use sqlparser::ast::{Expr, LimitClause, Query, SetExpr, SetOperator, SetQuantifier, Values};

use super::cast::{Cast, common};
use super::{Binder, Bound, Named, OutColumn, Relation, Scope, Typed, Visible};
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::error::{Result, SqlError};

impl Binder<'_> {
    pub(in super::super) fn query(&mut self, query: &Query, parent: Option<&Scope<'_>>) -> Result<Bound> {
        if !query.pipe_operators.is_empty() || query.fetch.is_some() || query.for_clause.is_some() {
            return Err(SqlError::syntax("a part of a query that the sandbox does not know"));
        }
        let known = self.named.len();
        let written = self.with(query, parent)?;
        let bound = self.body(query, parent);
        self.named.truncate(known);
        let bound = bound?;
        if written.is_empty() {
            return Ok(bound);
        }
        Ok(Bound { sql: format!("WITH {} {}", written.join(", "), bound.sql), columns: bound.columns })
    }

    fn with(&mut self, query: &Query, parent: Option<&Scope<'_>>) -> Result<Vec<String>> {
        let mut written = Vec::new();
        let Some(with) = &query.with else {
            return Ok(written);
        };
        if with.recursive {
            return Err(SqlError::syntax("'RECURSIVE'"));
        }
        for table in &with.cte_tables {
            let mut bound = self.query(&table.query, parent)?;
            let names = table.alias.columns.iter().map(|column| column.name.value.clone()).collect::<Vec<_>>();
            renamed(&mut bound.columns, &names)?;
            let sql = self.alias();
            let columns: Vec<String> = (0..bound.columns.len()).map(|at| format!("c{at}")).collect();
            written.push(format!("{sql}({}) AS ({})", columns.join(", "), bound.sql));
            self.named.push(Named { name: table.alias.name.value.clone(), sql, columns: bound.columns });
        }
        Ok(written)
    }

    fn body(&mut self, query: &Query, parent: Option<&Scope<'_>>) -> Result<Bound> {
        if let SetExpr::Select(select) = &*query.body {
            let mut bound = self.select(select, query.order_by.as_ref(), parent)?;
            bound.sql.push_str(&self.limit(query)?);
            return Ok(bound);
        }
        let mut bound = self.set(&query.body, parent)?;
        if query.order_by.is_some() {
            let alias = self.alias();
            let columns = bound.columns.iter().enumerate();
            let columns =
                columns.map(|(at, column)| Visible::new(&column.name, format!("{alias}.c{at}"), column.ty.clone()));
            let relation = Relation { path: Vec::new(), columns: columns.collect() };
            let scope = Scope { relations: vec![relation], parent, items: Vec::new() };
            let order = self.order(query.order_by.as_ref(), &bound.columns, &scope)?;
            bound.sql = format!("SELECT * FROM ({}) AS {alias} ORDER BY {}", bound.sql, order.join(", "));
        }
        bound.sql.push_str(&self.limit(query)?);
        Ok(bound)
    }

    fn limit(&mut self, query: &Query) -> Result<String> {
        let Some(clause) = &query.limit_clause else {
            return Ok(String::new());
        };
        let (limit, offset) = match clause {
            LimitClause::LimitOffset { limit, offset, limit_by } if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            _ => return Err(SqlError::syntax("'LIMIT'")),
        };
        let limit = match limit {
            Some(limit) => self.whole_constant(limit)?,
            None => "-1".into(),
        };
        let offset = offset.map(|offset| self.whole_constant(offset)).transpose()?;
        Ok(format!(" LIMIT {limit}{}", offset.map(|offset| format!(" OFFSET {offset}")).unwrap_or_default()))
    }

    fn whole_constant(&mut self, expr: &Expr) -> Result<String> {
        let value = self.apart(|binder| binder.expr(expr, &Scope::default()))?;
        if !value.ty.is_whole() {
            let message = format!(
                "The limit like expression \"{expr}\" is invalid: it must be an integer, not \"{}\".",
                value.ty
            );
            return Err(SqlError::new("INVALID_LIMIT_LIKE_EXPRESSION.DATA_TYPE", "42K0E", message));
        }
        Ok(value.sql)
    }

    fn set(&mut self, body: &SetExpr, parent: Option<&Scope<'_>>) -> Result<Bound> {
        match body {
            SetExpr::Select(select) => self.select(select, None, parent),
            SetExpr::Query(query) => self.query(query, parent),
            SetExpr::Values(values) => self.values(values, parent),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let (left, right) = (self.set(left, parent)?, self.set(right, parent)?);
                self.combined(left, *op, *set_quantifier, right)
            }
            other => Err(SqlError::syntax(format!("'{other}'"))),
        }
    }

    fn combined(&mut self, left: Bound, op: SetOperator, quantifier: SetQuantifier, right: Bound) -> Result<Bound> {
        let word = match (op, quantifier) {
            (SetOperator::Union, SetQuantifier::All) => "UNION ALL",
            (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => "UNION",
            (SetOperator::Except | SetOperator::Minus, SetQuantifier::None | SetQuantifier::Distinct) => "EXCEPT",
            (SetOperator::Intersect, SetQuantifier::None | SetQuantifier::Distinct) => "INTERSECT",
            (op, quantifier) => return Err(SqlError::syntax(format!("'{op} {quantifier}'"))),
        };
        if left.columns.len() != right.columns.len() {
            let message = format!(
                "{op} can only be performed on inputs with the same number of columns, but the first input has {} columns and \
                 the second input has {} columns.",
                left.columns.len(),
                right.columns.len()
            );
            return Err(SqlError::new("NUM_COLUMNS_MISMATCH", "42826", message));
        }
        let mut columns = Vec::new();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for (at, (a, b)) in left.columns.iter().zip(&right.columns).enumerate() {
            let ty = common(&a.ty, &b.ty).ok_or_else(|| {
                let message = format!(
                    "{op} can only be performed on tables with compatible column types. The {} column of the second table is \
                     \"{}\" type which is not compatible with \"{}\" at the same column of the first table.",
                    at + 1,
                    b.ty,
                    a.ty
                );
                SqlError::new("INCOMPATIBLE_COLUMN_TYPE", "42825", message)
            })?;
            let side = |ty: &Type| Typed::new(format!("c{at}"), ty.clone());
            first.push(format!("{} AS c{at}", self.cast(side(&a.ty), &ty, Cast::Strict)?.sql));
            second.push(format!("{} AS c{at}", self.cast(side(&b.ty), &ty, Cast::Strict)?.sql));
            columns.push(OutColumn { name: a.name.clone(), ty });
        }
        let sql = format!(
            "SELECT {} FROM ({}) {word} SELECT {} FROM ({})",
            first.join(", "),
            left.sql,
            second.join(", "),
            right.sql
        );
        Ok(Bound { sql, columns })
    }

    pub(super) fn values(&mut self, values: &Values, parent: Option<&Scope<'_>>) -> Result<Bound> {
        let scope = Scope::within(parent);
        let width = values.rows.first().map_or(0, |row| row.len());
        let mut columns: Vec<Vec<Typed>> = vec![Vec::new(); width];
        for row in &values.rows {
            if row.len() != width {
                let message = "Incompatible number of columns in the rows of VALUES.";
                return Err(SqlError::new("INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", "42000", message));
            }
            for (cell, column) in row.iter().zip(&mut columns) {
                column.push(self.expr(cell, &scope)?);
            }
        }
        let mut types = Vec::new();
        let mut rows: Vec<Vec<String>> = vec![Vec::new(); values.rows.len()];
        for (at, column) in columns.into_iter().enumerate() {
            let (cells, ty) = self.unified(column, "VALUES")?;
            for (cell, row) in cells.into_iter().zip(&mut rows) {
                row.push(cell.sql);
            }
            types.push(OutColumn { name: format!("col{}", at + 1), ty });
        }
        let rows: Vec<String> = rows.into_iter().map(|row| format!("({})", row.join(", "))).collect();
        let names: Vec<String> = (0..width).map(|at| format!("column{} AS c{at}", at + 1)).collect();
        Ok(Bound { sql: format!("SELECT {} FROM (VALUES {})", names.join(", "), rows.join(", ")), columns: types })
    }
}

/// Gives columns the names of an alias list, which has to have as many.
pub(super) fn renamed(columns: &mut [OutColumn], names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    if names.len() != columns.len() {
        let message = format!(
            "Number of column aliases does not match number of columns. Number of column aliases: {}; number of columns: {}.",
            names.len(),
            columns.len()
        );
        return Err(SqlError::new("ASSIGNMENT_ARITY_MISMATCH", "42802", message));
    }
    for (column, name) in columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    Ok(())
}
