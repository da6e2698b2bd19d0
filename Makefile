# eventbus: an event bus inside PostgreSQL
#
#   1. What is built            standard PGXS: make && make install
#   2. Commands of their own    make check, make demo ...: they bring what they
#                               need and touch no installed server (test/run)
#   3. PGXS, and what it lacks  dependencies, the install script, debug builds
#
# "make help" lists the targets. PG_CONFIG chooses the server to build for.

# ---- 1. What is built ------------------------------------------------------

EXTENSION   = eventbus
MODULE_big  = eventbus
EXTVERSION  = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" eventbus.control)
OBJS        = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/core/*.c)))
SQL_PARTS   = $(sort $(wildcard src/sql/*.sql))
DATA_built  = eventbus--$(EXTVERSION).sql
DATA        = $(wildcard src/sql/upgrade/eventbus--*--*.sql)
PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS  += -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
              -Wno-missing-field-initializers -Wno-cast-function-type

# pieces of installcheck: each can be named, or emptied, on the command line
REGRESS       := $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS   = --temp-instance=./tmp_check --temp-config=./test/eventbus.conf \
                 --load-extension=eventbus --no-locale --encoding=UTF8
ISOLATION     := $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --temp-instance=./tmp_check_iso --temp-config=./test/eventbus.conf \
                 --inputdir=test/isolation --load-extension=eventbus --no-locale --encoding=UTF8
TAP_TESTS     := $(if $(wildcard test/t/*.pl),1)
PROVE_TESTS   ?= $(sort $(wildcard test/t/*.pl))

EXTRA_CLEAN = .build results output_iso regression.diffs regression.out

# ---- 2. Commands of their own ----------------------------------------------

COMMANDS = help check check-versions check-long valgrind ci demo bench bench-match playground unit fuzz lint format

ifneq ($(filter $(COMMANDS),$(MAKECMDGOALS)),)

.PHONY: $(COMMANDS)

help:           ## print this list
	@sed -n 's/^#* *\([a-z-]*\): *## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

check:          ## install what is missing, build, run every test; REGRESS= ISOLATION= PROVE_TESTS= T= choose
	@test/run check

check-versions: ## the same on servers 15, 17 and 18 with assertions, built from source; VERSIONS= chooses
	@test/run check-versions

check-long:     ## what chance or quantity decides at full length, and valgrind: hours; T= chooses
	@test/run check-long

valgrind:       ## the regress tests on a server under valgrind; REGRESS= chooses
	@test/run valgrind

ci:             ## what continuous integration runs: both, and the sum
	@test/run ci

demo:           ## show what the product does, on a throw-away server
	@test/run demo

bench-match:    ## time the matcher beside jsonb's input function; RULES= chooses
	@test/run bench-match

bench:          ## measure beside plain SQL on a throw-away server; BENCH_SMOKE=1 is the quick round
	@test/run bench

playground:     ## psql on a server of your own with eventbus, kept between calls
	@test/run playground

unit:           ## tests of the pattern core, without a server; T= chooses
	@test/run unit

fuzz:           ## fuzz the pattern core, FUZZ_SECONDS (15) for each target
	@test/run fuzz

lint:           ## checks of style, layers, symbols, headers and comments
	@test/run lint

format:         ## lay out the C code with pg_bsd_indent
	@test/run format

else

# ---- 3. PGXS, and what it lacks --------------------------------------------

# all:          ## build the extension for the server of PG_CONFIG
# install:      ## install it there
# installcheck: ## run pg_regress, isolation and TAP tests against what is installed there
# debug:        ## rebuild with assertions, without optimization, warnings as errors
# clean:        ## remove what was built

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error $(PG_CONFIG) not found: install the server's development package (Debian: postgresql-server-dev-NN) or set PG_CONFIG)
endif

all:

# PGXS writes and reads dependency files (.deps), so that a changed header
# rebuilds what includes it; Debian's servers come with that switched off.
override autodepend = yes

include $(PGXS)

# bitcode has no dependency files: any header rebuilds it
$(OBJS:.o=.bc): $(wildcard src/*.h src/core/*.h)

$(DATA_built): $(SQL_PARTS) eventbus.control
	cat $(SQL_PARTS) > $@

.PHONY: debug
debug: clean
	$(MAKE) all COPT='-O0 -g3 -DUSE_ASSERT_CHECKING -Werror'

endif
