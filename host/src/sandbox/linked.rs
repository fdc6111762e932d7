//! The linker, shared by a plugin and its delegates, so that each interface is linked once. Also the preloaded
//! delegates.

use crate::value::PluginName;
use std::collections::{BTreeMap, BTreeSet};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};

/// A linker for stores with data `G`. It has the interfaces that components imported so far.
pub struct Linked<G: 'static> {
    linker: Linker<G>,
    /// The interfaces that are linked completely.
    complete: BTreeSet<String>,
    preloaded: BTreeMap<PluginName, Component>,
}

impl<G> Linked<G> {
    /// A linker without interfaces.
    pub fn new(engine: &Engine) -> Self {
        let mut linker = Linker::new(engine);
        // Of an interface whose functions trap, only the imported functions are linked. So the next component may
        // link some of them again.
        linker.allow_shadowing(true);
        Linked { linker, complete: BTreeSet::new(), preloaded: BTreeMap::new() }
    }

    /// Keeps the loaded component of a plugin to which a delegation is likely.
    pub fn keep(&mut self, plugin: PluginName, component: Component) {
        self.preloaded.insert(plugin, component);
    }

    /// The loaded component of a plugin, if it was kept. A request uses only one component of each name.
    pub fn kept(&self, plugin: &PluginName) -> Option<Component> {
        self.preloaded.get(plugin).cloned()
    }

    /// Links the imports of a component. It links only those, because linking everything takes longer than running a
    /// plugin.
    ///
    /// `link` links one interface by its name. It returns whether it linked all of the interface, or only what that
    /// component imports.
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

    /// Resolves the imports of a component, so that it can be instantiated.
    pub fn prepare(&self, component: &Component) -> wasmtime::Result<InstancePre<G>> {
        self.linker.instantiate_pre(component)
    }
}
