//! One fault during one call of the walkthrough, by either implementation, and its outcome.

use super::fault::inject;
use super::left::{left, missing};
use super::{Fault, Trace};
use crate::differential::Implementation;
use crate::{Call, Machine, Reply, walkthrough};
use serde_json::Value;

/// The container of the walkthrough.
const CONTAINER: &str = "1234567890";

/// What the calls of an implementation do without faults.
#[derive(Debug)]
pub struct Trial {
    implementation: Implementation,
    verb: &'static str,
    before: String,
    attached: String,
    /// The machine after one ADD and DEL.
    after: String,
    /// The result of the ADD.
    result: String,
}

/// How a call with a fault ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It succeeded.
    Survived,
    /// It returned an error.
    Failed,
    /// The fault killed it.
    Killed,
}

/// The outcome of a fault. Empty lists mean that it is correct.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The fault.
    pub fault: Fault,
    /// How the call ended.
    pub ended: Ended,
    /// Why the exit code is wrong: success although something is missing, or a crash.
    pub wrong_exit: Vec<String>,
    /// Why stdout violates the SPEC: it must be one result, one error, or empty for DEL.
    pub bad_stdout: Vec<String>,
    /// What was left right after the call.
    pub left: Vec<String>,
    /// Whether the machine was then byte for byte as before; expected only of an ADD that failed.
    pub as_before: bool,
    /// What was left after the next DEL.
    pub left_by_del: Vec<String>,
    /// What was left after the next DEL, without namespace.
    pub left_without_netns: Vec<String>,
}

impl Trial {
    /// Runs the calls without faults, and records the points where faults are possible.
    pub fn new(implementation: Implementation, verb: &'static str) -> (Trial, Trace) {
        let empty = String::new;
        let mut trial = Trial {
            implementation,
            verb,
            before: empty(),
            attached: empty(),
            after: empty(),
            result: empty(),
        };
        // The first call compiles the components, so it is not the traced one.
        let warm = machine();
        trial.before = warm.snapshot();
        trial.result = trial.call("ADD", "").ok_patiently(&warm);
        trial.attached = warm.snapshot();
        trial.call("DEL", &trial.result).ok(&warm);
        trial.after = warm.snapshot();
        let machine = trial.begin();
        let (reply, trace) = Trace::of(&trial.faulty_call(), &machine);
        assert_eq!(reply.code, Some(0), "{implementation:?} {verb}: {}{}", reply.stdout, reply.stderr);
        (trial, trace)
    }

    /// Tries a fault: the call, then a DEL; and on another machine the call, then a DEL without namespace.
    pub fn of(&self, fault: &Fault) -> Verdict {
        let machine = self.begin();
        let reply = inject(&self.faulty_call(), std::slice::from_ref(fault), &machine);
        let now = machine.snapshot();
        let ended = match reply.code {
            Some(0) => Ended::Survived,
            None if fault.kills() => Ended::Killed,
            _ => Ended::Failed,
        };
        let mut verdict = Verdict {
            fault: fault.clone(),
            ended,
            wrong_exit: self.wrong_exit(ended, &reply, &now, &machine),
            bad_stdout: self.bad_stdout(ended, &reply),
            left: Vec::new(),
            as_before: now == self.before,
            left_by_del: Vec::new(),
            left_without_netns: Vec::new(),
        };
        let (before, after) = (self.before.as_str(), self.after.as_str());
        if ended == Ended::Failed || ended == Ended::Killed {
            verdict.left = left(&now, &[before, after]);
        }
        verdict.left_by_del = self.left_by_del(&machine, true);
        // A runtime repeats a DEL that fails, so what it leaves does not count.
        let left_now = verdict.left.clone();
        if self.verb == "DEL" {
            verdict.left.clear();
        }
        if left_now.is_empty() && ended == Ended::Failed {
            // Nothing that this DEL could see differs.
            verdict.left_without_netns = self.left_by_del(&machine, false);
        } else {
            let machine = self.begin();
            inject(&self.faulty_call(), std::slice::from_ref(fault), &machine);
            verdict.left_without_netns = self.left_by_del(&machine, false);
        }
        verdict
    }

    /// A machine on which the call with the fault is the next.
    fn begin(&self) -> Machine {
        let machine = machine();
        if self.verb == "DEL" {
            self.call("ADD", "").ok_patiently(&machine);
        }
        machine
    }

    fn faulty_call(&self) -> Call {
        self.call(self.verb, if self.verb == "DEL" { &self.result } else { "" })
    }

    fn call(&self, verb: &str, previous: &str) -> Call {
        let mut config = walkthrough("1.0.0");
        if !previous.is_empty() {
            let open = config.trim_end().trim_end_matches('}').to_owned();
            config = format!("{open}, \"prevResult\": {previous}}}");
        }
        let cache = crate::target().join("faults-cache").display().to_string();
        Call::new(&self.implementation.directory(), "bridge", verb, &config).env("WASM_CNI_CACHE_DIR", &cache)
    }

    fn wrong_exit(&self, ended: Ended, reply: &Reply, now: &str, machine: &Machine) -> Vec<String> {
        match (ended, self.verb) {
            (Ended::Survived, "ADD") => {
                let mut lacks = missing(now, &self.attached);
                let ping = format!("ip netns exec {CONTAINER} ping -c 1 -W 2 10.15.20.1");
                if !machine.try_sh(&ping).status.success() {
                    lacks.push("no ping".to_owned());
                }
                let check = self.call("CHECK", &reply.stdout).run(machine);
                if check.code != Some(0) {
                    lacks.push(format!("CHECK: {}", check.stdout));
                }
                lacks
            }
            (Ended::Survived, _) => {
                let mut left = left(now, &[&self.before, &self.after]);
                // If `/run` is not writable, a DEL succeeds nevertheless. The journal then describes nothing, and the
                // next DEL removes it.
                left.retain(|line| !line.contains("/run/wasm-cni/attachments/"));
                left
            }
            (Ended::Failed, _) if reply.code == Some(1) => Vec::new(),
            (Ended::Failed, _) => vec![format!("ended with {:?}: {}", reply.code, first_line(&reply.stderr))],
            (Ended::Killed, _) => Vec::new(),
        }
    }

    fn bad_stdout(&self, ended: Ended, reply: &Reply) -> Vec<String> {
        let value = serde_json::from_str::<Value>(&reply.stdout);
        let is_good = match (ended, self.verb) {
            (Ended::Killed, _) => true,
            (Ended::Survived, "ADD") => value.is_ok_and(|value| value["ips"].is_array()),
            (Ended::Survived, _) => reply.stdout.is_empty(),
            (Ended::Failed, _) => value.is_ok_and(|value| value["code"].is_u64() && value["msg"].is_string()),
        };
        if is_good { Vec::new() } else { vec![format!("{:?}", first_line(&reply.stdout))] }
    }

    /// What a DEL without faults leaves; reports its own failure, too.
    fn left_by_del(&self, machine: &Machine, with_netns: bool) -> Vec<String> {
        let del = if self.verb == "DEL" { self.faulty_call() } else { self.call("DEL", "") };
        let del = if with_netns { del } else { del.env("CNI_NETNS", "") };
        let reply = del.run(machine);
        let mut left = left(&machine.snapshot(), &[&self.before, &self.after]);
        if reply.code != Some(0) {
            left.push(format!("DEL failed: {}", reply.stdout.replace('\n', " ")));
        }
        left
    }
}

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns(CONTAINER);
    machine
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
