//! Sequence numbers of 56 digits, as Kinesis hands them out: 188 bits that hold the second their
//! shard was made, the shard, a count, and the second the record came.
//!
//! From the top: `2` (4 bits), the shard's second (36), its number's low bits (4), the count (64),
//! zero (8), the record's second (36), the shard's number (32), `2` (4).

/// What a sequence number says; they compare as their numbers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence {
    /// The second the shard was made.
    pub made_s: u64,
    /// The shard's number.
    pub shard: u32,
    /// Rising within the shard.
    pub count: u64,
    /// The second of the record.
    pub time_s: u64,
}

/// The count in the number that a closed shard ends with.
pub const LAST: u64 = 0x7fff_ffff_ffff_ffff;

const TEN_19: u128 = 10_000_000_000_000_000_000;

impl Sequence {
    fn words(self) -> [u64; 3] {
        let mut words = [0u64; 3];
        let fields = [
            (4, 2),
            (36, self.made_s),
            (4, u64::from(self.shard & 15)),
            (64, self.count),
            (8, 0),
            (36, self.time_s),
            (32, u64::from(self.shard)),
            (4, 2),
        ];
        for (bits, value) in fields {
            if bits == 64 {
                words = [words[1], words[2], value];
                continue;
            }
            words[0] = words[0] << bits | words[1] >> (64 - bits);
            words[1] = words[1] << bits | words[2] >> (64 - bits);
            words[2] = words[2] << bits | value & ((1 << bits) - 1);
        }
        words
    }

    /// The 56 digits.
    pub fn write(self, out: &mut String) {
        let mut words = self.words();
        let mut parts = [0u64; 3];
        for part in parts.iter_mut().rev() {
            let mut rest = 0u128;
            for word in &mut words {
                let value = rest << 64 | u128::from(*word);
                *word = (value / TEN_19) as u64;
                rest = value % TEN_19;
            }
            *part = rest as u64;
        }
        let mut digits = [0u8; 57];
        for (part, into) in parts.iter().zip(digits.chunks_mut(19)) {
            let mut rest = *part;
            for digit in into.iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        out.extend(digits[1..].iter().map(|digit| *digit as char));
    }

    /// The 56 digits as text.
    pub fn text(self) -> String {
        let mut out = String::with_capacity(56);
        self.write(&mut out);
        out
    }

    /// What 56 digits say; nothing when they were not made here.
    pub fn parse(text: &str) -> Option<Sequence> {
        if text.len() != 56 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut words = [0u64; 3];
        for byte in text.bytes() {
            let mut carry = u128::from(byte - b'0');
            for word in words.iter_mut().rev() {
                let value = u128::from(*word) * 10 + carry;
                *word = value as u64;
                carry = value >> 64;
            }
        }
        let mut at = 188;
        let mut take = |bits: u32| {
            at -= bits;
            let (word, shift) = (2 - (at / 64) as usize, at % 64);
            let low = words[word] >> shift;
            let high = if shift == 0 || word == 0 { 0 } else { words[word - 1] << (64 - shift) };
            let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
            (low | high) & mask
        };
        let begin = take(4);
        let (made_s, _, count) = (take(36), take(4), take(64));
        take(8);
        let (time_s, shard) = (take(36), take(32) as u32);
        let sequence = Sequence { made_s, shard, count, time_s };
        (begin == 2 && sequence.text() == text).then_some(sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_look_like_aws_own() {
        // A number that AWS's documentation shows is read to its parts, and written the same.
        let known = "49590338271490256608559692538361571095921575989136588898";
        let sequence = Sequence::parse(known).expect("a sequence number");
        assert_eq!((sequence.shard, sequence.text().as_str()), (6, known));
        assert!((1_500_000_000..1_700_000_000).contains(&sequence.made_s), "{sequence:?}");
    }

    #[test]
    fn they_go_both_ways_and_compare_as_numbers() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut all: Vec<Sequence> = (0..1_000)
            .map(|_| Sequence {
                made_s: random.u64(1..1 << 34),
                shard: random.u32(..16),
                count: random.u64(..=LAST),
                time_s: random.u64(1..1 << 34),
            })
            .collect();
        let texts: Vec<String> = all.iter().map(|one| one.text()).collect();
        for (one, text) in all.iter().zip(&texts) {
            assert_eq!((text.len(), Sequence::parse(text)), (56, Some(*one)));
        }
        let mut sorted = texts;
        sorted.sort();
        all.sort();
        assert_eq!(all.iter().map(|one| one.text()).collect::<Vec<_>>(), sorted);
    }

    #[test]
    fn others_are_not_taken() {
        let nines = "9".repeat(56);
        for text in ["1", "", "4959033827149025660855969253836157109592157598913658889x", &nines] {
            assert_eq!(Sequence::parse(text), None, "{text}");
        }
    }
}
