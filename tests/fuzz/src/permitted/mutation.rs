//! Changes of a plan, a line each, and the generator of such lines.
//!
//! ```text
//! plan bridge-dual:0
//! set /entries/3/action/add-address/address "10.77.0.9/24"
//! put 4 {"plugin": "bridge", "lifetime": "shared", "action": {…}}
//! drop 7
//! move 3 1
//! replace 10.1.2.2 10.1.2.1
//! lease 10.1.2.2 10.1.2.200
//! fail 7
//! ```

use super::scene::{self, Scene};
use super::words::{Words, collect};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use wasm_cni::value::derive;

/// Changes a plan as a line says. A line that makes no sense changes nothing.
pub fn change(plan: &mut Value, line: &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let (place, json) = (first.parse::<usize>().ok(), serde_json::from_str::<Value>(second).ok());
    match (word, place, json) {
        ("set", _, Some(value)) => set(plan, first, value),
        ("replace", ..) if !first.is_empty() => replace(plan, first, second),
        ("lease", ..) if !first.is_empty() => lease(plan, first, second),
        (word, Some(place), json) => {
            let Some(entries) = plan["entries"].as_array_mut() else { return };
            match (word, json) {
                ("drop", _) if place < entries.len() => drop(entries.remove(place)),
                ("put", Some(entry)) => entries.insert(place.min(entries.len()), entry),
                ("move", Some(to)) if place < entries.len() => {
                    let entry = entries.remove(place);
                    let to = to.as_u64().and_then(|to| usize::try_from(to).ok()).unwrap_or_default();
                    entries.insert(to.min(entries.len()), entry);
                }
                _ => {}
            }
        }
        _ => {}
    }
}

/// Sets a value. A key that an object lacks is added, an element behind the last one of a list too.
fn set(plan: &mut Value, pointer: &str, value: Value) {
    if let Some(old) = plan.pointer_mut(pointer) {
        *old = value;
        return;
    }
    let Some((above, key)) = pointer.rsplit_once('/') else { return };
    match plan.pointer_mut(above) {
        Some(Value::Object(object)) => drop(object.insert(key.replace("~1", "/").replace("~0", "~"), value)),
        Some(Value::Array(list)) => list.push(value),
        _ => {}
    }
}

fn replace(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) => *text = text.replace(old, new),
        Value::Array(list) => list.iter_mut().for_each(|value| replace(value, old, new)),
        Value::Object(object) => object.values_mut().for_each(|value| replace(value, old, new)),
        _ => {}
    }
}

/// Leases another address in place of one, and gives neither to the container: what policy then refuses, it refuses for
/// the lease.
fn lease(plan: &mut Value, old: &str, new: &str) {
    let has = |value: &Value| {
        let mut leaves = Vec::new();
        paths(value, "///".to_owned(), &mut leaves);
        leaves.iter().any(|(_, leaf)| leaf.as_str().is_some_and(|text| text.split('/').next() == Some(old)))
    };
    if let Some(entries) = plan["entries"].as_array_mut() {
        entries.retain(|entry| entry["action"].get("reserve-lease").is_some() || !has(entry));
        for leased in
            entries.iter_mut().filter_map(|entry| entry.pointer_mut("/action/reserve-lease/address"))
        {
            replace(leased, old, new);
        }
    }
    if let Some(ips) = plan["report"]["ips"].as_array_mut() {
        ips.retain(|ip| !has(ip));
    }
}

/// Numbers that follow from a seed (xorshift).
pub struct Dice(u64);

impl Dice {
    /// Any seed does.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(2).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (0..8).for_each(|_| _ = dice.below(2));
        dice
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).unwrap_or(0) % end.max(1)
    }

    /// One of a list.
    fn of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

thread_local! {
    static WORDS: OnceCell<Words> = const { OnceCell::new() };
}

/// A new input: a plan, and one to six changes of it.
pub fn generated(seed: u64) -> String {
    WORDS.with(|words| {
        let words = words.get_or_init(Words::new);
        let mut dice = Dice::new(seed);
        let Some(name) = dice.of(&words.names) else { return String::new() };
        let mut input = format!("plan {name}");
        let Some(scene) = scene::find(name) else { return input };
        let mut plan = scene.plan.clone();
        let count = [1, 1, 1, 2, 2, 3, 4, 6][dice.below(8)];
        for _ in 0..count {
            let line = line(&plan, &scene, words, &mut dice);
            line.lines().for_each(|line| change(&mut plan, line));
            input += &format!("\n{line}");
        }
        if dice.below(16) == 0 {
            input += &format!("\nfail {}", dice.below(60));
        }
        input
    })
}

