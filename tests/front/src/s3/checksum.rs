//! Checksums of bodies: what is sent is verified, what is not sent is computed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::{CrcAlgorithm, checksum};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

use super::error::Error;
use crate::request::Request;

/// An algorithm of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// All of them.
pub(super) const ALL: [Algorithm; 5] =
    [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme, Algorithm::Sha1, Algorithm::Sha256];

impl Algorithm {
    /// `crc32c`, as the names of headers end.
    pub(super) fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "crc32",
            Algorithm::Crc32c => "crc32c",
            Algorithm::Crc64Nvme => "crc64nvme",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
        }
    }

    /// `CRC32C`, as parameters have it.
    pub(super) fn upper(self) -> String {
        self.name().to_ascii_uppercase()
    }

    /// The name of its header.
    pub(super) fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name())
    }

    /// The name of its element.
    pub(super) fn element(self) -> String {
        format!("Checksum{}", self.upper())
    }

    /// The algorithm of a parameter.
    pub(super) fn of(name: &str) -> Option<Algorithm> {
        ALL.into_iter().find(|one| one.upper() == name)
    }

    /// The checksum's bytes.
    pub(super) fn of_bytes(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Algorithm::Crc32 => crc32(CrcAlgorithm::Crc32IsoHdlc, bytes),
            Algorithm::Crc32c => crc32(CrcAlgorithm::Crc32Iscsi, bytes),
            Algorithm::Crc64Nvme => checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes().to_vec(),
            Algorithm::Sha1 => Sha1::digest(bytes).to_vec(),
            Algorithm::Sha256 => Sha256::digest(bytes).to_vec(),
        }
    }

    /// The checksum as it is sent.
    pub(super) fn text(self, bytes: &[u8]) -> String {
        BASE64.encode(self.of_bytes(bytes))
    }

    /// True for text that could be a checksum of it.
    pub(super) fn fits(self, text: &str) -> bool {
        let length = match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme => 8,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        };
        BASE64.decode(text).is_ok_and(|bytes| bytes.len() == length)
    }
}

fn crc32(of: CrcAlgorithm, bytes: &[u8]) -> Vec<u8> {
    (checksum(of, bytes) as u32).to_be_bytes().to_vec()
}

/// The MD5 of bytes.
pub(super) fn md5(bytes: &[u8]) -> Vec<u8> {
    Md5::digest(bytes).to_vec()
}

/// The checksum that a request carries for its body, verified; header or trailer.
pub(super) fn verified(request: &Request) -> Result<Option<(Algorithm, String)>, Error> {
    check_md5(request)?;
    let mut given = Vec::new();
    for algorithm in ALL {
        let name = algorithm.header();
        let header = request.header(&name);
        if !header.is_empty() {
            given.push((algorithm, header.to_owned()));
        }
        let trailer = request.trailers.iter().find(|(trailer, _)| *trailer == name);
        given.extend(trailer.map(|(_, value)| (algorithm, value.clone())));
    }
    let named = request.header("x-amz-sdk-checksum-algorithm");
    if given.len() > 1 {
        let said = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not \
                    allowed.";
        return Err(Error::saying("InvalidRequest", said));
    }
    let Some((algorithm, text)) = given.pop() else {
        if !named.is_empty() {
            let said = "x-amz-sdk-checksum-algorithm specified, but no corresponding \
                        x-amz-checksum-* or x-amz-trailer headers were found.";
            return Err(Error::saying("InvalidRequest", said));
        }
        return Ok(None);
    };
    if !named.is_empty() && Algorithm::of(named) != Some(algorithm) {
        let said = "Value for x-amz-sdk-checksum-algorithm header is invalid.";
        return Err(Error::saying("InvalidRequest", said));
    }
    if !algorithm.fits(&text) {
        let said = format!("Value for {} header is invalid.", algorithm.header());
        return Err(Error::saying("InvalidRequest", said));
    }
    if algorithm.text(&request.body) != text {
        let said = format!(
            "The {} you specified did not match the calculated checksum.",
            algorithm.upper()
        );
        return Err(Error::saying("BadDigest", said));
    }
    Ok(Some((algorithm, text)))
}

fn check_md5(request: &Request) -> Result<(), Error> {
    let Some(given) = request.headers.get("content-md5") else { return Ok(()) };
    let given = given.to_str().ok().and_then(|text| BASE64.decode(text).ok());
    let given = given.filter(|given| given.len() == 16);
    let given = given.ok_or_else(|| Error::of("InvalidDigest"))?;
    let found = md5(&request.body);
    match given == found {
        true => Ok(()),
        false => Err(Error::of("BadDigest")
            .with("ExpectedDigest", BASE64.encode(given))
            .with("CalculatedDigest", BASE64.encode(found))),
    }
}

/// The checksum of checksums, of parts: `…-3`.
pub(super) fn composite(algorithm: Algorithm, parts: &[String]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend(BASE64.decode(part).unwrap_or_default());
    }
    format!("{}-{}", algorithm.text(&bytes), parts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_catalogue() {
        let hex = |algorithm: Algorithm| crate::wire::hex(&algorithm.of_bytes(b"123456789"));
        assert_eq!(hex(Algorithm::Crc32), "cbf43926");
        assert_eq!(hex(Algorithm::Crc32c), "e3069283");
        assert_eq!(hex(Algorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(hex(Algorithm::Sha1), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        assert!(hex(Algorithm::Sha256).starts_with("15e2b0d3c33891ebb0f1ef609ec419420c20e320"));
    }
}
