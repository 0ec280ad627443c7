//! The header of a file: which column is which field.

use super::encoding::Encoding;
use engine::fault::Fault;

/// Where the fields of a record type stand in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many columns the file has.
    pub width: usize,
    /// For each field of the type, its column.
    pub columns: Vec<usize>,
}

impl Header {
    /// Finds the fields by name among the columns. The fault names every field that is missing and
    /// the header as it was found.
    pub fn find(file: &str, names: &[String], fields: &[&str]) -> Result<Header, Fault> {
        let mut columns = Vec::with_capacity(fields.len());
        let mut missing = Vec::new();
        for field in fields {
            let mut found = names.iter().enumerate().filter(|(_, name)| name == field);
            match (found.next(), found.next()) {
                (Some((column, _)), None) => columns.push(column),
                (None, _) => missing.push(*field),
                (Some((first, _)), Some((second, _))) => {
                    let (first, second) = (first + 1, second + 1);
                    let message = format!(
                        "`{file}` has two columns `{field}`: the {first}. and the {second}."
                    );
                    return Err(Fault::service("csv_header", message).help("rename one of them"));
                }
            }
        }
        if missing.is_empty() {
            return Ok(Header { width: names.len(), columns });
        }
        Err(absent(file, names, &missing))
    }

    /// How many columns no field takes.
    pub fn ignored(&self) -> usize {
        self.width - self.columns.len()
    }
}

fn absent(file: &str, names: &[String], missing: &[&str]) -> Fault {
    let quoted: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let word = if missing.len() == 1 { "column" } else { "columns" };
    let header = names.join(",");
    let header = match header.char_indices().nth(200) {
        Some((cut, _)) => format!("{}…", &header[..cut]),
        None => header,
    };
    let message = format!("`{file}` has no {word} {}; its header is `{header}`", quoted.join(", "));
    let fault = Fault::service("csv_header", message);
    match missing.iter().find_map(|name| Some((name, nearest(name, names)?))) {
        Some((name, near)) => fault.help(format!(
            "`{near}` may be meant: call the column `{name}`, or the field `{near}`"
        )),
        None if names.len() == 1 && header.contains([';', '\t']) => {
            let delimiter = if header.contains(';') { ";" } else { "\\t" };
            fault.help(format!(
                "the fields look separated by another character: write `delimiter: \"{delimiter}\"`"
            ))
        }
        None => fault.help("the first line of the file must name the columns"),
    }
}

/// The name nearest to `name`: equal without case and blanks, or a third of its letters away.
fn nearest<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase()
    };
    let wanted = plain(name);
    let near = names.iter().map(|each| (strsim::damerau_levenshtein(&wanted, &plain(each)), each));
    let (distance, found) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= wanted.chars().count() / 3).then_some(found)
}

/// The names of a header's columns, as text; a name is taken without blanks around it.
pub fn names<'a>(
    file: &str,
    fields: impl Iterator<Item = &'a [u8]>,
    encoding: Encoding,
) -> Result<Vec<String>, Fault> {
    let name = |field: &[u8]| {
        let mut out = Vec::new();
        encoding.push(field, &mut out).map_err(|byte| {
            let message = format!(
                "the header of `{file}` is not {}: it holds the byte {byte:02X}",
                encoding.name()
            );
            Fault::service("csv_header", message).help("say its encoding: `encoding: \"latin-1\"`")
        })?;
        Ok(String::from_utf8_lossy(&out).trim().to_string())
    };
    fields.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(header: &str, fields: &[&str]) -> Result<Header, Fault> {
        let fields_of = header.split(',').map(str::as_bytes);
        let names = names("a.csv", fields_of, Encoding::Utf8).unwrap();
        Header::find("a.csv", &names, fields)
    }

    #[test]
    fn by_name_not_by_position() {
        let header = find("b, a ,c", &["a", "b"]).unwrap();
        assert_eq!((header.columns.clone(), header.width, header.ignored()), (vec![1, 0], 3, 1));
    }

    #[test]
    fn a_missing_column_is_named_with_a_guess() {
        let fault = find("Invoice No,Quantty,x", &["InvoiceNo", "Quantity"]).unwrap_err();
        assert_eq!(fault.code, "csv_header");
        let message = "`a.csv` has no columns `InvoiceNo`, `Quantity`; its header is \
                       `Invoice No,Quantty,x`";
        assert_eq!(fault.message, message);
        assert_eq!(
            fault.help.as_deref(),
            Some(
                "`Invoice No` may be meant: call the column `InvoiceNo`, or the field `Invoice No`"
            )
        );
        let fault = find("a;b", &["total"]).unwrap_err();
        assert!(fault.help.unwrap().contains("delimiter: \";\""));
        assert!(find("a,a", &["a"]).unwrap_err().message.contains("two columns"));
    }
}
