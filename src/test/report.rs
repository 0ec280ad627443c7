//! How the seeds of a test look on a terminal.

use crate::cli::TestArgs;
use crate::render::{Style, plural, push_help, thousands, wrap};
use crate::table::{Cell, table};
use dsl::plan::Plan;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use stdlib::service::sim::course::Course;
use stdlib::service::sim::verdict::{SinkVerdict, Verdict};

/// Seeds that have failed and are told in full.
const TOLD_MAX: usize = 5;
/// A line for each of so many seeds; of more, only those that have failed.
const LINES_MAX: u64 = 40;

/// What became of one seed.
pub struct Ran {
    /// The seed.
    pub seed: u64,
    /// Whether it has kept what flows promise.
    pub verdict: Verdict,
    /// What happened; `None` where it broke off.
    pub course: Option<Course>,
}

impl Ran {
    /// A seed that could not be run to its end.
    pub fn broken(seed: u64, why: String) -> Ran {
        let verdict = Verdict { broken: vec![why], ..Verdict::default() };
        Ran { seed, verdict, course: None }
    }
}

/// All seeds together.
pub struct Report {
    style: Style,
    again: String,
    file: String,
    profile: String,
    flows: usize,
    hours: f64,
    seeds: Range<u64>,
    well: u64,
    failed: Vec<Ran>,
    failed_count: u64,
    sums: Sums,
    sinks: Vec<SinkVerdict>,
    injected: BTreeMap<&'static str, u64>,
}

#[derive(Default)]
struct Sums {
    simulated: Duration,
    rows: u64,
    crashes: u64,
    stops: u64,
    failures: u64,
    windows: u64,
    events: u64,
}

impl Report {
    /// For these seeds.
    pub fn new(args: &TestArgs, plan: &Plan, seeds: Range<u64>, style: Style) -> Report {
        Report {
            style,
            again: again(args),
            file: plan.file.clone(),
            profile: plan.profile.clone(),
            flows: plan.flows.iter().filter(|flow| !flow.hidden).count(),
            hours: args.hours,
            seeds,
            well: 0,
            failed: Vec::new(),
            failed_count: 0,
            sums: Sums::default(),
            sinks: Vec::new(),
            injected: BTreeMap::new(),
        }
    }

    /// What is about to be run.
    pub fn head(&self, driven: &[String]) -> String {
        let Range { start, end } = self.seeds;
        let seeds = match end - start {
            1 => format!("seed {start}, with"),
            _ => format!("seeds {start} to {}, each with", end - 1),
        };
        let flows = plural(self.flows, "flow");
        let mut text = format!(
            "{}  {flows}, profile {}, on simulated services\n",
            self.style.paint("1", &self.file),
            self.profile
        );
        let hours = hours(Duration::from_secs_f64(self.hours * 3600.0));
        text.push_str(&self.wrapped(
            0,
            &format!(
                "{seeds} {hours} of faults: services slow, failing, throttling, refusing \
             access, hanging, losing replies or taking part of a call; the process killed, stopped \
             and started again",
            ),
        ));
        if !driven.is_empty() {
            let nodes: Vec<String> = driven.iter().map(|node| format!("`{node}`")).collect();
            let line = format!("made-up records are the input of {}", nodes.join(", "));
            text.push_str(&self.wrapped(0, &line));
        }
        text.push('\n');
        text
    }

    /// The run without faults, and the head of the lines.
    pub fn reference(&self, course: &Course) -> String {
        let records: u64 = course.end.sinks.iter().map(|sink| sink.content.len()).sum();
        let mut text = format!(
            "without faults  {} records in, {} in {}, after {}\n\n",
            thousands(course.rows_in),
            thousands(records),
            plural(course.end.sinks.len(), "sink"),
            hours(course.simulated),
        );
        let head = format!(
            "{:>7}  {:>11}  {:>7}  {:>5}  {:>8}  {:>7}  {:>9}  result",
            "seed", "simulated", "crashes", "stops", "restarts", "faults", "events"
        );
        text.push_str(&format!("{}\n", self.style.paint("1", &head)));
        text
    }

