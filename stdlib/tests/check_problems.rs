//! Mistakes in flows, one each, and the problem that each gives, at its place.

mod check;

use check::problems;

/// Asserts the problems of `body` behind the shared declarations: `CODE text under the primary
/// label`.
#[track_caller]
fn gives(body: &str, expected: &[&str]) {
    let found: Vec<String> = problems(body).iter().map(|problem| problem.place.clone()).collect();
    assert_eq!(found, expected, "\n{body}\n{:#?}", problems(body));
}

#[test]
fn names() {
    gives("flow a { order.read -> drop }", &["E0201 order"]);
    gives("flow a { orders -> drop }", &["E0201 orders"]);
    gives("flow a { orders.read -> bas64.decode -> drop }", &["E0201 bas64.decode"]);
    gives("flow a { orders.read -> lake.write }", &["E0206 write"]);
    gives("flow a { orders.read -> drop }\nflow a { orders.read -> drop }", &["E0202 a"]);
    gives("stream orders : text\nflow a { orders.read -> drop }", &["E0202 orders"]);
    gives("bucket file : text\nflow a { orders.read -> drop }", &["E0202 file"]);
    gives("flow a { let orders = lake.read\n orders -> drop }", &["E0202 orders"]);
    gives("flow a { let x = orders.read\n x.rejected -> drop }", &["E0205 rejected"]);
    gives("flow a { in -> drop }", &["E0201 in"]);
    gives(
        "flow a { orders.read -> drop\n errors -> stock.upsert }",
        &["E0304 stock.upsert", "E0305 stock.upsert"],
    );
    gives("node n() -> Line { errors -> out }\nflow a { n() -> drop }", &["E0201 errors"]);
}

#[test]
fn options() {
    let batch = |options: &str| format!("flow a {{ orders.read -> batch({options}) -> drop }}");
    gives(&batch("size: 4MB, wait: 60s"), &[]);
    gives(&batch("sizes: 4MB"), &["E0203 sizes"]);
    gives(&batch("500"), &["E0203 500"]);
    gives(&batch("wait: 5MiB"), &["E0308 5MiB"]);
    gives(&batch("wait: 60"), &["E0308 60"]);
    gives(&batch("max: 5s"), &["E0308 5s"]);
    gives(&batch("max: 0"), &["E0308 0"]);
    gives(&batch("max: _max, wait: 1s"), &[]);
    gives(&batch("wait: _listen"), &["E0311 _listen"]);
    gives(&batch("max: 5, max: 6"), &["E0202 max"]);
    gives("flow a { file.read() -> drop }", &["E0204 file.read"]);
    gives("flow a { lake.read -> lake.put(key: \"x\") \n errors -> drop }", &["E0301 lake.put"]);
    gives(
        "flow a { file.read(\"x\") -> csv.decode(encoding: \"utf8\") as Line -> drop\n\
         errors -> drop }",
        &["E0308 \"utf8\""],
    );
}

