//! A permit of one's own, and the seal of it.

use wasm_cni::action::context::{Permit, sealed::Sealed};

struct Mine;

impl Permit for Mine {}

struct Sealing;

impl Sealed for Sealing {}

fn main() {}
