//! The arguments of the program.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Colours of the help text.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  flowc check flows/ecommerce.flow                      find every problem, run nothing
  flowc run flows/ecommerce.flow                        run all flows on the local profile
  flowc run flows/ecommerce.flow ingest gateway         run two of them
  flowc test flows/ecommerce.flow --faults              the same in a simulation, with faults
  flowc graph flows/ecommerce.flow --format svg -o shop.svg
  flowc show flows/ecommerce.flow invoices --limit 5    look into a table
  flowc query flows/ecommerce.flow top_customers        answer a query of the file
  flowc nodes csv.decode                                what a node does and takes
  flowc replay flows/ecommerce.flow --dry-run           what failed, and would be sent again
  flowc up flows/ecommerce.flow --profile aws           make what is missing on AWS

A file that begins with `#!/usr/bin/env -S flowc run` can be made executable and started by name.

Exit codes:
  0 done   1 problems in the file   2 wrong usage   3 the run failed
  70 the counts of a run do not balance   75 stopped with records that are not delivered yet";

/// A dataflow engine with a typed, declarative language.
#[derive(Debug, Parser)]
#[command(name = "flowc", version, styles = STYLES, after_help = EXAMPLES)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    /// When to use colours: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_possible_values = true)]
    pub color: When,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// In files and pipes too
    Always,
    /// No colours
    Never,
}

/// The commands, one file each.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find every problem of .flow files, with what to do about it
    Check(CheckArgs),
    /// Run the flows of a file until all records are stored
    Run(RunArgs),
    /// Run the flows of a file on simulated services with faults, and look for losses
    Test(TestArgs),
    /// Draw the flows of a file: DOT, Mermaid, SVG or JSON
    Graph(GraphArgs),
    /// Show what a stream, bucket, table or warehouse table holds
    Show(ShowArgs),
    /// Answer SQL on the warehouse: a query of the file, or one given here
    Query(QueryArgs),
    /// Send failed records through their flows again, after a fix, each once
    Replay(ReplayArgs),
    /// Make what a file needs of its provider and what is missing
    Up(UpArgs),
    /// List the nodes, or tell all about one
    Nodes(NodesArgs),
}