#[test]
fn wires() {
    gives("flow a { orders.read -> json.decode -> drop\nerrors -> drop }", &["E0401 json.decode"]);
    gives(
        "flow a { orders.read -> json.decode as Line -> drop\nerrors -> drop }",
        &["E0401 json.decode"],
    );
    gives("flow a { lines() -> http.post(\"http://x/\")\nerrors -> drop }", &["E0402 http.post"]);
    gives("flow a { lines() -> lake.append\nerrors -> drop }", &["E0402 lake.append"]);
    gives(
        "flow a { lines() -> json.encode -> orders.write\nerrors -> drop }",
        &["E0403 orders.write"],
    );
    gives("flow a { orders.read -> where .Quantity > 0 -> drop }", &["E0403 where"]);
    gives(
        "flow a { lines() -> json.encode -> where .Quantity > 0 -> drop\nerrors -> drop }",
        &["E0403 where"],
    );
    gives("flow a { lines() -> json.decode -> drop\nerrors -> drop }", &["E0404 json.decode"]);
    gives(
        "flow a { orders.read -> base64.decode -> base64.decode -> drop\nerrors -> drop }",
        &["E0404 base64.decode"],
    );
    gives(
        "flow a { file.read(\"x\") -> json.decode -> drop\nerrors -> drop }",
        &["E0204 json.decode"],
    );
    gives(
        "flow a { file.read(\"x\") -> csv.decode -> drop\nerrors -> drop }",
        &["E0204 csv.decode"],
    );
    gives(
        "flow a { orders.read -> base64.decode -> json.decode as Line -> drop\nerrors -> drop }",
        &["E0310 Line"],
    );
    gives("flow a { orders.read -> batch(max: 5) as Line -> drop }", &["E0310 Line"]);
    gives("flow a { lines() -> text.join -> drop\nerrors -> drop }", &["E0301 text.join"]);
    gives("flow a { lines() -> stock.copy\nerrors -> drop }", &["E0301 stock.copy"]);
}

#[test]
fn graph() {
    gives("flow a { lines() -> drop }", &["E0501 a"]);
    gives("flow a {\n let e = errors\n lines() -> drop }", &["E0501 a", "E0506 e"]);
    gives("flow a {\n let x = lines()\n let e = x.errors\n x -> drop }", &["E0501 a", "E0506 e"]);
    gives("flow a {\n lines() -> drop\n errors -> drp }", &["E0201 drp"]);
    gives("flow a {\n lines() -> drop\n errors }", &["E0505 errors"]);
    gives("flow a { lines() -> orders.write -> drop\nerrors -> drop }", &["E0502 ->"]);
    gives("flow a { lines() -> orders.read\nerrors -> drop }", &["E0503 ->"]);
    gives(
        "flow a { let x = [orders.read, y] -> base64.encode\n\
         let y = x -> base64.encode\ny -> drop }",
        &["E0504 x"],
    );
    gives("node n() -> Line { n() -> out }\nflow a { n() -> drop }", &["E0504 n"]);
    gives("flow a { lines()\nerrors -> drop }", &["E0505 lines"]);
    gives("flow a { lines() -> where .Quantity > 0\nerrors -> drop }", &["E0505 where"]);
    gives("flow a { let x = lines()\norders.read -> drop\nerrors -> drop }", &["E0506 x"]);
    gives("flow a { json.encode -> drop }", &["E0506 json.encode"]);
    gives("flow a { lines() -> json.encode catch drop -> drop\nerrors -> drop }", &["E0205 drop"]);
    gives(
        "flow a { orders.read -> base64.decode catch drop\n\
         -> json.decode catch quarantine.append -> drop }",
        &[],
    );
    gives("flow a { [lines(), orders.read] -> drop\nerrors -> drop }", &["E0307 orders.read"]);
    gives("flow a : exactly_once { orders.read -> drop }", &["E0001 exactly_once"]);
}

#[test]
fn resources() {
    gives("flow a { lines() -> customers.upsert\nerrors -> drop }", &["E0601 customers.upsert"]);
    gives(
        "flow a { lines() -> customers.upsert { .CustomerID, .Country }\nerrors -> drop }",
        &["E0601 .CustomerID"],
    );
    gives(
        "flow a { lines() -> customers.upsert { .Country }\nerrors -> drop }",
        &["E0602 { .Country }"],
    );
    gives("stream s : json<Line> key .Weight\nflow a { orders.read -> drop }", &["E0302 .Weight"]);
}

#[test]
fn not_yet() {
    gives("flow a { orders.read -> avro.encode -> drop }", &["E0001 avro.encode"]);
    gives("flow a { [orders.read] -> merge -> drop }", &["E0001 merge"]);
    gives("flow a { orders.read -> buffer(1000) -> drop }", &["E0001 buffer"]);
    gives("flow a { stock.scan -> drop }", &["E0001 stock.scan"]);
}
