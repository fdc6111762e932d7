//! Runs a case and records the observations after each call.

use super::case::Invocation;
use super::names::Names;
use super::{Case, Fields, Step, reply, state};
use crate::{Call, Machine};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The implementation that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implementation {
    /// Debian's containernetworking-plugins, 1.1.1.
    Reference,
    /// The installed tree.
    Ours,
}

impl Implementation {
    /// The directory of its plugins, which is also `CNI_PATH`.
    pub fn directory(self) -> PathBuf {
        match self {
            Implementation::Reference => "/usr/lib/cni".into(),
            Implementation::Ours => crate::dist(),
        }
    }
}

/// The observations after a call.
#[derive(Debug, Clone)]
pub struct Record {
    /// The call's number and verb: `2.CHECK`.
    pub label: String,
    /// Reply and state.
    pub fields: Fields,
}

/// A running case; it keeps results for `prevResult`.
#[derive(Debug)]
pub struct Run<'a> {
    case: &'a Case,
    machine: Machine,
    results: BTreeMap<(String, String), String>,
    number: usize,
    is_observed: bool,
}

/// Runs all steps on a fresh machine. `choose` selects the implementation for each call. Records the machine after each
/// call.
pub fn record(case: &Case, choose: impl Fn(&Invocation) -> Implementation) -> Vec<Record> {
    record_from(case, 0, choose)
}

/// The same, but records the machine only from the call with that number on, counted from 0. For earlier calls it
/// records only the reply.
pub fn record_from(case: &Case, first: usize, choose: impl Fn(&Invocation) -> Implementation) -> Vec<Record> {
    let mut run = Run::new(case);
    let mut records = Vec::new();
    for step in &case.steps {
        match step {
            Step::Shell(script) => run.shell(script),
            Step::Call(call) => {
                run.is_observed = records.len() >= first;
                records.push(run.call(call, choose(call)));
            }
        }
    }
    records
}

impl<'a> Run<'a> {
    /// A fresh machine with the namespaces of the case's containers.
    pub fn new(case: &'a Case) -> Self {
        let machine = Machine::new();
        for container in case.containers() {
            machine.netns(container);
        }
        Run { case, machine, results: BTreeMap::new(), number: 0, is_observed: true }
    }

    /// A step of the shell.
    pub fn shell(&self, script: &str) {
        let output = self.machine.try_sh(script);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: `{script}`: {}\n{stderr}", self.case.name, output.status);
    }

    /// The machine, for work that is not a step of the case.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// A call, prepared as it would be made now.
    pub fn prepare(&self, call: &Invocation, implementation: Implementation) -> Call {
        prepared(call, implementation, &self.input(call))
    }

    /// Makes a call without recording the machine.
    pub fn make(&mut self, call: &Invocation, implementation: Implementation) {
        let is_observed = std::mem::replace(&mut self.is_observed, false);
        self.call(call, implementation);
        self.is_observed = is_observed;
    }

    /// Makes a call and records the observations.
    pub fn call(&mut self, call: &Invocation, implementation: Implementation) -> Record {
        let config = self.input(call);
        self.call_with(call, implementation, &config)
    }

    /// The same with another standard input.
    pub fn call_with(&mut self, call: &Invocation, implementation: Implementation, config: &str) -> Record {
        self.number += 1;
        let reply = prepared(call, implementation, config).run(&self.machine);
        if call.verb == "ADD" && reply.code == Some(0) {
            self.results.insert((call.container.clone(), call.interface.clone()), reply.stdout.clone());
        }
        let (mut fields, names) = if self.is_observed {
            state::observe(&self.machine, self.case)
        } else {
            (Fields::new(), Names::default())
        };
        let directory = implementation.directory();
        fields.extend(reply::fields(self.case, &reply, &call.verb, &directory, &names));
        Record { label: format!("{}.{}", self.number, call.verb), fields }
    }

    /// Standard input of a call as it would be made now: the file, with the result of the last ADD in the form that
    /// libcni passes.
    pub fn input(&self, call: &Invocation) -> String {
        let file = self.case.files.get(&call.file);
        let file = file.unwrap_or_else(|| panic!("{} has no {}", self.case.name, call.file));
        let result = self.results.get(&(call.container.clone(), call.interface.clone()));
        let is_old = ["\"0.1.0\"", "\"0.2.0\"", "\"0.3.0\"", "\"0.3.1\""].iter().any(|v| file.contains(v));
        let takes = match call.verb.as_str() {
            "CHECK" => true,
            "DEL" => !is_old,
            "ADD" => call.is_chained,
            _ => false,
        };
        match (result, file.trim_end().strip_suffix('}')) {
            (Some(result), Some(file)) if takes && call.prev_result => {
                format!("{}, \"prevResult\": {result}}}", file.trim_end())
            }
            _ => file.clone(),
        }
    }
}

fn prepared(call: &Invocation, implementation: Implementation, config: &str) -> Call {
    let verb = if call.verb == "NONE" { "" } else { &call.verb };
    let mut prepared = Call::new(&implementation.directory(), &call.plugin, verb, config)
        .container(&call.container)
        .env("CNI_IFNAME", &call.interface);
    if ["GC", "STATUS"].contains(&verb) {
        // As libcni does.
        prepared = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]
            .iter()
            .fold(prepared, |call, name| call.env(name, ""));
    }
    let own = implementation.directory().display().to_string();
    call.env.iter().fold(prepared, |call, (name, value)| call.env(name, &value.replace("$CNI_PATH", &own)))
}
