//! Each permit without what makes it one.

use wasm_cni::apply::{Header, Remains, Section};
use wasm_cni::plan::{CheckedPlan, DraftPlan};

fn plan(draft: DraftPlan) -> CheckedPlan {
    CheckedPlan { draft, tolerated: Vec::new(), warnings: Vec::new() }
}

fn section(header: Header) -> Section {
    Section { header, steps: Vec::new(), report: None, path: "/journal".into() }
}

fn remains() -> Remains {
    Remains { undos: Vec::new(), unread: Vec::new() }
}

fn main() {}
