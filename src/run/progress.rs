//! What a run looks like while it runs: a line for each flow on a terminal, a plain line every few
//! seconds elsewhere.

use super::summary::seconds;
use crate::io::Io;
use crate::render::{Style, thousands};
use crate::table::clip;
use dsl::plan::Plan;
use dsl::spec::NodeKind;
use engine::summary::Summary;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// How often a terminal is drawn.
const TERMINAL_EVERY: Duration = Duration::from_millis(200);
/// How often a plain line is printed.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Rates are means over this time.
const RATE_OVER: Duration = Duration::from_secs(3);

/// The display of a run.
pub struct Display {
    kind: Kind,
    flows: Vec<String>,
    style: Style,
    rates: Rates,
}

enum Kind {
    /// A line for each flow, drawn again and again.
    Bars(MultiProgress, Vec<ProgressBar>),
    /// A line every few seconds.
    Lines,
    /// Nothing: the output is for a program.
    Quiet,
}

impl Display {
    /// The display that fits standard error.
    pub fn new(plan: &Plan, json: bool, io: &Io) -> Display {
        let flows: Vec<String> =
            plan.flows.iter().filter(|flow| !flow.hidden).map(|flow| flow.name.clone()).collect();
        let kind = match (io.err_terminal, json) {
            (true, _) => bars(flows.len(), io.err_style),
            (false, false) => Kind::Lines,
            (false, true) => Kind::Quiet,
        };
        Display { kind, flows, style: io.err_style, rates: Rates::default() }
    }

    /// How often it wants to be updated.
    pub fn every(&self) -> Duration {
        match self.kind {
            Kind::Bars(..) => TERMINAL_EVERY,
            _ => LINE_EVERY,
        }
    }

    /// Where `log` nodes and notices print: above the lines of the display.
    pub fn log(&self) -> Arc<dyn Fn(&str) + Send + Sync> {
        match &self.kind {
            Kind::Bars(bars, _) => {
                let bars = bars.clone();
                // A terminal that is gone takes no lines.
                Arc::new(move |line| drop(bars.println(line)))
            }
            _ => Arc::new(|line| drop(writeln!(std::io::stderr(), "{line}"))),
        }
    }

    /// A line to the user.
    pub fn say(&self, line: &str) {
        (self.log())(line);
    }

    /// Draws the counts.
    pub fn update(&mut self, summary: &Summary) {
        let states: Vec<FlowState> = self.flows.iter().map(|name| state(name, summary)).collect();
        self.rates.add(summary.elapsed, states.iter().map(|state| state.rows).collect());
        let name = self.flows.iter().map(|name| name.width()).max().unwrap_or(0);
        match &self.kind {
            Kind::Bars(_, bars) => {
                for (at, (bar, state)) in bars.iter().zip(&states).enumerate() {
                    let width = self.style.width.saturating_sub(4);
                    bar.set_message(clip(&line(state, self.rates.of(at), name), width));
                    if state.ended && !bar.is_finished() {
                        bar.finish();
                    } else {
                        bar.tick();
                    }
                }
            }
            Kind::Lines if summary.elapsed >= LINE_EVERY => {
                let parts: Vec<String> =
                    states.iter().enumerate().map(|(at, s)| short(s, self.rates.of(at))).collect();
                self.say(&format!("{}  {}", seconds(summary.elapsed), parts.join(" · ")));
            }
            _ => {}
        }
    }

    /// Ctrl-C was pressed. The terminal has echoed `^C` behind the last line, which is full, so
    /// that the cursor is a line lower than the bars know.
    pub fn after_echo(&self) {
        if let Kind::Bars(..) = &self.kind {
            // A terminal that is gone needs no cleaning.
            drop(write!(std::io::stderr(), "\r\x1b[K\x1b[A"));
        }
    }

    /// Takes the lines away, so that the summary stands alone.
    pub fn close(&self) {
        if let Kind::Bars(bars, _) = &self.kind {
            // A terminal that is gone needs no cleaning.
            drop(bars.clear());
        }
    }
}

fn bars(flows: usize, style: Style) -> Kind {
    let template = if style.color { " {spinner:.cyan} {msg}" } else { " {spinner} {msg}" };
    let look = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", "✓"]);
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let bars = (0..flows).map(|_| all.add(ProgressBar::new_spinner().with_style(look.clone())));
    let bars = bars.collect();
    Kind::Bars(all, bars)
}

