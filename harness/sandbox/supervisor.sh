# PID 1 of every sandbox: runs one command at a time for the host at the other end of stdin/stdout.
#
# In:  a line "NONCE BYTES SECONDS", then BYTES bytes of bash. Nothing more until the answer.
# Out: "\0NONCE\n", what the command writes, "\0NONCE STATUS KILLS\n" (STATUS is "killed" after a USR1;
#      KILLS processes were killed by the kernel for memory, as far as the sandbox can see it).
#
# It is PID 1 on purpose: nothing inside can kill it, it reaps every orphan, its end ends everything,
# and its `kill -9 -1` reaches every other process at once, however fast they fork, and fails only
# when there is none left. Of the signals that a process inside can send it, it minds only USR1.
exec 2>/dev/null {never}<> <(:)
trap 'stop=1' USR1
# Without a handler PID 1 gets none of these, but bash has handlers for some of them now and then.
deaf='HUP INT QUIT ILL TRAP ABRT BUS FPE SEGV USR2 PIPE ALRM TERM XCPU XFSZ VTALRM PROF SYS'
trap '' $deaf
set -m  # every command gets a process group of its own
[ -z "$DELM_FSIZE_KB" ] || ulimit -f "$DELM_FSIZE_KB"
[ -z "$DELM_DATA_KB" ] || ulimit -d "$DELM_DATA_KB"
[ -z "$DELM_PROCESSES" ] || ulimit -u "$DELM_PROCESSES"
ulimit -c 0
if [ -n "$DELM_ACTIVATE" ] && [ -f /opt/miniconda3/bin/activate ]; then
  . /opt/miniconda3/bin/activate && conda activate testbed
fi >/dev/null </dev/null
unset DELM_FSIZE_KB DELM_DATA_KB DELM_PROCESSES DELM_ACTIVATE
for counter in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control /dev/null; do
  [ ! -r "$counter" ] || break
done
export -n script deaf never stop nonce bytes seconds command status round counter kills before

# Stops the command when the host says so or is gone (stdin ends), or after SECONDS.
watch() {
  read -r -N 1 -t "$seconds"
  while kill -USR1 1; do
    read -r -t 0.5 -u "$never"
  done
}

# Sets `kills` to how many processes the kernel has killed at the sandbox's memory limit so far.
count() {
  local word number
  kills=0
  while read -r word number; do
    [ "$word" != oom_kill ] || kills=$number
  done < "$counter"
}

# An argument of a program holds 128 KiB at most: a longer command comes through a pipe.
run() {
  trap - $deaf
  echo 500 > /proc/self/oom_score_adj  # short of memory, the kernel kills these first
  (( bytes < 120000 )) || exec bash -c '
    LC_ALL=C IFS= read -r -N '"$bytes"' -u 3 REPLY; exec 3<&-; eval "$REPLY"
  ' 3< <(printf %s "$command")
  exec bash -c "$command"
}

while read -r nonce bytes seconds; do
  [ -n "$seconds" ] || continue
  stop=
  count
  before=$kills
  LC_ALL=C IFS= read -r -N "$bytes" command
  printf '\0%s\n' "$nonce"
  watch > /dev/null &
  run < /dev/null 2>&1 {never}>&- &
  wait "$!"
  status=$?
  [ -z "$stop" ] || status=killed
  for ((round = 0; round < 1000; round++)); do
    kill -9 -1 || break
    wait  # reaps what is ours; orphans are reaped as they arrive
    ((round == 0)) || read -r -t 0.005 -u "$never"
  done
  # The host has sent nothing since: what is there to read is forged.
  while read -r -t 0; do
    LC_ALL=C read -r -N 4096 -t 0.01 _ || (( $? > 128 )) || break
  done
  count
  printf '\0%s %s %s\n' "$nonce" "$status" "$((kills - before))"
done
