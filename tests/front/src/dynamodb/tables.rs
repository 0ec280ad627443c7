//! Operations on tables.

use serde_json::{Value as Json, json};

use super::call::Call;
use super::error::{Error, invalid_parameter, not_found, validation};
use super::json::Members;
use super::table::{KeyAttribute, Table};
use crate::ACCOUNT;
use crate::wire::uuid;

impl Call<'_> {
    pub(super) fn create_table(&mut self, body: &Json) -> Result<Json, Error> {
        let mut members = Members::of(body)?;
        let name = members.table_name()?;
        let definitions = members.list("AttributeDefinitions")?;
        if definitions.is_none() {
            members.missing("AttributeDefinitions");
        }
        let schema = members.list("KeySchema")?;
        if schema.is_none() {
            members.missing("KeySchema");
        }
        let modes = ["PROVISIONED", "PAY_PER_REQUEST"];
        let mode = members.one_of("BillingMode", &modes, "PROVISIONED")?;
        members.check()?;
        members.refuse_legacy(&["LocalSecondaryIndexes", "GlobalSecondaryIndexes"]).map_err(
            |_| validation("This front does not serve indexes; leave out the secondary indexes"),
        )?;
        let protected = members.boolean("DeletionProtectionEnabled")?.unwrap_or(false);
        let throughput = throughput(&members, mode)?;
        let definitions = attributes(definitions.unwrap_or(&Vec::new()), "AttributeType")?;
        let schema = attributes(schema.unwrap_or(&Vec::new()), "KeyType")?;
        let (partition, sort) = key_schema(&definitions, &schema)?;
        let at = (self.region.to_owned(), name.clone());
        if self.state.tables.contains_key(&at) {
            return Err(Error::new(
                "ResourceInUseException",
                format!("Table already exists: {name}"),
            ));
        }
        let mut declared = json!({
            "AttributeDefinitions": body["AttributeDefinitions"],
            "KeySchema": body["KeySchema"],
            "ProvisionedThroughput": throughput,
            "DeletionProtectionEnabled": protected,
        });
        if mode == "PAY_PER_REQUEST" {
            declared["BillingModeSummary"] = json!({ "BillingMode": mode });
        }
        let table = Table {
            arn: format!("arn:aws:dynamodb:{}:{ACCOUNT}:table/{name}", self.region),
            id: uuid(),
            name,
            partition,
            sort,
            declared,
            created_ms: self.now_ms,
            active_ms: self.now_ms + self.settings.transition_ms,
            gone_ms: None,
            time_to_live: None,
            items: Default::default(),
        };
        // AWS answers CREATING even where the table is there at once.
        let mut description = table.description(self.now_ms);
        description["TableStatus"] = json!("CREATING");
        self.state.tables.insert(at, table);
        Ok(json!({ "TableDescription": description }))
    }

    /// A table in any status, for the operations on tables.
    fn any_table(&mut self, body: &Json) -> Result<&mut Table, Error> {
        let mut members = Members::of(body)?;
        let name = members.table_name()?;
        members.check()?;
        let at = (self.region.to_owned(), name.clone());
        let said = format!("Requested resource not found: Table: {name} not found");
        let table = self.state.tables.get_mut(&at);
        table.ok_or_else(|| Error::new("ResourceNotFoundException", said))
    }

    pub(super) fn describe_table(&mut self, body: &Json) -> Result<Json, Error> {
        let now_ms = self.now_ms;
        let table = self.any_table(body)?;
        Ok(json!({ "Table": table.description(now_ms) }))
    }

    pub(super) fn delete_table(&mut self, body: &Json) -> Result<Json, Error> {
        let (now_ms, gone_ms) = (self.now_ms, self.now_ms + self.settings.transition_ms);
        let table = self.any_table(body)?;
        if table.status(now_ms) == "CREATING" {
            return Err(Error::new(
                "ResourceInUseException",
                format!(
                    "Attempt to change a resource which is still in use: Table is being \
                     created: {}",
                    table.name
                ),
            ));
        }
        if table.declared["DeletionProtectionEnabled"] == true {
            return Err(validation(
                "Resource cannot be deleted as it is currently protected against deletion. \
                 Disable deletion protection first.",
            ));
        }
        table.gone_ms = table.gone_ms.or(Some(gone_ms));
        Ok(json!({ "TableDescription": table.description(now_ms) }))
    }

    pub(super) fn list_tables(&mut self, body: &Json) -> Result<Json, Error> {
        let mut members = Members::of(body)?;
        let limit = members.bounded("Limit", 1, 100)?;
        let start = members.string("ExclusiveStartTableName")?;
        if let Some(start) = start {
            members.constrain_name("exclusiveStartTableName", start);
        }
        members.check()?;
        let limit = limit.unwrap_or(100);
        let of_region = self.state.tables.keys().filter(|(region, _)| region == self.region);
        let names = of_region.map(|(_, name)| name.as_str());
        let after = names.filter(|name| start.is_none_or(|start| *name > start));
        let mut names: Vec<&str> = after.take(limit + 1).collect();
        let more = names.len() > limit;
        names.truncate(limit);
        let mut answer = json!({ "TableNames": names });
        if more {
            answer["LastEvaluatedTableName"] = json!(names.last());
        }
        Ok(answer)
    }

    pub(super) fn update_time_to_live(&mut self, body: &Json) -> Result<Json, Error> {
        let mut members = Members::of(body)?;
        let name = members.table_name()?;
        let Some(wanted) = members.get("TimeToLiveSpecification") else {
            members.missing("TimeToLiveSpecification");
            return Err(members.check().err().unwrap_or_else(not_found));
        };
        let mut wanted = Members::of(wanted)?;
        let attribute = wanted.required("AttributeName")?.to_owned();
        let enabled = wanted.boolean("Enabled")?;
        if enabled.is_none() {
            wanted.missing("Enabled");
        }
        members.check()?;
        wanted.check()?;
        let table = self.table(&name)?;
        if attribute.is_empty() || attribute.len() > 255 {
            return Err(validation("TimeToLive AttributeName must be 1 to 255 bytes long"));
        }
        match (&table.time_to_live, enabled == Some(true)) {
            (Some(_), true) => return Err(validation("TimeToLive is already enabled")),
            (None, false) => return Err(validation("TimeToLive is already disabled")),
            (Some(current), false) if *current != attribute => {
                return Err(validation(
                    "TimeToLive is active on a different AttributeName: current AttributeName is \
                     "
                    .to_owned()
                        + current,
                ));
            }
            (_, enable) => table.time_to_live = enable.then(|| attribute.clone()),
        }
        let answer = json!({ "AttributeName": attribute, "Enabled": enabled });
        Ok(json!({ "TimeToLiveSpecification": answer }))
    }

    pub(super) fn describe_time_to_live(&mut self, body: &Json) -> Result<Json, Error> {
        let table = self.any_table(body)?;
        let description = match &table.time_to_live {
            Some(name) => json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": name }),
            None => json!({ "TimeToLiveStatus": "DISABLED" }),
        };
        Ok(json!({ "TimeToLiveDescription": description }))
    }
}

