#
# build.sh: builds a copy of the sources and installs it into a private copy
# of the server tree.
#
# Debian's server programs find their other files relative to their own place,
# so a copy of /usr/lib/postgresql/NN and /usr/share/postgresql/NN is a server
# installation that can be written to. A server in a directory of its own,
# PG_PREFIX, is copied whole. The build directory is .build/NAME in the source
# tree and is kept, so that the next run compiles only what has changed; where
# the source tree cannot be written to, it is temporary.
#

# Copies what is built and tested, and removes what the sources no longer have;
# objects stay, unless their source is gone. Objects that somebody has made in
# the source tree are not copied: they may be of other headers.
copy_sources() {
	local to=$1 file

	mkdir -p "$to"
	tar -C "$top" -c --exclude='*.o' --exclude='*.bc' Makefile eventbus.control src test |
		tar -C "$to" -x
	[ ! -d "$top/sql" ] || cp -a "$top/sql" "$top/expected" "$to"
	find "$to" -mindepth 2 -type f -regex '.*\.\([cho]\|sql\|out\|spec\|p[lm]\)' |
		while read -r file; do
			file=${file#"$to/"}
			[ -e "$top/${file%.o}" ] || [ -e "$top/${file%.o}.c" ] || rm -f "$to/$file"
		done
}

copy_server() {
	rm -rf "$work/pg"
	if [ -n "${PG_PREFIX:-}" ]; then
		cp -a "$PG_PREFIX" "$work/pg"
		bindir=$work/pg/bin
	else
		mkdir -p "$work/pg/lib/postgresql" "$work/pg/share/postgresql"
		cp -a "/usr/lib/postgresql/$PG_MAJOR" "$work/pg/lib/postgresql/"
		cp -a "/usr/share/postgresql/$PG_MAJOR" "$work/pg/share/postgresql/"
		ln -s /usr/include "$work/pg/include"
		bindir=$work/pg/lib/postgresql/$PG_MAJOR/bin
	fi
	export PG_CONFIG=$bindir/pg_config
}

# The name of the server in the names of build directories: objects made for
# one are of no use to another.
server_name() {
	basename "${PG_PREFIX:-$PG_MAJOR}"
}

# The directory that is kept between runs, if this user can write to it.
kept_directory() {
	if mkdir -p "$top/.build/$1" 2>/dev/null && [ -w "$top/.build/$1" ]; then
		echo "$top/.build/$1"
	fi
}

# build_sources NAME: puts the sources where they can be built, at $build.
build_sources() {
	build=$(kept_directory "$1-$(server_name)")
	build=${build:-$work/build}
	copy_sources "$build"
}

# build_extension NAME [MAKE ARGUMENT ...]: builds them, and installs into a
# new private server tree.
build_extension() {
	build_sources "$1"
	shift
	copy_server
	if ! make -s -C "$build" -j "$(nproc)" all install with_llvm=no "$@" \
		>"$work/build.log" 2>&1; then
		cat "$work/build.log" >&2
		fail "the build failed"
	fi
}

# build_old_server [MAKE ARGUMENT ...]: where OLD_PREFIX names the directory of
# an older server, a copy of it gets the extension, too: for pg_upgrade.
build_old_server() {
	[ -n "${OLD_PREFIX:-}" ] || return 0
	cp -a "$OLD_PREFIX" "$work/pg/old"
	(
		PG_PREFIX=$OLD_PREFIX
		build_sources check
		make -s -C "$build" -j "$(nproc)" all install with_llvm=no \
			PG_CONFIG="$work/pg/old/bin/pg_config" "$@" >"$work/build.log" 2>&1
	) || {
		cat "$work/build.log" >&2
		fail "the build for the older server failed"
	}
	export EB_OLD_SERVER=$work/pg/old
}

run_format() {
	need_server_packages
	need_packages pg-bsd-indent
	PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config "$top/test/scripts/format"
}
