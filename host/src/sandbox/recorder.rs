//! The plan while it is recorded. A plugin and its delegates share it.

use super::limits::{self, Limits};
use crate::action::completion::Complete;
use crate::action::profile::Place;
use crate::action::{Action, Answer, DeletePortMap, MapPorts, Query};
use crate::cni::{CniError, ErrorKind, Request};
use crate::plan::{DraftPlan, Entry, with_macs};
use crate::value::{Attachment, PluginName, Report};
use serde::{Deserialize, Serialize};
use std::fs::File;

/// The level of a log message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Details for the author of the plugin.
    Debug,
    /// Normal progress.
    Info,
    /// Something is unusual.
    Warn,
    /// Something failed.
    Error,
}

/// Another plugin.
#[derive(Debug)]
pub enum Loaded {
    /// The machine code of a component.
    Code(File),
    /// An executable. Only the parent can execute it.
    Native,
}

/// The source of answers and code for a recorder: the parent process behind a socket, or a test.
pub trait Upstream: Send {
    /// Answers a query of the plugin `asks`.
    fn ask(&mut self, asks: &PluginName, query: &Query) -> Answer;

    /// The machine code of another plugin, to which `caller` delegates.
    fn load(&mut self, caller: &PluginName, plugin: &PluginName) -> Result<Loaded, CniError>;

    /// Ends a stage: applies the actions recorded so far, executes a native plugin, and returns its result.
    fn delegate(&mut self, plugin: &PluginName, stage: DraftPlan) -> Result<Report, CniError>;

    /// Writes a message to the host's standard error.
    fn log(&mut self, plugin: &PluginName, level: Level, message: &str);
}

/// The actions recorded so far, and all state that the plugins of a request share.
pub struct Recorder {
    /// The request.
    pub request: Request,
    /// The limits of the request.
    pub limits: Limits,
    /// The running plugins: the one that the runtime called, then its delegate, and so on.
    running: Vec<PluginName>,
    earlier: Vec<Action>,
    entries: Vec<(PluginName, Action)>,
    /// The number of entries that belong to earlier stages.
    applied: usize,
    unreadable: Vec<Query>,
    known: Vec<(PluginName, Query, Answer)>,
    log_bytes: usize,
    /// The codes of the errors that the host and delegates raised.
    raised: Vec<u32>,
    delegations: usize,
    upstream: Box<dyn Upstream>,
}

impl Recorder {
    /// An empty plan for a machine on which the actions `earlier` are applied.
    pub fn new(request: Request, limits: Limits, earlier: Vec<Action>, upstream: Box<dyn Upstream>) -> Self {
        Recorder {
            limits,
            running: vec![request.plugin.clone()],
            request,
            earlier,
            entries: Vec::new(),
            applied: 0,
            unreadable: Vec::new(),
            known: Vec::new(),
            log_bytes: 0,
            raised: Vec::new(),
            delegations: 0,
            upstream,
        }
    }

    /// The attachment of the request.
    pub fn attachment(&self) -> &Attachment {
        &self.request.attachment
    }

    /// Records an action and returns its number.
    pub fn record(&mut self, plugin: &PluginName, action: Action) -> Result<usize, CniError> {
        if self.entries.len() >= self.limits.actions {
            return Err(self.limits.too_many_actions());
        }
        self.entries.push((plugin.clone(), action));
        Ok(self.entries.len() - 1)
    }

    /// The recorded actions, in order.
    pub fn actions(&self) -> impl DoubleEndedIterator<Item = &Action> {
        self.entries.iter().map(|(_, action)| action)
    }

    /// The earlier actions, followed by the recorded ones. Facts are answered with these applied.
    pub fn done(&self) -> impl DoubleEndedIterator<Item = &Action> {
        self.earlier.iter().chain(self.actions())
    }

    /// The action of a number, for its setters. `None` if an earlier stage applied it.
    pub fn action(&mut self, number: usize) -> Option<&mut Action> {
        let number = number.checked_sub(self.applied)?;
        self.entries.get_mut(self.applied..)?.get_mut(number).map(|(_, action)| action)
    }

    /// A mark for [`Recorder::discard`].
    pub fn mark(&self) -> usize {
        self.entries.len()
    }

    /// Discards the actions after a mark, because their delegate failed.
    pub fn discard(&mut self, mark: usize) {
        self.entries.truncate(mark);
    }

    /// Makes a delegate the running plugin.
    pub fn enter(&mut self, delegate: &PluginName) {
        self.running.push(delegate.clone());
    }

    /// Ends the delegate.
    pub fn leave(&mut self) {
        self.running.pop();
    }

    /// The plugin that runs now.
    fn asks(&self) -> &PluginName {
        self.running.last().unwrap_or(&self.request.plugin)
    }

    /// Asks upstream. It asks each query of a plugin only once, so the answer stays the same during a request.
    pub fn ask(&mut self, query: Query) -> Result<Answer, CniError> {
        let asks = self.asks().clone();
        if let Some((_, _, answer)) = self.known.iter().find(|(by, known, _)| *by == asks && *known == query)
        {
            return Ok(answer.clone());
        }
        if self.known.len() >= limits::QUESTIONS {
            return Err(limits::exceeded("questions about the machine", limits::QUESTIONS));
        }
        let answer = self.upstream.ask(&asks, &query);
        self.known.push((asks, query, answer.clone()));
        Ok(answer)
    }

    /// Answers a query with the recorded actions applied. A fact that cannot be read is listed in the plan and counts
    /// as absent.
    pub fn look(&mut self, query: &Query) -> Result<Answer, CniError> {
        let mut answer = self.ask(query.clone())?;
        if answer.is_unreadable() {
            self.mark_unreadable(query.clone());
            answer = answer.or_absent();
        }
        if let Answer::Failed(text) = answer {
            return Err(CniError::new(ErrorKind::Refused, text));
        }
        self.done().for_each(|action| action.kind().overlay(query, &mut answer));
        Ok(answer)
    }

