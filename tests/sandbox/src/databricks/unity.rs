//! Unity Catalog over REST.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::answer::{Answer, Refusal};
use super::catalog::types::Type;
use super::catalog::{Column, Constraint, Kind, Name, Privilege, Schema, Table, Volume};
use super::server::Shared;
use super::settings::Principal;
use crate::http::Request;

#[derive(Deserialize)]
struct NewSchema {
    name: String,
    catalog_name: String,
    comment: Option<String>,
}

#[derive(Deserialize)]
struct NewVolume {
    name: String,
    catalog_name: String,
    schema_name: String,
    volume_type: String,
    comment: Option<String>,
}

fn read<'a, T: Deserialize<'a>>(request: &'a Request) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body)
        .map_err(|error| Refusal::malformed(format!("Could not parse request object: {error}")))
}

fn parameter(request: &Request, name: &str) -> Result<String, Refusal> {
    let found = request.parameters().into_iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value).ok_or_else(|| Refusal::invalid(format!("Missing required field: {name}")))
}

fn full(text: &str) -> Result<Name, Refusal> {
    match text.split('.').collect::<Vec<_>>().as_slice() {
        [catalog, schema, own] => Ok(Name { catalog: (*catalog).into(), schema: (*schema).into(), own: (*own).into() }),
        _ => Err(Refusal::invalid(format!("'{text}' is not a valid name: three parts are expected."))),
    }
}