/// What is shown of a flow.
#[derive(Debug, PartialEq)]
struct FlowState {
    name: String,
    /// The most rows that one of its nodes has sent.
    rows: u64,
    failed: u64,
    /// The sinks of records, with what they have stored.
    sinks: Vec<(String, u64)>,
    ended: bool,
}

fn state(name: &str, summary: &Summary) -> FlowState {
    let nodes: Vec<_> = summary.nodes.iter().filter(|node| node.flow == name).collect();
    let sinks = nodes.iter().filter(|node| node.kind == NodeKind::Sink && node.stored > 0);
    FlowState {
        name: name.to_owned(),
        rows: nodes.iter().map(|node| node.rows_out).max().unwrap_or(0),
        failed: nodes.iter().map(|node| node.failed).sum(),
        sinks: sinks.map(|node| (node.label.clone(), node.stored)).collect(),
        ended: !nodes.is_empty() && nodes.iter().all(|node| node.ended),
    }
}

/// `ingest   212,000 rows   70,500/s  → http.post 211,500`
fn line(state: &FlowState, rate: u64, name: usize) -> String {
    let mut text = format!(
        "{:name$} {:>12} rows {:>10}/s",
        state.name,
        thousands(state.rows),
        if state.ended { "–".to_owned() } else { thousands(rate) },
    );
    for (at, (label, stored)) in state.sinks.iter().enumerate() {
        let mark = if at == 0 { "  →" } else { " ·" };
        text.push_str(&format!("{mark} {label} {}", thousands(*stored)));
    }
    if state.failed > 0 {
        text.push_str(&format!("  {} failed", thousands(state.failed)));
    }
    text
}

/// `ingest 212,000 (70,500/s)`
fn short(state: &FlowState, rate: u64) -> String {
    let mut text = format!("{} {}", state.name, thousands(state.rows));
    if !state.ended {
        text.push_str(&format!(" ({}/s)", thousands(rate)));
    }
    if state.failed > 0 {
        text.push_str(&format!(" {} failed", thousands(state.failed)));
    }
    text
}

/// Rows of each flow at some moments, newest last.
#[derive(Default)]
struct Rates(VecDeque<(Duration, Vec<u64>)>);

impl Rates {
    fn add(&mut self, at: Duration, rows: Vec<u64>) {
        self.0.push_back((at, rows));
        while self.0.len() > 2 && self.0[1].0 + RATE_OVER < at {
            self.0.pop_front();
        }
    }

    /// Rows a second of a flow, lately.
    fn of(&self, flow: usize) -> u64 {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return 0 };
        let rows = last.1[flow].saturating_sub(first.1[flow]) as f64;
        let time = last.0.saturating_sub(first.0).as_secs_f64();
        if time > 0.0 { (rows / time).round() as u64 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::node;
    use super::*;

    fn summary() -> Summary {
        let mut decode = node("ingest", "csv.decode", NodeKind::Transform, 212_000);
        decode.failed = 3;
        let nodes = vec![
            node("ingest", "file.read", NodeKind::Source, 40),
            decode,
            node("ingest", "http.post", NodeKind::Sink, 211_500),
            node("ingest", "quarantine.append", NodeKind::Sink, 0),
            node("gateway", "http.serve", NodeKind::Source, 1),
        ];
        Summary { elapsed: Duration::from_secs(3), nodes }
    }

    #[test]
    fn a_flow_is_one_line_that_fits() {
        let state = state("ingest", &summary());
        let text = line(&state, 70_500, 8);
        assert_eq!(text, "ingest        212,000 rows     70,500/s  → http.post 211,500  3 failed");
        assert!(text.width() < 96);
        assert_eq!(clip(&text, 20).width(), 20);
        assert_eq!(short(&state, 70_500), "ingest 212,000 (70,500/s) 3 failed");
    }

    #[test]
    fn rates_are_of_the_last_seconds() {
        let mut rates = Rates::default();
        for second in 0..10 {
            rates.add(Duration::from_secs(second), vec![second * second * 100]);
        }
        assert_eq!(rates.of(0), 1_400, "from 5 s to 9 s");
        assert_eq!(Rates::default().of(0), 0);
    }

    #[test]
    fn a_flow_has_ended_with_all_its_nodes() {
        let mut summary = summary();
        assert!(!state("ingest", &summary).ended);
        summary.nodes.iter_mut().for_each(|node| node.ended = true);
        assert!(state("ingest", &summary).ended);
        assert!(!state("other", &summary).ended);
    }
}
