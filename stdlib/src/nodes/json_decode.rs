//! `json.decode`: turns JSON objects into records.

use crate::json::decode::{Decoder, Options};
use arrow_array::cast::AsArray;
use dsl::spec::*;
use dsl::ty::Ty;
use dsl::value::Value;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::expr::time::TimeFormat;
use engine::fault::Fault;
use engine::node::{Output, Transform};
use engine::registry::Open;
use engine::summary::Counters;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "json.decode",
    summary: "Turns JSON objects into records.",
    doc: "\
Each row is one JSON object; its keys are the fields of the type. A field that may be null may be
missing. Keys that the type does not name are left out and counted (`ignored keys`); of equal keys
the last counts. Decimals are read exactly, never through a binary float. A row that cannot be read
leaves by `errors` as it came; the others go on.

With `lenient: true`
- names match without case (the exact name goes first);
- numbers and truth values become text, a whole number without its point (`17850.0` is `\"17850\"`);
- text becomes a number or a truth value where the type says so; empty text is null where a number
  may be null;
- timestamps are also taken without a zone, as UTC: `2010-12-01 08:26`, and month first:
  `12/1/2010 8:26`.

Values may be nested 64 deep.",
    kind: NodeKind::Transform,
    signatures: &["json<T> -> T", "bytes -> claim"],
    options: &[
        OptionSpec {
            name: "lenient",
            ty: OptionTy::Bool,
            default: Some("false"),
            doc: "Takes numbers for text and text for numbers, and names without case.",
            example: "lenient: true",
            ..OPTION
        },
        OptionSpec {
            name: "timestamp",
            ty: OptionTy::Text,
            doc: "The strftime format of timestamps; RFC 3339 without it.",
            example: "timestamp: \"%m/%d/%Y %H:%M\"",
            ..OPTION
        },
        OptionSpec {
            name: "zone",
            ty: OptionTy::Text,
            default: Some("\"UTC\""),
            doc: "The time zone of timestamps that name none.",
            example: "zone: \"Europe/London\"",
            ..OPTION
        },
    ],
    fails: &[
        FailureSpec { code: "json_syntax", when: "it is not JSON" },
        FailureSpec { code: "json_value", when: "a field is missing or not of its type" },
    ],
    claim: ClaimSpec::Optional,
    examples: &[Example {
        title: "Lines of JSON from a file; what is no JSON is logged.",
        flow: r#"
type Line = { no: text, quantity: int }

flow example : at_least_once {
  file.read("lines.ndjson") -> text.lines -> json.decode(lenient: true) as Line -> count("lines")
  errors -> log
}
"#,
        files: &[(
            "lines.ndjson",
            "{\"no\":536365,\"quantity\":6}\n{\"no\":\"C1\",\"quantity\":\"-1\"}\nno JSON\n",
        )],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How it is opened.
pub fn open() -> Open {
    Open::Transform(Box::new(|ctx| Ok(Box::new(JsonDecode::new(&ctx)?))))
}

#[derive(Clone)]
struct JsonDecode {
    decoder: Decoder,
    counters: Counters,
}

impl JsonDecode {
    fn new(ctx: &NodeCtx) -> Result<JsonDecode, Fault> {
        let output = match ctx.node.output.as_ref() {
            Some(Ty::Batch(inner)) => inner.record(),
            Some(ty) => ty.record(),
            None => None,
        };
        let record = output.expect("the checker gives json.decode a record to make");
        let option = |name: &str| ctx.node.options.get(name);
        let zone = option("zone").and_then(Value::as_text).unwrap_or("UTC");
        let timestamp = match option("timestamp").and_then(Value::as_text) {
            Some(format) => Some(time_format("json.decode", format, zone)?),
            None => None,
        };
        let lenient = option("lenient").and_then(Value::as_bool).unwrap_or(false);
        let decoder = Decoder::new(record, Options { lenient, timestamp });
        Ok(JsonDecode { decoder, counters: ctx.counters.clone() })
    }
}

/// A format and a zone, or a fault that says what is wrong with them.
pub(super) fn time_format(node: &str, format: &str, zone: &str) -> Result<TimeFormat, Fault> {
    TimeFormat::new(format, zone).map_err(|error| {
        Fault::service("bad_option", format!("`{node}`: {error}"))
            .help("write it like `timestamp: \"%m/%d/%Y %H:%M\", zone: \"Europe/London\"`")
    })
}

impl Transform for JsonDecode {
    fn apply(&mut self, rows: Rows, out: &mut Output) -> Result<(), Fault> {
        let decoded = self.decoder.decode(rows.columns.column(0).as_binary());
        if decoded.ignored_keys > 0 {
            self.counters.add("ignored keys", decoded.ignored_keys);
        }
        if decoded.faults.is_empty() {
            out.send(&rows, decoded.columns);
        } else {
            out.send_kept(&rows, &decoded.kept, decoded.columns);
            out.fail(decoded.faults);
        }
        Ok(())
    }

    fn another(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsl::ty::{Field, RecordTy};
    use engine::testing;

    fn node(options: &[(&str, Value)]) -> JsonDecode {
        let field = |name: &str, ty| Field { name: name.into(), ty, span: None };
        let fields = vec![field("no", Ty::Text), field("at", Ty::Timestamp.nullable())];
        let output = Ty::Record(RecordTy { fields, ..RecordTy::default() });
        let mut node =
            testing::plan_node("json.decode", NodeKind::Transform, Some(Ty::Bytes), Some(output));
        let options = options.iter().map(|(name, value)| (name.to_string(), value.clone()));
        node.options = options.collect();
        JsonDecode::new(&testing::node_ctx(node, vec![])).unwrap()
    }

    #[test]
    fn good_rows_keep_their_ids() {
        let mut strict = node(&[]);
        let rows = testing::payload(&[r#"{"no":"a"}"#, r#"{"no":1}"#, "x", r#"{"no":"b","c":0}"#]);
        let seen = testing::apply(&mut strict, rows).unwrap();
        assert_eq!(seen.codes(), ["json_value", "json_syntax"]);
        let sent = seen.rows(None).unwrap();
        assert_eq!(sent.ids.seqs().collect::<Vec<_>>(), [0, 3]);
        assert_eq!(strict.counters.snapshot()["ignored keys"], 1);
    }

    #[test]
    fn options_reach_the_decoder() {
        let format = Value::Text("%d.%m.%Y".into());
        let mut lenient = node(&[("lenient", Value::Bool(true)), ("timestamp", format)]);
        let rows = testing::payload(&[r#"{"NO":1,"at":"1.12.2010"}"#]);
        let seen = testing::apply(&mut lenient, rows).unwrap();
        assert!(seen.failed.is_empty(), "{:?}", seen.failed);
        let encoded = crate::json::encode::encode(&seen.rows(None).unwrap().columns);
        assert_eq!(encoded.value(0), br#"{"no":"1","at":"2010-12-01T00:00:00Z"}"#);
    }
}
