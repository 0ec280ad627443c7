//! Whether a course of events has kept what flows promise, by comparing what lies in the sinks
//! with what lies there when nothing goes wrong.

use super::course::{Course, IN_FLIGHT_ROWS_MAX};
use super::end::{Content, ItemValue, Sink};
use super::tables::hash;
use super::tally::Written;
use std::collections::BTreeMap;

/// Records that are shown of each kind of damage, at most.
const SHOWN_MAX: usize = 3;
/// Characters that are shown of a record.
const CHARS_MAX: usize = 120;

/// What is judged of a course.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// One for each sink, in the order of the file.
    pub sinks: Vec<SinkVerdict>,
    /// What did not hold, in sentences; empty = all is well.
    pub broken: Vec<String>,
}

/// What is judged of one sink.
#[derive(Clone, Debug, Default)]
pub struct SinkVerdict {
    /// Its name.
    pub name: String,
    /// `stream`, `bucket`, `table`, `warehouse`, `file`
    pub kind: &'static str,
    /// Records (attributes of a table) that it should hold.
    pub records: u64,
    /// Of them, those that are not there.
    pub lost: u64,
    /// Records that should not be there: a second time, or at all.
    pub extra: u64,
    /// Values of a table that are not those that came last.
    pub changed: u64,
    /// Records that are behind a later one of their key.
    pub disorder: u64,
    /// Rows (objects, where it takes objects) that came again and were recognised.
    pub again: u64,
    /// As many may come again at most.
    pub again_max: u64,
    /// Some of what is wrong.
    pub shown: Vec<String>,
}

impl SinkVerdict {
    /// Everything is as it should be.
    pub fn is_well(&self) -> bool {
        self.lost + self.extra + self.changed + self.disorder == 0 && self.again <= self.again_max
    }

    fn show(&mut self, what: &str, record: &[u8]) {
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(format!("{what}: {}", short(record)));
        }
    }
}

/// Judges a course by the one in which nothing went wrong.
pub fn judge(reference: &Course, course: &Course) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.broken.extend(course.broken.clone());
    for wanted in &reference.end.sinks {
        let mut sink =
            SinkVerdict { name: wanted.name.clone(), kind: wanted.kind, ..SinkVerdict::default() };
        sink.records = wanted.content.len();
        let there = course
            .end
            .sinks
            .iter()
            .find(|there| there.name == wanted.name && there.kind == wanted.kind);
        match there {
            Some(there) => {
                compare(&mut sink, wanted, there);
                count(&mut sink, wanted, there, reference, course);
            }
            None => sink.lost = sink.records,
        }
        verdict.broken.extend(sentence(&sink, course.broken.is_some()));
        verdict.sinks.push(sink);
    }
    for there in &course.end.sinks {
        let known = |wanted: &Sink| wanted.name == there.name && wanted.kind == there.kind;
        if !reference.end.sinks.iter().any(known) && !there.content.is_empty() {
            verdict.broken.push(format!("`{}` holds records that nobody sent", there.name));
        }
    }
    verdict
}

fn compare(sink: &mut SinkVerdict, wanted: &Sink, there: &Sink) {
    match (&wanted.content, &there.content) {
        (Content::Records(wanted), Content::Records(there)) => records(sink, wanted, there),
        (Content::Items { values, ordered }, Content::Items { values: there, .. }) => {
            items(sink, values, there, *ordered);
        }
        _ => unreachable!("a sink holds the same kind of things in every course"),
    }
    sink.disorder = there.disorder.len() as u64;
    there.disorder.iter().take(SHOWN_MAX).for_each(|each| sink.shown.push(each.clone()));
}

fn records(
    sink: &mut SinkVerdict,
    wanted: &BTreeMap<Vec<u8>, u64>,
    there: &BTreeMap<Vec<u8>, u64>,
) {
    for (record, count) in wanted {
        let found = there.get(record).copied().unwrap_or(0);
        if found < *count {
            sink.lost += count - found;
            sink.show("lost", record);
        }
    }
    for (record, found) in there {
        let count = wanted.get(record).copied().unwrap_or(0);
        if *found > count {
            sink.extra += found - count;
            sink.show(if count > 0 { "twice" } else { "not sent" }, record);
        }
    }
}

