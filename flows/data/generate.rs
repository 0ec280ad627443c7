//! Makes the sample of this directory: `cargo run --example generate-sample` writes
//! `online-retail.csv` and `expected.json`, the same bytes every time.
//!
//! The rows are invented, but in shape and proportion like the UCI data set "Online Retail": its
//! columns, ISO-8859-1 with CRLF, cancellations (`C…`) and bad debts (`A…`), a quarter of the rows
//! without a customer, missing and quoted descriptions, blanks around them, codes that differ only
//! by case, rows twice, negative quantities, prices of 0 and of three decimals. `expected.json` is
//! what a whole run must store, counted here from the rows and not by any code of flowc.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Rows that are made before the special ones are spread in; about the length of the file.
const ROWS: usize = 5_000;
const SEED: u64 = 20_101_201;
const HEADER: &str =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
const HOME: &str = "United Kingdom";
/// The countries of the data set but for the shop's own; each has one customer here.
const ABROAD: [&str; 37] = [
    "Australia",
    "Austria",
    "Bahrain",
    "Belgium",
    "Brazil",
    "Canada",
    "Channel Islands",
    "Cyprus",
    "Czech Republic",
    "Denmark",
    "EIRE",
    "European Community",
    "Finland",
    "France",
    "Germany",
    "Greece",
    "Hong Kong",
    "Iceland",
    "Israel",
    "Italy",
    "Japan",
    "Lebanon",
    "Lithuania",
    "Malta",
    "Netherlands",
    "Norway",
    "Poland",
    "Portugal",
    "RSA",
    "Saudi Arabia",
    "Singapore",
    "Spain",
    "Sweden",
    "Switzerland",
    "USA",
    "United Arab Emirates",
    "Unspecified",
];
const LOOKS: [&str; 16] = [
    "AMBER", "CHALKY", "COPPERY", "DUSKY", "FROSTED", "GINGHAM", "HAZEL", "INKY", "MARBLED",
    "MOSSY", "OCHRE", "PEBBLED", "QUILTED", "RUSTIC", "SMOKED", "TARTAN",
];
const STUFFS: [&str; 8] =
    ["BEECH", "CANVAS", "CERAMIC", "CORK", "LINEN", "PEWTER", "RATTAN", "SLATE"];
const THINGS: [&str; 20] = [
    "ABACUS",
    "BELLOWS",
    "BOOKEND",
    "BUTTER BELL",
    "COAT PEG",
    "DARNING EGG",
    "EGG TIMER",
    "FOOTSTOOL",
    "GLOBE",
    "INKWELL",
    "KITE REEL",
    "LETTER SPIKE",
    "NUTMEG MILL",
    "OAR RACK",
    "PEN WIPER",
    "SEED DIBBER",
    "SUNDIAL",
    "TOAST FORK",
    "TWINE DISH",
    "WEATHERVANE",
];

/// One line of one invoice.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Six digits, with `C` or `A` before a cancellation or a bad debt.
    pub invoice: String,
    /// The code of the article.
    pub stock: String,
    /// Blanks around it belong to it.
    pub description: Option<String>,
    /// Negative where goods come back.
    pub quantity: i64,
    /// Minutes since 1970-01-01 00:00.
    pub minute: i64,
    /// Price of one, in thousandths.
    pub price: i64,
    /// Five digits.
    pub customer: Option<u32>,
    /// Where to.
    pub country: &'static str,
}

