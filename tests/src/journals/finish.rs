//! The verb that comes after an ADD, and undoes it.

use super::Scene;
use super::scene::REFUSING;
use crate::Reply;
use crate::differential::case::Invocation;
use serde_json::{Value, json};

/// The verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finish {
    /// DEL, as runtimes call it. For an ADD that did not end it also removes what follows from the names.
    Del,
    /// DEL without the container's namespace.
    DelWithoutNetns,
    /// The next ADD, whose plan is refused. It first undoes the journal, and does nothing else.
    RefusedAdd,
    /// The next ADD, which succeeds.
    Add,
    /// GC, with the other containers' attachments as the valid ones.
    Gc,
}

impl Finish {
    /// Makes the call.
    pub fn make(self, scene: &Scene<'_>, of: &Invocation) -> Reply {
        let call = |verb| scene.call(verb, of, None);
        let call = match self {
            Finish::Del => call("DEL"),
            Finish::DelWithoutNetns => call("DEL").env("CNI_NETNS", ""),
            Finish::Add => call("ADD"),
            Finish::RefusedAdd => call("ADD").env("WASM_CNI_POLICY", REFUSING),
            Finish::Gc => {
                let others = scene.containers().filter(|container| *container != of.container);
                let others: Vec<Value> = others
                    .map(|container| json!({"containerID": container, "ifname": of.interface}))
                    .collect();
                let keys = json!({"cniVersion": "1.1.0", "cni.dev/valid-attachments": others});
                let call = scene.call("GC", of, Some(&keys));
                ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]
                    .iter()
                    .fold(call, |call, name| call.env(name, ""))
            }
        };
        call.run_patiently(&scene.machine)
    }

    /// Why the reply is wrong; none if it is correct.
    pub fn refutes(self, reply: &Reply) -> Option<String> {
        let is_right = match self {
            Finish::RefusedAdd => reply.code == Some(1) && reply.stdout.contains("policy refuses"),
            _ => reply.code == Some(0),
        };
        let text = || format!("{self:?}: exit {:?}\n{}{}", reply.code, reply.stdout, reply.stderr);
        // The host must understand the journal; otherwise the test proves nothing.
        (!is_right || reply.stderr.contains("kept aside")).then(text)
    }
}
