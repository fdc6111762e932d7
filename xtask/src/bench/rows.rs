//! The measurements. Ours and the other implementation take turns, so that other work on the machine affects both.

use super::floor::Floor;
use super::row::Row;
use super::world::{Call, Done, Side, World, median, millis, netns, timed};
use crate::sh;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The reference's name in the table.
const REFERENCE: &str = "Debian's";
/// The number of ports in the large map.
const PORTS: u16 = 20;
/// The number of ADDs at once, and of their workers.
const CROWD: (usize, usize) = (64, 8);

/// The wait between ADD and DEL, until the kernel has finished with a new link (duplicate address detection, multicast
/// groups), as for a container that has run for a while.
pub const LIFE: Duration = Duration::from_millis(150);

/// The phases of an ADD, by name, in microseconds.
pub type Phases = Vec<(String, f64)>;

/// The walkthrough's configuration, in a version that has CHECK.
pub fn walkthrough() -> Value {
    json!({
        "cniVersion": "0.4.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0", "isGateway": true, "ipMasq": true,
        "ipam": {
            "type": "host-local", "subnet": "10.15.20.0/24",
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "1.1.1.1/32", "gw": "10.15.20.1"}]
        }
    })
}

fn row(what: &str, ours: &[f64], other: &[f64], against: &str, target: f64) -> Row {
    let (ours, other) = (median(ours), Some(median(other)));
    Row { what: what.to_owned(), unit: "ms", ours, other, against: against.to_owned(), target }
}

/// A configuration with the result of its ADD, as for CHECK and DEL.
pub fn with_previous(config: &Value, result: &str) -> Result<String> {
    let mut config = config.clone();
    config["prevResult"] = serde_json::from_str(result).context("a result")?;
    Ok(config.to_string())
}

/// ADD, CHECK and DEL of the walkthrough; compared with the reference, the kernel's floor, and the same plan without
/// planning.
pub fn verbs(sides: &[Side; 2], pairs: u16, planned: &Path, floor: &Floor) -> Result<(Vec<Row>, Phases)> {
    let config = walkthrough();
    let text = config.to_string();
    let mut times: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    // In the order in which they end.
    let mut phases: Vec<(String, Vec<f64>)> = Vec::new();
    let plan = Path::new("/run/bench.plan");
    for turn in 0..=pairs {
        let mut take = |key, took: Duration| {
            // The first turn loads pages and modules.
            if turn > 0 {
                times.entry(key).or_default().push(millis(took));
            }
        };
        for (side, name) in sides.iter().zip(["ours", "reference"]) {
            let world = World::new(1)?;
            let call = Call { side, plugin: "bridge", config: &text, container: 0 };
            let Done { took, stdout, stderr } = call.run("ADD")?;
            take((name, "ADD"), took);
            for line in stderr.lines().filter(|_| turn > 0 && !side.is_reference) {
                let words: Vec<&str> = line.split_whitespace().collect();
                if let [phase, time, "us"] = words.as_slice() {
                    let time = time.parse()?;
                    match phases.iter_mut().find(|(name, _)| name == phase) {
                        Some((_, times)) => times.push(time),
                        None => phases.push(((*phase).to_owned(), vec![time])),
                    }
                }
            }
            let text = with_previous(&config, &stdout)?;
            let again = Call { config: &text, ..call };
            take((name, "CHECK"), again.run("CHECK")?.took);
            sleep(LIFE);
            take((name, "DEL"), again.run("DEL")?.took);
            world.end()?;
        }
        let world = World::new(1)?;
        for (verb, messages) in [("ADD", &floor.add), ("DEL", &floor.del)] {
            if verb == "DEL" {
                sleep(LIFE);
            }
            take(("floor", verb), timed(Command::new(&floor.program).arg(messages).arg(netns("c0")))?.took);
        }
        world.end()?;

        let world = World::new(1)?;
        let call = Call { side: &sides[0], plugin: "bridge", config: &text, container: 0 };
        timed(call.process_of(planned, "ADD")?.arg("--record").arg(plan))?;
        take(("planned", "ADD"), timed(call.process_of(planned, "ADD")?.arg(plan))?.took);
        call.run("DEL")?;
        world.end()?;
    }
    let get = |who, verb| times.get(&(who, verb)).cloned().unwrap_or_default();
    let phases: Phases = phases.into_iter().map(|(phase, times)| (phase, median(&times))).collect();
    let phase =
        |name: &str| phases.iter().find(|(phase, _)| phase == name).map_or(0.0, |(_, us)| us / 1000.0);
    let (ours, without) = (get("ours", "ADD"), get("planned", "ADD"));
    let share = median(&ours) - median(&without) + phase("check") + phase("journal");
    let rows = vec![
        row("ADD", &ours, &get("reference", "ADD"), REFERENCE, 0.15),
        row("DEL", &get("ours", "DEL"), &get("reference", "DEL"), REFERENCE, 0.30),
        row("CHECK", &get("ours", "CHECK"), &get("reference", "CHECK"), REFERENCE, 0.20),
        row("ADD over the kernel's floor", &ours, &get("floor", "ADD"), "floor", 2.0),
        row("DEL over the kernel's floor", &get("ours", "DEL"), &get("floor", "DEL"), "floor", 1.2),
        Row {
            what: "the sandbox's share of an ADD".to_owned(),
            unit: "ms",
            ours: share,
            other: None,
            against: String::new(),
            target: 1.0,
        },
    ];
    Ok((rows, phases))
}

