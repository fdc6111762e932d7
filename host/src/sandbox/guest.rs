//! One plugin being run: all that its host functions reach.

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

/// The data of a store.
pub struct Guest {
    /// Its name: what its actions are recorded under.
    pub plugin: PluginName,
    /// 0 for the plugin that the runtime called, 1 for its delegate.
    pub depth: usize,
    /// For delegates.
    pub engine: Engine,
    linked: Arc<Mutex<Linked<Guest>>>,
    /// What it has of WASI.
    pub wasi: Wasi,
    /// What it has of memory.
    pub memory: Memory,
    /// `links.link`.
    pub links: Handles<Link>,
    /// `addresses.address`, `routes.route`, `nat.masquerade`: numbers of actions.
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
    /// What it reports.
    pub report: DraftReport,
    recorder: Arc<Mutex<Recorder>>,
}

impl Guest {
    /// A plugin that has done nothing yet.
    pub fn new(plugin: PluginName, depth: usize, engine: Engine, recorder: Arc<Mutex<Recorder>>) -> Self {
        let linked = Arc::new(Mutex::new(Linked::new(&engine)));
        Guest::with(plugin, depth, engine, linked, recorder)
    }

    /// The same with what is linked already.
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

    /// The plan so far. Not held while a guest runs, or the delegate could not record.
    pub fn recorder(&self) -> MutexGuard<'_, Recorder> {
        lock(&self.recorder)
    }

    /// What is linked so far. Not held while a guest runs, or a delegate could not be linked.
    pub fn linked(&self) -> MutexGuard<'_, Linked<Guest>> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delegate of this plugin, which records into the same plan.
    pub fn delegate(&self, plugin: PluginName) -> Guest {
        let (linked, recorder) = (Arc::clone(&self.linked), Arc::clone(&self.recorder));
        Guest::with(plugin, self.depth + 1, self.engine.clone(), linked, recorder)
    }

    /// Records an action under this plugin's name, and gives its number, by which it is completed.
    pub fn record(&self, action: impl Into<Action>) -> Result<usize, CniError> {
        self.recorder().record(&self.plugin, action.into())
    }

    /// Records an action that is complete.
    pub fn plan(&self, action: impl Into<Action>) -> wasmtime::Result<()> {
        self.record(action)?;
        Ok(())
    }

    /// Records an action that its handle completes.
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
