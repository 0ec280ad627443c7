//! The failpoints of the nodes and services, by name; see [`engine::failpoint`].

/// Those of the nodes and of the embedded services: name, and what has happened when it is reached.
pub const LOCAL: &[(&str, &str)] = &[];

/// Those of the services on AWS.
pub const AWS: &[(&str, &str)] = &[];

/// All failpoints of the program, those of the engine first.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    [engine::failpoint::NAMES, LOCAL, AWS].into_iter().flatten().copied()
}

/// Those that only a replay reaches.
pub const REPLAY: &[(&str, &str)] = &[
    ("replay.note", "failures are about to be noted as sent again"),
    ("replay.noted", "failures are noted, and not sent again yet"),
];
