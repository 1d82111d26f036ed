//! Filter expressions: which kind of field reads them how, and the ones on texts.

use super::super::lookml::{Kind, Measure};
use super::super::warehouse::Dialect;
use super::dates::Calendar;
use super::dialect::literal;
use super::numbers;

/// The SQL condition of a filter; nothing when the expression is empty, which means any value.
pub(super) fn condition(
    dialect: Dialect,
    calendar: &Calendar,
    kind: Kind,
    sql: &str,
    expression: &str,
) -> Result<Option<String>, String> {
    if expression.trim().is_empty() {
        return Ok(None);
    }
    let condition = match kind {
        Kind::Time(_) | Kind::Measure(Measure::Time(_)) => calendar.condition(dialect, sql, expression)?,
        Kind::YesNo | Kind::Measure(Measure::YesNo) => yes_no(sql, expression)?,
        Kind::Text | Kind::Measure(Measure::Text) => text(sql, expression)?,
        Kind::Number | Kind::Measure(_) => numbers::condition(dialect, sql, expression)?,
    };
    Ok(Some(condition))
}

fn yes_no(sql: &str, expression: &str) -> Result<String, String> {
    match expression.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok(format!("({sql})")),
        "no" | "false" => Ok(format!("({sql}) IS NOT TRUE")),
        other => Err(format!("\"{other}\" is neither yes nor no")),
    }
}

/// One entry of a text filter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    not: bool,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Null,
    Empty,
    Is(String),
    Like(String),
}

fn text(sql: &str, expression: &str) -> Result<String, String> {
    let terms = terms(expression)?;
    let (without, with): (Vec<&Term>, Vec<&Term>) = terms.iter().partition(|term| term.not);
    let mut all = Vec::new();
    if !with.is_empty() {
        let any: Vec<String> = with.iter().map(|term| positive(sql, &term.what)).collect();
        all.push(format!("({})", any.join(" OR ")));
    }
    for term in without {
        all.push(match &term.what {
            What::Null => format!("({sql}) IS NOT NULL"),
            What::Empty => format!("(({sql}) IS NOT NULL AND ({sql}) <> '')"),
            what => format!("(NOT {} OR ({sql}) IS NULL)", positive(sql, what)),
        });
    }
    Ok(all.join(" AND "))
}

fn positive(sql: &str, what: &What) -> String {
    match what {
        What::Null => format!("({sql}) IS NULL"),
        What::Empty => format!("(({sql}) IS NULL OR ({sql}) = '')"),
        What::Is(value) => format!("({sql}) = {}", literal(value)),
        What::Like(pattern) => format!("({sql}) LIKE {} ESCAPE '^'", literal(pattern)),
    }
}

/// Reads a list of values: commas part them, `"…"` holds one together, `-` turns one round, `%` and `_` are wildcards
/// and `^` takes a sign's meaning away.
fn terms(expression: &str) -> Result<Vec<Term>, String> {
    let mut terms = Vec::new();
    let mut rest = expression.trim_start();
    while !rest.is_empty() {
        let not = rest.strip_prefix('-').filter(|rest| !rest.is_empty());
        rest = not.unwrap_or(rest);
        let (what, behind) = if rest.starts_with('"') { quoted(rest)? } else { bare(rest) };
        terms.push(Term { not: not.is_some(), what });
        rest = behind.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if rest.is_empty() => rest,
            None => return Err(format!("a comma is missing before \"{rest}\"")),
        };
    }
    if terms.is_empty() { Err("it is empty".into()) } else { Ok(terms) }
}

fn quoted(text: &str) -> Result<(What, &str), String> {
    let mut value = String::new();
    let mut signs = text.char_indices().skip(1);
    while let Some((at, c)) = signs.next() {
        match c {
            '"' => return Ok((What::Is(value), &text[at + 1..])),
            '^' | '\\' => value.extend(signs.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    Err("a quotation mark is missing".into())
}

fn bare(text: &str) -> (What, &str) {
    let (mut value, mut pattern) = (String::new(), String::new());
    let (mut wild, mut escaped) = (false, false);
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        if escaped {
            value.push(c);
            if "%_^".contains(c) {
                pattern.push('^');
            }
            pattern.push(c);
            escaped = false;
            continue;
        }
        match c {
            '^' => escaped = true,
            ',' => {
                end = at;
                break;
            }
            '%' | '_' => {
                wild |= c == '%';
                value.push(c);
                pattern.push(c);
            }
            _ => {
                value.push(c);
                pattern.push(c);
            }
        }
    }
    let value = value.trim_end();
    let what = match value {
        "NULL" => What::Null,
        "EMPTY" => What::Empty,
        // An underscore alone makes no pattern: batch ids are full of them.
        _ if wild => What::Like(pattern.trim_end().to_owned()),
        _ => What::Is(value.to_owned()),
    };
    (what, &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_expressions_become_conditions() {
        for (expression, sql) in [
            ("P", "((s) = 'P')"),
            ("P, Q", "((s) = 'P' OR (s) = 'Q')"),
            ("\"b-20261121-01\"", "((s) = 'b-20261121-01')"),
            ("\"a, b\",c", "((s) = 'a, b' OR (s) = 'c')"),
            ("O'Neil", "((s) = 'O''Neil')"),
            ("-P", "(NOT (s) = 'P' OR (s) IS NULL)"),
            ("NULL", "((s) IS NULL)"),
            ("-NULL", "(s) IS NOT NULL"),
            ("EMPTY", "(((s) IS NULL OR (s) = ''))"),
            ("-EMPTY", "((s) IS NOT NULL AND (s) <> '')"),
            ("\"NULL\"", "((s) = 'NULL')"),
            ("%net%", "((s) LIKE '%net%' ESCAPE '^')"),
            ("50^%", "((s) = '50%')"),
            ("a_b", "((s) = 'a_b')"),
            ("^-5", "((s) = '-5')"),
            ("a,-b", "((s) = 'a') AND (NOT (s) = 'b' OR (s) IS NULL)"),
        ] {
            assert_eq!(text("s", expression).as_deref(), Ok(sql), "{expression}");
        }
        assert!(text("s", "\"open").is_err());
        assert!(text("s", "\"a\" b").is_err());
        assert!(yes_no("b", "perhaps").is_err());
    }
}