/// VERSION.
pub fn start(sides: &[Side; 2], pairs: u16) -> Result<Row> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..pairs {
        for (side, times) in sides.iter().zip(&mut times) {
            let call = Call { side, plugin: "bridge", config: "{}", container: 0 };
            times.push(call.millis("VERSION")?);
        }
    }
    Ok(row("start to VERSION", &times[0], &times[1], REFERENCE, 0.3))
}

/// A dual stack ADD, until both addresses answer.
pub fn dual_stack(sides: &[Side; 2], pairs: u16) -> Result<Row> {
    let config = json!({
        "cniVersion": "1.0.0", "name": "dual", "type": "bridge", "bridge": "dual0", "isGateway": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.15.21.0/24"}], [{"subnet": "fd00:15::/64"}]]}
    });
    let text = config.to_string();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..pairs {
        for (side, times) in sides.iter().zip(&mut times) {
            let world = World::new(1)?;
            let call = Call { side, plugin: "bridge", config: &text, container: 0 };
            let start = Instant::now();
            let result: Value = serde_json::from_str(&call.run("ADD")?.stdout)?;
            for ip in result["ips"].as_array().context("no addresses")? {
                let address =
                    ip["address"].as_str().and_then(|text| text.split('/').next()).unwrap_or_default();
                while !sh::succeeds(Command::new("ping").args(["-n", "-c1", "-W1", address])) {}
            }
            times.push(millis(start.elapsed()));
            call.run("DEL")?;
            world.end()?;
        }
    }
    Ok(row("dual stack ADD until both addresses answer a ping", &times[0], &times[1], REFERENCE, 0.12))
}

/// A port map after a bridge.
pub fn ports(sides: &[Side; 2], pairs: u16) -> Result<Row> {
    let mut times = [Vec::new(), Vec::new()];
    let bridge = walkthrough();
    let mapped: Vec<Value> = (0..PORTS)
        .map(|port| json!({"hostPort": 8000 + port, "containerPort": 80 + port, "protocol": "tcp"}))
        .collect();
    let portmap = json!({
        "cniVersion": "0.4.0", "name": "mybridge", "type": "portmap", "runtimeConfig": {"portMappings": mapped}
    });
    for turn in 0..=pairs {
        for (side, times) in sides.iter().zip(&mut times) {
            let world = World::new(1)?;
            let (text, kind) = (bridge.to_string(), "bridge");
            let attach = Call { side, plugin: kind, config: &text, container: 0 };
            let result = attach.run("ADD")?.stdout;
            let text = with_previous(&portmap, &result)?;
            let call = Call { plugin: "portmap", config: &text, ..attach };
            let took = call.millis("ADD")?;
            if turn > 0 {
                times.push(took);
            }
            call.run("DEL")?;
            attach.run("DEL")?;
            world.end()?;
        }
    }
    Ok(row(&format!("portmap ADD of {PORTS} ports"), &times[0], &times[1], REFERENCE, 0.10))
}

