//! What is accepted with which types, and what is refused, where, and how.

use super::{Checked, SqlProblem, Table, check};
use crate::ty::{Field, RecordTy, Ty};

fn record(fields: &[(&str, Ty)]) -> RecordTy {
    let field =
        |(name, ty): &(&str, Ty)| Field { name: (*name).into(), ty: ty.clone(), span: None };
    RecordTy { fields: fields.iter().map(field).collect(), ..RecordTy::default() }
}

fn checked(sql: &str) -> Result<Checked, Vec<SqlProblem>> {
    let sales = record(&[
        ("InvoiceNo", Ty::Text),
        ("StockCode", Ty::Text),
        ("Description", Ty::Text.nullable()),
        ("Quantity", Ty::Int),
        ("InvoiceDate", Ty::Timestamp),
        ("UnitPrice", Ty::Decimal { precision: 10, scale: 3 }),
        ("CustomerID", Ty::Text.nullable()),
        ("Country", Ty::Text),
        ("day", Ty::Date),
        ("weight", Ty::Float),
        ("paid", Ty::Bool),
        ("tags", Ty::List(Box::new(Ty::Text))),
    ]);
    let customers = record(&[("CustomerID", Ty::Text), ("name", Ty::Text)]);
    let tables =
        [Table { name: "sales", record: &sales }, Table { name: "customers", record: &customers }];
    check(sql, &tables)
}

/// The columns as `name: type`.
fn columns(sql: &str) -> String {
    match checked(sql) {
        Ok(checked) => {
            let column = |(name, ty): &(String, Ty)| format!("{name}: {ty}");
            checked.columns.iter().map(column).collect::<Vec<_>>().join(", ")
        }
        Err(problems) => panic!("{sql}\n{problems:#?}"),
    }
}

/// The problems as `code text | message | help`.
fn told(sql: &str) -> Vec<String> {
    let tell = |problem: &SqlProblem| {
        let help = problem.help.as_deref().unwrap_or("");
        format!("{} {} | {} | {help}", problem.code, &sql[problem.at.clone()], problem.message)
    };
    match checked(sql) {
        Ok(checked) => panic!("{sql}\n{checked:#?}"),
        Err(problems) => problems.iter().map(tell).collect(),
    }
}

#[test]
fn the_reference_queries_have_their_types() {
    assert_eq!(
        columns(
            "select Description as product, sum(Quantity) as quantity, \
             sum(Quantity * UnitPrice) as revenue from sales group by Description \
             order by revenue desc limit 10"
        ),
        "product: text?, quantity: int?, revenue: decimal(38, 3)?"
    );
    assert_eq!(
        columns("SELECT country, COUNT(*) FROM SALES WHERE customerid IS NOT NULL GROUP BY 1"),
        "Country: text, count: int"
    );
}

const TYPES: &[(&str, &str)] = &[
    ("Quantity * UnitPrice", "decimal(30, 3)"),
    ("Quantity + 1", "int"),
    ("Quantity / 2", "int"),
    ("UnitPrice * 2", "decimal(21, 3)"),
    ("UnitPrice / 2", "decimal(21, 14)"),
    ("UnitPrice / UnitPrice", "decimal(21, 11)"),
    ("UnitPrice + 0.25", "decimal(11, 3)"),
    ("UnitPrice * 1.1::float", "float"),
    ("round(UnitPrice, 1)", "decimal(9, 1)"),
    ("round(UnitPrice)", "decimal(8, 0)"),
    ("floor(UnitPrice)", "decimal(8, 0)"),
    ("ceil(weight)", "float"),
    ("abs(Quantity)", "int"),
    ("UnitPrice::int", "int"),
    ("Quantity::decimal(12, 2)", "decimal(12, 2)"),
    ("cast(Quantity as varchar(3))", "text"),
    ("case when Quantity < 0 then 0 else UnitPrice end", "decimal(13, 3)"),
    ("case Country when 'France' then 1 end", "int?"),
    ("nvl(CustomerID, 'none')", "text"),
    ("coalesce(CustomerID, Description)", "text?"),
    ("nullif(Quantity, 0)", "int?"),
    ("nvl2(CustomerID, 1, 0)", "int"),
    ("decode(Country, 'France', 1, 'Spain', 2, 0)", "int"),
    ("greatest(Quantity, UnitPrice)", "decimal(22, 3)"),
    ("date_trunc('month', InvoiceDate)", "timestamp"),
    ("extract(year from InvoiceDate)", "int"),
    ("date_part(dow, InvoiceDate)", "int"),
    ("dateadd(day, 7, InvoiceDate)", "timestamp"),
    ("datediff(month, InvoiceDate, '2011-12-09')", "int"),
    ("InvoiceDate + interval '7 days'", "timestamp"),
    ("day + 1", "date"),
    ("InvoiceDate::date", "date"),
    ("trunc(InvoiceDate)", "date"),
    ("to_char(InvoiceDate, 'YYYY-MM')", "text"),
    ("to_char(UnitPrice, '999,990.00')", "text"),
    ("InvoiceDate between '2011-01-01' and '2011-02-01'", "bool"),
    ("Quantity in (1, 2, 3) and not paid", "bool"),
    ("Country like 'U%' or Description ilike '%heart%'", "bool?"),
    ("Country || '/' || Quantity", "text"),
    ("substring(StockCode, 1, 3)", "text"),
    ("position('a' in Country)", "int"),
    ("trim(both ' ' from Description)", "text?"),
    ("split_part(Country, ' ', 1)", "text"),
    ("Quantity % 2", "int"),
    ("mod(Quantity, 2)", "int"),
    ("1e3 * weight", "float"),
    ("-9223372036854775808", "int"),
    ("exists (select 1 from customers where customers.CustomerID = sales.CustomerID)", "bool"),
    ("(select max(name) from customers)", "text?"),
    ("CustomerID in (select CustomerID from customers)", "bool?"),
    ("paid is true", "bool"),
    ("null", "text?"),
    ("row_number() over (partition by Country order by Quantity desc)", "int"),
    (
        "sum(UnitPrice) over (order by InvoiceDate rows between 2 preceding and current row)",
        "decimal(38, 3)?",
    ),
    ("lag(Quantity, 1) over (order by InvoiceDate)", "int?"),
];

