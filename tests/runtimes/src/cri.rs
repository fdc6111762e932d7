//! A small client of the container runtime interface.

use hyper_util::rt::TokioIo;
use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::{
    ContainerConfig, ContainerMetadata, CreateContainerRequest, DnsConfig, ExecSyncRequest, ImageSpec,
    LinuxPodSandboxConfig, ListPodSandboxRequest, PodSandboxConfig, PodSandboxMetadata,
    PodSandboxStatusRequest, PortMapping, RemovePodSandboxRequest, RunPodSandboxRequest,
    StartContainerRequest, StopPodSandboxRequest, VersionRequest,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};

/// The name of the image in all requests.
pub const IMAGE: &str = "localhost/image:latest";

/// A connection, used from one thread.
#[derive(Debug)]
pub struct Cri {
    runtime: Runtime,
    client: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
    cgroup: String,
}

/// The configuration of a pod.
#[derive(Debug, Clone, Default)]
pub struct Pod {
    /// Its name, and its container's host name.
    pub name: String,
    /// `protocol` (0: TCP, 1: UDP), container port, host port.
    pub ports: Vec<(i32, i32, i32)>,
    /// Name servers and search domains.
    pub dns: Option<(Vec<String>, Vec<String>)>,
    /// As for a Kubernetes pod.
    pub annotations: HashMap<String, String>,
}

/// A running pod with its container.
#[derive(Debug, Clone)]
pub struct Running {
    /// The sandbox's ID: `CNI_CONTAINERID`.
    pub sandbox: String,
    /// The container's ID.
    pub container: String,
    /// The addresses according to the runtime, the first one of each family.
    pub addresses: Vec<String>,
}

impl Cri {
    /// None if nobody listens there.
    pub fn connect(socket: &Path, cgroup: &str) -> Option<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        let socket: PathBuf = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { Ok::<_, std::io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) }
        });
        let endpoint = Endpoint::from_static("http://containerd").timeout(Duration::from_secs(60));
        let channel = runtime.block_on(endpoint.connect_with_connector(connector)).ok()?;
        let (client, images) = (RuntimeServiceClient::new(channel.clone()), ImageServiceClient::new(channel));
        Some(Cri { runtime, client, images, cgroup: cgroup.to_owned() })
    }

    /// The runtime's version, once it and its image service answer.
    pub fn version(&mut self) -> Option<String> {
        let Cri { runtime, client, images, .. } = self;
        runtime.block_on(async {
            images.list_images(k8s_cri::v1::ListImagesRequest::default()).await.ok()?;
            let version = client.version(VersionRequest::default()).await.ok()?;
            Some(version.into_inner().runtime_version)
        })
    }

    fn sandbox_config(&self, pod: &Pod) -> PodSandboxConfig {
        let port = |&(protocol, container_port, host_port): &(i32, i32, i32)| PortMapping {
            protocol,
            container_port,
            host_port,
            host_ip: String::new(),
        };
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: pod.name.clone(),
                uid: pod.name.clone(),
                namespace: "default".to_owned(),
                attempt: 0,
            }),
            hostname: pod.name.clone(),
            log_directory: "/run/log".to_owned(),
            dns_config: pod.dns.clone().map(|(servers, searches)| DnsConfig {
                servers,
                searches,
                options: Vec::new(),
            }),
            port_mappings: pod.ports.iter().map(port).collect(),
            annotations: pod.annotations.clone(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("/{}", self.cgroup),
                ..LinuxPodSandboxConfig::default()
            }),
            ..PodSandboxConfig::default()
        }
    }

    /// Starts a sandbox without a container.
    pub fn run_sandbox(&mut self, pod: &Pod) -> Result<String, Status> {
        let request = RunPodSandboxRequest { config: Some(self.sandbox_config(pod)), ..Default::default() };
        let reply = self.runtime.block_on(self.client.run_pod_sandbox(request))?;
        Ok(reply.into_inner().pod_sandbox_id)
    }

    /// Starts a pod with a container that answers with its name.
    pub fn run(&mut self, pod: &Pod) -> Result<Running, Status> {
        let sandbox = self.run_sandbox(pod)?;
        let sandbox_config = Some(self.sandbox_config(pod));
        let Cri { runtime, client, .. } = self;
        runtime.block_on(async {
            let config = ContainerConfig {
                metadata: Some(ContainerMetadata { name: pod.name.clone(), attempt: 0 }),
                image: Some(ImageSpec { image: IMAGE.to_owned(), ..Default::default() }),
                command: ["talk", "serve", &pod.name].map(str::to_owned).to_vec(),
                log_path: format!("{}.log", pod.name),
                ..Default::default()
            };
            let request = CreateContainerRequest {
                pod_sandbox_id: sandbox.clone(),
                config: Some(config),
                sandbox_config,
            };
            let container = client.create_container(request).await?.into_inner().container_id;
            client.start_container(StartContainerRequest { container_id: container.clone() }).await?;
            let request = PodSandboxStatusRequest { pod_sandbox_id: sandbox.clone(), ..Default::default() };
            let status = client.pod_sandbox_status(request).await?.into_inner().status;
            let network = status.and_then(|status| status.network).unwrap_or_default();
            let others = network.additional_ips.into_iter().map(|other| other.ip);
            let addresses = std::iter::once(network.ip).chain(others).collect();
            Ok(Running { sandbox, container, addresses })
        })
    }

    /// Runs a command in a container; returns its output, or the error.
    pub fn exec(&mut self, running: &Running, command: &[&str]) -> Result<String, String> {
        let request = ExecSyncRequest {
            container_id: running.container.clone(),
            cmd: command.iter().map(|word| (*word).to_owned()).collect(),
            timeout: 20,
        };
        let reply = self.runtime.block_on(self.client.exec_sync(request));
        let reply = reply.map_err(|status| status.to_string())?.into_inner();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if reply.exit_code == 0 { Ok(text(&reply.stdout)) } else { Err(text(&reply.stderr)) }
    }

    /// The name of the container that answers, asked from a container.
    pub fn who(&mut self, from: &Running, protocol: &str, address: &str) -> String {
        let answer = self.exec(from, &["talk", "ask", protocol, address]).unwrap_or_default();
        answer.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Stops and removes a sandbox.
    pub fn remove(&mut self, sandbox: &str) -> Result<(), Status> {
        let Cri { runtime, client, .. } = self;
        let pod_sandbox_id = sandbox.to_owned();
        runtime.block_on(async {
            client.stop_pod_sandbox(StopPodSandboxRequest { pod_sandbox_id: pod_sandbox_id.clone() }).await?;
            client.remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id }).await?;
            Ok(())
        })
    }

    /// The sandboxes that the runtime knows.
    pub fn sandboxes(&mut self) -> Result<Vec<String>, Status> {
        let listed = self.runtime.block_on(self.client.list_pod_sandbox(ListPodSandboxRequest::default()))?;
        Ok(listed.into_inner().items.into_iter().map(|sandbox| sandbox.id).collect())
    }
}
