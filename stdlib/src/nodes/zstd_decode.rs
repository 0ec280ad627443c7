//! `zstd.decode`: takes the zstd layer off.

use crate::compress;
use arrow_schema::SchemaRef;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::Rows;
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::registry::Open;
use engine::schema::arrow_schema;
use zstd::stream::read::Decoder;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "zstd.decode",
    summary: "Decompresses zstd.",
    doc: "\
Each payload by itself and as a whole, as RFC 8878 has it; several frames behind each other are one
payload. So it takes records of a stream or of requests, and not the parts in which `file.read`
sends a large file. What holds more than `max` is refused before it takes more memory.",
    kind: NodeKind::Transform,
    signatures: &["zstd<W> -> W", "bytes -> bytes"],
    options: &[OptionSpec {
        name: "max",
        ty: OptionTy::Size,
        default: Some("64MiB"),
        range: Some((1, compress::MAX_BYTES)),
        doc: "What a payload may hold at most.",
        example: "max: 256MiB",
        ..OPTION
    }],
    fails: &[
        FailureSpec { code: "zstd", when: "it is not zstd, or not all of it" },
        FailureSpec { code: "too_large", when: "it holds more than `max`" },
    ],
    examples: &[Example {
        title: "There and back.",
        flow: r#"
flow example : at_least_once {
  file.read("words.txt") -> text.lines -> zstd.encode -> zstd.decode(max: 1MiB) -> log
  errors -> log
}
"#,
        files: &[("words.txt", "tea\ncoffee\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|ctx| {
        let max = ctx.node.size("max");
        Ok(Box::new(ZstdDecode { schema: arrow_schema(&Ty::Bytes), max }))
    }))
}

#[derive(Clone)]
struct ZstdDecode {
    schema: SchemaRef,
    max: u64,
}

impl Transform for ZstdDecode {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        compress::each(&rows, &self.schema, out, |given, out| decode(given, self.max, out));
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}

/// The largest window that a payload may ask memory for, as the power of 2: 8 MiB, which RFC 8878
/// asks every decoder for.
const WINDOW_LOG_MAX: u32 = 23;

fn decode(given: &[u8], max: u64, out: &mut Vec<u8>) -> Result<(), (&'static str, String)> {
    let wrong = |error: std::io::Error| ("zstd", format!("no zstd: {error}"));
    if given.is_empty() {
        return Err(("zstd", "no zstd: it is empty".to_owned()));
    }
    let mut decoder = Decoder::with_buffer(given).map_err(wrong)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(wrong)?;
    compress::read_all(decoder, max, ("zstd", "zstd"), out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::zstd_encode::encode;
    use engine::testing;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(text, 3, &mut out).unwrap();
        out
    }

    fn decoded(payloads: &[Vec<u8>], max: u64) -> testing::Seen {
        let mut node = ZstdDecode { schema: arrow_schema(&Ty::Bytes), max };
        testing::apply(&mut node, testing::payload(payloads)).unwrap()
    }

    #[test]
    fn what_was_encoded_comes_back_and_nothing_else_passes() {
        let whole = packed(b"a line of text, a line of text");
        let mut broken = whole.clone();
        broken[10] ^= 0x55;
        let two = [packed(b"tea"), packed(b"coffee")].concat();
        let rest = [packed(b"tea"), b"rest".to_vec()].concat();
        let cut = whole[..whole.len() - 1].to_vec();
        let rows = [whole, packed(b""), broken, two, cut, b"tea".to_vec(), Vec::new(), rest];
        let seen = decoded(&rows, 1000);
        let wanted: [&[u8]; 3] = [b"a line of text, a line of text", b"", b"teacoffee"];
        assert_eq!(seen.payloads(None), wanted);
        assert_eq!(seen.codes(), ["zstd"; 5], "{:?}", seen.failed);
        assert_eq!(seen.failed[1].payload, rows[4]);
    }

    #[test]
    fn no_byte_that_is_cut_off_or_turned_makes_it_fall() {
        let mut random = fastrand::Rng::with_seed(1);
        let text: Vec<u8> = (0..300).map(|_| random.u8(b'a'..b'f')).collect();
        let whole = packed(&text);
        let cuts = (0..whole.len()).map(|at| whole[..at].to_vec());
        let seen = decoded(&cuts.collect::<Vec<_>>(), 1000);
        assert_eq!(seen.codes().len(), whole.len());
        let turned = (0..2000).map(|_| {
            let mut turned = whole.clone();
            let at = random.usize(0..turned.len());
            turned[at] ^= random.u8(1..);
            turned
        });
        let seen = decoded(&turned.collect::<Vec<_>>(), 1000);
        assert!(!seen.failed.is_empty());
        assert!(seen.payloads(None).iter().all(|payload| payload.len() <= 1000));
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = packed(&vec![0; 10 << 20]);
        assert!(bomb.len() < 100_000);
        let rows = [packed(&[1; 1000]), bomb, packed(&[2; 1001])];
        let seen = decoded(&rows, 1000);
        assert_eq!(seen.payloads(None), [[1; 1000]]);
        assert_eq!(seen.codes(), ["too_large"; 2]);
        assert!(seen.failed[0].message.contains("more than 1000 bytes"));
    }
}
