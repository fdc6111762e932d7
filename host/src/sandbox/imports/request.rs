//! `request`: the request of the runtime.

use super::wit::answers::Answer;
use super::wit::request::Host;
use crate::cni::{Command, Request};
use crate::sandbox::guest::Guest;
use wasmtime::component::Resource;

impl Host for Guest {
    fn config(&mut self) -> wasmtime::Result<String> {
        Ok(self.recorder().request.config.clone())
    }

    fn previous(&mut self) -> wasmtime::Result<Option<Resource<Answer>>> {
        let previous = self.recorder().request.previous();
        Ok(previous.map(|previous| self.answers.push(previous)).transpose()?)
    }

    fn network(&mut self) -> wasmtime::Result<String> {
        Ok(self.recorder().attachment().network.to_string())
    }

    fn cni_version(&mut self) -> wasmtime::Result<String> {
        Ok(self.recorder().request.cni_version.clone())
    }

    fn container_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.of_attachment(|request| request.attachment.container.as_str()))
    }

    fn interface_name(&mut self) -> wasmtime::Result<String> {
        Ok(self.of_attachment(|request| request.attachment.interface.as_str()))
    }

    fn args(&mut self) -> wasmtime::Result<String> {
        Ok(self.of_attachment(|request| &request.args))
    }
}

impl Guest {
    /// A value that only a call for an attachment has. It is empty for STATUS.
    fn of_attachment(&self, text: impl Fn(&Request) -> &str) -> String {
        let recorder = self.recorder();
        match recorder.request.command {
            Command::Status => String::new(),
            _ => text(&recorder.request).to_owned(),
        }
    }
}
