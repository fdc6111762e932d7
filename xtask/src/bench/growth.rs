//! How the time of an ADD grows with the existing objects: leases, ports of the bridge, rules.

use super::row::Row;
use super::rows::walkthrough;
use super::world::{Call, KEPT_LEASES, Side, World, median};
use crate::sh;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Our implementation, and the reference.
const NETWORKS: [&str; 2] = ["ours", "reference"];

/// The time of ADD for each number of objects.
#[derive(Debug, Clone, Serialize)]
pub struct Curve {
    /// The kind of object.
    pub of: &'static str,
    /// The number of objects, and our median and the reference's in milliseconds.
    pub points: Vec<(u32, f64, f64)>,
}

/// A kind of object that grows.
struct Grown {
    of: &'static str,
    levels: &'static [u32],
    target: f64,
    /// The milliseconds that the kernel takes for each object when the world ends. It does so in the background, which
    /// would slow the next measurement.
    end_millis: u64,
    /// Makes that many objects, after one attachment was added and deleted.
    fill: fn(u32) -> Result<()>,
}

const ALL: [Grown; 3] = [
    Grown { of: "leases held", levels: &[10, 1_000, 10_000, 60_000], target: 1.1, end_millis: 0, fill: hold },
    Grown { of: "veths on the bridge", levels: &[1, 100, 1_000], target: 1.3, end_millis: 20, fill: plug },
    Grown { of: "nat rules", levels: &[10, 500, 5_000], target: 1.3, end_millis: 0, fill: rule },
];

/// Measures each kind at each level; returns a row for ours, and one for the reference's own growth.
pub fn measure(sides: &[Side; 2], pairs: u16) -> Result<(Vec<Row>, Vec<Curve>)> {
    let mut config = walkthrough();
    config["ipam"]["subnet"] = "10.0.0.0/15".into();
    config["ipam"]["routes"] = serde_json::json!([{"dst": "0.0.0.0/0"}]);
    // Each implementation has its own store, because ours reads a store again that somebody else changes.
    let texts = NETWORKS.map(|name| {
        config["name"] = name.into();
        config.to_string()
    });
    let (mut rows, mut curves) = (Vec::new(), Vec::new());
    for grown in ALL {
        let mut points = Vec::new();
        for level in grown.levels {
            let world = World::new(1)?;
            let call = |side: usize| Call {
                side: &sides[side],
                plugin: "bridge",
                config: &texts[side],
                container: 0,
            };
            let calls = [call(0), call(1)];
            let pair = |call: &Call<'_>| -> Result<f64> {
                let took = call.millis("ADD")?;
                call.run("DEL").map(|_| took)
            };
            pair(&calls[0])?;
            (grown.fill)(*level)?;
            let mut times = [Vec::new(), Vec::new()];
            for turn in 0..=pairs {
                for (call, times) in calls.iter().zip(&mut times) {
                    let took = pair(call)?;
                    if turn > 0 {
                        times.push(took);
                    }
                }
            }
            points.push((*level, median(&times[0]), median(&times[1])));
            world.end()?;
            std::thread::sleep(Duration::from_millis(u64::from(*level) * grown.end_millis));
        }
        let (first, last) = (points[0], points[points.len() - 1]);
        let row = |whose: &str, few, many, target| Row {
            what: format!("{whose} with {} {} / with {}", last.0, grown.of, first.0),
            unit: "ms",
            ours: many,
            other: Some(few),
            against: format!("with {}", first.0),
            target,
        };
        rows.push(row("ADD", first.1, last.1, grown.target));
        rows.push(row("Debian's ADD", first.2, last.2, f64::INFINITY));
        curves.push(Curve { of: grown.of, points });
    }
    Ok((rows, curves))
}

/// Leases of others, from the start of the subnet.
fn hold(leases: u32) -> Result<()> {
    for network in NETWORKS {
        let store = Path::new(KEPT_LEASES).join(network);
        fs::create_dir_all(&store)?;
        let mut last = Ipv4Addr::new(10, 0, 0, 1);
        for number in 0..leases {
            // The first address is the gateway's.
            last = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 2).to_bits() + number);
            // As long as containerd's identifiers.
            fs::write(store.join(last.to_string()), format!("{number:064x}\r\neth0"))?;
        }
        fs::write(store.join("last_reserved_ip.0"), last.to_string())?;
    }
    Ok(())
}

/// Ports of the bridge.
fn plug(veths: u32) -> Result<()> {
    let mut lines = String::new();
    for number in 0..veths {
        let _ = writeln!(lines, "link add v{number} type veth peer name p{number}");
        let _ = writeln!(lines, "link set v{number} master cni_bridge0 up");
    }
    feed(Command::new("ip").args(["-batch", "-"]), &lines)
}

/// Rules of others.
fn rule(rules: u32) -> Result<()> {
    let mut lines = "*nat\n:OTHERS - [0:0]\n".to_owned();
    for number in 0..rules {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(172, 16, 0, 0).to_bits() + number);
        let _ = writeln!(lines, "-A OTHERS -s {address}/32 -j RETURN");
    }
    lines += "COMMIT\n";
    feed(Command::new("iptables-restore").arg("--noflush"), &lines)
}

fn feed(process: &mut Command, text: &str) -> Result<()> {
    let mut child = process.stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("no pipe")?.write_all(text.as_bytes())?;
    sh::check(process, child.wait()?)
}
