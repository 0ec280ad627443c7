//! `bucket.put`: stores each batch as one object.

use crate::json;
use crate::service::outgoing::payload;
use crate::service::{BucketPlace, Put, Services};
use arrow_array::Array;
use arrow_buffer::Buffer;
use async_trait::async_trait;
use bytes::Bytes;
use dsl::ast::ResourceKind;
use dsl::spec::*;
use dsl::ty::Ty;
use engine::batch::Rows;
use engine::ctx::NodeCtx;
use engine::expr::{self, Compiled, Env};
use engine::fault::Fault;
use engine::node::{Sink, SinkLimits, Written};
use engine::registry::Open;
use engine::summary::Counters;
use std::sync::Arc;

/// What the node says of itself.
pub const SPEC: NodeSpec = NodeSpec {
    path: "bucket.put",
    summary: "Stores each batch as one object.",
    doc: "\
The object is there whole or not at all, and the write is confirmed when it is durable. Its key is
what the profile's `prefix` and this `key` make together. An object of that key with the same
content is a repetition and counts as `already stored`; with other content it is never replaced:
the node stops with `object_conflict`. A key made of `batch.id` is unique, and the same after a
crash.

What stands in the file is taken as it is, and so are `batch.*` and a time with a format. Any other
value in a hole, such as a param, is percent-encoded, so that it stays within its part of the path
and two values never give one part: of its UTF-8 bytes only `A-Z a-z 0-9 - _ ! * ' ( ) .` are kept.
A value of dots alone has them as `%2E`; an empty one is `_empty`, and the value `_empty` is
`%5Fempty`.",
    kind: NodeKind::Sink,
    resource: Some(ResourceKind::Bucket),
    signatures: &["batch<_> ->", "R ->"],
    options: &[OptionSpec {
        name: "key",
        ty: OptionTy::Template,
        required: true,
        doc: "The object's name.",
        example: "key: \"{batch.id}.txt\"",
        ..OPTION
    }],
    // What it cannot store stops the run.
    fails: &[],
    delivery: Delivery { replays: false, holds_ack: false, idempotent: true },
    examples: &[Example {
        title: "Two lines of a file to an object.",
        flow: r#"
bucket lake : text

profile aws {
  lake = s3("example-lake")
}

profile local = emulate(aws, dir: "out")

flow archive : at_least_once {
  file.read("words.txt")
    -> text.lines
    -> batch(max: 2, wait: 60s)
    -> text.join("\n")
    -> lake.put(key: "{batch.time:%Y/%m/%d}/{batch.id}.txt")
  errors -> log
}
"#,
        files: &[("words.txt", "tea\ncoffee\nmilk\n")],
        ..EXAMPLE
    }],
    ..BLANK
};

/// How a run opens it.
pub fn open(services: Arc<Services>) -> Open {
    Open::Sink(Box::new(move |ctx| {
        let services = services.clone();
        Box::pin(async move { Ok(Box::new(BucketPut::open(&ctx, services)?) as Box<dyn Sink>) })
    }))
}

/// A writer of objects to one bucket.
pub struct BucketPut {
    services: Arc<Services>,
    place: BucketPlace,
    key: Compiled,
    env: Env,
    encodes: bool,
    lines: bool,
    counters: Counters,
}

impl BucketPut {
    /// Opens it.
    ///
    /// # Errors
    /// The bucket is not bound.
    pub fn open(ctx: &NodeCtx, services: Arc<Services>) -> Result<BucketPut, Fault> {
        let resource = ctx.node.resource.expect("a verb has a resource");
        let key = ctx.node.templates.get("key").expect("the checker asks for the key");
        Ok(BucketPut {
            services,
            place: BucketPlace::of(&ctx.plan.resources[resource])?,
            key: expr::compile(key),
            env: Env::new(ctx),
            encodes: ctx.node.encodes.is_some(),
            lines: ctx.plan.resources[resource].ty != Ty::Bytes,
            counters: ctx.counters.clone(),
        })
    }
}

/// What an object of some rows holds: one row as it is, several as lines where they are `lines`.
pub(crate) fn content(rows: &Rows, encodes: bool, lines: bool) -> Bytes {
    let mut content = Vec::new();
    if encodes {
        json::encode::encode_lines(&rows.columns, &mut content);
        return content.into();
    }
    let payloads = payload(rows);
    if payloads.len() == 1 {
        let (from, to) = (payloads.value_offsets()[0], payloads.value_offsets()[1]);
        let (from, to) = (from as usize, to as usize);
        return Bytes::from_owner(Shared(payloads.values().slice_with_length(from, to - from)));
    }
    for row in payloads.iter().flatten() {
        content.extend_from_slice(row);
        if lines {
            content.push(b'\n');
        }
    }
    content.into()
}

/// A part of a column, shared.
struct Shared(Buffer);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[async_trait]
impl Sink for BucketPut {
    fn limits(&self) -> SinkLimits {
        let concurrency = self.services.objects.puts_at_once();
        SinkLimits { whole: true, concurrency, ..SinkLimits::default() }
    }

    async fn write(&self, rows: &Rows) -> Result<Written, Fault> {
        let name = expr::eval_text(&self.key, rows, &self.env).map_err(|fault| {
            let message = format!("the key of an object cannot be made: {}", fault.message);
            Fault::service("object_key", message).help("make it of `batch.time` and `batch.id`")
        })?;
        let key = format!("{}{name}", self.place.prefix);
        let content = content(rows, self.encodes, self.lines);
        let put = self.services.objects.put(&self.place.bucket, &key, content).await?;
        self.counters.add(
            match put {
                Put::Stored => "objects",
                Put::AlreadyStored => "already stored",
            },
            1,
        );
        Ok(Written::default())
    }
}
