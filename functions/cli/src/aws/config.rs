//! `config push`: the tenant files into the table of syncs, each into the scopes that use it.

use std::collections::BTreeMap;
use std::path::Path;

use engine::model::id::TenantId;

use super::Stack;
use crate::commands::config::PushedScope;
use crate::infra::files;
use crate::output::Output;

/// Puts the tenant files of a folder in force, in every scope of the stack. All of them are read and checked before
/// anything is written.
///
/// # Errors
/// [`crate::exit::Exit::Usage`] with the mistakes of the files, and when one needs a scope that is not deployed; otherwise
/// when the table may not be written.
pub(crate) async fn push(stack: &str, tenants: &Path, output: &Output) -> anyhow::Result<Vec<PushedScope>> {
    let deployment = files::read(tenants)?;
    let stack = Stack::find(stack).await?;
    let mut wanted: BTreeMap<String, BTreeMap<TenantId, String>> = BTreeMap::new();
    for (scope, tenants) in deployment.scopes() {
        stack.parts(&scope.to_string())?;
        let files = tenants.into_iter().map(|tenant| (tenant.id.clone(), tenant.text.clone()));
        wanted.insert(scope.to_string(), files.collect());
    }
    let mut pushed = Vec::new();
    for scope in stack.scopes() {
        // A scope that no file names any more has functions that should know nobody.
        let files = wanted.remove(scope).unwrap_or_default();
        let changes = stack.aws(stack.parts(scope)?).put_configuration(&files).await?;
        let names = |tenants: &[TenantId]| tenants.iter().map(ToString::to_string).collect();
        pushed.push(PushedScope {
            scope: scope.to_owned(),
            tenants: files.len(),
            written: names(&changes.written),
            removed: names(&changes.removed),
        });
    }
    let seconds = lambda::LOOK_AGAIN.as_secs();
    output.say(match stack.reads_table {
        true => format!("in force: functions that run notice it within {seconds} seconds"),
        false => format!(
            "stack `{}` reads its tenant files from layers and not what was pushed: deploy it with Configuration=table",
            stack.name
        ),
    });
    Ok(pushed)
}
