//! Types of expressions, and what is wrong with them.

use super::harness::{constant, only, typed, wanted};
use crate::check::expr::fallible;
use crate::ty::Ty;

#[test]
fn expressions_have_the_types_of_the_language() {
    for (expr, ty) in [
        ("5", "int"),
        ("2.55", "decimal(3, 2)"),
        (".Quantity", "int"),
        (".\"Unit Kind\"", "text"),
        (".CustomerID", "text?"),
        ("-.Quantity", "int"),
        (".Quantity + 1", "int"),
        (".Quantity * .UnitPrice", "decimal(30, 3)"),
        (".UnitPrice + 1", "decimal(23, 3)"),
        (".UnitPrice / 2", "decimal(14, 7)"),
        (".Quantity / 2", "decimal(23, 4)"),
        (".Quantity % 2", "int"),
        (".Weight * .Weight", "float"),
        (".At - .At", "duration"),
        (".At + 5s", "timestamp"),
        ("5s + 1min", "duration"),
        (".Quantity > 2.5", "bool"),
        (".InvoiceNo == \"a\"", "bool"),
        (".CustomerID == .InvoiceNo", "bool"),
        (".CustomerID == null", "bool"),
        ("not (.CustomerID == null) and .Paid", "bool"),
        (".CustomerID ?? \"none\"", "text"),
        (".Discount ?? 0", "decimal(21, 2)"),
        (".Discount ?? null", "decimal(4, 2)?"),
        ("if .Paid then 1 else 2.5", "decimal(20, 1)"),
        ("if .Paid then .Quantity else null", "int?"),
        ("if .CustomerID != null then upper(.CustomerID) else \"\"", "text"),
        (".CustomerID != null and upper(.CustomerID) == \"A\"", "bool"),
        (".CustomerID == null or upper(.CustomerID) == \"A\"", "bool"),
        (".Stock.Quantity", "int"),
        (".Spare?.Quantity", "int?"),
        (".Stock.Description", "text?"),
        ("sample.Quantity", "int"),
        ("limit", "int"),
        ("needed", "int"),
        ("batch.time", "timestamp"),
        ("\"{.InvoiceNo} of {.At:%Y}\"", "text"),
        ("[1, 2.5]", "list<decimal(20, 1)>"),
        ("upper(.InvoiceNo)", "text"),
        ("length(.Tags)", "int"),
        ("round(.UnitPrice, 1)", "decimal(9, 1)"),
        ("round(.UnitPrice)", "decimal(8, 0)"),
        ("round(.UnitPrice, digits: 5)", "decimal(10, 3)"),
        ("floor(.UnitPrice)", "int"),
        ("abs(.UnitPrice)", "decimal(10, 3)"),
        ("split(.InvoiceNo, \",\")", "list<text>"),
        ("int(.InvoiceNo)", "int"),
        ("int(.InvoiceNo) catch 0", "int"),
        ("decimal(.InvoiceNo)", "decimal(38, 9)"),
        ("decimal(.InvoiceNo, 10, 2)", "decimal(10, 2)"),
        ("decimal(.InvoiceNo, precision: 6)", "decimal(6, 0)"),
        ("timestamp(.InvoiceNo, zone: \"Europe/London\", format: \"%d.%m.%Y\")", "timestamp"),
        ("date(.At)", "date"),
        ("text(.UnitPrice)", "text"),
        ("sha256(.Body)", "text"),
        ("uuid()", "uuid"),
    ] {
        let (found, problems) = typed(expr);
        assert!(problems.is_empty(), "{expr}: {}", problems.join("\n"));
        assert_eq!(found.ty.to_string(), ty, "{expr}");
    }
}

