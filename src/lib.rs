//! The `flowc` program as a library: arguments, one file per command, and how problems, tables and
//! runs look on a terminal. `main.rs` only joins it to the process.

pub mod check;
pub mod cli;
pub mod exit;
pub mod graph;
pub mod io;
pub mod load;
pub mod nodes;
pub mod query;
pub mod render;
pub mod replay;
pub mod rows;
pub mod run;
pub mod show;
pub mod table;
pub mod test;
pub mod up;

use cli::{Cli, Command};
use exit::{Exit, Stop};
use io::Io;

/// Does what the arguments ask for.
///
/// # Errors
/// What stopped the command, to be said to the user.
pub fn run(cli: &Cli, io: &mut Io) -> Result<Exit, Stop> {
    match &cli.command {
        Command::Check(args) => check::run(args, io),
        Command::Graph(args) => graph::run(args, io),
        Command::Run(args) => run::run(args, io),
        Command::Show(args) => show::run(args, io),
        Command::Nodes(args) => nodes::run(args, io),
        Command::Query(args) => query::run(args, io),
        Command::Replay(args) => replay::run(args, io),
        Command::Test(args) => test::run(args, io),
        Command::Up(args) => up::run(args, io),
    }
}