impl Shared {
    pub(super) fn unity(&self, request: &Request, parts: &[String], principal: &Principal) -> Result<Answer, Refusal> {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["catalogs"]) => Ok(self.catalogs(principal)),
            ("GET", ["catalogs", name]) => self.catalog(name, principal),
            ("GET", ["schemas"]) => self.schemas(&parameter(request, "catalog_name")?, principal),
            ("POST", ["schemas"]) => self.new_schema(read(request)?, principal),
            ("GET", ["schemas", name]) => self.schema(name, principal),
            ("GET", ["tables"]) => self.tables(request, principal),
            ("GET", ["tables", name]) => self.table(name, principal),
            ("GET", ["tables", name, "exists"]) => {
                let name = full(name)?;
                let exists = self.world.catalog().table(&name).is_ok();
                Ok(Answer::json(&json!({"table_exists": exists})))
            }
            ("GET", ["volumes"]) => self.volumes(request, principal),
            ("POST", ["volumes"]) => self.new_volume(read(request)?, principal),
            ("GET", ["volumes", name]) => {
                let name = full(name)?;
                principal.privileges.demand_all(Privilege::ReadVolume, &name).map_err(Refusal::denied)?;
                Ok(Answer::json(&volume_shown(&name, self.world.catalog().volume(&name)?)))
            }
            ("GET", ["permissions" | "effective-permissions", kind, name]) => permissions(kind, name, principal),
            _ => Err(Refusal::no_endpoint(&request.path)),
        }
    }

    fn catalogs(&self, principal: &Principal) -> Answer {
        let catalog = self.world.catalog();
        let seen = catalog.catalogs().filter(|one| principal.privileges.has(Privilege::UseCatalog, &one.name));
        let shown: Vec<Json> = seen.map(|one| catalog_shown(&one.name, one.comment.as_deref())).collect();
        Answer::json(&json!({"catalogs": shown}))
    }

    fn catalog(&self, name: &str, principal: &Principal) -> Result<Answer, Refusal> {
        principal.privileges.demand(Privilege::UseCatalog, name).map_err(Refusal::denied)?;
        let catalog = self.world.catalog();
        let found = catalog.catalog(name)?;
        Ok(Answer::json(&catalog_shown(&found.name, found.comment.as_deref())))
    }

    fn schemas(&self, name: &str, principal: &Principal) -> Result<Answer, Refusal> {
        principal.privileges.demand(Privilege::UseCatalog, name).map_err(Refusal::denied)?;
        let catalog = self.world.catalog();
        let shown: Vec<Json> = catalog.catalog(name)?.schemas().map(|schema| schema_shown(name, schema)).collect();
        Ok(Answer::json(&json!({"schemas": shown})))
    }

    fn schema(&self, name: &str, principal: &Principal) -> Result<Answer, Refusal> {
        let (top, own) =
            name.split_once('.').ok_or_else(|| Refusal::invalid(format!("'{name}' is not a valid name.")))?;
        principal.privileges.demand(Privilege::UseCatalog, top).map_err(Refusal::denied)?;
        principal.privileges.demand(Privilege::UseSchema, name).map_err(Refusal::denied)?;
        Ok(Answer::json(&schema_shown(top, self.world.catalog().schema(top, own)?)))
    }

    fn new_schema(&self, new: NewSchema, principal: &Principal) -> Result<Answer, Refusal> {
        principal.privileges.demand(Privilege::UseCatalog, &new.catalog_name).map_err(Refusal::denied)?;
        principal.privileges.demand(Privilege::CreateSchema, &new.catalog_name).map_err(Refusal::denied)?;
        let mut catalog = self.world.catalog();
        if !catalog.catalog_mut(&new.catalog_name)?.add_schema(&new.name, new.comment, self.clock.now()) {
            return Err(Refusal::new(409, "SCHEMA_ALREADY_EXISTS", format!("Schema '{}' already exists", new.name)));
        }
        Ok(Answer::json(&schema_shown(&new.catalog_name, catalog.schema(&new.catalog_name, &new.name)?)))
    }

    fn tables(&self, request: &Request, principal: &Principal) -> Result<Answer, Refusal> {
        let (top, own) = (parameter(request, "catalog_name")?, parameter(request, "schema_name")?);
        principal.privileges.demand(Privilege::UseCatalog, &top).map_err(Refusal::denied)?;
        principal.privileges.demand(Privilege::UseSchema, &format!("{top}.{own}")).map_err(Refusal::denied)?;
        let number = |name: &str| parameter(request, name).ok().and_then(|text| text.parse::<usize>().ok());
        let size = number("max_results")
            .filter(|size| *size > 0)
            .map_or(self.settings.page, |size| size.min(self.settings.page));
        let skip = number("page_token").unwrap_or_default();
        let catalog = self.world.catalog();
        let tables = &catalog.schema(&top, &own)?.tables;
        let shown = tables.values().skip(skip).take(size).map(|table| {
            let name = Name { catalog: top.clone(), schema: own.clone(), own: table.name.clone() };
            table_shown(&name, table)
        });
        let mut body = json!({"tables": shown.collect::<Vec<_>>()});
        if let (true, Some(body)) = (skip + size < tables.len(), body.as_object_mut()) {
            body.insert("next_page_token".into(), (skip + size).to_string().into());
        }
        Ok(Answer::json(&body))
    }

    fn table(&self, name: &str, principal: &Principal) -> Result<Answer, Refusal> {
        let name = full(name)?;
        let catalog = self.world.catalog();
        catalog.schema(&name.catalog, &name.schema)?;
        let missing = || Refusal::new(404, "TABLE_DOES_NOT_EXIST", format!("Table '{}' does not exist.", name.full()));
        let table = catalog.table(&name).map_err(|_| missing())?;
        principal.privileges.demand_all(Privilege::Select, &name).map_err(Refusal::denied)?;
        Ok(Answer::json(&table_shown(&name, table)))
    }

    fn volumes(&self, request: &Request, principal: &Principal) -> Result<Answer, Refusal> {
        let (top, own) = (parameter(request, "catalog_name")?, parameter(request, "schema_name")?);
        principal.privileges.demand(Privilege::UseCatalog, &top).map_err(Refusal::denied)?;
        principal.privileges.demand(Privilege::UseSchema, &format!("{top}.{own}")).map_err(Refusal::denied)?;
        let catalog = self.world.catalog();
        let shown = catalog.schema(&top, &own)?.volumes.values().map(|volume| {
            let name = Name { catalog: top.clone(), schema: own.clone(), own: volume.name.clone() };
            volume_shown(&name, volume)
        });
        Ok(Answer::json(&json!({"volumes": shown.collect::<Vec<_>>()})))
    }

    fn new_volume(&self, new: NewVolume, principal: &Principal) -> Result<Answer, Refusal> {
        let name = Name { catalog: new.catalog_name, schema: new.schema_name, own: new.name };
        if new.volume_type != "MANAGED" {
            return Err(Refusal::invalid("The sandbox has no external locations: volume_type MANAGED is expected."));
        }
        principal.privileges.demand(Privilege::UseCatalog, &name.catalog).map_err(Refusal::denied)?;
        principal.privileges.demand(Privilege::UseSchema, &name.schema_full()).map_err(Refusal::denied)?;
        principal.privileges.demand(Privilege::CreateVolume, &name.schema_full()).map_err(Refusal::denied)?;
        let mut catalog = self.world.catalog();
        if !catalog.schema_mut(&name.catalog, &name.schema)?.add_volume(&name.own, new.comment, self.clock.now()) {
            return Err(Refusal::new(409, "ALREADY_EXISTS", format!("Volume '{}' already exists", name.full())));
        }
        Ok(Answer::json(&volume_shown(&name, catalog.volume(&name)?)))
    }
}

