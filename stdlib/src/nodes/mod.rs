//! The nodes, one file each.

pub mod base64_decode;
pub mod base64_encode;
pub mod batch;
pub mod bucket_append;
pub mod bucket_put;
pub mod bucket_read;
pub mod count;
pub mod csv_decode;
pub mod delivery_write;
pub mod drop;
pub mod file_read;
pub mod file_write;
pub mod http_post;
pub mod http_serve;
pub mod json_decode;
pub mod json_encode;
pub mod log;
pub mod map;
pub mod route;
pub mod stream_read;
pub mod stream_write;
pub mod table_copy;
pub mod table_upsert;
pub mod text_join;
pub mod text_lines;
pub mod where_;
