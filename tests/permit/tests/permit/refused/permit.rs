//! A permit of one's own, and the seal of it.

use wasm_cni::action::context::{Permit, sealed::PermitSeal};

struct Mine;

impl Permit for Mine {}

struct Sealing;

impl PermitSeal for Sealing {}

fn main() {}
