EXTENSION  = eventbus
MODULE_big = eventbus
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" eventbus.control)
OBJS       = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/core/*.c)))
DATA_built = eventbus--$(EXTVERSION).sql
REGRESS    = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS  += -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Wno-cast-function-type

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(DATA_built): $(sort $(wildcard src/sql/*.sql)) eventbus.control
	cat $(filter %.sql,$^) > $@
