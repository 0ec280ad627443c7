//! Checkpoints as rows of the state table, and stores as transactions of it.
//!
//! A row `state/<key>` holds the value; one that is too large for an item goes on in rows
//! `state/<key>#1`, `#2`, …, and all of them have the hash of the whole.

use engine::fault::Fault;
use std::collections::BTreeMap;

/// Bytes of a value in one row; an item may have 400 KB with its key and the names.
const PART_BYTES: usize = 350 << 10;
/// Rows that one transaction writes at most.
const ROWS_MAX: usize = 100;
/// Bytes that one transaction writes at most; DynamoDB takes 4 MB.
const BYTES_MAX: usize = 3_500_000;
/// Bytes that each row has beside its value, about.
const ROW_BYTES: usize = 200;
/// Bytes of a key with its prefix; DynamoDB takes 2,048.
const KEY_BYTES_MAX: usize = 2_000;

/// Keys and their new values; `None` = without.
pub type Pairs = Vec<(String, Option<Vec<u8>>)>;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The value, or a part of it.
    pub value: Vec<u8>,
    /// In how many rows the value is; told by the first.
    pub parts: usize,
    /// The hash of the whole value where it is in several rows.
    pub hash: Option<[u8; 32]>,
}

/// What one transaction writes: rows by their key, `None` = removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The rows.
    pub rows: BTreeMap<String, Option<Row>>,
    /// The keys that are kept in several rows after it, or were before.
    pub parts: BTreeMap<String, usize>,
}

impl Transaction {
    fn bytes(&self) -> usize {
        let value = |row: &Option<Row>| row.as_ref().map_or(0, |row| row.value.len());
        self.rows.iter().map(|(key, row)| ROW_BYTES + key.len() + value(row)).sum()
    }

    fn fits(&self) -> bool {
        self.rows.len() <= ROWS_MAX && self.bytes() <= BYTES_MAX
    }

    /// A number that is the same for the same rows.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (key, row) in &self.rows {
            hasher.update(&(key.len() as u64).to_le_bytes()).update(key.as_bytes());
            let value = row.as_ref().map(|row| row.value.as_slice());
            hasher.update(&value.map_or(u64::MAX, |value| value.len() as u64).to_le_bytes());
            hasher.update(value.unwrap_or_default());
        }
        *hasher.finalize().as_bytes()
    }

    /// Adds a store; a key that is there already gets the later value.
    fn add(&mut self, pairs: &Pairs, known: &BTreeMap<String, usize>) {
        for (key, value) in pairs {
            let before = self.parts.get(key).or(known.get(key)).copied().unwrap_or(1);
            let rows = value.as_ref().map_or(Vec::new(), |value| rows(value));
            let parts = rows.len().max(1);
            if parts > 1 || before > 1 {
                self.parts.insert(key.clone(), parts);
            }
            let rows = rows.into_iter().map(Some).chain(std::iter::repeat(None));
            for (part, row) in rows.take(parts.max(before)).enumerate() {
                self.rows.insert(row_key(key, part), row);
            }
        }
    }
}

/// The key of a part of a checkpoint's value.
pub fn row_key(key: &str, part: usize) -> String {
    if part == 0 { format!("state/{key}") } else { format!("state/{key}#{part}") }
}

fn rows(value: &[u8]) -> Vec<Row> {
    if value.len() <= PART_BYTES {
        return vec![Row { value: value.to_vec(), parts: 1, hash: None }];
    }
    let hash = Some(*blake3::hash(value).as_bytes());
    let chunks = value.chunks(PART_BYTES);
    let parts = chunks.len();
    chunks.map(|part| Row { value: part.to_vec(), parts, hash }).collect()
}

/// The transactions that write some stores, in order, each store whole in one of them: for each its
/// transaction, and for each store the number of its transaction or why there can be none. `known`:
/// keys that are in several rows now.
pub fn transactions(
    stores: &[Pairs],
    known: &BTreeMap<String, usize>,
) -> (Vec<Transaction>, Vec<Result<usize, Fault>>) {
    let mut known = known.clone();
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut places = Vec::with_capacity(stores.len());
    for pairs in stores {
        let mut alone = Transaction::default();
        alone.add(pairs, &known);
        if let Err(fault) = check(&alone, pairs) {
            places.push(Err(fault));
            continue;
        }
        known.extend(alone.parts.iter().map(|(key, parts)| (key.clone(), *parts)));
        let both = transactions.last().map(|last| {
            let mut both = last.clone();
            both.add(pairs, &known);
            both
        });
        match (both, transactions.last_mut()) {
            (Some(both), Some(last)) if both.fits() => *last = both,
            _ => transactions.push(alone),
        }
        places.push(Ok(transactions.len() - 1));
    }
    (transactions, places)
}

