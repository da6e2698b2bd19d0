# report.awk: the table, from the figures of bench.sh (section, measure, round,
# value, unit, separated by tabs). A figure is the median of its rounds.

BEGIN { FS = "\t" }

{
	key = $1 "/" $2
	value[key, ++count[key]] = $4
}

function median(key,    i, j, n, t, v) {
	n = count[key]
	for (i = 1; i <= n; i++) {
		t = value[key, i] + 0
		for (j = i - 1; j >= 1 && v[j] > t; j--)
			v[j + 1] = v[j]
		v[j + 1] = t
	}
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

function has(key) { return key in count }

# One line: what we need and what the baseline needs, and their ratio, which
# is to be at least (or at most) so much. cpu: the same of CPU time, or "".
function line(what, ours, baseline, ratio, sign, goal, cpu) {
	printf "| %s | %s | %s | %.2f | %s %s%s | %s |\n", what, ours, baseline, ratio,
		sign, goal, (sign == "≥" ? ratio >= goal : ratio <= goal) ? "" : " **missed**", cpu
}

# Microseconds for an event, from transactions of 100.
function us(key) { return 1e4 / median("put/" key " tps") }
function cpu(key) { return median(key " cpu") }
function times(x) { return sprintf("%.2f", x) }
function us1(x) { return sprintf("%.1f µs", x) }
function rate(x) { return sprintf("%.0f/s", x) }
function ms(x) { return sprintf("%.2f ms", x / 1000) }
function ms2(key) { return ms(median(key " p50")) " (" ms(median(key " p99")) ")" }

function put_lines(    floor) {
	floor = us("floor")
	line("put, batches of 100, one connection: beside INSERT … SELECT FROM jsonb_array_elements", us1(us("eventbus")),
		us1(us("insert")), us("insert") / us("eventbus"), "≥", 2.5, times(cpu("put/insert") / cpu("put/eventbus")))
	if (has("put/pgq tps"))
		line("the same beside pgq.insert_event", us1(us("eventbus")), us1(us("pgq")), us("pgq") / us("eventbus"),
			"≥", 4, times(cpu("put/pgq") / cpu("put/eventbus")))
	line(sprintf("the same above the floor (reading the batch: %.1f µs) beside COPY of ready-made rows", floor),
		us1(us("eventbus") - floor), us1(us("copy")), (us("eventbus") - floor) / us("copy"), "≤", 1.2,
		times((cpu("put/eventbus") - cpu("put/floor")) / cpu("put/copy")))
	if (has("put/eventbus async tps"))
		async_put_lines()
}

# What the work takes where nobody waits for the disk.
function async_put_lines() {
	line("put, batches of 100, where commits do not wait for the disk: beside INSERT … SELECT likewise",
		us1(us("eventbus async")), us1(us("insert async")), us("insert async") / us("eventbus async"), "≥", 2.5,
		times(cpu("put/insert async") / cpu("put/eventbus async")))
	if (has("put/pgq async tps"))
		line("the same beside pgq.insert_event", us1(us("eventbus async")), us1(us("pgq async")),
			us("pgq async") / us("eventbus async"), "≥", 4, times(cpu("put/pgq async") / cpu("put/eventbus async")))
}

function backlog_line(what, ours, goal) {
	line(what, us1(median("backlog/" ours)), us1(median("backlog/insert")),
		median("backlog/insert") / median("backlog/" ours), "≥", goal,
		times(cpu("backlog/insert") / cpu("backlog/" ours)))
}

function scale_line(what, kind) {
	line(what, sprintf("%s (100: %s)", us1(median("scale/" kind " 1000")), us1(median("scale/" kind " 100"))),
		us1(median("scale/" kind " 1")), median("scale/" kind " 1000") / median("scale/" kind " 1"), "≤", 1.5,
		times(cpu("scale/" kind " 1000") / cpu("scale/" kind " 1")))
}

function queue_line(what, kind) {
	line(what, us1(median("queue/" kind " 1000")), us1(median("queue/" kind " 20000")),
		median("queue/" kind " 1000") / median("queue/" kind " 20000"), "≤", 1.25,
		times(cpu("queue/" kind " 20000") / cpu("queue/" kind " 1000")))
}

function message_line(what, ours, baseline, messages, goal) {
	line(what, rate(messages * median("messages/" ours " tps")), rate(messages * median("messages/" baseline " tps")),
		median("messages/" ours " tps") / median("messages/" baseline " tps"), "≥", goal,
		times(cpu("messages/" baseline) / cpu("messages/" ours)))
}

function message_lines() {
	message_line("100 events put, which a rule sends to a queue, 4 clients: beside INSERT into a table", "put_queue", "put_table", 100, 1)
	message_line("10 messages received, then deleted, 4 clients: beside a table and SKIP LOCKED", "receive_queue", "receive_table", 10, 1)
	message_line("the same under a snapshot held long: beside the table under it", "held_queue", "held_table", 10, 1)
	message_line("the same: beside without the snapshot", "held_queue", "receive_queue", 10, 0.9)
}

END {
	print "| work | eventbus | beside | ratio | to reach | ratio of CPU time |"
	print "|---|---|---|---|---|---|"
	if (has("put/eventbus tps"))
		put_lines()
	if (has("commit/eventbus tps"))
		line("one event per transaction, 8 clients, routed and delivered meanwhile: beside INSERT of one row",
			rate(median("commit/eventbus tps")), rate(median("commit/insert tps")),
			median("commit/eventbus tps") / median("commit/insert tps"), "≥", 0.9,
			times(cpu("commit/insert") / cpu("commit/eventbus")))
	if (has("latency/put p50"))
		line("commit → row in the target table at 50/s, p50 (p99): beside LISTEN/NOTIFY",
			ms2("latency/put"), ms2("latency/notify"),
			median("latency/put p50") / median("latency/notify p50"), "≤", 3, "")
	if (has("latency/durable p50"))
		line("the same from the answer to a COMMIT that waited for the disk", ms2("latency/durable returned"),
			ms2("latency/notify"), median("latency/durable returned p50") / median("latency/notify p50"), "≤", 3, "")
	if (has("backlog/delivered")) {
		backlog_line("backlog into one plain table, per event: beside INSERT … SELECT of the same rows", "delivered", 1)
		backlog_line("the same, the router alone", "routed", 4)
		line("backlog beside an idle writing transaction and a repeatable-read snapshot: beside without",
			us1(median("backlog/held")), us1(median("backlog/delivered")),
			median("backlog/delivered") / median("backlog/held"), "≥", 0.9,
			times(cpu("backlog/delivered") / cpu("backlog/held")))
	}
	if (has("rules/rules10000"))
		line("routing past 10,000 rules of which one matches, per event: beside 1",
			us1(median("rules/rules10000")), us1(median("rules/rules1")),
			median("rules/rules1") / median("rules/rules10000"), "≥", 0.85,
			times(cpu("rules/rules1") / cpu("rules/rules10000")))
	if (has("scale/bus 1"))
		scale_line("1,000 buses, put, routed and delivered, per event: beside 1", "bus")
	if (has("scale/target 1"))
		scale_line("1,000 targets, likewise: beside 1", "target")
	if (has("neighbours/alone")) {
		line("a healthy target beside 20 locked or refusing ones, events per second: beside alone",
			rate(1e6 / median("neighbours/beside")), rate(1e6 / median("neighbours/alone")),
			median("neighbours/alone") / median("neighbours/beside"), "≥", 0.8, "")
		line("the same, p50 latency", ms(median("neighbours/beside p50")), ms(median("neighbours/alone p50")),
			median("neighbours/beside p50") / median("neighbours/alone p50"), "≤", 2, "")
	}
	if (has("functions/each")) {
		line("backlog into a PL/pgSQL function, per event: beside a PL/pgSQL loop that calls it", us1(median("functions/each")),
			us1(median("functions/loop")), median("functions/loop") / median("functions/each"), "≥", 0.8,
			times(cpu("functions/loop") / cpu("functions/each")))
		line("the same into a function that takes arrays: beside one event each", us1(median("functions/array")),
			us1(median("functions/each")), median("functions/each") / median("functions/array"), "≥", 5,
			times(cpu("functions/each") / cpu("functions/array")))
		line("commit → function called at 50/s, p50 (p99): beside row in a table", ms2("functions/latency function"),
			ms2("functions/latency table"),
			median("functions/latency function p50") / median("functions/latency table p50"), "≤", 1.3, "")
	}
	if (has("queue/routed 1000")) {
		queue_line("10,000 targets and 1,000 places in the work queue, routing: beside enough places", "routed")
		queue_line("the same, routed and delivered", "delivered")
	}
	if (has("messages/receive_queue tps"))
		message_lines()
	n = split("plain indexed defaults generated triggered members template", kinds, " ")
	for (i = 1; i <= n; i++)
		if (has("tables/" kinds[i]))
			line("backlog into a table, " kinds[i] ": beside INSERT … SELECT", us1(median("tables/" kinds[i])),
				us1(median("tables/" kinds[i] " insert")),
				median("tables/" kinds[i] " insert") / median("tables/" kinds[i]), "≥", 1,
				times(cpu("tables/" kinds[i] " insert") / cpu("tables/" kinds[i])))
}