    /// One seed.
    pub fn line(&self, ran: &Ran) -> String {
        let well = ran.verdict.broken.is_empty();
        if well && self.seeds.end - self.seeds.start > LINES_MAX {
            return String::new();
        }
        let result = match ran.verdict.broken.first() {
            None => self.style.paint("32", "good"),
            Some(_) => self.style.paint("31", "not good"),
        };
        let Some(course) = &ran.course else {
            return format!("{:>7}  {:>62}  {result}\n", ran.seed, "");
        };
        let faults: u64 = course.injected.values().sum();
        format!(
            "{:>7}  {:>11}  {:>7}  {:>5}  {:>8}  {:>7}  {:>9}  {result}\n",
            ran.seed,
            hours(course.simulated),
            thousands(course.crashes),
            thousands(course.stops),
            thousands(course.failures),
            thousands(faults),
            thousands(course.events),
        )
    }

    /// Adds a seed to the sums.
    pub fn add(&mut self, ran: Ran) {
        if let Some(course) = &ran.course {
            let sums = &mut self.sums;
            sums.simulated += course.simulated;
            sums.rows += course.rows_in;
            sums.crashes += course.crashes;
            sums.stops += course.stops;
            sums.failures += course.failures;
            sums.windows += course.windows as u64;
            sums.events += course.events;
            for (kind, count) in &course.injected {
                *self.injected.entry(kind).or_default() += count;
            }
        }
        if self.sinks.is_empty() {
            self.sinks.clone_from(&ran.verdict.sinks);
        } else {
            for (sum, sink) in self.sinks.iter_mut().zip(&ran.verdict.sinks) {
                sum.records += sink.records;
                sum.lost += sink.lost;
                sum.extra += sink.extra;
                sum.changed += sink.changed;
                sum.disorder += sink.disorder;
                sum.again += sink.again;
                sum.again_max += sink.again_max;
            }
        }
        match ran.verdict.broken.is_empty() {
            true => self.well += 1,
            false => {
                self.failed_count += 1;
                if self.failed.len() < TOLD_MAX {
                    self.failed.push(ran);
                }
            }
        }
    }

    /// Every seed was good.
    pub fn is_well(&self) -> bool {
        self.failed_count == 0
    }

    /// The sums, the sinks, and the seeds that were not good.
    pub fn end(&self, real: Duration) -> String {
        let mut text = String::from("\n");
        text.push_str(&self.table());
        text.push('\n');
        for ran in &self.failed {
            text.push_str(&self.told(ran));
        }
        let all = self.seeds.end - self.seeds.start;
        let count = |count: u64, word: &str| plural(usize::try_from(count).unwrap_or(0), word);
        let result = match self.failed_count {
            0 => self.style.paint("32", &format!("{} good", count(all, "seed"))),
            failed => {
                let failed = format!("{} of {} not good", thousands(failed), count(all, "seed"));
                self.style.paint("31", &failed)
            }
        };
        let Sums { simulated, crashes, stops, failures, windows, .. } = &self.sums;
        let ratio = simulated.as_secs_f64() / real.as_secs_f64().max(0.001);
        text.push_str(&format!(
            "{result}: {} simulated in {}, {} times real time\n",
            hours(*simulated),
            crate::run::seconds(real),
            thousands(ratio as u64),
        ));
        let kinds = self.injected.iter();
        let kinds: Vec<String> =
            kinds.map(|(kind, count)| format!("{kind} {}", thousands(*count))).collect();
        let faults = thousands(self.injected.values().sum());
        text.push_str(&self.wrapped(
            0,
            &format!(
                "{}, {}, {} after a fault; {} faults in {} windows: {}",
                count(*crashes, "crash").replace("crashs", "crashes"),
                count(*stops, "stop"),
                count(*failures, "restart"),
                faults,
                thousands(*windows),
                kinds.join(", ")
            ),
        ));
        text
    }

    fn table(&self) -> String {
        let header =
            ["sink", "", "records", "lost", "too many", "old", "disorder", "sent again", "at most"];
        let header: Vec<String> = header.map(str::to_owned).to_vec();
        let number = |n: u64| Cell::number(thousands(n));
        let row = |sink: &SinkVerdict| {
            vec![
                Cell::text(&sink.name),
                Cell::text(sink.kind),
                number(sink.records),
                number(sink.lost),
                number(sink.extra),
                number(sink.changed),
                number(sink.disorder),
                number(sink.again),
                number(sink.again_max),
            ]
        };
        let rows: Vec<Vec<Cell>> = self.sinks.iter().map(row).collect();
        table(&header, &rows, 2, self.style).0
    }