fn items(
    sink: &mut SinkVerdict,
    wanted: &BTreeMap<(String, String), ItemValue>,
    there: &BTreeMap<(String, String), ItemValue>,
    ordered: bool,
) {
    for ((key, name), value) in wanted {
        let what = format!("`{key}` . `{name}`");
        match there.get(&(key.clone(), name.clone())) {
            None => {
                sink.lost += 1;
                sink.show("lost", what.as_bytes());
            }
            Some(found) if found.value == value.value => (),
            // Where rows of an item come by several ways, any of them may be the last.
            Some(found) if !ordered && value.had.contains(&hash(&found.value)) => (),
            Some(found) => {
                sink.changed += 1;
                let values = [&value.value, &found.value].map(|value| short(value));
                sink.show("changed", format!("{what}: {} → {}", values[0], values[1]).as_bytes());
            }
        }
    }
    for (key, name) in there.keys().filter(|place| !wanted.contains_key(*place)) {
        sink.extra += 1;
        sink.show("not sent", format!("`{key}` . `{name}`").as_bytes());
    }
}

/// How often rows came again, and how often they may. Each life may leave as many behind as a
/// source may have on their way; beside that, only what its writer was not told of comes again.
fn count(sink: &mut SinkVerdict, wanted: &Sink, there: &Sink, reference: &Course, course: &Course) {
    let sum = |of: &Course, names: &Sink| {
        let written = names.written_as.iter().filter_map(|name| of.written.get(name));
        written.fold(Written::default(), |sum, each| Written {
            stored: sum.stored + each.stored,
            again: sum.again + each.again,
            told: sum.told + each.told,
        })
    };
    let now = sum(course, there);
    // A table does not recognise what comes again: it is what comes more often than usual.
    let once = if sink.kind == "table" { sum(reference, wanted).stored } else { now.stored };
    sink.again = (now.stored + now.again).saturating_sub(once);
    let untold = (now.stored + now.again).saturating_sub(now.told);
    sink.again_max = untold + course.lives.saturating_sub(1) * IN_FLIGHT_ROWS_MAX.min(once);
}

fn sentence(sink: &SinkVerdict, broken_off: bool) -> Option<String> {
    let mut told = Vec::new();
    let rows = |count: u64| if count == 1 { "1 record".into() } else { format!("{count} records") };
    match sink.lost {
        0 => (),
        // What is not there yet is not lost.
        lost if broken_off => told.push(format!("does not hold {} yet", rows(lost))),
        lost => told.push(format!("has lost {}", rows(lost))),
    }
    if sink.extra > 0 {
        told.push(format!("holds {} too many", rows(sink.extra)));
    }
    if sink.changed > 0 {
        told.push(format!("holds {} with an old value", rows(sink.changed)));
    }
    if sink.disorder > 0 {
        told.push(format!("holds {} behind a later one of their key", rows(sink.disorder)));
    }
    if sink.again > sink.again_max {
        let (again, most) = (sink.again, sink.again_max);
        told.push(format!("was sent {} again, {most} are allowed", rows(again)));
    }
    (!told.is_empty()).then(|| format!("{} `{}` {}", sink.kind, sink.name, told.join(", ")))
}

/// A record as it can be shown in a line.
fn short(record: &[u8]) -> String {
    let text = String::from_utf8_lossy(record).replace(char::is_control, " ");
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::sim::end::End;

    fn course(records: &[(&str, u64)]) -> Course {
        let records = records.iter().map(|(text, count)| (text.as_bytes().to_vec(), *count));
        let content = Content::Records(records.collect());
        let (name, disorder) = ("orders".to_owned(), Vec::new());
        let sink = Sink { name, kind: "stream", content, disorder, written_as: Vec::new() };
        Course { end: End { sinks: vec![sink] }, lives: 1, ..Course::default() }
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_told() {
        let reference = course(&[("a", 1), ("b", 2)]);
        assert!(judge(&reference, &reference).broken.is_empty());
        let lost = judge(&reference, &course(&[("a", 1), ("b", 1)]));
        assert_eq!(lost.broken, ["stream `orders` has lost 1 record"]);
        assert_eq!(lost.sinks[0].shown, ["lost: b"]);
        let extra = judge(&reference, &course(&[("a", 2), ("b", 2), ("c", 1)]));
        assert_eq!(extra.broken, ["stream `orders` holds 2 records too many"]);
        assert_eq!(extra.sinks[0].shown, ["twice: a", "not sent: c"]);
    }
}
