//! Cutting, in place and beside, against a reader that goes byte by byte.

use super::*;
use csv_core::{ReadRecordResult, ReaderBuilder};

/// A record as it is read: its fields, `None` where it is broken; how many they are, `None` where
/// a quote is open; and its bytes.
type Seen = (Option<Vec<Vec<u8>>>, Option<usize>, Vec<u8>);

/// What `csv-core` makes of the bytes.
fn reference(bytes: &[u8], width: usize) -> Vec<Seen> {
    let mut reader = ReaderBuilder::new().build();
    // A byte order mark is the caller's business, and is looked for no more behind a blank line.
    reader.read_record(b"\n", &mut [0; 1], &mut [0; 1]);
    let (mut text, mut ends) = (vec![0; bytes.len() + 1], vec![0; bytes.len() + 1]);
    let (mut seen, mut at) = (Vec::new(), 0);
    loop {
        while matches!(bytes.get(at), Some(b'\r' | b'\n')) {
            at += 1;
        }
        if at == bytes.len() {
            return seen;
        }
        let start = at;
        let (mut written, mut fields) = (0, 0);
        loop {
            let (out, out_ends) = (&mut text[written..], &mut ends[fields..]);
            let (result, nin, nout, nend) = reader.read_record(&bytes[at..], out, out_ends);
            at += nin;
            written += nout;
            fields += nend;
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::InputEmpty => assert_eq!(at, bytes.len()),
                other => panic!("{other:?}"),
            }
        }
        let broken = matches!(bytes[at - 1], b'\r' | b'\n');
        let end = if broken { at - 1 } else { at };
        let open = at == bytes.len() && is_open(&bytes[start..end]);
        let end = if open { bytes.len() } else { end };
        let raw = bytes[start..end].to_vec();
        let mut from = 0;
        let found: Vec<Vec<u8>> = ends[..fields]
            .iter()
            .map(|&end| text[std::mem::replace(&mut from, end)..end].to_vec())
            .collect();
        let whole = !open && fields == width;
        seen.push((whole.then_some(found), (!open).then_some(fields), raw));
    }
}

/// The last quote of a record is not closed.
fn is_open(raw: &[u8]) -> bool {
    let (mut inside, mut begins, mut at) = (false, true, 0);
    while at < raw.len() {
        match raw[at] {
            b'"' if inside && raw.get(at + 1) == Some(&b'"') => at += 1,
            b'"' if inside => inside = false,
            b'"' if begins => inside = true,
            _ => {}
        }
        begins = !inside && raw[at] == b',';
        at += 1;
    }
    inside
}

/// The records that are new in a list, with those of its records that are broken.
fn seen(records: &Records, bytes: &[u8]) -> Vec<Seen> {
    let (starts, ends) = records.of(0..records.len());
    let (mut good, mut broken) = (0, records.broken.iter().peekable());
    let mut all = Vec::new();
    for number in 0..records.total() {
        if let Some(found) = broken.next_if(|found| found.number as usize == number) {
            let raw = records.at(bytes, found.raw.clone()).to_vec();
            all.push((None, found.fields.map(|fields| fields as usize), raw));
            continue;
        }
        let mut start = starts[good];
        let ends = &ends[good * records.width..(good + 1) * records.width];
        let fields = ends.iter().map(|&end| {
            let stored = records.at(bytes, std::mem::replace(&mut start, end + 1)..end);
            unquoted(stored).0.to_vec()
        });
        let fields = Some(fields.collect());
        let raw = records.at(bytes, records.raw(good)).to_vec();
        all.push((fields, Some(records.width), raw));
        good += 1;
    }
    all
}

/// The same in pieces, as a file reads them.
fn in_pieces(bytes: &[u8], cuts: &[usize], width: usize) -> Vec<Seen> {
    let mut records = Records::default();
    let (mut all, mut carry, mut from) = (Vec::new(), Vec::new(), 0);
    for &cut in cuts.iter().chain([&bytes.len()]) {
        let piece = &bytes[from..cut];
        let last = cut == bytes.len();
        from = cut;
        records.clear(width);
        let mut at = 0;
        if !carry.is_empty() {
            let joined = [&carry[..], piece].concat();
            match records.cut_carried(&joined, piece.len(), last, b',') {
                Some(next) => at = next - carry.len(),
                None => {
                    carry = joined;
                    continue;
                }
            }
        }
        let done = records.cut(piece, at, last, b',');
        carry = piece[done..].to_vec();
        all.extend(seen(&records, piece));
        if last {
            break;
        }
    }
    assert!(carry.is_empty(), "nothing is left of {:?}", bytes.escape_ascii().to_string());
    all
}