#[test]
fn what_is_wrong_is_said_once_at_its_place() {
    for (expr, problem) in [
        (".Quantty", "E0302 at \".Quantty\": no field `.Quantty` on this record"),
        (".Quantty + 1 > 2 and .Paid", "E0302 at \".Quantty\": no field `.Quantty` on this record"),
        ("Quantity", "E0201 at \"Quantity\": there is no param, const or function `Quantity`"),
        ("orders", "E0201 at \"orders\": `orders` is a stream, not a value"),
        ("upper", "E0201 at \"upper\": there is no param, const or function `upper`"),
        ("uper(.InvoiceNo)", "E0201 at \"uper\": there is no function `uper`"),
        (
            ".InvoiceNo.upper()",
            "E0201 at \"upper\": `.InvoiceNo` has no function `upper` of its own",
        ),
        ("limit(1)", "E0201 at \"limit\": `limit` is a value and takes no arguments"),
        ("password", "E0801 at \"password\": `password` is a secret, and would be readable here"),
        (
            "upper(.CustomerID)",
            "E0303 at \".CustomerID\": `.CustomerID` may be null, and `upper` needs a value",
        ),
        (
            ".CustomerID < \"a\"",
            "E0303 at \".CustomerID\": `.CustomerID` may be null, and `<` needs a value",
        ),
        (
            "\"{.CustomerID}\"",
            "E0303 at \".CustomerID\": `.CustomerID` may be null, and a hole in a text needs a value",
        ),
        (
            ".Spare.Quantity",
            "E0303 at \".Spare\": `.Spare` may be null, and only a value has `.Quantity`",
        ),
        (
            ".InvoiceNo + .Quantity",
            "E0306 at \"+\": `+` needs two numbers, and this is `text + int`",
        ),
        (".InvoiceNo + \"x\"", "E0306 at \"+\": `+` needs two numbers, and this is `text + text`"),
        (".Weight * .Quantity", "E0306 at \"*\": `*` needs two numbers, and this is `float * int`"),
        (
            ".InvoiceNo == 5",
            "E0306 at \"==\": `==` needs two values of one type, and this is `text == int`",
        ),
        (
            ".Stock == .Stock",
            "E0306 at \"==\": `==` needs two values of one type, and this is `Stock == Stock`",
        ),
        (
            ".Paid > true",
            "E0306 at \">\": `>` needs two numbers, texts, times, durations or sizes, and this is `bool > bool`",
        ),
        (
            ".Quantity and .Paid",
            "E0306 at \"and\": `and` needs two conditions, and this is `int and bool`",
        ),
        (
            "not .Quantity",
            "E0306 at \"not\": `not` turns true and false round, and this is an `int`",
        ),
        ("-.InvoiceNo", "E0306 at \"-\": `-` needs a number, and this is a `text`"),
        (
            "if .Paid then 1 else \"a\"",
            "E0306 at \"\\\"a\\\"\": the two sides of `if` have no common type: `int` and `text`",
        ),
        (
            "if .Quantity then 1 else 2",
            "E0311 at \".Quantity\": a condition is true or false, and `.Quantity` is an `int`",
        ),
        (
            "upper(.Quantity)",
            "E0311 at \".Quantity\": `upper` takes a text, and `.Quantity` is an `int`",
        ),
        (
            "int(.Quantity)",
            "E0311 at \".Quantity\": `int` takes a text, a decimal or a float, and `.Quantity` is an `int`",
        ),
        ("upper(.InvoiceNo, 2)", "E0203 at \"2\": `upper` takes one argument"),
        ("replace(.InvoiceNo, \"a\")", "E0204 at \"replace\": `replace` needs its argument `with`"),
        (
            "timestamp(.InvoiceNo, fromat: \"%Y\")",
            "E0203 at \"fromat\": `timestamp` has no argument `fromat`",
        ),
        (
            "timestamp(.InvoiceNo, format: \"%Q\")",
            "E0311 at \"\\\"%Q\\\"\": `%Q` is not a strftime format",
        ),
        (
            "timestamp(.InvoiceNo, zone: \"Europe/Lodnon\")",
            "E0311 at \"\\\"Europe/Lodnon\\\"\": there is no time zone `Europe/Lodnon`",
        ),
        (
            "round(.UnitPrice, .Quantity)",
            "E0313 at \".Quantity\": `digits` of `round` must be known before the run",
        ),
        (
            "int(\"abc\")",
            "E0311 at \"int(\\\"abc\\\")\": `int(\"abc\")` always fails: not a whole number of 64 bits",
        ),
        ("\"{.Stock}\"", "E0311 at \".Stock\": `.Stock` has no text form"),
        ("\"{.Quantity:%Y}\"", "E0311 at \"%Y\": `%Y` formats a time, and `.Quantity` is an `int`"),
        ("\"{.Day:%H}\"", "E0311 at \"%H\": `%H` asks a date for its time of day"),
        ("batch.ids", "E0302 at \"ids\": a batch has no `ids`"),
        (".Tags[0]", "E0001 at \".Tags[0]\": `[…]` is not supported yet"),
        ("sum(.Quantity)", "E0001 at \"sum\": `sum` is not supported yet"),
        (".Quantity has 5", "E0001 at \"has\": `has` is not supported yet"),
        (
            ".InvoiceNo != null",
            "warning W0907 at \".InvoiceNo\": `.InvoiceNo` is never null, so this is always true",
        ),
        (
            ".InvoiceNo ?? \"a\"",
            "warning W0907 at \".InvoiceNo\": `.InvoiceNo` is never null, so `??` has no effect",
        ),
        (".Quantity catch 1", "warning W0907 at \".Quantity\": `.Quantity` cannot fail"),
    ] {
        let (_, problems) = typed(expr);
        assert_eq!(only(&problems), problem, "{expr}");
    }
}