/// An input with another change, or without its last one.
pub fn changed(input: &str, seed: u64) -> String {
    WORDS.with(|words| {
        let words = words.get_or_init(Words::new);
        let mut dice = Dice::new(seed);
        let mut lines = input.lines();
        let name = lines.next().and_then(|line| line.strip_prefix("plan "));
        let Some(scene) = name.and_then(scene::find) else { return generated(seed) };
        let kept: Vec<&str> = lines.collect();
        if kept.len() > 8 || (!kept.is_empty() && dice.below(4) == 0) {
            let drop = dice.below(kept.len());
            let rest =
                kept.iter().enumerate().filter(|(at, _)| *at != drop).map(|(_, line)| format!("\n{line}"));
            return input.lines().next().map(str::to_owned).into_iter().chain(rest).collect();
        }
        let mut plan = scene.plan.clone();
        kept.iter().for_each(|line| change(&mut plan, line));
        let line = line(&plan, &scene, words, &mut dice);
        format!("{input}\n{line}")
    })
}

fn line(plan: &Value, scene: &Scene, words: &Words, dice: &mut Dice) -> String {
    let entries = plan["entries"].as_array().map_or(0, Vec::len);
    match dice.below(16) {
        0 => format!("drop {}", dice.below(entries)),
        1 => format!("move {} {}", dice.below(entries), dice.below(entries)),
        2 => {
            let entry = plan["entries"].get(dice.below(entries)).cloned().unwrap_or_default();
            format!("put {} {entry}", dice.below(entries + 1))
        }
        3 => {
            // One of another plan, which says what this one's attachment is called.
            let entry = dice.of(&words.entries).cloned().unwrap_or_default();
            format!("put {} {entry}", dice.below(entries + 1))
        }
        4 => {
            // One like an own entry, with one other value.
            let at = dice.below(entries);
            let mut copy = json!({"entries": [plan["entries"].get(at).cloned().unwrap_or_default()]});
            let (pointer, value) = other(&copy, scene, words, dice);
            set(&mut copy, &pointer, value);
            format!("put {} {}", dice.below(entries + 1), copy["entries"][0])
        }
        5 => {
            let mut leaves = Vec::new();
            paths(plan, String::new(), &mut leaves);
            let texts: Vec<&String> =
                leaves.iter().filter(|(_, leaf)| leaf.is_string()).map(|(path, _)| path).collect();
            let Some(path) = dice.of(&texts) else { return "drop 0".to_owned() };
            let old = plan.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let new = fresh(path, &json!(old), plan, scene, words, dice);
            let (old, new) = (old.to_owned(), new.as_str().unwrap_or_default().to_owned());
            // An address is also in texts with a prefix.
            let bare = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
            let is_address = old.parse::<IpNetwork>().is_ok() && new.parse::<IpNetwork>().is_ok();
            let (old, new) = if is_address { (bare(&old), bare(&new)) } else { (old, new) };
            format!("replace {old} {new}")
        }
        // One of the few addresses among all values.
        6 | 7 => {
            let mut all = Vec::new();
            paths(plan, String::new(), &mut all);
            let addresses = all.iter().filter_map(|(path, leaf)| {
                let text = leaf.as_str()?;
                Some((path, text, text.parse::<IpNetwork>().ok()?))
            });
            let addresses: Vec<_> = addresses.collect();
            let shifted = dice.of(&addresses).and_then(|(path, text, old)| {
                let new = neighbour(*old, scene, dice)?;
                let new = if text.contains('/') { new.to_string() } else { new.ip().to_string() };
                Some(format!("set {path} {}", json!(new)))
            });
            shifted.unwrap_or_else(|| "drop 0".to_owned())
        }
        8 => leased_elsewhere(plan, scene, dice).unwrap_or_else(|| "drop 0".to_owned()),
        _ => {
            let (pointer, value) = other(plan, scene, words, dice);
            format!("set {pointer} {value}")
        }
    }
}

/// The lease of an address somewhere in or near its network, which the container then does not get. One line or two.
fn leased_elsewhere(plan: &Value, scene: &Scene, dice: &mut Dice) -> Option<String> {
    let entries = plan["entries"].as_array()?.iter();
    let leases: Vec<&str> =
        entries.filter_map(|entry| entry.pointer("/action/reserve-lease/address")?.as_str()).collect();
    let text = *dice.of(&leases)?;
    let old: IpAddr = text.parse().ok()?;
    let networks: Vec<IpNetwork> = scene.others.networks().filter(|network| network.contains(old)).collect();
    let network = dice.of(&networks).copied().unwrap_or(old.into());
    let new = match dice.below(3) {
        0 => moved(network.network(), u8::try_from(dice.below(256)).unwrap_or_default()),
        1 => neighbour(IpNetwork::new(old, network.prefix()).ok()?, scene, dice)?.ip(),
        _ => moved(old, u8::try_from(dice.below(256)).unwrap_or_default()),
    };
    // The Ethernet address of the container follows from its IPv4 address, or else from the attachment.
    let of_address = derive::mac_of(&[old.into()])
        .map(|mac| format!("\nreplace {mac} {}", derive::mac(&scene.grants.attachment, "container")));
    Some(format!("lease {old} {new}{}", of_address.unwrap_or_default()))
}

