//! Filter expressions on numbers: `5`, `NOT 5, 6`, `>=5 AND <10`, `1 to 5`, `[1,5)`, `NULL`.

use super::super::warehouse::Dialect;
use super::super::warehouse::decimal::Decimal;

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Compare(&'static str, String),
    /// Lower and upper bound with their operators; nothing is unbounded.
    Range(Option<(&'static str, String)>, Option<(&'static str, String)>),
    Null,
}

/// The SQL condition, or what is wrong with the expression.
pub(super) fn condition(dialect: Dialect, sql: &str, expression: &str) -> Result<String, String> {
    let mut any = Vec::new();
    let mut none = Vec::new();
    for part in split(expression) {
        let part = part.trim();
        let upper = part.to_ascii_uppercase();
        if let Some(rest) = upper.strip_prefix("NOT ") {
            none.push(conjunction(dialect, sql, rest)?);
            continue;
        }
        any.push(conjunction(dialect, sql, &upper)?);
    }
    let mut all = Vec::new();
    if !any.is_empty() {
        all.push(format!("({})", any.join(" OR ")));
    }
    // A row without a value is not that number; only NOT NULL leaves it out.
    all.extend(none.iter().map(|one| format!("({one}) IS NOT TRUE")));
    if all.is_empty() { Err("it is empty".into()) } else { Ok(all.join(" AND ")) }
}

/// At commas outside brackets.
fn split(expression: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for c in expression.chars() {
        match c {
            '[' | '(' => inside = true,
            ']' | ')' => inside = false,
            ',' if !inside => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

fn conjunction(dialect: Dialect, sql: &str, text: &str) -> Result<String, String> {
    let terms = text.split(" AND ").map(|term| Ok(write(dialect, sql, &parse(term.trim())?)));
    Ok(terms.collect::<Result<Vec<_>, String>>()?.join(" AND "))
}

fn parse(text: &str) -> Result<Term, String> {
    let number = |text: &str| {
        let text = text.trim();
        Decimal::parse(text).map(|number| number.to_string()).ok_or_else(|| format!("\"{text}\" is no number"))
    };
    if text == "NULL" {
        return Ok(Term::Null);
    }
    for (sign, operator) in [(">=", ">="), ("<=", "<="), ("<>", "<>"), ("!=", "<>"), (">", ">"), ("<", "<"), ("=", "=")]
    {
        if let Some(rest) = text.strip_prefix(sign) {
            return Ok(Term::Compare(operator, number(rest)?));
        }
    }
    let open =
        text.strip_prefix('[').map(|rest| (">=", rest)).or_else(|| text.strip_prefix('(').map(|rest| (">", rest)));
    if let Some((lower, rest)) = open {
        let close = rest.strip_suffix(']').map(|rest| ("<=", rest));
        let close = close.or_else(|| rest.strip_suffix(')').map(|rest| ("<", rest)));
        let (upper, rest) = close.ok_or_else(|| format!("\"{text}\" has no closing bracket"))?;
        let (from, to) = rest.split_once(',').ok_or_else(|| format!("\"{text}\" has no two bounds"))?;
        let bound = |operator, text: &str| match text.trim() {
            "" | "INF" | "-INF" => Ok(None),
            text => Ok::<_, String>(Some((operator, number(text)?))),
        };
        return Ok(Term::Range(bound(lower, from)?, bound(upper, to)?));
    }
    if let Some((from, to)) = text.split_once(" TO ") {
        return Ok(Term::Range(Some((">=", number(from)?)), Some(("<=", number(to)?))));
    }
    Ok(Term::Compare("=", number(text)?))
}

fn write(dialect: Dialect, sql: &str, term: &Term) -> String {
    match term {
        Term::Null => format!("({sql}) IS NULL"),
        Term::Compare(operator, number) => dialect.compare(sql, operator, number),
        Term::Range(lower, upper) => {
            let bounds = [lower, upper].into_iter().flatten();
            let bounds: Vec<String> = bounds.map(|(operator, number)| dialect.compare(sql, operator, number)).collect();
            if bounds.is_empty() { format!("({sql}) IS NOT NULL") } else { format!("({})", bounds.join(" AND ")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_become_conditions() {
        for (expression, sql) in [
            ("5", "((n) = 5)"),
            ("1, 2.50", "((n) = 1 OR (n) = 2.50)"),
            (">=5 AND <10", "((n) >= 5 AND (n) < 10)"),
            ("[1,5), 7", "(((n) >= 1 AND (n) < 5) OR (n) = 7)"),
            ("(3, inf)", "(((n) > 3))"),
            ("1 to 5", "(((n) >= 1 AND (n) <= 5))"),
            ("NULL", "((n) IS NULL)"),
            ("NOT NULL", "((n) IS NULL) IS NOT TRUE"),
            ("not 5", "((n) = 5) IS NOT TRUE"),
        ] {
            assert_eq!(condition(Dialect::Postgres, "n", expression).as_deref(), Ok(sql), "{expression}");
        }
        assert_eq!(condition(Dialect::Sqlite, "n", ">5").unwrap(), "(looker_compare(n, '5') > 0)");
        for expression in ["abc", "", "[1,5", "5; DROP TABLE x", ">"] {
            assert!(condition(Dialect::Postgres, "n", expression).is_err(), "{expression}");
        }
    }
}
