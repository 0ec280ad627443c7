//! The three formats.

use super::*;

fn printed(format: RowFormat, limit: usize, width: usize) -> String {
    let columns = ["StockCode".to_string(), "item".into(), "revenue".into()];
    let rows = [
        vec![
            Value::Text("85123A".into()),
            Value::Text("{\"a\":2.550}".into()),
            Value::Decimal { unscaled: 2_550, scale: 3 },
        ],
        vec![Value::Text("a \"b\", c".into()), Value::Null, Value::Int(1_234_567)],
        vec![Value::Text("x\ny".into()), Value::Text("{no JSON".into()), Value::Null],
    ];
    let style = Style { color: false, width };
    let printer = Printer {
        format,
        style,
        limit,
        row_lines_max: 1,
        json_columns: &["item"],
        whole_columns: &[],
        more: false,
    };
    let mut out = Vec::new();
    printer.print(&columns, rows.into_iter().map(Ok), &mut out).expect("it prints");
    String::from_utf8(out).expect("text")
}

#[test]
fn a_table_fits_the_terminal() {
    let text = printed(RowFormat::Table, 0, 44);
    assert!(text.lines().all(|line| line.chars().count() <= 44), "{text}");
    assert!(text.contains("1,234,567") && text.contains("2.550"), "{text}");
    assert!(text.ends_with("3 rows\n"), "{text}");
    let text = printed(RowFormat::Table, 0, 24);
    assert!(text.contains("3 rows\n`…` is where a cell is cut"), "{text}");
}

#[test]
fn the_limit_is_said() {
    let text = printed(RowFormat::Table, 1, 80);
    assert!(text.ends_with("1 row, and there are more: `--limit 0` shows all\n"), "{text}");
}

#[test]
fn json_lines_keep_digits_and_embedded_json() {
    assert_eq!(
        printed(RowFormat::Jsonl, 0, 80),
        "{\"StockCode\":\"85123A\",\"item\":{\"a\":2.550},\"revenue\":2.550}\n\
         {\"StockCode\":\"a \\\"b\\\", c\",\"item\":null,\"revenue\":1234567}\n\
         {\"StockCode\":\"x\\ny\",\"item\":\"{no JSON\",\"revenue\":null}\n"
    );
}

#[test]
fn csv_quotes_where_it_must() {
    assert_eq!(
        printed(RowFormat::Csv, 2, 80),
        "StockCode,item,revenue\n85123A,\"{\"\"a\"\":2.550}\",2.550\n\"a \"\"b\"\", c\",,1234567\n"
    );
}
