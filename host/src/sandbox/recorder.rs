//! The plan while it is recorded, shared by a plugin and its delegates.

use super::limits::{self, Limits};
use crate::action::completion::Complete;
use crate::action::profile::Place;
use crate::action::{Action, Answer, DeletePortMap, MapPorts, Query};
use crate::cni::{CniError, ErrorKind, Request};
use crate::plan::{DraftPlan, Entry, with_macs};
use crate::value::{Attachment, PluginName, Report};
use serde::{Deserialize, Serialize};
use std::fs::File;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever debugs the plugin.
    Debug,
    /// For whoever reads along.
    Info,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Error,
}

/// What another plugin is.
#[derive(Debug)]
pub enum Loaded {
    /// A component: its machine code.
    Code(File),
    /// An executable, which only the parent can run.
    Native,
}

/// Whom a planner turns to: the parent process across a socket, or a test.
pub trait Upstream: Send {
    /// Answers a question of the plugin `asks`.
    fn ask(&mut self, asks: &PluginName, query: &Query) -> Answer;

    /// The machine code of another plugin, which `caller` delegates to.
    fn load(&mut self, caller: &PluginName, plugin: &PluginName) -> Result<Loaded, CniError>;

    /// Ends a stage: applies what was recorded so far, executes a native plugin, and gives its answer.
    fn delegate(&mut self, plugin: &PluginName, stage: DraftPlan) -> Result<Report, CniError>;

    /// Says something to the host's standard error.
    fn log(&mut self, plugin: &PluginName, level: Level, message: &str);
}

/// What was recorded so far, and everything that outlives one plugin of a request.
pub struct Recorder {
    /// What was asked for.
    pub request: Request,
    /// How much it may take.
    pub limits: Limits,
    /// Who runs: the plugin that the runtime called, and below it the one that it delegates to.
    running: Vec<PluginName>,
    earlier: Vec<Action>,
    entries: Vec<(PluginName, Action)>,
    /// So many of the entries belong to earlier stages.
    applied: usize,
    unreadable: Vec<Query>,
    known: Vec<(PluginName, Query, Answer)>,
    log_bytes: usize,
    delegations: usize,
    upstream: Box<dyn Upstream>,
}

impl Recorder {
    /// Nothing recorded yet, on a machine where `earlier` was done.
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
            delegations: 0,
            upstream,
        }
    }

    /// Whose interface it is.
    pub fn attachment(&self) -> &Attachment {
        &self.request.attachment
    }

    /// Records an action and tells its number.
    pub fn record(&mut self, plugin: &PluginName, action: Action) -> Result<usize, CniError> {
        if self.entries.len() >= self.limits.actions {
            return Err(self.limits.too_many_actions());
        }
        self.entries.push((plugin.clone(), action));
        Ok(self.entries.len() - 1)
    }

    /// The actions so far, in order.
    pub fn actions(&self) -> impl DoubleEndedIterator<Item = &Action> {
        self.entries.iter().map(|(_, action)| action)
    }

    /// The actions before this plan's, then those of it: what facts are overlaid with.
    pub fn done(&self) -> impl DoubleEndedIterator<Item = &Action> {
        self.earlier.iter().chain(self.actions())
    }

    /// An action by its number, to complete it; none when it was applied already.
    pub fn action(&mut self, number: usize) -> Option<&mut Action> {
        let number = number.checked_sub(self.applied)?;
        self.entries.get_mut(self.applied..)?.get_mut(number).map(|(_, action)| action)
    }

    /// A mark for [`Recorder::discard`].
    pub fn mark(&self) -> usize {
        self.entries.len()
    }

    /// Forgets what a delegate recorded that failed.
    pub fn discard(&mut self, mark: usize) {
        self.entries.truncate(mark);
    }

    /// From here on it is a delegate that asks.
    pub fn enter(&mut self, delegate: &PluginName) {
        self.running.push(delegate.clone());
    }

    /// The delegate has ended.
    pub fn leave(&mut self) {
        self.running.pop();
    }

    /// Who runs now.
    fn asks(&self) -> &PluginName {
        self.running.last().unwrap_or(&self.request.plugin)
    }

    /// Asks upstream, each question of a plugin once: it has the same answer throughout a request.
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

    /// An answer, with the recorded actions laid over it. What could not be read is noted in the plan, and counts as absent.
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

    /// Notes that something could not be read.
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

    /// See [`Upstream::delegate`]: what was recorded so far is applied by now, or the request has failed.
    pub fn delegate(&mut self, plugin: &PluginName) -> Result<Report, CniError> {
        let stage = self.stage(Report::default());
        self.applied = self.entries.len();
        self.upstream.delegate(plugin, stage)
    }

    /// See [`Upstream::log`]; what is beyond the limit is dropped, with one note that it was.
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

    /// The plan, or what is left of it after earlier stages.
    ///
    /// Leases come first: everything else is made only once they are ours, and their store is not locked meanwhile.
    pub fn finish(&mut self, report: Report) -> Result<DraftPlan, CniError> {
        let passed = with_macs(report.passed, &self.request.netns, self.actions());
        let mut plan = self.stage(Report { passed, ..report });
        self.make_room(&mut plan)?;
        plan.entries.sort_by_key(|entry| entry.action.kind().profile().lane.place() != Place::Store);
        Ok(plan)
    }

    /// Rules of containers that are no more go before mapped ports that they would keep from being reached.
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

    /// Rules by which ports of the host lead to containers that are no more.
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

    /// The entries that no stage has applied yet, completed, each with its lifetime.
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

    /// Completes the actions that no earlier stage has applied. What follows from what another one gets is known in the next round.
    fn complete(&mut self) {
        // One that follows from another can be that of a third, and so on; no room needs more rounds than there are actions.
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

/// The host answered another question.
pub fn wrong(query: &Query) -> CniError {
    CniError::new(ErrorKind::Bug, format!("the answer to {query:?} has the wrong kind"))
}
