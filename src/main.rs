//! The flowc program: joins the library to the process.

use clap::Parser;
use flowc::cli::Cli;
use flowc::exit::Exit;
use flowc::io::{Env, Io, err_style, out_style};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
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
