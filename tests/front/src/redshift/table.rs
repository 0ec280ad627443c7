//! CREATE TABLE: distribution, sorting and encoding left out, types as PostgreSQL has them, keys
//! not enforced.

use super::lex::{Kind, Token};

/// Where the table's name stands if this is CREATE TABLE.
pub fn begins(words: &[Token]) -> Option<usize> {
    let is = |at: usize, word: &str| words.get(at).is_some_and(|token| token.is(word));
    if !is(0, "create") {
        return None;
    }
    let mut at = 1;
    at += usize::from(is(at, "local"));
    at += usize::from(is(at, "temp") || is(at, "temporary"));
    if !is(at, "table") {
        return None;
    }
    at += 1;
    if is(at, "if") && is(at + 1, "not") && is(at + 2, "exists") {
        at += 3;
    }
    Some(at)
}

/// The statement for PostgreSQL; `print` writes tokens. The name stands at `name`.
pub fn translate(
    words: &[Token],
    name: usize,
    print: &dyn Fn(&[Token]) -> String,
) -> Result<String, String> {
    let list = words.iter().position(|token| token.is("("));
    let query = words.iter().position(|token| token.is("as"));
    let open = list.filter(|list| query.is_none_or(|query| *list < query));
    let mut sql = String::new();
    let mut at = match open {
        Some(open) => {
            let close = closing(words, open)?;
            let mut elements = Vec::new();
            for element in split(&words[open + 1..close]) {
                elements.extend(self::element(element, print)?);
            }
            sql.push_str(&print(&words[..open]));
            sql.push_str(&format!(" ({})", elements.join(", ")));
            close + 1
        }
        None => {
            let end = (name + 1..words.len()).find(|at| !joins(words, *at)).unwrap_or(words.len());
            sql.push_str(&print(&words[..end]));
            end
        }
    };
    while at < words.len() {
        if words[at].is("as") {
            sql.push(' ');
            sql.push_str(&print(&words[at..]));
            break;
        }
        at = attribute(words, at)?;
    }
    Ok(sql)
}

/// True inside `schema.table`.
fn joins(words: &[Token], at: usize) -> bool {
    words[at].is(".") || words[at - 1].is(".")
}

fn closing(words: &[Token], open: usize) -> Result<usize, String> {
    let mut depth = 0_usize;
    for (at, token) in words.iter().enumerate().skip(open) {
        depth += usize::from(token.is("("));
        depth -= usize::from(token.is(")"));
        if depth == 0 {
            return Ok(at);
        }
    }
    Err("ERROR: syntax error at end of input".into())
}

/// The parts between the commas that stand in no parentheses.
fn split(words: &[Token]) -> Vec<&[Token]> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (at, token) in words.iter().enumerate() {
        depth += usize::from(token.is("("));
        depth = depth.saturating_sub(usize::from(token.is(")")));
        if depth == 0 && token.is(",") {
            parts.push(&words[from..at]);
            from = at + 1;
        }
    }
    parts.push(&words[from..]);
    parts
}

/// Behind an attribute of the table, which PostgreSQL has not.
fn attribute(words: &[Token], at: usize) -> Result<usize, String> {
    let is = |at: usize, word: &str| words.get(at).is_some_and(|token| token.is(word));
    let list = |at: usize| match is(at, "(") {
        true => closing(words, at).map(|close| close + 1),
        false => Ok(at),
    };
    match &words[at] {
        word if word.is("diststyle") || word.is("backup") || word.is("encode") => Ok(at + 2),
        word if word.is("compound") || word.is("interleaved") => Ok(at + 1),
        word if word.is("sortkey") && is(at + 1, "auto") => Ok(at + 2),
        word if word.is("sortkey") || word.is("distkey") => list(at + 1),
        word => Err(format!("ERROR: syntax error at or near \"{}\"", word.text)),
    }
}

/// A column, `LIKE`, or nothing in the place of a key.
fn element(words: &[Token], print: &dyn Fn(&[Token]) -> String) -> Result<Option<String>, String> {
    let Some(first) = words.first() else {
        return Err("ERROR: syntax error at or near \",\"".into());
    };
    if first.is("like") {
        return Ok(Some(print(words)));
    }
    if ["primary", "unique", "foreign"].iter().any(|word| first.is(word)) {
        return Ok(None);
    }
    let attributes = [
        "default",
        "identity",
        "generated",
        "encode",
        "distkey",
        "sortkey",
        "not",
        "null",
        "primary",
        "unique",
        "references",
        "collate",
    ];
    let after = |token: &Token| attributes.iter().any(|word| token.is(word));
    let end = words.iter().skip(1).position(after).map_or(words.len(), |at| at + 1);
    let mut column = format!("{} {}", print(&words[..1]), data_type(&words[1..end])?);
    let mut at = end;
    while at < words.len() {
        at = column_attribute(words, at, &mut column, print)?;
    }
    Ok(Some(column))
}

