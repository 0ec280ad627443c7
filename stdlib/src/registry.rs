//! The list of all nodes: what each says of itself, and how it is opened.

use crate::nodes::*;
use crate::outside::Outside;
use crate::replay::Session;
use crate::service::Services;
use crate::service::local::delivery;
use crate::service::spill as buffers;
use dsl::spec::NodeSpec;
use engine::registry::{Open, Registry};
use std::sync::Arc;

/// The specs of all nodes, for `check`, `nodes` and the docs, without opening any service.
pub fn specs() -> Vec<&'static NodeSpec> {
    vec![
        &file_read::SPEC,
        &csv_decode::SPEC,
        &json_decode::SPEC,
        &json_encode::SPEC,
        &base64_decode::SPEC,
        &base64_encode::SPEC,
        &gzip_decode::SPEC,
        &gzip_encode::SPEC,
        &zstd_decode::SPEC,
        &zstd_encode::SPEC,
        &text_join::SPEC,
        &text_lines::SPEC,
        &where_::SPEC,
        &map::SPEC,
        &route::SPEC,
        &batch::SPEC,
        &wait::SPEC,
        &spill::SPEC,
        &shed::SPEC,
        &count::SPEC,
        &drop::SPEC,
        &log::SPEC,
        &http_serve::SPEC,
        &http_post::SPEC,
        &stream_read::SPEC,
        &file_write::SPEC,
        &stream_write::SPEC,
        &delivery_write::SPEC,
        &bucket_put::SPEC,
        &bucket_append::SPEC,
        &bucket_read::SPEC,
        &table_upsert::SPEC,
        &table_copy::SPEC,
    ]
}

/// The nodes of a run that sends failed records again: those of `session`, where there is one.
pub fn replay_registry(services: Arc<Services>, session: Option<Session>) -> Registry {
    let mut nodes = registry(services.clone());
    nodes.add(&quarantine_replay::SPEC, quarantine_replay::open(session, services));
    nodes.add(&quarantine_enter::SPEC, quarantine_enter::open());
    nodes
}

/// All nodes as a run opens them; the verbs of resources work on `services`.
pub fn registry(services: Arc<Services>) -> Registry {
    registry_in(Outside::machine(services))
}

/// All nodes, with everything outside put in its place.
pub fn registry_in(outside: Outside) -> Registry {
    let Outside { services, net, threads, file_write } = outside;
    let mut nodes = Registry::default();
    nodes.add(&file_read::SPEC, file_read::open(threads));
    nodes.add(&csv_decode::SPEC, csv_decode::open());
    nodes.add(&json_decode::SPEC, json_decode::open());
    nodes.add(&json_encode::SPEC, json_encode::open());
    nodes.add(&base64_decode::SPEC, base64_decode::open());
    nodes.add(&base64_encode::SPEC, base64_encode::open());
    nodes.add(&gzip_decode::SPEC, gzip_decode::open());
    nodes.add(&gzip_encode::SPEC, gzip_encode::open());
    nodes.add(&zstd_decode::SPEC, zstd_decode::open());
    nodes.add(&zstd_encode::SPEC, zstd_encode::open());
    nodes.add(&text_join::SPEC, text_join::open());
    nodes.add(&text_lines::SPEC, text_lines::open());
    nodes.add(&where_::SPEC, where_::open());
    nodes.add(&map::SPEC, map::open());
    nodes.add(&route::SPEC, route::open());
    nodes.add(&batch::SPEC, Open::Engine);
    nodes.add(&wait::SPEC, Open::Engine);
    nodes.add(&spill::SPEC, Open::Engine);
    nodes.add(&shed::SPEC, Open::Engine);
    nodes.add(&count::SPEC, count::open());
    nodes.add(&drop::SPEC, Open::Engine);
    nodes.add(&log::SPEC, log::open());
    nodes.add(&http_serve::SPEC, http_serve::open(net.clone()));
    nodes.add(&http_post::SPEC, http_post::open(net));
    nodes.add(&crate::nodes::file_write::SPEC, file_write);
    nodes.add(&stream_read::SPEC, stream_read::open(services.clone()));
    nodes.add(&stream_write::SPEC, stream_write::open(services.clone()));
    nodes.add(&delivery_write::SPEC, delivery_write::open(services.clone()));
    nodes.add(&buffers::write::SPEC, buffers::write::open(services.clone()));
    nodes.add(&buffers::read::SPEC, buffers::read::open(services.clone()));
    nodes.add(&delivery::read::SPEC, delivery::read::open(services.clone()));
    nodes.add(&bucket_put::SPEC, bucket_put::open(services.clone()));
    nodes.add(&bucket_append::SPEC, bucket_append::open(services.clone()));
    nodes.add(&bucket_read::SPEC, bucket_read::open(services.clone()));
    nodes.add(&table_upsert::SPEC, table_upsert::open(services.clone()));
    nodes.add(&table_copy::SPEC, table_copy::open(services));
    nodes
}
