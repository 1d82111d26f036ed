//! GRANT and REVOKE.

use super::done;
use crate::databricks::catalog::Privilege;
use crate::databricks::sql::bind::Binder;
use crate::databricks::sql::error::SqlError;
use crate::databricks::sql::run::Outcome;
use crate::databricks::sql::show::privilege_words;
use crate::databricks::sql::tokens::Tokens;

/// Checked, but of no consequence: who may do what is settled where principals are set up.
pub(super) fn change(binder: &mut Binder<'_>, tokens: &mut Tokens, grants: bool) -> Outcome {
    for words in privilege_words(tokens)? {
        let known = Privilege::parse(&words).is_some() || words.to_uppercase().starts_with("ALL");
        if !known {
            return Err(SqlError::syntax(format!("'{words}'")));
        }
    }
    tokens.expect(&["ON"])?;
    let kind = tokens.identifier()?.to_uppercase();
    let name = tokens.name()?;
    match kind.as_str() {
        "TABLE" | "VIEW" => {
            let name = binder.name(&name)?;
            binder.world.catalog().table(&name)?;
        }
        "VOLUME" => {
            let name = binder.name(&name)?;
            binder.world.catalog().volume(&name)?;
        }
        "SCHEMA" | "DATABASE" => {
            let (top, schema) = binder.session.schema_name(&name)?;
            binder.world.catalog().schema(&top, &schema)?;
        }
        "CATALOG" => {
            binder.world.catalog().catalog(name.first().map_or("", String::as_str))?;
        }
        _ => return Err(SqlError::syntax(format!("'{kind}'"))),
    }
    tokens.expect(&[if grants { "TO" } else { "FROM" }])?;
    tokens.identifier()?;
    tokens.finish()?;
    done()
}