/// A place of a plan, and another value for it.
fn other(plan: &Value, scene: &Scene, words: &Words, dice: &mut Dice) -> (String, Value) {
    let mut all = Vec::new();
    paths(plan, String::new(), &mut all);
    let (path, old) = match dice.of(&all) {
        Some((path, old)) => (path.clone(), (*old).clone()),
        None => return ("/report/dns".to_owned(), json!({})),
    };
    if let Value::Object(_) = old
        && dice.below(2) == 0
    {
        // A key that is not there.
        let keys: Vec<&String> = words.values.keys().collect();
        let key = dice.of(&keys).map(|key| key.as_str()).unwrap_or("mtu");
        let key = [
            "mtu",
            "isolated",
            "hairpin",
            "vlans",
            "priority",
            "table",
            "scope",
            "conditions",
            "masquerade",
            "through",
            "host_ip",
            "gw",
            key,
        ][dice.below(13)];
        let value = words.values.get(key).and_then(|values| dice.of(values)).cloned().unwrap_or(json!(true));
        return (format!("{path}/{key}"), value);
    }
    let value = fresh(&path, &old, plan, scene, words, dice);
    (path, value)
}

/// Every value below the plan, but for the lists of entries and the report themselves.
fn paths<'a>(value: &'a Value, path: String, into: &mut Vec<(String, &'a Value)>) {
    if path.matches('/').count() > 2 {
        into.push((path.clone(), value));
    }
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            paths(value, format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), into)
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| paths(value, format!("{path}/{at}"), into));
        }
        _ => {}
    }
}

/// Another value, which fits in the place of an old one.
fn fresh(path: &str, old: &Value, plan: &Value, scene: &Scene, words: &Words, dice: &mut Dice) -> Value {
    let key = path.rsplit('/').next().unwrap_or_default();
    match (dice.below(4), old) {
        (0, Value::String(text)) => {
            if let Some(address) = text.parse::<IpNetwork>().ok().and_then(|old| neighbour(old, scene, dice))
            {
                return match text.contains('/') {
                    true => json!(address),
                    false => json!(address.ip()),
                };
            }
        }
        (0 | 1, Value::Bool(old)) => return json!(!old),
        (0, Value::Number(old)) => {
            let old = old.as_u64().unwrap_or_default();
            return json!([old.wrapping_add(1), old.saturating_sub(1), 0, old * 2][dice.below(4)]);
        }
        // A value of the same type in the same plan.
        (1, _) => {
            let mut all = Vec::new();
            paths(plan, String::new(), &mut all);
            all.retain(|(_, value)| std::mem::discriminant(*value) == std::mem::discriminant(old));
            if let Some((_, value)) = dice.of(&all) {
                return (*value).clone();
            }
        }
        // What the same key says for another attachment of this machine.
        (2, _) => {
            let mut values = BTreeMap::new();
            scene.of_others.iter().for_each(|plan| collect(plan, "", &mut values));
            let values: Vec<String> = values.remove(key).into_iter().flatten().collect();
            if let Some(value) = dice.of(&values).and_then(|text| serde_json::from_str(text).ok()) {
                return value;
            }
        }
        _ => {}
    }
    words.values.get(key).and_then(|values| dice.of(values)).cloned().unwrap_or(Value::Null)
}

/// An address near to another one, one of others, or the same with another prefix.
fn neighbour(old: IpNetwork, scene: &Scene, dice: &mut Dice) -> Option<IpNetwork> {
    let most = if old.is_ipv4() { 32 } else { 128 };
    let prefix = old.prefix();
    let (ip, prefix) = match dice.below(6) {
        0 => (old.ip(), u8::try_from(dice.below(usize::from(most) + 1)).unwrap_or(most)),
        1 => (old.ip(), [prefix.saturating_sub(1), (prefix + 1).min(most), 0, most][dice.below(4)]),
        2 => (old.network(), prefix),
        3 => (old.broadcast(), prefix),
        4 => {
            let step = [1_u8, 2, 3, 255][dice.below(4)];
            (moved(old.ip(), step), prefix)
        }
        _ => {
            let addresses: Vec<IpAddr> =
                scene.others.addresses().filter(|address| address.is_ipv4() == old.is_ipv4()).collect();
            (*dice.of(&addresses)?, prefix)
        }
    };
    IpNetwork::new(ip, prefix).ok()
}

fn moved(ip: IpAddr, step: u8) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => {
            let mut octets = v4.octets();
            octets[3] = octets[3].wrapping_add(step);
            octets.into()
        }
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[15] = octets[15].wrapping_add(step);
            octets.into()
        }
    }
}
