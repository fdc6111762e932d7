//! What is linked: the contract and WASI, once for a plugin and its delegates; and the delegates that are loaded already.

use crate::value::PluginName;
use std::collections::{BTreeMap, BTreeSet};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};

/// A linker for stores with that data, with the interfaces that components have imported so far.
pub struct Linked<G: 'static> {
    linker: Linker<G>,
    /// Those that are linked in whole.
    complete: BTreeSet<String>,
    preloaded: BTreeMap<PluginName, Component>,
}

impl<G> Linked<G> {
    /// Nothing yet.
    pub fn new(engine: &Engine) -> Self {
        let mut linker = Linker::new(engine);
        // Of an interface that only traps, each component brings the functions that it imports.
        linker.allow_shadowing(true);
        Linked { linker, complete: BTreeSet::new(), preloaded: BTreeMap::new() }
    }

    /// Keeps a component that a plugin will probably delegate to.
    pub fn keep(&mut self, plugin: PluginName, component: Component) {
        self.preloaded.insert(plugin, component);
    }

    /// The component of a plugin, if it was kept: there is no other of that name in a request.
    pub fn kept(&self, plugin: &PluginName) -> Option<Component> {
        self.preloaded.get(plugin).cloned()
    }

    /// Links what a component imports: only that, for linking all takes longer than running a plugin.
    ///
    /// `link` links an interface by its name, and tells whether all of it or as much as that component imports.
    pub fn link(
        &mut self,
        component: &Component,
        link: impl Fn(&mut Linker<G>, &str, &ComponentItem) -> wasmtime::Result<bool>,
    ) -> wasmtime::Result<()> {
        let engine = self.linker.engine().clone();
        for (name, import) in component.component_type().imports(&engine) {
            if !self.complete.contains(name) && link(&mut self.linker, name, &import.ty)? {
                self.complete.insert(name.to_owned());
            }
        }
        Ok(())
    }

    /// A component with its imports, ready to be made an instance of.
    pub fn prepare(&self, component: &Component) -> wasmtime::Result<InstancePre<G>> {
        self.linker.instantiate_pre(component)
    }
}
