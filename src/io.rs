//! What a command gets from outside: where to print, how it looks, and the environment.

use crate::cli::When;
use crate::render::Style;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

/// Where a command prints and what it may know of the world. Commands get it as a value, so that
/// tests can run them without a process.
pub struct Io<'a> {
    /// Standard output: what was asked for.
    pub out: &'a mut dyn Write,
    /// Standard error: everything else.
    pub err: &'a mut dyn Write,
    /// How standard output looks.
    pub style: Style,
    /// How standard error looks.
    pub err_style: Style,
    /// Standard error is a terminal, so that a progress display makes sense.
    pub err_terminal: bool,
    /// The environment.
    pub env: Env,
}

/// The environment's variables, read once at the start.
#[derive(Clone, Debug, Default)]
pub struct Env(pub BTreeMap<String, String>);

impl Env {
    /// The variables of this process; one that is not UTF-8 is left out.
    pub fn of_process() -> Env {
        let vars = std::env::vars_os();
        Env(vars
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect())
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The columns of a terminal, for output that is none.
const WIDTH: usize = 100;
/// Narrower than this nothing can be laid out.
const WIDTH_MIN: usize = 40;

/// How standard output looks.
pub fn out_style(when: When, env: &Env) -> Style {
    let out = io::stdout();
    style(when, env, out.is_terminal(), columns(terminal_size::terminal_size_of(out)))
}

/// How standard error looks.
pub fn err_style(when: When, env: &Env) -> Style {
    let err = io::stderr();
    style(when, env, err.is_terminal(), columns(terminal_size::terminal_size_of(err)))
}

fn columns(size: Option<(terminal_size::Width, terminal_size::Height)>) -> Option<u16> {
    size.map(|(width, _)| width.0)
}

/// `NO_COLOR` and `TERM=dumb` speak only where the user has not.
fn style(when: When, env: &Env, terminal: bool, columns: Option<u16>) -> Style {
    let dumb = env.get("NO_COLOR").is_some() || env.get("TERM") == Some("dumb");
    let color = match when {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && !dumb,
    };
    let given = env.get("COLUMNS").and_then(|columns| columns.parse().ok());
    let width = columns.map(usize::from).or(given).unwrap_or(WIDTH);
    Style { color, width: width.max(WIDTH_MIN) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_the_user_says_so() {
        let env = Env::default();
        assert!(style(When::Auto, &env, true, None).color);
        assert!(!style(When::Auto, &env, false, None).color);
        assert!(style(When::Always, &env, false, None).color);
        assert!(!style(When::Never, &env, true, None).color);
        let env = Env(BTreeMap::from([("NO_COLOR".into(), "1".into())]));
        assert!(!style(When::Auto, &env, true, None).color);
        assert!(style(When::Always, &env, true, None).color);
    }

    #[test]
    fn the_width_is_the_terminals_then_the_environments() {
        let env = Env(BTreeMap::from([("COLUMNS".into(), "80".into())]));
        assert_eq!(style(When::Auto, &env, true, Some(120)).width, 120);
        assert_eq!(style(When::Auto, &env, false, None).width, 80);
        assert_eq!(style(When::Auto, &Env::default(), false, None).width, 100);
        assert_eq!(style(When::Auto, &Env::default(), true, Some(10)).width, 40);
    }
}
