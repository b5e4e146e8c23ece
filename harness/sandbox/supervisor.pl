# PID 1 of every sandbox: runs one command at a time for the host at the other end of stdin/stdout.
#
# In:  a line "NONCE BYTES SECONDS", then BYTES bytes of bash; "stop" ends the command that runs.
# Out: what the command writes, then "\0NONCE STATUS KILLS\n" (STATUS is "killed" after a stop, or
#      after SECONDS; KILLS processes were killed by the kernel for memory, as far as is seen here).
#
# It is PID 1 on purpose: no signal from inside can end it, it reaps every orphan, its end ends
# everything, and its kill(-1) reaches every other process at once, however fast they fork.
# The nonce decides what the host takes for a command's end. It never leaves this process's memory
# before that end, and no command reads this memory: PID 1 is not dumpable and has a capability that
# no command has, so that /proc/1/mem, /proc/1/fd and ptrace(2) are closed to them (ptrace(2),
# "Ptrace access mode checking"). With its own rights it executes nothing after the first command:
# commands may have changed every program and library that it could run.
#
# Perl, since every Debian and Ubuntu has it, and it makes any system call. It loads no module.
# Arguments: NAME=NUMBER, see `setrlimits` and `activate`; folder=PATH, see `remove_folder`.

# Of a machine (e_machine of every ELF header), the numbers of its system calls.
%numbers = (
    62  => {prctl => 157, capget => 125, capset => 126, prlimit => 302, memfd => 319, dup3 => 292},
    183 => {prctl => 167, capget => 90, capset => 91, prlimit => 261, memfd => 279, dup3 => 24},
);
$pidfd_open = 434;
($set_dumpable, $drop_from_bounding, $set_no_new_privs, $ambient) = (4, 24, 38, 47);
$setpcap = 8;
($all, $no_hang, $untraced) = (-1, 1, 2);

sub begin {
    $0 = 'supervisor';
    open STDERR, '>', '/dev/null' or exit 94;
    open $null, '<', '/dev/null' or exit 94;    # a command may remove it
    chdir '/';
    open my $self, '<', '/proc/self/exe' or exit 97;
    sysread $self, my $header, 20;
    $number = $numbers{unpack 'x18 v', $header} or exit 98;
    syscall($number->{prctl}, $set_dumpable, 0, 0, 0, 0) == 0 or exit 99;
    %limits = map { split /=/, $_, 2 } @ARGV;
    remove_folder($limits{folder}) if length $limits{folder};
    for my $name (grep { /^DELM_/ } keys %ENV) {    # see container_setup.py
        my $value = delete $ENV{$name};
        $name =~ s/^DELM_//;
        delete $ENV{$name};
        $ENV{$name} = $value if length $value;
    }
    activate() if $limits{activate};
    # Where /sys is the engine's; elsewhere a command could make the file.
    ($counter) = grep { -r } qw(/sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control)
        if $limits{counter};
}

# Removes the folder that it was begun from, see boot_files.py: what has no name cannot be written.
sub remove_folder {
    my ($folder) = @_;
    opendir my $names, $folder or exit 93;
    unlink map { "$folder/$_" } grep { !/^\.\.?$/ } readdir $names;
    rmdir $folder or exit 93;
}

# In a child: fewer rights than PID 1, for good. It holds what is PID 1's until it executes the
# command, and is not dumpable until then.
sub drop_rights {
    my $head = pack 'L l', 0x20080522, 0;
    my $sets = "\0" x 24;    # effective, permitted, inheritable; then the same of the upper 32
    syscall($number->{prctl}, $drop_from_bounding, $setpcap, 0, 0, 0) == 0 or exit 125;
    syscall($number->{prctl}, $ambient, 4, 0, 0, 0);
    syscall($number->{capget}, $head, $sets) == 0 or exit 125;
    my @sets = unpack 'L6', $sets;
    $_ &= ~(1 << $setpcap) for @sets[0, 1];
    @sets[2, 5] = (0, 0);
    $sets = pack 'L6', @sets;
    syscall($number->{capset}, $head, $sets) == 0 or exit 125;
    syscall($number->{prctl}, $set_no_new_privs, 1, 0, 0, 0) == 0 or exit 125;
}

sub setrlimits {
    my %resources = (
        fsize => 1, data => 2, processes => 6, files => 7, signals => 11, queues => 12,
    );
    for my $name (keys %resources) {
        my $limit = $limits{$name};
        next unless length $limit;
        my $both = pack 'Q2', $limit, $limit;
        syscall $number->{prlimit}, 0, $resources{$name}, $both, 0;
    }
}

