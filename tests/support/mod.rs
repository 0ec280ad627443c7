//! What end-to-end tests share: a copy of the shop's flow in a directory of its own, a port of its
//! own, and the `flowc` binary.

#![allow(dead_code, missing_docs)] // each test binary uses some of it

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// The directory of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A port below the ephemeral range that no other test of this machine holds while this lives.
pub struct Port {
    pub number: u16,
    _lock: File,
}

impl Port {
    pub fn take() -> Port {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let dir = std::env::temp_dir().join("flowc-test-ports");
        fs::create_dir_all(&dir).expect("the directory of port locks can be made");
        let start = (std::process::id() % 8_000) as u16;
        for _ in 0..8_000 {
            let number = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 8_000;
            let lock = File::create(dir.join(number.to_string())).expect("a lock file can be made");
            if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Port { number, _lock: lock };
            }
        }
        panic!("no free port between 20000 and 28000");
    }
}

/// A copy of `flows/` in a directory of its own; its state goes to `out/local` beside it.
pub struct Shop {
    pub dir: tempfile::TempDir,
    pub port: Port,
}

impl Shop {
    /// With the bundled sample.
    pub fn sample() -> Shop {
        let shop = Shop::empty();
        fs::copy(root().join("flows/data/online-retail.csv"), shop.csv())
            .expect("the sample is there");
        shop
    }

    /// With these bytes as the file.
    pub fn with_csv(bytes: &[u8]) -> Shop {
        let shop = Shop::empty();
        fs::write(shop.csv(), bytes).expect("the file can be written");
        shop
    }

    fn empty() -> Shop {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        fs::create_dir_all(dir.path().join("flows/data")).expect("directories can be made");
        fs::copy(root().join("flows/ecommerce.flow"), dir.path().join("flows/ecommerce.flow"))
            .expect("the flow is there");
        Shop { dir, port: Port::take() }
    }

    pub fn csv(&self) -> PathBuf {
        self.dir.path().join("flows/data/online-retail.csv")
    }

    pub fn flow(&self) -> PathBuf {
        self.dir.path().join("flows/ecommerce.flow")
    }

    /// The directory of `emulate(aws, dir: …)`.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("out/local")
    }

    /// `flowc run` on the shop's flow, with further arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = flowc();
        command.arg("run").arg(self.flow()).args(args);
        command.arg("--param").arg(format!("listen=127.0.0.1:{}", self.port.number));
        command.current_dir(self.dir.path());
        command
    }

    /// Runs to the end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("flowc can be started")
    }

    /// Runs to the end, and must end well.
    pub fn run_well(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let text = both(&output);
        assert!(output.status.success(), "exit {:?}\n{text}", output.status.code());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts it and goes on.
    pub fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("flowc can be started")
    }
}

/// The binary under test, without colours.
pub fn flowc() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowc"));
    command.env("NO_COLOR", "1").env_remove("FLOW_CSV_FILE");
    command
}

/// Both outputs of a program, for messages and golden files.
pub fn both(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("{stdout}{stderr}")
}

/// Compares every item of the end state with the file, by a program that shares no code with flowc.
/// False, with a printed reason, where there is no Python.
pub fn verify(csv: &Path, state: &Path) -> bool {
    let script = root().join("tests/verify.py");
    match Command::new("python3").arg(script).arg(csv).arg(state).output() {
        Err(error) => {
            println!("skipped the item-by-item comparison: python3 does not start ({error})");
            false
        }
        Ok(output) => {
            let text = both(&output);
            assert!(output.status.success(), "the end state differs:\n{text}");
            println!("{text}");
            true
        }
    }
}

/// The published file, unpacked; `None`, with a printed reason, where it is not at hand.
pub fn published_file() -> Option<Vec<u8>> {
    let packed = root().join("../shared/data/online-retail.csv.xz");
    if !packed.exists() {
        println!("skipped: the published file is not at hand");
        return None;
    }
    match Command::new("xz").arg("-dkc").arg(packed).output() {
        Ok(output) if output.status.success() => Some(output.stdout),
        _ => {
            println!("skipped: xz is not installed");
            None
        }
    }
}
