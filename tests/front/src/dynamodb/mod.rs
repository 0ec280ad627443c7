//! DynamoDB: tables, items, expressions, batches and transactions, as strict as AWS documents them.
//! Not served: indexes, streams, PartiQL, backups, and the parameters that expressions replaced.

mod apply;
mod batch;
mod call;
mod condition;
mod error;
mod eval;
mod json;
mod key_condition;
mod lexer;
mod number;
mod parser;
mod path;
mod read;
mod reserved;
mod service;
mod table;
mod tables;
mod transact;
mod update;
mod value;
mod write;

#[cfg(test)]
mod tests;

pub use service::DynamoDb;
