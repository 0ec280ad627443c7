//! Did you mean: at most one name, only when it is close.

/// The candidate nearest to `word`, at an edit distance of at most a third of its length; a
/// difference of case alone is none.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let limit = word.chars().count() / 3;
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// True when one of two names may be a misspelling of the other.
pub(crate) fn near(left: &str, right: &str) -> bool {
    let length = left.chars().count().max(right.chars().count());
    distance(left, right) <= (length / 3).max(1)
}

/// Edits between two names; a swap of neighbours is one, another case is none.
fn distance(left: &str, right: &str) -> usize {
    strsim::osa_distance(&left.to_lowercase(), &right.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_near_names_are_offered() {
        let names = ["StockCode", "Quantity", "Country"];
        assert_eq!(nearest("StockCod", names), Some("StockCode"));
        assert_eq!(nearest("stockcode", names), Some("StockCode"));
        assert_eq!(nearest("Counrty", names), Some("Country"));
        assert_eq!(nearest("Price", names), None);
        assert_eq!(nearest("x", ["y", "zz"]), None);
    }
}