/// Arguments of `check`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowc check flows/ecommerce.flow
  flowc check flows/*.flow --format github
  flowc check flows/ecommerce.flow --profile aws --online
  flowc check flows/ecommerce.flow --plan

Exit code: 0 where no file has an error, 1 where one has, 2 where one cannot be read.")]
pub struct CheckArgs {
    /// The .flow files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// For a person (human), or for a program (json, github, sarif)
    #[arg(long, default_value = "human", hide_possible_values = true)]
    pub format: CheckFormat,
    /// Also print what a run holds in memory at most, what it sends again after a crash at most,
    /// and which sinks store that once
    #[arg(long = "plan")]
    pub report: bool,
    /// With `--plan`: budgets that keep all rows within this, such as 512MiB
    #[arg(long, value_name = "SIZE", value_parser = size, requires = "report")]
    pub memory: Option<u64>,
    /// Ask the provider of the profile too: what is missing, differs, is not allowed
    #[arg(long)]
    pub online: bool,
    /// Profile and parameters.
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// How problems are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// With the lines that they are about
    Human,
    /// One JSON object
    Json,
    /// Annotations of GitHub Actions
    Github,
    /// SARIF 2.1.0
    Sarif,
}

/// What is asked of a plan: profile and parameters.
#[derive(Args, Clone, Debug, Default)]
pub struct PlanArgs {
    /// What the resources are bound to [default: local]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Set a parameter of the file; FLOW_<NAME> in the environment does the same
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
}

/// Arguments of `run`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowc run flows/ecommerce.flow
  flowc run flows/ecommerce.flow --param csv_file=online-retail.csv --from-start
  flowc run flows/ecommerce.flow gateway archive --keep-running

A run ends by itself when nothing can feed its sources any more and every record is stored.
Ctrl-C (or SIGTERM) stops the sources, stores what is in flight and ends, after `--drain` at the
latest; a second one ends at once. Nothing is lost either way: the next run goes on where the stored
records end.")]
pub struct RunArgs {
    /// The .flow file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The flows to run [default: all]
    #[arg(value_name = "FLOW")]
    pub flows: Vec<String>,
    /// Profile and parameters.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// File sources forget what they have delivered and begin at the start; so do the files that
    /// are written from them
    #[arg(long)]
    pub from_start: bool,
    /// Sources stay open instead of ending with their input
    #[arg(long)]
    pub keep_running: bool,
    /// Run although the graph has changed so that the state of earlier runs does not fit it
    #[arg(long)]
    pub accept_state_change: bool,
    /// Bytes of rows in memory at most, such as 512MiB; `flowc check --plan` says where they are
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// How long a stopped run may take to store what is in flight
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = duration)]
    pub drain: Duration,
    /// Print the summary as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// For tests: crash, fail, panic or pause at a failpoint, NAME=ACTION or NAME:NTH=ACTION; count
    /// prints how often each was hit, list prints their names
    #[arg(long = "failpoint", hide = true, value_name = "NAME[:NTH]=ACTION|count|list")]
    pub failpoints: Vec<String>,
}

/// Simulated hours of faults of a seed, unless said otherwise.
pub const HOURS: f64 = 1.0;

/// Arguments of `test`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowc test flows/ecommerce.flow --faults
  flowc test flows/ecommerce.flow --faults --seeds 1000 --hours 2
  flowc test flows/ecommerce.flow --faults --seed 17 --trace events.txt

The flows run on simulated services, in simulated time, and nothing outside is touched but the
files that they read. Each seed draws faults, crashes and stops; once they are over the flows must
get on, and every sink must hold what it holds without faults: nothing lost, nothing twice, the
order of each key kept. The same seed is the same course of events.

Exit code: 0 where all seeds are good, 1 where one is not.")]
pub struct TestArgs {
    /// The .flow file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The flows to run [default: all]
    #[arg(value_name = "FLOW")]
    pub flows: Vec<String>,
    /// Run the flows on simulated services, with faults
    #[arg(long)]
    pub faults: bool,
    /// How many seeds [default: 10, or 1 with --seed]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: Option<u64>,
    /// The first seed [default: 1]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Simulated hours of faults, for each seed
    #[arg(long, value_name = "H", default_value_t = HOURS, value_parser = hours)]
    pub hours: f64,
    /// Write the events of a seed to this file
    #[arg(long, value_name = "OUT")]
    pub trace: Option<PathBuf>,
    /// Profile and parameters.
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// Arguments of `graph`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowc graph flows/ecommerce.flow -o shop.svg
  flowc graph flows/ecommerce.flow | dot -Tpng > shop.png")]
pub struct GraphArgs {
    /// The .flow file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// dot, mermaid, svg or json [default: by the ending of OUT, else dot]
    #[arg(long, hide_possible_values = true)]
    pub format: Option<GraphFormat>,
    /// Write to this file instead of the terminal
    #[arg(short, long, value_name = "OUT")]
    pub out: Option<PathBuf>,
    /// Profile and parameters.
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// The format of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Graphviz
    Dot,
    /// Mermaid, as GitHub draws it in Markdown
    Mermaid,
    /// A picture that needs no other program
    Svg,
    /// The plan, for programs
    Json,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// Columns under their names
    Table,
    /// A JSON object a line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
}

/// Arguments of `show`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowc show flows/ecommerce.flow invoices
  flowc show flows/ecommerce.flow quarantine            the failed records, with their reasons
  flowc show flows/ecommerce.flow orders --format jsonl --limit 1
  flowc show flows/ecommerce.flow sales --format csv --limit 0 > sales.csv")]
pub struct ShowArgs {
    /// The .flow file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A stream, delivery, bucket or table of the file
    #[arg(value_name = "RESOURCE")]
    pub resource: String,
    /// How the rows are printed: table, jsonl or csv
    #[arg(long, default_value = "table", hide_possible_values = true)]
    pub format: RowFormat,
    /// Print one object of a bucket as it is
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Rows at most; 0 = all
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = limit,
        allow_negative_numbers = true)]
    pub limit: usize,
    /// Profile and parameters.
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// Arguments of `query`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowc query flows/ecommerce.flow revenue_by_product
  flowc query flows/ecommerce.flow \"select Country, count(*) from sales group by Country\"")]
pub struct QueryArgs {
    /// The .flow file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A query of the file, or SQL that begins with `select` or `with`
    #[arg(value_name = "NAME|SQL")]
    pub query: String,
    /// How the rows are printed: table, jsonl or csv
    #[arg(long, default_value = "table", hide_possible_values = true)]
    pub format: RowFormat,
    /// Rows at most; 0 = all
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = limit,
        allow_negative_numbers = true)]
    pub limit: usize,
    /// Profile and parameters.
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// Arguments of `replay`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowc replay flows/ecommerce.flow --dry-run
  flowc replay flows/ecommerce.flow
  flowc replay flows/ecommerce.flow --flow ingest --where '.code == \"csv_fields\"'
  flowc replay flows/ecommerce.flow --where '.at > timestamp(\"2026-11-23T00:00:00Z\")' --limit 1

Each failed record of the quarantine enters the node that failed it, as the file has it now, and
goes on from there to the sinks. A record that was sent is never sent again, also after a crash: the
next replay goes on with what it had begun. One that fails again is a new failure.

Exit code: 0 where all that was chosen was sent, 1 where a record fits its node no longer.")]
pub struct ReplayArgs {
    /// The .flow file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only failures for which this holds; its fields are those of a Failure
    #[arg(long = "where", value_name = "EXPR")]
    pub condition: Option<String>,
    /// Only failures of this flow
    #[arg(long, value_name = "FLOW")]
    pub flow: Option<String>,
    /// Records at most; 0 = all
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = limit,
        allow_negative_numbers = true)]
    pub limit: usize,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// For tests, as that of `run`: what happens at a failpoint while records are sent
    #[arg(long = "failpoint", hide = true, value_name = "NAME[:NTH]=ACTION")]
    pub failpoints: Vec<String>,
    /// Profile and parameters.
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// Arguments of `up`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowc up flows/ecommerce.flow --profile aws
  flowc up flows/ecommerce.flow --profile aws --yes

What is missing is shown first, and made when you say yes: streams, buckets, tables, deliveries.
Nothing is ever deleted or altered; what differs is said, and is changed by hand.

Exit code: 0 where nothing is missing any more, 1 where something differs or nobody said yes.")]
pub struct UpArgs {
    /// The .flow file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Make it without asking
    #[arg(long)]
    pub yes: bool,
    /// Profile and parameters.
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// Arguments of `nodes`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  flowc nodes
  flowc nodes csv.decode
  flowc nodes http")]
pub struct NodesArgs {
    /// A node, such as `csv.decode`, or the first part of some, such as `csv`
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// For a person (human), or as the page docs/nodes.md (markdown)
    #[arg(long, default_value = "human", hide_possible_values = true)]
    pub format: NodesFormat,
}

/// How nodes are described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NodesFormat {
    /// For a terminal
    Human,
    /// A page
    Markdown,
}

/// A duration as in a `.flow` file: a whole number and `ms`, `s`, `m` or `h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let ms = number.parse().ok().zip(unit_ms).and_then(|(n, ms): (u64, u64)| n.checked_mul(ms));
    ms.map(Duration::from_millis).ok_or_else(|| "write it like `25s`, `500ms` or `2m`".to_owned())
}

/// A size as in a `.flow` file: a whole number and `KiB`, `MiB` or `GiB`.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_bytes = match unit {
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = number.parse().ok().zip(unit_bytes);
    let bytes = bytes.and_then(|(n, unit): (u64, u64)| n.checked_mul(unit));
    bytes.ok_or_else(|| "write it like `256MiB` or `1GiB`".to_owned())
}

/// The value of `--limit`.
fn limit(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "write a whole number of rows, or 0 for all".to_owned())
}

/// The value of `--hours`.
fn hours(text: &str) -> Result<f64, String> {
    let hours = text.parse().ok().filter(|hours| (0.01..=1000.0).contains(hours));
    hours.ok_or_else(|| "write a number of hours from 0.01 to 1000".to_owned())
}
