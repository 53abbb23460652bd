#!/bin/sh
# with-user-manager.sh - runs a command as a made-up user beside a systemd user manager of that user's own.
#
#   with-user-manager.sh [--local DIR] [--] COMMAND [ARGUMENT...]
#
# --local DIR: what is in DIR is laid over /usr/local for the command and the manager.
#
# For root, on machines whose PID 1 need not be systemd. Everything happens in namespaces of its own (mounts,
# processes, network, IPC, control groups), so nothing outside changes, ports never collide, and the end of the
# command ends all that it left behind. Exits as the command did; 125 when this machine cannot do it.
set -eu

name=mfadtest
uid=59000 # below 61184: from there on journald takes users for dynamic ones, who may not read their messages
runtime=/run/user/$uid
home=/home/$name

cannot() {
        printf 'with-user-manager: %s\n' "$*" >&2
        exit 125
}

# ---- inside: PID 1 of the new namespaces --------------------------------------------------------

# Whatever is written below $1 from now on stays in memory.
overlay() {
        layer=/run/layers$(printf '%s' "$1" | tr / .)
        mkdir -p "$layer/upper" "$layer/work"
        mount -t overlay -o "lowerdir=$1,upperdir=$layer/upper,workdir=$layer/work" overlay "$1"
}

# What a booted system has, as far as a user manager, its sandbox directives and journald look at it.
lay_out() {
        mount --make-rprivate /
        mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
        mkdir -p /run/systemd/system /run/systemd/journald.conf.d /run/systemd/journal /run/credentials "$runtime"
        mkdir -m 0700 /run/systemd/unit-root
        mount -t tmpfs -o "mode=700,nosuid,nodev,uid=$uid,gid=$uid" tmpfs "$runtime"
        mount -t tmpfs -o mode=755 tmpfs /home
        mkdir -m 0700 "$home"
        chown "$uid:$uid" "$home"
        mount -t tmpfs -o mode=755 tmpfs /var/log
        mkdir /var/log/journal

        overlay /etc
        echo "$name:x:$uid:$uid::$home:/bin/sh" >>/etc/passwd
        echo "$name:x:$uid:" >>/etc/group
        rm -f /etc/machine-id
        tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
        overlay /var/lib/systemd
        overlay /usr/local
        [ -z "$local_dir" ] || cp -R --preserve=mode "$local_dir/." /usr/local/

        ip link set lo up
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        groups=/sys/fs/cgroup/user.slice/user-$uid.slice # as logind names them: journald reads units out of it
        mkdir -p "$groups/session-1.scope" "$groups/user@$uid.service" /sys/fs/cgroup/system.slice/journald.service
        chown "$uid:$uid" "$groups/user@$uid.service" "$groups/user@$uid.service/cgroup.procs" \
                "$groups/user@$uid.service/cgroup.subtree_control"
}

# in_group GROUP COMMAND...
in_group() {
        echo 0 >"$1/cgroup.procs"
        shift
        exec "$@"
}

as_user() {
        exec setpriv --reuid "$uid" --regid "$uid" --init-groups --inh-caps=-all env -i "HOME=$home" "USER=$name" \
                "LOGNAME=$name" SHELL=/bin/sh LANG=C.UTF-8 "XDG_RUNTIME_DIR=$runtime" \
                PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$@"
}

# wait_for COMMAND...: until it succeeds, 20 seconds at most.
wait_for() {
        n=0
        until "$@" 2>/dev/null; do
                n=$((n + 1))
                [ "$n" -le 1000 ] || return 1
                sleep 0.02
        done
}

inside() {
        lay_out
        # only this storage is kept apart by user, without which they could not read their own messages
        printf '[Journal]\nStorage=persistent\nSplitMode=uid\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\n' \
                >/run/systemd/journald.conf.d/test.conf
        : >/run/systemd/journal/flushed
        (in_group /sys/fs/cgroup/system.slice/journald.service /lib/systemd/systemd-journald) \
                >/run/journald.log 2>&1 </dev/null &
        wait_for test -S /run/systemd/journal/stdout || {
                cat /run/journald.log >&2
                cannot "journald does not start"
        }
        cd /
        (
                echo 0 >"$groups/user@$uid.service/cgroup.procs"
                as_user SYSTEMD_LOG_TARGET=journal /lib/systemd/systemd --user
        ) >/run/manager.log 2>&1 </dev/null &
        wait_for test -S "$runtime/systemd/private" || {
                cat /run/manager.log >&2
                cannot "the user manager does not start"
        }
        (as_user timeout 20 systemctl --user is-system-running --wait) >/dev/null 2>&1 || :
        code=0
        bus=
        [ ! -S "$runtime/bus" ] || bus=DBUS_SESSION_BUS_ADDRESS=unix:path=$runtime/bus
        (
                echo 0 >"$groups/session-1.scope/cgroup.procs"
                as_user ${bus:+"$bus"} "$@"
        ) || code=$?
        exit "$code" # and with PID 1 goes everything else
}

# ---- outside ------------------------------------------------------------------------------------

# shellcheck disable=SC2317 # the trap below calls it
clean_up() {
        [ -z "$child" ] || kill -KILL "$child" 2>/dev/null || :
        wait || :
        n=0
        while [ -d "$group" ] && [ "$n" -lt 250 ]; do # the kernel takes its time to empty them
                find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.02
                n=$((n + 1))
        done
}

outside() {
        [ "$(id -u)" -eq 0 ] || cannot "needs root"
        [ -x /lib/systemd/systemd ] || cannot "systemd is not installed"
        tree=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
        [ -n "$tree" ] || cannot "no control groups of version 2 are mounted"
        group=$tree$(sed -n 's/^0:://p' /proc/self/cgroup | sed 's,/$,,')/mfadtest-$$
        mkdir "$group" 2>/dev/null || cannot "no control group can be made below $tree"
        child=
        trap clean_up EXIT
        trap 'exit 143' TERM INT HUP
        exec 3<&0
        # the new control group first, so that it is the root of what the manager sees
        (in_group "$group" setpriv --pdeathsig KILL unshare --mount --pid --ipc --net --cgroup --fork \
                --kill-child --mount-proc "$0" --inside "$local_dir" "$@" <&3 3<&-) &
        child=$!
        code=0
        wait "$child" || code=$?
        child=
        exit "$code"
}

local_dir=
case ${1:-} in
--inside)
        local_dir=$2
        shift 2
        inside "$@"
        ;;
--local)
        local_dir=$2
        shift 2
        ;;
esac
[ "${1:-}" != -- ] || shift
[ $# -gt 0 ] || cannot "no command is given"
outside "$@"
