//! `flowc graph`: the flows of a file as a drawing.

use crate::cli::{GraphArgs, GraphFormat};
use crate::exit::{Exit, Stop};
use crate::io::Io;
use crate::load;
use dsl::draw;
use std::path::Path;

/// Draws the plan of a file, on standard output or into a file.
///
/// # Errors
/// The file has problems, or the drawing cannot be written.
pub fn run(args: &GraphArgs, io: &mut Io) -> Result<Exit, Stop> {
    let format = format(args)?;
    let plan = load::plan(&args.file, &args.plan, &[], false, io)?.plan;
    let text = match format {
        GraphFormat::Dot => draw::dot(&plan),
        GraphFormat::Mermaid => draw::mermaid(&plan),
        GraphFormat::Svg => draw::svg(&plan),
        GraphFormat::Json => draw::json(&plan),
    };
    match &args.out {
        None => io.out.write_all(text.as_bytes())?,
        Some(path) => std::fs::write(path, text).map_err(|error| {
            Stop::said(Exit::Failed, format!("cannot write `{}`: {error}", path.display()))
        })?,
    }
    Ok(Exit::Done)
}

/// The format that is asked for, else the one that the ending of the output file says.
fn format(args: &GraphArgs) -> Result<GraphFormat, Stop> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    let Some(out) = &args.out else { return Ok(GraphFormat::Dot) };
    by_ending(out).ok_or_else(|| {
        let message = format!("`{}` does not say which format to draw", out.display());
        Stop::usage(message).help("end it with .svg, .dot, .mmd or .json, or say `--format svg`")
    })
}

fn by_ending(path: &Path) -> Option<GraphFormat> {
    match path.extension()?.to_str()? {
        "dot" | "gv" => Some(GraphFormat::Dot),
        "mmd" | "mermaid" => Some(GraphFormat::Mermaid),
        "svg" => Some(GraphFormat::Svg),
        "json" => Some(GraphFormat::Json),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::PlanArgs;

    fn args(format: Option<GraphFormat>, out: Option<&str>) -> GraphArgs {
        let out = out.map(Into::into);
        GraphArgs { file: "a.flow".into(), format, out, plan: PlanArgs::default() }
    }

    #[test]
    fn the_ending_says_the_format_unless_it_is_given() {
        let asked = |f, out| format(&args(f, out)).ok();
        assert_eq!(asked(None, None), Some(GraphFormat::Dot));
        assert_eq!(asked(None, Some("a.svg")), Some(GraphFormat::Svg));
        assert_eq!(asked(Some(GraphFormat::Json), Some("a.svg")), Some(GraphFormat::Json));
        let stop = format(&args(None, Some("a.png"))).expect_err("no such format");
        let (text, exit) = stop.text(crate::render::Style::plain());
        assert!(text.contains("a.png") && exit == Exit::Usage, "{text}");
    }
}
