//! Which process holds a TCP port, where `/proc` says so (Linux, processes of the same user).

use std::fs;
use std::path::Path;

/// The process that listens on a port: its id and its command line, or `None` when it cannot be
/// known.
pub fn holder(port: u16) -> Option<(u32, String)> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let mut open = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        let holds = open.any(|fd| {
            let target = fs::read_link(fd.path()).unwrap_or_default();
            sockets.iter().any(|socket| target.as_os_str() == socket.as_str())
        });
        holds.then(|| (pid, command(&entry.path())))
    })
}

fn command(process: &Path) -> String {
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    let words = line.split(|&b| b == 0).filter(|word| !word.is_empty());
    let line = words.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    line.chars().take(80).collect()
}

/// Inodes of the sockets in state LISTEN on a port, in a table like `/proc/net/tcp`.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    let port = format!("{port:04X}");
    let inode = |line: &str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let listens = state == "0A" && local.rsplit(':').next() == Some(port.as_str());
        fields.nth(5).filter(|_| listens)?.parse().ok()
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listening_socket_of_that_port_counts() {
        let rest = "00000000:00000000 00:00000000 00000000     0        0";
        let line = |n: u8, local: &str, state: &str, inode: u32| {
            format!("   {n}: {local} 00000000:0000 {state} {rest} {inode} 1\n")
        };
        let table = "  sl  local_address rem_address   st …\n".to_string()
            + &line(0, "0100007F:1F90", "0A", 4242)
            + &line(1, "0100007F:1F90", "01", 4343)
            + &line(2, "0100007F:1F91", "0A", 4444);
        assert_eq!(listening_inodes(&table, 8080), [4242]);
        assert!(listening_inodes(&table, 80).is_empty());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = holder(listener.local_addr().unwrap().port());
        assert_eq!(found.map(|(pid, _)| pid), Some(std::process::id()));
    }
}
