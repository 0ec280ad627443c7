//! Finds the ends of fields and lines, 64 bytes a step.

use wide::u8x16;

/// Places of bytes are less.
pub const PLACE_MAX: u32 = 1 << 31;

/// Bytes of a step.
const STEP: usize = 64;

/// Where fields end: the places of delimiters and line breaks outside of quotes.
#[derive(Debug, Default)]
pub struct Marks {
    /// The marks, up to `used`, in order. `LF` behind `CR` is no mark.
    pub ends: Vec<u32>,
    /// How many marks there are.
    pub used: usize,
    /// For each mark of the last scan that is a line break, how many marks there are up to it, with
    /// itself.
    pub breaks: Vec<u32>,
    /// Where a quote stands for a quote within quotes: the second of the two, in order.
    pub doubled: Vec<u32>,
    /// There is a `CR` among the line breaks.
    pub returns: bool,
}

/// The bits of 64 bytes.
struct Block {
    delimiters: u64,
    feeds: u64,
    returns: u64,
    quotes: u64,
}

/// What a step leaves to the next: all or no bits, or the lowest.
struct State {
    inside: u64,
    /// A field begins with the next byte.
    begins: u64,
    /// The last byte was a quote that closes.
    closed: u64,
    /// The last byte was a `CR`.
    returned: u64,
}

impl Marks {
    /// Adds the marks of the bytes from `from`, where a record begins, and gives the place up to
    /// which they are known: the end, or where a quote stands that is neither at the start of a
    /// field, nor at its end, nor doubled. At most 2 GiB.
    pub fn scan(&mut self, bytes: &[u8], from: usize, delimiter: u8) -> usize {
        assert!(bytes.len() < PLACE_MAX as usize, "the places of bytes have 31 bits");
        self.doubled.clear();
        self.breaks.clear();
        let returned = u64::from(from > 0 && bytes[from - 1] == b'\r');
        self.returns |= returned != 0;
        let mut state = State { inside: 0, begins: 1, closed: 0, returned };
        let (blocks, tail) = bytes[from..].as_chunks::<STEP>();
        let delimiter = u8x16::splat(delimiter);
        let mut at = from;
        for block in blocks {
            if !self.step(&Block::of(block, delimiter), at, u64::MAX, &mut state) {
                return at;
            }
            at += STEP;
        }
        if !tail.is_empty() {
            let mut block = [0; STEP];
            block[..tail.len()].copy_from_slice(tail);
            let here = (1 << tail.len()) - 1;
            if !self.step(&Block::of(&block, delimiter), at, here, &mut state) {
                return at;
            }
        }
        bytes.len()
    }

    /// False where a quote is odd; then nothing was added. `here` = the bits that are bytes.
    #[inline(always)]
    fn step(&mut self, block: &Block, at: usize, here: u64, state: &mut State) -> bool {
        let mut breaks = block.feeds;
        if block.returns != 0 || state.returned != 0 {
            breaks = block.returns | (block.feeds & !(block.returns << 1 | state.returned));
            state.returned = block.returns >> 63;
            self.returns |= block.returns != 0;
        }
        let between = block.delimiters | block.feeds | block.returns;
        let mut begins = between;
        let mut ends = block.delimiters | breaks;
        if block.quotes != 0 || state.inside != 0 || state.closed != 0 {
            let inside = parity(block.quotes) ^ state.inside;
            let (opens, closes) = (block.quotes & inside, block.quotes & !inside);
            begins &= !inside;
            ends &= !inside;
            breaks &= !inside;
            // A quote that opens stands at the start of a field, or behind one that closes: then
            // both are one quote of the text. Behind one that closes, a field or a record ends.
            let behind = closes << 1 | state.closed;
            let odd =
                opens & !(begins << 1 | state.begins | behind) | behind & !(block.quotes | between);
            if odd & here != 0 {
                return false;
            }
            self.add_doubled(opens & behind, at);
            state.inside = ((inside as i64) >> 63) as u64;
            state.closed = closes >> 63;
        }
        state.begins = begins >> 63;
        self.add(ends, breaks, at);
        true
    }

    #[inline(always)]
    fn add(&mut self, ends: u64, mut breaks: u64, at: usize) {
        if self.ends.len() < self.used + STEP {
            self.grow();
        }
        while breaks != 0 {
            let with_it = breaks ^ (breaks - 1);
            self.breaks.push(self.used as u32 + (ends & with_it).count_ones());
            breaks &= breaks - 1;
        }
        let mut left = ends.count_ones() as usize;
        let mut mark = self.used;
        self.used += left;
        let mut ends = ends;
        loop {
            // Eight at once, wanted or not: cheaper than to guess how many there are.
            for slot in &mut self.ends[mark..mark + 8] {
                *slot = at as u32 + (ends | 1 << 63).trailing_zeros();
                ends &= ends.wrapping_sub(1);
            }
            if left <= 8 {
                return;
            }
            left -= 8;
            mark += 8;
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.ends.resize((self.ends.len() * 2).max(4096), 0);
    }

    #[inline]
    fn add_doubled(&mut self, mut doubled: u64, at: usize) {
        while doubled != 0 {
            self.doubled.push(at as u32 + doubled.trailing_zeros());
            doubled &= doubled - 1;
        }
    }
}

impl Block {
    #[inline(always)]
    fn of(bytes: &[u8; STEP], delimiter: u8x16) -> Block {
        let (parts, _) = bytes.as_chunks::<16>();
        let mut block = Block { delimiters: 0, feeds: 0, returns: 0, quotes: 0 };
        for (part, bytes) in parts.iter().enumerate() {
            let bytes = u8x16::new(*bytes);
            let equal = |byte: u8x16| u64::from(bytes.simd_eq(byte).to_bitmask()) << (16 * part);
            block.delimiters |= equal(delimiter);
            block.feeds |= equal(u8x16::splat(b'\n'));
            block.returns |= equal(u8x16::splat(b'\r'));
            block.quotes |= equal(u8x16::splat(b'"'));
        }
        block
    }
}

/// Each bit says whether the bits up to it, with itself, are odd.
#[inline(always)]
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}
