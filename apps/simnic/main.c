/* SPDX-License-Identifier: BSD-3-Clause */
/* unapi-simnic: a NIC that is a program. */
#include "apps/simnic/sim.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdlib.h>

static int parse(struct sim_options *o, int argc, char **argv)
{
	int rc;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2))
			return unapi_fail(EINVAL, "'%s': options begin with --", argv[i]);
		rc = sim_option(o, argv[i] + 2);
		if (rc)
			return rc;
	}
	if ((o->fd >= 0) == !!*o->socket_path)
		return unapi_fail(EINVAL, "one of --fd=N and --socket=PATH is needed (see --help)");
	if (strcmp(o->model, "igb"))
		return unapi_fail(EINVAL, "model=%s: the only model is igb", o->model);
	return 0;
}

int main(int argc, char **argv)
{
	static struct sim sim;
	int rc;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		sim_options_help(stdout);
		return 0;
	}
	sim_options_init(&sim.opt);
	rc = parse(&sim.opt, argc, argv);
	if (rc) {
		fprintf(stderr, "simnic: %s\n", unapi_reason());
		return 2;
	}
	rc = sim_init(&sim);
	if (rc)
		fprintf(stderr, "simnic: %s\n", unapi_reason());
	else
		rc = sim_run(&sim);
	sim_fini(&sim);
	return rc ? 1 : 0;
}
