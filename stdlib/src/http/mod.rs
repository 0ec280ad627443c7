//! What `http.serve` and `http.post` are made of: bodies cut into records, the headers that name
//! the rows of a request, the JSON answer, the server and the queue behind it.

pub mod answer;
pub mod body;
pub mod connection;
pub mod frame;
pub mod holder;
pub mod in_flight;
pub mod intake;
pub mod net;
pub mod order;
pub mod reply;
pub mod row_headers;
pub mod server;
