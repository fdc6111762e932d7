//! Lease directories in memory, as text.

use std::net::IpAddr;
use wasm_cni::machine::lease::MemoryDirectories;

/// A line for each directory, followed by its files: first leases, then `last_reserved_ip.N`, then others.
pub fn lines(directories: &MemoryDirectories) -> Vec<String> {
    let mut lines = Vec::new();
    for store in directories.stores() {
        let place = format!("leases {}", store.directory().display());
        let mut files = Vec::new();
        for (name, content) in directories.files(&store) {
            let content = content.replace("\r\n", " ");
            files.push(match (name.parse::<IpAddr>(), name.strip_prefix("last_reserved_ip.")) {
                (Ok(address), _) => (0, Some(address), format!("{place}: {address} = {content}")),
                (_, Some(set)) => (1, None, format!("{place}: last {set} = {content}")),
                _ => (2, None, format!("{place}: file {name} = {content}")),
            });
        }
        files.sort();
        lines.push(place);
        lines.extend(files.into_iter().map(|(_, _, line)| line));
    }
    lines
}
