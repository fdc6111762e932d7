//! Faults at every step of an ADD of the corpus (`tests/differential`): the step fails, its undo fails too, the process
//! dies before or after it.
//!
//! The journal shows the steps: the host writes an intent before, and an effect after each step, with one `write` each.

use super::fault::{inject, struck_the_answer};
use super::{Fault, Trace, What, Who};
use crate::differential::case::{Invocation, Step};
use crate::differential::record::Run;
use crate::differential::{Case, Implementation};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The system calls that an undo needs. If they fail, nothing can be undone.
const UNDOING: [&str; 10] =
    ["sendto", "?unlink", "unlinkat", "?rename", "renameat", "?fork", "?vfork", "clone", "clone3", "openat"];

/// The code of an error that lists what is left.
const STUCK: u64 = 105;

/// The fault at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// The journal line cannot be written, so the step fails.
    Fails,
    /// The kernel refuses a message.
    Refused,
    /// The step fails, and so does every undo.
    UndoFails,
    /// The process dies after the intent was written and before the step started.
    KilledBefore,
    /// The process dies after the step and before the effect was written.
    KilledAfter,
}

impl At {
    /// All of them.
    pub const ALL: [At; 5] = [At::Fails, At::Refused, At::UndoFails, At::KilledBefore, At::KilledAfter];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            At::Fails => "a step fails",
            At::Refused => "the kernel refuses a message",
            At::UndoFails => "a step fails, and every undo",
            At::KilledBefore => "killed before a step",
            At::KilledAfter => "killed after a step",
        }
    }
}

/// A fault at a step of an ADD.
#[derive(Debug, Clone)]
pub struct Point {
    /// The fault.
    pub at: At,
    /// The system calls for it.
    pub faults: Vec<Fault>,
    /// Whether the next DEL has no namespace.
    pub without_netns: bool,
}

/// What a successful ADD does.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The kinds of actions of its plan, in order, with their lifetimes: the plan's shape.
    pub shape: Vec<String>,
    /// Every fault, with its steps.
    pub points: Vec<Point>,
    /// A line of `tests/plans/corpus.json`.
    pub recorded: Value,
}

/// An ADD of a case; the calls before it are done.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The case.
    pub case: &'a Case,
    /// The index of the step.
    index: usize,
}

/// The outcome of a fault. Empty lists mean that it is correct.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Whether the call succeeded.
    pub survived: bool,
    /// Why the exit code or the error is wrong.
    pub wrong_exit: Vec<String>,
    /// Why stdout is not one error.
    pub bad_stdout: Vec<String>,
    /// Whether the machine was then as before.
    pub as_before: bool,
    /// What was left right after the call, if nothing should be left.
    pub left: Vec<String>,
    /// What was left after the next DEL.
    pub left_by_del: Vec<String>,
}

impl<'a> Target<'a> {
    /// Every ADD of a case, except those of an attachment that already exists: they undo the existing one first, and it
    /// stays removed if they fail.
    pub fn of(case: &'a Case) -> Vec<Target<'a>> {
        let mut attached = BTreeSet::new();
        let mut targets = Vec::new();
        for (index, step) in case.steps.iter().enumerate() {
            let Step::Call(call) = step else { continue };
            let attachment = (&call.container, &call.interface, &call.plugin, &call.file);
            match call.verb.as_str() {
                "ADD" if attached.insert(attachment) => targets.push(Target { case, index }),
                "DEL" => drop(attached.remove(&attachment)),
                _ => {}
            }
        }
        targets
    }

    fn call(&self) -> &'a Invocation {
        match self.case.steps.get(self.index) {
            Some(Step::Call(call)) => call,
            _ => panic!("{} has no call {}", self.case.name, self.index),
        }
    }

