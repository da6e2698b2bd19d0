#
# source.sh: PostgreSQL servers built from Debian's source packages, with
# assertions, and kept in the user's cache folder.
#
# A server is a directory CACHE/postgresql-VERSION-KEY, KEY being a digest of
# how it was configured. It finds its files relative to its own place, so it can
# be copied and moved; nothing is ever installed into it, tests use a copy.
#
# The archive is the one that this machine's apt uses, with its proxies and
# keys, but with package lists of our own: the machine's know only one release
# and seldom its sources.
#

configure_options=(
	--enable-cassert --enable-tap-tests
	--without-icu --without-readline --disable-rpath
	CFLAGS='-O1 -g'
	LDFLAGS="-Wl,-rpath,'\$\$ORIGIN/../lib'"
)

# What a build needs besides the compiler.
build_packages='bison flex perl zlib1g-dev bzip2'

# need_cache: $cache, the folder that is kept, or else one of this run.
need_cache() {
	cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/eventbus
	if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
		cache=$work/cache
		mkdir -p "$cache"
	fi
}

# cannot WORD ...: sets $reason, why there is no server; fails.
cannot() {
	reason=$*
	return 1
}

server_directory() {
	local key

	key=$(printf '%s\n' "${configure_options[@]}" | sha256sum)
	echo "$cache/postgresql-$1-${key:0:8}"
}

# The newest kept server of a major version.
kept_server() {
	{ compgen -G "$(server_directory "$1.*")" || :; } | sort -V | tail -n 1
}

# ---- the archive ----

# apt_private COMMAND ...: apt-get or apt-cache with lists of our own.
apt_private() {
	local command=$1
	shift
	"$command" -q -o Dir::Etc::sourcelist="$cache/apt/sources.list" \
		-o Dir::Etc::sourceparts=- -o Dir::State::lists="$cache/apt/lists" \
		-o Dir::Cache="$cache/apt" -o APT::Sandbox::User=root "$@"
}

# The Debian archive that this machine installs from.
archive_uri() {
	apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' |
		sort -u | head -n 1
}

# need_source_lists SUITE ...: brings the lists of source packages up to date.
# What cannot be had leaves the older list, or none, and a line in $work/apt.log.
need_source_lists() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg suite uri

	uri=$(archive_uri)
	if [ -z "$uri" ]; then
		echo 'E: apt on this machine knows no Debian archive' >"$work/apt.log"
		return
	fi
	mkdir -p "$cache/apt/lists/partial"
	[ ! -f "$keyring" ] || uri="[signed-by=$keyring] $uri"
	for suite in "$@"; do
		echo "deb-src $uri $suite main"
	done >"$cache/apt/sources.list"
	apt_private apt-get update >"$work/apt.log" 2>&1 || :
}

# Versions of the source package of a major version, newest first.
source_versions() {
	{ apt_private apt-cache showsrc --only-source "postgresql-$1" 2>/dev/null || :; } |
		sed -n 's/^Version: //p' | sort -urV
}

# The upstream version of a Debian one.
upstream_version() {
	local version=${1#*:}

	echo "${version%-*}"
}

# download_source MAJOR VERSION: leaves the upstream archive, verified, below
# $work/source.
download_source() {
	rm -rf "$work/source"
	mkdir "$work/source"
	(cd "$work/source" && apt_private apt-get source --download-only \
		"postgresql-$1=$2") >"$work/apt.log" 2>&1
}

# ---- building ----

# build_server DIRECTORY: unpacks, builds and installs there, complete or not at
# all. Another run may do the same meanwhile: the first one to finish wins.
build_server() (
	stage=$(mktemp -d "$cache/stage.XXXXXX")
	trap 'rm -rf "$stage"' EXIT
	cd "$work/source" && mkdir tree &&
		tar -x --strip-components=1 -C tree -f ./*.orig.tar.* && cd tree &&
		./configure -q --prefix="$1" "${configure_options[@]}" &&
		make -s -j "$(nproc)" all &&
		make -s install DESTDIR="$stage" &&
		{ mv -T "$stage$1" "$1" || [ -d "$1" ]; }
)

# source_server MAJOR: sets $server to the directory of a server of the newest
# version that can be had: built now, or kept. Fails with $reason.
source_server() {
	local major=$1 version

	for version in $(source_versions "$major"); do
		server=$(server_directory "$(upstream_version "$version")")
		[ ! -d "$server" ] || return 0
		if download_source "$major" "$version"; then
			install_server "$server"
			return
		fi
	done
	server=$(kept_server "$major")
	[ -n "$server" ] ||
		cannot "its source package cannot be had ($(grep '^[EW]:' "$work/apt.log" | head -n 1))"
}

# Removes the servers of the same major version that this one replaces.
forget_older_servers() {
	local directory version=${1##*/postgresql-}

	for directory in $(compgen -G "$(server_directory "${version%%.*}.*")"); do
		[ "$directory" = "$1" ] || rm -rf "$directory"
	done
}

# Builds the downloaded source; a source that cannot be built is a failure.
install_server() {
	local step_started

	(need_packages gcc libc6-dev make $build_packages) ||
		cannot 'packages to build it are missing' || return
	start_step server
	if ! build_server "$1" >"$work/server.log" 2>&1; then
		end_step 'the build failed'
		tail -n 40 "$work/server.log"
		reason='it cannot be built'
		return 2
	fi
	rm -rf "$work/source"
	forget_older_servers "$1"
	end_step "$(basename "$1") built"
}
