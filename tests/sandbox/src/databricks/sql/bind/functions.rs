//! Calls of functions: which kind each is.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowType,
};

use super::aggregates::is_aggregate;
use super::select::ordered;
use super::{Binder, Scope, Typed};
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::error::{Result, SqlError};

/// The arguments as they stand.
pub(super) fn arguments(function: &Function) -> Result<&[FunctionArg]> {
    match &function.args {
        FunctionArguments::None => Ok(&[]),
        FunctionArguments::List(list) => Ok(&list.args),
        FunctionArguments::Subquery(_) => Err(SqlError::syntax(format!("'{function}'"))),
    }
}

/// Functions that exist only over a window.
const RANKING: [&str; 9] =
    ["row_number", "rank", "dense_rank", "percent_rank", "ntile", "lag", "lead", "first_value", "last_value"];

impl Binder<'_> {
    pub(super) fn function(&mut self, function: &Function, scope: &Scope<'_>) -> Result<Typed> {
        let name = function.name.to_string().replace('`', "").to_lowercase();
        let ranking = RANKING.contains(&name.as_str());
        if let Some(window) = &function.over {
            return self.windowed(&name, function, window, scope);
        }
        if is_aggregate(&name) {
            return self.aggregate(&name, function, scope);
        }
        if ranking {
            let message = format!("Missing window specification for `{name}`.");
            return Err(SqlError::new("MISSING_WINDOW_SPECIFICATION", "42P20", message));
        }
        let args = arguments(function)?.iter().map(|arg| self.argument(arg, scope)).collect::<Result<Vec<_>>>()?;
        self.scalar(&name, args, function)
    }

    pub(super) fn argument(&mut self, arg: &FunctionArg, scope: &Scope<'_>) -> Result<Typed> {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(expr, scope),
            other => Err(SqlError::syntax(format!("'{other}'"))),
        }
    }

    /// Whether there is an aggregate in it that is not over a window.
    pub(super) fn aggregates(&self, expr: &Expr) -> bool {
        let mut stack = vec![expr];
        while let Some(expr) = stack.pop() {
            if let Expr::Function(function) = expr {
                let name = function.name.to_string().to_lowercase();
                if function.over.is_none() && is_aggregate(&name) {
                    return true;
                }
            }
            stack.extend(children(expr));
        }
        false
    }

    fn windowed(&mut self, name: &str, function: &Function, window: &WindowType, scope: &Scope<'_>) -> Result<Typed> {
        let WindowType::WindowSpec(spec) = window else {
            return Err(SqlError::syntax(format!("'{function}'")));
        };
        let (call, ty) = self.window_call(name, function, scope)?;
        let mut over = Vec::new();
        if !spec.partition_by.is_empty() {
            let keys =
                spec.partition_by.iter().map(|key| Ok(self.expr(key, scope)?.sql)).collect::<Result<Vec<_>>>()?;
            over.push(format!("PARTITION BY {}", keys.join(", ")));
        }
        if !spec.order_by.is_empty() {
            let keys = spec
                .order_by
                .iter()
                .map(|key| Ok(ordered(&self.expr(&key.expr, scope)?, key)))
                .collect::<Result<Vec<_>>>()?;
            over.push(format!("ORDER BY {}", keys.join(", ")));
        } else if RANKING.contains(&name) {
            let message =
                format!("Window function {name}() requires window to be ordered, please add ORDER BY clause.");
            return Err(SqlError::new("_LEGACY_ERROR_TEMP_1037", "42601", message));
        }
        if let Some(frame) = &spec.window_frame {
            over.push(framed(frame)?);
        }
        Ok(Typed::new(format!("{call} OVER ({})", over.join(" ")), ty))
    }

    /// The call in front of OVER, and the type of its result.
    fn window_call(&mut self, name: &str, function: &Function, scope: &Scope<'_>) -> Result<(String, Type)> {
        if matches!(name, "count" | "sum" | "min" | "max" | "avg") {
            let value = self.aggregate(name, function, scope)?;
            if value.sql.starts_with("decimal_avg(") {
                return Err(SqlError::syntax("'avg' of decimals over a window, which the sandbox does not know"));
            }
            return Ok((value.sql, value.ty));
        }
        let args = arguments(function)?.iter().map(|arg| self.argument(arg, scope)).collect::<Result<Vec<_>>>()?;
        let written: Vec<String> = args.iter().map(|arg| arg.sql.clone()).collect();
        let call = format!("{name}({})", written.join(", "));
        match (name, args.first()) {
            ("row_number" | "rank" | "dense_rank", None) => Ok((call, Type::Int)),
            ("ntile", Some(_)) => Ok((call, Type::Int)),
            ("percent_rank", None) => Ok((call, Type::Double)),
            ("lag" | "lead" | "first_value" | "last_value", Some(value)) => Ok((call, value.ty.clone())),
            _ => Err(SqlError::syntax(format!("'{function}'"))),
        }
    }
}

/// The expressions right below one.
fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Nested(one) | Expr::UnaryOp { expr: one, .. } | Expr::Cast { expr: one, .. } => vec![one],
        Expr::IsNull(one) | Expr::IsNotNull(one) | Expr::IsTrue(one) | Expr::IsFalse(one) => vec![one],
        Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::IsDistinctFrom(a, b) | Expr::IsNotDistinctFrom(a, b) => vec![a, b],
        Expr::Between { expr, low, high, .. } => vec![expr, low, high],
        Expr::InList { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
        Expr::Case { operand, conditions, else_result, .. } => {
            let inner = conditions.iter().flat_map(|when| [&when.condition, &when.result]);
            operand.as_deref().into_iter().chain(else_result.as_deref()).chain(inner).collect()
        }
        Expr::Function(function) => arguments(function)
            .unwrap_or_default()
            .iter()
            .filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            })
            .collect(),
        Expr::Struct { values, .. } => values.iter().collect(),
        Expr::Named { expr, .. } => vec![expr],
        Expr::Floor { expr, .. } | Expr::Ceil { expr, .. } | Expr::Extract { expr, .. } => vec![expr],
        Expr::Substring { expr, .. } | Expr::Trim { expr, .. } => vec![expr],
        Expr::CompoundFieldAccess { root, .. } => vec![root],
        _ => Vec::new(),
    }
}

/// Whether the arguments are marked DISTINCT.
pub(super) fn is_distinct(function: &Function) -> bool {
    match &function.args {
        FunctionArguments::List(list) => list.duplicate_treatment == Some(DuplicateTreatment::Distinct),
        _ => false,
    }
}

fn framed(frame: &WindowFrame) -> Result<String> {
    let units = match frame.units {
        WindowFrameUnits::Rows => "ROWS",
        WindowFrameUnits::Range => "RANGE",
        WindowFrameUnits::Groups => return Err(SqlError::syntax("'GROUPS'")),
    };
    let bound = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => Ok("CURRENT ROW".to_owned()),
        WindowFrameBound::Preceding(None) => Ok("UNBOUNDED PRECEDING".to_owned()),
        WindowFrameBound::Following(None) => Ok("UNBOUNDED FOLLOWING".to_owned()),
        other => {
            let text = other.to_string();
            if text.split(' ').next().is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
                return Ok(text);
            }
            Err(SqlError::syntax(format!("'{text}'")))
        }
    };
    let start = bound(&frame.start_bound)?;
    match &frame.end_bound {
        Some(end) => Ok(format!("{units} BETWEEN {start} AND {}", bound(end)?)),
        None => Ok(format!("{units} {start}")),
    }
}
