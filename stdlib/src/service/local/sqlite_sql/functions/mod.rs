//! The functions that translated queries call: exact, and with Redshift's meaning.

mod aggregates;
mod decimals;
mod numbers;
mod texts;
mod times;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{FromSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Result};

/// What a function gives; `None` is null.
type Given = Option<ToSqlOutput<'static>>;

/// Makes the functions known to a connection.
///
/// # Errors
/// SQLite has no memory for them.
pub fn register(connection: &Connection) -> Result<()> {
    decimals::register(connection)?;
    numbers::register(connection)?;
    texts::register(connection)?;
    times::register(connection)?;
    aggregates::register(connection)
}

const FLAGS: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

/// Makes one function known, that is null where an argument is. `args` −1 = any number.
fn scalar(
    connection: &Connection,
    name: &str,
    args: i32,
    function: fn(&Args) -> Result<Given>,
) -> Result<()> {
    connection.create_scalar_function(name, args, FLAGS, move |context| {
        if (0..context.len()).any(|index| context.get_raw(index) == ValueRef::Null) {
            return Ok(None);
        }
        function(&Args(context))
    })
}

/// The arguments of a call, none of them null.
struct Args<'c, 'a>(&'c Context<'a>);

impl Args<'_, '_> {
    fn get<T: FromSql>(&self, index: usize) -> Result<T> {
        self.0.get(index)
    }

    fn text(&self, index: usize) -> Result<&str> {
        let text = self.0.get_raw(index).as_str();
        text.map_err(|_| super::wide::error("a text is not UTF-8"))
    }

    fn int(&self, index: usize) -> Result<i64> {
        self.get(index)
    }

    /// A scale, precision or flag.
    fn small(&self, index: usize) -> Result<u8> {
        self.get(index)
    }

    fn decimal(&self, index: usize) -> Result<i128> {
        super::wide::get(self.0.get_raw(index))
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

fn text(text: impl Into<String>) -> Result<Given> {
    Ok(Some(ToSqlOutput::Owned(Value::Text(text.into()))))
}

fn int(int: i64) -> Result<Given> {
    Ok(Some(ToSqlOutput::Owned(Value::Integer(int))))
}

/// A float; what is none is an error.
fn float(float: f64) -> Result<Given> {
    match float.is_finite() {
        true => Ok(Some(ToSqlOutput::Owned(Value::Real(float)))),
        false => Err(super::wide::error("float overflow, or not a number")),
    }
}
