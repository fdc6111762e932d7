//! The image of all containers: Debian's `busybox-static`, and `talk`, which answers clients.

use crate::Node;

/// The root file system on a node.
pub const ROOT: &str = "/run/image";

/// The program that serves and asks, also on the node.
pub const TALK: &str = "/run/image/bin/talk";

/// Makes the root file system.
pub fn make(node: &Node, talk: &str) {
    node.sh(&format!(
        "mkdir -p {ROOT}/bin {ROOT}/tmp {ROOT}/etc; cp /bin/busybox {talk} {ROOT}/bin/; \
         chroot {ROOT} /bin/busybox --install -s /bin"
    ));
}

/// The image as an archive.
pub const ARCHIVE: &str = "/run/image/image.tar";

/// Makes the archive: one layer, in OCI layout. Its default command sleeps.
pub fn archive(node: &Node) {
    node.sh(&format!(
        r#"set -e
dir=$(mktemp -d); blobs=$dir/blobs/sha256; mkdir -p $blobs
tar -C {ROOT} --exclude ./image.tar -cf $dir/layer .
put() {{ digest=$(sha256sum < $1 | cut -d' ' -f1); size=$(stat -c %s $1); mv $1 $blobs/$digest; }}
put $dir/layer; layer=$digest; layer_size=$size
cat > $dir/config <<END
{{"architecture": "$(dpkg --print-architecture)", "os": "linux", "config": {{"Entrypoint": ["/bin/sleep", "100000"], "Env": ["PATH=/bin"]}},
 "rootfs": {{"type": "layers", "diff_ids": ["sha256:$layer"]}}}}
END
put $dir/config
cat > $dir/manifest <<END
{{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
 "config": {{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:$digest", "size": $size}},
 "layers": [{{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:$layer", "size": $layer_size}}]}}
END
put $dir/manifest
cat > $dir/index.json <<END
{{"schemaVersion": 2, "manifests": [{{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:$digest", "size": $size,
 "annotations": {{"io.containerd.image.name": "localhost/image:latest", "org.opencontainers.image.ref.name": "latest"}}}}]}}
END
echo '{{"imageLayoutVersion": "1.0.0"}}' > $dir/oci-layout
tar -C $dir -cf {ARCHIVE} . && rm -r $dir"#
    ));
}
