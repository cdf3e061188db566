#!/usr/bin/env bash
# Checks the units. scripts/check-units.sh runs it in a container that it booted with systemd.
set -euo pipefail

fail() {
    echo "FAIL: $*"
    systemctl status pollux.service pollux.socket --no-pager -l || true
    journalctl -u pollux --no-pager -n 40 || true
    exit 1
}
# Repeats a command until it succeeds, for a minute.
eventually() { for _ in {1..300}; do "$@" 2>/dev/null && return; sleep 0.2; done; fail "$*"; }
member() { runuser -u member -- env POLLUX_SOCKET=/run/pollux/pollux.sock "$@"; }
status_is() { [[ $(systemctl show -P StatusText pollux.service) == "$1" ]]; }
was_restarted() { [[ $(systemctl show -P NRestarts pollux.service) != 0 ]]; }
pid() { systemctl show -P MainPID pollux.service; }
succeeded() {
    local task
    task=$("$@" pollux submit flux/images -d prompt="$RANDOM [seconds=5]")
    "$@" pollux wait "$task" --timeout 2m >/dev/null
}

# --- The files
systemd-analyze verify --man=no /usr/lib/systemd/system/pollux{.service,.socket,-gateway.socket,-callbacks.socket}
systemd-analyze security --offline=true --threshold=15 pollux.service --no-pager | tail -n 1
[[ $(systemctl is-enabled pollux.service) == disabled ]] || fail "the installation enabled the daemon"

# --- Start
systemd-run --quiet --unit=sandbox pollux sandbox --port 8090 --speed 60 --seed 1
install -o pollux -g pollux -m 600 /dev/stdin /etc/pollux/xhuoapi.token <<<sandbox-token-of-the-check
cat >/etc/pollux/pollux.yaml <<YAML
xhuoapi: {token_file: /etc/pollux/xhuoapi.token, base_url: "http://127.0.0.1:8090/v1"}
gateway: {listen: "127.0.0.1:8484"}
notifications:
  destinations:
    desk: {exec: [/usr/local/bin/notify], events: [task.succeeded]}
YAML
cat >/usr/local/bin/notify <<'SCRIPT'
#!/bin/sh
read -r task
echo "$POLLUX_EVENT ${NOTIFY_SOCKET:-none} ${LISTEN_FDS:-none}" >>/var/lib/pollux/notified
touch /home/written /usr/written /etc/written 2>/dev/null
ls /home/member >/dev/null 2>&1 && echo home >>/var/lib/pollux/notified
exit 0
SCRIPT
chmod 755 /usr/local/bin/notify
systemctl enable -q --now pollux.service pollux-gateway.socket
# It is ready when systemctl returns.
member pollux status >/dev/null || fail "a member of the group cannot use it"
if runuser -u stranger -- env POLLUX_SOCKET=/run/pollux/pollux.sock pollux status >/dev/null 2>&1; then
    fail "another user can use it"
fi
status_is "Accepts work at /run/pollux/pollux.sock" || fail "the status"
[[ $(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8484/xhuoapi/v1/tasks) == 401 ]] || fail "the gateway"
succeeded member || fail "a task"
echo "start: a task succeeded"

# --- Programs that take notifications, under the restrictions of the unit
eventually test -s /var/lib/pollux/notified
[[ $(head -n 1 /var/lib/pollux/notified) == "task.succeeded none none" ]] || fail "the program: $(cat /var/lib/pollux/notified)"
[[ ! -e /home/written && ! -e /usr/written && ! -e /etc/written ]] || fail "a program wrote outside"
! grep -q home /var/lib/pollux/notified || fail "a program saw a home directory"
member pollux doctor >/dev/null || fail "pollux doctor: $(member pollux doctor)"
echo "notifications: the program ran"

