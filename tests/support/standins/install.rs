//! Installs what the stand-ins need below `target/standins`, once for all test processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What is installed by itself, each from the pins in `tests/standins`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A virtual environment with moto, boto3 and aws-kinesis-agg.
    Python,
    /// PostgreSQL's programs, from a wheel.
    Postgres,
    /// kinesalite and dynalite.
    Node,
}

impl Part {
    /// Where it is; `None`, and the reason printed, where it cannot be installed.
    ///
    /// # Panics
    /// Where it cannot be installed and `FLOWC_REQUIRE_STANDINS=1`.
    pub fn installed(self) -> Option<&'static Path> {
        static DONE: [OnceLock<Result<PathBuf, String>>; 3] =
            [OnceLock::new(), OnceLock::new(), OnceLock::new()];
        match DONE[self as usize].get_or_init(|| self.install()) {
            Ok(path) => Some(path),
            Err(reason) => {
                let reason = format!("{} cannot be installed: {reason}", self.name());
                let required = std::env::var("FLOWC_REQUIRE_STANDINS").is_ok_and(|v| v == "1");
                assert!(!required, "{reason}");
                println!("skipped: {reason}");
                None
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Part::Python => "python",
            Part::Postgres => "postgres",
            Part::Node => "node",
        }
    }

    fn pins(self) -> PathBuf {
        let file = match self {
            Part::Python => "requirements.txt",
            Part::Postgres => "postgres.txt",
            Part::Node => "package.json",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standins").join(file)
    }

    /// Installs it unless it is there with these pins. The lock lasts as long as this process
    /// lives, at most.
    fn install(self) -> Result<PathBuf, String> {
        let target =
            Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target directory")?;
        let all = target.join("standins");
        fs::create_dir_all(&all).map_err(|error| format!("{}: {error}", all.display()))?;
        let lock = all.join(format!("{}.lock", self.name()));
        let lock = File::create(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
        lock.lock().map_err(|error| format!("its lock: {error}"))?;
        let place = all.join(self.name());
        let pins = fs::read_to_string(self.pins()).map_err(|error| error.to_string())?;
        // A virtual environment knows its place and its Python.
        let version = match self {
            Part::Python => run(Command::new("python3").arg("--version"))?,
            _ => String::new(),
        };
        let wanted = format!("{}\n{version}{pins}", place.display());
        let stamp = all.join(format!("{}.stamp", self.name()));
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(place);
        }
        let _ = fs::remove_file(&stamp);
        let _ = fs::remove_dir_all(&place);
        self.fill(&place)?;
        fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
        Ok(place)
    }

    fn fill(self, place: &Path) -> Result<(), String> {
        match self {
            Part::Python => {
                run(Command::new("python3").args(["-m", "venv"]).arg(place))?;
                run(pip(place).arg("--requirement").arg(self.pins()))?;
            }
            Part::Postgres => {
                let python = Part::Python.install()?;
                // The last Python that the wheel was made for; its programs need none.
                let version = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12"];
                let mut command = pip(&python);
                command.args(version).arg("--target").arg(place);
                run(command.arg("--requirement").arg(self.pins()))?;
            }
            Part::Node => {
                fs::create_dir_all(place).map_err(|error| error.to_string())?;
                let package = place.join("package.json");
                fs::copy(self.pins(), package).map_err(|error| error.to_string())?;
                // No script of a package runs: both keep their data in memory.
                let quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"];
                run(Command::new("npm").arg("install").args(quiet).arg("--prefix").arg(place))?;
            }
        }
        Ok(())
    }
}

fn pip(environment: &Path) -> Command {
    let mut command = Command::new(environment.join("bin/python"));
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command
}

/// What it printed; its errors where it failed.
fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    let last: Vec<&str> = lines.lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(format!("{program}: {}", last.join("; ")))
}
