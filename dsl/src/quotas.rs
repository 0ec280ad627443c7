//! Limits of services, from a dated data file: the numbers, the rules of names, and where each of
//! them was read. The checker reports them (E0604, E0607), and the local services enforce them.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The limits of one provider as of one date.
#[derive(Debug, Deserialize)]
pub struct Quotas {
    /// When they were read: `2026-11`.
    pub date: String,
    limit: BTreeMap<String, Limit>,
    name: BTreeMap<String, NameRule>,
}

/// A numeric limit; both ends are allowed.
#[derive(Debug, Deserialize)]
pub struct Limit {
    /// The service: `Firehose`.
    pub service: String,
    /// What is limited: `buffer`.
    pub what: String,
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
    /// Of what.
    pub unit: Unit,
    /// Where the numbers were read.
    pub source: String,
}

/// The unit of a [`Limit`].
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Ms,
    /// Things.
    Count,
    /// Characters.
    Chars,
}

/// What a physical name may look like.
#[derive(Debug, Deserialize)]
pub struct NameRule {
    /// The service: `S3`.
    pub service: String,
    /// Characters at least.
    pub min: usize,
    /// Characters at most.
    pub max: usize,
    /// The allowed characters, as in a bracket expression: `a-z0-9.-`.
    chars: String,
    /// Those allowed at both ends, where they differ.
    ends: Option<String>,
    /// Those allowed at the start, where they differ.
    starts: Option<String>,
    /// The rule in words.
    pub rule: String,
    /// Where it was read.
    pub source: String,
}

/// The limits of AWS.
pub fn aws() -> &'static Quotas {
    static AWS: LazyLock<Quotas> = LazyLock::new(|| {
        toml::from_str(include_str!("../quotas/aws-2026-11.toml"))
            .expect("the quota file of this build is well-formed")
    });
    &AWS
}

impl Quotas {
    /// The limit of that id, such as `firehose.size`.
    ///
    /// # Panics
    /// When the file has no such limit: ids are written in the code, not read from input.
    pub fn limit(&self, id: &str) -> &Limit {
        self.limit.get(id).unwrap_or_else(|| panic!("no limit `{id}` in the quota file"))
    }

    /// The rule for names of a service, such as `s3`; `None` where there is none.
    pub fn name(&self, service: &str) -> Option<&NameRule> {
        self.name.get(service)
    }
}

impl Limit {
    /// The least and the most in the base unit of a value: bytes, nanoseconds or a count.
    pub fn range(&self) -> (i64, i64) {
        let factor = if self.unit == Unit::Ms { 1_000_000 } else { 1 };
        let base = |number: u64| i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(factor);
        (base(self.min), base(self.max))
    }
}

impl NameRule {
    /// True for a legal name.
    pub fn allows(&self, name: &str) -> bool {
        let length = name.chars().count();
        length >= self.min
            && length <= self.max
            && name.chars().all(|c| in_class(&self.chars, c))
            && name.chars().next().is_some_and(|c| self.first(c))
            && name.chars().last().is_some_and(|c| self.last(c))
    }

    /// The nearest legal name, where there is one: `My_Bucket` gives `my-bucket` for S3.
    pub fn corrected(&self, name: &str) -> Option<String> {
        let lower = !in_class(&self.chars, 'A');
        let fill = if in_class(&self.chars, '-') { '-' } else { '_' };
        let cased = if lower { name.to_lowercase() } else { name.to_string() };
        let kept: String =
            cased.chars().map(|c| if in_class(&self.chars, c) { c } else { fill }).collect();
        let cut: String =
            kept.trim_start_matches(|c| !self.first(c)).chars().take(self.max).collect();
        let cut = cut.trim_end_matches(|c| !self.last(c)).to_string();
        (self.allows(&cut) && cut != name).then_some(cut)
    }

    fn first(&self, c: char) -> bool {
        let class = self.starts.as_ref().or(self.ends.as_ref()).unwrap_or(&self.chars);
        in_class(class, c)
    }

    fn last(&self, c: char) -> bool {
        in_class(self.ends.as_ref().unwrap_or(&self.chars), c)
    }
}

/// Whether `c` is in a class such as `a-z0-9.-` (a `-` at the end is itself).
fn in_class(class: &str, c: char) -> bool {
    let class: Vec<char> = class.chars().collect();
    let mut at = 0;
    while at < class.len() {
        if at + 2 < class.len() && class[at + 1] == '-' {
            if (class[at]..=class[at + 2]).contains(&c) {
                return true;
            }
            at += 3;
        } else {
            if class[at] == c {
                return true;
            }
            at += 1;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_range_and_a_source() {
        let quotas = aws();
        assert_eq!(quotas.date, "2026-11");
        for (id, limit) in &quotas.limit {
            assert!(limit.min <= limit.max, "{id}");
            assert!(!limit.source.is_empty() && !limit.what.is_empty(), "{id}");
        }
        assert_eq!(quotas.limit("firehose.size").max, 128 << 20);
    }

    #[test]
    fn names_by_service() {
        let cases = [
            ("s3", "fire-hose-redshift", true),
            ("s3", "My_Bucket", false),
            ("s3", "-a-", false),
            ("s3", "ab", false),
            ("kinesis", "APIData", true),
            ("kinesis", "API Data", false),
            ("dynamodb", "ab", false),
            ("redshift", "firehose_transactions", true),
            ("redshift", "2sales", false),
            ("firehose", "sales-feed", true),
        ];
        for (service, name, legal) in cases {
            let rule = aws().name(service).expect("a rule for each service");
            assert_eq!(rule.allows(name), legal, "{service} {name}");
        }
    }

    #[test]
    fn a_wrong_name_is_corrected_where_it_can_be() {
        let s3 = aws().name("s3").expect("a rule");
        assert_eq!(s3.corrected("My_Bucket").as_deref(), Some("my-bucket"));
        assert_eq!(s3.corrected("a").as_deref(), None);
        let redshift = aws().name("redshift").expect("a rule");
        assert_eq!(redshift.corrected("2 sales").as_deref(), Some("_sales"));
    }
}
