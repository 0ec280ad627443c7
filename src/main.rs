//! The flowc program: joins the library to the process.

use clap::Parser;
use flowc::cli::Cli;
use flowc::exit::Exit;
use flowc::io::{Env, Io, err_style, out_style};
use std::io::Write;
use std::process::ExitCode;

/// The largest block of which glibc takes the size as a measure when it is freed, in bytes.
const MEASURE: usize = (32 << 20) - 8192;

/// Lets the allocator keep the memory of batches for the next ones. glibc gives large blocks back
/// to the system as soon as they are free, page by page, until it has seen a larger one freed;
/// other allocators do not mind.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(MEASURE)));
}

fn main() -> ExitCode {
    keep_freed_memory();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let env = Env::of_process();
    let (style, err_style) = (out_style(cli.color, &env), err_style(cli.color, &env));
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr());
    let err_terminal = std::io::IsTerminal::is_terminal(&err);
    let mut io = Io { out: &mut out, err: &mut err, style, err_style, err_terminal, env };
    let ended = flowc::run(&cli, &mut io).and_then(|exit| {
        io.out.flush()?;
        Ok(exit)
    });
    ExitCode::from(match ended {
        Ok(exit) => exit.code(),
        Err(stop) => {
            let (text, exit): (String, Exit) = stop.text(err_style);
            // Where even standard error is closed, the exit code must do.
            let _ = io.err.write_all(text.as_bytes());
            exit.code()
        }
    })
}

/// Prints what is wrong with the arguments, or the help that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    // Where the terminal is gone, the exit code must do.
    let _ = error.print();
    if error.kind() == clap::error::ErrorKind::InvalidSubcommand
        && let Some(file) = std::env::args().nth(1).filter(|arg| arg.ends_with(".flow"))
    {
        let _ = writeln!(std::io::stderr(), "\n  help: to run it: flowc run {file}");
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()))
}
