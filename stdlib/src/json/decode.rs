//! JSON objects to columns, directed by the record's type: no tree of values, no copy of a text
//! without escapes but the one into its column.
//!
//! The rows of a call are scanned first, which finds for every row and field where its value
//! stands; then every column is built in one loop. Of several equal keys the last counts. Keys
//! that the type does not name are left out and counted.

use super::plain;
use super::scan::{Kind, Scanner, SyntaxError, Token};
use super::shape::{Inner, Shape};
use super::values;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, RecordBatch, StructArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use dsl::ty::RecordTy;
use engine::expr::time::TimeFormat;
use engine::fault::RowFault;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How a decoder reads values.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Numbers become text and text numbers where the type says so, keys match without case, more
    /// forms of timestamps are read; see `json.decode`.
    pub lenient: bool,
    /// How timestamps are written; `None` = RFC 3339.
    pub timestamp: Option<TimeFormat>,
}

/// Decodes objects of one record type.
#[derive(Clone, Debug)]
pub struct Decoder {
    fields: Vec<Shape>,
    schema: SchemaRef,
    options: Options,
    /// Room for those of a call.
    tokens: Vec<Token>,
}

/// The records of some payloads.
#[derive(Debug)]
pub struct Decoded {
    /// The records that could be read, in order.
    pub columns: RecordBatch,
    /// Which payloads they are: true for those that could be read.
    pub kept: BooleanArray,
    /// The others: `json_syntax` or `json_value`, with the payload and the field.
    pub faults: Vec<RowFault>,
    /// Keys that the type does not name.
    pub ignored_keys: u64,
}

impl Decoder {
    /// A decoder for a record type.
    pub fn new(record: &RecordTy, options: Options) -> Decoder {
        let fields = Shape::fields(record);
        let schema = Arc::new(Schema::new(Shape::arrow(&fields)));
        Decoder { fields, schema, options, tokens: Vec::new() }
    }

    /// The schema of what it makes.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Decodes one object of each payload.
    pub fn decode(&mut self, payloads: &BinaryArray) -> Decoded {
        let text = payloads.value_data();
        let mut pass =
            Pass { text, options: &mut self.options, faults: BTreeMap::new(), ignored_keys: 0 };
        pass.objects(payloads, &self.fields, &mut self.tokens);
        let columns = pass.columns(&self.fields, &self.tokens, payloads.len(), Owner::Row);
        let (found, ignored_keys) = (pass.faults, pass.ignored_keys);
        let columns = RecordBatch::try_new_with_options(
            self.schema.clone(),
            columns,
            &arrow_array::RecordBatchOptions::new().with_row_count(Some(payloads.len())),
        );
        let columns = columns.expect("the columns have the types of the fields");
        if found.is_empty() {
            let kept = BooleanArray::new(BooleanBuffer::new_set(payloads.len()), None);
            return Decoded { columns, kept, faults: Vec::new(), ignored_keys };
        }
        let kept: BooleanArray =
            (0..payloads.len()).map(|row| Some(!found.contains_key(&row))).collect();
        let columns = filter_record_batch(&columns, &kept).expect("one flag a row");
        let faults = found.into_iter().map(|(row, fault)| RowFault {
            row,
            code: fault.code,
            message: fault.message,
            payload: payloads.value(row).to_vec(),
            meta: fault.field.map(|field| ("field", field)).into_iter().collect(),
        });
        Decoded { columns, kept, faults: faults.collect(), ignored_keys }
    }
}

/// Why a row cannot be read.
struct Fault {
    code: &'static str,
    message: String,
    field: Option<String>,
}

/// The values of one field, by row.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a> {
    tokens: &'a [Token],
    first: usize,
    step: usize,
    /// How many there are.
    pub len: usize,
}

impl<'a> Cells<'a> {
    /// All values with their rows.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = (usize, Token)> + use<'a> {
        let rows = self.tokens.chunks_exact(self.step).take(self.len);
        rows.enumerate().map(move |(row, cells)| (row, cells[self.first]))
    }
}

/// Which payload a value belongs to.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    /// That of its own row.
    Row,
    /// Inside of a list or map: by item.
    Items(&'a [u32]),
}

impl Owner<'_> {
    fn of(self, row: usize) -> usize {
        match self {
            Owner::Row => row,
            Owner::Items(rows) => rows[row] as usize,
        }
    }
}

