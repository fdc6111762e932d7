# Prepares the machine, then runs the session. Serial lines: 0 for the kernel, 1 for the session's output, 2 for its exit
# status.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mkdir /dev/shm /dev/pts /run/lock /run/netns
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t devpts devpts /dev/pts
ip link set lo up
stty -F /dev/ttyS1 raw
status=0
sh /run/session </dev/null >/dev/ttyS1 2>&1 || status=$?
# Waits until all output is sent.
stty -F /dev/ttyS1 raw
echo "$status" >/dev/ttyS2
stty -F /dev/ttyS2 raw
echo o >/proc/sysrq-trigger
# The power-off takes a moment, and the first process must not end before it.
sleep 60