    /// A machine on which the ADD is the next call.
    fn prepare(&self) -> Run<'a> {
        let mut run = Run::new(self.case);
        for step in &self.case.steps[..self.index] {
            match step {
                Step::Shell(script) => run.shell(script),
                Step::Call(call) => run.make(call, Implementation::Ours),
            }
        }
        run
    }

    /// What it does; none for an ADD that is refused.
    pub fn find(&self) -> Found {
        // A new component is compiled, and read as a whole: system calls that no later run makes.
        let first = self.prepare();
        first.prepare(self.call(), Implementation::Ours).run(first.machine());
        drop(first);
        let run = self.prepare();
        let (reply, trace) = Trace::of(&run.prepare(self.call(), Implementation::Ours), run.machine());
        let Some(plugin) = trace.processes.first().filter(|_| reply.code == Some(0)) else {
            return Found::default();
        };
        let journals = run.machine().sh("cat $(ls -tr /run/wasm-cni/attachments/*/*)");
        let recorded = self.recorded(&run.input(self.call()), &journals);
        let mut points = Vec::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut is_noted = false;
        let mut push = |at, faults: Vec<Fault>| {
            let without_netns = points.len() % 2 == 1;
            points.push(Point { at, faults, without_netns });
        };
        for (name, arguments) in &plugin.calls {
            let count = counts.entry(name).or_default();
            *count += 1;
            let at = *count;
            let fault =
                |syscall: &str, at, what| Fault { who: Who::Plugin, syscall: syscall.to_owned(), at, what };
            if is_noted {
                push(At::KilledBefore, vec![fault(name, at, What::Killed)]);
                is_noted = false;
            }
            if name == "sendto" {
                push(At::Refused, vec![fault(name, at, What::Fails("EPERM"))]);
            }
            if name != "write" || !arguments.contains("/attachments/") {
                continue;
            }
            push(At::Fails, vec![fault(name, at, What::Fails("ENOSPC"))]);
            push(At::KilledAfter, vec![fault(name, at, What::Killed)]);
            let seen = |name: &str| counts.get(name.trim_start_matches('?')).copied().unwrap_or_default();
            let undo = UNDOING.iter().map(|name| fault(name, seen(name) + 1, What::FailsFromThere("EIO")));
            // Not the calls after it: one of them reports the error.
            let first = fault(name, at, What::Fails("ENOSPC"));
            push(At::UndoFails, std::iter::once(first).chain(undo).collect());
            is_noted = arguments.contains("intent");
        }
        let entries = recorded["entries"].as_array().into_iter().flatten();
        let shape = entries.map(|entry| {
            let kind = entry["action"].as_object().and_then(|action| action.keys().next());
            format!("{} {}", kind.map_or("", String::as_str), entry["lifetime"].as_str().unwrap_or_default())
        });
        Found { shape: shape.collect(), points, recorded }
    }

    /// The plan, from the attachment's journal, which has other plans too.
    fn recorded(&self, config: &str, journals: &str) -> Value {
        let call = self.call();
        let (mut header, mut report) = (Value::Null, Value::Null);
        // The plans of the plugin, and of the plugins before it in the chain.
        let (mut entries, mut earlier) = (Vec::new(), Vec::new());
        let (mut is_own, mut is_earlier) = (false, false);
        for record in journals.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if let Some(attachment) = record["attachment"].as_object() {
                let is_of_attachment =
                    attachment["container"] == *call.container && attachment["interface"] == *call.interface;
                is_own = is_of_attachment && record["plugin"] == *call.plugin;
                is_earlier = is_of_attachment && !is_own && call.is_chained;
                if is_own {
                    (header, entries, report) = (record, Vec::new(), Value::Null);
                }
            } else if is_own || is_earlier {
                let pairs = record["intent"].as_array().into_iter().flatten().map(|pair| pair[0].clone());
                if is_own { &mut entries } else { &mut earlier }.extend(pairs);
                if is_own {
                    report = record.get("complete").cloned().unwrap_or(report);
                }
            }
        }
        let args = call.env.iter().rev().find(|(name, _)| name == "CNI_ARGS").map(|(_, args)| args);
        let mut recorded = json!({
            "case": self.case.name, "step": self.index, "config": config, "args": args, "attachment": header["attachment"], "plugin": header["plugin"],
            "entries": entries, "report": report,
        });
        if !earlier.is_empty() {
            recorded["earlier"] = earlier.into();
        }
        recorded
    }

    /// Tries a fault on a fresh machine; on a used machine the plugin makes other calls.
    pub fn outcome(&self, point: &Point) -> Outcome {
        let run = self.prepare();
        let before = run.machine().snapshot();
        self.outcome_on(point, &run, &before)
    }

    fn outcome_on(&self, point: &Point, run: &Run<'a>, before: &str) -> Outcome {
        let call = run.prepare(self.call(), Implementation::Ours);
        let reply = inject(&call, &point.faults, run.machine());
        let mut outcome = Outcome { survived: reply.code == Some(0), ..Outcome::default() };
        let is_killed = point.faults.iter().any(Fault::kills);
        // In a wait the number of calls may differ. Then the intended call never happened.
        let is_missed = is_killed && outcome.survived;
        if !is_missed && is_killed != reply.code.is_none() || reply.code.is_some_and(|code| code > 1) {
            outcome.wrong_exit.push(format!("exit {:?}: {}", reply.code, reply.stderr));
        }
        let error: Option<Value> = serde_json::from_str(&reply.stdout).ok();
        let code = error.as_ref().and_then(|error| error["code"].as_u64());
        let is_answer_lost = reply.code != Some(0) && struck_the_answer(run.machine());
        if reply.code == Some(1) && !is_answer_lost {
            if code.is_none() {
                outcome.bad_stdout.push(format!("{:?}", reply.stdout));
            }
            let left = run.machine().changes(before);
            outcome.as_before = left.is_empty();
            if code == Some(STUCK) {
                let details = error.as_ref().and_then(|error| error["details"].as_str()).unwrap_or_default();
                if !details.contains("\nleft: `") {
                    outcome.wrong_exit.push(format!("it does not tell what is left: {}", reply.stdout));
                }
            } else {
                // If nothing can be removed, the journal stays too. The next verb sees that it describes nothing.
                let is_own = |line: &&String| {
                    point.at != At::UndoFails || !line.contains("/run/wasm-cni/attachments/")
                };
                outcome.left = left.iter().filter(is_own).cloned().collect();
            }
        }
        let mut del = Invocation { verb: "DEL".to_owned(), prev_result: false, ..self.call().clone() };
        if point.without_netns {
            del.env.push(("CNI_NETNS".to_owned(), String::new()));
        }
        let reply = run.prepare(&del, Implementation::Ours).run(run.machine());
        if reply.code != Some(0) {
            outcome.left_by_del.push(format!("DEL failed: {}", reply.stdout));
        }
        // An ADD that was complete before it was interrupted is deleted like any other: shared objects stay.
        if !outcome.survived && !is_answer_lost {
            let mut left = run.machine().changes(before);
            if !left.is_empty() {
                // A loopback interface that was up before is down after any DEL.
                let by_del = self.changes_by(&del);
                left.retain(|line| !by_del.contains(line));
            }
            outcome.left_by_del.extend(left);
        }
        outcome
    }

    /// What a DEL changes if there was no ADD.
    fn changes_by(&self, del: &Invocation) -> Vec<String> {
        let run = self.prepare();
        let before = run.machine().snapshot();
        run.prepare(del, Implementation::Ours).run(run.machine());
        run.machine().changes(&before)
    }
}
