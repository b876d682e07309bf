/* SPDX-License-Identifier: BSD-3-Clause */
#include "apps/simnic/options.h"
#include "core/base/compiler.h"
#include "core/base/reason.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { UINT, U64, INT, FLAG, TEXT, MAC, DOORBELL, NOBAR };

struct option_def {
	const char *key;
	enum kind kind;
	size_t at;
	uint64_t min, max; /* TEXT: max is the size of the buffer */
	const char *help;
};

#define AT(field) offsetof(struct sim_options, field)

static const struct option_def defs[] = {
	{"fd", INT, AT(fd), 0, 1 << 20, "serve one client on this connected socket, exit when it closes"},
	{"socket", TEXT, AT(socket_path), 1, 108,
	 "listen on this path; a new client finds the device as it was left"},
	{"model", TEXT, AT(model), 1, 16, "igb (an Intel 82576)"},
	{"doorbell", DOORBELL, 0, 0, 0,
	 "msg: tails are messages, the model sleeps when idle; mmap: shared pages"},
	{"nobar", NOBAR, 0, 0, 0, "no mappable region (the same as doorbell=msg)"},
	{"scan-us", UINT, AT(scan_us), 1, 1000000,
	 "doorbell=mmap: interval of looking at the pages without traffic"},
	{"spin-us", UINT, AT(spin_us), 0, 1000000, "doorbell=mmap: spin this long after the last event"},
	{"queues", UINT, AT(queues), 1, 16, "queue pairs that can be enabled"},
	{"mac", MAC, AT(mac), 0, 0, "the address in the EEPROM"},
	{"link-delay", UINT, AT(link_delay), 0, 60000, "ms until autonegotiation completes"},
	{"msix", FLAG, AT(msix), 0, 1, "0 hides MSI-X"},
	{"msi", FLAG, AT(msi), 0, 1, "0 hides MSI (with msix=0 only INTx is left)"},
	{"wire", TEXT, AT(wire), 1, 256,
	 "loop | pair:NAME | tap:NAME | pcap:FILE | socket:PATH or socket:HOST:PORT,\n"
	 "                      socket:listen:PATH or socket:listen:HOST:PORT | "
	 "gen[:key=value[:key=value...]] | train:PATH | none"},
	{"pcap-out", TEXT, AT(pcap_out), 1, 256, "wire=pcap: write transmitted frames to this file"},
	{"size", UINT, AT(size), 64, 9728, "gen: frame size in bytes, FCS included"},
	{"flows", UINT, AT(flows), 0, 1024, "gen: flows; 0 makes two for each enabled queue"},
	{"rate", U64, AT(rate), 0, UINT64_MAX, "gen: packets a second, 0 for as many as the window lets"},
	{"count", U64, AT(count), 0, UINT64_MAX, "gen: stop after so many packets"},
	{"time", UINT, AT(time), 0, 1u << 30, "gen: stop after so many ms"},
	{"lossy", FLAG, AT(lossy), 0, 1, "gen: send whether or not a descriptor is free"},
	{"stats", TEXT, AT(stats), 1, 256, "write figures to this file as one JSON object"},
	{"stats-ms", UINT, AT(stats_ms), 0, 3600000, "... this often, beside signals and exit"},
	{"automask", FLAG, AT(automask), 0, 1, "0: EIAM has no effect"},
	{"latch", FLAG, AT(latch), 0, 1, "0: causes that come while masked are forgotten"},
	{"lost-irq", UINT, AT(lost_irq), 0, UINT32_MAX, "lose every Nth interrupt"},
	{"spurious-irq", UINT, AT(spurious_irq), 0, UINT32_MAX, "one interrupt too many after every Nth"},
	{"late-dd", UINT, AT(late_dd), 0, 1000000, "us by which rx write-back trails a first interrupt"},
	{"torn", UINT, AT(torn), 0, UINT32_MAX, "every Nth rx write-back shows DD before the length"},
	{"rewrite-dd", UINT, AT(rewrite_dd), 0, UINT32_MAX, "every Nth rx descriptor is changed after DD"},
	{"hostile-len", UINT, AT(hostile_len), 0, UINT32_MAX,
	 "every Nth rx descriptor has an impossible length"},
	{"hung-queue", INT, AT(hung_queue), 0, 15, "this queue pair stops for good"},
	{"hung-after", U64, AT(hung_after), 0, UINT64_MAX, "... after so many packets"},
	{"remove-after", U64, AT(remove_after), 0, UINT64_MAX,
	 "surprise removal after so many packets (or on SIGHUP)"},
};

