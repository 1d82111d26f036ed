//! Aggregates.

use sqlparser::ast::{Function, FunctionArg, FunctionArgExpr};

use super::cast::Cast;
use super::functions::{arguments, is_distinct};
use super::operators::adjusted;
use super::{Binder, Scope, Typed};
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::error::{Result, SqlError};

pub(super) fn is_aggregate(name: &str) -> bool {
    matches!(
        name,
        "count"
            | "count_if"
            | "sum"
            | "avg"
            | "mean"
            | "min"
            | "max"
            | "any_value"
            | "first"
            | "last"
            | "bool_or"
            | "some"
            | "any"
            | "bool_and"
            | "every"
            | "collect_list"
            | "array_agg"
            | "collect_set"
            | "max_by"
            | "min_by"
            | "string_agg"
            | "listagg"
            | "approx_count_distinct"
            | "bit_xor"
    )
}

impl Binder<'_> {
    pub(super) fn aggregate(&mut self, name: &str, function: &Function, scope: &Scope<'_>) -> Result<Typed> {
        if self.in_aggregate {
            let message =
                "It is not allowed to use an aggregate function in the argument of another aggregate function.";
            return Err(SqlError::new("NESTED_AGGREGATE_FUNCTION", "42607", message));
        }
        // Over a window, the arguments are what the groups give.
        self.in_aggregate = function.over.is_none() || self.grouping.is_none();
        let bound = self.aggregate_call(name, function, scope);
        self.in_aggregate = false;
        bound
    }

    fn aggregate_call(&mut self, name: &str, function: &Function, scope: &Scope<'_>) -> Result<Typed> {
        let args = arguments(function)?;
        let filter = match &function.filter {
            Some(condition) => {
                let value = self.expr(condition, scope)?;
                format!(" FILTER (WHERE {})", self.condition(value, condition)?)
            }
            None => String::new(),
        };
        if let ("count", [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]) = (name, args) {
            return Ok(Typed::new(format!("count(*){filter}"), Type::Long));
        }
        let args = args.iter().map(|arg| self.argument(arg, scope)).collect::<Result<Vec<_>>>()?;
        let distinct = if is_distinct(function) { "DISTINCT " } else { "" };
        let mut called = self.called(name, args, distinct, function)?;
        called.sql.push_str(&filter);
        Ok(called)
    }

    fn called(&mut self, name: &str, args: Vec<Typed>, distinct: &str, function: &Function) -> Result<Typed> {
        let shown = || SqlError::syntax(format!("'{function}'"));
        let mut args = args.into_iter();
        let value = args.next().ok_or_else(shown)?;
        let second = args.next();
        let (sql, ty) = (value.sql.clone(), value.ty.clone());
        let simple = |name: &str, ty: Type| Ok(Typed::new(format!("{name}({distinct}{sql})"), ty));
        match (name, second) {
            ("count", None) => simple("count", Type::Long),
            ("count", Some(second)) if !distinct.is_empty() => {
                // Rows of several columns are counted as one text; a row with a null is not counted.
                let rest = std::iter::once(second).chain(args).map(|arg| arg.sql).collect::<Vec<_>>();
                let all: Vec<String> = std::iter::once(sql).chain(rest).map(|sql| format!("quote({sql})")).collect();
                Ok(Typed::new(format!("count(DISTINCT {})", all.join(" || ',' || ")), Type::Long))
            }
            ("approx_count_distinct", None) => Ok(Typed::new(format!("count(DISTINCT {sql})"), Type::Long)),
            ("count_if", None) => Ok(Typed::new(format!("count(CASE WHEN {sql} THEN 1 END)"), Type::Long)),
            ("sum", None) => self.sum(value, distinct),
            ("avg" | "mean", None) => self.average(value, distinct),
            ("min" | "max", None) if ty.is_nested() => Err(shown()),
            ("min" | "max", None) if matches!(ty, Type::Decimal(..)) => {
                Ok(Typed::new(format!("{name}({sql} COLLATE DECIMALS)"), ty))
            }
            ("min" | "max", None) => simple(name, ty),
            ("any_value" | "first" | "last", _) => Ok(Typed::new(format!("max({sql})"), ty)),
            ("bool_or" | "some" | "any", None) => Ok(Typed::new(format!("max({sql})"), Type::Boolean)),
            ("bool_and" | "every", None) => Ok(Typed::new(format!("min({sql})"), Type::Boolean)),
            ("collect_list" | "array_agg", None) => {
                Ok(Typed::new(format!("collect_json({distinct}{sql})"), Type::Array(Box::new(ty))))
            }
            ("collect_set", None) => Ok(Typed::new(format!("collect_json_set({sql})"), Type::Array(Box::new(ty)))),
            ("max_by", Some(by)) => Ok(Typed::new(format!("best_by({sql}, {}, 1)", by.sql), ty)),
            ("min_by", Some(by)) => Ok(Typed::new(format!("best_by({sql}, {}, -1)", by.sql), ty)),
            ("bit_xor", None) if ty.is_whole() => Ok(Typed::new(format!("bits_xor({sql})"), ty)),
            ("string_agg" | "listagg", separator) => {
                let separator = separator.map_or_else(|| "''".into(), |separator| separator.sql);
                let text = self.cast(value, &Type::String, Cast::Strict)?.sql;
                Ok(Typed::new(format!("group_concat({text}, {separator})"), Type::String))
            }
            _ => Err(shown()),
        }
    }

    fn sum(&mut self, value: Typed, distinct: &str) -> Result<Typed> {
        match value.ty {
            Type::Decimal(precision, scale) => {
                let precision = precision.saturating_add(10).min(38);
                let sql = format!("decimal_sum({distinct}{}, {precision}, {scale})", value.sql);
                if !distinct.is_empty() {
                    return Err(SqlError::syntax("'sum(DISTINCT …)' of decimals, which the sandbox does not know"));
                }
                Ok(Typed::new(sql, Type::Decimal(precision, scale)))
            }
            ref ty if ty.is_whole() => Ok(Typed::new(format!("sum({distinct}{})", value.sql), Type::Long)),
            _ => {
                let value = self.cast(value, &Type::Double, Cast::Strict)?;
                Ok(Typed::new(format!("sum({distinct}{})", value.sql), Type::Double))
            }
        }
    }

    fn average(&mut self, value: Typed, distinct: &str) -> Result<Typed> {
        match value.ty {
            Type::Decimal(precision, scale) if distinct.is_empty() => {
                let (precision, scale) = adjusted(u32::from(precision) + 4, u32::from(scale) + 4);
                let sql = format!("decimal_avg({}, {precision}, {scale})", value.sql);
                Ok(Typed::new(sql, Type::Decimal(precision, scale)))
            }
            _ => {
                let value = self.cast(value, &Type::Double, Cast::Strict)?;
                Ok(Typed::new(format!("avg({distinct}{})", value.sql), Type::Double))
            }
        }
    }
}
