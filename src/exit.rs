//! How the program ends: exit codes, and what stops a command before its end.

use crate::render::Style;
use engine::fault::Fault;
use std::io;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: the file has problems.
    Problems,
    /// 2: wrong usage: no such file, flow, resource, parameter.
    Usage,
    /// 3: the run failed; nothing is acknowledged that is not stored.
    Failed,
    /// 70: the counts of a run do not balance.
    Unbalanced,
    /// 75: stopped with records that are not delivered; the next run sends them again.
    Undelivered,
}

impl Exit {
    /// The number that the caller of the program sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Problems => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
            Exit::Unbalanced => 70,
            Exit::Undelivered => 75,
        }
    }
}

/// What stops a command before its end.
#[derive(Debug)]
pub enum Stop {
    /// The output cannot be written. A closed pipe (`flowc show … | head`) is a quiet end.
    Output(io::Error),
    /// Something to say to the user.
    Said {
        /// The exit code.
        exit: Exit,
        /// What is wrong, in one sentence.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// Everything has been said already.
    Quiet(Exit),
}

impl Stop {
    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Stop {
        Stop::said(Exit::Usage, message)
    }

    /// A message with an exit code.
    pub fn said(exit: Exit, message: impl Into<String>) -> Stop {
        Stop::Said { exit, message: message.into(), help: None }
    }

    /// Says what to do.
    pub fn help(self, text: impl Into<String>) -> Stop {
        match self {
            Stop::Said { exit, message, .. } => {
                Stop::Said { exit, message, help: Some(text.into()) }
            }
            other => other,
        }
    }

    /// Says what to do, where there is something to say.
    pub fn help_if(self, text: Option<String>) -> Stop {
        match text {
            Some(text) => self.help(text),
            None => self,
        }
    }

    /// What the user sees, and the exit code.
    pub fn text(&self, style: Style) -> (String, Exit) {
        match self {
            Stop::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                (String::new(), Exit::Done)
            }
            Stop::Output(error) => {
                (message(&format!("cannot write the output: {error}"), None, style), Exit::Failed)
            }
            Stop::Said { exit, message: text, help } => {
                (message(text, help.as_deref(), style), *exit)
            }
            Stop::Quiet(exit) => (String::new(), *exit),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Output(error)
    }
}

/// A fault of a service, as it stops a command.
pub fn fault(fault: &Fault) -> Stop {
    Stop::said(Exit::Failed, fault.message.clone()).help(advice(fault))
}

/// What to do about a fault, and its code.
pub fn advice(fault: &Fault) -> String {
    match &fault.help {
        Some(help) => format!("{help}\n(code {})", fault.code),
        None => format!("what is stored stays stored; run it again\n(code {})", fault.code),
    }
}

/// `error: …` and, indented, `help: …`.
pub fn message(text: &str, help: Option<&str>, style: Style) -> String {
    let word = style.paint("1;31", "error:");
    let mut said = format!("{word} {text}\n");
    if let Some(help) = help {
        crate::render::push_help(&mut said, help, style);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_a_quiet_end() {
        let stop = Stop::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(stop.text(Style::plain()), (String::new(), Exit::Done));
        let stop = Stop::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(stop.text(Style::plain()).1.code(), 3);
    }

    #[test]
    fn help_stands_below_the_message() {
        let stop = Stop::usage("no file `a.flow`").help("did you mean `b.flow`?");
        let (text, exit) = stop.text(Style::plain());
        assert_eq!(text, "error: no file `a.flow`\n  help: did you mean `b.flow`?\n");
        assert_eq!(exit.code(), 2);
    }
}
