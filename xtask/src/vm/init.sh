#!/bin/busybox sh
# The first process of the VM, which becomes start.sh in this machine's files. When a command fails, the process ends,
# and the kernel with it.
set -eu
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do
  [ ! -f "$module" ] || insmod "$module"
done
mount -t virtiofs -o ro machine /lower
mount -t tmpfs tmpfs /upper
mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /root
for dir in proc sys dev; do
  mount --move "/$dir" "/root/$dir"
done
# The VM has its own /run, without the sockets of this machine's processes.
mount -t tmpfs -o mode=755 tmpfs /root/run
cp /start /session /root/run/
exec switch_root /root /bin/sh /run/start