# In a child: become the command. Its output is a description of the pipe of its own: what it sets
# on that (O_NONBLOCK, a signal) is not set on PID 1's.
sub run {
    my ($command) = @_;
    setpgrp 0, 0;
    $SIG{FPE} = 'DEFAULT';    # perl ignores it
    drop_rights();
    if (open my $score, '>', '/proc/self/oom_score_adj') {
        syswrite $score, 500;    # short of memory, the kernel kills these first
    }
    # Never go on with PID 1's own input: what the host says next stands in there.
    open STDIN, '<&', $null or exit 126;
    open STDOUT, '>', '/proc/self/fd/1' or exit 126;
    open STDERR, '>&STDOUT' or exit 126;
    # An argument of a program holds 128 KiB at most: a longer command comes through a file.
    if (length $command > 120_000) {
        my $bytes = length $command;
        my $file = syscall $number->{memfd}, my $name = 'command', 0;
        open my $script, '+<&=', $file or exit 126;
        for (my $at = 0; $at < $bytes;) {
            $at += syswrite($script, $command, $bytes - $at, $at) || exit 126;
        }
        sysseek $script, 0, 0;
        syscall $number->{dup3}, $file, 3, 0;
        $command = "LC_ALL=C IFS= read -r -N $bytes -u 3 REPLY; exec 3<&-; eval \"\$REPLY\"";
    }
    setrlimits();
    exec {'/bin/bash'} 'bash', '-c', $command;
    exit 127;
}

# Ends every other process; PID 1 with everything where that is impossible.
sub end_all {
    my $deadline = time + 20;
    for (my $round = 0; kill 'KILL', $all; $round++) {
        1 while waitpid($all, $no_hang) > 0;
        select undef, undef, undef, $round < 50 ? 0.001 * $round : 0.05;
        exit 96 if time > $deadline;
    }
    1 while waitpid($all, $no_hang) > 0;
}

# Removes what of the kernel's objects outlives those who made it, and would hold memory: shared
# memory, queues and semaphores (System V), message queues (POSIX). It takes next to none itself:
# there may be none left.
sub remove_objects {
    if (opendir my $queues, '/dev/mqueue') {
        unlink map { "/dev/mqueue/$_" } grep { !/^\.\.?$/ } readdir $queues;
    }
    return unless remove_each();
    my $child = fork;    # that becomes who made each: nobody else may remove it
    exit 95 unless defined $child;
    if (!$child) {
        remove_each('as maker');
        exit;
    }
    waitpid $child, 0;
}

# Removes the objects of System V; how many are left.
sub remove_each {
    my ($as_maker) = @_;
    my $left = 0;
    for my $kind (qw(shm msg sem)) {
        open my $list, '<', "/proc/sysvipc/$kind" or next;
        <$list>;
        while (<$list>) {
            my ($id, $maker) = (split)[1, $kind eq 'sem' ? 6 : 9];
            $> = $maker if $as_maker;
            my $gone =
                  $kind eq 'shm' ? shmctl($id, 0, 0)
                : $kind eq 'msg' ? msgctl($id, 0, 0)
                :                  semctl($id, 0, 0, 0);
            $> = 0 if $as_maker;
            $left++ unless $gone;
        }
    }
    return $left;
}

sub memory_kills {
    return 0 unless $counter and open my $file, '<', $counter;
    sysread $file, my $text, 4096;
    return $text =~ /^oom_kill (\d{1,9})$/m ? $1 : 0;
}

# Waits until a child ends, stops itself, is to end ("stop"), or has used its time up. Its status as
# a shell gives it, or "killed".
sub status_of {
    my ($child, $seconds) = @_;
    my $handle = syscall $pidfd_open, $child, 0;
    my $deadline = time + $seconds;
    my $status;
    until (defined $status) {
        my $ready = '';
        vec($ready, $_, 1) = 1 for 0, $handle;
        my $count = length $in ? -1 : select $ready, undef, undef, 1;
        if ($count > 0 and vec $ready, 0, 1) {
            more();
        }
        if (waitpid($child, $no_hang | $untraced) == $child) {
            $status = ($? & 127) == 0 ? $? >> 8 : 128 + (($? & 127) == 127 ? $? >> 8 : $? & 127);
        }
        elsif (length $in or time >= $deadline) {
            $status = 'killed';
        }
    }
    open my $file, '<&=', $handle and close $file;
    $in = '';
    return $status;
}

# What conda's activation changes in the environment, from a command as any other.
sub activate {
    my $script = '[ -f /opt/miniconda3/bin/activate ] || exit; exec 3>&1 >/dev/null 2>&1
        . /opt/miniconda3/bin/activate && conda activate testbed; exec env -0 >&3';
    pipe my $reading, my $writing;
    my $child = fork;
    if (!$child) {
        open STDOUT, '>&', $writing;
        run($script);
    }
    close $writing;
    my ($text, $deadline) = ('', time + 60);
    while ((my $left = $deadline - time) > 0) {
        vec(my $ready = '', fileno $reading, 1) = 1;
        last if select($ready, undef, undef, $left) && !sysread $reading, $text, 65536, length $text;
    }
    end_all();
    %ENV = map { split /=/, $_, 2 } grep { /=/ } split /\0/, $text if $text =~ /^PATH=|\0PATH=/;
}

sub more {
    sysread STDIN, $in, 1 << 20, length $in or exit;
}

begin();
while (1) {
    more() until $in =~ s/^([^\n]*)\n//;
    my ($nonce, $bytes, $seconds) = $1 =~ /^([0-9a-f]+) (\d+) (\d+)$/ or next;    # "stop" was late
    more() until length $in >= $bytes;
    my $command = substr $in, 0, $bytes, '';
    my $before = memory_kills();
    my $child = fork;
    run($command) if defined $child and not $child;
    exit 95 unless defined $child;
    my $status = status_of($child, $seconds);
    end_all();
    remove_objects();
    syswrite STDOUT, "\0$nonce $status " . (memory_kills() - $before) . "\n";
}
