//! Values as parts of the names of objects: percent-encoded, so that no value leaves its part.

/// What an empty value becomes: a part must not be empty.
const EMPTY: &str = "_empty";

/// Appends a value to a name. Its UTF-8 bytes become `%XX`, in upper case, but for
/// `A-Z a-z 0-9 - _ ! * ' ( ) .`; what is made of dots alone has them as `%2E`, and an empty value
/// is `_empty` (so the value `_empty` is `%5Fempty`). Different values come out different, and none
/// is empty, `.` or `..`, whatever stands beside it.
pub fn push_encoded(name: &mut String, value: &str) {
    if value.is_empty() {
        name.push_str(EMPTY);
        return;
    }
    let dots = value.bytes().all(|byte| byte == b'.');
    for (index, byte) in value.bytes().enumerate() {
        let kept = match byte {
            b'.' => !dots,
            b'_' => index > 0 || value != EMPTY,
            _ => byte.is_ascii_alphanumeric() || b"-!*'()".contains(&byte),
        };
        if kept {
            name.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            name.push('%');
            name.push(char::from(DIGITS[usize::from(byte >> 4)]));
            name.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn encoded(value: &str) -> String {
        let mut name = String::new();
        push_encoded(&mut name, value);
        name
    }

    #[test]
    fn values_become_parts() {
        for (value, part) in [
            ("United-Kingdom_1.txt", "United-Kingdom_1.txt"),
            ("it's!*(all)", "it's!*(all)"),
            ("a/b", "a%2Fb"),
            ("../../etc", "..%2F..%2Fetc"),
            ("", "_empty"),
            ("_empty", "%5Fempty"),
            ("_empty_", "_empty_"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("...", "%2E%2E%2E"),
            ("..a", "..a"),
            ("50%", "50%25"),
            ("%2F", "%252F"),
            ("Färöer\u{0}\n \u{1f600}", "F%C3%A4r%C3%B6er%00%0A%20%F0%9F%98%80"),
            ("~+&$@=;:,?\\{}^`[]\"<>#|", {
                "%7E%2B%26%24%40%3D%3B%3A%2C%3F%5C%7B%7D%5E%60%5B%5D%22%3C%3E%23%7C"
            }),
        ] {
            assert_eq!(encoded(value), part, "{value:?}");
        }
    }

    #[test]
    fn different_values_stay_apart_and_in_their_part() {
        let pieces = ["", ".", "/", "%", "_", "_empty", "2E", "2F", "5F", "a", "\0", "é"];
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for one in pieces {
            for two in pieces {
                for three in pieces {
                    let value = format!("{one}{two}{three}");
                    let part = encoded(&value);
                    assert!(!part.is_empty() && part.bytes().any(|byte| byte != b'.'), "{value:?}");
                    assert!(part.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'));
                    let before = seen.insert(part, value.clone());
                    assert!(before.is_none_or(|before| before == value), "{value:?}");
                }
            }
        }
    }
}