#[test]
fn expressions_have_redshifts_types() {
    for (expr, ty) in TYPES {
        assert_eq!(
            columns(&format!("select {expr} as x from sales")),
            format!("x: {ty}"),
            "{expr}"
        );
    }
}

const AGGREGATES: &[(&str, &str)] = &[
    ("count(*)", "int"),
    ("count(distinct CustomerID)", "int"),
    ("avg(Quantity)", "int?"),
    ("avg(UnitPrice)", "decimal(38, 3)?"),
    ("sum(weight)", "float?"),
    ("min(InvoiceDate)", "timestamp?"),
    ("max(Country)", "text?"),
    ("sum(Quantity * UnitPrice) / count(*)", "decimal(38, 4)?"),
    ("listagg(Country, ', ') within group (order by Country)", "text?"),
];

#[test]
fn aggregates_have_redshifts_types() {
    for (expr, ty) in AGGREGATES {
        assert_eq!(
            columns(&format!("select {expr} as x from sales")),
            format!("x: {ty}"),
            "{expr}"
        );
    }
}

const QUERIES: &[(&str, &str)] = &[
    (
        "select c.name, Quantity from sales s left join customers c on c.CustomerID = s.CustomerID",
        "name: text?, Quantity: int",
    ),
    (
        "select CustomerID, name from customers join sales using (CustomerID)",
        "CustomerID: text, name: text",
    ),
    (
        "with big as (select Country c, sum(Quantity) q from sales group by 1) \
      select c, q from big where q > 10 order by q desc",
        "c: text, q: int?",
    ),
    ("select t.* from (select Quantity + 1 as n from sales) as t", "n: int"),
    ("select * from customers", "CustomerID: text, name: text"),
    (
        "select Quantity n from sales union all select UnitPrice from sales order by 1",
        "n: decimal(22, 3)",
    ),
    ("select Quantity * 2 as double, double + 1 as more from sales", "double: int, more: int"),
    ("select top 3 Country from sales", "Country: text"),
    ("select distinct Country from sales order by country", "Country: text"),
    (
        "select upper(Country) u, count(*) n from sales group by u having count(*) > 1 order by n",
        "u: text, n: int",
    ),
    (
        "select date_trunc('month', InvoiceDate), count(*) from sales \
      group by date_trunc('month', InvoiceDate)",
        "date_trunc: timestamp, count: int",
    ),
    ("select 1", "?column?: int"),
];

#[test]
fn whole_queries_have_their_columns() {
    for (sql, expected) in QUERIES {
        assert_eq!(columns(sql), *expected, "{sql}");
    }
}

