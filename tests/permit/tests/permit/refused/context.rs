//! A context without a permit, and a permit of nothing.

use wasm_cni::action::context::{Notes, WriteContext};
use wasm_cni::apply::Remains;
use wasm_cni::machine::port::Machine;

fn context<'m>(machine: &'m mut dyn Machine, notes: &'m mut Notes) -> WriteContext<'m> {
    WriteContext { machine, notes }
}

fn remains() -> Remains {
    Remains::default()
}

fn main() {}
