//! One SELECT: its items, its grouping, QUALIFY and the order of its rows.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, OrderBy, OrderByExpr, OrderByKind, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Value as Literal, WildcardAdditionalOptions,
};

use super::scope::member;
use super::{Binder, Bound, OutColumn, Scope, Typed};
use crate::databricks::catalog::types::Type;
use crate::databricks::sql::error::{Result, SqlError};

/// An item of the select list.
struct Item {
    name: String,
    value: Typed,
}

impl Binder<'_> {
    pub(super) fn select(
        &mut self,
        select: &Select,
        order: Option<&OrderBy>,
        parent: Option<&Scope<'_>>,
    ) -> Result<Bound> {
        refuse_unknown(select)?;
        self.apart(|binder| binder.select_apart(select, order, parent))
    }

    fn select_apart(&mut self, select: &Select, order: Option<&OrderBy>, parent: Option<&Scope<'_>>) -> Result<Bound> {
        let mut scope = Scope::within(parent);
        let mut from = self.from(select, &mut scope)?;
        let mut conditions = std::mem::take(&mut from.conditions);
        if let Some(condition) = &select.selection {
            let value = self.expr(condition, &scope)?;
            conditions.push(self.condition(value, condition)?);
        }
        let keys = self.group(select, &mut from, &mut scope)?;
        let items = self.items(&select.projection, &mut from, &mut scope)?;
        let columns: Vec<OutColumn> =
            items.iter().map(|item| OutColumn { name: item.name.clone(), ty: item.value.ty.clone() }).collect();
        let having = match &select.having {
            Some(condition) => {
                let value = self.expr(condition, &scope)?;
                Some(self.condition(value, condition)?)
            }
            None => None,
        };
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => "",
            Some(Distinct::Distinct) => "DISTINCT ",
            Some(other) => return Err(SqlError::syntax(format!("'{other}'"))),
        };
        let written: Vec<String> =
            items.iter().enumerate().map(|(at, item)| format!("{} AS c{at}", item.value.sql)).collect();
        let mut tail = from.sql;
        if !conditions.is_empty() {
            tail.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
        }
        if !keys.is_empty() {
            tail.push_str(&format!(" GROUP BY {}", keys.join(", ")));
        }
        if let Some(having) = having {
            tail.push_str(&format!(" HAVING {having}"));
        }
        let order = self.order(order, &columns, &scope)?;
        let Some(qualify) = &select.qualify else {
            let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
            return Ok(Bound { sql: format!("SELECT {distinct}{}{tail}{order}", written.join(", ")), columns });
        };
        let condition = self.expr(qualify, &scope)?;
        let condition = self.condition(condition, qualify)?;
        let sql = qualified(distinct, &written, &tail, &condition, &order);
        Ok(Bound { sql, columns })
    }

    /// The keys of GROUP BY. From here on the select list is bound as one of groups, if it is one.
    fn group(&mut self, select: &Select, from: &mut super::from::From, scope: &mut Scope<'_>) -> Result<Vec<String>> {
        let expressions: Vec<Expr> = match &select.group_by {
            GroupByExpr::All(modifiers) if modifiers.is_empty() => {
                let plain = select.projection.iter().filter_map(item_expression);
                plain.filter(|expr| !self.aggregates(expr)).cloned().collect()
            }
            GroupByExpr::Expressions(expressions, modifiers) if modifiers.is_empty() => expressions.clone(),
            other => return Err(SqlError::syntax(format!("'{other}'"))),
        };
        let mut keys = Vec::new();
        for expression in &expressions {
            let key = self.named_item(expression, &select.projection, scope);
            self.grouping_texts.push(key.to_string().to_lowercase());
            keys.push(self.expr(&key, scope)?);
        }
        let items = select.projection.iter().filter_map(item_expression);
        let aggregates = items.chain(&select.having).any(|expr| self.aggregates(expr));
        if keys.is_empty() && !aggregates {
            if select.having.is_some() {
                return Err(SqlError::syntax("'HAVING'"));
            }
            return Ok(Vec::new());
        }
        from.grouped = true;
        let written = keys.iter().map(|key| key.sql.clone()).collect();
        self.grouping = Some(keys);
        Ok(written)
    }

    /// What an ordinal or an alias in GROUP BY stands for; a column of that name comes first.
    fn named_item(&self, expression: &Expr, items: &[SelectItem], scope: &Scope<'_>) -> Expr {
        match expression {
            Expr::Value(value) => {
                let Literal::Number(digits, _) = &value.value else { return expression.clone() };
                let place = digits.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
                place
                    .and_then(|at| items.get(at))
                    .and_then(item_expression)
                    .cloned()
                    .unwrap_or_else(|| expression.clone())
            }
            Expr::Identifier(name) if scope.find(std::slice::from_ref(&name.value)).is_err() => {
                let item = items.iter().find_map(|item| match item {
                    SelectItem::ExprWithAlias { expr, alias } if alias.value.eq_ignore_ascii_case(&name.value) => {
                        Some(expr)
                    }
                    _ => None,
                });
                item.cloned().unwrap_or_else(|| expression.clone())
            }
            other => other.clone(),
        }
    }

    fn items(
        &mut self,
        projection: &[SelectItem],
        from: &mut super::from::From,
        scope: &mut Scope<'_>,
    ) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    if let Some(generated) = self.generator(expr, &[], from, scope)? {
                        items.extend(generated.into_iter().map(|(name, value)| Item { name, value }));
                        continue;
                    }
                    let value = self.expr(expr, scope)?;
                    items.push(Item { name: shown(expr), value });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let names = std::slice::from_ref(&alias.value);
                    if let Some(generated) = self.generator(expr, names, from, scope)? {
                        items.extend(generated.into_iter().map(|(name, value)| Item { name, value }));
                        continue;
                    }
                    let value = self.expr(expr, scope)?;
                    scope.items.push((alias.value.clone(), value.clone()));
                    items.push(Item { name: alias.value.clone(), value });
                }
                SelectItem::ExprWithAliases { expr, aliases } => {
                    let names: Vec<String> = aliases.iter().map(|alias| alias.value.clone()).collect();
                    let generated = self.generator(expr, &names, from, scope)?;
                    let generated = generated.ok_or_else(|| SqlError::syntax(format!("'{item}'")))?;
                    items.extend(generated.into_iter().map(|(name, value)| Item { name, value }));
                }
                SelectItem::Wildcard(options) => {
                    let all = scope.relations.iter().flat_map(|relation| &relation.columns);
                    let all = all.filter(|column| !column.hidden && !column.qualified_only);
                    let all =
                        all.map(|column| (column.name.clone(), Typed::new(column.sql.clone(), column.ty.clone())));
                    items.extend(self.trimmed(all.collect(), options, scope)?);
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    let all = members_of(kind, scope)?;
                    items.extend(self.trimmed(all, options, scope)?);
                }
            }
        }
        Ok(items)
    }

    /// `*` without those of EXCEPT, and with the others of REPLACE.
    fn trimmed(
        &mut self,
        all: Vec<(String, Typed)>,
        options: &WildcardAdditionalOptions,
        scope: &Scope<'_>,
    ) -> Result<Vec<Item>> {
        let mut all: Vec<Item> = all.into_iter().map(|(name, value)| Item { name, value }).collect();
        if let Some(except) = &options.opt_except {
            for name in std::iter::once(&except.first_element).chain(&except.additional_elements) {
                let before = all.len();
                all.retain(|item| !item.name.eq_ignore_ascii_case(&name.value));
                if all.len() == before {
                    let known: Vec<String> = all.iter().map(|item| item.name.clone()).collect();
                    return Err(SqlError::column_not_found(&format!("`{}`", name.value), &known));
                }
            }
        }
        if let Some(replace) = &options.opt_replace {
            for element in &replace.items {
                let value = self.expr(&element.expr, scope)?;
                let target = all.iter_mut().find(|item| item.name.eq_ignore_ascii_case(&element.column_name.value));
                let target = target
                    .ok_or_else(|| SqlError::column_not_found(&format!("`{}`", element.column_name.value), &[]))?;
                target.value = value;
            }
        }
        Ok(all)
    }

    /// The expressions of ORDER BY; names of the result come before those of the tables.
    pub(super) fn order(
        &mut self,
        order: Option<&OrderBy>,
        columns: &[OutColumn],
        scope: &Scope<'_>,
    ) -> Result<Vec<String>> {
        let Some(order) = order else {
            return Ok(Vec::new());
        };
        let OrderByKind::Expressions(expressions) = &order.kind else {
            return Err(SqlError::syntax("'ORDER BY ALL'"));
        };
        expressions.iter().map(|one| self.order_item(one, columns, scope)).collect()
    }

    fn order_item(&mut self, order: &OrderByExpr, columns: &[OutColumn], scope: &Scope<'_>) -> Result<String> {
        let place = match &order.expr {
            Expr::Identifier(name) => columns.iter().position(|column| column.name.eq_ignore_ascii_case(&name.value)),
            Expr::Value(value) => match &value.value {
                Literal::Number(digits, _) => digits.parse::<usize>().ok().and_then(|place| place.checked_sub(1)),
                _ => None,
            },
            _ => None,
        };
        let value = match place.and_then(|at| columns.get(at).map(|column| (at, column))) {
            Some((at, column)) => Typed::new(format!("c{at}"), column.ty.clone()),
            None => self.expr(&order.expr, scope)?,
        };
        Ok(ordered(&value, order))
    }
}

