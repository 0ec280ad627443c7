//! Reads the body of a request, up to a limit of bytes and at a least speed.

use crate::http::answer::Answer;
use crate::http::intake::Place;
use engine::ctx::Clock;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use std::time::Duration;

/// A body that is slower for longer than the idle timeout is given up, bytes a second.
const SPEED_MIN: u64 = 1024;
/// How long the rest of a refused body is read and thrown away, so that the client sees the answer
/// and not a reset connection.
const LINGER: Duration = Duration::from_secs(5);

/// The limits of a body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes at most.
    pub bytes_max: u64,
    /// How long it may rest between two pieces.
    pub idle: Duration,
}

/// Reads a whole body. An announced length is already checked and counted in `place`; without one,
/// each piece is before it is kept. What is over a limit is an answer (413, 503, 408), and the body
/// is then not read to its end.
pub async fn read(
    body: &mut Incoming,
    limits: BodyLimits,
    place: &mut Place,
    clock: &dyn Clock,
) -> Result<Vec<u8>, Answer> {
    let announced = body.size_hint().exact();
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0) as usize);
    let began_ns = clock.now_ns();
    while !body.is_end_stream() {
        let patience = patience(bytes.len() as u64, clock.now_ns() - began_ns, limits.idle);
        let frame = tokio::select! {
           biased;
            frame = body.frame() => frame,
            // Made only where the body is not there yet.
            () = async { clock.sleep(patience).await } => return Err(too_slow()),
        };
        let data = match frame {
            None => break,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => return Err(broken(&error)),
        };
        let end = (bytes.len() + data.len()) as u64;
        if end > limits.bytes_max {
            return Err(too_large(limits.bytes_max));
        }
        if announced.is_none() && !place.grow(data.len() as u64) {
            return Err(full());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Reads the rest of a refused body for a while and throws it away; at most `bytes_max`.
pub async fn discard(mut body: Incoming, bytes_max: u64, clock: &dyn Clock) {
    let mut left = bytes_max;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, |data| data.len()) as u64;
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    tokio::select! {
        biased;
        () = read => {}
        () = clock.sleep(LINGER) => {}
    }
}

/// 503: too much is in flight.
pub fn full() -> Answer {
    let message = "the server has as much in flight as it can hold; send this again in a moment";
    Answer::later("full", message)
}

fn patience(bytes: u64, elapsed_ns: i64, idle: Duration) -> Duration {
    let allowed = idle + Duration::from_secs(bytes / SPEED_MIN);
    let elapsed = Duration::from_nanos(u64::try_from(elapsed_ns).unwrap_or(0));
    allowed.saturating_sub(elapsed).min(idle)
}

/// 413: more than the limit.
pub fn too_large(bytes_max: u64) -> Answer {
    let limit = dsl::value::size_text(bytes_max);
    let message = format!("the body is over {limit}; send fewer records in one request");
    Answer::refused(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message).close()
}

/// 413: more records than the limit.
pub fn too_many(records: usize, records_max: usize) -> Answer {
    let message = format!(
        "the body has {records} records, {records_max} are taken at most; send fewer in one request"
    );
    Answer::refused(StatusCode::PAYLOAD_TOO_LARGE, "too_many_records", message)
}

fn too_slow() -> Answer {
    let message = "the body did not come in time; nothing of it is stored";
    Answer::refused(StatusCode::REQUEST_TIMEOUT, "body_timeout", message).close()
}

fn broken(error: &hyper::Error) -> Answer {
    let message = format!("the body broke off ({error}); nothing of it is stored");
    Answer::refused(StatusCode::BAD_REQUEST, "body_broken", message).close()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_for_a_body_that_drips() {
        let idle = Duration::from_secs(60);
        let after = |bytes, seconds: i64| patience(bytes, seconds * 1_000_000_000, idle).as_secs();
        assert_eq!(after(0, 0), 60);
        assert_eq!(after(5 << 20, 100), 60);
        assert_eq!(after(50, 50), 10);
        assert_eq!(after(60, 61), 0);
        assert_eq!(after(0, -5), 60);
    }
}
