#
# demo.sh: shows what the product does, on a throw-away server.
#
# The SQL is in files of its own, run by psql, which shows each statement and
# its result. Lines that begin with "#" are the narration.
#

webhooks_package=@octokit/webhooks-examples@7.6.1

run_demo() {
	need_server_packages
	make_workplace
	echo "Building eventbus and starting a throw-away server ..."
	build_extension demo
	cp -r "$top/test/demo" "$work/run/demo"
	chmod -R a+rX "$work/run/demo"
	init_server
	start_server

	demo_sql orders
	demo_crash
	if fetch_webhooks; then
		demo_sql webhooks
	fi
	printf '%s\n' "# The server is gone now. make playground gives you one to try it yourself."
}

# Runs a file of SQL; the terminal's width must not change the tables.
demo_sql() {
	pg psql -X -q -v ON_ERROR_STOP=1 -v ECHO=queries -P pager=off -P footer=off \
		-v webhooks="$work/run/webhooks.json" -f "$work/run/demo/$1.sql"
}

demo_crash() {
	demo_sql crash_before
	kill_server
	printf '$ kill -9 $(head -1 $PGDATA/postmaster.pid)\n$ pg_ctl start\n\n'
	start_server
	demo_sql crash_after
}

# Fetches the package's file of real payloads; without npm, Debian's.
fetch_webhooks() {
	local package=$work/webhooks

	command -v npm >/dev/null || need_packages npm
	mkdir "$package"
	if ! (cd "$package" && npm_config_cache=$work/npm npm pack "$webhooks_package" \
		&& tar -xzf ./*.tgz) \
		>"$work/npm.log" 2>&1; then
		grep 'ERR' "$work/npm.log" | head -n 3 >&2
		say "The npm registry cannot be reached: skipping the webhooks."
		return 1
	fi
	cp "$package/package/api.github.com/index.json" "$work/run/webhooks.json"
	chmod 644 "$work/run/webhooks.json"
}
