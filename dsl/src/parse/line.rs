//! Whether a line begins a declaration: what recovery rests on.

/// The words that begin a declaration.
pub(super) const DECLARATIONS: [&str; 15] = [
    "use", "param", "secret", "const", "type", "stream", "delivery", "bucket", "table", "queue",
    "profile", "node", "flow", "query", "test",
];

/// The other reserved words.
const WORDS: [&str; 22] = [
    "let", "where", "map", "route", "catch", "if", "then", "else", "and", "or", "not", "has", "as",
    "on", "key", "into", "given", "run", "expect", "true", "false", "null",
];

/// True for a word that cannot be a name.
pub(super) fn is_reserved(word: &str) -> bool {
    DECLARATIONS.contains(&word) || WORDS.contains(&word)
}

/// What the text before a line has left open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Nothing.
    Nothing,
    /// A bracket.
    Bracket,
    /// A `"""` block, whose text may look like anything.
    Block,
}

/// Whether `line`, which begins with a word, begins a declaration; `Some(false)` when its word is
/// not one of the language but the rest looks like a declaration.
pub(super) fn declares(line: &str, inside: Inside) -> Option<bool> {
    let (word, rest) = split_word(line);
    let after = rest.trim_start_matches([' ', '\t']);
    let parted = after.len() < rest.len();
    let named = parted && begins_name(after);
    if DECLARATIONS.contains(&word) {
        let begins = match inside {
            Inside::Nothing => !after.starts_with([':', '=', '.', '(', ',', ')', '?', '-']),
            Inside::Bracket => named,
            Inside::Block => named && looks_declared(after),
        };
        return begins.then_some(true);
    }
    let odd = !is_reserved(word) && !word.is_empty() && inside != Inside::Block;
    (odd && named && looks_declared(after)).then_some(false)
}

/// `name :`, `name = `, `name {`, `name (`, `name on`, `"title" {`.
fn looks_declared(after: &str) -> bool {
    let rest = match after.strip_prefix('"') {
        Some(text) => text.split_once('"').map_or("", |(_, rest)| rest),
        None => {
            let (name, rest) = split_word(after);
            if is_reserved(name) {
                return false;
            }
            rest
        }
    };
    let rest = rest.trim_start_matches([' ', '\t']);
    let arrow = rest.starts_with("=>") || rest.starts_with("==");
    (rest.starts_with([':', '=', '{', '(']) && !arrow) || split_word(rest).0 == "on"
}

fn begins_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '"')
}

/// The ASCII word at the start of `text`, which may be empty, and what follows it.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::{Inside, declares};

    #[test]
    fn declarations_are_told_from_other_lines() {
        assert_eq!(declares("flow a : at_least_once {", Inside::Bracket), Some(true));
        assert_eq!(declares("flow {", Inside::Nothing), Some(true));
        assert_eq!(declares("type: text", Inside::Bracket), None);
        assert_eq!(declares("flwo a {", Inside::Bracket), Some(false));
        assert_eq!(declares("steam orders : json<Line>", Inside::Nothing), Some(false));
        assert_eq!(declares("orders.read -> drop", Inside::Nothing), None);
        assert_eq!(declares("line catch drop(x)", Inside::Bracket), None);
        assert_eq!(declares("let x = a -> b", Inside::Bracket), None);
        assert_eq!(declares("table sales", Inside::Block), None);
        assert_eq!(declares("query q on sales", Inside::Block), Some(true));
        assert_eq!(declares("test \"a b\" {", Inside::Block), Some(true));
    }
}