# --- Reload
before=$(pid)
echo 'log: {level: debug}' >>/etc/pollux/pollux.yaml
systemctl reload pollux.service || fail "a reload"
status_is "Reloaded the settings" || fail "the status of a reload"
sed -i 's/^log:/logg:/' /etc/pollux/pollux.yaml
if systemctl reload pollux.service 2>/dev/null; then fail "a reload of bad settings"; fi
[[ $(systemctl is-active pollux.service) == active && $(pid) == "$before" ]] || fail "a refused reload ended the daemon"
systemctl show -P StatusText pollux.service | grep -q "were not reloaded" || fail "the status of a refused reload"
sed -i '/^logg:/d' /etc/pollux/pollux.yaml
kill -HUP "$before"
eventually status_is "Reloaded the settings"
echo "reload: applied and refused"

# --- Sockets
systemctl stop pollux.service 2>/dev/null
[[ $(systemctl is-active pollux.service || true) == inactive ]] || fail "a stop"
member pollux status >/dev/null || fail "a client did not start the daemon"
systemctl stop pollux.service 2>/dev/null
[[ $(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8484/xhuoapi/v1/tasks) == 401 ]] || fail "the gateway did not start it"
for _ in {1..5}; do
    systemctl restart pollux.service &
    member pollux status >/dev/null || fail "a client failed over a restart"
    wait $!
done
echo "sockets: clients waited over restarts"

# --- The watchdog
mkdir -p /run/systemd/system/pollux.service.d
printf '[Service]\nWatchdogSec=8\n' >/run/systemd/system/pollux.service.d/check.conf
systemctl daemon-reload
systemctl restart pollux.service
before=$(pid)
# Longer than the daemon may be silent.
sleep 20
[[ $(pid) == "$before" ]] || fail "the watchdog ended an idle daemon"
kill -STOP "$before"
eventually was_restarted
journalctl -u pollux --no-pager | grep -q "Watchdog timeout" || fail "the watchdog did not end a stopped daemon"
member pollux status >/dev/null || fail "no restart after the watchdog"
rm -r /run/systemd/system/pollux.service.d
systemctl daemon-reload
systemctl restart pollux.service
echo "watchdog: ended a daemon that was stopped"

# --- An upgrade under the running daemon
before=$(pid)
dpkg -i /second.deb >/dev/null
[[ $(pid) != "$before" && $(pid) != 0 ]] || fail "the upgrade did not restart the daemon"
succeeded member || fail "a task after the upgrade"
member pollux list --json | grep -q '"succeeded"' || fail "the tasks after the upgrade"
echo "upgrade: restarted with its tasks"

# --- A user's daemon
loginctl enable-linger member
user=$(id -u member)
eventually test -S "/run/user/$user/systemd/private"
own() { runuser -u member -- env XDG_RUNTIME_DIR="/run/user/$user" DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$user/bus" "$@"; }
own mkdir -p /home/member/.config/pollux
own tee /home/member/.config/pollux/environment >/dev/null <<'ENVIRONMENT'
XHUOAPI_TOKEN=sandbox-token-of-member
XHUOAPI_BASE_URL=http://127.0.0.1:8090/v1
ENVIRONMENT
own systemctl --user enable -q --now pollux.service || { own journalctl --user -u pollux --no-pager; fail "the user's daemon"; }
succeeded own || fail "a task of the user's daemon"
own systemctl --user reload pollux.service || fail "a reload of the user's daemon"
own systemctl --user stop pollux.service 2>/dev/null
own pollux status >/dev/null || fail "a client did not start the user's daemon"
echo "user: a task succeeded"

# --- Removal
dpkg -r pollux >/dev/null
[[ $(systemctl is-active pollux.service || true) != active && ! -e /usr/bin/pollux ]] || fail "the removal"
[[ -f /var/lib/pollux/pollux.sqlite ]] || fail "the removal lost the tasks"
dpkg -P pollux >/dev/null
[[ ! -e /var/lib/pollux ]] || fail "purging left the tasks"
[[ -z $(find /etc/systemd/system -name 'pollux*') ]] || fail "purging left links"
echo "removed and purged"
echo PASS
