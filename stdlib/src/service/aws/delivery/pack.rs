//! Rows of a delivery packed into Firehose's records and requests.

use crate::service::aws::event_id::{embed, event_id};
use crate::service::{Records, Refused};
use arrow_array::Array;
use dsl::ty::Ty;
use std::ops::Range;

/// Bytes of a record that several rows are packed into, about: Firehose bills steps of 5 KB, so
/// larger ones save nothing more, and what fails is sent again as a whole.
const PACKED_BYTES: usize = 256 << 10;

/// What Firehose takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a record at most.
    pub record: usize,
    /// Bytes of a request at most.
    pub request: usize,
    /// Records of a request at most.
    pub records: usize,
}

impl Limits {
    /// Those of AWS.
    pub fn aws() -> Limits {
        let max = |id: &str| dsl::quotas::aws().limit(id).max as usize;
        Limits {
            record: max("firehose.record"),
            request: max("firehose.request"),
            records: max("firehose.request_records"),
        }
    }
}

/// How the rows of a delivery stand in its objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Each ends with its event id.
    pub ids: bool,
    /// Each is a line.
    pub lines: bool,
}

impl Form {
    /// That of a delivery of this type.
    pub fn of(ty: &Ty) -> Form {
        Form { ids: crate::service::aws::event_id::takes_id(ty), lines: *ty != Ty::Bytes }
    }
}

/// A record of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Rows, behind each other.
    pub data: Vec<u8>,
    /// Which.
    pub rows: Vec<usize>,
}

/// Packs rows in order; those that fit no record are refused.
pub fn pack(records: &Records, form: Form, limits: Limits) -> (Vec<Packed>, Vec<Refused>) {
    let (mut packed, mut refused) = (Vec::<Packed>::new(), Vec::new());
    let mut line = Vec::new();
    for (row, number) in numbers(records).enumerate() {
        line.clear();
        let payload = records.payloads.value(row);
        match form.ids {
            true => drop(embed(payload, &event_id(&records.producer, number), &mut line)),
            false => line.extend_from_slice(payload),
        }
        if form.lines && line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        if line.len() > limits.record {
            refused.push(too_large(row, line.len(), limits.record));
            continue;
        }
        let target = PACKED_BYTES.min(limits.record);
        match packed.last_mut() {
            Some(last) if last.data.len() + line.len() <= target => {
                last.data.extend_from_slice(&line);
                last.rows.push(row);
            }
            _ => packed.push(Packed { data: line.clone(), rows: vec![row] }),
        }
    }
    (packed, refused)
}

/// The number of each row.
fn numbers(records: &Records) -> impl Iterator<Item = u64> {
    let runs = records.runs.iter();
    let numbers = runs.flat_map(|run| (run.first..).take(run.len as usize));
    numbers.take(records.payloads.len())
}

fn too_large(row: usize, bytes: usize, max: usize) -> Refused {
    let message = format!(
        "1 validation error detected: Value at 'records.member.data' failed to satisfy \
         constraint: Member must have length less than or equal to {max} (this record has {bytes})"
    );
    Refused { row, code: "record_too_large", message }
}

/// Which records are sent together.
pub fn requests(packed: &[Packed], limits: Limits) -> Vec<Range<usize>> {
    let mut requests: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (at, record) in packed.iter().enumerate() {
        match requests.last_mut() {
            Some(request)
                if request.len() < limits.records
                    && bytes + record.data.len() <= limits.request =>
            {
                request.end = at + 1;
                bytes += record.data.len();
            }
            _ => {
                requests.push(at..at + 1);
                bytes = record.data.len();
            }
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::BinaryArray;
    use engine::batch::Run;

    const LINES: Form = Form { ids: false, lines: true };

    fn records(payloads: &[&str]) -> Records {
        Records {
            payloads: BinaryArray::from_iter_values(payloads),
            keys: None,
            producer: [7; 16],
            runs: vec![
                Run { first: 5, len: 1, arrival_ns: 0 },
                Run { first: 9, len: payloads.len() as u32 - 1, arrival_ns: 0 },
            ],
        }
    }

    fn texts(packed: &[Packed]) -> Vec<(String, Vec<usize>)> {
        let text = |each: &Packed| String::from_utf8(each.data.clone()).unwrap();
        packed.iter().map(|each| (text(each), each.rows.clone())).collect()
    }

    #[test]
    fn rows_are_packed_as_lines_and_large_ones_refused() {
        let limits = Limits { record: 6, request: 100, records: 10 };
        let (packed, refused) =
            pack(&records(&["a", "bb\n", "0123456", "cccc", "d"]), LINES, limits);
        let expected = [("a\nbb\n", vec![0, 1]), ("cccc\n", vec![3]), ("d\n", vec![4])];
        assert_eq!(texts(&packed), expected.map(|(text, rows)| (text.to_owned(), rows)));
        assert_eq!((refused.len(), refused[0].row), (1, 2));
        assert_eq!(refused[0].code, "record_too_large");
        assert!(refused[0].message.ends_with("(this record has 8)"));
    }

    #[test]
    fn each_object_ends_with_the_id_of_its_own_number() {
        let form = Form { ids: true, lines: true };
        let (packed, _) = pack(&records(&["{\"a\":1}", "{}"]), form, Limits::aws());
        let id = |number| String::from_utf8(event_id(&[7; 16], number).to_vec()).unwrap();
        let expected =
            format!("{{\"a\":1,\"event_id\":\"{}\"}}\n{{\"event_id\":\"{}\"}}\n", id(5), id(9));
        assert_eq!(texts(&packed), [(expected, vec![0, 1])]);
    }

    #[test]
    fn bytes_are_packed_as_they_are() {
        let (packed, _) = pack(&records(&["a", "b"]), Form::default(), Limits::aws());
        assert_eq!(texts(&packed), [("ab".to_owned(), vec![0, 1])]);
        assert_eq!(Form::of(&Ty::Bytes), Form::default());
        assert_eq!(Form::of(&Ty::Text), LINES);
    }

    #[test]
    fn requests_keep_both_limits() {
        let packed = |bytes: usize| Packed { data: vec![0; bytes], rows: vec![] };
        let all = [4, 4, 4, 1, 1, 1, 1].map(packed);
        let limits = Limits { record: 10, request: 8, records: 3 };
        assert_eq!(requests(&all, limits), [0..2, 2..5, 5..7]);
        assert!(requests(&[], limits).is_empty());
        assert_eq!(Limits::aws().request, 4 << 20);
    }
}
