//! What databases, schemas and tables there are.

use serde_json::{Value, json};

use super::ask::{Ask, Refusal, invalid};
use super::database::{Connection, Database, NAME, error_text};
use super::result::type_name;

type Answer = Result<Value, Refusal>;

async fn open(ask: &Ask, database: &Database) -> Result<Connection, Refusal> {
    let name = match ask.text("ConnectedDatabase", 127)? {
        Some(name) => name,
        None => ask.target(false)?.unwrap_or_else(|| NAME.into()),
    };
    database.connect(&name).await.map_err(|error| ("ValidationException", error))
}

/// A page of a list, and the token of the next one.
fn page(ask: &Ask, name: &str, all: Vec<Value>) -> Answer {
    let max = ask.number("MaxResults", 0, 1_000)?.filter(|max| *max > 0).unwrap_or(1_000);
    let from = match ask.text("NextToken", 1_024)? {
        None => 0,
        Some(token) => match super::result::row_of(&token) {
            Some(from) => from,
            None => return invalid("NextToken is invalid."),
        },
    };
    let count = all.len();
    let some: Vec<Value> = all.into_iter().skip(from).take(max as usize).collect();
    let end = from + some.len();
    let mut body = json!({name: some});
    if end < count {
        body["NextToken"] = json!(format!("row-{end}"));
    }
    Ok(body)
}

/// A LIKE pattern, or everything.
fn pattern(ask: &Ask, name: &str) -> Result<String, Refusal> {
    Ok(ask.text(name, 1_024)?.unwrap_or_else(|| "%".into()))
}

fn failed(error: tokio_postgres::Error) -> Refusal {
    ("InternalServerException", error_text(error))
}

/// ListDatabases.
pub async fn databases(ask: &Ask, database: &Database) -> Answer {
    open(ask, database).await?;
    page(ask, "Databases", vec![json!(NAME)])
}

/// ListSchemas.
pub async fn schemas(ask: &Ask, database: &Database) -> Answer {
    let on = open(ask, database).await?;
    let sql = "select schema_name::text from information_schema.schemata \
               where schema_name like $1 and schema_name <> 'front' \
               and schema_name not like 'pg_t%' order by 1";
    let rows = on.client.query(sql, &[&pattern(ask, "SchemaPattern")?]).await.map_err(failed)?;
    page(ask, "Schemas", rows.iter().map(|row| json!(row.get::<_, String>(0))).collect())
}

/// ListTables.
pub async fn tables(ask: &Ask, database: &Database) -> Answer {
    let on = open(ask, database).await?;
    let sql = "select table_schema::text, table_name::text, table_type::text \
               from information_schema.tables \
               where table_schema like $1 and table_name like $2 and table_schema <> 'front' \
               order by 1, 2";
    let wanted = (pattern(ask, "SchemaPattern")?, pattern(ask, "TablePattern")?);
    let rows = on.client.query(sql, &[&wanted.0, &wanted.1]).await.map_err(failed)?;
    let member = |row: &tokio_postgres::Row| {
        let (schema, name, kind): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let kind = match (schema.as_str(), kind.as_str()) {
            ("pg_catalog" | "information_schema", _) => "SYSTEM TABLE",
            (_, "LOCAL TEMPORARY") => "LOCAL TEMPORARY",
            (_, "VIEW") => "VIEW",
            _ => "TABLE",
        };
        json!({"schema": schema, "name": name, "type": kind})
    };
    page(ask, "Tables", rows.iter().map(member).collect())
}

/// DescribeTable; a table that is not there has no columns.
pub async fn describe(ask: &Ask, database: &Database) -> Answer {
    let on = open(ask, database).await?;
    let sql = "select column_name::text, udt_name::text, is_nullable = 'YES', \
               coalesce(character_maximum_length, numeric_precision, 0)::int, \
               coalesce(numeric_scale, 0)::int, coalesce(column_default, '')::text, \
               table_schema::text, table_name::text \
               from information_schema.columns \
               where table_schema like $1 and table_name = $2 and table_schema <> 'front' \
               order by ordinal_position";
    let (schema, table) = (pattern(ask, "Schema")?, pattern(ask, "Table")?);
    let rows = on.client.query(sql, &[&schema, &table]).await.map_err(failed)?;
    let column = |row: &tokio_postgres::Row| {
        let (name, of): (String, String) = (row.get(0), row.get(1));
        let (size, scale): (i32, i32) = (row.get(3), row.get(4));
        json!({
            "name": name, "label": name, "typeName": type_name(&of), "columnDefault":
            row.get::<_, String>(5), "nullable": i32::from(row.get::<_, bool>(2)),
            "precision": size, "scale": scale, "length": size, "isCaseSensitive": false,
            "isCurrency": false, "isSigned": of.starts_with("int") || of == "numeric",
            "schemaName": row.get::<_, String>(6), "tableName": row.get::<_, String>(7),
        })
    };
    let mut body = page(ask, "ColumnList", rows.iter().map(column).collect())?;
    body["TableName"] = json!(table);
    Ok(body)
}
