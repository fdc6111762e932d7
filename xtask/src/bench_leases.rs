//! `cargo xtask bench --leases`: what ADD and DEL take while many leases are held, beside Debian's plugins in one run.

use crate::bench::{NETNS, REFERENCE_DIR, median, millis, time};
use crate::sh;
use anyhow::Result;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// So many leases are held by others.
const HELD: [u32; 4] = [10, 1_000, 10_000, 60_000];

/// One of the two: each has a network, and so a store, of its own.
struct Implementation<'a> {
    dir: &'a Path,
    network: &'static str,
    /// A /15, for 131 068 addresses.
    subnet: Ipv4Addr,
}

/// The times of one plugin of one implementation.
#[derive(Default)]
struct Times {
    add: Vec<Duration>,
    del: Vec<Duration>,
}

/// Measures: pair by pair in turn, so that whatever else the machine does hits both.
pub fn measure(pairs: u16, dist: &Path) -> Result<()> {
    let ours = Implementation { dir: dist, network: "ours", subnet: Ipv4Addr::new(10, 0, 0, 0) };
    let reference_dir = Path::new(REFERENCE_DIR);
    let reference =
        Implementation { dir: reference_dir, network: "reference", subnet: Ipv4Addr::new(10, 2, 0, 0) };
    println!("{:<27} {:<20} {:<20} times faster", format!("median of {pairs}"), "wasm-cni", "Debian's");
    println!("leases held  plugin              ADD       DEL        ADD       DEL     ADD     DEL");
    for held in HELD {
        for implementation in [&ours, &reference] {
            implementation.hold(held)?;
        }
        for plugin in ["host-local", "bridge"] {
            let mut both = [Times::default(), Times::default()];
            // The first pair is not counted: it compiles, reads the store once, makes the bridge.
            for turn in 0..=pairs {
                for (implementation, times) in [&ours, &reference].into_iter().zip(&mut both) {
                    let (add, del) = implementation.pair(plugin)?;
                    if turn > 0 {
                        times.add.push(add);
                        times.del.push(del);
                    }
                }
            }
            let [ours, reference] = both.map(|times| (median(times.add), median(times.del)));
            let ratio = |theirs: Duration, ours: Duration| theirs.as_secs_f64() / ours.as_secs_f64();
            println!(
                "{held:>11}  {plugin:<12} {:>8.2}ms{:>8.2}ms{:>9.2}ms{:>8.2}ms {:>7.1}x{:>7.1}x",
                millis(ours.0),
                millis(ours.1),
                millis(reference.0),
                millis(reference.1),
                ratio(reference.0, ours.0),
                ratio(reference.1, ours.1)
            );
        }
        let mut times = Times::default();
        for _ in 0..pairs {
            ours.disturb()?;
            let (add, del) = ours.pair("host-local")?;
            times.add.push(add);
            times.del.push(del);
        }
        println!(
            "{held:>11}  {:<12} {:>8.2}ms{:>8.2}ms   after a change by somebody else: the store is read once",
            "host-local",
            millis(median(times.add)),
            millis(median(times.del))
        );
    }
    Ok(())
}

impl Implementation<'_> {
    fn store(&self) -> PathBuf {
        Path::new("/var/lib/cni/networks").join(self.network)
    }

    fn config_path(&self, plugin: &str) -> String {
        format!("/run/{}-{plugin}.conf", self.network)
    }

    /// Makes the store anew, with so many leases of others, and writes the configurations.
    fn hold(&self, leases: u32) -> Result<()> {
        let store = self.store();
        if store.exists() {
            fs::remove_dir_all(&store)?;
        }
        fs::create_dir_all(&store)?;
        let mut last = self.subnet;
        for number in 0..leases {
            // The first address is the gateway's.
            last = Ipv4Addr::from_bits(self.subnet.to_bits() + 2 + number);
            // As long as the identifiers of containerd.
            fs::write(store.join(last.to_string()), format!("{number:064x}\r\neth0"))?;
        }
        fs::write(store.join("last_reserved_ip.0"), last.to_string())?;
        for plugin in ["host-local", "bridge"] {
            let Implementation { network, subnet, .. } = self;
            let config = format!(
                r#"{{"cniVersion": "1.0.0", "name": "{network}", "type": "{plugin}", "bridge": "{network}0",
                "isGateway": true, "ipMasq": true, "ipam": {{"type": "host-local", "subnet": "{subnet}/15"}}}}"#
            );
            fs::write(self.config_path(plugin), config)?;
        }
        Ok(())
    }

    /// Changes the store as another program would; afterwards it holds the same leases.
    fn disturb(&self) -> Result<()> {
        let path = self.store().join("foreign");
        fs::write(&path, "")?;
        Ok(fs::remove_file(path)?)
    }

    /// ADD and DEL of one attachment in a fresh namespace.
    fn pair(&self, plugin: &str) -> Result<(Duration, Duration)> {
        let config = self.config_path(plugin);
        sh::stdout(Command::new("ip").args(["netns", "add", NETNS]))?;
        let add = time(self.dir, plugin, "ADD", &config)?;
        let del = time(self.dir, plugin, "DEL", &config)?;
        sh::stdout(Command::new("ip").args(["netns", "del", NETNS]))?;
        Ok((add, del))
    }
}