fn permissions(kind: &str, name: &str, principal: &Principal) -> Result<Answer, Refusal> {
    let on = match kind.to_lowercase().as_str() {
        "catalog" => "Catalog",
        "schema" => "Schema",
        "table" => "Table",
        "volume" => "Volume",
        _ => return Err(Refusal::invalid(format!("Unknown securable type: {kind}"))),
    };
    let own = Privilege::ALL.into_iter().filter(|one| one.on() == on && principal.privileges.has(*one, name));
    let privileges: Vec<String> = own.map(|one| one.sql().replace(' ', "_")).collect();
    Ok(Answer::json(&json!({"privilege_assignments": [{"principal": principal.name, "privileges": privileges}]})))
}

fn catalog_shown(name: &str, comment: Option<&str>) -> Json {
    json!({"name": name, "full_name": name, "catalog_type": "MANAGED_CATALOG", "comment": comment, "owner": "admin@example.com"})
}

fn schema_shown(top: &str, schema: &Schema) -> Json {
    json!({
        "name": schema.name, "catalog_name": top, "full_name": format!("{top}.{}", schema.name), "comment": schema.comment,
        "owner": "admin@example.com", "created_at": schema.created_at.timestamp_millis(),
    })
}

fn volume_shown(name: &Name, volume: &Volume) -> Json {
    json!({
        "name": volume.name, "catalog_name": name.catalog, "schema_name": name.schema, "full_name": name.full(),
        "volume_type": "MANAGED", "comment": volume.comment, "owner": "admin@example.com",
        "created_at": volume.created_at.timestamp_millis(), "storage_location": format!("s3://sandbox/{}", name.full()),
    })
}

fn table_shown(name: &Name, table: &Table) -> Json {
    let columns: Vec<Json> =
        table.columns.iter().enumerate().map(|(at, column)| column_shown(at, column, table)).collect();
    let constraints = table.constraints.iter().map(|constraint| match constraint {
        Constraint::PrimaryKey { name, columns } => {
            json!({"primary_key_constraint": {"name": name, "child_columns": columns}})
        }
        Constraint::ForeignKey { name, columns } => {
            json!({"foreign_key_constraint": {"name": name, "child_columns": columns}})
        }
        Constraint::Check { name, .. } => json!({"named_table_constraint": {"name": name}}),
    });
    let mut shown = json!({
        "name": table.name, "catalog_name": name.catalog, "schema_name": name.schema, "full_name": name.full(),
        "table_id": format!("00000000-0000-4000-8000-{:012x}", table.id), "table_type": "MANAGED", "data_source_format": "DELTA",
        "columns": columns, "comment": table.comment, "properties": table.properties, "owner": table.owner,
        "table_constraints": constraints.collect::<Vec<_>>(), "storage_location": format!("s3://sandbox/{}", name.full()),
        "created_at": table.created_at.timestamp_millis(), "updated_at": table.updated_at.timestamp_millis(),
    });
    if let (Kind::View(query), Some(shown)) = (&table.kind, shown.as_object_mut()) {
        shown.insert("table_type".into(), "VIEW".into());
        shown.insert("view_definition".into(), query.as_str().into());
        shown.remove("data_source_format");
    }
    shown
}

fn column_shown(at: usize, column: &Column, table: &Table) -> Json {
    let text = column.ty.to_string().to_lowercase();
    let mut shown = json!({
        "name": column.name, "position": at, "nullable": column.nullable, "type_name": column.ty.name(), "type_text": text,
        "type_json": json!({"name": column.name, "type": text, "nullable": column.nullable, "metadata": {}}).to_string(),
    });
    if let Some(shown) = shown.as_object_mut() {
        if let Some(comment) = &column.comment {
            shown.insert("comment".into(), comment.as_str().into());
        }
        let partition = table.partitioned_by.iter().position(|name| name.eq_ignore_ascii_case(&column.name));
        if let Some(partition) = partition {
            shown.insert("partition_index".into(), partition.into());
        }
        let (precision, scale) = match column.ty {
            Type::Decimal(precision, scale) => (precision, scale),
            _ => (0, 0),
        };
        shown.insert("type_precision".into(), precision.into());
        shown.insert("type_scale".into(), scale.into());
    }
    shown
}
