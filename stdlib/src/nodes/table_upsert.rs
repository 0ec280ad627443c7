//! `table.upsert`: merges fields into the item of each record's key.

use crate::service::outgoing::row_json;
use crate::service::{Attribute, AttributeName, Refused, Services, Upserts, physical_name};
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_select::filter::filter;
use async_trait::async_trait;
use dsl::ast::ResourceKind;
use dsl::spec::*;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::expr::{self, CompiledRecord, Env};
use engine::fault::{Fault, RowFault};
use engine::node::{Sink, SinkLimits, Written};
use engine::registry::Open;
use engine::summary::Counters;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "table.upsert",
    summary: "Merges fields into the item of each record's key.",
    doc: "\
The fields of the table's `key` clause name the item; every other field is an attribute that is set
in it, and attributes that are not named stay as they are. `[.StockCode]: { … }` gives the attribute
a name of its own in each record. Without braces the whole record is merged.

Records are merged in the order in which they arrive: the later of two attributes of one name
counts. `replaced` in the summary counts the attributes that took the place of an earlier one, of
this run or before; a repetition after a crash counts too, and changes nothing.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Table),
    signatures: &["R ->"],
    options: &[],
    fails: &[
        FailureSpec { code: "item_too_large", when: "an item is over 400 KB" },
        FailureSpec { code: "key_empty", when: "a key is empty" },
        FailureSpec { code: "key_null", when: "a key is null" },
        FailureSpec { code: "key_too_long", when: "a key is over 2,048 bytes" },
        FailureSpec { code: "number_range", when: "a float is outside of 1E-130 to 9.99E+125" },
        FailureSpec {
            code: "attribute_name",
            when: "a computed name is null, empty, or that of the key",
        },
    ],
    body: BodySpec::Record,
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    examples: &[Example {
        title: "An item for each order, an attribute for each product.",
        flow: r#"
type Order = { id: text, product: text, quantity: int }
type Item  = { id: text, [text]: { quantity: int } }

table orders : Item key .id

profile aws {
  orders = dynamodb("example-orders")
}

profile local = emulate(aws, dir: "out")

flow take : at_least_once {
  file.read("orders.csv")
    -> csv.decode as Order
    -> orders.upsert { .id, [.product]: { .quantity } }
  errors -> log
}
"#,
        files: &[("orders.csv", "id,product,quantity\na1,tea,2\na1,milk,1\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How a run opens it.
pub fn open(services: Arc<Services>) -> Open {
    Open::Sink(Box::new(move |ctx| {
        let services = services.clone();
        Box::pin(async move { Ok(Box::new(TableUpsert::open(&ctx, services)?) as Box<dyn Sink>) })
    }))
}

/// A writer of items to one table.
pub struct TableUpsert {
    services: Arc<Services>,
    table: String,
    keys: Vec<String>,
    record: Option<CompiledRecord>,
    env: Env,
    counters: Counters,
}

/// The rows of a write that could be worked out.
struct Worked {
    upserts: Upserts,
    /// Which rows they are.
    rows: Vec<usize>,
    faults: Vec<RowFault>,
}

impl TableUpsert {
    /// Opens it.
    ///
    /// # Errors
    /// The table is not bound.
    pub fn open(ctx: &NodeCtx, services: Arc<Services>) -> Result<TableUpsert, Fault> {
        let resource = ctx.node.resource.expect("a verb has a resource");
        let resource = &ctx.plan.resources[resource];
        Ok(TableUpsert {
            services,
            table: physical_name(resource)?.to_owned(),
            keys: resource.key.clone(),
            record: ctx.node.record.as_ref().map(expr::compile_record),
            env: Env::new(ctx),
            counters: ctx.counters.clone(),
        })
    }

    /// Keys and attributes of all rows; those that cannot be worked out are faults.
    fn work_out(&self, rows: &Rows) -> Worked {
        let Some(record) = &self.record else {
            let schema = rows.columns.schema_ref().clone();
            let named = schema.fields().iter().map(|field| field.name().clone());
            let columns = named.zip(rows.columns.columns().iter().cloned()).collect();
            let upserts = self.upserts(columns, Vec::new());
            return Worked { upserts, rows: (0..rows.len()).collect(), faults: Vec::new() };
        };
        let worked = record.eval(rows, &self.env);
        let good = worked.faults.good(rows.len());
        let all_good = worked.faults.is_empty();
        let keep = |column: ArrayRef| if all_good { column } else { kept(&column, &good) };
        let named = worked.columns.into_iter().map(|(name, column)| (name, keep(column)));
        let computed = worked.computed.into_iter().map(|entry| {
            let names = keep(Arc::new(entry.names));
            let name = AttributeName::Each(names.as_string::<i32>().clone());
            Attribute { name, values: keep(entry.values) }
        });
        let upserts = self.upserts(named.collect(), computed.collect());
        let faults = worked.faults.into_iter().map(|fault| RowFault {
            row: fault.row,
            code: fault.code,
            message: fault.message,
            payload: row_json(rows, fault.row),
            meta: Vec::new(),
        });
        let rows = (0..rows.len()).filter(|row| good.value(*row)).collect();
        Worked { upserts, rows, faults: faults.collect() }
    }

    fn upserts(&self, named: Vec<(String, ArrayRef)>, computed: Vec<Attribute>) -> Upserts {
        let (mut keys, mut attributes) = (Vec::new(), Vec::new());
        for key in &self.keys {
            let column = named.iter().find(|(name, _)| name == key);
            keys.push(column.expect("the checker asks for the key").clone());
        }
        for (name, values) in named {
            if !self.keys.contains(&name) {
                attributes.push(Attribute { name: AttributeName::Same(name), values });
            }
        }
        attributes.extend(computed);
        Upserts { keys, attributes }
    }
}

fn kept(column: &ArrayRef, good: &BooleanArray) -> ArrayRef {
    filter(column, good).expect("one flag a row")
}

#[async_trait]
impl Sink for TableUpsert {
    fn limits(&self) -> SinkLimits {
        self.services.tables.upsert_limits()
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        let worked = self.work_out(rows);
        let mut written = Written { refused: worked.faults, ..Written::default() };
        if !worked.rows.is_empty() {
            let done = self.services.tables.upsert(&self.table, worked.upserts).await?;
            if let Some(items) = done.items {
                self.counters.add("items", items);
            }
            self.counters.add("attributes", done.attributes);
            self.counters.add("replaced", done.replaced);
            written.again = done.again.into_iter().map(|row| worked.rows[row]).collect();
            written.fault = done.fault;
            written.refused.extend(done.refused.into_iter().map(
                |Refused { row, code, message }| {
                    let row = worked.rows[row];
                    RowFault { row, code, message, payload: row_json(rows, row), meta: Vec::new() }
                },
            ));
        }
        Ok(written)
    }
}