fn check(bytes: &[u8], cuts: &[usize], width: usize) {
    let expected = reference(bytes, width);
    let shown = bytes.escape_ascii().to_string();
    assert_eq!(in_pieces(bytes, cuts, width), expected, "{shown} cut at {cuts:?}");
}

#[test]
fn quotes_breaks_and_blank_lines() {
    let bytes =
        b"a,b\r\n\r\n\"x \"\"y\"\"\",\"1,\n2\"\r\n , z \r\r\n\n\"\",\"a\"b\nc\"d,\"\"\"\"\nlast,";
    let fields: Vec<Vec<String>> = in_pieces(bytes, &[], 2)
        .into_iter()
        .map(|(fields, ..)| fields.unwrap())
        .map(|fields| fields.into_iter().map(|field| String::from_utf8(field).unwrap()).collect())
        .collect();
    let expected =
        [["a", "b"], ["x \"y\"", "1,\n2"], [" ", " z "], ["", "ab"], ["c\"d", "\""], ["last", ""]];
    assert_eq!(fields, expected);
    for cut in 0..bytes.len() {
        check(bytes, &[cut], 2);
    }
}

#[test]
fn a_mark_in_the_middle_is_text() {
    check(b"\xEF\xBB\xBFa,b\n", &[], 2);
}

#[test]
fn records_of_another_width_are_broken() {
    let mut records = Records::default();
    records.clear(2);
    let bytes = b"1;2\n3\n4;5;6\n7;8\n\"9;";
    assert_eq!(records.cut(bytes, 0, true, b';'), bytes.len());
    let broken = |number, raw, fields| Broken { number, raw, fields };
    let expected = [broken(1, 4..5, Some(1)), broken(2, 6..11, Some(3)), broken(4, 16..19, None)];
    assert_eq!(records.broken, expected);
    assert_eq!((records.len(), records.total(), records.raw(1)), (2, 5, 12..15));
}

#[test]
fn the_same_as_byte_by_byte_whatever_stands_there() {
    let mut random = fastrand::Rng::with_seed(31);
    let alphabets: [&[u8]; 5] = [
        b",\"\r\nab",
        b",,\n\n\"abcdefghijkl",
        b"\"\"\",a\n",
        b",\nabcdefghijklmnopqrstuvwxyz0123456789",
        b",\"\"\"\"abcdefghijklmnop\r\n\n",
    ];
    for round in 0..6_000 {
        let alphabet = alphabets[round % alphabets.len()];
        let len = random.usize(0..400);
        let bytes: Vec<u8> = (0..len).map(|_| *random.choice(alphabet).unwrap()).collect();
        let mut cuts: Vec<usize> =
            (0..random.usize(0..4)).map(|_| random.usize(0..=len)).filter(|&at| at < len).collect();
        cuts.sort_unstable();
        check(&bytes, &cuts, random.usize(1..5));
    }
}

#[test]
fn the_same_for_files_with_a_few_oddities() {
    let mut random = fastrand::Rng::with_seed(32);
    for _ in 0..400 {
        let mut bytes = Vec::new();
        let width = random.usize(1..9);
        for _ in 0..random.usize(0..60) {
            for column in 0..width {
                let text: &[&str] = &["a", "", "1.5", "\"x,y\"", "\"\"", "\"a\"\"b\"", "\"\n\""];
                let odd: &[&str] = &["a\"b", "\"a\"b", "\"", ",", "\r", "\n"];
                let from = if random.usize(0..120) == 0 { odd } else { text };
                bytes.extend_from_slice(if column > 0 { b"," } else { b"" });
                bytes.extend_from_slice(random.choice(from).unwrap().as_bytes());
            }
            bytes.extend_from_slice(random.choice([&b"\r\n"[..], b"\n"]).unwrap());
        }
        let cut = random.usize(0..=bytes.len());
        let cuts = if cut < bytes.len() { vec![cut] } else { vec![] };
        check(&bytes, &cuts, width);
    }
}

#[test]
fn the_same_wherever_a_step_of_the_scan_ends() {
    let fields = ["\"a\"b", "\"a\"\"b\"", "\"ab\"", "\"\"", "a\"b", "\"\r\n\"", "\"a\"\"\"", "a"];
    for (field, ends) in fields.iter().flat_map(|field| [(field, "\n"), (field, "\r\n")]) {
        for before in 0..130 {
            let before = "x".repeat(before);
            let line = format!("{before},{field},{}{ends}", "y".repeat(70));
            check(format!("{line}{line}1,2,3{ends}").as_bytes(), &[], 3);
        }
    }
}
