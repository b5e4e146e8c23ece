# What `diff.sh` knows of paths. Lists are files in $scratch of names that a NUL ends; the argument
# is the step. Perl, since every sandbox has it; it loads no module. In some lists `./` stands
# before each path, for programs that would take a name for an option or a pattern.

sub list {
    open my $file, '<', "$ENV{scratch}/$_[0]" or exit 33;
    local $/ = "\0";
    chomp(my @all = <$file>);
    return @all;
}

sub save {
    my ($name, @all) = @_;
    open my $file, '>', "$ENV{scratch}/$name" or exit 33;
    print $file @all;
    close $file or exit 33;
}

sub save_list {
    my ($name, @all) = @_;
    save($name, map { "$_\0" } @all);
}

# Of each path of the base its mode and its object.
sub base {
    my (%mode, %id);
    for (list('base')) {
        /^(\d+) (\w+) 0\t(.*)/s or exit 31;
        ($mode{$3}, $id{$3}) = ($1, $2);
    }
    return (\%mode, \%id);
}

# The objects of the base's folders, and of its files that rule over others.
sub skeleton {
    my @rules;
    print "$ENV{tree}\n";
    for (list('origin')) {
        my ($mode, $type, $id, $path) = /^(\d+) (\w+) (\w+)\t(.*)/s or exit 31;
        push @rules, $path if $mode =~ /^100/ and is_named('.gitignore', $path);
        my $rules = $mode =~ /^100/ && $path =~ m{(?:^|/)\.git(?:attributes|ignore)\z};
        print "$id\n" if $type eq 'tree' or $rules;
    }
    save_list('base rules', @rules);
}

# The mode that git gives to a file or link.
sub mode_of {
    my ($path) = @_;
    my @stat = lstat $path or exit 32;
    return '120000' if -l _;
    return $stat[2] & 0100 ? '100755' : '100644';
}

# As `git hash-object --stdin-paths` reads it.
sub quoted {
    my ($path) = @_;
    $path =~ s/([\x00-\x1f"\\\x7f])/sprintf '\\%03o', ord $1/ge;
    return "\"$path\"\n";
}

sub is_named {
    my ($name, $path) = @_;
    return $path =~ m{(?:^|/)\Q$name\E\z};
}

# What names, kinds and modes tell. The content of `same` has to be looked at.
sub sort_out {
    my ($mode) = base();
    my %known = map { $_ => 1 } list('start');
    my %gone = map { $_ => 1 } grep { $mode->{$_} ne '160000' } keys %$mode;
    my $submodules = keys %gone < keys %$mode;
    my (@same, @changed, @new, @rules, @left_out);
    for (list('found')) {
        my ($kind, $path) = unpack 'a1 a*';
        delete $gone{$path};
        if (length $path > 4095 or $submodules and in_submodule($path, $mode)) {
            push @left_out, $path unless $known{$path};
            next;
        }
        push @rules, "./$path" if $kind eq 'f' and is_named('.gitignore', $path) and -s $path < 1e6;
        if (not exists $mode->{$path}) {
            push @new, "./$path" unless $known{$path};
        }
        elsif (mode_of($path) eq $mode->{$path} and $kind eq 'f') {
            push @same, $path;
        }
        else {
            push @changed, $path;
        }
    }
    save('names', map { quoted($_) } @same);
    save_list('same', @same);
    save_list('changed', @changed);
    save_list('new', @new);
    save_list('gone', keys %gone);
    save_list('rules', @rules);
    save_list('left out', @left_out);
}

sub in_submodule {
    my ($above, $mode) = @_;
    while ($above =~ s{/[^/]*\z}{}s) {
        return 1 if ($mode->{$above} // '') eq '160000';
    }
    return 0;
}

# What git is given, and the objects of the base that it needs; `hashes` are those of `same`.
sub choose {
    my ($mode, $id) = base();
    open my $file, '<', "$ENV{scratch}/hashes" or exit 33;
    chomp(my @hashes = <$file>);
    my @same = list('same');
    @hashes == @same or exit 32;
    my %ignored = map { $_ => 1 } list('ignored');
    my @new = grep { not $ignored{$_} } list('new');
    my @differ = map { $same[$_] } grep { $hashes[$_] ne $id->{$same[$_]} } 0 .. $#same;
    push @differ, list('changed');
    my @objects = grep { exists $mode->{$_} and $mode->{$_} ne '160000' } @differ, list('gone');
    save('objects', map { "$id->{$_}\n" } @objects);
    my @given = ((map { "./$_" } @differ), @new);
    refuse_large(@given);
    save_list('attributes', grep { m{/\.gitattributes(?:/|\z)} } @given);
    my @others = grep { not m{/\.gitattributes(?:/|\z)} } @given;
    save_list('others', @others);
    save_batches(@others);
}

# Files that are too large for every patch end it all, before anything of them is read.
sub refuse_large {
    my $bytes = 0;
    for my $path (@_) {
        lstat $path or exit 32;
        $bytes += -s _ unless -l _;
    }
    exit 25 if $bytes > $ENV{max_files};
}

# A copy is made of one batch at a time: room may be short.
sub save_batches {
    my ($number, $bytes, @batch) = (0, 0);
    for my $path (@_) {
        push @batch, $path;
        $bytes += -s _ unless -l $path;
        next if @batch < 4000 and $bytes < 32e6;
        save_list('batch.' . $number++, @batch);
        ($bytes, @batch) = (0);
    }
    save_list("batch.$number", @batch);
}

# git would obey a file of attributes that it can see: it is added under another name.
sub hide_attributes {
    my @hidden;
    for (list('attributes')) {
        my $name = "$ENV{alias}." . @hidden;
        push @hidden, s{[^/]*\z}{$name}r;
        rename $_, $hidden[-1] or exit 33;
    }
    save_list('hidden', @hidden);
}

# The lines that give them their own names in the index.
sub show_attributes {
    my @shown = list('attributes');
    for (list('index')) {
        my ($mode, $id, $hidden, $number) = /^(\d+) (\w+) 0\t(.*\Q$ENV{alias}\E\.(\d+))\z/s
            or next;
        my $path = substr $shown[$number], 2;
        print '0 ', '0' x length $id, "\t$hidden\0$mode $id\t$path\0";
    }
}

sub left_out {
    my %in = map { $_ => 1 } list('index');
    my @refused = grep { s{^\./}{}; not $in{$_} } list('others'), list('attributes');
    my @all = sort @refused, list('left out');
    splice @all, $ENV{most_left_out} if @all > $ENV{most_left_out};
    print map { "$_\0" } @all;
}

main->can($ARGV[0])->();
