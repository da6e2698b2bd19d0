#
# packages.sh: installs the Debian packages that a run needs and that are
# missing. Quiet unless it fails.
#
# The Debian package of a server makes and starts a cluster of its own. We do
# not want one, so that is switched off while we install, and the machine's
# setting is put back afterwards.
#

supported_majors='18 17 15'
cluster_conf=/etc/postgresql-common/createcluster.conf
saved_cluster_conf=

is_installed() {
	dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# The server to test: that of PG_PREFIX, else PG_MAJOR, else the newest one
# installed, else the one that this Debian has.
choose_major() {
	local major

	if [ -n "${PG_PREFIX:-}" ]; then
		PG_MAJOR=$("$PG_PREFIX/bin/pg_config" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	fi
	[ -z "${PG_MAJOR:-}" ] || return 0
	for major in $supported_majors; do
		[ ! -x "/usr/lib/postgresql/$major/bin/postgres" ] || break
		major=
	done
	if [ -z "$major" ]; then
		have_package_lists || refresh_package_lists
		for major in $supported_majors; do
			! apt-cache show "postgresql-$major" >/dev/null 2>&1 || break
			major=
		done
	fi
	PG_MAJOR=${major:-15}
}

have_package_lists() {
	apt-cache show gcc >/dev/null 2>&1
}

refresh_package_lists() {
	apt_get update
}

apt_get() {
	local log

	log=$(mktemp)
	if ! as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y -o Dpkg::Options::=--force-confold "$@" \
		</dev/null >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

forbid_default_cluster() {
	is_installed postgresql-common ||
		apt_get install --no-install-recommends postgresql-common
	saved_cluster_conf=$(mktemp)
	cp "$cluster_conf" "$saved_cluster_conf"
	echo 'create_main_cluster = false' | as_root tee -a "$cluster_conf" >/dev/null
}

restore_default_cluster() {
	[ -n "$saved_cluster_conf" ] || return 0
	as_root cp "$saved_cluster_conf" "$cluster_conf"
	rm -f "$saved_cluster_conf"
	saved_cluster_conf=
}

install_packages() {
	apt_get install --no-install-recommends "$@" && return
	refresh_package_lists		# the lists may be older than the archive
	apt_get install --no-install-recommends "$@"
}

# Makes sure that all of the named packages are there.
need_packages() {
	local package
	local -a missing=()

	command -v dpkg-query >/dev/null ||
		fail "only Debian and its like are supported; elsewhere use make && make install, and make installcheck"
	for package in "$@"; do
		is_installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0

	[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
		fail "packages are missing; as root: apt-get install ${missing[*]}"
	say "installing ${missing[*]}"
	have_package_lists || refresh_package_lists
	case " ${missing[*]} " in
		*" postgresql-$PG_MAJOR "*)
			forbid_default_cluster
			install_packages "${missing[@]}"
			restore_default_cluster ;;
		*)
			install_packages "${missing[@]}" ;;
	esac
}

need_server_packages() {
	choose_major
	need_packages gcc libc6-dev make
	[ -n "${PG_PREFIX:-}" ] ||
		need_packages "postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR"
}
