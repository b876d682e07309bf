/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line. Its flags are those of DPDK's dpdk-devbind.py. */
#include "tools/devbind/devbind.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unapi/version.h>

static const char usage[] =
	"Usage: unapi-devbind --status [--json]\n"
	"       unapi-devbind --check DEVICE...\n"
	"       unapi-devbind --bind=DRIVER [--force] [--noiommu-mode] DEVICE...\n"
	"       unapi-devbind --unbind [--force] DEVICE...\n"
	"\n"
	"DEVICE is a PCI address (03:00.0 or 0000:03:00.0) or an interface's name.\n"
	"\n"
	"  -s, --status          list network devices by who drives them; after --bind and --unbind too\n"
	"      --json            ... as a JSON array\n"
	"  -c, --check           tell what keeps the devices from being used through VFIO, and what mends "
	"it\n"
	"  -b, --bind=DRIVER     bind the devices to DRIVER (vfio-pci, or a kernel driver; none: --unbind); "
	"if\n"
	"                        it does not take one, that one's old driver gets it back\n"
	"  -u, --unbind          leave the devices without a driver\n"
	"      --force           also take an interface that carries the default route or an ssh session, a\n"
	"                        controller with mounted disks, or a device that a process has open\n"
	"      --noiommu-mode    let vfio-pci work without an IOMMU, which isolates nothing\n"
	"  -h, --help  -V, --version\n";

enum verb { NO_VERB, STATUS, CHECK, BIND, UNBIND };

struct arguments {
	enum verb verb;
	bool status, json;
	const char *driver;
	struct devbind_options o;
};

static int wrong(const char *what, const char *text)
{
	fprintf(stderr, "unapi-devbind: %s%s%s (--help tells more)\n", what, what[0] ? ": " : "", text);
	return 2;
}

static int set_verb(struct arguments *a, enum verb verb)
{
	if (a->verb && a->verb != verb)
		return wrong("", "give one of --check, --bind=DRIVER and --unbind");
	a->verb = verb;
	return 0;
}

/* Returns an exit code, or -1 to go on. */
static int take_option(struct arguments *a, int opt)
{
	switch (opt) {
	case 'S': /* of devbind's kinds of devices there is only one here */
		if (strcmp(optarg, "net") && strcmp(optarg, "all"))
			return wrong(optarg, "only network devices (net) are known here");
		a->status = true;
		return -1;
	case 's':
		a->status = true;
		return -1;
	case 'j':
		a->json = true;
		return -1;
	case 'c':
		return set_verb(a, CHECK) ? 2 : -1;
	case 'b':
		a->driver = optarg;
		return set_verb(a, strcmp(optarg, "none") ? BIND : UNBIND) ? 2 : -1;
	case 'u':
		return set_verb(a, UNBIND) ? 2 : -1;
	case 'f':
		a->o.force = true;
		return -1;
	case 'n':
		a->o.noiommu = true;
		return -1;
	case 'h':
		fputs(usage, stdout);
		return 0;
	case 'V':
		printf("unapi-devbind %s\n", unapi_version());
		return 0;
	default:
		fputs("unapi-devbind --help tells how to use it\n", stderr);
		return 2;
	}
}

static int judge(const struct arguments *a, const char *first_device)
{
	if (!a->verb && !a->status)
		return wrong("", "give one of --status, --check, --bind=DRIVER and --unbind");
	if (a->verb && !first_device)
		return wrong("", "no device given (--status lists them)");
	if (!a->verb && first_device)
		return wrong(first_device, "a device needs --check, --bind=DRIVER or --unbind");
	if (a->json && (a->verb || !a->status))
		return wrong("--json", "only --status has it");
	if (a->o.noiommu && (a->verb != BIND || strcmp(a->driver, "vfio-pci")))
		return wrong("--noiommu-mode", "only --bind=vfio-pci has it");
	return 0;
}

int devbind_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"status", no_argument, NULL, 's'},	{"status-dev", required_argument, NULL, 'S'},
		{"json", no_argument, NULL, 'j'},	{"check", no_argument, NULL, 'c'},
		{"bind", required_argument, NULL, 'b'}, {"unbind", no_argument, NULL, 'u'},
		{"force", no_argument, NULL, 'f'},	{"noiommu-mode", no_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},	{"usage", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},	{0},
	};
	struct arguments a = {0};
	char **devs;
	int opt, n, rc;

	while ((opt = getopt_long(argc, argv, "sb:cuhV", options, NULL)) != -1) {
		rc = take_option(&a, opt);
		if (rc >= 0)
			return rc;
	}
	devs = argv + optind;
	n = argc - optind;
	rc = judge(&a, devs[0]);
	if (rc)
		return rc;
	if (a.verb == CHECK)
		rc = devbind_check(devs, n);
	else if (a.verb == BIND)
		rc = devbind_bind(a.driver, devs, n, &a.o);
	else if (a.verb == UNBIND)
		rc = devbind_unbind(devs, n, &a.o);
	if (a.status)
		rc |= devbind_status(a.json);
	return rc;
}
