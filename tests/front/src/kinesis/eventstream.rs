//! Frames of `application/vnd.amazon.eventstream`: lengths, headers, payload, two checksums.

use bytes::Bytes;

const fn table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
}

static TABLE: [u32; 256] = table();

/// CRC-32 as in Ethernet.
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| TABLE[((crc ^ u32::from(*byte)) & 255) as usize] ^ crc >> 8;
    !bytes.iter().fold(u32::MAX, step)
}

const TEXT: u8 = 7;

/// A message with headers of text.
pub fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend_from_slice(name.as_bytes());
        head.push(TEXT);
        head.extend_from_slice(&(value.len() as u16).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let total = 16 + head.len() + payload.len();
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&(total as u32).to_be_bytes());
    out.extend_from_slice(&(head.len() as u32).to_be_bytes());
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out.into()
}

/// An event of a name, in JSON.
pub fn event(name: &str, payload: &str) -> Bytes {
    let headers = [
        (":message-type", "event"),
        (":event-type", name),
        (":content-type", "application/x-amz-json-1.1"),
    ];
    frame(&headers, payload.as_bytes())
}

/// An error that ends a stream.
pub fn exception(name: &str, message: &str) -> Bytes {
    let headers = [
        (":message-type", "exception"),
        (":exception-type", name),
        (":content-type", "application/x-amz-json-1.1"),
    ];
    frame(&headers, serde_json::json!({"message": message}).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_right() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // An empty message, as the format's description has it.
        let empty = [0, 0, 0, 16, 0, 0, 0, 0, 5, 194, 72, 235, 125, 152, 200, 255];
        assert_eq!(frame(&[], b""), empty.as_slice());
    }
}
