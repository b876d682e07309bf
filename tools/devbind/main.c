/* SPDX-License-Identifier: BSD-3-Clause */
/* unapi-devbind: give NICs to vfio-pci, and back. The flags are those of DPDK's dpdk-devbind.py. */
#include "core/base/reason.h"
#include "core/pci/bind.h"
#include "tools/devbind/devbind.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unapi/version.h>

static const char usage[] =
	"Usage: unapi-devbind --status [--json]\n"
	"       unapi-devbind --bind=DRIVER [--force] [--noiommu-mode] DEVICE...\n"
	"       unapi-devbind --unbind [--force] DEVICE...\n"
	"\n"
	"DEVICE is a PCI address (03:00.0 or 0000:03:00.0) or an interface's name.\n"
	"\n"
	"  -s, --status          list network devices by who drives them\n"
	"      --json            ... as a JSON array\n"
	"  -b, --bind=DRIVER     bind the devices to DRIVER (vfio-pci, or a kernel driver); if it does not\n"
	"                        take one, that one's old driver gets it back\n"
	"  -u, --unbind          leave the devices without a driver\n"
	"      --force           also take an interface that carries the default route or an ssh session\n"
	"      --noiommu-mode    let vfio-pci work without an IOMMU, which isolates nothing\n"
	"  -h, --help  -V, --version\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"status", no_argument, NULL, 's'},	  {"status-dev", required_argument, NULL, 'S'},
		{"json", no_argument, NULL, 'j'},	  {"bind", required_argument, NULL, 'b'},
		{"unbind", no_argument, NULL, 'u'},	  {"force", no_argument, NULL, 'f'},
		{"noiommu-mode", no_argument, NULL, 'n'}, {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},	  {0},
	};
	bool status = false, json = false, unbind = false, force = false, noiommu = false;
	const char *driver = NULL;
	char **devs;
	int opt, n;

	while ((opt = getopt_long(argc, argv, "sb:uhV", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			status = true;
			break;
		case 'S': /* devbind's "--status-dev net": there is nothing else here */
			status = true;
			break;
		case 'j':
			json = true;
			break;
		case 'b':
			driver = optarg;
			break;
		case 'u':
			unbind = true;
			break;
		case 'f':
			force = true;
			break;
		case 'n':
			noiommu = true;
			break;
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
	devs = argv + optind;
	n = argc - optind;
	if ((driver && unbind) || (!driver && !unbind && !status)) {
		fputs("unapi-devbind: give one of --status, --bind=DRIVER and --unbind (--help tells more)\n",
		      stderr);
		return 2;
	}
	if ((driver || unbind) && !n) {
		fputs("unapi-devbind: no device given (--status lists them)\n", stderr);
		return 2;
	}
	if (!driver && !unbind && n) {
		fprintf(stderr, "unapi-devbind: %s: a device needs --bind=DRIVER or --unbind\n", devs[0]);
		return 2;
	}
	if (noiommu && pci_enable_noiommu()) {
		fprintf(stderr, "unapi-devbind: %s\n", unapi_reason());
		return 1;
	}
	if (driver)
		n = devbind_bind(driver, devs, n, force);
	else if (unbind)
		n = devbind_unbind(devs, n, force);
	else
		n = 0;
	return n ? n : status ? devbind_status(json) : 0;
}