/// The throughput that DescribeTable shows.
fn throughput(members: &Members<'_>, mode: &str) -> Result<Json, Error> {
    let given = members.object("ProvisionedThroughput")?;
    let said = match (mode, given) {
        ("PAY_PER_REQUEST", None) => {
            return Ok(json!({
                "NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0,
            }));
        }
        ("PAY_PER_REQUEST", Some(_)) => {
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode \
             is PAY_PER_REQUEST"
        }
        (_, None) => {
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is \
             PROVISIONED"
        }
        (_, Some(given)) => {
            let units =
                |name: &str| given.get(name).and_then(Json::as_i64).filter(|units| *units > 0);
            if let (Some(read), Some(write)) =
                (units("ReadCapacityUnits"), units("WriteCapacityUnits"))
            {
                return Ok(json!({
                    "NumberOfDecreasesToday": 0,
                    "ReadCapacityUnits": read,
                    "WriteCapacityUnits": write,
                }));
            }
            "ReadCapacityUnits and WriteCapacityUnits must both be specified and at least 1"
        }
    };
    Err(invalid_parameter(said))
}

/// Names and types of `AttributeDefinitions` or `KeySchema`.
fn attributes(list: &[Json], type_member: &str) -> Result<Vec<KeyAttribute>, Error> {
    let mut found: Vec<KeyAttribute> = Vec::new();
    for one in list {
        let mut members = Members::of(one)?;
        let name = members.required("AttributeName")?.to_owned();
        let types: &[&'static str] = match type_member {
            "KeyType" => &["HASH", "RANGE"],
            _ => &["B", "N", "S"],
        };
        if members.get(type_member).is_none() {
            members.missing(type_member);
        }
        let type_name = members.one_of(type_member, types, "")?.to_owned();
        members.check()?;
        if name.is_empty() || name.len() > 255 {
            return Err(validation("AttributeName must be 1 to 255 bytes long"));
        }
        found.push(KeyAttribute { name, type_name });
    }
    Ok(found)
}

/// The key's attributes with their types.
fn key_schema(
    definitions: &[KeyAttribute],
    schema: &[KeyAttribute],
) -> Result<(KeyAttribute, Option<KeyAttribute>), Error> {
    let kinds: Vec<&str> = schema.iter().map(|key| key.type_name.as_str()).collect();
    match kinds.as_slice() {
        ["HASH"] | ["HASH", "RANGE"] => {}
        [] | [_] | [_, _] if kinds.first() != Some(&"HASH") => {
            return Err(invalid_parameter(
                "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
            ));
        }
        [_, _] => {
            return Err(invalid_parameter(
                "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
            ));
        }
        _ => {
            return Err(validation(
                "1 validation error detected: Value at 'keySchema' failed to satisfy constraint: \
                 Member must have length less than or equal to 2",
            ));
        }
    }
    if schema.len() == 2 && schema[0].name == schema[1].name {
        return Err(invalid_parameter(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ));
    }
    let names =
        |of: &[KeyAttribute]| of.iter().map(|key| key.name.clone()).collect::<Vec<_>>().join(", ");
    let typed = |key: &KeyAttribute| {
        let found = definitions.iter().find(|definition| definition.name == key.name);
        found.cloned().ok_or_else(|| {
            invalid_parameter(format!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}], \
                 AttributeDefinitions: [{}]",
                names(schema),
                names(definitions)
            ))
        })
    };
    let keys = schema.iter().map(typed).collect::<Result<Vec<_>, Error>>()?;
    if definitions.len() != keys.len() {
        return Err(invalid_parameter(
            "Number of attributes in KeySchema does not exactly match number of attributes \
             defined in AttributeDefinitions",
        ));
    }
    let mut keys = keys.into_iter();
    match keys.next() {
        Some(partition) => Ok((partition, keys.next())),
        None => Err(not_found()),
    }
}
