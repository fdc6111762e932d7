//! `nat`: address translation.

use super::wit::nat::Host;
use super::wit::types::Prefix;
use crate::plan::action::Masquerade;
use crate::plan::{Action, derive};
use crate::sandbox::guest::Guest;
use crate::sandbox::lower;

impl Host for Guest {
    fn masquerade(&mut self, address: Prefix) -> wasmtime::Result<()> {
        let address = lower::prefix(address)?;
        let (chain, comment) = {
            let recorder = self.recorder();
            (derive::chain(recorder.attachment()), derive::comment(recorder.attachment()))
        };
        self.record(Action::Masquerade(Masquerade { address, chain, comment }))?;
        Ok(())
    }
}
