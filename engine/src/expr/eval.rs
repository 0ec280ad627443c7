//! Runs a tree over the columns of a batch.

use super::column::Column;
use super::fault::Faults;
use super::tree::{Node, Part, Tree};
use super::{Env, all_true, arith, cast, compare, print};
use crate::batch::Rows;
use arrow_arith::boolean;
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int64Array, ListArray, StringArray, StructArray,
    TimestampNanosecondArray, UInt32Array,
};
use arrow_buffer::{BooleanBuffer, OffsetBuffer};
use arrow_schema::DataType;
use arrow_select::{concat::concat, take::take, zip::zip};
use dsl::plan::BatchField;
use std::sync::Arc;

/// What a tree reads.
pub(super) struct Cx<'a> {
    pub rows: &'a Rows,
    pub env: &'a Env,
}

impl Cx<'_> {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.columns.num_rows()
    }
}

impl Tree {
    /// The value for every row; rows that fail are added to `faults`.
    pub fn eval(&self, cx: &Cx, faults: &mut Faults) -> Column {
        match &self.node {
            Node::Const(value) => value.clone(),
            Node::Field(name) => {
                let column = cx.rows.columns.column_by_name(name);
                Column::Rows(column.expect("the checker resolved the field").clone())
            }
            Node::Get(record, name) => get(&record.eval(cx, faults), name),
            Node::Batch(field) => batch(cx.rows, *field),
            Node::Neg(operand) => arith::negate(self, operand.eval(cx, faults), cx.len(), faults),
            Node::Not(operand) => {
                let operand = operand.eval(cx, faults);
                let not = boolean::not(operand.raw().as_boolean());
                operand.with(Arc::new(not.expect("`not` takes any column of truth values")))
            }
            Node::IsNull(operand) => {
                let operand = operand.eval(cx, faults);
                let is_null = boolean::is_null(operand.raw().as_ref());
                operand.with(Arc::new(is_null.expect("any column can be asked for nulls")))
            }
            Node::And(left, right) => logic(left, right, true, cx, faults),
            Node::Or(left, right) => logic(left, right, false, cx, faults),
            Node::Compare(op, left, right) => {
                let (left, right) = (left.eval(cx, faults), right.eval(cx, faults));
                compare::compare(*op, left, right, cx.len())
            }
            Node::Arith(op, left, right) => {
                let (left, right) = (left.eval(cx, faults), right.eval(cx, faults));
                arith::arith(self, *op, left, right, cx.len(), faults)
            }
            Node::Coalesce(value, other) => self.coalesce(value, other, cx, faults),
            Node::Catch(value, other) => self.catch(value, other, cx, faults),
            Node::If(condition, then, other) => self.choose(condition, then, other, cx, faults),
            Node::Call(function, args) => {
                let args: Vec<Column> = args.iter().map(|arg| arg.eval(cx, faults)).collect();
                function.call(self, &args, cx, faults)
            }
            Node::Cast(operand) => {
                let operand = operand.eval(cx, faults);
                cast::cast(self, operand, cx.len(), faults)
            }
            Node::Record(entries) => self.record(entries, cx, faults),
            Node::List(items) => self.list(items, cx, faults),
            Node::Template(parts) => template(parts, cx, faults),
        }
    }

    fn coalesce(&self, value: &Tree, other: &Tree, cx: &Cx, faults: &mut Faults) -> Column {
        let value = value.eval(cx, faults);
        let Some(nulls) = value.nulls(cx.len()).filter(|nulls| nulls.null_count() > 0) else {
            return self.conform(value);
        };
        let missing = !nulls.inner();
        let other = masked(other, &missing, cx, faults);
        self.pick(&missing, other, value, cx.len())
    }

    fn catch(&self, value: &Tree, other: &Tree, cx: &Cx, faults: &mut Faults) -> Column {
        let mut caught = Faults::default();
        let value = value.eval(cx, &mut caught);
        if caught.is_empty() {
            return self.conform(value);
        }
        let failed = !caught.good(cx.len()).values();
        let other = masked(other, &failed, cx, faults);
        self.pick(&failed, other, value, cx.len())
    }

    fn choose(
        &self,
        condition: &Tree,
        then: &Tree,
        other: &Tree,
        cx: &Cx,
        faults: &mut Faults,
    ) -> Column {
        let condition = condition.eval(cx, faults).array(cx.len());
        let holds = holds(condition.as_boolean());
        let then = masked(then, &holds, cx, faults);
        let other = masked(other, &!&holds, cx, faults);
        self.pick(&holds, then, other, cx.len())
    }

    /// `yes` where the mask is true, else `no`.
    fn pick(&self, mask: &BooleanBuffer, yes: Column, no: Column, rows: usize) -> Column {
        let (yes, no) = (self.conform(yes).array(rows), self.conform(no).array(rows));
        let mask = BooleanArray::new(mask.clone(), None);
        Column::Rows(zip(&mask, &yes, &no).expect("both sides have the type of the whole"))
    }

    /// The column with exactly the type of this tree.
    fn conform(&self, column: Column) -> Column {
        let array = cast::conform(column.raw(), &self.data_type);
        column.with(array)
    }