/// An expression to order by, with its direction.
pub(super) fn ordered(value: &Typed, order: &OrderByExpr) -> String {
    let collation = if matches!(value.ty, Type::Decimal(..)) { " COLLATE DECIMALS" } else { "" };
    let descending = matches!(order.options.sort, Some(sqlparser::ast::OrderBySort::Desc));
    let nulls = match order.options.nulls_first {
        Some(true) => " NULLS FIRST",
        Some(false) => " NULLS LAST",
        None => "",
    };
    format!("{}{collation}{}{nulls}", value.sql, if descending { " DESC" } else { "" })
}

/// The condition of QUALIFY is computed beside the items and looked at around them.
fn qualified(distinct: &str, written: &[String], tail: &str, condition: &str, order: &[String]) -> String {
    let mut inner = written.to_vec();
    inner.push(format!("{condition} AS q"));
    let mut outer_order = Vec::new();
    for (at, one) in order.iter().enumerate() {
        // The direction stays outside, the expression goes inside.
        let end = [" COLLATE DECIMALS", " DESC", " NULLS"]
            .iter()
            .filter_map(|word| one.find(word))
            .min()
            .unwrap_or(one.len());
        let (expression, direction) = one.split_at(end);
        if expression.starts_with('c')
            && expression.get(1..).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        {
            outer_order.push(one.clone());
        } else {
            inner.push(format!("{expression} AS o{at}"));
            outer_order.push(format!("o{at}{direction}"));
        }
    }
    let names: Vec<String> = (0..written.len()).map(|at| format!("c{at}")).collect();
    let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", outer_order.join(", ")) };
    format!("SELECT {distinct}{} FROM (SELECT {}{tail}) WHERE q{order}", names.join(", "), inner.join(", "))
}

