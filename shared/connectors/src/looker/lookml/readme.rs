//! What a Looker developer has to know about the project, beside its files.

use super::names::view_of;
use super::text::generated;
use super::{File, Project, Warehouse};

/// The README of the project.
pub(super) fn file(project: &Project<'_>) -> File {
    let (model, connection) = (project.model, project.connection);
    let mut text = format!(
        "<!-- {} -->\n\n# LookML project `{model}`\n\nViews, explores and dashboards over the tables that ml-connector \
         loads.\n\n## Import\n\n1. In Looker, under Develop, Projects, create a project `{model}` (Blank Project), or take \
         one that is there.\n2. Copy these files into its root as they are, or push them to its git repository.\n3. Under \
         Admin, Connections, give the connection to the warehouse the name `{connection}`, or generate again with the name \
         it has: `ml-connector lookml --connection NAME`.\n4. Configure the model `{model}` to use that connection, under \
         Develop, Projects.\n5. Validate LookML, commit, deploy.\n",
        generated()
    );
    text.push_str(&rights(&project.warehouse));
    let view = project.tables.first().map_or_else(|| "a_view".to_owned(), |table| view_of(&table.plan.table));
    text.push_str(&format!(
        "\n## Change it\n\nDo not change these files: `ml-connector lookml` writes them anew. A file whose first line does \
         not say that it was\ngenerated is never touched, so a model of your own may lie beside them and refine what they \
         say:\n\n```lookml\nconnection: \"{connection}\"\ninclude: \"/{model}.model.lkml\"\n\nview: +{view} {{\n  label: \
         \"Our name for it\"\n}}\n```\n\nOr keep a project of your own, and import this one by a `local_dependency` in its \
         manifest.\n",
    ));
    text.push_str(&format!(
        "\n## How it reads\n\n* Deleted records are left out of every explore.\n* Joins are many to one, on the whole key of \
         the joined table: no row comes twice.\n* A date `gl_date` is the dimension group `gl`, so its fields are `gl_date`, \
         `gl_month` and so on; a timestamp\n  `source_updated_at` is the group `source_updated`.\n* Metadata is hidden \
         and grouped under Load.\n* `total_…` sums what the proof of a run sums, and every other decimal that is called an \
         amount or a quantity.\n* What Looker cached is stale when a batch was loaded: datagroup `{model}_loads`.\n",
    ));
    File { path: "README.md".to_owned(), text }
}

/// What Looker's own database user may need to be granted.
fn rights(warehouse: &Warehouse) -> String {
    match warehouse {
        Warehouse::Postgres { schema, ledger_schema } => format!(
            "\nLooker's database user reads the tables and the ledger of loaded batches:\n\n```sql\nGRANT USAGE ON SCHEMA \
             {schema}, {ledger_schema} TO looker;\nGRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO looker;\nGRANT SELECT ON \
             {ledger} TO looker;\n```\n",
            schema = warehouse.identifier(schema),
            ledger_schema = warehouse.identifier(ledger_schema),
            ledger = warehouse.ledger(),
        ),
        Warehouse::Databricks { catalog, schema, ledger_schema } => format!(
            "\nThe principal of Looker's connection reads the tables and the ledger of loaded batches:\n\n```sql\nGRANT USE \
             CATALOG ON CATALOG {catalog} TO `looker`;\nGRANT USE SCHEMA, SELECT ON SCHEMA {catalog}.{schema} TO \
             `looker`;\nGRANT USE SCHEMA ON SCHEMA {catalog}.{ledger_schema} TO `looker`;\nGRANT SELECT ON TABLE {ledger} TO \
             `looker`;\n```\n",
            catalog = warehouse.identifier(catalog),
            schema = warehouse.identifier(schema),
            ledger_schema = warehouse.identifier(ledger_schema),
            ledger = warehouse.ledger(),
        ),
        Warehouse::Sqlite => {
            "\nThis was generated for a SQLite file, to look at: Looker lists no dialect for SQLite. For a \
                              tenant that loads\nPostgreSQL it is generated for PostgreSQL.\n"
                .to_owned()
        }
    }
}