const REFUSED: &[(&str, &str)] = &[
    ("select Quantty from sales", "E0302 Quantty | no column `Quantty` | did you mean `Quantity`?"),
    ("select s.Contry from sales s", "E0302 Contry | no column `Contry` | did you mean `Country`?"),
    ("select 1 from salse", "E0201 salse | no table `salse` | did you mean `sales`?"),
    ("select t.a from sales", "E0201 t | no table `t` in this query | "),
    ("select uper(Country) from sales", "E0201 uper | no function `uper` | did you mean `upper`?"),
    (
        "select soundex(Country) from sales",
        "E0001 soundex | the function `soundex` is not supported yet | ",
    ),
    (
        "select Country, sum(Quantity) from sales",
        "E0306 Country | `Country` is neither grouped nor aggregated | \
         add it to `group by`, or take \
      `max(Country)`",
    ),
    (
        "select sum(Quantity) from sales where sum(Quantity) > 1",
        "E0306 sum(Quantity) | `sum` cannot stand in `where` | filter groups with `having`",
    ),
    (
        "select Country + 1 from sales",
        "E0306 Country + 1 | `+` needs two numbers | cast the text: `x::int`",
    ),
    (
        "select 1 from sales where Country = 5",
        "E0306 Country = 5 | `=` compares a varchar with an int | cast one side: `Country::int`",
    ),
    (
        "select 1 from sales where InvoiceDate > 'yesterday'",
        "E0306 'yesterday' | `'yesterday'` is not a timestamp | write `'2010-12-01 08:26:00'`",
    ),
    (
        "select 1 from sales where CustomerID = null",
        "E0306 CustomerID = null | `= null` is never true | write `is null`",
    ),
    (
        "select 1 from sales where Quantity",
        "E0306 Quantity | the condition of `where` is a bool, not an int | \
         cast it: `Quantity::bool`",
    ),
    (
        "select CustomerID from sales join customers on true",
        "E0302 CustomerID | `CustomerID` may mean two columns | write `sales.CustomerID`",
    ),
    (
        "select tags from sales",
        "E0001 tags | a column of type list<text> in SQL is not supported yet | \
         leave the column out \
      of the query",
    ),
    (
        "select date_trunc('mnth', InvoiceDate) from sales",
        "E0306 'mnth' | `mnth` is no part of a date | did you mean `month`?",
    ),
    ("select date 2.50", "E0306 2.50 | a text in single quotes follows a type | "),
    (
        "select getdate()",
        "E0001 getdate | `getdate` is not supported yet | write a date: `'2011-12-09'`",
    ),
    (
        "select \"France\" from sales",
        "E0302 \"France\" | no column `France` | text is written in single quotes: `'France'`",
    ),
    (
        "delete from sales",
        "E0001 delete | `delete` is not a query | only `select` can be written here",
    ),
    ("select 1; select 2", "E0102 select 2 | one query, one statement | declare a second `query`"),
    ("select from where", "E0102 from | expected an expression before `from` | "),
    ("select Country from sales group by Country order by 3", "E0302 3 | no column number 3 | "),
    (
        "select Country from sales union select Country, 1 from sales",
        "E0306 select Country, 1 from sales | both sides need the same number of columns | ",
    ),
    (
        "select to_char(InvoiceDate, 'YYYY TZ') from sales",
        "E0001 'YYYY TZ' | the pattern `TZ` of `to_char` is not supported yet | ",
    ),
    (
        "select substring(Country) from sales",
        "E0306 Country | `substring` takes 2 or 3 arguments, not 1 | ",
    ),
];

#[test]
fn each_problem_is_told_at_its_place() {
    let mut wrong = Vec::new();
    for (sql, expected) in REFUSED {
        let told = told(sql);
        if !told.first().is_some_and(|told| told.starts_with(expected)) || told.len() != 1 {
            wrong.push(format!("{sql}\n  {}\n  {expected}", told.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn several_problems_are_told_at_once() {
    let told = told("select Quantty, Contry from sales where Prise > 1");
    assert_eq!(told.len(), 3, "{told:#?}");
    // one cause, one problem
    assert_eq!(self::told("select Country from sales group by Contry").len(), 1);
}

#[test]
fn deep_and_broken_queries_are_problems_and_no_overflow() {
    let deep = [
        format!("select {}1{}", "(".repeat(3_000), ")".repeat(3_000)),
        format!("select 1{}", " + 1".repeat(310)),
        format!("select 1{}", " + 1".repeat(5_000)),
        format!("select {} true", "not ".repeat(3_000)),
        format!("select case {} end", "when true then case ".repeat(500)),
        format!("{} select 1 {}", "select * from (".repeat(200), ")".repeat(200)),
        format!("select 1{}", " union select 1".repeat(300)),
        format!("select f{}", "(a".repeat(1_000)),
        format!("select '{}", "x".repeat(100_000)),
    ];
    assert!(checked(&format!("select 1{} from sales", " + 1".repeat(290))).is_ok());
    for sql in &deep {
        assert!(checked(sql).is_err(), "{}", &sql[..40]);
    }
    let sql = "with a as (select Country c from sales where Quantity in (1, 2) order by 1 limit 5) \
               select c, case when c like 'U%' then 'é' end from a union all select 'x', null";
    for end in (0..sql.len()).filter(|end| sql.is_char_boundary(*end)) {
        if let Err(problems) = checked(&sql[..end]) {
            problems.iter().for_each(|problem| assert!(problem.at.end <= end, "{}", &sql[..end]));
        }
    }
}
