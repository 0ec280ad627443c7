//! Sums and averages of decimals, averages of ints: exact in 128 bits.

use super::FLAGS;
use crate::service::local::sqlite_sql::wide;
use rusqlite::functions::{Aggregate, Context, WindowAggregate};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Result};

pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.create_window_function("rs_dsum", 1, FLAGS, Exact::Sum)?;
    connection.create_window_function("rs_davg", 1, FLAGS, Exact::Average)?;
    connection.create_window_function("rs_iavg", 1, FLAGS, Exact::IntAverage)
}

#[derive(Clone, Copy)]
enum Exact {
    /// As decimal(38, s).
    Sum,
    /// As decimal(38, s), rounded half away from zero.
    Average,
    /// As int, toward zero.
    IntAverage,
}

/// What has been added up; nulls are left out.
#[derive(Clone, Copy, Default)]
struct Total {
    sum: i128,
    count: i128,
}

impl Total {
    fn add(&mut self, context: &Context<'_>, sign: i128) -> Result<()> {
        let value = context.get_raw(0);
        if value == ValueRef::Null {
            return Ok(());
        }
        let value = wide::get(value)?;
        self.sum = self.sum.checked_add(sign * value).ok_or_else(wide::overflow)?;
        self.count += sign;
        Ok(())
    }
}

impl Exact {
    fn result(self, total: Option<Total>) -> Result<Option<ToSqlOutput<'static>>> {
        let Some(Total { sum, count }) = total.filter(|total| total.count > 0) else {
            return Ok(None);
        };
        let (number, precision) = match self {
            Exact::Sum => (sum, 38),
            Exact::Average => {
                let (whole, rest) = (sum / count, sum % count);
                let up = rest.unsigned_abs() >= (count - rest.abs()).unsigned_abs();
                (if up { whole + sum.signum() } else { whole }, 38)
            }
            Exact::IntAverage => (sum / count, 0),
        };
        wide::put(number, precision).map(Some)
    }
}

impl Aggregate<Total, Option<ToSqlOutput<'static>>> for Exact {
    fn init(&self, _: &mut Context<'_>) -> Result<Total> {
        Ok(Total::default())
    }

    fn step(&self, context: &mut Context<'_>, total: &mut Total) -> Result<()> {
        total.add(context, 1)
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        total: Option<Total>,
    ) -> Result<Option<ToSqlOutput<'static>>> {
        self.result(total)
    }
}

impl WindowAggregate<Total, Option<ToSqlOutput<'static>>> for Exact {
    fn value(&self, total: Option<&mut Total>) -> Result<Option<ToSqlOutput<'static>>> {
        self.result(total.copied())
    }

    fn inverse(&self, context: &mut Context<'_>, total: &mut Total) -> Result<()> {
        total.add(context, -1)
    }
}
