//! Expressions.

use sqlparser::ast::{AccessExpr, CastKind, Expr, Ident, Subscript, Value as Literal};

use super::cast::{Cast, common};
use super::scope::member;
use super::{Binder, Scope, Typed, quoted};
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::decimal::Decimal;
use crate::databricks::sql::error::{Result, SqlError};
use crate::databricks::sql::moment;

/// The deepest nesting of expressions and queries.
const DEEPEST: u32 = 2000;

impl Binder<'_> {
    pub(in super::super) fn expr(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Typed> {
        if let Some(key) = self.group_key(expr) {
            return Ok(key);
        }
        self.depth += 1;
        let bound = if self.depth > DEEPEST {
            Err(SqlError::syntax("an expression that is too deep"))
        } else {
            self.inner(expr, scope)
        };
        self.depth -= 1;
        bound
    }

    /// An expression of the select list that is written just as one of GROUP BY is that one.
    fn group_key(&self, expr: &Expr) -> Option<Typed> {
        if self.in_aggregate || matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_)) {
            return None;
        }
        let keys = self.grouping.as_ref()?;
        let text = expr.to_string().to_lowercase();
        let at = self.grouping_texts.iter().position(|known| *known == text)?;
        keys.get(at).cloned()
    }

    fn inner(&mut self, expr: &Expr, scope: &Scope<'_>) -> Result<Typed> {
        match expr {
            Expr::Identifier(name) => self.column(std::slice::from_ref(name), scope),
            Expr::CompoundIdentifier(names) => self.column(names, scope),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, scope),
            Expr::Value(value) => self.literal(&value.value),
            Expr::TypedString(typed) => {
                let text = typed.value.value.clone().into_string().unwrap_or_default();
                let ty = Type::parse(&typed.data_type.to_string())?;
                self.cast(Typed::new(quoted(&text), Type::String), &ty, Cast::Strict)
                    .and_then(|value| constant(value, &text))
            }
            Expr::Nested(inner) => self.expr(inner, scope),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, scope),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr, scope),
            Expr::Cast { kind, expr, data_type, .. } => {
                let how = if *kind == CastKind::TryCast { Cast::Try } else { Cast::Strict };
                let value = self.expr(expr, scope)?;
                self.cast(value, &Type::parse(&data_type.to_string())?, how)
            }
            Expr::IsNull(inner) => Ok(truth(format!("({} IS NULL)", self.expr(inner, scope)?.sql))),
            Expr::IsNotNull(inner) => Ok(truth(format!("({} IS NOT NULL)", self.expr(inner, scope)?.sql))),
            Expr::IsTrue(inner) => self.is(inner, "IS 1", scope),
            Expr::IsNotTrue(inner) => self.is(inner, "IS NOT 1", scope),
            Expr::IsFalse(inner) => self.is(inner, "IS 0", scope),
            Expr::IsNotFalse(inner) => self.is(inner, "IS NOT 0", scope),
            Expr::IsDistinctFrom(a, b) => {
                let (a, b) = (self.expr(a, scope)?, self.expr(b, scope)?);
                Ok(truth(format!("(NOT {})", self.compared(a, "IS", b)?.sql)))
            }
            Expr::IsNotDistinctFrom(a, b) => {
                let (a, b) = (self.expr(a, scope)?, self.expr(b, scope)?);
                self.compared(a, "IS", b)
            }
            Expr::Between { expr, negated, low, high } => {
                let value = self.expr(expr, scope)?;
                let (low, high) = (self.expr(low, scope)?, self.expr(high, scope)?);
                let from = self.compared(value.clone(), ">=", low)?;
                let to = self.compared(value, "<=", high)?;
                Ok(truth(format!("({}({} AND {}))", not(*negated), from.sql, to.sql)))
            }
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated, scope),
            Expr::InSubquery { expr, subquery, negated } => self.in_subquery(expr, subquery, *negated, scope),
            Expr::Exists { subquery, negated } => {
                let query = self.apart(|binder| binder.query(subquery, Some(scope)))?;
                Ok(truth(format!("({}EXISTS ({}))", not(*negated), query.sql)))
            }
            Expr::Subquery(subquery) => {
                let query = self.apart(|binder| binder.query(subquery, Some(scope)))?;
                let [column] = query.columns.as_slice() else {
                    let message = "Scalar subquery must return only one column.";
                    return Err(SqlError::new("INVALID_SUBQUERY_EXPRESSION", "42823", message));
                };
                Ok(Typed::new(format!("({})", query.sql), column.ty.clone()))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(*negated, expr, pattern, escape_char.as_deref(), false, scope)
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like(*negated, expr, pattern, escape_char.as_deref(), true, scope)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope)
            }
            Expr::Function(function) => self.function(function, scope),
            Expr::Struct { values, .. } => self.structure(values, scope),
            other => self.special(other, scope),
        }
    }

    /// A subquery sees the columns around it, not the grouping.
    pub(super) fn apart<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let grouping = self.grouping.take();
        let texts = std::mem::take(&mut self.grouping_texts);
        let in_aggregate = std::mem::replace(&mut self.in_aggregate, false);
        let done = work(self);
        (self.grouping, self.grouping_texts, self.in_aggregate) = (grouping, texts, in_aggregate);
        done
    }

    fn is(&mut self, inner: &Expr, how: &str, scope: &Scope<'_>) -> Result<Typed> {
        let value = self.expr(inner, scope)?;
        let condition = self.condition(value, inner)?;
        Ok(truth(format!("({condition} {how})")))
    }

    fn column(&mut self, names: &[Ident], scope: &Scope<'_>) -> Result<Typed> {
        let parts: Vec<String> = names.iter().map(|name| name.value.clone()).collect();
        let unresolved = match scope.find(&parts) {
            Ok(found) => {
                let grouped = |keys: &Vec<Typed>| {
                    keys.iter()
                        .any(|key| found.typed.sql == key.sql || found.typed.sql.contains(&format!("({}, ", key.sql)))
                };
                if found.own && !self.in_aggregate && !self.grouping.as_ref().is_none_or(grouped) {
                    let message = format!(
                        "The non-aggregating expression \"{}\" is based on columns which are not participating in the GROUP \
                         BY clause. Add the columns or the expression to the GROUP BY, aggregate the expression, or use \
                         \"any_value({})\" if you do not care which of the values within a group is returned.",
                        parts.join("."),
                        parts.join(".")
                    );
                    return Err(SqlError::new("MISSING_AGGREGATION", "42803", message));
                }
                return Ok(found.typed);
            }
            Err(error) => error,
        };
        // Functions that may be written without parentheses.
        match names {
            [name] if name.quote_style.is_none() => self.bare(&name.value).ok_or(unresolved),
            _ => Err(unresolved),
        }
    }

    fn access(&mut self, root: &Expr, chain: &[AccessExpr], scope: &Scope<'_>) -> Result<Typed> {
        // `a.b[0].c` comes as a root `a` with the rest behind it: the leading names are looked up together.
        let mut names: Vec<Ident> = match root {
            Expr::Identifier(name) => vec![name.clone()],
            Expr::CompoundIdentifier(names) => names.clone(),
            _ => Vec::new(),
        };
        let mut rest = chain;
        while let ([AccessExpr::Dot(Expr::Identifier(name)), more @ ..], false) = (rest, names.is_empty()) {
            names.push(name.clone());
            rest = more;
        }
        let mut value = if names.is_empty() { self.expr(root, scope)? } else { self.column(&names, scope)? };
        for step in rest {
            value = match step {
                AccessExpr::Dot(Expr::Identifier(name)) => member(value, std::slice::from_ref(&name.value))?,
                AccessExpr::Subscript(Subscript::Index { index }) => self.subscript(value, index, scope)?,
                other => return Err(SqlError::syntax(format!("'{other}'"))),
            };
        }
        Ok(value)
    }

    fn subscript(&mut self, value: Typed, index: &Expr, scope: &Scope<'_>) -> Result<Typed> {
        let index = self.expr(index, scope)?;
        match &value.ty {
            Type::Array(item) => {
                let item = (**item).clone();
                Ok(Typed::new(format!("array_at({}, {})", value.sql, index.sql), item))
            }
            Type::Map(_, of) => {
                let of = (**of).clone();
                Ok(Typed::new(format!("json_extract({}, '$.\"' || {} || '\"')", value.sql, index.sql), of))
            }
            other => Err(SqlError::mismatch("…[…]", format!("an ARRAY or a MAP is required, not \"{other}\""))),
        }
    }

    fn literal(&mut self, literal: &Literal) -> Result<Typed> {
        match literal {
            Literal::Null => Ok(Typed::new("NULL", Type::Null)),
            Literal::Boolean(bit) => Ok(Typed::new(if *bit { "1" } else { "0" }, Type::Boolean)),
            Literal::SingleQuotedString(text)
            | Literal::DoubleQuotedString(text)
            | Literal::SingleQuotedRawStringLiteral(text)
            | Literal::DoubleQuotedRawStringLiteral(text) => Ok(Typed::new(quoted(text), Type::String)),
            Literal::HexStringLiteral(digits) => Ok(Typed::new(format!("x'{digits}'"), Type::Binary)),
            Literal::Placeholder(name) if name.starts_with(':') => self.marker(name),
            Literal::Placeholder(name) => {
                Err(SqlError::syntax(format!("'{name}': only named parameter markers are known")))
            }
            Literal::Number(digits, long) => number(digits, *long),
            other => Err(SqlError::syntax(format!("'{other}'"))),
        }
    }

    fn in_list(&mut self, value: &Expr, list: &[Expr], negated: bool, scope: &Scope<'_>) -> Result<Typed> {
        if let Expr::Tuple(columns) = value {
            let mut ways = Vec::new();
            for row in list {
                let Expr::Tuple(row) = row else { return Err(SqlError::syntax("'IN' with rows of different length")) };
                let equal = columns.iter().zip(row).map(|(column, cell)| {
                    let (column, cell) = (self.expr(column, scope)?, self.expr(cell, scope)?);
                    Ok(self.compared(column, "=", cell)?.sql)
                });
                ways.push(format!("({})", equal.collect::<Result<Vec<_>>>()?.join(" AND ")));
            }
            return Ok(truth(format!("({}({}))", not(negated), ways.join(" OR "))));
        }
        let value = self.expr(value, scope)?;
        let items: Vec<Typed> = list.iter().map(|item| self.expr(item, scope)).collect::<Result<_>>()?;
        let mut all = vec![value];
        all.extend(items);
        let (all, ty) = self.unified(all, "IN")?;
        let mut all = all.into_iter().map(|value| value.sql);
        let first = all.next().unwrap_or_default();
        let collation = if matches!(ty, Type::Decimal(..)) { " COLLATE DECIMALS" } else { "" };
        let items: Vec<String> = all.collect();
        Ok(truth(format!("({first}{collation} {}IN ({}))", not(negated), items.join(", "))))
    }

    fn in_subquery(
        &mut self,
        value: &Expr,
        query: &sqlparser::ast::Query,
        negated: bool,
        scope: &Scope<'_>,
    ) -> Result<Typed> {
        let query = self.apart(|binder| binder.query(query, Some(scope)))?;
        let values = match value {
            Expr::Tuple(items) => items.iter().map(|item| self.expr(item, scope)).collect::<Result<Vec<_>>>()?,
            one => vec![self.expr(one, scope)?],
        };
        if values.len() != query.columns.len() {
            let message =
                "The number of columns in the left hand side of an IN subquery does not match the right hand side.";
            return Err(SqlError::new("IN_SUBQUERY_DATA_TYPE_MISMATCH", "42K09", message));
        }
        let mut left = Vec::new();
        let mut right = Vec::new();
        for (at, (value, column)) in values.into_iter().zip(&query.columns).enumerate() {
            let ty = common(&value.ty, &column.ty).ok_or_else(|| SqlError::mismatch("IN", "the types differ"))?;
            left.push(self.cast(value, &ty, Cast::Strict)?.sql);
            right.push(self.cast(Typed::new(format!("c{at}"), column.ty.clone()), &ty, Cast::Strict)?.sql);
        }
        let sql = format!("SELECT {} FROM ({})", right.join(", "), query.sql);
        Ok(truth(format!("(({}) {}IN ({sql}))", left.join(", "), not(negated))))
    }

    fn like(
        &mut self,
        negated: bool,
        value: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        folded: bool,
        scope: &Scope<'_>,
    ) -> Result<Typed> {
        let mut sides = Vec::new();
        for side in [value, pattern] {
            let side = self.expr(side, scope)?;
            let side = self.cast(side, &Type::String, Cast::Strict)?.sql;
            sides.push(if folded { format!("text_lower({side})") } else { side });
        }
        let escape = match escape {
            Some(escape) => self.expr(escape, scope)?.sql,
            None => quoted("\\"),
        };
        Ok(truth(format!("({}text_like({}, {escape}))", not(negated), sides.join(", "))))
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[sqlparser::ast::CaseWhen],
        otherwise: Option<&Expr>,
        scope: &Scope<'_>,
    ) -> Result<Typed> {
        let mut whens = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            let condition = match operand {
                Some(operand) => {
                    let (a, b) = (self.expr(operand, scope)?, self.expr(&when.condition, scope)?);
                    self.compared(a, "=", b)?.sql
                }
                None => {
                    let condition = self.expr(&when.condition, scope)?;
                    self.condition(condition, &when.condition)?
                }
            };
            whens.push(condition);
            results.push(self.expr(&when.result, scope)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expr(otherwise, scope)?);
        }
        let (results, ty) = self.unified(results, "CASE")?;
        let mut sql = String::from("CASE");
        for (condition, result) in whens.iter().zip(&results) {
            sql.push_str(&format!(" WHEN {condition} THEN {}", result.sql));
        }
        if let (Some(_), Some(last)) = (otherwise, results.last()) {
            sql.push_str(&format!(" ELSE {}", last.sql));
        }
        Ok(Typed::new(format!("({sql} END)"), ty))
    }
}