/// One call.
pub(super) struct Pass<'a> {
    /// All payloads.
    pub text: &'a [u8],
    /// How values are read.
    pub options: &'a mut Options,
    faults: BTreeMap<usize, Fault>,
    ignored_keys: u64,
}

impl Pass<'_> {
    /// Scans all payloads: the tokens of all fields, row by row.
    fn objects(&mut self, payloads: &BinaryArray, fields: &[Shape], tokens: &mut Vec<Token>) {
        tokens.resize(payloads.len() * fields.len(), Token::default());
        let mut plain = true;
        let offsets = payloads.value_offsets();
        let first = offsets[0] as usize;
        let all = &self.text[first..offsets[payloads.len()] as usize];
        let valid = std::str::from_utf8(all).ok();
        for (row, span) in offsets.windows(2).enumerate() {
            let (start, end) = (span[0] as usize, span[1] as usize);
            let bytes = &self.text[start..end];
            let utf8 = match valid {
                Some(all) => {
                    all.is_char_boundary(start - first) && all.is_char_boundary(end - first)
                }
                None => std::str::from_utf8(bytes).is_ok(),
            };
            let cells = &mut tokens[row * fields.len()..][..fields.len()];
            // Where the last one was not plain, this one is hardly either.
            if utf8 && (plain || row % 16 == 0) {
                plain = plain::object(self.text, start, end, fields, cells);
                if plain {
                    continue;
                }
            }
            cells.fill(Token::default());
            let scanned = if utf8 {
                self.payload(start, end, fields, cells)
            } else {
                let at = std::str::from_utf8(bytes).err().map_or(0, |error| error.valid_up_to());
                Err(Bad::Syntax(SyntaxError { at: start + at, what: "bytes are not UTF-8" }))
            };
            if let Err(bad) = scanned {
                cells.fill(Token { kind: Kind::Absent, ..Token::default() });
                let (code, message) = match bad {
                    Bad::Syntax(error) => {
                        let at = error.at - start + 1;
                        ("json_syntax", format!("no JSON: at byte {at}, {}", error.what))
                    }
                    Bad::Kind(token) => {
                        let found = describe(token, self.text);
                        ("json_value", format!("an object is wanted, and this is {found}"))
                    }
                };
                self.faults.insert(row, Fault { code, message, field: None });
            }
        }
    }

    /// Scans one payload: an object and nothing behind it.
    fn payload(
        &mut self,
        start: usize,
        end: usize,
        fields: &[Shape],
        cells: &mut [Token],
    ) -> Result<(), Bad> {
        let mut scanner = Scanner::part(self.text, start, end);
        scanner.blanks();
        if self.text.get(scanner.at) != Some(&b'{') || scanner.at == end {
            let token = scanner.value(0).map_err(Bad::Syntax)?;
            return Err(if scanner.at_end() { Bad::Kind(token) } else { behind(scanner.at) });
        }
        self.object(&mut scanner, fields, cells).map_err(Bad::Syntax)?;
        if scanner.at_end() { Ok(()) } else { Err(behind(scanner.at)) }
    }

    /// Scans an object, which begins here, and puts the values of the fields into their cells.
    fn object(
        &mut self,
        scanner: &mut Scanner,
        fields: &[Shape],
        cells: &mut [Token],
    ) -> Result<(), SyntaxError> {
        let (mut next, mut ignored) = (0, 0);
        scanner.at += 1;
        if scanner.eat(b'}') {
            return Ok(());
        }
        loop {
            // Keys mostly come in the order of the type.
            let found = match fields.get(next) {
                Some(field) if scanner.eat_key(&field.key) => Some((next, true)),
                _ => find(fields, scanner.key()?, self.text, self.options.lenient),
            };
            let value = scanner.value(1)?;
            match found {
                None => ignored += 1,
                Some((index, exact)) => {
                    next = index + 1;
                    let cell = &mut cells[index];
                    if exact || cell.kind == Kind::Missing || !cell.exact {
                        *cell = Token { exact, ..value };
                    }
                }
            }
            if scanner.eat(b',') {
                continue;
            }
            if !scanner.eat(b'}') {
                return scanner.error("`,` or `}` is missing");
            }
            self.ignored_keys += ignored;
            return Ok(());
        }
    }

    /// Builds the columns of some fields.
    fn columns(
        &mut self,
        fields: &[Shape],
        tokens: &[Token],
        len: usize,
        owner: Owner,
    ) -> Vec<ArrayRef> {
        let cells = |first| Cells { tokens, first, step: fields.len(), len };
        let columns = fields.iter().enumerate();
        columns.map(|(first, shape)| self.column(shape, cells(first), owner)).collect()
    }

    fn column(&mut self, shape: &Shape, cells: Cells, owner: Owner) -> ArrayRef {
        match &shape.inner {
            Inner::Plain => values::column(self, shape, cells, owner),
            Inner::Record(fields) => self.record(shape, fields, cells, owner),
            Inner::List(item) => self.list(shape, item, cells, owner),
            Inner::Map(value) => self.map(shape, value, cells, owner),
        }
    }

    fn record(&mut self, shape: &Shape, fields: &[Shape], cells: Cells, owner: Owner) -> ArrayRef {
        let mut tokens = vec![Token::default(); cells.len * fields.len()];
        let mut valid = Vec::with_capacity(cells.len);
        for (row, token) in cells.iter() {
            let inner = &mut tokens[row * fields.len()..][..fields.len()];
            let there = self.expect(shape, Kind::Object, token, row, owner);
            if there {
                let mut scanner = Scanner::new(self.text, token.start as usize);
                let scanned = self.object(&mut scanner, fields, inner);
                debug_assert!(scanned.is_ok(), "the whole was scanned before");
            } else {
                inner.fill(Token { kind: Kind::Absent, ..Token::default() });
            }
            valid.push(there);
        }
        let columns = self.columns(fields, &tokens, cells.len, owner);
        let nulls = shape.nullable.then(|| NullBuffer::from(valid));
        let arrow = Shape::arrow(fields);
        let record = StructArray::try_new_with_length(arrow, columns, nulls, cells.len);
        Arc::new(record.expect("the columns have the types of the fields"))
    }

    fn list(&mut self, shape: &Shape, item: &Shape, cells: Cells, owner: Owner) -> ArrayRef {
        let DataType::List(field) = &shape.data_type else { unreachable!("a list's type") };
        let mut tokens = Vec::new();
        let (mut lengths, mut owners, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        for (row, token) in cells.iter() {
            let before = tokens.len();
            let there = self.expect(shape, Kind::Array, token, row, owner);
            if there {
                let mut scanner = Scanner::new(self.text, token.start as usize);
                let scanned = scanner.array(0, |item| tokens.push(item));
                debug_assert!(scanned.is_ok(), "the whole was scanned before");
            }
            lengths.push(tokens.len() - before);
            owners.resize(tokens.len(), owner.of(row) as u32);
            valid.push(there);
        }
        let inner = Cells { tokens: &tokens, first: 0, step: 1, len: tokens.len() };
        let values = self.column(item, inner, Owner::Items(&owners));
        let nulls = shape.nullable.then(|| NullBuffer::from(valid));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let list = ListArray::try_new(field.clone(), offsets, values, nulls);
        Arc::new(list.expect("the items have the type of the list's field"))
    }

    fn map(&mut self, shape: &Shape, value: &Shape, cells: Cells, owner: Owner) -> ArrayRef {
        let DataType::Map(field, sorted) = &shape.data_type else { unreachable!("a map's type") };
        let DataType::Struct(entries) = field.data_type() else { unreachable!("a map's entries") };
        let (mut keys, mut tokens): (Vec<Token>, Vec<Token>) = (Vec::new(), Vec::new());
        let (mut lengths, mut owners, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        for (row, token) in cells.iter() {
            let before = keys.len();
            let there = self.expect(shape, Kind::Object, token, row, owner);
            if there {
                let text = self.text;
                let mut seen: HashMap<Vec<u8>, usize> = HashMap::new();
                let mut scanner = Scanner::new(text, token.start as usize);
                let scanned = scanner.object(0, |key, value| {
                    let at = *seen.entry(key_text(key, text)).or_insert(keys.len());
                    if at == keys.len() {
                        keys.push(key);
                        tokens.push(value);
                    } else {
                        tokens[at] = value;
                    }
                });
                debug_assert!(scanned.is_ok(), "the whole was scanned before");
            }
            lengths.push(keys.len() - before);
            owners.resize(keys.len(), owner.of(row) as u32);
            valid.push(there);
        }
        let inner = Cells { tokens: &tokens, first: 0, step: 1, len: tokens.len() };
        let values = self.column(value, inner, Owner::Items(&owners));
        let names = Cells { tokens: &keys, first: 0, step: 1, len: keys.len() };
        let keys = values::keys(self, names);
        let entries = StructArray::try_new(entries.clone(), vec![keys, values], None);
        let entries = entries.expect("the entries have the types of the map's field");
        let nulls = shape.nullable.then(|| NullBuffer::from(valid));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let map = MapArray::try_new(field.clone(), offsets, entries, nulls, *sorted);
        Arc::new(map.expect("the entries have the type of the map's field"))
    }

    /// True for a value of the wanted kind; else it is null, or a fault is noted.
    fn expect(
        &mut self,
        shape: &Shape,
        kind: Kind,
        token: Token,
        row: usize,
        owner: Owner,
    ) -> bool {
        if token.kind == kind {
            return true;
        }
        self.missing(shape, token, row, owner);
        false
    }

    /// A value that cannot be taken: null where that is allowed, else a fault.
    pub fn missing(&mut self, shape: &Shape, token: Token, row: usize, owner: Owner) {
        let null = matches!(token.kind, Kind::Null | Kind::Missing);
        if token.kind == Kind::Absent || (null && shape.nullable) {
            return;
        }
        let name = &shape.name;
        let message = match token.kind {
            Kind::Missing => format!("`{name}` is missing"),
            _ => {
                let found = describe(token, self.text);
                format!("`{name}` is `{}`, and this is {found}", shape.ty)
            }
        };
        self.fault(name, message, row, owner);
    }

    /// A value of the right kind that the type does not take; `what` completes `"six" …`.
    pub fn unfit(&mut self, shape: &Shape, token: Token, what: &str, row: usize, owner: Owner) {
        let found = describe(token, self.text);
        self.fault(&shape.name, format!("`{}`: {found} {what}", shape.name), row, owner);
    }

    fn fault(&mut self, name: &str, message: String, row: usize, owner: Owner) {
        let fault = Fault { code: "json_value", message, field: Some(name.into()) };
        self.faults.entry(owner.of(row)).or_insert(fault);
    }
}

/// Why a payload is not an object.
enum Bad {
    Syntax(SyntaxError),
    Kind(Token),
}

fn behind(at: usize) -> Bad {
    Bad::Syntax(SyntaxError { at, what: "something stands behind the value" })
}

/// The text of a key.
fn key_text(key: Token, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    super::scan::unescape(key.bytes(text), &mut out);
    out
}

/// The field of a key, and whether the key is written as the field is.
fn find(fields: &[Shape], key: Token, text: &[u8], lenient: bool) -> Option<(usize, bool)> {
    let plain = key.bytes(text);
    let unescaped;
    let name = if key.kind == Kind::Escaped {
        unescaped = key_text(key, text);
        &unescaped[..]
    } else {
        plain
    };
    if let Some(index) = fields.iter().position(|field| field.name.as_bytes() == name) {
        return Some((index, true));
    }
    if !lenient {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?;
    let same = |field: &Shape| {
        field.name.eq_ignore_ascii_case(name)
            || (!name.is_ascii() && field.name.to_lowercase() == name.to_lowercase())
    };
    fields.iter().position(same).map(|index| (index, false))
}

/// A value as a message names it: `text "six"`, `number 1.5`, `null`, `an object`.
fn describe(token: Token, text: &[u8]) -> String {
    let shown = |open: &str, close: &str| {
        let value = String::from_utf8_lossy(token.bytes(text));
        match value.char_indices().nth(40) {
            Some((cut, _)) => format!("{open}{}…{close}", &value[..cut]),
            None => format!("{open}{value}{close}"),
        }
    };
    match token.kind {
        Kind::Missing | Kind::Absent => "missing".into(),
        Kind::Null => "null".into(),
        Kind::True => "true".into(),
        Kind::False => "false".into(),
        Kind::Number => shown("number ", ""),
        Kind::Text | Kind::Escaped => shown("text \"", "\""),
        Kind::Object => "an object".into(),
        Kind::Array => "an array".into(),
    }
}

#[cfg(test)]
mod tests;