#[test]
fn values_take_the_type_of_their_place() {
    for (expr, ty) in [
        ("2.55", "decimal(10, 3)"),
        ("3", "decimal(10, 3)"),
        (".Quantity", "decimal(10, 3)"),
        (".UnitPrice", "decimal(12, 4)"),
        (".InvoiceNo", "text?"),
        ("null", "text?"),
        ("decimal(.InvoiceNo)", "decimal(10, 3)"),
        ("\"bar\"", "\"bar\""),
        ("\"https://example.org\"", "url"),
        ("[1, 2]", "list<int>"),
        ("[]", "list<int>"),
        ("{ Description: null, Quantity: 1 }", "Stock"),
        ("sample", "Stock?"),
        (".Stock", "{ Quantity: int }"),
    ] {
        let (found, problems) = wanted(expr, ty);
        assert!(problems.is_empty(), "{expr} as {ty}: {}", problems.join("\n"));
        assert_eq!(found.ty.to_string(), ty, "{expr}");
    }
    for (expr, ty, problem) in [
        (
            ".UnitPrice",
            "decimal(10, 2)",
            "E0309 at \".UnitPrice\": a `decimal(10, 2)` is needed here, and `.UnitPrice` is `decimal(10, 3)`",
        ),
        (
            "2.555",
            "decimal(10, 2)",
            "E0309 at \"2.555\": a `decimal(10, 2)` is needed here, and `2.555` is `decimal(4, 3)`",
        ),
        (
            "1000",
            "decimal(5, 2)",
            "E0311 at \"1000\": a `decimal(5, 2)` is needed here, and `1000` has too many digits for it",
        ),
        (
            ".UnitPrice",
            "int",
            "E0311 at \".UnitPrice\": an `int` is needed here, and `.UnitPrice` is a `decimal(10, 3)`",
        ),
        ("5MiB", "duration", "E0308 at \"5MiB\": a duration is needed here, and `5MiB` is a size"),
        (
            "60",
            "duration",
            "E0308 at \"60\": a duration is needed here, and `60` is a plain number",
        ),
        ("5s", "int", "E0308 at \"5s\": an `int` is needed here, and `5s` is a duration"),
        (
            ".CustomerID",
            "text",
            "E0303 at \".CustomerID\": `.CustomerID` may be null, and a `text` is needed here",
        ),
        ("null", "text", "E0303 at \"null\": `null` cannot stand here: a `text` is needed here"),
        (
            "\"x\"",
            "\"bar\"",
            "E0311 at \"\\\"x\\\"\": a `\"bar\"` is needed here, and `\"x\"` is a `text`",
        ),
        (
            "\"nowhere\"",
            "url",
            "E0311 at \"\\\"nowhere\\\"\": a `url` is needed here, and `\"nowhere\"` is no absolute URL",
        ),
    ] {
        let (_, problems) = wanted(expr, ty);
        assert_eq!(only(&problems), problem, "{expr} as {ty}");
    }
}