pub(super) fn truth(sql: String) -> Typed {
    Typed::new(sql, Type::Boolean)
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

/// `DATE '…'` and `TIMESTAMP '…'` that are none are refused before anything runs.
fn constant(value: Typed, text: &str) -> Result<Typed> {
    let number = match value.ty {
        Type::Date => moment::parse_date(text),
        Type::Timestamp | Type::TimestampNtz => moment::parse_timestamp(text),
        _ => return Ok(value),
    };
    let number = number.ok_or_else(|| {
        let message = format!("The value of the typed literal \"{}\" is invalid: '{text}'.", value.ty);
        SqlError::new("INVALID_TYPED_LITERAL", "42604", message)
    })?;
    Ok(Typed::new(number.to_string(), value.ty))
}

fn number(digits: &str, long: bool) -> Result<Typed> {
    let lower = digits.to_ascii_lowercase();
    if lower.contains('e') {
        return Ok(Typed::new(digits, Type::Double));
    }
    if let Ok(whole) = digits.parse::<i64>() {
        let ty = if long || i32::try_from(whole).is_err() { Type::Long } else { Type::Int };
        return Ok(Typed::new(whole.to_string(), ty));
    }
    let decimal = Decimal::parse(digits).ok_or_else(|| SqlError::syntax(format!("'{digits}'")))?;
    let written = decimal.to_string();
    let length = written.bytes().filter(u8::is_ascii_digit).count();
    // A zero before the point is no digit of its own.
    let length = if written.starts_with("0.") { length - 1 } else { length };
    let precision = u8::try_from(length).unwrap_or(38).max(decimal.scale).max(1);
    Ok(Typed::new(quoted(&written), Type::Decimal(precision, decimal.scale)))
}
