//! The BLAKE3 hash of a file's first bytes, by all cores: no row can leave before it is known.

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// 128 bits of BLAKE3.
pub type Hash = [u8; 16];

/// Bytes of a piece: a power of two, so that each piece is a subtree of the hash.
const PIECE: u64 = 1 << 20;
/// More threads wait for the memory.
const THREADS_MAX: usize = 8;

/// The hash of the first `length` bytes of a file.
///
/// # Errors
/// The file cannot be read, or has fewer bytes.
pub fn hash(file: &File, length: u64) -> io::Result<Hash> {
    if length <= PIECE {
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, 0)?;
        return Ok(short(blake3::hash(&bytes)));
    }
    let count = length.div_ceil(PIECE);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let next = AtomicU64::new(0);
    let work = || pieces(file, length, || next.fetch_add(1, Ordering::Relaxed));
    let parts: io::Result<Vec<Vec<(u64, ChainingValue)>>> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(count as usize)).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let joined = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        std::iter::once(mine).chain(joined).collect()
    });
    let mut parts: Vec<(u64, ChainingValue)> = parts?.into_iter().flatten().collect();
    parts.sort_unstable_by_key(|(number, _)| *number);
    let values: Vec<ChainingValue> = parts.into_iter().map(|(_, value)| value).collect();
    let (left, right) = values.split_at(left(values.len()));
    Ok(short(merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash)))
}

/// Hashes pieces of the first `length` bytes, whose numbers `next` gives, until there are no more.
fn pieces(
    file: &File,
    length: u64,
    next: impl Fn() -> u64,
) -> io::Result<Vec<(u64, ChainingValue)>> {
    let mut buffer = vec![0; PIECE as usize];
    let mut values = Vec::new();
    loop {
        let number = next();
        let start = number * PIECE;
        if start >= length {
            return Ok(values);
        }
        let bytes = &mut buffer[..(length - start).min(PIECE) as usize];
        file.read_exact_at(bytes, start)?;
        let value = Hasher::new().set_input_offset(start).update(bytes).finalize_non_root();
        values.push((number, value));
    }
}

/// How many of `count` pieces the left half of a tree has: all that it can, as a power of two.
fn left(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn subtree(values: &[ChainingValue]) -> ChainingValue {
    let [value] = values else {
        let (left, right) = values.split_at(left(values.len()));
        return merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash);
    };
    *value
}

fn short(hash: blake3::Hash) -> Hash {
    let mut short = [0; 16];
    short.copy_from_slice(&hash.as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn pieces_make_the_hash_of_the_whole() {
        let mut random = fastrand::Rng::with_seed(7);
        let bytes: Vec<u8> = (0..7 * PIECE + 12_345).map(|_| random.u8(..)).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let mut lengths = vec![0, 1, 1024, PIECE - 1];
        for count in 1..=7 {
            lengths.extend([count * PIECE, count * PIECE + 1, count * PIECE + 5_000]);
        }
        for length in lengths {
            let whole = short(blake3::hash(&bytes[..length as usize]));
            assert_eq!(hash(&file, length).unwrap(), whole, "{length} bytes");
        }
        let error = hash(&file, 8 * PIECE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
