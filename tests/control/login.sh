#!/bin/sh
# A user's login session in namespaces of its own: journald, and `systemd --user`, the real ones.
# The machine keeps its mounts, its cgroups and its processes, and need not run systemd itself.
# usage: unshare --mount --pid --fork --kill-child --mount-proc login.sh enter CGROUP UID
#        unshare --mount login.sh leave CGROUP
set -eu
# Elsewhere than in a mount namespace of its own it would unmount the machine's cgroups.
if [ $# -lt 2 ] || { [ $$ -ne 1 ] \
    && [ "$(readlink /proc/self/ns/mnt)" = "$(readlink "/proc/$PPID/ns/mnt")" ]; }; then
    echo "login.sh: see its head for how it is run" >&2
    exit 2
fi
mount --make-rprivate /
if mountpoint -q /sys/fs/cgroup; then umount --recursive /sys/fs/cgroup; fi
mount -t cgroup2 cgroup2 /sys/fs/cgroup
case $1 in
    enter)
        mkdir "/sys/fs/cgroup/$2"
        echo $$ >"/sys/fs/cgroup/$2/cgroup.procs"
        exec unshare --cgroup "$0" within "$2" "$3"
        ;;
    leave)
        exec find "/sys/fs/cgroup/$2" -depth -type d -exec rmdir {} ";"
        ;;
esac
mount -t tmpfs -o mode=755 tmpfs /run
# sd_booted(3), and a journal in memory that has nothing of this machine's kernel.
mkdir -p /run/systemd/system /run/systemd/journald.conf.d
printf '[Journal]\n%s\n' Storage=volatile ReadKMsg=no Audit=no ForwardToWall=no RateLimitBurst=0 \
    >/run/systemd/journald.conf.d/session.conf
/lib/systemd/systemd-journald &
mkdir -p -m 700 "/run/user/$3" /run/home
mkdir -p /run/dbus
session="/sys/fs/cgroup/user.slice/user-$3.slice/user@$3.service"
mkdir -p "$session"
until [ -S /run/systemd/journal/stdout ]; do sleep 0.02; done
# To the kernel the manager is still whoever started this, so that it can read a checkout in that
# one's home; to itself and to all that it starts it is the user UID, without a capability.
# Told to end it comes back: the user has logged out, and in again.
while :; do
    unshare --user --map-user="$3" --map-group="$3" sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' \
        manager "$session" env -i HOME=/run/home "XDG_RUNTIME_DIR=/run/user/$3" PATH="$PATH" LANG=C.UTF-8 \
        SYSTEMD_LOG_TARGET=journal \
        /lib/systemd/systemd --user
done