/// Many ADDs at once.
pub fn crowd(sides: &[Side; 2], turns: u16) -> Result<Row> {
    let text = walkthrough().to_string();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..turns {
        for (side, times) in sides.iter().zip(&mut times) {
            let world = World::new(CROWD.0)?;
            let calls: Vec<Call<'_>> = (0..CROWD.0)
                .map(|container| Call { side, plugin: "bridge", config: &text, container })
                .collect();
            let mut processes = calls.iter().map(|call| call.process("ADD")).collect::<Result<Vec<_>>>()?;
            for process in &mut processes {
                process.stdout(fs::File::create("/dev/null")?);
            }
            let start = Instant::now();
            std::thread::scope(|scope| {
                let workers: Vec<_> = processes
                    .chunks_mut(CROWD.0 / CROWD.1)
                    .map(|mine| {
                        scope.spawn(|| {
                            mine.iter_mut().all(|process| process.status().is_ok_and(|s| s.success()))
                        })
                    })
                    .collect();
                let all = workers.into_iter().all(|worker| worker.join().unwrap_or(false));
                all.then_some(()).context("an ADD among many failed")
            })?;
            times.push(millis(start.elapsed()));
            for call in &calls {
                call.run("DEL")?;
            }
            world.end()?;
        }
    }
    Ok(row(
        &format!("{} ADDs by {} workers, all done", CROWD.0, CROWD.1),
        &times[0],
        &times[1],
        REFERENCE,
        0.25,
    ))
}

/// The largest process of an ADD.
pub fn memory(sides: &[Side; 2], floor: &Path) -> Result<Row> {
    let text = walkthrough().to_string();
    let mut peaks = [Vec::new(), Vec::new()];
    for (side, peaks) in sides.iter().zip(&mut peaks) {
        for _ in 0..5 {
            let world = World::new(1)?;
            let call = Call { side, plugin: "bridge", config: &text, container: 0 };
            let mut process = call.process_of(floor, "ADD")?;
            process.arg("--peak").arg(call.program());
            peaks.push(timed(&mut process)?.stderr.trim().parse::<f64>()? / 1024.0);
            call.run("DEL")?;
            world.end()?;
        }
    }
    Ok(Row {
        unit: "MiB",
        ..row("peak memory of an ADD, largest process", &peaks[0], &peaks[1], REFERENCE, 1.0)
    })
}

/// The installed size, and that of the same plugins of Debian.
pub fn size(sides: &[Side; 2]) -> Result<Vec<Row>> {
    let bytes = |path: &Path| Ok::<f64, std::io::Error>(fs::metadata(path)?.len() as f64 / 1e6);
    let (mut ours, mut theirs) = (bytes(&sides[0].dir.join("wasm-cni"))?, 0.0);
    for entry in fs::read_dir(&sides[0].dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            ours += bytes(&path)?;
            theirs += bytes(&sides[1].dir.join(path.file_stem().unwrap_or_default()))?;
        }
    }
    let helper = bytes(&sides[0].dir.join("wasm-cni-compile"))?;
    let of = |what: &str, ours| Row { unit: "MB", ..row(what, &[ours], &[theirs], REFERENCE, 0.35) };
    let helper = Row { target: f64::INFINITY, ..of("the compile helper", helper) };
    Ok(vec![of("installed size without the compile helper", ours), helper])
}

/// The first ADD with a component that is not compiled yet.
pub fn first(sides: &[Side; 2], turns: u16) -> Result<Row> {
    let dropped = Path::new("/run/dropped");
    fs::create_dir_all(dropped)?;
    for name in ["wasm-cni", "wasm-cni-compile", "host-local.wasm"] {
        fs::copy(sides[0].dir.join(name), dropped.join(name))?;
    }
    std::os::unix::fs::symlink("wasm-cni", dropped.join("bridge"))?;
    let component = fs::read(sides[0].dir.join("bridge.wasm"))?;
    let side = Side { dir: dropped.to_owned(), is_reference: false };
    let text = walkthrough().to_string();
    let mut times = Vec::new();
    for turn in 0..turns {
        // A custom section makes it another component.
        let name = format!("turn{turn:04}");
        let section = [&[0, 9, 8], name.as_bytes()].concat();
        fs::write(dropped.join("bridge.wasm"), [component.as_slice(), &section].concat())?;
        let world = World::new(1)?;
        let call = Call { side: &side, plugin: "bridge", config: &text, container: 0 };
        times.push(call.millis("ADD")?);
        call.run("DEL")?;
        world.end()?;
    }
    Ok(Row {
        what: "first ADD after dropping in a new .wasm".to_owned(),
        unit: "ms",
        ours: median(&times),
        other: None,
        against: String::new(),
        target: 150.0,
    })
}