    /// Adds a query to the list of those that could not be read.
    pub fn mark_unreadable(&mut self, query: Query) {
        if !self.unreadable.contains(&query) {
            self.unreadable.push(query);
        }
    }

    /// See [`Upstream::load`].
    pub fn load(&mut self, plugin: &PluginName) -> Result<Loaded, CniError> {
        self.delegations += 1;
        if self.delegations > limits::DELEGATIONS {
            return Err(limits::exceeded("calls of delegates", limits::DELEGATIONS));
        }
        let caller = self.asks().clone();
        self.upstream.load(&caller, plugin)
    }

    /// See [`Upstream::delegate`]. After it, the actions recorded so far are applied, or the request has failed.
    pub fn delegate(&mut self, plugin: &PluginName) -> Result<Report, CniError> {
        let stage = self.stage(Report::default());
        self.applied = self.entries.len();
        self.upstream.delegate(plugin, stage)
    }

    /// Notes an error that the plugin gets from the host or from a delegate. The plugin may pass it on.
    pub fn raise(&mut self, error: &CniError) {
        self.raised.push(error.code);
    }

    /// Whether the plugin, or a plugin that delegates to it, got an error with this code.
    pub fn has_raised(&self, code: u32) -> bool {
        self.raised.contains(&code)
    }

    /// See [`Upstream::log`]. Text beyond the limit is dropped, with one note.
    pub fn log(&mut self, plugin: &PluginName, level: Level, message: &str) {
        let most = self.limits.log_bytes;
        for line in message.lines() {
            let Some(room) = most.checked_sub(self.log_bytes) else { return };
            self.log_bytes = self.log_bytes.saturating_add(line.len().max(limits::LOG_LINE_BYTES));
            let line = line.get(..line.floor_char_boundary(room)).unwrap_or_default();
            self.upstream.log(plugin, level, line);
            if self.log_bytes > most {
                let note = format!("the rest of the log is dropped: it is limited to {} KiB", most >> 10);
                self.upstream.log(plugin, Level::Warn, &note);
            }
        }
    }

    /// The plan, without the entries of earlier stages.
    ///
    /// Leases come first, so that nothing is created before the addresses are reserved. And the lock of the lease
    /// store is not held while the host creates the rest.
    pub fn finish(&mut self, report: Report) -> Result<DraftPlan, CniError> {
        let passed = with_macs(report.passed, &self.request.netns, self.actions());
        let mut plan = self.stage(Report { passed, ..report });
        self.make_room(&mut plan)?;
        plan.entries.sort_by_key(|entry| entry.action.kind().profile().lane.place() != Place::Store);
        Ok(plan)
    }

    /// Inserts deletions of stale port rules before the actions that map the same ports. The kernel would match the
    /// stale rules first.
    fn make_room(&mut self, plan: &mut DraftPlan) -> Result<(), CniError> {
        let mut entries = Vec::with_capacity(plan.entries.len());
        for entry in std::mem::take(&mut plan.entries) {
            if let Action::MapPorts(ports) = &entry.action {
                for map in self.stale_ports(ports)? {
                    entries.push(Entry { action: Action::DeletePortMap(map), ..entry.clone() });
                }
            }
            entries.push(entry);
        }
        plan.entries = entries;
        Ok(())
    }

    /// The stale rules: they map ports of the host to containers that no longer exist.
    fn stale_ports(&mut self, ports: &MapPorts) -> Result<Vec<DeletePortMap>, CniError> {
        let mut numbers: Vec<u16> = ports.mappings.iter().map(|mapping| mapping.host_port).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let query =
            Query::StalePorts { backend: ports.backend, is_ipv4: ports.address.is_ipv4(), ports: numbers };
        match self.look(&query)? {
            Answer::PortOwners(owners) => Ok(owners.into_iter().map(|owner| owner.map).collect()),
            _ => Err(wrong(&query)),
        }
    }

    /// The plan of the entries that no stage has applied, completed, each with its lifetime.
    fn stage(&mut self, report: Report) -> DraftPlan {
        self.complete();
        let entry = |(plugin, action): &(PluginName, Action)| Entry {
            plugin: plugin.clone(),
            lifetime: action.kind().profile().lifetime(self.actions()),
            action: action.clone(),
        };
        DraftPlan {
            entries: self.entries.iter().skip(self.applied).map(entry).collect(),
            report,
            unreadable: self.unreadable.clone(),
        }
    }

    /// Completes the actions that no earlier stage has applied. A completed value can determine another one, which
    /// the next round completes.
    fn complete(&mut self) {
        // Such dependencies form chains. A chain cannot have more rounds than there are actions.
        for _ in 0..=self.entries.len() {
            let actions: Vec<&Action> = self.actions().collect();
            let plan = Complete { attachment: self.attachment(), actions: &actions };
            let of_plan = actions.iter().enumerate().skip(self.applied);
            let completed: Vec<(usize, Action)> = of_plan
                .filter_map(|(number, action)| Some((number, action.kind().completed(&plan)?)))
                .collect();
            if completed.is_empty() {
                return;
            }
            for (number, completed) in completed {
                if let Some((_, action)) = self.entries.get_mut(number) {
                    *action = completed;
                }
            }
        }
    }
}

/// The error for an answer to another query.
pub fn wrong(query: &Query) -> CniError {
    CniError::new(ErrorKind::Bug, format!("the answer to {query:?} has the wrong kind"))
}