    /// A seed that was not good: what was broken where, and how to see it again.
    fn told(&self, ran: &Ran) -> String {
        let mut text = format!("{}\n", self.style.paint("31", &format!("seed {}", ran.seed)));
        for broken in &ran.verdict.broken {
            text.push_str(&self.wrapped(2, broken));
        }
        for sink in ran.verdict.sinks.iter().filter(|sink| !sink.is_well()) {
            for shown in &sink.shown {
                text.push_str(&self.wrapped(4, &format!("{}: {shown}", sink.name)));
            }
        }
        let help =
            format!("see what happened: `{} --seed {} --trace events.txt`", self.again, ran.seed);
        push_help(&mut text, &help, self.style);
        text.push('\n');
        text
    }

    /// The line, wrapped to the width behind so many spaces.
    fn wrapped(&self, indent: usize, line: &str) -> String {
        let mut lines = Vec::new();
        wrap(line, self.style.width.saturating_sub(indent), &mut lines);
        let indented = lines.iter().map(|line| format!("{:indent$}{line}\n", ""));
        indented.collect()
    }
}

/// The command that runs the same again, but for its seed.
fn again(args: &TestArgs) -> String {
    let mut command = format!("flowc test {}", args.file.display());
    args.flows.iter().for_each(|flow| command.push_str(&format!(" {flow}")));
    command.push_str(" --faults");
    if args.hours != crate::cli::HOURS {
        command.push_str(&format!(" --hours {}", args.hours));
    }
    if let Some(profile) = &args.plan.profile {
        command.push_str(&format!(" --profile {profile}"));
    }
    for param in &args.plan.params {
        let quoted = param.contains(|c: char| c.is_whitespace() || c == '\'');
        let param = if quoted { format!("{param:?}") } else { param.clone() };
        command.push_str(&format!(" --param {param}"));
    }
    command
}

/// `1 h 12 min`, `3 min 2 s`, `12.5 s`
fn hours(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if seconds % 3600 < 60 => format!("{} h", thousands(seconds / 3600)),
        _ => format!("{} h {} min", thousands(seconds / 3600), seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn args(words: &[&str]) -> TestArgs {
        let cli = crate::cli::Cli::try_parse_from([&["flowc", "test"], words].concat());
        match cli.unwrap().command {
            crate::cli::Command::Test(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn ran(seed: u64, lost: u64) -> Ran {
        let mut sink = SinkVerdict { name: "orders".into(), kind: "stream", ..Default::default() };
        (sink.records, sink.lost, sink.again, sink.again_max) = (5_000, lost, 120, 9_000);
        let mut broken = Vec::new();
        if lost > 0 {
            sink.shown.push("lost: {\"InvoiceNo\":\"536365\"}".into());
            broken.push(format!("stream `orders` has lost {lost} records"));
        }
        let course = Course {
            simulated: Duration::from_secs(3700),
            crashes: 12,
            windows: 9,
            injected: BTreeMap::from([("throttle", 7)]),
            ..Course::default()
        };
        Ran { seed, verdict: Verdict { sinks: vec![sink], broken }, course: Some(course) }
    }

    #[test]
    fn a_seed_that_is_not_good_is_told_with_the_command_that_shows_it() {
        let args = args(&["shop.flow", "ingest", "--faults", "--param", "a=b c", "--hours", "2"]);
        let mut report = Report::new(&args, &Plan::default(), 1..3, Style::plain());
        assert!(report.line(&ran(1, 0)).ends_with("good\n"));
        assert!(report.line(&ran(2, 3)).ends_with("not good\n"));
        report.add(ran(1, 0));
        assert!(report.is_well());
        report.add(ran(2, 3));
        assert!(!report.is_well());
        let text = report.end(Duration::from_secs(2));
        for told in [
            "seed 2\n  stream `orders` has lost 3 records\n",
            "orders: lost: {\"InvoiceNo\":\"536365\"}",
            "`flowc test shop.flow ingest --faults --hours 2 --param \"a=b c\" --seed 2",
        ] {
            assert!(text.contains(told), "{text}");
        }
        assert!(text.contains("1 of 2 seeds not good: 2 h 3 min simulated in 2.0 s"), "{text}");
        assert!(text.contains("24 crashes, 0 stops, 0 restarts after a fault"), "{text}");
        let row = text.lines().find(|line| line.starts_with("orders")).unwrap_or_default();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[..4], ["orders", "stream", "10,000", "3"], "{text}");
    }
}
