//! Functions that make rows: explode, inline, and the table functions.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, LateralView, TableAlias};

use super::from::{From, Source};
use super::functions::arguments;
use super::scope::member;
use super::{Binder, OutColumn, Relation, Scope, Typed, Visible};
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::error::{Result, SqlError};

/// The rows that one value makes: how they are joined, and their columns.
struct Generated {
    sql: String,
    outer: bool,
    columns: Vec<(String, Typed)>,
}

impl Binder<'_> {
    /// An item of the select list that makes rows: its columns. Nothing for an ordinary expression.
    pub(super) fn generator(
        &mut self,
        expr: &Expr,
        names: &[String],
        from: &mut From,
        scope: &mut Scope<'_>,
    ) -> Result<Option<Vec<(String, Typed)>>> {
        let Expr::Function(function) = expr else {
            return Ok(None);
        };
        let name = function.name.to_string().to_lowercase();
        if !is_generator(&name) {
            return Ok(None);
        }
        if from.grouped {
            let message = "The generator is not supported in a grouped query.";
            return Err(SqlError::new("UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS", "42K0E", message));
        }
        let generated = self.generated(&name, arguments(function)?, names, scope)?;
        from.join(if generated.outer { "LEFT JOIN" } else { "JOIN" }, &generated.sql, Some("1"));
        Ok(Some(generated.columns))
    }

    pub(super) fn lateral_view(&mut self, view: &LateralView, from: &mut From, scope: &mut Scope<'_>) -> Result<()> {
        let Expr::Function(function) = &view.lateral_view else {
            return Err(SqlError::syntax(format!("'{}'", view.lateral_view)));
        };
        let name = function.name.to_string().to_lowercase();
        let names: Vec<String> = view.lateral_col_alias.iter().map(|name| name.value.clone()).collect();
        let generated = self.generated(&name, arguments(function)?, &names, scope)?;
        let how = if view.outer || generated.outer { "LEFT JOIN" } else { "JOIN" };
        from.join(how, &generated.sql, Some("1"));
        let columns = generated.columns.into_iter().map(|(name, value)| Visible::new(&name, value.sql, value.ty));
        let path = super::from::parts(&view.lateral_view_name)?;
        scope.relations.push(Relation { path, columns: columns.collect() });
        Ok(())
    }

    fn generated(
        &mut self,
        name: &str,
        args: &[FunctionArg],
        names: &[String],
        scope: &Scope<'_>,
    ) -> Result<Generated> {
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = args else {
            return Err(SqlError::syntax(format!("'{name}', which takes one argument")));
        };
        let value = self.expr(argument, scope)?;
        let own = self.alias();
        let (sql, outer) = (format!("json_each({}) AS {own}", value.sql), name.ends_with("_outer"));
        let kind = name.strip_suffix("_outer").unwrap_or(name);
        let named = |at: usize, plain: &str| names.get(at).cloned().unwrap_or_else(|| plain.into());
        let cell = |ty: &Type| Typed::new(format!("{own}.value"), ty.clone());
        let columns = match (kind, &value.ty) {
            ("explode", Type::Array(item)) => vec![(named(0, "col"), cell(item))],
            ("explode", Type::Map(_, of)) => {
                vec![(named(0, "key"), Typed::new(format!("{own}.key"), Type::String)), (named(1, "value"), cell(of))]
            }
            ("posexplode", Type::Array(item)) => {
                vec![(named(0, "pos"), Typed::new(format!("{own}.key"), Type::Int)), (named(1, "col"), cell(item))]
            }
            ("inline", Type::Array(item)) => match &**item {
                Type::Struct(fields) => {
                    let row = cell(item);
                    let columns = fields.iter().enumerate().map(|(at, field)| {
                        let value = member(row.clone(), std::slice::from_ref(&field.name))?;
                        Ok((named(at, &field.name), value))
                    });
                    columns.collect::<Result<_>>()?
                }
                other => {
                    return Err(SqlError::mismatch(
                        kind,
                        format!("an array of structs is required, not of \"{other}\""),
                    ));
                }
            },
            (_, other) => return Err(SqlError::mismatch(kind, format!("an array is required, not \"{other}\""))),
        };
        Ok(Generated { sql, outer, columns })
    }

    /// A function in FROM.
    pub(super) fn table_function(
        &mut self,
        name: &str,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
        scope: &Scope<'_>,
    ) -> Result<Source> {
        let lower = name.to_lowercase();
        match lower.as_str() {
            "read_files" => self.read_files(args, alias),
            "table_changes" => self.table_changes(args, alias),
            "describe_history" => self.history(args, alias),
            _ if is_generator(&lower) => {
                let names: Vec<String> = alias
                    .map(|alias| alias.columns.iter().map(|column| column.name.value.clone()).collect())
                    .unwrap_or_default();
                let generated = self.generated(&lower, args, &names, scope)?;
                let columns =
                    generated.columns.into_iter().map(|(name, value)| Visible::new(&name, value.sql, value.ty));
                let path = alias.map(|alias| vec![alias.name.value.clone()]).unwrap_or_default();
                Ok(Source { sql: generated.sql, relation: Relation { path, columns: columns.collect() } })
            }
            "range" => {
                let ends = args.iter().map(|arg| self.argument(arg, scope)).collect::<Result<Vec<_>>>()?;
                let (from, to) = match ends.as_slice() {
                    [to] => ("0".to_owned(), to.sql.clone()),
                    [from, to] => (from.sql.clone(), to.sql.clone()),
                    _ => return Err(SqlError::syntax("'range'")),
                };
                let own = self.alias();
                let sql = format!(
                    "(WITH RECURSIVE n(c0) AS (SELECT {from} WHERE {from} < {to} UNION ALL SELECT c0 + 1 FROM n WHERE c0 + 1 < {to}) \
                     SELECT c0 FROM n) AS {own}"
                );
                self.source(sql, &own, vec![OutColumn { name: "id".into(), ty: Type::Long }], alias, Vec::new())
            }
            _ => {
                let message = format!("Could not resolve `{name}` to a table-valued function.");
                Err(SqlError::new("UNRESOLVABLE_TABLE_VALUED_FUNCTION", "42883", message))
            }
        }
    }
}

fn is_generator(name: &str) -> bool {
    matches!(name, "explode" | "explode_outer" | "posexplode" | "inline" | "inline_outer")
}