void sim_options_init(struct sim_options *o)
{
	uint32_t id = (uint32_t)getpid();

	*o = (struct sim_options){
		.fd = -1,
		.model = "igb",
		.scan_us = 50,
		.spin_us = 200,
		.queues = 16,
		/* locally administered, "SN", and different for each server on a machine */
		.mac = {0x02, 0x53, 0x4e, (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id},
		.link_delay = 10,
		.msix = true,
		.msi = true,
		.wire = "loop",
		.size = 64,
		.automask = true,
		.latch = true,
		.hung_queue = -1,
	};
}

static int parse_mac(uint8_t *mac, const char *value)
{
	unsigned int b[6];
	char rest;

	if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &rest) != 6)
		return unapi_fail(EINVAL, "mac=%s: not six hexadecimal bytes with colons between", value);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	if (mac[0] & 1)
		return unapi_fail(EINVAL, "mac=%s: a multicast address cannot be a port's own", value);
	return 0;
}

static int parse_number(const struct option_def *d, const char *value, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(value, &end, 0);
	if (!*value || *end || errno || *value == '-' || *out < d->min || *out > d->max)
		return unapi_fail(EINVAL, "%s=%s: not a number from %llu to %llu", d->key, value,
				  (unsigned long long)d->min, (unsigned long long)d->max);
	return 0;
}

static int set(struct sim_options *o, const struct option_def *d, const char *value)
{
	char *field = (char *)o + d->at;
	uint64_t n = 1;
	int rc;

	switch (d->kind) {
	case TEXT:
		if (!value || strlen(value) < d->min || strlen(value) >= d->max)
			return unapi_fail(EINVAL, "%s: needs a value of %u to %u characters", d->key,
					  (unsigned int)d->min, (unsigned int)d->max - 1);
		strcpy(field, value);
		return 0;
	case MAC:
		return parse_mac((uint8_t *)field, value ? value : "");
	case NOBAR:
		o->mmap = false;
		return 0;
	case DOORBELL:
		if (!value || (strcmp(value, "msg") && strcmp(value, "mmap")))
			return unapi_fail(EINVAL, "doorbell=%s: msg or mmap", value ? value : "");
		o->mmap = !strcmp(value, "mmap");
		return 0;
	case FLAG:
		break;
	default:
		if (!value)
			return unapi_fail(EINVAL, "%s: needs a value", d->key);
	}
	if (value) {
		rc = parse_number(d, value, &n);
		if (rc)
			return rc;
	}
	if (d->kind == FLAG)
		*(bool *)field = n != 0;
	else if (d->kind == U64)
		*(uint64_t *)field = n;
	else
		*(uint32_t *)field = (uint32_t)n;
	return 0;
}

int sim_option(struct sim_options *o, const char *text)
{
	const char *eq = strchr(text, '=');
	size_t n = eq ? (size_t)(eq - text) : strlen(text);

	for (size_t i = 0; i < ARRAY_SIZE(defs); i++) {
		if (strlen(defs[i].key) == n && !memcmp(defs[i].key, text, n))
			return set(o, &defs[i], eq ? eq + 1 : NULL);
	}
	return unapi_fail(EINVAL,
			  "'%.*s': no such option of the simulated NIC (unapi-simnic --help lists them)",
			  (int)n, text);
}

int sim_option_list(struct sim_options *o, const char *list)
{
	char copy[256], *save, *item;
	int rc;

	snprintf(copy, sizeof(copy), "%s", list);
	for (item = strtok_r(copy, ",;:", &save); item; item = strtok_r(NULL, ",;:", &save)) {
		rc = sim_option(o, item);
		if (rc)
			return rc;
	}
	return 0;
}

void sim_options_help(FILE *f)
{
	fprintf(f, "Usage: unapi-simnic --fd=N | --socket=PATH [--OPTION[=VALUE]...]\n"
		   "A simulated NIC behind a vfio-user socket. The options are those of the device string\n"
		   "\"sim:igb,OPTION=VALUE,...\":\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(defs); i++)
		fprintf(f, "  %-18s  %s\n", defs[i].key, defs[i].help);
	fprintf(f, "\nSignals: SIGUSR1 ends a phase: the figures go to the stats file and to a copy with the "
		   "phase's\n"
		   "number behind its name (FILE.1, FILE.2...), then latency starts afresh; counters are "
		   "cumulative.\n"
		   "SIGUSR2 stops the generator: what is not back a second later is lost, and the stats file "
		   "then says\n"
		   "\"drained\": true. SIGHUP removes the device by surprise, SIGPWR asks\n"
		   "the client for it first (VFIO's device request). SIGTERM ends the server.\n");
}
