//! The front as a program: `awsfront --port 0 [--rules FILE] [--postgres URL] [--fast]`.

use std::process::ExitCode;

use awsfront::{Options, start};

const USAGE: &str = "awsfront [--port PORT] [--rules FILE] [--settings FILE] [--postgres URL] \
                     [--fast]";

struct Arguments {
    options: Options,
    rules: Option<String>,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { options: Options::default(), rules: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--port" => {
                let port = value()?;
                let parsed = port.parse().map_err(|_| format!("--port {port}: not a port"))?;
                arguments.options.port = parsed;
            }
            "--rules" => arguments.rules = Some(value()?),
            "--settings" => {
                let path = value()?;
                let wrong = |error: String| format!("--settings {path}: {error}");
                let text = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
                let parsed = serde_json::from_slice(&text);
                arguments.options.settings = parsed.map_err(|error| wrong(error.to_string()))?;
            }
            "--postgres" => arguments.options.postgres = Some(value()?),
            "--fast" => arguments.options.fast = true,
            _ => return Err(format!("{word} is not known; usage: {USAGE}")),
        }
    }
    Ok(arguments)
}

async fn run() -> Result<(), String> {
    let Arguments { options, rules } = arguments()?;
    let port = options.port;
    let front = start(options).await.map_err(|error| {
        format!("cannot listen on 127.0.0.1:{port}: {error}; --port 0 takes a free one")
    })?;
    if let Some(path) = rules {
        let text = std::fs::read(&path).map_err(|error| format!("--rules {path}: {error}"))?;
        front.shared.rules.set(&text).map_err(|error| format!("--rules {path}: {error}"))?;
    }
    println!("listening on {}", front.addr);
    front.run().await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("awsfront: {error}");
            ExitCode::FAILURE
        }
    }
}