    fn record(&self, entries: &[(String, Tree)], cx: &Cx, faults: &mut Faults) -> Column {
        let DataType::Struct(fields) = &self.data_type else {
            unreachable!("a record has a record's type")
        };
        let mut failed = Faults::default();
        let columns: Vec<ArrayRef> = fields
            .iter()
            .map(|field| {
                let entry = entries.iter().find(|(name, _)| name == field.name());
                let (_, tree) = entry.expect("the checker gave the record its entries");
                let column = tree.eval(cx, &mut failed).array(cx.len());
                cast::conform(&column, field.data_type())
            })
            .collect();
        let columns = fields.iter().zip(columns).map(|(field, column)| {
            if field.is_nullable() { column } else { cast::without_nulls(&column) }
        });
        faults.add_where(failed, &all_true(cx.len()));
        let nulls = None;
        let columns = columns.collect();
        Column::Rows(Arc::new(
            StructArray::try_new_with_length(fields.clone(), columns, nulls, cx.len())
                .expect("the entries have the types of the fields"),
        ))
    }

    fn list(&self, items: &[Tree], cx: &Cx, faults: &mut Faults) -> Column {
        let DataType::List(field) = &self.data_type else {
            unreachable!("a list has a list's type")
        };
        let (rows, width) = (cx.len(), items.len());
        let columns: Vec<ArrayRef> = items
            .iter()
            .map(|item| {
                let column = item.eval(cx, faults).array(rows);
                let column = cast::conform(&column, field.data_type());
                if field.is_nullable() { column } else { cast::without_nulls(&column) }
            })
            .collect();
        let values = if columns.is_empty() {
            arrow_array::new_empty_array(field.data_type())
        } else {
            let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
            let all = concat(&columns).expect("all items have one type");
            let order = (0..rows).flat_map(|row| (0..width).map(move |item| item * rows + row));
            let order = UInt32Array::from_iter_values(order.map(|index| index as u32));
            take(all.as_ref(), &order, None).expect("every index is there")
        };
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(width, rows));
        let list = ListArray::try_new(field.clone(), offsets, values, None);
        Column::Rows(Arc::new(list.expect("the items have the type of the list's field")))
    }
}

/// A part of which only the faults of the rows in `mask` count.
fn masked(tree: &Tree, mask: &BooleanBuffer, cx: &Cx, faults: &mut Faults) -> Column {
    let mut own = Faults::default();
    let column = tree.eval(cx, &mut own);
    faults.add_where(own, mask);
    column
}

/// True where it is true, not null.
fn holds(condition: &BooleanArray) -> BooleanBuffer {
    match condition.nulls() {
        Some(nulls) => condition.values() & nulls.inner(),
        None => condition.values().clone(),
    }
}

/// `and` and `or`, three-valued; the right side's faults count only where the left does not decide.
fn logic(left: &Tree, right: &Tree, and: bool, cx: &Cx, faults: &mut Faults) -> Column {
    let left = left.eval(cx, faults).array(cx.len());
    let left = left.as_boolean();
    let not_false = |values: &BooleanArray| match values.nulls() {
        Some(nulls) => values.values() | &!nulls.inner(),
        None => values.values().clone(),
    };
    let open = if and { not_false(left) } else { !&holds(left) };
    let right = masked(right, &open, cx, faults).array(cx.len());
    let right = right.as_boolean();
    let result =
        if and { boolean::and_kleene(left, right) } else { boolean::or_kleene(left, right) };
    Column::Rows(Arc::new(result.expect("both sides have a value for each row")))
}

/// A field of a record column; null where the record is null.
fn get(record: &Column, name: &str) -> Column {
    let records = record.raw().as_struct();
    let field = records.column_by_name(name).expect("the checker resolved the field");
    let Some(nulls) = records.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return record.with(field.clone());
    };
    let missing = BooleanArray::new(!nulls.inner(), None);
    let field = arrow_select::nullif::nullif(field.as_ref(), &missing);
    record.with(field.expect("the mask has a value for each row"))
}

fn batch(rows: &Rows, field: BatchField) -> Column {
    let group = rows.group.as_ref().expect("the checker keeps `batch.*` behind a batch");
    Column::One(match field {
        BatchField::Id => Arc::new(StringArray::from(vec![group.id.as_str()])),
        BatchField::Time => {
            Arc::new(TimestampNanosecondArray::from(vec![group.time_ns]).with_timezone("UTC"))
        }
        BatchField::Count => Arc::new(Int64Array::from(vec![group.count as i64])),
        BatchField::Size => Arc::new(Int64Array::from(vec![group.size as i64])),
    })
}

/// A text with its holes filled; null where a hole is null.
fn template(parts: &[Part], cx: &Cx, faults: &mut Faults) -> Column {
    let parts: Vec<print::Piece> = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => print::Piece::Text(text),
            Part::Hole(tree, format) => {
                print::Piece::Hole(tree.eval(cx, faults), format.as_deref())
            }
            Part::Encoded(tree) => print::Piece::Encoded(tree.eval(cx, faults)),
        })
        .collect();
    print::fill(&parts, cx.len())
}
