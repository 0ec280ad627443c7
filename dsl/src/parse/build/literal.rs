//! Numbers and quantities.

use super::Builder;
use crate::check::suggest::nearest;
use crate::span::Span;
use crate::value::Value;

/// Nanoseconds in a unit of time.
const TIMES: [(&str, i64); 6] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Bytes in a unit of size.
const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Units of other languages, and ours.
const ALIASES: [(&str, &str); 24] = [
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("m", "min"),
    ("mins", "min"),
    ("minute", "min"),
    ("minutes", "min"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("msec", "ms"),
    ("millis", "ms"),
    ("usec", "us"),
    ("k", "KB"),
    ("K", "KB"),
    ("M", "MB"),
    ("G", "GB"),
    ("Ki", "KiB"),
    ("Mi", "MiB"),
    ("Gi", "GiB"),
];

const UNITS_HELP: &str = "durations end in `us`, `ms`, `s`, `min`, `h` or `d`; \
                          sizes in `B`, `KB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`";

impl Builder<'_> {
    /// `5s` or `5MiB`.
    pub(super) fn quantity(&mut self, text: &str, span: Span) -> Value {
        let (digits, unit) = split_unit(text);
        let count = self.int(digits, span);
        if let Some((_, ns)) = TIMES.iter().find(|(name, _)| *name == unit) {
            return Value::Duration(count.checked_mul(*ns).unwrap_or_else(|| {
                let days = i64::MAX / TIMES[5].1;
                self.too_large(span, &format!("a duration is at most {days}d"));
                i64::MAX
            }));
        }
        let bytes = SIZES.iter().find(|(name, _)| *name == unit).map_or(1, |(_, bytes)| *bytes);
        Value::Size((count as u64).checked_mul(bytes).unwrap_or_else(|| {
            self.too_large(span, "a size is at most 17179869183GiB");
            u64::MAX
        }))
    }

    /// `500` or `2.55`.
    pub(super) fn number(&mut self, text: &str, span: Span) -> Value {
        let Some((whole, part)) = text.split_once('.') else {
            return Value::Int(self.int(text, span));
        };
        let digits: String = whole.chars().filter(|c| *c != '_').chain(part.chars()).collect();
        let significant = digits.trim_start_matches('0').len();
        if significant > 38 || part.len() > 38 {
            self.too_large(span, "a decimal has at most 38 digits");
            return Value::Decimal { unscaled: 0, scale: 0 };
        }
        let unscaled = digits.parse().expect("at most 38 digits");
        Value::Decimal { unscaled, scale: part.len() as u8 }
    }

    /// Digits with `_` between them.
    pub(super) fn int(&mut self, text: &str, span: Span) -> i64 {
        let digits: String = text.chars().filter(|c| *c != '_').collect();
        digits.parse().unwrap_or_else(|_| {
            self.too_large(span, &format!("an integer is at most {}", i64::MAX));
            i64::MAX
        })
    }

    fn too_large(&mut self, span: Span, help: &str) {
        self.mistake("this number is too large", span, "does not fit", help.into());
    }

    /// `5sec`, `1.5s`, `0x1F`: named here because the grammar lets them pass.
    pub(super) fn bad_number(&mut self, text: &str, span: Span) -> Value {
        let (digits, unit) = split_unit(text);
        let known: Vec<&str> =
            TIMES.iter().map(|unit| unit.0).chain(SIZES.iter().map(|unit| unit.0)).collect();
        let ours = ALIASES.iter().find(|(theirs, _)| *theirs == unit).map(|(_, ours)| *ours);
        let ours = ours
            .or_else(|| known.iter().copied().find(|ours| ours.eq_ignore_ascii_case(unit)))
            .or_else(|| nearest(unit, known.iter().copied()));
        match ours {
            Some(ours) if digits.contains('.') => self.fraction(digits, ours, span),
            Some(ours) => {
                let message = format!("`{unit}` is not a unit");
                self.mistake(&message, span, "", format!("write `{digits}{ours}`"));
                self.quantity(&format!("{digits}{ours}"), span)
            }
            None if unit.starts_with(['e', 'E', 'x', 'X', 'b', 'o']) => {
                let message = format!("`{text}` is not a number");
                let help = "numbers are written in full: `1_000_000`, `2.55`";
                self.mistake(&message, span, "", help.into());
                Value::Int(0)
            }
            None => {
                let message = format!("`{unit}` is not a unit");
                self.mistake(&message, span, "", UNITS_HELP.into());
                Value::Int(0)
            }
        }
    }

    /// `1.5s`: quantities are whole numbers.
    fn fraction(&mut self, digits: &str, unit: &str, span: Span) -> Value {
        let factor = |name: &str| -> Option<i128> {
            let time = TIMES.iter().find(|unit| unit.0 == name).map(|unit| i128::from(unit.1));
            time.or_else(|| SIZES.iter().find(|unit| unit.0 == name).map(|unit| unit.1.into()))
        };
        let smaller = match unit {
            "us" | "B" => "",
            "ms" => "us",
            "s" => "ms",
            "min" => "s",
            "h" => "min",
            "d" => "h",
            "GiB" => "MiB",
            "MiB" => "KiB",
            "GB" => "MB",
            "MB" => "KB",
            _ => "B",
        };
        let ratio = factor(unit).zip(factor(smaller)).map(|(large, small)| large / small);
        let value = self.number(digits, span);
        let help = match (value, ratio) {
            (Value::Decimal { unscaled, scale }, Some(ratio))
                if scale < 10 && unscaled < 1 << 62 =>
            {
                let (scaled, unit_count) = (unscaled * ratio, 10i128.pow(scale.into()));
                (scaled % unit_count == 0)
                    .then(|| format!("write `{}{smaller}`", scaled / unit_count))
            }
            _ => None,
        };
        let help = help.unwrap_or_else(|| "use a smaller unit".into());
        self.mistake("a quantity is a whole number", span, "has a point in it", help);
        match TIMES.iter().any(|time| time.0 == unit) {
            true => Value::Duration(1),
            false => Value::Size(1),
        }
    }
}

/// `5`, `s` of `5s`.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_' && c != '.');
    text.split_at(end.unwrap_or(text.len()))
}