fn item_expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// The columns of `t.*`, or the members of a struct `s.*`.
fn members_of(kind: &SelectItemQualifiedWildcardKind, scope: &Scope<'_>) -> Result<Vec<(String, Typed)>> {
    let SelectItemQualifiedWildcardKind::ObjectName(name) = kind else {
        return Err(SqlError::syntax(format!("'{kind}'")));
    };
    let parts = super::from::parts(name)?;
    if let Some(relation) = scope.relation(&parts) {
        let columns = relation.columns.iter().filter(|column| !column.hidden);
        return Ok(columns
            .map(|column| (column.name.clone(), Typed::new(column.sql.clone(), column.ty.clone())))
            .collect());
    }
    let found = scope.find(&parts).map_err(|_| {
        let message = format!("Cannot resolve '{}.*' given input columns.", parts.join("."));
        SqlError::new("CANNOT_RESOLVE_STAR_EXPAND", "42704", message)
    })?;
    let Type::Struct(fields) = found.typed.ty.clone() else {
        let message = format!("Cannot resolve '{}.*': it is no table and no struct.", parts.join("."));
        return Err(SqlError::new("CANNOT_RESOLVE_STAR_EXPAND", "42704", message));
    };
    let members = fields.iter().map(|field| {
        let value = member(found.typed.clone(), std::slice::from_ref(&field.name))?;
        Ok((field.name.clone(), value))
    });
    members.collect()
}

/// The name of an item without an alias.
fn shown(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()).unwrap_or_default(),
        Expr::CompoundFieldAccess { access_chain, root } => match access_chain.last() {
            Some(sqlparser::ast::AccessExpr::Dot(Expr::Identifier(name))) => name.value.clone(),
            _ => format!("{root}{}", access_chain.iter().map(ToString::to_string).collect::<String>()),
        },
        other => other.to_string(),
    }
}

fn refuse_unknown(select: &Select) -> Result<()> {
    let unknown = select.top.is_some()
        || select.into.is_some()
        || select.exclude.is_some()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || !select.named_window.is_empty()
        || select.value_table_mode.is_some();
    if unknown { Err(SqlError::syntax("a part of a SELECT that the sandbox does not know")) } else { Ok(()) }
}
