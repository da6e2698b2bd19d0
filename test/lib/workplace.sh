#
# workplace.sh: the temporary directory of a run, who works in it, and how it
# goes away.
#
#   $work       the directory; everybody may pass through it
#   $work/pg    private copy of the server tree, written by the caller
#   $work/run   belongs to the unprivileged user: servers, sockets, results
#
# PostgreSQL refuses to run as root, and an unprivileged user may be unable to
# enter the directory of the caller. Hence servers run in $work,
# on copies. Cleaning up finds processes by their executable, which lies in
# $work/pg and nowhere else.
#

say()  { printf '%s\n' "$*"; }
fail() { printf 'eventbus: %s\n' "$*" >&2; exit 1; }

# A caller's settings must not reach the servers and makes of a run.
clean_environment() {
	local name

	for name in $(compgen -e PG || :); do
		case $name in
			PG_MAJOR | PG_PREFIX) ;;
			*) unset "$name" ;;
		esac
	done
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES LANGUAGE
	export LC_ALL=C.UTF-8
	umask 022
}

# The user that servers run as: the caller, unless that is root.
server_user() {
	if [ "$(id -u)" -ne 0 ]; then
		id -un
	elif id postgres >/dev/null 2>&1; then
		echo postgres
	else
		echo nobody
	fi
}

# Runs a command as that user, from a directory that it can enter.
as_server_user() (
	cd "$work/run"
	if [ "$(id -u)" -ne 0 ]; then
		"$@"
	else
		runuser -u "$(server_user)" -- "$@"
	fi
)

# make_workplace [DIRECTORY]: without one, temporary: removed at exit.
make_workplace() {
	local base=${TMPDIR:-/tmp}

	# root's TMPDIR may be closed to others; sockets need a short path
	if [ "$(id -u)" -eq 0 ] || [ ${#base} -gt 40 ]; then
		base=/tmp
	fi
	keep_work=${1:-${KEEP:-}}
	work=${1:-$(mktemp -d "$base/eventbus.XXXXXX")}
	trap clean_workplace EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir -p "$work/run/tmp"
	chmod 755 "$work"
	[ "$(id -u)" -ne 0 ] || chown "$(server_user):" "$work/run" "$work/run/tmp"
	export TMPDIR=/tmp
}

# Processes that run a program of $work/pg, be it under valgrind.
our_processes() {
	local exe

	for exe in /proc/[0-9]*/exe; do
		case $(readlink "$exe" 2>/dev/null || :) in
			"$work"/pg/*/postgres) ;;
			*/valgrind/memcheck-*)
				tr '\0' '\n' <"${exe%exe}cmdline" 2>/dev/null | grep -q "^$work/pg/" || continue ;;
			*)	continue ;;
		esac
		exe=${exe#/proc/}
		echo "${exe%/exe}"
	done
}

# Ends processes by a fast shutdown first, then by force.
stop_processes() {
	local signal pids

	for signal in INT QUIT KILL; do
		pids=$(our_processes)
		[ -n "$pids" ] || return 0
		kill -"$signal" $pids 2>/dev/null || :
		for _ in {1..25}; do
			[ -n "$(our_processes)" ] || return 0
			sleep 0.2
		done
	done
}

clean_workplace() {
	local status=$?

	trap '' INT TERM HUP
	restore_default_cluster
	stop_processes
	if [ -z "$keep_work" ]; then
		rm -rf "$work"
	elif [ -n "${KEEP:-}" ]; then
		say "kept $work"
	fi
	exit "$status"
}
