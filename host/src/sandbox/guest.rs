//! A running plugin: the state that its host functions use.

use super::bindings::wasm_cni::plugin::links;
use super::handle::Handles;
use super::limits::Memory;
use super::link::Link;
use super::linked::Linked;
use super::recorder::Recorder;
use super::report::DraftReport;
use super::wasi::Wasi;
use crate::action::Action;
use crate::cni::CniError;
use crate::value::{LinkFact, LinkRef, PluginName, Report, StoreRef};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::Engine;
use wasmtime::component::Resource;

/// The data of a wasmtime store.
pub struct Guest {
    /// The plugin's name. Its actions are recorded under this name.
    pub plugin: PluginName,
    /// The depth of delegation: 0 for the plugin that the runtime called, 1 for its delegate.
    pub depth: usize,
    /// The engine, for running delegates.
    pub engine: Engine,
    linked: Arc<Mutex<Linked<Guest>>>,
    /// The WASI state.
    pub wasi: Wasi,
    /// The memory in use.
    pub memory: Memory,
    /// `links.link`.
    pub links: Handles<Link>,
    /// `addresses.address`, `routes.route`, `nat.masquerade`, `nat.port-map`: the numbers of their actions.
    pub drafts: Handles<usize>,
    /// `leases.store`.
    pub stores: Handles<StoreRef>,
    /// `answers.answer`.
    pub answers: Handles<Report>,
    /// `observe.link-info`.
    pub infos: Handles<LinkFact>,
    /// `results.ip`: indexes into the report.
    pub report_ips: Handles<usize>,
    /// `results.route`: indexes into the report.
    pub report_routes: Handles<usize>,
    /// The report so far.
    pub report: DraftReport,
    recorder: Arc<Mutex<Recorder>>,
}

impl Guest {
    /// A plugin that has not run yet.
    pub fn new(plugin: PluginName, depth: usize, engine: Engine, recorder: Arc<Mutex<Recorder>>) -> Self {
        let linked = Arc::new(Mutex::new(Linked::new(&engine)));
        Guest::with(plugin, depth, engine, linked, recorder)
    }

    /// The same, with a linker that may already have interfaces.
    pub fn with(
        plugin: PluginName,
        depth: usize,
        engine: Engine,
        linked: Arc<Mutex<Linked<Guest>>>,
        recorder: Arc<Mutex<Recorder>>,
    ) -> Self {
        let memory = Memory::new(lock(&recorder).limits.memory_bytes);
        Guest {
            plugin,
            depth,
            engine,
            linked,
            wasi: Wasi::default(),
            memory,
            links: Handles::default(),
            drafts: Handles::default(),
            stores: Handles::default(),
            answers: Handles::default(),
            infos: Handles::default(),
            report_ips: Handles::default(),
            report_routes: Handles::default(),
            report: DraftReport::default(),
            recorder,
        }
    }

    /// The plan so far. Callers must not hold the lock while a guest runs, because a delegate records into the same
    /// plan.
    pub fn recorder(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.recorder)
    }

    /// The linker. Callers must not hold the lock while a guest runs, because a delegate needs the linker too.
    pub fn linked(&self) -> MutexGuard<'_, Linked<Guest>> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delegate of this plugin. It records into the same plan.
    pub fn delegate(&self, plugin: PluginName) -> Guest {
        let (linked, recorder) = (Arc::clone(&self.linked), Arc::clone(&self.recorder));
        Guest::with(plugin, self.depth + 1, self.engine.clone(), linked, recorder)
    }

    /// Records an action under this plugin's name. Returns its number, by which setters complete the action.
    pub fn record(&self, action: impl Into<Action>) -> Result<usize, CniError> {
        self.recorder().record(&self.plugin, action.into())
    }

    /// Records an action that is complete.
    pub fn plan(&self, action: impl Into<Action>) -> wasmtime::Result<()> {
        self.record(action)?;
        Ok(())
    }

    /// Records an action, and returns a handle whose setters complete it.
    pub fn draft<T>(&mut self, action: impl Into<Action>) -> wasmtime::Result<Resource<T>> {
        let action = self.record(action)?;
        Ok(self.drafts.push(action)?)
    }

    /// The link of a handle.
    pub fn link(&self, link: &Resource<links::Link>) -> wasmtime::Result<LinkRef> {
        Ok(self.links.get(link)?.link.clone())
    }
}

fn lock(recorder: &Mutex<Recorder>) -> MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}