#[test]
fn what_can_fail_is_known() {
    for (expr, why) in [
        (".Quantity + 1", None),
        (".Quantity / 2", None),
        (".Quantity / zero", Some("division by zero")),
        (".UnitPrice / .UnitPrice", Some("division by zero")),
        (".Quantity % .Quantity", Some("division by zero")),
        ("int(.InvoiceNo)", Some("not a whole number of 64 bits")),
        ("int(.InvoiceNo) catch 0", None),
        ("int(.InvoiceNo) catch int(.CustomerID ?? \"\")", Some("not a whole number of 64 bits")),
        ("float(.Quantity)", None),
        ("float(.InvoiceNo)", Some("not a number")),
        ("date(.At)", None),
        ("timestamp(\"2010-12-01T08:26:00Z\") == .At", None),
        ("\"{int(.InvoiceNo)}\"", Some("not a whole number of 64 bits")),
    ] {
        let (found, problems) = typed(expr);
        assert!(problems.is_empty(), "{expr}: {}", problems.join("\n"));
        assert_eq!(fallible(&found), why, "{expr}");
    }
    let (found, _) = wanted(".Quantity * .UnitPrice", "decimal(12, 3)");
    assert_eq!(fallible(&found), Some("a number with too many digits"));
    let (found, _) = wanted(".UnitPrice", "decimal(12, 3)");
    assert_eq!(fallible(&found), None);
}

#[test]
fn constants_are_worked_out_before_the_run() {
    for (expr, value) in [
        ("limit + 1", "6"),
        ("\"http://{listen}/orders\"", "\"http://127.0.0.1:8080/orders\""),
        ("2.50 * 2", "5.00"),
        ("-2.5", "-2.5"),
        (
            "timestamp(\"12/1/2010 8:26\", format: \"%m/%d/%Y %H:%M\")",
            "timestamp(\"2010-12-01T08:26:00Z\")",
        ),
        (
            "timestamp(\"2010-07-01\", \"%Y-%m-%d\", \"Europe/London\")",
            "timestamp(\"2010-06-30T23:00:00Z\")",
        ),
        ("upper(\"tea\")", "\"TEA\""),
        ("{ ...sample, Quantity: limit }", "{ Description: null, Quantity: 5 }"),
        ("input", "\"flows/data/in.csv\""),
        ("if limit > 3 then \"a\" else \"b\"", "\"a\""),
        ("decimal(\"2.5\", 10, 3)", "2.500"),
        ("[1, 2]", "[1, 2]"),
    ] {
        let (found, problems) = constant(expr);
        assert!(problems.is_empty(), "{expr}: {}", problems.join("\n"));
        assert_eq!(found.map(|value| value.to_string()).as_deref(), Some(value), "{expr}");
    }
    let (_, problems) = constant("now()");
    assert_eq!(
        only(&problems),
        "E0313 at \"now()\": this value is needed before the run, and `now()` is not known"
    );
    let (_, problems) = constant(".Quantity");
    assert_eq!(
        only(&problems),
        "E0302 at \".Quantity\": `.Quantity` is a field, and no record flows here"
    );
}

#[test]
fn the_advice_can_be_pasted() {
    for (expr, help) in [
        (
            ".InvoiceNo + .Quantity",
            "to join texts:  \"{.InvoiceNo}{.Quantity}\"\n    to add numbers:  int(.InvoiceNo) + .Quantity",
        ),
        (".InvoiceNo + \"-x\"", "to join texts:  \"{.InvoiceNo}-x\""),
        (".InvoiceNo == 5", "compare texts:  \"5\"\n    or numbers:     int(.InvoiceNo)"),
        (".Weight + .Quantity", "float never mixes silently; convert it:  float(.Quantity)"),
        ("Quantity", "a field begins with a dot: `.Quantity`"),
        ("upper", "a function is called: `upper(\"tea\")`"),
        (".InvoiceNo.length()", "a function takes the value inside:  length(.InvoiceNo)"),
        ("len(.InvoiceNo)", "write `length(x)`"),
        ("None", "write `null`"),
        (
            ".Nothing",
            "its fields: `.InvoiceNo`, `.Quantity`, `.UnitPrice`, `.CustomerID`, `.Discount`, `.Weight`, `.Paid`, `.At`, `.Day`, `.Took` and 5 more",
        ),
    ] {
        let (_, problems) = typed(expr);
        let found = problems[0].split("help: ").nth(1).unwrap_or_default();
        assert_eq!(found, help, "{expr}");
    }
}

#[test]
fn poison_is_silent() {
    let (found, problems) = typed(".Nope + upper(.Nope) * (if .Nope then 1 else .Nope)");
    assert_eq!(found.ty, Ty::Unknown);
    // Each `.Nope` is a place of its own; nothing is said of what depends on them.
    assert!(problems.iter().all(|problem| problem.starts_with("E0302")), "{problems:#?}");
}