fn check(transaction: &Transaction, pairs: &Pairs) -> Result<(), Fault> {
    if let Some((key, _)) = pairs.iter().find(|(key, _)| key.len() > KEY_BYTES_MAX) {
        let (begin, bytes) = (key.chars().take(60).collect::<String>(), key.len());
        let message = format!("the checkpoint `{begin}…` has a key of {bytes} bytes");
        return Err(Fault::service("checkpoint_key", message).help("give shorter names to nodes"));
    }
    if transaction.fits() {
        return Ok(());
    }
    let (rows, bytes) = (transaction.rows.len(), transaction.bytes());
    let first = pairs.first().map_or("", |(key, _)| key.as_str());
    let message = format!(
        "the checkpoint `{first}` is too large to be stored at once: {rows} rows, {bytes} bytes; \
         DynamoDB takes {ROWS_MAX} rows and 4 MB"
    );
    Err(Fault::service("checkpoint_size", message)
        .help("give the batches of the flow a larger `max` or `size`, so that fewer are in flight"))
}

/// Puts the parts of a value together; `None` where they are not of one value.
pub fn whole(parts: Vec<Row>) -> Option<Vec<u8>> {
    let hash = parts.first()?.hash;
    let same = parts.iter().all(|part| part.hash == hash);
    let value: Vec<u8> = parts.into_iter().flat_map(|part| part.value).collect();
    let right = hash.is_none_or(|hash| *blake3::hash(&value).as_bytes() == hash);
    (same && right).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, bytes: usize) -> (String, Option<Vec<u8>>) {
        (key.to_owned(), Some(vec![7; bytes]))
    }

    fn keys(transaction: &Transaction) -> Vec<&str> {
        transaction.rows.keys().map(String::as_str).collect()
    }

    #[test]
    fn stores_that_fit_are_one_transaction_and_the_later_value_counts() {
        let stores =
            [vec![pair("a", 1), pair("b", 1)], vec![pair("a", 2)], vec![("b".into(), None)]];
        let (made, places) = transactions(&stores, &BTreeMap::new());
        assert_eq!((made.len(), places), (1, vec![Ok(0), Ok(0), Ok(0)]));
        assert_eq!(keys(&made[0]), ["state/a", "state/b"]);
        assert_eq!(made[0].rows["state/a"].as_ref().map(|row| row.value.len()), Some(2));
        assert_eq!(made[0].rows["state/b"], None);
    }

    #[test]
    fn a_store_is_never_cut() {
        let store = |prefix: &str, keys: usize| -> Pairs {
            (0..keys).map(|n| pair(&format!("{prefix}{n}"), 1)).collect()
        };
        let stores = [store("a", 60), store("b", 60), store("c", 40), store("d", 101)];
        let (made, places) = transactions(&stores, &BTreeMap::new());
        assert_eq!(made.iter().map(|each| each.rows.len()).collect::<Vec<_>>(), [60, 100]);
        assert_eq!(places[..3], [Ok(0), Ok(1), Ok(1)]);
        assert_eq!(places[3].as_ref().map_err(|fault| fault.code.as_str()), Err("checkpoint_size"));
        let long = transactions(&[vec![pair(&"k".repeat(2_001), 1)]], &BTreeMap::new()).1;
        assert_eq!(long[0].as_ref().map_err(|fault| fault.code.as_str()), Err("checkpoint_key"));
    }

    #[test]
    fn large_values_are_cut_into_rows_and_put_together_again() {
        let value: Vec<u8> = (0..PART_BYTES * 2 + 5).map(|n| n as u8).collect();
        let stores = [vec![("a".to_owned(), Some(value.clone()))]];
        let (made, _) = transactions(&stores, &BTreeMap::new());
        assert_eq!(keys(&made[0]), ["state/a", "state/a#1", "state/a#2"]);
        let rows: Vec<Row> = made[0].rows.values().flatten().cloned().collect();
        assert_eq!(whole(rows.clone()), Some(value));
        assert_eq!(whole(rows[..2].to_vec()), None);
        // What the shorter value leaves over is removed.
        let known = made[0].parts.clone();
        let (made, _) = transactions(&[vec![pair("a", PART_BYTES + 1)]], &known);
        assert_eq!(keys(&made[0]), ["state/a", "state/a#1", "state/a#2"]);
        assert_eq!(made[0].rows["state/a#2"], None);
        let (made, _) = transactions(&[vec![("a".into(), None)]], &made[0].parts);
        assert!(made[0].rows.values().all(Option::is_none) && made[0].rows.len() == 2);
    }

    #[test]
    fn the_hash_says_whether_two_transactions_write_the_same() {
        let hash = |stores: &[Pairs]| transactions(stores, &BTreeMap::new()).0[0].hash();
        assert_eq!(hash(&[vec![pair("a", 1)]]), hash(&[vec![pair("a", 2)], vec![pair("a", 1)]]));
        assert_ne!(hash(&[vec![pair("a", 1)]]), hash(&[vec![pair("a", 2)]]));
        assert_ne!(hash(&[vec![pair("a", 0)]]), hash(&[vec![("a".into(), None)]]));
    }
}