fn column_attribute(
    words: &[Token],
    at: usize,
    column: &mut String,
    print: &dyn Fn(&[Token]) -> String,
) -> Result<usize, String> {
    let is = |at: usize, word: &str| words.get(at).is_some_and(|token| token.is(word));
    let end_of = |at: usize| match is(at, "(") {
        true => closing(words, at).map(|close| close + 1),
        false => Ok(at),
    };
    match &words[at] {
        word if word.is("default") => {
            let ends = ["encode", "not", "null", "primary", "unique", "distkey", "sortkey"];
            let more = |token: &Token| ends.iter().any(|word| token.is(word));
            let rest = &words[at + 1..];
            // The first word is the value, `null` too.
            let length = rest.iter().skip(1).position(more).map_or(rest.len(), |at| at + 1);
            column.push_str(&format!(" default {}", print(&rest[..length])));
            Ok(at + 1 + length)
        }
        word if word.is("identity") => {
            column.push_str(" generated by default as identity");
            end_of(at + 1)
        }
        word if word.is("not") && is(at + 1, "null") => {
            column.push_str(" not null");
            Ok(at + 2)
        }
        word if word.is("primary") && is(at + 1, "key") => {
            column.push_str(" not null");
            Ok(at + 2)
        }
        word if word.is("encode") => Ok(at + 2),
        word if word.is("references") => end_of(at + 2),
        word if ["distkey", "sortkey", "null", "unique"].iter().any(|name| word.is(name)) => {
            Ok(at + 1)
        }
        word => Err(format!("ERROR: syntax error at or near \"{}\"", word.text)),
    }
}

/// A type of Redshift with its own defaults and limits.
fn data_type(words: &[Token]) -> Result<String, String> {
    let named = |token: &&Token| matches!(token.kind, Kind::Word | Kind::Name);
    let name: Vec<String> =
        words.iter().take_while(named).map(|token| token.text.to_lowercase()).collect();
    let name = name.join(" ");
    let arguments: Vec<String> = words[name.split_whitespace().count()..]
        .iter()
        .filter(|token| !["(", ")", ","].iter().any(|sign| token.is(sign)))
        .map(|token| token.text.to_lowercase())
        .collect();
    let length = |default: u32, max: u32| match arguments.first().map(String::as_str) {
        None => Ok(default),
        Some("max") => Ok(max),
        Some(text) => text
            .parse::<u32>()
            .ok()
            .filter(|length| (1..=max).contains(length))
            .ok_or_else(|| format!("ERROR: length for type {name} cannot exceed {max}")),
    };
    Ok(match name.as_str() {
        "varchar" | "character varying" | "nvarchar" => {
            format!("varchar({})", length(256, 65_535)?)
        }
        "text" => "varchar(256)".into(),
        "bpchar" => "char(256)".into(),
        "char" | "character" | "nchar" => format!("char({})", length(1, 4_096)?),
        "decimal" | "numeric" => decimal(&arguments)?,
        "super" => "jsonb".into(),
        "varbyte" | "varbinary" | "binary varying" => "bytea".into(),
        "smallint"
        | "int2"
        | "integer"
        | "int"
        | "int4"
        | "bigint"
        | "int8"
        | "real"
        | "float4"
        | "float"
        | "float8"
        | "double precision"
        | "boolean"
        | "bool"
        | "date"
        | "time"
        | "timetz"
        | "timestamp"
        | "timestamptz"
        | "timestamp without time zone"
        | "timestamp with time zone"
        | "time without time zone"
        | "time with time zone"
            if arguments.is_empty() =>
        {
            name
        }
        "" => return Err("ERROR: syntax error: a column has no type".into()),
        _ => return Err(format!("ERROR: type \"{name}\" does not exist")),
    })
}

fn decimal(arguments: &[String]) -> Result<String, String> {
    let digit = |at: usize, default: u32| match arguments.get(at) {
        Some(text) => text.parse::<u32>().unwrap_or(u32::MAX),
        None => default,
    };
    let (precision, scale) = (digit(0, 18), digit(1, 0));
    if precision == 0 || precision > 38 || scale > precision.min(37) {
        let given = arguments.join(", ");
        return Err(format!("ERROR: DECIMAL({given}): precision 1 to 38, scale up to 37"));
    }
    Ok(format!("numeric({precision}, {scale})"))
}

#[cfg(test)]
mod tests {
    use crate::redshift::translate::{Command, translate};

    fn table(sql: &str) -> Result<String, String> {
        translate(sql, &[]).map(|command| match command {
            Command::Plain(sql) => sql,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn what_postgres_has_not_is_left_out() {
        let sql = "CREATE TABLE IF NOT EXISTS public.\"Sales\" (
            invoiceno varchar(MAX) NOT NULL ENCODE zstd DISTKEY, \"Price\" decimal(10,3) SORTKEY,
            note text default 'a, b' encode lzo, at timestamp default getdate(),
            id bigint identity(1, 1) primary key, unique (invoiceno),
            primary key (invoiceno)) BACKUP NO DISTSTYLE KEY COMPOUND SORTKEY (a, b);";
        assert_eq!(
            table(sql).expect("a table"),
            "CREATE TABLE IF NOT EXISTS public.\"sales\" (invoiceno varchar(65535) not null, \
             \"price\" numeric(10, 3), note varchar(256) default 'a, b', \
             at timestamp default (now() at time zone 'UTC'), \
             id bigint generated by default as identity not null)"
        );
    }

    #[test]
    fn like_and_as_stay() {
        assert_eq!(
            table("create temp table stage (like sales)").expect("a table"),
            "create temp table stage (like sales)"
        );
        assert_eq!(
            table("create table a.b diststyle all as select 1 as x").expect("a table"),
            "create table a.b as select 1 as x"
        );
    }

    #[test]
    fn limits_and_foreign_types_are_refused() {
        for sql in [
            "create table t (a varchar(65536))",
            "create table t (a decimal(39, 3))",
            "create table t (a jsonb)",
            "create table t (a serial)",
            "create table t (a int[])",
            "create table t (a)",
            "create table t (a int) tablespace x",
        ] {
            assert!(table(sql).is_err(), "{sql}");
        }
    }
}