/// An article of the catalogue.
#[derive(Clone)]
struct Article {
    code: String,
    description: String,
    price: i64,
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True `n` times of a thousand.
    fn permille(&mut self, n: usize) -> bool {
        self.below(1000) < n
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What is made so far.
struct Shop {
    random: Random,
    catalogue: Vec<Article>,
    rows: Vec<Row>,
    invoice: u32,
    minute: i64,
    abroad: usize,
}

/// All rows of the sample, in file order.
pub fn rows() -> Vec<Row> {
    let mut random = Random(SEED);
    let catalogue = catalogue(&mut random);
    // 1 December 2010, 8:26.
    let minute = 14_944 * 1440 + 8 * 60 + 26;
    let mut shop =
        Shop { random, catalogue, rows: Vec::new(), invoice: 700_000, minute, abroad: 0 };
    let mut orders = 0;
    while shop.rows.len() < ROWS {
        orders += 1;
        match orders {
            40 => shop.order(Some(350)),
            90 => shop.bulk(),
            130 => shop.bad_debt(),
            _ => shop.order(None),
        }
        if orders % 6 == 0 {
            shop.cancellation();
        }
        if orders % 10 == 0 {
            shop.stock_count();
        }
        shop.later();
    }
    shop.rows
}

impl Shop {
    /// The next order comes the same day or some days later; never on a Saturday, from 8 to 17 h.
    fn later(&mut self) {
        self.minute += 20 + self.random.below(400) as i64;
        if self.minute.rem_euclid(1440) >= 17 * 60 {
            let days = self.minute.div_euclid(1440) + 1 + self.random.below(8) as i64;
            // 1 January 1970 was a Thursday.
            let days = if (days + 4) % 7 == 6 { days + 1 } else { days };
            self.minute = days * 1440 + 8 * 60 + self.random.below(120) as i64;
        }
        self.invoice += 1 + self.random.below(20) as u32;
    }

    /// One order with some ten to some tens of lines, or so many.
    fn order(&mut self, lines: Option<usize>) {
        let without = self.rows.iter().filter(|row| row.customer.is_none()).count();
        let few = without * 1000 < self.rows.len() * 250;
        let (customer, country) = match () {
            _ if lines.is_some() || few && self.random.permille(600) => (None, HOME),
            _ if self.abroad < ABROAD.len() && self.random.permille(300) => {
                self.abroad += 1;
                (Some(31_000 + 7 * self.abroad as u32), ABROAD[self.abroad - 1])
            }
            _ => (Some(30_000 + self.random.below(110) as u32 * 3), HOME),
        };
        let most = if country == HOME { 45 } else { 20 };
        let lines = lines.unwrap_or_else(|| 1 + self.random.below(most));
        let first = self.rows.len();
        let mut taken = BTreeSet::new();
        for line in 0..lines {
            let mut number = self.random.below(self.catalogue.len());
            while !taken.insert(number) {
                number = self.random.below(self.catalogue.len());
            }
            let article = self.catalogue[number].clone();
            let dozens =
                if customer.is_some() { *self.random.of(&[1, 2, 3, 4, 6, 8, 12, 24]) } else { 1 };
            let row = Row {
                invoice: self.invoice.to_string(),
                stock: article.code,
                description: Some(article.description),
                quantity: dozens * (1 + self.random.below(3) as i64),
                // An order that is long in the making is dated a minute later behind its middle.
                minute: self.minute + i64::from(lines > 40 && line > lines / 2),
                price: article.price,
                customer,
                country,
            };
            self.rows.push(row);
            if self.random.permille(10) {
                self.rows.push(self.rows[first + self.random.below(line + 1)].clone());
            }
            if self.random.permille(10) {
                let mut again = self.rows[first + self.random.below(line + 1)].clone();
                again.quantity += 1 + self.random.below(8) as i64;
                self.rows.push(again);
            }
        }
        if customer.is_some() && self.random.permille(150) {
            let price = 18_000 + 1_000 * self.random.below(20) as i64;
            self.extra("POST", "SENT BY PARCEL", price, customer, country);
        }
    }

    /// A line that is no article.
    fn extra(
        &mut self,
        stock: &str,
        description: &str,
        price: i64,
        customer: Option<u32>,
        country: &'static str,
    ) {
        self.rows.push(Row {
            invoice: self.invoice.to_string(),
            stock: stock.into(),
            description: Some(description.into()),
            quantity: 1,
            minute: self.minute,
            price,
            customer,
            country,
        });
    }

    /// Some lines of an earlier order come back.
    fn cancellation(&mut self) {
        self.invoice += 1;
        let bought: Vec<usize> = (0..self.rows.len())
            .filter(|&at| self.rows[at].quantity > 0 && self.rows[at].customer.is_some())
            .collect();
        let at = *self.random.of(&bought);
        let lines = 1 + self.random.below(4);
        let order = self.rows[at].invoice.clone();
        let back: Vec<Row> = self.rows[at..].iter().take(lines).cloned().collect();
        for row in back.into_iter().filter(|row| row.invoice == order) {
            let invoice = format!("C{}", self.invoice);
            let quantity = -(1 + self.random.below(row.quantity as usize) as i64);
            self.rows.push(Row { invoice, quantity, minute: self.minute, ..row });
        }
    }

    /// Goods lost or found: no price, no customer, often no description.
    fn stock_count(&mut self) {
        self.invoice += 1;
        let article = self.random.of(&self.catalogue).clone();
        let note = *self.random.of(&[None, None, None, Some("?? wet"), Some("turned up")]);
        let quantity = 1 + self.random.below(200) as i64;
        self.rows.push(Row {
            invoice: self.invoice.to_string(),
            stock: article.code,
            description: note.map(String::from),
            quantity: if note == Some("turned up") { quantity } else { -quantity },
            minute: self.minute,
            price: 0,
            customer: None,
            country: HOME,
        });
    }

    /// The largest order, cancelled some minutes later; and the smallest prices.
    fn bulk(&mut self) {
        let article = self.catalogue[0].clone();
        let (customer, invoice) = (Some(30_030), self.invoice.to_string());
        let row = Row {
            invoice,
            stock: article.code,
            description: Some(article.description),
            quantity: 60_123,
            minute: self.minute,
            price: 1_040,
            customer,
            country: HOME,
        };
        self.rows.push(row.clone());
        self.extra("SWATCH", "SWATCHES, FREE WITH AN ORDER", 1, customer, HOME);
        self.extra("FEE", "Card fee", 125, customer, HOME);
        self.invoice += 1;
        let invoice = format!("C{}", self.invoice);
        self.rows.push(Row { invoice, quantity: -60_123, minute: self.minute + 12, ..row });
    }

    /// A debt is written off, by mistake and back.
    fn bad_debt(&mut self) {
        for price in [9_871_230, -9_871_230, -9_871_230] {
            self.invoice += 1;
            self.extra("W", "Written off", price, None, HOME);
            let last = self.rows.len() - 1;
            self.rows[last].invoice = format!("A{}", self.invoice);
        }
    }
}

/// Some hundreds of articles. One in some has a comma or an inch mark in its name, one in five
/// blanks around it; some codes differ only by the case of their letter.
fn catalogue(random: &mut Random) -> Vec<Article> {
    let mut all = Vec::new();
    for number in 0..640 {
        let (look, stuff) = (LOOKS[number % 16], STUFFS[number / 16 % 8]);
        let thing = THINGS[(number * 7 + number / 128) % 20];
        let name = match number {
            33 | 97 | 211 | 401 => format!("{thing}, {look} {stuff}"),
            150 | 570 => format!("{} PIECES OF {thing}, {look}", 2 + number % 5),
            61 => format!("{}\" {look} {thing}", 4 + number % 9),
            182 => format!("{thing}, 6\" AND 9\", {stuff}"),
            118 => format!("£{} {look} {thing} TOKEN", 5 + number % 2 * 5),
            _ => format!("{look} {stuff} {thing}"),
        };
        let description = match random.below(1000) {
            0..170 => format!("{name} "),
            170..200 => format!(" {name}"),
            200..210 => format!("{name}  "),
            _ => name,
        };
        let base = 40_000 + number * 61;
        let price = 10 * (25 + random.below(1_200) as i64 * (1 + random.below(3) as i64) / 3);
        let price = if random.permille(4) { 0 } else { price };
        let letters: &[&str] = match number % 25 {
            3 => &["A", "a"],
            7 => &["A", "B"],
            11 => &["M"],
            _ => &[""],
        };
        for letter in letters {
            let code = format!("{base}{letter}");
            all.push(Article { code, description: description.clone(), price });
        }
    }
    all
}

/// The file: ISO-8859-1, CRLF.
pub fn csv(rows: &[Row]) -> Vec<u8> {
    let mut text = format!("{HEADER}\r\n");
    for row in rows {
        let description = row.description.as_deref().unwrap_or("");
        let quoted = match description.contains([',', '"']) {
            true => format!("\"{}\"", description.replace('"', "\"\"")),
            false => description.to_string(),
        };
        let customer = row.customer.map(|id| id.to_string()).unwrap_or_default();
        let (price, date) = (price_text(row.price), date_text(row.minute));
        let (invoice, stock) = (&row.invoice, &row.stock);
        let _ = write!(
            text,
            "{invoice},{stock},{quoted},{},{date},{price},{customer},{}\r\n",
            row.quantity, row.country
        );
    }
    text.chars().map(|c| u8::try_from(c).expect("every character is in ISO-8859-1")).collect()
}

/// What a run must store, as JSON.
pub fn expected(rows: &[Row]) -> String {
    let count = |test: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| test(row)).count();
    let mut invoices: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut customers: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        invoices.entry(&row.invoice).or_default().insert(&row.stock);
        if let Some(customer) = row.customer {
            customers.entry(customer).or_default().insert(&row.invoice);
        }
    }
    let attributes: usize = invoices.values().map(BTreeSet::len).sum();
    let customer_attributes: usize = customers.values().map(BTreeSet::len).sum();
    let revenue: i64 = rows.iter().map(|row| row.quantity * row.price).sum();
    let sign = if revenue < 0 { "-" } else { "" };
    let (whole, part) = (revenue.abs() / 1000, revenue.abs() % 1000);
    let minutes = || rows.iter().map(|row| row.minute);
    let countries: BTreeSet<&str> = rows.iter().map(|row| row.country).collect();
    let stocks: BTreeSet<&str> = rows.iter().map(|row| row.stock.as_str()).collect();
    let fields: Vec<(&str, String)> = vec![
        ("rows", rows.len().to_string()),
        ("invoices", invoices.len().to_string()),
        ("invoice_attributes", attributes.to_string()),
        ("replaced_lines", (rows.len() - attributes).to_string()),
        ("customers", customers.len().to_string()),
        ("customer_attributes", customer_attributes.to_string()),
        ("sum_quantity", rows.iter().map(|row| row.quantity).sum::<i64>().to_string()),
        ("revenue", format!("\"{sign}{whole}.{part:03}\"")),
        ("first_date", format!("\"{}\"", utc_text(minutes().min().unwrap_or(0)))),
        ("last_date", format!("\"{}\"", utc_text(minutes().max().unwrap_or(0)))),
        ("stock_codes", stocks.len().to_string()),
        ("countries", countries.len().to_string()),
        ("cancellation_rows", count(&|row| row.invoice.starts_with('C')).to_string()),
        ("bad_debt_rows", count(&|row| row.invoice.starts_with('A')).to_string()),
        ("rows_without_customer", count(&|row| row.customer.is_none()).to_string()),
        ("rows_without_description", count(&|row| row.description.is_none()).to_string()),
        ("negative_quantities", count(&|row| row.quantity < 0).to_string()),
        ("zero_prices", count(&|row| row.price == 0).to_string()),
        ("quarantined", "0".to_string()),
    ];
    let lines: Vec<String> =
        fields.iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// Thousandths as the shortest decimal: `2.5`, `18`, `0.001`.
fn price_text(thousandths: i64) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, part) = (thousandths.abs() / 1000, thousandths.abs() % 1000);
    let text = format!("{sign}{whole}.{part:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// `12/1/2010 8:26`
fn date_text(minute: i64) -> String {
    let ((year, month, day), rest) = (civil(minute.div_euclid(1440)), minute.rem_euclid(1440));
    format!("{month}/{day}/{year} {}:{:02}", rest / 60, rest % 60)
}

/// `2010-12-01T08:26:00Z`
fn utc_text(minute: i64) -> String {
    let ((year, month, day), rest) = (civil(minute.div_euclid(1440)), minute.rem_euclid(1440));
    format!("{year}-{month:02}-{day:02}T{:02}:{:02}:00Z", rest / 60, rest % 60)
}

/// Year, month and day of a number of days since 1970-01-01 (not before).
fn civil(days: i64) -> (i64, i64, i64) {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let (mut year, mut left) = (1970, days);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for (month, length) in (1..).zip(lengths) {
        if left < length {
            return (year, month, left + 1);
        }
        left -= length;
    }
    unreachable!("the days left are fewer than the year has")
}

#[allow(dead_code)] // a test includes this file as a module
fn main() -> std::io::Result<()> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/flows/data");
    let rows = rows();
    std::fs::write(format!("{directory}/online-retail.csv"), csv(&rows))?;
    std::fs::write(format!("{directory}/expected.json"), expected(&rows))?;
    println!("{} rows in {directory}", rows.len());
    Ok(())
}
