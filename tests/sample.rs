//! The sample is what its generator makes, and has the quirks it promises.

#[path = "../flows/data/generate.rs"]
mod generate;

fn committed(name: &str) -> Vec<u8> {
    let path = format!("{}/flows/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_committed_files_are_what_the_generator_makes() {
    let rows = generate::rows();
    let say = "run `cargo run --example generate-sample` and look at the difference";
    assert!(committed("online-retail.csv") == generate::csv(&rows), "{say}");
    assert_eq!(String::from_utf8_lossy(&committed("expected.json")), generate::expected(&rows));
}

#[test]
fn the_sample_has_the_quirks_of_the_real_file() {
    let rows = generate::rows();
    let bytes = generate::csv(&rows);
    assert!(std::str::from_utf8(&bytes).is_err() && bytes.contains(&0xA3));
    assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), rows.len() + 1);
    assert!(bytes.windows(2).filter(|pair| pair == b"\r\n").count() == rows.len() + 1);
    let has = |what: &str, test: &dyn Fn(&generate::Row) -> bool| {
        assert!(rows.iter().any(test), "no row with {what}");
    };
    let named = |row: &generate::Row, test: &dyn Fn(&str) -> bool| {
        row.description.as_deref().is_some_and(test)
    };
    has("an inch mark", &|row| named(row, &|name| name.contains('"')));
    has("a comma", &|row| named(row, &|name| name.contains(',')));
    has("a blank before", &|row| named(row, &|name| name.starts_with(' ')));
    has("a blank behind", &|row| named(row, &|name| name.ends_with(' ')));
    has("no description", &|row| row.description.is_none());
    has("three decimals", &|row| row.price % 10 != 0);
    has("a price below zero", &|row| row.price < 0);
    has("a price of zero", &|row| row.price == 0);
    has("a cancelled invoice", &|row| row.invoice.starts_with('C') && row.quantity < 0);
    let lower = |row: &generate::Row| {
        let other = row.stock.to_uppercase();
        other != row.stock && rows.iter().any(|each| each.stock == other)
    };
    has("a code that differs by case", &lower);
    let twice = rows.iter().enumerate().any(|(at, row)| rows[..at].contains(row));
    assert!(twice, "no row is there twice");
    let without = rows.iter().filter(|row| row.customer.is_none()).count();
    assert!((22..28).contains(&(without * 100 / rows.len())));
}
